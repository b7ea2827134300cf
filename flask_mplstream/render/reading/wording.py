"""Numbers, dates and lists in words, as somebody would read them aloud.

Render layer, though it needs nothing of Matplotlib. English, whatever the
server's locale is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .dimensions import Dimension, Values

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_DAYS_IN_MONTHS = 730  # Days over which months are exact enough.
_MOST_DIGITS = 8


def number(value: float, digits: int = 3) -> str:
    """*value* with *digits* significant digits; small integers, as years, exactly."""
    value = float(value)
    if value.is_integer() and abs(value) < 10_000:
        return str(int(value)).replace("-", "−")
    magnitude = math.floor(math.log10(abs(value)))
    if -5 < magnitude < 15:
        decimals = digits - 1 - magnitude
        text = f"{round(value, decimals):,.{max(decimals, 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def value_on(dimension: Dimension | None, value: float) -> str:
    """*value* as it is meant on *dimension*."""
    if dimension is None:
        return number(value)
    if dimension.dates is not None:
        return _date(dimension.dates, dimension, value)
    return (dimension.names or {}).get(round(value)) or number(value)


def extent(dimension: Dimension) -> tuple[str, str] | None:
    """From where to where the data go, with enough digits to tell them apart."""
    if dimension.names is not None:
        return None
    if dimension.dates is not None:
        low, high = dimension.low, dimension.high
        return value_on(dimension, low), value_on(dimension, high)
    return numbers_apart(dimension.low, dimension.high)


def numbers_apart(low: float, high: float) -> tuple[str, str]:
    """Both numbers, with more than three digits where those would be the same."""
    for digits in range(3, _MOST_DIGITS):
        texts = number(low, digits), number(high, digits)
        if texts[0] != texts[1]:
            return texts
    return number(low), number(high)


def listing(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def plural(count: int, one: str, many: str) -> str:
    """``1 line``, ``2 lines``, ``1,000 lines``."""
    return f"{count:,} {one if count == 1 else many}"


def _date(dates: Callable[[Values], Values], dimension: Dimension, value: float) -> str:
    """As exact as the whole of the dimension calls for."""
    low, high, date = dates(np.array([dimension.low, dimension.high, value]))
    if np.isnat([low, high, date]).any():
        return number(value)
    days = (high - low) / np.timedelta64(1, "D")
    moment = date.item()
    month = f"{_MONTHS[moment.month - 1]} {moment.year}"
    if days >= _DAYS_IN_MONTHS:
        return month
    day = f"{moment.day} {month}"
    return day if days >= 2 else f"{moment:%H:%M} on {day}"
