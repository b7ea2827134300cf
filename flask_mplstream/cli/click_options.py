"""Options and arguments that several commands share.

Flask side. Of the third-party packages it uses only click.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from ..formats import Theme

C = TypeVar("C", bound=Callable[..., Any])

figure_argument = click.argument("endpoint", metavar="FIGURE")
maybe_figure_argument = click.argument("endpoint", metavar="[FIGURE]", required=False)
arguments_argument = click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")

THEMES = click.Choice([theme.value for theme in Theme])


def variant_options(command: C) -> C:
    """Add the options of one variant, under their names in URLs."""
    return _with(
        command,
        click.option("--format", "_format", help="By default the first one."),
        click.option("--scale", "_scale", type=float, help="By default 1."),
        click.option("--width", "_width", type=int, help="In pixels, not --scale."),
        click.option("--theme", "_theme", type=THEMES, help="By default light."),
    )


def named(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with a value other than ``None``."""
    return {name: value for name, value in options.items() if value is not None}


def plan_options(command: C) -> C:
    """Add the options that select pictures, for :class:`~.plan.Chosen`."""
    return _with(
        command,
        click.option(
            "--grid",
            multiple=True,
            metavar="NAME=A,B,C|NAME=1..9",
            help="A picture for each; repeatable.",
        ),
        click.option("--format", "formats", multiple=True, help="Repeatable."),
        click.option(
            "--scale", "scales", multiple=True, type=float, help="Repeatable."
        ),
        click.option(
            "--width", "widths", multiple=True, type=int, help="Pixels; repeatable."
        ),
        click.option(
            "--theme", "themes", multiple=True, type=THEMES, help="Repeatable."
        ),
        click.option("--all", "every", is_flag=True, help="Every figure of the app."),
        click.option(
            "--from",
            "files",
            multiple=True,
            type=click.Path(exists=True, dir_okay=False),
            help="A .json, .toml or .csv file that lists them; repeatable.",
        ),
    )


def run_options(command: C) -> C:
    """Add ``--jobs`` and ``--fail-fast``."""
    return _with(
        command,
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            help="Renders at once. By default as many as there are workers.",
        ),
        click.option("--fail-fast", is_flag=True, help="End with the first failure."),
    )


def _with(command: C, *decorators: Callable[[C], C]) -> C:
    for decorator in reversed(decorators):
        command = decorator(command)
    return command


def pairs_of(arguments: Iterable[str]) -> list[tuple[str, str]]:
    """Return the name and the text of each of *arguments*, as in a URL."""
    return [pair_of(argument) for argument in arguments]


def pair_of(argument: str) -> tuple[str, str]:
    """Return the name and the text of *argument*.

    :param argument: ``NAME=VALUE``.
    :raises click.UsageError: if it contains no ``=``.
    """
    name, equals, value = argument.partition("=")
    if not equals:
        raise click.UsageError(f"{argument!r} is not of the form NAME=VALUE.")
    return name, value
