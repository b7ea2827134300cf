"""A series in its axes: its visible part, names and trend.

Description layer. Uncertain facts are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..forks import cached_property
from .axis_values import Dimension, Values
from .bounding_boxes import Seen, find_inside, see
from .chart_types import CHART_TYPES, ChartType
from .series import AxesContent, Series
from .trends import Trend, find_trend
from .value_texts import say, say_place, shorten


@dataclass(frozen=True, eq=False)
class Plotted:
    """A series in its axes."""

    axes: AxesContent
    series: Series

    @cached_property
    def seen(self) -> Seen:
        """The visible part."""
        return see(self.series, self.axes.dimensions)

    @property
    def type(self) -> ChartType:
        """The kind of chart."""
        return CHART_TYPES[self.series.kind]

    @property
    def count(self) -> int:
        """The number of items, visible ones if known."""
        count = self.seen.count
        return self.series.count if count is None else count

    @property
    def across(self) -> Dimension:
        """The dimension of the places."""
        return self.axes.dimensions[self.series.across]

    @property
    def along(self) -> Dimension:
        """The dimension of the values."""
        return self.axes.dimensions[self.series.along]

    @property
    def is_its_name(self) -> bool:
        """Whether the only item is named as in the legend."""
        column = self.series.columns.get(self.series.across)
        return column is not None and column.names == [self.series.label]

    @cached_property
    def trend(self) -> Trend | None:
        """The trend of the visible line or of the whole area, if it is clear."""
        if not self.axes.has_places:
            return None
        if self.series.kind == "line":
            line = self.seen.line
            return find_trend(line.x, line.y) if line and line.is_whole else None
        x = self.series.find_numbers(self.series.across)
        y = self.series.find_numbers(self.series.along)
        if x is None or y is None or self.seen.is_cut:
            return None
        is_known = np.isfinite(x) & np.isfinite(y)
        return find_trend(x[is_known], y[is_known])

    def name_ends(self, direction: str) -> list[tuple[float, str]] | None:
        """Return the visible places in *direction* with names, if all are named."""
        column, places = self.series.columns.get(direction), None
        if column is not None:
            places = self.series.find_numbers(direction)
        if column is None or column.names is None or places is None or not len(places):
            return None
        is_seen = self.seen.mask
        if is_seen is None:
            is_seen = find_inside(places, self.axes.dimensions[direction])
        rows = zip(places.tolist(), column.names, is_seen, strict=True)
        return [(place, name) for place, name, is_shown in rows if is_shown]

    def say_values(self, direction: str, values: Sequence[float]) -> list[str] | None:
        """Return *values* as texts, as precise as beside the limits of the series."""
        ends = find_ends([self.seen.values.get(direction)]) or ()
        texts = say(self.axes.dimensions[direction], [*values, *ends])
        return None if texts is None else texts[: len(values)]

    def say_place(self, place: float) -> str:
        """Return ``at 4`` or ``in May 2024``; empty if uncertain."""
        column = self.series.columns[self.series.across]
        if (names := column.names) is not None:
            found = np.flatnonzero(np.asarray(column.values, float) == place)
            return f"at {shorten(names[found[0]])}" if len(found) else ""
        if self.across.dates is not None and self.across.periods is None:
            return say_place(self.across, place)
        texts = self.say_values(self.series.across, [place])
        return "" if texts is None else f"at {texts[0]}"


def find_ends(parts: Sequence[Values | None]) -> tuple[float, float] | None:
    """Return the least and the greatest number in all *parts*, if there is one."""
    known = [values[np.isfinite(values)] for values in parts if values is not None]
    values = np.concatenate(known) if known else np.array([])
    return (float(values.min()), float(values.max())) if len(values) else None
