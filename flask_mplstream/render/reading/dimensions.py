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

_DAY_US = 86_400e6
#: What Python and ISO 8601 have dates for, in days from 1970.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896


@dataclass(frozen=True, slots=True, eq=False)
class Dimension:
    """One direction of axes, as it is labelled, scaled and filled with data."""

    label: str
    #: Matplotlib's name, ``linear`` or ``log`` for example.
    scale: str
    #: The least and the greatest value of the data within the limits.
    low: float
    high: float
    #: Whether values fall from left to right, or from below to the top.
    is_inverted: bool = False
    #: Numbers -> ``datetime64[us]``, where they are dates.
    dates: Callable[[Values], Values] | None = None
    #: Whether the dates have a time zone; they are given in UTC then.
    is_zoned: bool = False
    #: Number -> name, where the axis has categories.
    names: Mapping[int, str] | None = None


def dimension(axis: Axis, label: str) -> Dimension:
    """What *axis*, to be called *label*, measures."""
    low, high = _shown(axis)
    converter = axis.get_converter()
    units: Any = axis.get_units()  # type: ignore[no-untyped-call]
    is_category = isinstance(converter, StrCategoryConverter)
    return Dimension(
        label=label,
        scale=axis.get_scale(),
        low=low,
        high=high,
        is_inverted=bool(axis.get_inverted()),
        dates=_dates(axis) if _is_of_dates(converter) else None,
        is_zoned=isinstance(units, tzinfo),
        names=_categories(units) if is_category else None,
    )


def _is_of_dates(converter: object) -> bool:
    # pandas' converters are DateConverters; Matplotlib's own only stands in front
    # of some, by rcParams["date.converter"].
    is_own = type(converter).__module__ == DateConverter.__module__
    return is_own or isinstance(converter, DateConverter)


def _shown(axis: Axis) -> tuple[float, float]:
    """From where to where there are data within the limits.

    Data limits are infinite where an artist never told them, as plotnine's.
    """
    seen = sorted(axis.get_view_interval())
    data = sorted(axis.get_data_interval())
    low, high = max(seen[0], data[0]), min(seen[1], data[1])
    if not (np.isfinite([low, high]).all() and low <= high):
        low, high = seen
    return float(low), float(high)


def _categories(units: Any) -> dict[int, str]:
    mapping = getattr(units, "_mapping", {})  # UnitData has no other way to it.
    return {number: plain(name) for name, number in mapping.items()}


def _dates(axis: Axis) -> Callable[[Values], Values]:
    # pandas counts periods on the axis of a regular time series, not days.
    frequency = getattr(axis, "freq", None)
    if frequency is None:
        return _dates_of_days
    return lambda numbers: _dates_of_periods(numbers, frequency)


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
