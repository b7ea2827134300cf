"""Matplotlib's warnings about a figure, gathered into one log line.

Render layer. Matplotlib warns about each missing glyph and font separately: a title of
250 unusual characters would cause 250 warnings. Call it inside the gate.
"""

from __future__ import annotations

import logging
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from matplotlib import _text_helpers

logger = logging.getLogger("flask_mplstream")

#: Glyphs or messages that the line lists; it counts the rest.
MAX_NAMED = 5

_WARN = _text_helpers.warn_on_missing_glyph


class _Gathered(logging.Filter):
    """The missing glyphs and the log messages of one render."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._glyphs: dict[int, str] = {}
        self._messages: dict[str, None] = {}

    def add_glyph(self, codepoint: int, fontnames: str) -> None:
        """Record a missing glyph; replaces ``warn_on_missing_glyph``."""
        self._glyphs[int(codepoint)] = fontnames[:120]

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back and keep the warnings of this thread; let other records pass."""
        if record.thread != self._thread or record.levelno < logging.WARNING:
            return True
        self._messages[record.getMessage()] = None
        return False

    def log(self, name: str) -> None:
        """Log the line, if there was any warning.

        :param name: the figure's source.
        """
        parts = []
        if self._glyphs:
            fonts = next(iter(self._glyphs.values()))
            parts.append(
                f"no glyph in {fonts} for {_join(map(_format_glyph, self._glyphs))}"
            )
        if self._messages:
            parts.append(_join(self._messages))
        if parts:
            logger.warning("Matplotlib on %s: %s", name, "; ".join(parts))


def _format_glyph(codepoint: int) -> str:
    name = unicodedata.name(chr(codepoint), "")
    return f"U+{codepoint:04X} {name}".rstrip()


def _join(texts: Iterable[str]) -> str:
    named = list(texts)
    more = len(named) - MAX_NAMED
    shown = ", ".join(text[:120] for text in named[:MAX_NAMED])
    return f"{shown}, and {more} more" if more > 0 else shown


@contextmanager
def gather_warnings(name: str) -> Iterator[None]:
    """Gather Matplotlib's warnings in the block, and log them in one line.

    :param name: the figure's source.
    """
    gathered = _Gathered()
    found = _text_helpers.warn_on_missing_glyph
    loggers = _find_loggers()
    _text_helpers.warn_on_missing_glyph = gathered.add_glyph
    for each in loggers:
        each.addFilter(gathered)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(gathered)
        _text_helpers.warn_on_missing_glyph = found
        gathered.log(name)


def stop_gathering() -> None:
    """Restore Matplotlib's original function and loggers."""
    _text_helpers.warn_on_missing_glyph = _WARN
    for each in _find_loggers():
        for gathered in [f for f in each.filters if isinstance(f, _Gathered)]:
            each.removeFilter(gathered)


def _find_loggers() -> list[logging.Logger]:
    """Return all of Matplotlib's loggers, as child loggers do not inherit filters."""
    known = logging.root.manager.loggerDict.items()
    return [
        each
        for name, each in list(known)
        if name.startswith("matplotlib") and isinstance(each, logging.Logger)
    ]
