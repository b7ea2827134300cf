"""The ``flask figures warm`` command: renders pictures before the first request.

Flask side.
"""

from __future__ import annotations

from typing import Any

import click
from flask.cli import with_appcontext

from ..errors import ConfigError
from ..web.figure_route import FigureRoute
from .click_options import (
    arguments_argument,
    maybe_figure_argument,
    plan_options,
    run_options,
)
from .exit_codes import warn_of_own_cache
from .page_scan import jobs_shown
from .plan import Chosen
from .plan_entry import Looks, first_format, formats_of_a_page
from .progress import run


@click.command("warm")
@maybe_figure_argument
@arguments_argument
@plan_options
@run_options
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help="A page of the app, for the pictures that it shows; repeatable.",
)
@click.option(
    "--page", is_flag=True, help="With --scale, --width or --theme: all page formats."
)
@with_appcontext
def command(
    jobs: int | None, fail_fast: bool, urls: tuple[str, ...], page: bool, **chosen: Any
) -> None:
    """Render pictures before somebody asks for them.

    \b
    flask figures warm plots.walk n=500         these arguments, others default
    flask figures warm plots.walk n=100 n=200   a picture for each
    flask figures warm plots.walk --format svg  another format
    flask figures warm --all                    every figure, arguments default
    flask figures warm --url /dashboard         the pictures of a page of the app
    flask figures warm --from warm.json         what the file lists

    By default all that figure() offers browsers: its formats for pages, at scales 1, 2
    and 3 as far as the figure may be so large, the dark twin of a figure with
    dark_style, and the text. What is named instead is rendered alone: by default the
    first format, at scales 1 and 2. --url renders just what the page names, such as
    the widths of sizes=….

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
    if urls:
        if any(chosen.values()):
            raise click.UsageError("--url names all pictures: leave the others out.")
        planned = jobs_shown(urls)
    else:
        usual = formats_of_a_page if page else first_format
        looks = Looks(usual=usual, is_for_pages=True)
        planned = Chosen(**chosen).jobs(_refuse_inject, looks)
    try:
        run(planned, threads=jobs, fail_fast=fail_fast)
    finally:
        warn_of_own_cache(job.route.pictures() for job in planned)


def _refuse_inject(route: FigureRoute) -> None:
    if route.options.inject:
        raise ConfigError(
            "It has inject=…, which wants a request: whose picture would it be?"
        )
