"""Messages of failures and warnings.

Flask side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import click
from flask import current_app

from ..cache.lookup import Pictures
from ..web.log_filter import format_traceback, join_lines


@contextmanager
def report_failure(subject: object) -> Iterator[None]:
    """Turn an error into a failure that names *subject*: exit code 1."""
    try:
        yield
    except click.ClickException:
        raise
    except Exception as error:
        raise click.ClickException(format_failure(subject, error)) from error


def format_failure(subject: object, error: Exception) -> str:
    """Return a line with *subject* and *error*, in debug mode with the traceback."""
    text = join_lines(f"{subject}: {type(error).__name__}: {error}")
    return f"{text}\n{format_traceback(error)}" if current_app.debug else text


def warn_unless_shared(pictures: Iterable[Pictures]) -> None:
    """Warn if the cache of one of *pictures* is not shared with the server."""
    if not all(each.is_shared for each in pictures):
        click.echo(
            "This had no effect on the server: the cache is in the memory of this "
            "process, which ends now. Set CACHE_TYPE to a cache that the server "
            "shares, such as RedisCache.",
            err=True,
        )
