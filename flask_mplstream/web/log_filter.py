"""A filter that keeps each event of the package's log on one line.

Flask side. Messages, arguments and exceptions can contain text from a request, which
must not be able to forge log lines. A filter on the logger applies to all calls.
"""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath

from flask import current_app

from ..errors import MAX_LOG_LINE, MplStreamError

logger = logging.getLogger("flask_mplstream")


def join_lines(text: str) -> str:
    """Return *text* on one line, with spaces instead of unprintable characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_LOG_LINE]


def describe_error(error: BaseException) -> str:
    """Return the type, message and notes (or source line) of *error* on one line."""
    notes = getattr(error, "__notes__", [])
    frames = list(traceback.walk_tb(error.__traceback__))
    if frames and not notes and not isinstance(error, MplStreamError):
        frame, line = frames[-1]
        code = frame.f_code
        file = PurePath(code.co_filename).name
        notes = [f"{code.co_qualname}, {file}, line {line}"]
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be read"
    return join_lines(" | ".join([f"{type(error).__name__}: {text}", *map(str, notes)]))


def format_traceback(error: BaseException) -> str:
    """Return the traceback of *error* with a prefix that log records don't have."""
    text = "".join(traceback.format_exception(error))
    return "\n".join(f"  | {join_lines(line)}" for line in text.splitlines())


class OneLine(logging.Filter):
    """A filter that reduces each record to one line and a traceback in debug mode."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite *record* and return ``True``."""
        text, error = record.getMessage(), record.exc_info and record.exc_info[1]
        if error:
            text += f"{'' if text.endswith('.') else ':'} {describe_error(error)}"
            if current_app.debug if current_app else logger.isEnabledFor(logging.DEBUG):
                record.exc_text = format_traceback(error)
            else:
                record.exc_info = None
        record.msg, record.args = join_lines(text), None
        return True


def keep_to_one_line() -> None:
    """Install the filter on the package's logger."""
    logger.addFilter(OneLine())
