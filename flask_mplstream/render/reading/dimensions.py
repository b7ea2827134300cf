"""What the numbers along an axis mean: plain numbers, dates, names.

Render layer. It asks Matplotlib's axes for what they keep anyway and makes no
ticks, which would cost more than all the rest.
"""

from __future__ import annotations

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

from .plain import plain

Values: TypeAlias = NDArray[Any]

#: Share of the axis that data must go on beyond it, so that it is no rounding.
_LEAST_CUT = 1e-9
_DAY_US = 86_400e6
#: What Python and ISO 8601 have dates for, in days from 1970.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896


@dataclass(frozen=True, slots=True)
class Span:
    """From where to where numbers go."""

    low: float
    high: float

    @classmethod
    def of(cls, ends: Any) -> Span:
        """The span between *ends*, in either order."""
        return cls(float(min(ends)), float(max(ends)))


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """One direction of axes, as it is labelled, scaled and filled with data."""

    label: str
    #: Matplotlib's name, ``linear`` or ``log`` for example.
    scale: str
    #: The least and the greatest value of the data, also of those that are not seen;
    #: infinite where Matplotlib was told none.
    data: Span
    #: The limits between which things are seen.
    view: Span
    #: Whether values fall from left to right, or from below to the top.
    is_inverted: bool = False
    #: Numbers -> ``datetime64[us]``, where they are dates.
    dates: Callable[[Values], Values] | None = None
    #: Whether the dates have a time zone; they are given in UTC then.
    is_zoned: bool = False
    #: Numbers -> ``2024``, ``2024Q1``, ``2024-01`` or ``2024-01-01/2024-01-07``, where
    #: they count periods longer than a day.
    periods: Callable[[Values], list[str]] | None = None
    #: Number -> name, where the axis has categories.
    names: Mapping[float, str] | None = None

    @property
    def low(self) -> float:
        """Where the data begin to be seen, or the limit where there are none."""
        return max(self.view.low, self.data.low) if self.has_data else self.view.low

    @property
    def high(self) -> float:
        """Where the data cease to be seen, or the limit where there are none."""
        return min(self.view.high, self.data.high) if self.has_data else self.view.high

    @property
    def has_data(self) -> bool:
        """Whether some of the data lie within the limits."""
        data, view = self.data, self.view
        is_known = bool(np.isfinite([data.low, data.high]).all())
        return is_known and data.low <= view.high and view.low <= data.high

    @property
    def is_cut(self) -> bool:
        """Whether some of the data lie beyond the limits."""
        least = _LEAST_CUT * (self.view.high - self.view.low)
        before, after = self.view.low - self.data.low, self.data.high - self.view.high
        return before > least or after > least


def dimension(axis: Axis, label: str) -> Dimension:
    """What *axis*, to be called *label*, measures."""
    converter = axis.get_converter()
    units: Any = axis.get_units()  # type: ignore[no-untyped-call]
    is_category = isinstance(converter, StrCategoryConverter)
    return Dimension(
        label=label,
        scale=axis.get_scale(),
        data=_data(axis),
        view=_view(axis),
        is_inverted=bool(axis.get_inverted()),
        dates=_dates(axis) if _is_of_dates(converter) else None,
        periods=_periods(axis),
        is_zoned=isinstance(units, tzinfo),
        names=_categories(units) if is_category else None,
    )


def _is_of_dates(converter: object) -> bool:
    # pandas' converters are DateConverters; Matplotlib's own only stands in front
    # of some, by rcParams["date.converter"].
    is_own = type(converter).__module__ == DateConverter.__module__
    return is_own or isinstance(converter, DateConverter)


def _data(axis: Axis) -> Span:
    """From where to where there are data that the scale has a place for.

    Data limits are infinite where an artist never told them, as plotnine's.
    """
    data = Span.of(axis.get_data_interval())
    if axis.get_scale() == "log" and data.low <= 0:
        return Span(float(axis.get_minpos()), data.high)
    return data


def _view(axis: Axis) -> Span:
    if axis.axes.name == "polar" and axis is axis.axes.xaxis:
        return Span(-np.inf, np.inf)  # Angles go on after a turn.
    return Span.of(axis.get_view_interval())


def _categories(units: Any) -> dict[float, str]:
    mapping = getattr(units, "_mapping", {})  # UnitData has no other way to it.
    return {number: plain(name) for name, number in mapping.items()}


def _dates(axis: Axis) -> Callable[[Values], Values]:
    # pandas counts periods on the axis of a regular time series, not days.
    frequency = getattr(axis, "freq", None)
    if frequency is None:
        return _dates_of_days
    return lambda numbers: _dates_of_periods(numbers, frequency)


def _periods(axis: Axis) -> Callable[[Values], list[str]] | None:
    """The names of pandas' periods, where those are longer than a day."""
    frequency = getattr(axis, "freq", None)
    if frequency is None:
        return None
    from pandas import Period  # Who set the frequency has imported it.

    first = Period(ordinal=0, freq=frequency)
    if not (first.end_time - first.start_time).days:
        return None
    return lambda numbers: [_period(number, frequency) for number in numbers]


def _period(number: float, frequency: Any) -> str:
    from pandas import Period

    try:
        return str(Period(ordinal=round(number), freq=frequency))
    except (ValueError, OverflowError):  # Further than pandas' dates go.
        return ""


def _dates_of_days(numbers: Values) -> Values:
    epoch = np.array(get_epoch(), "datetime64[us]")  # type: ignore[no-untyped-call]
    days = np.asarray(numbers, float) + epoch.astype("datetime64[D]").astype(float)
    is_date = (days >= _FIRST_DAY) & (days <= _LAST_DAY)
    since = np.where(is_date, days, 0) * _DAY_US
    dates = since.round().astype("datetime64[us]")
    return np.where(is_date, dates, np.datetime64("NaT", "us"))


def _dates_of_periods(numbers: Values, frequency: Any) -> Values:
    from pandas import PeriodIndex  # Who set the frequency has imported it.

    counts = np.asarray(numbers, float)
    is_date = np.isfinite(counts)
    ordinals = np.where(is_date, counts, 0).round().astype("int64")
    try:
        periods = PeriodIndex.from_ordinals(ordinals, freq=frequency)
        dates = periods.to_timestamp().to_numpy().astype("datetime64[us]")
    except (ValueError, OverflowError):  # Further than pandas' dates go.
        return np.full(counts.shape, "NaT", "datetime64[us]")
    return np.where(is_date, dates, np.datetime64("NaT", "us"))


def names_of_ticks(axis: Axis, places: Values) -> Values | None:
    """The labels of the ticks at *places*, where each has one of its own.

    So are bars named that stand at numbers, those of pandas for example, also
    where they stand in groups beside their tick.
    """
    ticks = _labelled_ticks(axis)
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


def _labelled_ticks(axis: Axis) -> dict[float, str]:
    locator: Any = axis.get_major_locator()
    formatter = axis.get_major_formatter()
    if not isinstance(locator, FixedLocator):
        return {}
    if not isinstance(formatter, FixedFormatter | FuncFormatter):
        return {}
    ticks = {}
    for number, place in enumerate(locator.locs.tolist()):  # type: ignore[attr-defined]
        if label := plain(formatter(place, number)):
            ticks[place] = label
    return ticks
