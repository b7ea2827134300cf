"""Numbers in the format of an axis: percent, currencies, units.

Description layer. A formatter rounds for its ticks, so its text is kept only if it is
exact; otherwise, its unit is added to the number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import ticker

from .numbers import format_apart, format_number
from .plain_text import to_plain

#: Formatters that add no unit.
_PLAIN = (
    ticker.LogFormatter,
    ticker.LogitFormatter,
    ticker.NullFormatter,
    ticker.FixedFormatter,
)
_PARTS = re.compile(r"([^\d−+-]*)[−+-]?([^\d−+-]*)(\d[\d,]*(?:\.\d+)?)(\D*)")
_NO_FRACTION = re.compile(r"\.0+(?!\d)")
#: Factors that formatters apply: percent, thousands, degrees, minutes ...
_FACTORS = (
    *(1, 100, 1e-3, 1e-6, 1e-9, 1e3, 1e6, 1e9, 1e-12, 1e12, 10, 0.1, 0.01),
    *(180 / math.pi, 60, 1 / 60, 3600, 1 / 3600, 1 / 86400, 24, 1 / 24),
)
Formatter = Callable[[Sequence[float]], "list[str] | None"]


@dataclass(frozen=True, slots=True)
class _Text:
    """The parts of a formatted number."""

    before: str
    after: str
    value: float
    #: Half a unit of the last digit, with a margin.
    error: float

    @classmethod
    def of(cls, text: str) -> _Text | None:
        """Split *text*; return ``None`` if it does not contain exactly one number."""
        found = _PARTS.fullmatch(text)
        if found is None:
            return None
        shown = float(found[3].replace(",", ""))
        decimals = len(found[3].partition(".")[2])
        before = f"{found[1]}{found[2]}"
        return cls(before, found[4], shown, 0.5001 * 10.0**-decimals)


def make_formatter(formatter: Any) -> Formatter | None:
    """Return a function that formats numbers; ``None`` for plain numbers."""
    if type(formatter) is ticker.ScalarFormatter or isinstance(formatter, _PLAIN):
        return None
    return lambda values: _write(formatter, values)


def _write(formatter: Any, values: Sequence[float]) -> list[str] | None:
    """Return the texts of *values*; ``None`` if they would be ambiguous."""
    try:
        texts = [to_plain(formatter(value)) for value in values]
    except Exception:  # From a function of the app.
        return None
    parts = [_Text.of(text) for text in texts]
    known = [part for part in parts if part is not None]
    alike = {(part.before, part.after) for part in known}
    if len(known) == len(texts) and len(alike) == 1:
        factor = _find_factor(known, values)
        if factor is not None:
            return _add_unit(known, texts, [value * factor for value in values])
    is_apart = len(set(texts)) == len(set(values))
    return texts if is_apart and all(texts) else None


def _find_factor(parts: Sequence[_Text], values: Sequence[float]) -> float | None:
    """Return the factor from *values* to the numbers in their texts, if known."""
    pairs = list(zip(parts, values, strict=True))
    for factor in _FACTORS:
        if all(abs(abs(v * factor) - p.value) <= p.error for p, v in pairs):
            return factor
    return None


def _add_unit(
    parts: Sequence[_Text], texts: Sequence[str], values: Sequence[float]
) -> list[str]:
    """Return *texts* if they are exact, or else *values* with the same unit."""
    pairs = list(zip(parts, values, strict=True))
    if all(math.isclose(part.value, abs(v), rel_tol=1e-9) for part, v in pairs):
        if all(part.value.is_integer() for part in parts):
            texts = [_NO_FRACTION.sub("", text) for text in texts]
        rows = zip(texts, values, strict=True)
        return [text.replace("-", "−", 1) if v < 0 else text for text, v in rows]
    before, after = parts[0].before, parts[0].after
    written = format_apart(values) if len(values) > 1 else [format_number(values[0])]
    signs = ["−" if text.startswith("−") else "" for text in written]
    signed = zip(signs, written, strict=True)
    return [f"{sign}{before}{text.removeprefix('−')}{after}" for sign, text in signed]
