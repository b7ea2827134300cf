"""What a line does from left to right, where it is plain to say.

Render layer. Numbers only, and few of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .dimensions import Dimension, Values
from .series import Series

#: Correlation of ranks from which a line is said to rise or fall.
_PLAIN = 0.9
#: Points that each side of a turn must have.
_FEWEST = 4


@dataclass(frozen=True, slots=True)
class Trend:
    """Where a line begins and ends, and where it turns in between."""

    #: ``rises``, ``falls`` or ``stays``.
    first: str
    start: float
    end: float
    #: Place and value of the one turn; ``None`` where there is none.
    turn: tuple[float, float] | None = None


def trend(series: Series, x: Dimension, y: Dimension) -> Trend | None:
    """What the line *series* does; ``None`` where that is not plain."""
    if x.is_cut and not series.is_whole:
        return None  # Where it enters and leaves, nobody looked.
    where, values = (series.columns[name].values.astype(float) for name in "xy")
    shown = np.isfinite(values) & (where >= x.view.low) & (where <= x.view.high)
    where, values = where[shown], values[shown]
    if not ((values >= y.view.low) & (values <= y.view.high)).all():
        return None
    steps = np.diff(where)
    if not len(steps) or not ((steps >= 0).all() or (steps <= 0).all()):
        return None
    if (where[0] > where[-1]) != x.is_inverted:  # So that it is read to the right.
        where, values = where[::-1], values[::-1]
    if (values == values[0]).all():
        return Trend("stays", values[0], values[-1]) if series.is_whole else None
    if direction := _direction(values):
        return Trend(direction, values[0], values[-1])
    return _turning(where, values)


def _direction(values: Values) -> str:
    ranks = np.unique(values, return_inverse=True)[1]
    if not ranks.any():
        return ""
    # The places are in order, so that their ranks are their numbers.
    correlation = np.corrcoef(np.arange(len(values)), ranks)[0, 1]
    if correlation >= _PLAIN and values[-1] > values[0]:
        return "rises"
    if correlation <= -_PLAIN and values[-1] < values[0]:
        return "falls"
    return ""


def _turning(where: Values, values: Values) -> Trend | None:
    for turn, first, then in (
        (values.argmax(), "rises", "falls"),
        (values.argmin(), "falls", "rises"),
    ):
        before, after = values[: turn + 1], values[turn:]
        if min(len(before), len(after)) < _FEWEST:
            continue
        if _direction(before) == first and _direction(after) == then:
            return Trend(first, values[0], values[-1], (where[turn], values[turn]))
    return None
