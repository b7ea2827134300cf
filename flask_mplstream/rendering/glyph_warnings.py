"""Matplotlib's warnings about one figure: one line in the log.

Render layer. It warns of each missing glyph and font by itself, so that one title
of 250 odd characters would be 250 warnings. Call it inside the gate.
"""

from __future__ import annotations

import logging
import threading
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from matplotlib import _text_helpers

logger = logging.getLogger("flask_mplstream")

#: Things that the line names; of more it says how many there are.
MAX_NAMED = 5

_WARN = _text_helpers.warn_on_missing_glyph


class _Gathered(logging.Filter):
    """The missing glyphs, and the messages, of one render."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._glyphs: dict[int, str] = {}
        self._messages: dict[str, None] = {}

    def add_glyph(self, codepoint: int, fontnames: str) -> None:
        """Take the place of ``warn_on_missing_glyph``."""
        self._glyphs[int(codepoint)] = fontnames[:120]

    def filter(self, record: logging.LogRecord) -> bool:
        """Take a record of this render, and leave the others."""
        if record.thread != self._thread or record.levelno < logging.WARNING:
            return True
        self._messages[record.getMessage()] = None
        return False

    def log(self, name: str) -> None:
        """Write the line, if there is something to say."""
        parts = []
        if self._glyphs:
            fonts = next(iter(self._glyphs.values()))
            parts.append(f"no glyph in {fonts} for {_list(map(_name, self._glyphs))}")
        if self._messages:
            parts.append(_list(self._messages))
        if parts:
            logger.warning("Matplotlib on %s: %s", name, "; ".join(parts))


def _name(codepoint: int) -> str:
    name = unicodedata.name(chr(codepoint), "")
    return f"U+{codepoint:04X} {name}".rstrip()


def _list(texts: Iterable[str]) -> str:
    named = list(texts)
    more = len(named) - MAX_NAMED
    shown = ", ".join(text[:120] for text in named[:MAX_NAMED])
    return f"{shown}, and {more} more" if more > 0 else shown


@contextmanager
def gather_warnings(name: str) -> Iterator[None]:
    """Gather Matplotlib's warnings, and log them once.

    :param name: the figure's source.
    """
    gathered = _Gathered()
    found = _text_helpers.warn_on_missing_glyph
    loggers = _loggers()
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
    """Restore Matplotlib as it was imported."""
    _text_helpers.warn_on_missing_glyph = _WARN
    for each in _loggers():
        for gathered in [f for f in each.filters if isinstance(f, _Gathered)]:
            each.removeFilter(gathered)


def _loggers() -> list[logging.Logger]:
    """Return Matplotlib's loggers; a filter is not inherited."""
    known = logging.root.manager.loggerDict.items()
    return [
        each
        for name, each in list(known)
        if name.startswith("matplotlib") and isinstance(each, logging.Logger)
    ]
