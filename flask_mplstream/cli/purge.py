"""The ``flask figures purge`` command: invalidates cached pictures.

Flask side.
"""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from ..errors import CacheDownError
from ..web.app_state import current_state
from .click_options import arguments_argument, maybe_figure_argument, pairs_of
from .exit_codes import as_usage, warn_of_own_cache


@click.command("purge")
@maybe_figure_argument
@arguments_argument
@click.option("--tag", "tags", multiple=True, help="What has this tag; repeatable.")
@click.option("--all", "every", is_flag=True, help="Every figure of the app.")
@with_appcontext
def command(
    endpoint: str | None, arguments: tuple[str, ...], tags: tuple[str, ...], every: bool
) -> None:
    """Have pictures rendered again.

    \b
    flask figures purge plots.walk              one figure, all its arguments
    flask figures purge plots.walk n=500        those arguments, others default
    flask figures purge --tag sales             what has this tag
    flask figures purge --all                   everything

    Every size and format goes at once, on all processes that share the cache.
    """
    if not (endpoint or tags or every):
        raise click.UsageError("Name a figure, a --tag, or --all.")
    pairs = pairs_of(arguments)
    try:
        with as_usage():
            state = current_state()
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
    warn_of_own_cache(route.pictures() for route in routes)
