"""The ``--output`` of a command: a file, complete or absent, or standard output.

Flask side. ``click.File(atomic=True)`` is not used: after a failed write, it replaces
the file with the written part (click 8.5).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from secrets import token_hex

import click

from .failures import format_failure, report_failure

STDOUT = "-"


def check_output(output: str) -> None:
    """Reject a target that cannot be written.

    :raises click.UsageError: with the reason.
    """
    if output == STDOUT:
        if sys.stdout is None:
            raise click.UsageError("stdout is closed. Name a file.")
        return
    path = Path(output).resolve()
    if path.is_dir():
        raise click.UsageError(f"{output!r} is a folder. Name a file in it.")
    if path.exists() and not path.is_file():
        raise click.UsageError(
            f"{output!r} is not a regular file. Write to stdout with -o -."
        )
    if not path.parent.is_dir():
        raise click.UsageError(f"The folder '{path.parent}' does not exist.")


def write_output(output: str, body: bytes) -> None:
    """Write *body* to a target that :func:`check_output` accepted.

    :raises click.ClickException: if that fails; a file is then unchanged.
    """
    if output != STDOUT:
        with report_failure(output):
            # Write to the target of a symbolic link; do not replace the link.
            _replace_file(Path(output).resolve(), body)
        return
    try:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise  # Click exits without a message if the reader closes the pipe.
    except OSError as error:
        # Python writes the rest of the buffer at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.ClickException(format_failure("stdout", error)) from error


def _replace_file(path: Path, body: bytes) -> None:
    draft = path.with_name(f".{token_hex(8)}.tmp")
    try:
        draft.write_bytes(body)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
