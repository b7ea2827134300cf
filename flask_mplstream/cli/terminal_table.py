"""Aligned columns of text that fit the terminal.

Imports only the standard library.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Sequence

GAP = "  "
#: Minimum width of a shortened column, in characters, even on a narrower terminal.
MIN_WIDTH = 8


def find_width() -> int | None:
    """Return the characters per line; ``None`` if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def align(
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    numbers: Collection[int] = (),
) -> list[str]:
    """Return *rows*, all of the same length, as lines with aligned columns.

    :param width: characters per line; the widest columns are cut to fit. ``None`` for
        no limit.
    :param numbers: indices of the right-aligned columns.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        _narrow(widths, width - len(GAP) * (len(widths) - 1))
    lines = []
    for row in rows:
        cells = [
            f"{_cut(cell, room):{'>' if index in numbers else '<'}{room}}"
            for index, (cell, room) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(GAP.join(cells).rstrip())
    return lines


def _narrow(widths: list[int], room: int) -> None:
    """Reduce the widest of *widths* until all fit *room* or have :data:`MIN_WIDTH`."""
    while sum(widths) > room and max(widths) > MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
