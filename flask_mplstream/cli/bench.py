"""The ``flask figures bench`` command: the time of each step of a render.

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
from ..web.app_state import current_state
from ..workers.request_isolation import run_without_request
from .click_options import THEMES, arguments_argument, drop_unset, figure_argument
from .exit_codes import report_failure, report_usage_errors
from .task import Task, check_inject
from .terminal_table import align, find_width


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Renders of one picture."""

    task: Task
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
            "figure": self.task.route.endpoint,
            "variant": str(self.task.picture.variant),
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
    *("--format", "formats"), multiple=True, help="Repeatable. Default: all formats."
)
@click.option("--scale", "_scale", type=float, help="Default: 1.")
@click.option(
    "--width", "_width", type=int, help="Width in pixels, instead of --scale."
)
@click.option("--theme", "_theme", type=THEMES, help="Default: light.")
@click.option(
    "--repeat", type=click.IntRange(min=1), default=5, show_default=True, metavar="N"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")
@with_appcontext
def command(
    endpoint: str,
    arguments: tuple[str, ...],
    formats: tuple[str, ...],
    repeat: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the time of each step of a render.

    \b
    flask figures bench plots.walk n=500                  every format it offers
    flask figures bench plots.walk --format png --scale 2
    flask figures bench plots.walk --repeat 20 --json

    Each format is rendered in this process without the cache: once to warm up, then N
    times. The table has the median of each step in milliseconds:

    \b
    load    fetch the data, if the figure has load
    build   run the figure function
    layout  place the figure's contents
    draw    draw the figure
    encode  write the format
    """
    with report_usage_errors():
        tasks = _list_tasks(endpoint, arguments, formats, drop_unset(options))
    check_inject(tasks[0].route)
    benchmarks = [_measure(task, repeat) for task in tasks]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in benchmarks], indent=2))
        return
    click.echo(f"{tasks[0].figure}, median of {repeat}, in milliseconds")
    for line in _format_table(benchmarks):
        click.echo(line)


def _list_tasks(
    endpoint: str,
    arguments: tuple[str, ...],
    formats: tuple[str, ...],
    options: dict[str, Any],
) -> list[Task]:
    route = current_state().route(endpoint)
    names = formats or [format.name for format in route.options.formats]
    tasks = (
        Task.parse(endpoint, arguments, {**options, "_format": name}) for name in names
    )
    return list({task.picture.key: task for task in tasks}.values())


def _measure(task: Task, repeat: int) -> Benchmark:
    app = app_ctx.app
    recipe, picture = task.route.recipe, task.picture

    def render() -> RenderedImage:
        values = {**picture.arguments.copy(), **task.route.injected()}
        return run_without_request(app, lambda: recipe.image(values, picture.variant))

    with report_failure(task):
        render()
        return Benchmark(task, [render() for _ in range(repeat)])


def _format_table(benchmarks: list[Benchmark]) -> list[str]:
    steps = [step for step in STEPS if any(step in one.steps_ms for one in benchmarks)]
    rows = [["", *steps, "total", "bytes", "pixels"]]
    for one in benchmarks:
        image, times_ms = one.images[0], one.steps_ms
        rows.append(
            [
                str(one.task.picture.variant),
                *(
                    f"{times_ms[step]:.1f}" if step in times_ms else ""
                    for step in steps
                ),
                f"{one.total_ms:.1f}",
                f"{len(image.body):,}",
                "" if image.format.is_text else f"{image.width_px} x {image.height_px}",
            ]
        )
    return align(rows, find_width(), numbers=range(1, len(rows[0])))
