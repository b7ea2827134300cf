"""Options and arguments that several commands share.

Flask side. Of the third-party packages it uses only click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, TypeVar

import click

from ..formats import Theme

C = TypeVar("C", bound=Callable[..., Any])

figure_argument = click.argument("endpoint", metavar="FIGURE")
optional_figure_argument = click.argument(
    "endpoint", metavar="[FIGURE]", required=False
)
arguments_argument = click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")

THEMES = click.Choice([theme.value for theme in Theme])

#: The help on plan files, for the end of a command's help.
PLAN_HELP = """
\b
A plan is a JSON or TOML file. A list is a grid, and a list in it is one value:
[{"figure": "plots.walk", "arguments": {"n": [100, 200], "seed": 3},
  "formats": ["png", "svg"], "scales": [1, 2], "themes": ["light"]}]

\b
[[pictures]]
figure = "plots.walk"
arguments = {n = [100, 200], seed = 3}
"""


def add_variant_options(command: C) -> C:
    """Add the options of one variant, under their names in URLs."""
    return _add(
        command,
        click.option("--format", "_format", help="Default: the figure's first format."),
        click.option("--scale", "_scale", type=float, help="Default: 1."),
        click.option(
            "--width", "_width", type=int, help="Width in pixels, instead of --scale."
        ),
        click.option("--theme", "_theme", type=THEMES, help="Default: light."),
    )


def drop_unset(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with a value other than ``None``."""
    return {name: value for name, value in options.items() if value is not None}


def add_plan_options(command: C) -> C:
    """Add the options that select pictures, for :class:`~.plan.Selection`."""
    return _add(
        command,
        optional_figure_argument,
        arguments_argument,
        click.option(
            *("--grid", "grid"),
            multiple=True,
            metavar="NAME=A,B,C",
            help="One picture for each value. Repeatable.",
        ),
        click.option("--format", "formats", multiple=True, help="Repeatable."),
        click.option(
            "--scale", "scales", multiple=True, type=float, help="Repeatable."
        ),
        click.option(
            "--width", "widths", multiple=True, type=int, help="In pixels. Repeatable."
        ),
        click.option(
            "--theme", "themes", multiple=True, type=THEMES, help="Repeatable."
        ),
        click.option("--all", "every", is_flag=True, help="Every figure of the app."),
        click.option(
            *("--from", "files"),
            multiple=True,
            type=click.Path(exists=True, dir_okay=False),
            help="A .json or .toml plan of pictures. Repeatable.",
        ),
        click.option(
            *("--jobs", "threads"),
            metavar="N",
            type=click.IntRange(min=1),
            help="Simultaneous renders. Default: the number of workers.",
        ),
        click.option("--fail-fast", is_flag=True, help="Stop at the first failure."),
    )


def _add(command: C, *decorators: Callable[[C], C]) -> C:
    return reduce(lambda made, add: add(made), reversed(decorators), command)


def split_pairs(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Return the name and the text of each ``NAME=VALUE``, as in a URL.

    :raises click.UsageError: if one contains no ``=``.
    """
    pairs = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals:
            raise click.UsageError(f"{argument!r} is not of the form NAME=VALUE.")
        pairs.append((name, value))
    return pairs
