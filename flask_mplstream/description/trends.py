"""The trend of a line, if it is clear.

Description layer. Numbers only. Extremes are exact; the direction is computed from a
sample of the points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .axis_values import Values

#: Minimum rank correlation for a line that rises or falls.
_PLAIN = 0.9
#: Points for a rank correlation on a side of a turn; fewer must be monotonic.
_FEWEST = 4
#: Share of the range by which a visible extreme exceeds the ends.
VISIBLE = 0.02
#: Maximum points for the direction.
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Turn:
    """The highest or lowest point of a line."""

    place: float
    value: float


@dataclass(frozen=True, slots=True)
class Trend:
    """The start, the end and the turn of a line."""

    #: ``rises``, ``falls`` or ``stays``.
    first: str
    start: float
    end: float
    #: The only turn, if the line reverses there.
    turn: Turn | None = None
    #: Extremes beyond start and end of a line that mostly goes one way.
    highest: Turn | None = None
    lowest: Turn | None = None


def find_trend(x: Values, y: Values) -> Trend | None:
    """Return the trend of a line as x increases; ``None`` if it is not clear."""
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
    is_peak = y[high] > max(start, end) + visible
    is_valley = y[low] < min(start, end) - visible
    direction = _find_direction(y)
    if direction and not (is_peak or is_valley):
        return Trend(direction, start, end)
    if is_peak and not is_valley and _is_turn(y, high, "rises", "falls"):
        return Trend("rises", start, end, peak)
    if is_valley and not is_peak and _is_turn(y, low, "falls", "rises"):
        return Trend("falls", start, end, valley)
    if direction:
        extremes = peak if is_peak else None, valley if is_valley else None
        return Trend(direction, start, end, None, *extremes)
    return None


def _is_turn(y: Values, turn: int, first: str, then: str) -> bool:
    return _find_side(y[: turn + 1]) == first and _find_side(y[turn:]) == then


def _find_side(values: Values) -> str:
    """Return the direction on one side of a turn."""
    if len(values) >= _FEWEST:
        return _find_direction(values)
    steps = np.diff(values)
    if len(steps) and (steps > 0).all():
        return "rises"
    return "falls" if len(steps) and (steps < 0).all() else ""


def _find_direction(values: Values) -> str:
    if len(values) > _MOST:
        values = values[np.linspace(0, len(values) - 1, _MOST).astype(int)]
    ranks = np.unique(values, return_inverse=True)[1]
    if not ranks.any():
        return ""
    # The points are ordered by x, so their indices are their ranks.
    correlation = np.corrcoef(np.arange(len(values)), ranks)[0, 1]
    if correlation >= _PLAIN and values[-1] > values[0]:
        return "rises"
    if correlation <= -_PLAIN and values[-1] < values[0]:
        return "falls"
    return ""
