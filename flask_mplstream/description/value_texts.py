"""Values in words, as on their axis: numbers, dates, durations, names.

Description layer. English, independent of the server's locale.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np

from .axis_values import Dimension
from .numbers import format_apart

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
_MOST_CHARACTERS = 60
_DAYS_IN_MONTHS = 730  # Days from which months are exact enough.
_DAYS_IN_DAYS = 2
_SCALES = {
    "log": " on a logarithmic scale",
    "symlog": " on a symmetric logarithmic scale",
    "asinh": " on an asinh scale",
    "logit": " on a logit scale",
}


def say(dimension: Dimension | None, values: Sequence[float]) -> list[str] | None:
    """Return texts for *values* as on *dimension*; different values differ.

    :return: ``None`` if a text is uncertain.
    """
    if dimension is None:
        return format_apart(values)
    if dimension.periods is not None:
        texts = [_say_period(text) for text in dimension.periods(np.array(values))]
    elif dimension.dates is not None:
        return _say_dates(dimension, values)
    elif dimension.unit_s is not None:
        return [_say_duration(value * dimension.unit_s) for value in values]
    elif names := (dimension.names or dimension.tick_names):
        texts = [names.get(value, "") for value in values]
    elif dimension.formatter is not None:
        return dimension.formatter(values)
    else:
        return format_apart(
            values, is_log=dimension.scale in {"log", "symlog", "logit"}
        )
    return texts if all(texts) else None


def say_scale(dimension: Dimension) -> str:
    """Return the words for a nonlinear scale, or an empty text."""
    return _SCALES.get(dimension.scale, "") if dimension.is_plain else ""


def say_span(dimension: Dimension | None, low: float, high: float) -> str:
    """Return ``3 to 5``, or ``3`` if both are equal; empty if uncertain."""
    texts = say(dimension, [low, high])
    if texts is None:
        return ""
    return texts[0] if low == high else _join_dates(*texts)


def _join_dates(start: str, end: str) -> str:
    """Return ``start to end``, with the day only once if both are on it."""
    (time, _, day), (_, _, other) = start.partition(" on "), end.partition(" on ")
    return f"{time} to {end}" if day and day == other else f"{start} to {end}"


def say_place(dimension: Dimension | None, value: float) -> str:
    """Return ``at 4``, ``in May 2024`` or ``on 3 May 2024``; empty if uncertain."""
    texts = say(dimension, [value])
    if texts is None:
        return ""
    if dimension is not None and dimension.dates is not None and not dimension.periods:
        view = (dimension.view.low, dimension.view.high)
        (text,) = _say_dates(dimension, [value], view) or [""]
        if not text:
            return ""
        word = "at" if ":" in text else "on" if text[:1].isdigit() else "in"
        return f"{word} {text}"
    return f"at {texts[0]}"


def say_zone(dimension: Dimension) -> str:
    """Return the name of the time zone of displayed dates, if any."""
    zone: Any = dimension.shown_zone
    if dimension.dates is None or dimension.periods is not None or zone is None:
        return ""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    return str(name or zone.tzname(datetime(2000, 1, 1, tzinfo=UTC)) or "")


def _read_moments(
    dimension: Dimension, values: Sequence[float]
) -> list[datetime] | None:
    """Return *values* as dates in the zone of the axis, if all are dates."""
    numbers, zone = np.array(values, float), dimension.shown_zone
    dates = dimension.dates(numbers) if dimension.dates else np.array([])
    if not len(dates) or np.isnat(dates).any():
        return None
    if zone is None:
        return list(dates.tolist())
    return [date.replace(tzinfo=UTC).astimezone(zone) for date in dates.tolist()]


def _say_dates(
    dimension: Dimension, values: Sequence[float], beside: Sequence[float] = ()
) -> list[str] | None:
    """Return dates as precise as their span requires, and distinct if they differ.

    :param beside: numbers whose span counts instead of that of *values*.
    """
    found = _read_moments(dimension, values)
    if found is None:
        return None
    ends = _read_moments(dimension, beside or values) or [found[0]]
    days = (max(ends) - min(ends)).total_seconds() / 86400
    count = len(set(found))
    for write in _list_writers(days, found):
        texts = [write(moment) for moment in found]
        if len(set(texts)) == count:
            return texts
    return [_say_time(moment, "microseconds") for moment in found]


def _list_writers(
    days: float, found: Sequence[datetime]
) -> list[Callable[[datetime], str]]:
    writers: list[Callable[[datetime], str]] = []
    if days >= _DAYS_IN_MONTHS:
        writers.append(_say_month)
    are_days = all(m.time() == datetime.min.time() for m in found)
    if are_days or days >= _DAYS_IN_DAYS:
        writers.append(_say_day)
    if any(m.microsecond for m in found):
        writers.append(lambda m: _say_time(m, "milliseconds"))
    elif any(m.second for m in found):
        writers.append(lambda m: _say_time(m, "seconds"))
    finest = ("minutes", "seconds")
    return [*writers, *(partial(_say_time, precision=name) for name in finest)]


def _say_month(moment: datetime) -> str:
    return f"{_MONTHS[moment.month - 1]} {moment.year}"


def _say_day(moment: datetime) -> str:
    return f"{moment.day} {_say_month(moment)}"


def _say_time(moment: datetime, precision: str) -> str:
    return f"{moment.time().isoformat(precision)} on {_say_day(moment)}"


def _say_period(text: str) -> str:
    """Return ``January 2024`` for ``2024-01``; also name weeks."""
    if "/" in text:
        return f"the week of {text.partition('/')[0]}"
    if month := re.fullmatch(r"(\d+)-(\d\d)", text):
        return f"{_MONTHS[int(month[2]) - 1]} {month[1]}"
    return text


def _say_duration(seconds: float) -> str:
    """Return a duration such as ``2 days`` or ``1 day 02:30:00``."""
    sign = "−" if seconds < 0 else ""
    whole, rest = divmod(round(abs(seconds), 6), 1)
    minutes, second = divmod(int(whole), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    fraction = f"{rest:.6f}".rstrip("0")[1:] if rest else ""
    time = f"{hour:02}:{minute:02}:{second:02}{fraction}"
    day = f"{days:,} day{'' if days == 1 else 's'}" if days else ""
    if day and time == "00:00:00":
        return f"{sign}{day}"
    return f"{sign}{day} {time}".replace("− ", "−").strip()


def say_length(days: Sequence[float]) -> list[str]:
    """Return durations given in *days*, the unit of a date axis."""
    return [_say_duration(value * 86400) for value in days]


def join_words(words: Sequence[str]) -> str:
    """Join *words* as in ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def count_in_words(count: int, one: str, many: str) -> str:
    """Return a count such as ``1 line``, ``2 lines`` or ``1,000 lines``."""
    return f"{count:,} {one if count == 1 else many}"


def shorten(label: object) -> str:
    """Return *label*, cut if it is too long for a sentence."""
    text = str(label)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[: _MOST_CHARACTERS - 1]}…"
