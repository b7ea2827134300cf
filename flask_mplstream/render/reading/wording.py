"""Numbers, dates and lists in words, as somebody would read them aloud.

Render layer, though it needs nothing of Matplotlib. English, whatever the
server's locale is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import numpy as np

from .dimensions import Dimension, Span, Values

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_DAYS_IN_MONTHS = 730  # Days over which months are exact enough.
_MOST_DIGITS = 8
#: From here on tens are rounded and thousands have commas; below there are years.
_FIRST_LARGE = 10_000


def number(value: float, digits: int = 3) -> str:
    """*value* with *digits* significant digits, but never less exact than a year is."""
    value = float(value)
    is_small = abs(value) < _FIRST_LARGE
    if value.is_integer() and is_small:
        return str(int(value)).replace("-", "−")
    magnitude = math.floor(math.log10(abs(value)))
    if -5 < magnitude < 15:
        decimals = digits - 1 - magnitude
        decimals = max(decimals, 0) if is_small else decimals
        comma = "" if is_small else ","
        text = f"{round(value, decimals):{comma}.{max(decimals, 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def value_on(dimension: Dimension | None, value: float) -> str:
    """*value* as it is meant on *dimension*."""
    if dimension is None:
        return number(value)
    if dimension.periods is not None:
        return _period(*dimension.periods(np.array([value]))) or number(value)
    if dimension.dates is not None:
        return _date(dimension.dates, dimension, value)
    return (dimension.names or {}).get(value) or number(value)


def values_apart(dimension: Dimension, span: Span) -> tuple[str, str]:
    """The ends of *span* on *dimension*, with enough digits to tell them apart."""
    if dimension.dates is not None:
        return value_on(dimension, span.low), value_on(dimension, span.high)
    return numbers_apart(span.low, span.high)


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


def _period(text: str) -> str:
    """``January 2024`` for ``2024-01``, and what else pandas writes of periods."""
    if "/" in text:
        return f"the week of {text.partition('/')[0]}"
    if month := re.fullmatch(r"(\d+)-(\d\d)", text):
        return f"{_MONTHS[int(month[2]) - 1]} {month[1]}"
    return text


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
