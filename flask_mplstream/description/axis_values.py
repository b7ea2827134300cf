"""The meaning of the numbers along an axis: plain numbers, dates, durations, names.

Description layer. Matplotlib draws numbers; the axis's converter and formatter give
them a meaning. This module creates no ticks, which would cost more than all the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axis import Axis
from matplotlib.category import StrCategoryConverter
from matplotlib.dates import DateConverter, get_epoch
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter
from numpy.typing import NDArray

from ..forks import cached_property
from .plain_numbers import find_last_number, list_shared_axes, read_name
from .plain_text import to_plain
from .tick_texts import Formatter, make_formatter

Values: TypeAlias = NDArray[Any]

_DAY_US = 86_400e6
#: First and last day since 1970 with a date in Python and ISO 8601.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
#: Maximum error in microseconds of a date stored as days in a double.
_DATE_ERROR_US = 2
_SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Span:
    """The interval between two numbers."""

    low: float
    high: float

    @classmethod
    def of(cls, ends: Any) -> Span:
        """Return the span between *ends*, which may be in either order."""
        return cls(float(min(ends)), float(max(ends)))


@dataclass(frozen=True, eq=False)
class Dimension:
    """One direction of axes: its label, scale, limits and units."""

    label: str
    #: Matplotlib's name, such as ``linear`` or ``log``.
    scale: str
    #: The limits of the visible part.
    view: Span
    #: Whether values decrease from left to right or from bottom to top.
    is_inverted: bool = False
    #: Numbers -> ``datetime64[us]``, if they are dates; in UTC if they have a zone.
    dates: Callable[[Values], Values] | None = None
    #: The greatest plain number, if the axis has plain numbers and dates.
    last_number: float = -math.inf
    #: The time zone of the dates' data, if they have one.
    data_zone: tzinfo | None = None
    #: The time zone in which the axis shows its dates.
    shown_zone: tzinfo | None = None
    #: Numbers -> ``2024``, ``2024Q1``, ``2024-01`` or ``2024-01-01/2024-01-07``, if the
    #: numbers count periods longer than a day.
    periods: Callable[[Values], list[str]] | None = None
    #: Seconds per unit, if the numbers are durations.
    unit_s: float | None = None
    #: Number -> name, if the axis has categories.
    names: Mapping[float, str] | None = None
    #: Number -> text, if the formatter adds a unit or converts the number.
    formatter: Formatter | None = None
    #: Place -> label of ticks that the figure function named.
    ticks: Callable[[], Mapping[float, str]] = dict
    #: Data -> numbers that are linear on the screen.
    transform: Any = None

    @cached_property
    def tick_names(self) -> Mapping[float, str]:
        """The names of the ticks by place."""
        return self.ticks()

    @property
    def is_plain(self) -> bool:
        """Whether values are plain numbers: no dates, names or durations."""
        return self.dates is None and self.names is None and self.unit_s is None


def read_dimension(axis: Axis, label: str) -> Dimension:
    """Return the dimension of *axis*, named *label*."""
    converter, units = _find_converter(axis)
    formatter: Any = axis.get_major_formatter()
    is_category = isinstance(converter, StrCategoryConverter)
    dates = _make_dates(axis) if _is_of_dates(converter) else None
    zone = units if isinstance(units, tzinfo) else None
    if dates is not None and (noted := _get_noted_times(axis)) is not None:
        zone = noted.zone
    last = -math.inf if dates is None else find_last_number(axis, dates)
    return Dimension(
        label=label,
        scale=axis.get_scale(),
        view=_read_view(axis),
        is_inverted=bool(axis.get_inverted()),
        dates=dates and _limit(dates, last),
        last_number=last,
        periods=_make_periods(axis),
        data_zone=zone,
        shown_zone=_find_tick_zone(formatter) or zone,
        unit_s=_find_unit_s(formatter),
        names=_read_categories(units) if is_category else None,
        formatter=None if dates or is_category else make_formatter(formatter),
        ticks=lambda: read_tick_names(axis),
        transform=axis.get_transform(),
    )


def _limit(
    dates: Callable[[Values], Values], last: float
) -> Callable[[Values], Values]:
    """Return *dates* with NaT for the numbers up to *last*."""
    if last == -math.inf:
        return dates
    return lambda numbers: np.where(
        np.asarray(numbers, float) > last, dates(numbers), np.datetime64("NaT", "us")
    )


def _find_converter(axis: Axis) -> tuple[object, Any]:
    """Return the converter and the units of *axis* or of an axis shared with it.

    Among shared axes, only those that received dates or names have them.
    """
    name = f"{read_name(axis)}axis"
    for one in (axis, *(getattr(other, name) for other in list_shared_axes(axis))):
        if (converter := one.get_converter()) is not None:
            return converter, one.get_units()
    return None, axis.get_units()


def _is_of_dates(converter: object) -> bool:
    # pandas' converters are DateConverters. Matplotlib's own one only wraps others,
    # chosen by rcParams["date.converter"].
    is_own = type(converter).__module__ == DateConverter.__module__
    return is_own or isinstance(converter, DateConverter)


def _find_tick_zone(formatter: Any) -> tzinfo | None:
    zone = getattr(formatter, "tz", None)  # Of a DateFormatter.
    return zone if isinstance(zone, tzinfo) and str(zone) != "UTC" else None


def _find_unit_s(formatter: Any) -> float | None:
    """Return the seconds per unit of an axis of pandas' timedeltas."""
    if type(formatter).__name__ != "TimeSeries_TimedeltaFormatter":
        return None
    return _SECONDS[getattr(formatter, "unit", "ns")]  # pandas 2 has nanoseconds.


