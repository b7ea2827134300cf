"""The ``flask figures warm`` command: renders pictures before the first request.

Flask side.
"""

from __future__ import annotations

from typing import Any

import click

from ..errors import ConfigError
from ..web.figure_route import FigureRoute
from .click_options import PLAN_HELP, PLAN_PARAMETERS, RUN_PARAMETERS
from .command_group import figures
from .failures import warn_unless_shared
from .page_scan import find_tasks
from .plan import Selection
from .progress import run_tasks
from .variants import Defaults, choose_first, choose_for_page


@figures.command("warm", params=[*PLAN_PARAMETERS, *RUN_PARAMETERS], epilog=PLAN_HELP)
@click.option(
    *("--url", "urls"),
    multiple=True,
    metavar="URL",
    help="Render the pictures on this page of the app. Repeatable.",
)
@click.option(
    "--page", is_flag=True, help="With --scale, --width or --theme: all page formats."
)
def command(
    threads: int | None,
    fail_fast: bool,
    urls: tuple[str, ...],
    page: bool,
    **selected: Any,
) -> None:
    """Render pictures before the first request.

    \b
    flask figures warm plots.walk n=100 n=200          one picture for each value
    flask figures warm plots.walk --grid n=1,2,3 --grid seed=4,5    six pictures
    flask figures warm plots.walk --format svg         another format
    flask figures warm --all                           every figure, default arguments
    flask figures warm --url /dashboard                the pictures on a page
    flask figures warm --from plan.json                the pictures of a plan

    The default is everything that figure() offers browsers. With --format, --scale,
    --width or --theme, it is the first format at scales 1 and 2.

    NAME=VALUE sets an argument as in a URL. Repeat it for several pictures, or for one
    list if the parameter is a list. In --grid, commas separate the values.

    Pictures in the cache are not rendered again. The exit code is 1 if a picture
    failed, and 2 for wrong usage, which is found before the first render.
    """
    if urls and any(selected.values()):
        raise click.UsageError("--url selects all pictures. Remove the other options.")
    usual = choose_for_page if page else choose_first
    if urls:
        tasks = find_tasks(urls)
    else:
        tasks = Selection(**selected).plan(
            _refuse_inject, Defaults(usual, are_for_pages=True)
        )
    try:
        run_tasks(tasks, threads=threads, fail_fast=fail_fast)
    finally:
        warn_unless_shared(task.route.pictures() for task in tasks)


def _refuse_inject(route: FigureRoute) -> None:
    if route.options.inject:
        raise ConfigError(
            f"{route.endpoint} has inject, so its pictures belong to a user. They can "
            f"only be rendered in a request."
        )
