"""The ``flask figures bench`` command: the render time of a picture, step by step.

Flask side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
from flask.cli import with_appcontext
from flask.globals import app_ctx

from ..formats import RenderedImage
from ..http.headers import STEPS
from ..workers.request_isolation import run_without_request
from .click_options import THEMES, arguments_argument, figure_argument, named
from .exit_codes import as_failure, as_usage
from .task import Job, check_inject
from .terminal_table import aligned, available_width


@dataclass(frozen=True, slots=True)
class Measured:
    """Renders of one picture."""

    job: Job
    images: list[RenderedImage]

    @property
    def steps_ms(self) -> dict[str, float]:
        """The median milliseconds of each step, in order of execution."""
        each = [dict(image.timings_s) for image in self.images]
        names = [step for step in STEPS if step in each[0] and step != "wait"]
        return {step: median(steps[step] * 1000 for steps in each) for step in names}

    @property
    def total_ms(self) -> float:
        """The median milliseconds of all steps together, without waiting."""
        return median(
            sum(s * 1000 for step, s in image.timings_s if step != "wait")
            for image in self.images
        )

    def as_json(self) -> dict[str, Any]:
        """Return the measurement for ``--json``."""
        image = self.images[0]
        return {
            "figure": self.job.route.endpoint,
            "variant": str(self.job.picture.variant),
            "format": image.format.name,
            "repeat": len(self.images),
            "median_ms": {**self.steps_ms, "total": self.total_ms},
            "bytes": len(image.body),
            "width_px": image.width_px,
            "height_px": image.height_px,
        }


@click.command("bench")
@figure_argument
@arguments_argument
@click.option(
    "--format", "formats", multiple=True, help="Repeatable. By default all offered."
)
@click.option("--scale", "_scale", type=float, help="By default 1.")
@click.option("--width", "_width", type=int, help="In pixels, instead of --scale.")
@click.option("--theme", "_theme", type=THEMES, help="By default light.")
@click.option(
    "--repeat", type=click.IntRange(min=1), default=5, show_default=True, metavar="N"
)
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@with_appcontext
def command(
    endpoint: str,
    arguments: tuple[str, ...],
    formats: tuple[str, ...],
    repeat: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure where the time of a picture goes.

    \b
    flask figures bench plots.walk n=500                  every format it offers
    flask figures bench plots.walk --format png --scale 2
    flask figures bench plots.walk --repeat 20 --json

    Each format is rendered in this process and past the cache: once to warm up, then
    N times. The table has the median of each step in milliseconds:

    \b
    load    fetch the data, where the figure has load=…
    build   the figure function
    layout  place what is in the figure
    draw    draw it
    encode  write it in the format
    """
    with as_usage():
        jobs = _jobs(endpoint, arguments, formats, named(options))
    check_inject(jobs[0].route)
    measured = [_measure(job, repeat) for job in jobs]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in measured], indent=2))
        return
    click.echo(f"{jobs[0].figure}, median of {repeat}, in milliseconds")
    for line in _table(measured):
        click.echo(line)


def _jobs(
    endpoint: str,
    arguments: tuple[str, ...],
    formats: tuple[str, ...],
    options: dict[str, Any],
) -> list[Job]:
    first = Job.named(endpoint, arguments, options)
    names = formats or [format.name for format in first.route.options.formats]
    named_jobs = (
        Job.named(endpoint, arguments, {**options, "_format": name}) for name in names
    )
    return list({job.picture.key: job for job in named_jobs}.values())


def _measure(job: Job, repeat: int) -> Measured:
    app = app_ctx.app
    given = job.picture.arguments

    def image() -> RenderedImage:
        values = {**given.copy(), **job.route.injected()}
        return run_without_request(
            app, lambda: job.route.recipe.image(values, job.picture.variant)
        )

    with as_failure(job):
        image()
        return Measured(job, [image() for _ in range(repeat)])


def _table(measured: list[Measured]) -> list[str]:
    taken = [one.steps_ms for one in measured]
    steps = [step for step in STEPS if any(step in each for each in taken)]
    rows = [["", *steps, "total", "bytes", "pixels"]]
    for one, each in zip(measured, taken, strict=True):
        image = one.images[0]
        rows.append(
            [
                str(one.job.picture.variant),
                *(f"{each[step]:.1f}" if step in each else "" for step in steps),
                f"{one.total_ms:.1f}",
                f"{len(image.body):,}",
                "" if image.format.is_text else f"{image.width_px} x {image.height_px}",
            ]
        )
    return aligned(rows, available_width(), numbers=range(1, len(rows[0])))
