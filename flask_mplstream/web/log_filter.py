"""The package's log: one line for each event, with any text in it.

Flask side. A filter on the logger does it, so that no call can forget it: texts of
requests reach messages, arguments, and above all exceptions.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import PurePath

from flask import current_app

from ..errors import MplStreamError

logger = logging.getLogger("flask_mplstream")

#: Characters of a line in the log.
MAX_LOG_LINE = 1000


def one_line(text: str) -> str:
    """Return *text* without control characters, line breaks, and escapes, and cut."""
    return "".join(c if c.isprintable() else " " for c in text)[:MAX_LOG_LINE]


def describe_error(error: BaseException) -> str:
    """Return the type, message, and place of *error* in one line."""
    notes = getattr(error, "__notes__", None) or _places(error)
    try:
        text = str(error)
    except Exception:
        text = "its message cannot be read"
    return one_line(" | ".join([f"{type(error).__name__}: {text}", *map(str, notes)]))


def _places(error: BaseException) -> Iterator[str]:
    """Yield where *error* was raised; notes and errors of ours say it better."""
    if isinstance(error, MplStreamError):
        return
    for frame, line in list(traceback.walk_tb(error.__traceback__))[-1:]:
        code = frame.f_code
        yield f"{code.co_qualname}, {PurePath(code.co_filename).name}, line {line}"


def format_traceback(error: BaseException) -> str:
    """Return the traceback of *error*, no line of which looks like one of a log."""
    text = "".join(traceback.format_exception(error))
    return "\n".join(f"  | {one_line(line)}" for line in text.splitlines())


class OneLine(logging.Filter):
    """Makes each record one line; the traceback follows in debug mode only."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite *record*, and keep it."""
        text, error = record.getMessage(), record.exc_info and record.exc_info[1]
        if error:
            text += f"{'' if text.endswith('.') else ':'} {describe_error(error)}"
            if current_app.debug if current_app else logger.isEnabledFor(logging.DEBUG):
                record.exc_text = format_traceback(error)
            else:
                record.exc_info = None
        record.msg, record.args = one_line(text), None
        return True


def keep_to_one_line() -> None:
    """Have the package's logger write single lines from now on."""
    logger.addFilter(OneLine())
