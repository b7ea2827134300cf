"""``flask figures warm``: pictures are there before somebody asks for them.

Flask side.
"""

from __future__ import annotations

from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import ConfigError
from ..route import FigureRoute
from .faults import warn_of_own_cache
from .options import (
    arguments_argument,
    maybe_figure_argument,
    plan_options,
    run_options,
)
from .plan import Chosen
from .plan_entry import first_format, formats_of_a_page
from .running import run


@click.command("warm")
@maybe_figure_argument
@arguments_argument
@plan_options
@run_options
@click.option(
    "--page", is_flag=True, help="All formats that figure() offers in a page."
)
@with_appcontext
def command(jobs: int | None, fail_fast: bool, page: bool, **chosen: Any) -> None:
    """Render pictures before somebody asks for them.

    \b
    flask figures warm plots.walk n=500         these arguments, others default
    flask figures warm plots.walk n=100 n=200   a picture for each
    flask figures warm plots.walk --format svg  another format
    flask figures warm --all                    every figure, arguments default
    flask figures warm --all --page             all that figure() offers browsers
    flask figures warm --from warm.json         what the file lists

    By default in the first format, at scales 1 and 2, and with its dark twin where
    the figure has a dark_style.

    NAME=VALUE is a value as it stands in a URL, whatever is in it. Given several
    times it is a picture for each, or the list where the parameter is a list.
    In --grid, commas separate values and two dots span integers, both ends and a
    step included; several are combined:

    \b
    --grid n=100,200,500                        three pictures
    --grid seed=0..9 --grid n=100..500..100     fifty
    --grid country=de,fr                        one country each, of a list too

    A file is JSON or TOML, where a list is a grid (a list in it a list):

    \b
    [{"figure": "plots.walk", "arguments": {"n": [100, 200], "seed": 3},
      "formats": ["png", "svg"], "scales": [1, 2], "themes": ["light"]}]

    \b
    [[pictures]]
    figure = "plots.walk"
    arguments = {n = [100, 200], seed = 3}

    or CSV, a picture for each line, with texts as in a URL:

    \b
    figure,n,seed,_format
    plots.walk,100,3,svg

    What is in the cache already is not rendered again. With workers it is done
    in parallel; the time until they had started is shown as waiting. The exit code
    is 1 where a picture failed, and 2 where something is asked for wrongly, which is
    found before anything is rendered.
    """
    planned = Chosen(**chosen).jobs(
        _refuse_inject, usual=formats_of_a_page if page else first_format
    )
    try:
        run(planned, threads=jobs, fail_fast=fail_fast)
    finally:
        warn_of_own_cache(job.route.pictures() for job in planned)


def _refuse_inject(route: FigureRoute) -> None:
    if route.options.inject:
        raise ConfigError(
            "It has inject=…, which wants a request: whose picture would it be?"
        )
