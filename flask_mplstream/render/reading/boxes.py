"""Box plots, read back from the lines that they are drawn with.

Render layer. Matplotlib keeps no record that lines are a box plot, nor do pandas
and seaborn; but they draw whiskers, caps and median always in this order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from .dimensions import Values

#: Two whiskers, two caps, one median.
_PARTS = 5
_STATISTICS = ("low", "quarter", "median", "three_quarters", "high")


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes of one direction, and the lines that they are made of."""

    artists: frozenset[Artist]
    #: The direction in which they stand side by side, ``x`` or ``y``.
    across: str
    #: Their places by that name, and their statistics by the other's: ``y_low``,
    #: ``y_quarter``, ``y_median``, ``y_three_quarters``, ``y_high``.
    columns: Mapping[str, Values]


def find_boxes(lines: Sequence[Line2D]) -> Boxes | None:
    """The boxes that *lines*, in the order of drawing, are parts of."""
    for across, along in ("xy", "yx"):
        windows = [lines[i : i + _PARTS] for i in range(len(lines) - _PARTS + 1)]
        starts = [i for i, parts in enumerate(windows) if _is_box(parts, across)]
        if starts:
            rows = [_statistics(windows[i], across) for i in starts]
            names = (across, *(f"{along}_{name}" for name in _STATISTICS))
            artists = {line for i in starts for line in _lines(lines, i)}
            columns = dict(zip(names, np.array(rows, float).T, strict=True))
            return Boxes(frozenset(artists), across, columns)
    return None


def _points(line: Any, across: str = "x") -> tuple[Values, Values]:
    x, y = line.get_data(orig=False)
    return (x, y) if across == "x" else (y, x)


def _is_box(parts: Sequence[Line2D], across: str) -> bool:
    if any(
        len(_points(part)[0]) != 2 or not str(part.get_label()).startswith("_")
        for part in parts
    ):
        return False
    whiskers, caps = (
        [_points(part, across) for part in pair] for pair in (parts[:2], parts[2:4])
    )
    place = whiskers[0][0][0]
    return bool(
        all((places == place).all() for places, _ in whiskers)
        and all(ends[0] == ends[1] for _, ends in caps)
        and all(np.isclose(places.mean(), place) for places, _ in caps)
    )


def _statistics(parts: Sequence[Line2D], across: str) -> list[float]:
    (places, lower), (_, upper), *_, (_, median) = (
        _points(part, across) for part in parts
    )
    return [places[0], lower[1], lower[0], median[0], upper[0], upper[1]]


def _lines(lines: Sequence[Line2D], start: int) -> Sequence[Line2D]:
    """The parts of the box at *start*, with its outline where that is a line."""
    x, y = _points(lines[max(start - 1, 0)])
    is_outline = len(x) > 4 and x[0] == x[-1] and y[0] == y[-1]
    return lines[start - is_outline : start + _PARTS]
