"""Aligned columns of text that fit the terminal.

Flask side, but of the standard library alone.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Collection, Sequence

GAP = "  "
#: Characters that a column keeps, however narrow the terminal is.
MIN_WIDTH = 8


def available_width() -> int | None:
    """Characters of a line; ``None`` where no terminal sets a limit."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def aligned(
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    *,
    numbers: Collection[int] = (),
) -> list[str]:
    """*rows*, all of the same length, as lines with aligned columns.

    :param width: characters of a line; the widest columns are cut to fit.
        ``None`` for as many as there are.
    :param numbers: the columns that are aligned at their right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        _narrow(widths, width - len(GAP) * (len(widths) - 1))
    lines = []
    for row in rows:
        cells = [
            (str.rjust if index in numbers else str.ljust)(
                _cut(cell, widths[index]), widths[index]
            )
            for index, cell in enumerate(row)
        ]
        lines.append(GAP.join(cells).rstrip())
    return lines


def _narrow(widths: list[int], room: int) -> None:
    """Take from the widest of *widths* until they fit *room*, or none is wide."""
    while sum(widths) > room and max(widths) > MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
