"""The ``flask figures render`` command: writes a picture to a file.

Flask side.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import click
from flask.cli import with_appcontext

from ..formats import RenderedImage, image_format
from .atomic_files import write_whole
from .click_options import arguments_argument, figure_argument, named, variant_options
from .exit_codes import as_failure, as_usage, failure
from .task import Job, check_inject

STDOUT = "-"


@click.command("render")
@figure_argument
@arguments_argument
@click.option(
    "-o", "--output", required=True, metavar="FILE", help="Where to; - for stdout."
)
@variant_options
@click.option("--fresh", is_flag=True, help="Render anew, leaving the cache alone.")
@with_appcontext
def command(
    endpoint: str, arguments: tuple[str, ...], output: str, fresh: bool, **options: Any
) -> None:
    """Write a picture to a file.

    \b
    flask figures render plots.walk n=500 -o walk.svg         format by the suffix
    flask figures render plots.walk -o walk@2x.png --scale 2  sharp on dense screens
    flask figures render plots.walk -o walk.png --width 800   as wide as that
    flask figures render plots.walk -o walk.csv               its data, where offered
    flask figures render plots.walk -o - --format pdf | lp    to another program

    The picture comes from the cache, or is rendered and kept there, as for a request.
    The file is there whole or not at all. What was written is told on stderr.
    """
    chosen = named(options)
    with as_usage():
        if output == STDOUT:
            _check_stdout()
        else:
            _check_place(Path(output))
            chosen["_format"] = _format_of(Path(output), chosen.get("_format"))
        job = Job.named(endpoint, arguments, chosen)
    check_inject(job.route)
    began = perf_counter()
    with as_failure(job):
        image = _made_anew(job) if fresh else job.fetch().entry.image
    took_ms = (perf_counter() - began) * 1000
    _write(output, image.body)
    # After text on a terminal, the line would be joined to the text.
    if output != STDOUT or not sys.stdout.isatty():
        click.echo(f"{output}: {_describe(image)}, {took_ms:.0f} ms", err=True)


def _check_stdout() -> None:
    if sys.stdout is None:
        raise click.UsageError("stdout is closed. Name a file.")


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise click.UsageError(
            f"{path} is no ordinary file. Write to stdout with -o -."
        )
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {path.parent}.")


def _format_of(path: Path, asked: str | None) -> str:
    """Return the name of the format of *path*'s suffix, or *asked* without a suffix.

    :raises ConfigError: if there is no such format.
    :raises click.UsageError: if the two differ, or there is neither.
    """
    if not path.suffix:
        if asked is None:
            raise click.UsageError(
                f"{path} has no suffix that says its format. Add one, such as .png, or "
                f"say --format."
            )
        return asked
    format = image_format(path.suffix)
    if asked is not None and image_format(asked) is not format:
        raise click.UsageError(f"{path} is a name for {format}, --format is {asked}.")
    return format.name


def _made_anew(job: Job) -> RenderedImage:
    wanted, _ = job.route.wanted(job.picture)
    return wanted.produce(wanted.start_deadline(), None)


def _write(output: str, body: bytes) -> None:
    if output == STDOUT:
        _write_to_stdout(body)
        return
    with as_failure(output):
        # Write to the target of a symbolic link; do not replace the link.
        write_whole(Path(output).resolve(), body)


def _write_to_stdout(body: bytes) -> None:
    try:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # Click ends quietly if the reader closes the pipe.
    except OSError as error:
        raise click.ClickException(failure("stdout", error)) from error


def _describe(image: RenderedImage) -> str:
    size = f"{len(image.body):,} bytes"
    if image.format.is_text:
        return size
    return f"{image.width_px} x {image.height_px} pixels, {size}"
