"""The ``flask figures render`` command: writes a picture to a file.

Flask side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import click

from ..formats import find_format
from ..rendered_image import RenderedImage
from ..web.warm_report import fetch_ahead
from .click_options import ARGUMENTS, FIGURE, FORMAT, LOOK_OPTIONS, drop_unset
from .command_group import figures
from .failures import report_failure
from .output import STDOUT, check_output, write_output
from .task import Task, check_inject


@figures.command("render", params=[FIGURE, ARGUMENTS, FORMAT, *LOOK_OPTIONS])
@click.option(
    *("-o", "--output"), required=True, metavar="FILE", help="The file; - for stdout."
)
@click.option("--fresh", is_flag=True, help="Render again, without the cache.")
def command(
    endpoint: str, arguments: tuple[str, ...], output: str, fresh: bool, **options: Any
) -> None:
    """Write a picture to a file.

    \b
    flask figures render plots.walk n=500 -o walk.svg         format by the suffix
    flask figures render plots.walk -o walk@2x.png --scale 2  for dense screens
    flask figures render plots.walk -o walk.png --width 800   in this width
    flask figures render plots.walk -o walk.csv               its data, if offered
    flask figures render plots.walk -o - --format pdf | lp    to another program

    The picture comes from the cache, or is rendered and stored there, as for a request.
    The file is complete or absent. A summary is printed to stderr.
    """
    chosen = drop_unset(options)
    check_output(output)
    if output != STDOUT:
        chosen["_format"] = _find_format(Path(output), chosen.get("_format"))
    task = Task.parse(endpoint, arguments, chosen)
    check_inject(task.route)
    began = perf_counter()
    with report_failure(task):
        image = _render(task, fresh)
    took_ms = (perf_counter() - began) * 1000
    write_output(output, image.body)
    # After text on a terminal, the line would be joined to the text.
    if output != STDOUT or not sys.stdout.isatty():
        click.echo(f"{output}: {_describe(image)}, {took_ms:.0f} ms", err=True)


def _find_format(path: Path, requested: str | None) -> str:
    """Return the name of the format of *path*'s suffix, or *requested* without one.

    :raises ConfigError: if there is no such format.
    :raises click.UsageError: if the two differ, or there is neither.
    """
    if not path.suffix:
        if requested is None:
            raise click.UsageError(
                f"'{path}' has no suffix for its format. Add one, such as .png, or use "
                f"--format."
            )
        return requested
    format = find_format(path.suffix)
    if requested is not None and find_format(requested) is not format:
        raise click.UsageError(
            f"'{path}' has the suffix of {format}, but --format is {requested!r}. "
            f"Remove --format, or change the suffix."
        )
    return format.name


def _render(task: Task, fresh: bool) -> RenderedImage:
    if not fresh:
        return fetch_ahead(task.route, task.picture).entry.image
    wanted, _ = task.route.wanted(task.picture)
    return wanted.produce(wanted.start_deadline(), None, None)


def _describe(image: RenderedImage) -> str:
    size = f"{len(image.body):,} bytes"
    if image.format.is_text:
        return size
    return f"{image.width_px} x {image.height_px} pixels, {size}"
