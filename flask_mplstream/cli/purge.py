"""The ``flask figures purge`` command: invalidates cached pictures.

Flask side.
"""

from __future__ import annotations

import click

from ..errors import CacheDownError
from ..web.app_state import current_state
from .click_options import ARGUMENTS, OPTIONAL_FIGURE
from .command_group import figures
from .failures import warn_unless_shared
from .grid import split_pairs


@figures.command("purge", params=[OPTIONAL_FIGURE, ARGUMENTS])
@click.option("--tag", "tags", multiple=True, help="Figures with this tag. Repeatable.")
@click.option("--all", "every", is_flag=True, help="Every figure of the app.")
def command(
    endpoint: str | None, arguments: tuple[str, ...], tags: tuple[str, ...], every: bool
) -> None:
    """Invalidate pictures: the next request renders them again.

    \b
    flask figures purge plots.walk              one figure, all its arguments
    flask figures purge plots.walk n=500        these arguments, others default
    flask figures purge --tag sales             every figure with this tag
    flask figures purge --all                   every figure

    This covers all sizes and formats, in all processes that share the cache.
    """
    if not (endpoint or tags or every):
        raise click.UsageError("Name a figure, or use --tag or --all.")
    pairs = split_pairs(arguments)
    state = current_state()
    try:
        if endpoint:
            route = state.route(endpoint)
            given = None
            if pairs:
                given = route.parameters.parse(pairs, route.rule_defaults)
            route.invalidate(given)
        for route in state.routes.values() if every else ():
            route.invalidate()
        if tags:
            state.invalidate_tags(tags)
    except CacheDownError as error:
        raise click.ClickException(str(error)) from error
    is_one = not (tags or every)
    routes = [state.route(endpoint)] if endpoint and is_one else state.routes.values()
    warn_unless_shared(route.pictures() for route in routes)
