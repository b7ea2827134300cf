"""How a line runs, if that is plain to see.

Description layer. Numbers only. Extremes are those of all points; the direction is
taken from some of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .axis_values import Values

#: Correlation of ranks from which a line is said to rise or fall.
_PLAIN = 0.9
#: Points that each side of a turn needs, unless it only goes one way.
_FEWEST = 4
#: Share of the whole range by which an extreme must be beyond the ends to be seen.
VISIBLE = 0.02
#: Points from which a direction is taken.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """A point at which a line is highest or lowest."""

    place: float
    value: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The start, the end and the turn of a line."""

    #: ``rises``, ``falls`` or ``stays``.
    first: str
    start: float
    end: float
    #: The one turn, if it goes the other way from there on.
    turn: Turn | None = None
    #: The extremes beyond start and end, if it goes one way for the most part.
    highest: Turn | None = None
    lowest: Turn | None = None


def find_trend(x: Values, y: Values) -> Trend | None:
    """Return how a line runs as x grows; ``None`` if that is not plain."""
    steps = np.diff(x)
    if not len(steps) or not ((steps >= 0).all() or (steps <= 0).all()):
        return None
    if x[0] > x[-1]:
        x, y = x[::-1], y[::-1]
    low, high = int(y.argmin()), int(y.argmax())
    start, end = float(y[0]), float(y[-1])
    if y[low] == y[high]:
        return Trend("stays", start, end)
    visible = VISIBLE * (float(y[high]) - float(y[low]))
    peak = Turn(float(x[high]), float(y[high]))
    valley = Turn(float(x[low]), float(y[low]))
    is_peak, is_valley = (
        y[high] > max(start, end) + visible,
        y[low] < min(start, end) - visible,
    )
    direction = _direction(y)
    if direction and not (is_peak or is_valley):
        return Trend(direction, start, end)
    if is_peak and not is_valley and _turns(y, high, "rises", "falls"):
        return Trend("rises", start, end, peak)
    if is_valley and not is_peak and _turns(y, low, "falls", "rises"):
        return Trend("falls", start, end, valley)
    if direction:
        return Trend(
            direction,
            start,
            end,
            highest=peak if is_peak else None,
            lowest=valley if is_valley else None,
        )
    return None


def _turns(y: Values, turn: int, first: str, then: str) -> bool:
    return _side(y[: turn + 1]) == first and _side(y[turn:]) == then


def _side(values: Values) -> str:
    """Return the direction on one side of a turn."""
    if len(values) >= _FEWEST:
        return _direction(values)
    steps = np.diff(values)
    if len(steps) and (steps > 0).all():
        return "rises"
    return "falls" if len(steps) and (steps < 0).all() else ""


def _direction(values: Values) -> str:
    if len(values) > _MOST:
        values = values[np.linspace(0, len(values) - 1, _MOST).astype(int)]
    ranks = np.unique(values, return_inverse=True)[1]
    if not ranks.any():
        return ""
    # The places are in order, so their numbers are their ranks.
    correlation = np.corrcoef(np.arange(len(values)), ranks)[0, 1]
    if correlation >= _PLAIN and values[-1] > values[0]:
        return "rises"
    if correlation <= -_PLAIN and values[-1] < values[0]:
        return "falls"
    return ""
