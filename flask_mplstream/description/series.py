"""The content of a figure: axes, series and values.

Description layer. Values are encoded as on their axis, but neither clipped nor
formatted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .axis_values import Dimension, Span, Values

_DIRECTIONS = {"x": 0, "y": 1, "z": 2}
#: Suffixes of a direction, in the order of the columns.
_PARTS = (
    *("", "from", "to", "base", "low"),
    *("quarter", "median", "three_quarters", "high"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of a series in one column; NaN for missing ones."""

    #: Numbers as Matplotlib draws them, two-dimensional for a grid; or names.
    values: Values
    #: Their axis; ``None`` for sizes, colors and shares.
    dimension: Dimension | None = None
    #: Exact values, if known: names, or the original dates (in UTC if they have a
    #: zone) and durations.
    exact: Values | None = None

    @property
    def names(self) -> list[str] | None:
        """The names of the values, if each has one."""
        if self.exact is not None and self.exact.dtype == object:
            return [str(name) for name in self.exact.ravel().tolist()]
        if self.values.dtype == object:
            return [str(name) for name in self.values.tolist()]
        known = self.dimension.names if self.dimension is not None else None
        if known is None or self.values.ndim != 1 or len(self.values) > len(known) * 50:
            return None
        names = [known.get(value) for value in self.values.tolist()]
        return None if None in names else [str(name) for name in names]

    @property
    def is_named(self) -> bool:
        """Whether the values are names or on an axis of names."""
        is_category = self.dimension is not None and self.dimension.names is not None
        return is_category or self.names is not None


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Items in axes that belong together, such as the bars of one ``bar`` call."""

    #: A key of :data:`~flask_mplstream.description.chart_types.CHART_TYPES`.
    kind: str
    #: Its name in a legend, or an empty text.
    label: str
    #: Number of its points, bars, wedges …, visible or not.
    count: int
    #: ``x``, ``y`` and its other columns, by name.
    columns: Mapping[str, Column]
    #: The label of its color bar.
    value_label: str = ""
    #: The limits of its color scale, if its colors show values.
    colors: Span | None = None
    #: The direction in which its items are side by side, ``x`` or ``y``.
    across: str = "x"
    #: Matplotlib's name for the way lines join points, such as ``steps``.
    drawstyle: str = "default"

    @property
    def along(self) -> str:
        """The direction of its values."""
        if "z" in self.columns:
            return "z"
        return get_other(self.across)

    def get_numbers(self, name: str) -> Values:
        """Return the numbers of a column that every series of this kind has."""
        return np.asarray(self.columns[name].values, float)

    def find_numbers(self, name: str) -> Values | None:
        """Return the numbers of a column as floats; ``None`` if it has no numbers."""
        column = self.columns.get(name)
        if column is None or column.values.dtype == object:
            return None
        return np.asarray(column.values, float)


@dataclass(frozen=True, slots=True)
class Guide:
    """A reference line or area, which is not data."""

    #: ``line`` or ``area``.
    kind: str
    #: The direction of its places; empty for a sloped line.
    direction: str
    places: tuple[float, ...]
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class AxesContent:
    """The content of one axes."""

    title: str
    #: ``x``, ``y``, and ``z`` if there is one.
    dimensions: Mapping[str, Dimension]
    series: tuple[Series, ...]
    #: The texts in the axes.
    texts: tuple[str, ...] = ()
    guides: tuple[Guide, ...] = ()
    #: Index of the axes that these lie on top of, such as a twin.
    base: int = 0
    #: Whether places can be described by plain coordinates: not so on a map.
    has_places: bool = True
    #: Whether the axes are an inset.
    is_inset: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to describe."""
        return not (self.series or self.texts or self.guides or self.title)


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of a figure."""

    title: str
    #: The texts outside the axes.
    texts: tuple[str, ...] = ()
    #: The axes in the order of creation, without color bars.
    axes: tuple[AxesContent, ...] = field(default=())


def get_column_order(name: str) -> tuple[int, int]:
    """Return a sort key for columns: by direction, then by suffix."""
    direction, _, part = name.partition("_")
    return _DIRECTIONS.get(direction, len(_DIRECTIONS)), _PARTS.index(part)


def get_other(direction: str) -> str:
    """Return ``y`` for ``x``, and ``x`` for ``y``."""
    return "y" if direction == "x" else "x"
