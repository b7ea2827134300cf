"""The content of a figure: its axes, their series, the values of those.

Description layer. Call it inside the gate, before or after a draw: it reads artists
and changes none. Values are encoded through the axis that they are drawn
on, but neither clipped nor formatted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .axis_values import Dimension, Span, Values

_DIRECTIONS = {"x": 0, "y": 1, "z": 2}
#: Parts of a direction, in the order of their columns.
_PARTS = (
    *("", "from", "to", "base", "low"),
    *("quarter", "median", "three_quarters", "high"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of a series in one respect; nan for a missing one."""

    #: Numbers as Matplotlib draws them; those of a grid have two dimensions.
    values: Values
    #: Their axis; ``None`` for sizes, colors and shares.
    dimension: Dimension | None = None
    #: Their meaning, if it is known better than through the axis: names, or
    #: dates (in UTC if they have a zone) and durations as they were given.
    exact: Values | None = None

    @property
    def names(self) -> list[str] | None:
        """Their names, if each has one."""
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
        """Whether they are names, or are on an axis of names."""
        is_category = self.dimension is not None and self.dimension.names is not None
        return is_category or self.names is not None


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Things in axes that belong together."""

    #: A key of :data:`~flask_mplstream.description.chart_types.CHART_TYPES`.
    kind: str
    #: Its name in a legend, or nothing.
    label: str
    #: How many points, bars, wedges … it has, in sight or not.
    count: int
    #: ``x``, ``y`` and its other columns, by name.
    columns: Mapping[str, Column]
    #: The label of its color bar.
    value_label: str = ""
    #: The limits of its color scale, if its colors show values.
    colors: Span | None = None
    #: The direction in which its things are side by side, ``x`` or ``y``.
    across: str = "x"
    #: The artists or the layer of a plot that it is read from.
    source: tuple[Any, ...] = ()
    #: How lines join their points, by Matplotlib's name.
    drawstyle: str = "default"

    @property
    def along(self) -> str:
        """The direction in which its things are measured."""
        if "z" in self.columns:
            return "z"
        return "y" if self.across == "x" else "x"

    def numbers(self, name: str) -> Values:
        """Return the numbers of a column that its kind always has."""
        return np.asarray(self.columns[name].values, float)

    def values(self, name: str) -> Values | None:
        """Return the numbers of a column as floats; ``None`` if there are none."""
        column = self.columns.get(name)
        if column is None or column.values.dtype == object:
            return None
        return np.asarray(column.values, float)


@dataclass(frozen=True, slots=True)
class Guide:
    """A line or an area that marks a place, and is no data."""

    #: ``line`` or ``area``.
    kind: str
    #: The direction in which it is measured; nothing for a sloped line.
    direction: str
    places: tuple[float, ...]
    label: str


@dataclass(frozen=True, slots=True, eq=False)
class AxesContent:
    """The content of axes."""

    title: str
    #: ``x``, ``y``, and ``z`` if there is one.
    dimensions: Mapping[str, Dimension]
    series: tuple[Series, ...]
    #: The texts in the axes.
    texts: tuple[str, ...] = ()
    guides: tuple[Guide, ...] = ()
    #: The number of the axes that these lie on, as twins do.
    base: int = 0
    #: Whether places are those of a map or of angles, and no plain coordinates.
    has_places: bool = True
    #: Whether the axes are an inset.
    is_inset: bool = False

    @property
    def is_silent(self) -> bool:
        """Whether they show nothing that can be said."""
        return not (self.series or self.texts or self.guides or self.title)


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """The content of a figure."""

    title: str
    #: The texts beside the axes.
    texts: tuple[str, ...] = ()
    #: The axes in the order in which they were made, without color bars.
    axes: tuple[AxesContent, ...] = field(default=())


def get_column_order(name: str) -> tuple[int, int]:
    """Return the place of a column: by direction, and there by its part."""
    direction, _, part = name.partition("_")
    return _DIRECTIONS.get(direction, len(_DIRECTIONS)), _PARTS.index(part)
