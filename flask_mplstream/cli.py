"""``flask figures``: what can be done with figures from the shell.

Flask side. The commands are there on every app with a figure blueprint.
"""

from __future__ import annotations

import click
from flask.cli import AppGroup

from .errors import MplStreamError
from .state import current_state

figures = AppGroup("figures", help="Figures that Matplotlib draws for this app.")


@figures.command()
@click.argument("endpoint", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--tag", "tags", multiple=True, help="What has this tag; repeatable.")
@click.option("--all", "every", is_flag=True, help="Every figure of the app.")
def purge(
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
    state = current_state()
    if not (endpoint or tags or every):
        raise click.UsageError("Name a figure, a --tag, or --all.")
    pairs = [_pair(argument) for argument in arguments]
    try:
        if endpoint:
            route = state.route(endpoint)
            route.invalidate(route.parameters.parse(pairs) if pairs else None)
        for route in state.routes.values() if every else ():
            route.invalidate()
        if tags:
            state.invalidate_tags(tags)
    except MplStreamError as error:
        raise click.ClickException(str(error)) from error


def _pair(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise click.UsageError(f"{argument!r} is not of the form NAME=VALUE.")
    return name, value
