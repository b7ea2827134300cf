"""Parameters that several commands share.

Flask side. Of the third-party packages it uses only click.
"""

from __future__ import annotations

from typing import Any

import click

from ..formats import Theme

_THEMES = click.Choice([theme.value for theme in Theme])

FIGURE = click.Argument(["endpoint"], metavar="FIGURE")
OPTIONAL_FIGURE = click.Argument(["endpoint"], metavar="[FIGURE]", required=False)
ARGUMENTS = click.Argument(["arguments"], nargs=-1, metavar="[NAME=VALUE]...")
FORMAT = click.Option(["--format", "_format"], help="Default: the first format.")
#: Options for the size and theme of one variant, under their names in URLs.
LOOK_OPTIONS = [
    click.Option(["--scale", "_scale"], type=float, help="Default: 1."),
    click.Option(
        ["--width", "_width"], type=int, help="Width in pixels, instead of --scale."
    ),
    click.Option(["--theme", "_theme"], type=_THEMES, help="Default: light."),
]
JSON = click.Option(["--json", "as_json"], is_flag=True, help="Print JSON for scripts.")

#: Parameters that select pictures, for :class:`~.plan.Selection`.
PLAN_PARAMETERS = [
    OPTIONAL_FIGURE,
    ARGUMENTS,
    click.Option(
        ["--grid"],
        multiple=True,
        metavar="NAME=A,B,C",
        help="One picture for each value. Repeatable.",
    ),
    click.Option(["--format", "formats"], multiple=True, help="Repeatable."),
    click.Option(["--scale", "scales"], multiple=True, type=float, help="Repeatable."),
    click.Option(
        ["--width", "widths"], multiple=True, type=int, help="In pixels. Repeatable."
    ),
    click.Option(
        ["--theme", "themes"], multiple=True, type=_THEMES, help="Repeatable."
    ),
    click.Option(["--all", "every"], is_flag=True, help="Every figure of the app."),
    click.Option(
        ["--from", "files"],
        multiple=True,
        type=click.Path(exists=True, dir_okay=False),
        help="A .json or .toml plan of pictures. Repeatable.",
    ),
]
#: Parameters of a run, for :func:`~.progress.run_tasks`.
RUN_PARAMETERS = [
    click.Option(
        ["--jobs", "threads"],
        metavar="N",
        type=click.IntRange(min=1),
        help="Simultaneous renders. Default: the number of workers.",
    ),
    click.Option(["--fail-fast"], is_flag=True, help="Stop at the first failure."),
]

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


def drop_unset(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with a value other than ``None``."""
    return {name: value for name, value in options.items() if value is not None}
