"""The ``flask figures bench`` command: the time of each step of a render.

Flask side.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

import click
from flask.globals import app_ctx

from ..http.headers import STEPS
from ..rendered_image import RenderedImage
from ..web.app_state import current_state
from ..workers.request_isolation import run_without_request
from .click_options import ARGUMENTS, FIGURE, JSON, LOOK_OPTIONS, drop_unset
from .command_group import figures
from .failures import report_failure
from .task import Task, check_inject
from .terminal_table import align, find_width

#: Steps of a render, in order of execution.
RENDER_STEPS = [step for step in STEPS if step != "wait"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Renders of one picture."""

    task: Task
    images: list[RenderedImage]

    @property
    def medians_ms(self) -> dict[str, float]:
        """The median milliseconds of each step and of their total."""
        runs = [dict(image.timings_s) for image in self.images]
        steps = [step for step in RENDER_STEPS if step in runs[0]]
        for run in runs:
            run["total"] = sum(run[step] for step in steps)
        return {
            step: 1000 * median(r[step] for r in runs) for step in (*steps, "total")
        }

    def describe(self) -> dict[str, Any]:
        """Return the measurement for ``--json``."""
        image = self.images[0]
        return {
            "figure": self.task.route.endpoint,
            "variant": str(self.task.picture.variant),
            "format": image.format.name,
            "repeat": len(self.images),
            "median_ms": self.medians_ms,
            "bytes": len(image.body),
            "width_px": image.width_px,
            "height_px": image.height_px,
        }


@figures.command("bench", params=[FIGURE, ARGUMENTS, *LOOK_OPTIONS, JSON])
@click.option(
    *("--format", "formats"), multiple=True, help="Repeatable. Default: all formats."
)
@click.option(
    "--repeat", type=click.IntRange(min=1), default=5, show_default=True, metavar="N"
)
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
    tasks = _list_tasks(endpoint, arguments, formats, drop_unset(options))
    check_inject(tasks[0].route)
    benchmarks = [_measure(task, repeat) for task in tasks]
    if as_json:
        click.echo(json.dumps([one.describe() for one in benchmarks], indent=2))
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
        return run_without_request(app, lambda: recipe.render(values, picture.variant))

    with report_failure(task):
        render()
        return Benchmark(task, [render() for _ in range(repeat)])


def _format_table(benchmarks: list[Benchmark]) -> list[str]:
    medians = [one.medians_ms for one in benchmarks]
    steps = [s for s in (*RENDER_STEPS, "total") if any(s in ms for ms in medians)]
    rows = [["", *steps, "bytes", "pixels"]]
    for one, times_ms in zip(benchmarks, medians, strict=True):
        image = one.images[0]
        rows.append(
            [
                str(one.task.picture.variant),
                *(
                    f"{times_ms[step]:.1f}" if step in times_ms else ""
                    for step in steps
                ),
                f"{len(image.body):,}",
                "" if image.format.is_text else f"{image.width_px} x {image.height_px}",
            ]
        )
    return align(rows, find_width(), numbers=range(1, len(rows[0])))