def _read_view(axis: Axis) -> Span:
    if axis.axes.name == "polar" and axis is axis.axes.xaxis:
        return Span(-np.inf, np.inf)  # Angles continue after a turn.
    return Span.of(axis.get_view_interval())


def _read_categories(units: Any) -> dict[float, str]:
    mapping = getattr(units, "_mapping", {})  # UnitData has no public access.
    return {number: to_plain(name) for name, number in mapping.items()}


def _get_noted_times(axis: Axis) -> Any:
    """Return the zoned times behind pandas' periods, noted when pandas drew them."""
    noted = getattr(axis.axes, "_mplstream_times", None)
    return noted if axis is axis.axes.xaxis else None


def _make_dates(axis: Axis) -> Callable[[Values], Values]:
    # For a regular time series, pandas counts periods on the axis instead of days.
    frequency = getattr(axis, "freq", None)
    if frequency is None:
        return decode_days
    if (noted := _get_noted_times(axis)) is not None:
        return lambda numbers: noted.moments(
            numbers, _decode_periods(numbers, frequency)
        )
    return lambda numbers: _decode_periods(numbers, frequency)


def _make_periods(axis: Axis) -> Callable[[Values], list[str]] | None:
    """Return a function that names pandas' periods, if they are longer than a day."""
    frequency = getattr(axis, "freq", None)
    if frequency is None or _get_alias(frequency) == "B":
        return None
    from pandas import Period  # pandas has set the frequency.

    first = Period(ordinal=0, freq=frequency)
    if not (first.end_time - first.start_time).days:
        return None
    return lambda numbers: [_name_period(number, frequency) for number in numbers]


def _get_alias(frequency: Any) -> str:
    return str(getattr(frequency, "freqstr", frequency))


def _name_period(number: float, frequency: Any) -> str:
    from pandas import Period

    try:
        return str(Period(ordinal=round(number), freq=frequency))
    except (ValueError, OverflowError):  # Beyond pandas' dates.
        return ""


def decode_days(numbers: Values) -> Values:
    """Return Matplotlib's days as ``datetime64[us]``, with NaT out of range."""
    epoch = np.array(get_epoch(), "datetime64[us]")
    days = np.asarray(numbers, float) + epoch.astype("datetime64[D]").astype(float)
    is_date = (days >= _FIRST_DAY) & (days <= _LAST_DAY)
    since = (np.where(is_date, days, 0) * _DAY_US).round()
    whole = (since / 1000).round() * 1000
    if (np.abs(since - whole) <= _DATE_ERROR_US).all():
        since = whole
    dates = since.astype("datetime64[us]")
    return np.where(is_date, dates, np.datetime64("NaT", "us"))


