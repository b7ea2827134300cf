"""``flask figures``: what can be done with figures from the shell.

Flask side. The commands are there on every app with a figure blueprint.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import click
from flask import current_app
from flask.cli import AppGroup

from .cache.lookup import Served
from .errors import ConfigError, MplStreamError
from .route import FigureRoute, Picture
from .state import AppState, current_state
from .view import named_variant

#: Seconds of waiting that are worth a word.
SHOWN_WAIT_S = 0.1

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
            given = None
            if pairs:
                given = route.parameters.parse(pairs, route.rule_defaults)
            route.invalidate(given)
        for route in state.routes.values() if every else ():
            route.invalidate()
        if tags:
            state.invalidate_tags(tags)
    except MplStreamError as error:
        raise click.ClickException(str(error)) from error


@figures.command()
@click.argument("endpoint", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--format", "formats", multiple=True, help="By default the first one.")
@click.option(
    "--scale",
    "scales",
    multiple=True,
    type=float,
    help="By default 1 and 2, which figure() puts into a page.",
)
@click.option("--all", "every", is_flag=True, help="Every figure of the app.")
def warm(
    endpoint: str | None,
    arguments: tuple[str, ...],
    formats: tuple[str, ...],
    scales: tuple[float, ...],
    every: bool,
) -> None:
    """Render pictures before somebody asks for them.

    \b
    flask figures warm plots.walk n=500         these arguments, others default
    flask figures warm plots.walk --format svg  another format
    flask figures warm --all                    every figure, arguments default

    What is in the cache already is not rendered again. With workers it is done
    in parallel; the time until they had started is shown as waiting.
    """
    if bool(endpoint) == every:
        raise click.UsageError("Name a figure, or say --all.")
    state = current_state()
    try:
        jobs = list(_jobs(state, endpoint, arguments, formats, scales or (1.0, 2.0)))
    except MplStreamError as error:
        raise click.ClickException(str(error)) from error
    failed = sum(_show(job, told) for job, told in _rendered(state, jobs))
    if jobs and not jobs[0].route.pictures().is_shared:
        click.echo(
            "These pictures are kept in this process alone, which ends now. Set "
            "CACHE_TYPE to a cache that the server shares, such as RedisCache.",
            err=True,
        )
    if failed:
        raise click.ClickException(f"{failed} of {len(jobs)} pictures failed.")


@dataclass(frozen=True, slots=True)
class _Job:
    route: FigureRoute
    picture: Picture

    def __str__(self) -> str:
        values = self.picture.arguments.query.items()
        given = "".join(f" {name}={value}" for name, value in values)
        variant = self.picture.variant
        return f"{self.route.endpoint}{given} {variant.format} {variant.scale:g}x"


def _jobs(
    state: AppState,
    endpoint: str | None,
    arguments: Sequence[str],
    formats: Sequence[str],
    scales: Sequence[float],
) -> Iterator[_Job]:
    asked = [{"_format": name} for name in formats] or [{}]
    for route in [state.route(endpoint)] if endpoint else state.routes.values():
        try:
            if route.options.inject:
                raise ConfigError("It has inject=…, which wants a request.")
            pairs = map(_pair, arguments)
            values = route.parameters.parse(pairs, route.rule_defaults)
            variants = [
                named_variant(route, {**format, "_scale": scale})
                for format in asked
                for scale in scales
            ]
        except MplStreamError as error:
            if endpoint:
                raise
            click.echo(f"{route.endpoint}: left out. {error}", err=True)
            continue
        for variant in dict.fromkeys(variants):  # Shapes have one scale.
            yield _Job(route, route.picture(values, variant))


def _rendered(
    state: AppState, jobs: Sequence[_Job]
) -> Iterator[tuple[_Job, Served | Exception]]:
    app = current_app._get_current_object()  # type: ignore[attr-defined]

    def rendered(job: _Job) -> Served | Exception:
        try:
            with app.app_context():
                return job.route.fetch(job.picture)
        except Exception as error:
            return error

    # One thread for each that renders: what it waits for is the worker.
    with ThreadPoolExecutor(state.settings.workers or 1) as threads:
        yield from zip(jobs, threads.map(rendered, jobs), strict=True)


def _show(job: _Job, told: Served | Exception) -> bool:
    """Say how *job* went; whether it failed."""
    if isinstance(told, Exception):
        click.echo(f"{job}: {type(told).__name__}: {told}", err=True)
        return True
    steps = dict(told.entry.image.timings_s)
    waited_s = steps.pop("wait", 0.0)
    took = f"{sum(steps.values()) * 1000:.0f} ms"
    if waited_s > SHOWN_WAIT_S:
        took += f" after {waited_s:.1f} s of waiting"
    click.echo(f"{job}: {'in the cache' if told.fwd is None else took}")
    return False


def _pair(argument: str) -> tuple[str, str]:
    name, equals, value = argument.partition("=")
    if not equals:
        raise click.UsageError(f"{argument!r} is not of the form NAME=VALUE.")
    return name, value
