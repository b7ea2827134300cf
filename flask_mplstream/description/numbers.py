"""Numbers as text, with as many digits as necessary.

Description layer. English, independent of the server's locale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

#: First number with a comma for thousands; smaller ones may be years.
_FIRST_WITH_COMMA = 10_000
#: Numbers with at most this many significant digits are written in full.
_MOST_IN_FULL = 6
_MOST_DIGITS = 17
#: A number below this share of the largest one is treated as 0.
_NOISE = 1e-9
#: Distinguishable steps between the least and the greatest number.
_STEPS = 500


def format_number(value: float, digits: int = 3, step: float = math.inf) -> str:
    """Return *value* as text, rounded no more coarsely than to a whole number.

    :param digits: minimum significant digits, unless fewer are exact.
    :param step: coarsest rounding, in the unit of *value*.
    """
    value = float(f"{value:.15g}") + 0.0
    if value.is_integer() and abs(value) < 1e15:
        comma = "," if abs(value) >= _FIRST_WITH_COMMA else ""
        return f"{int(value):{comma}}".replace("-", "−")
    magnitude = math.floor(math.log10(abs(value)))
    if not -5 < magnitude < 15:
        return _format_power(value, digits)
    needed = math.ceil(-math.log10(step)) if 0 < step < math.inf else 0
    decimals = max(digits - 1 - magnitude, needed, 0)
    if float(f"{value:.{_MOST_IN_FULL}g}") == value:
        decimals = _MOST_IN_FULL - 1 - magnitude
    comma = "," if abs(value) >= _FIRST_WITH_COMMA else ""
    text = f"{value:{comma}.{min(max(decimals, 0), 20)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−")


def _format_power(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def format_apart(values: Sequence[float], *, is_log: bool = False) -> list[str]:
    """Return *values* as texts with enough digits to differ if the values do.

    :param is_log: whether small numbers matter beside large ones.
    """
    least = 0.0 if is_log else _NOISE * max(map(abs, values), default=0.0)
    exact = [0.0 if abs(v) < least else float(v) for v in values]
    exact = [float(f"{value:.15g}") for value in exact]
    step = 0.0 if is_log or not exact else (max(exact) - min(exact)) / _STEPS
    count = len(set(exact))
    texts: list[str] = []
    for digits in range(3, _MOST_DIGITS):
        texts = [format_number(value, digits, step or math.inf) for value in exact]
        if len(set(texts)) == count:
            break
    return texts