def _decode_periods(numbers: Values, frequency: Any) -> Values:
    from pandas import PeriodIndex  # pandas has set the frequency.

    counts = np.asarray(numbers, float)
    is_date = np.isfinite(counts)
    ordinals = np.where(is_date, counts, 0).round().astype("int64")
    try:
        if _get_alias(frequency) == "B":  # Business days since 1970-01-01.
            days = np.busday_offset("1970-01-01", ordinals, roll="forward")
            dates = days.astype("datetime64[us]")
        else:
            periods = PeriodIndex.from_ordinals(ordinals, freq=frequency)
            dates = periods.to_timestamp().to_numpy().astype("datetime64[us]")
    except (ValueError, OverflowError):  # Beyond pandas' dates.
        return np.full(counts.shape, "NaT", "datetime64[us]")
    return np.where(is_date, dates, np.datetime64("NaT", "us"))


def match_ticks(ticks: Mapping[float, str], places: Values) -> Values | None:
    """Return the labels of the ticks exactly at *places*, if each has one."""
    if not ticks or not len(places):
        return None
    names = [ticks.get(place) for place in places.tolist()]
    return None if None in names else np.array(names, object)


def match_nearby_ticks(ticks: Mapping[float, str], places: Values) -> Values | None:
    """Return the labels of the ticks nearest to *places*, if all differ.

    This names grouped bars, which are beside their tick.
    """
    if not ticks or not len(places) or not np.isfinite(places).all():
        return None
    positions = np.array(sorted(ticks))
    gap = np.diff(positions).min() if len(positions) > 1 else 1.0
    indices = np.clip(np.searchsorted(positions, places - gap / 2), 0, len(ticks) - 1)
    nearest = positions[indices]
    is_far = np.abs(nearest - places) > gap / 2
    if is_far.any() or len(np.unique(nearest)) < len(places):
        return None
    return np.array([ticks[place] for place in nearest.tolist()], object)


def read_tick_names(axis: Axis) -> dict[float, str]:
    """Return the labels of fixed ticks, unless they only repeat numbers."""
    formatter = axis.get_major_formatter()
    if not isinstance(axis.get_major_locator(), FixedLocator):
        return {}
    if not isinstance(formatter, FixedFormatter | FuncFormatter):
        return {}
    ticks = {}
    locator: Any = axis.get_major_locator()
    for number, place in enumerate(locator.locs.tolist()):
        if label := _read_tick_label(formatter, place, number):
            ticks[place] = label
    return {} if _are_their_places(ticks) else ticks


def _read_tick_label(formatter: Any, place: float, number: int) -> str:
    try:
        return to_plain(formatter(place, number))
    except Exception:  # From a function of the app.
        return ""


def _are_their_places(ticks: Mapping[float, str]) -> bool:
    """Return whether every label only repeats the number of its place."""
    try:
        return all(
            float(name.replace("\N{MINUS SIGN}", "-").replace(",", "")) == place
            for place, name in ticks.items()
        )
    except ValueError:
        return False


def to_integers(values: Values) -> Values:
    """Return *values* as integers, if all are whole."""
    if values.dtype.kind != "f" or not len(values):
        return values
    is_whole = np.isfinite(values).all() and (np.abs(values) < 2**53).all()
    return values.astype("int64") if is_whole and (values % 1 == 0).all() else values


def find_simplest(
    estimates: Values, is_right: Callable[[Values], Any], most: int = 16
) -> Values:
    """Return, for each of *estimates*, the right number with the fewest decimals.

    A bar keeps only the edge computed from its place. Several doubles give that edge;
    the shortest is the one that the code contained.

    :param is_right: returns which numbers give the known result.
    :param most: decimals to try before keeping the estimate (exclusive).
    """
    best, is_open = estimates.copy(), np.ones(estimates.shape, bool)
    for digits in range(most):
        rounded = np.round(estimates, digits)
        is_found = is_open & np.asarray(is_right(rounded), bool)
        best[is_found] = rounded[is_found]
        is_open &= ~is_found
        if not is_open.any():
            break
    return best
