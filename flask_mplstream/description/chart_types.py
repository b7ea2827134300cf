"""The kinds of charts and the facts in the description of each.

Description layer. The tables in the documentation list the same kinds and facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType


class Fact(Enum):
    """A fact that a description can include, with its name for readers."""

    COUNT = "how many"
    NAMES = "names of the series"
    PLACES = "first and last place"
    RANGE = "least and greatest value"
    VALUES = "each value, of up to six with names"
    TREND = "start, end, turn or peak of a line"
    HIGHEST = "the highest and its place"
    COLORS = "values behind the colors of points"
    TOTALS = "least and greatest total"
    AXES = "axes that are reversed or not linear"


_SPREAD = (Fact.COUNT, Fact.NAMES, Fact.PLACES, Fact.AXES)
_PLACED = (*_SPREAD, Fact.RANGE)
_PEAKED = (*_PLACED, Fact.HIGHEST)


@dataclass(frozen=True, slots=True)
class ChartType:
    """The words and facts for a kind of series."""

    #: The name of the chart.
    chart: str
    #: The singular and plural of its items.
    one: str
    many: str
    facts: tuple[Fact, ...] = ()
    #: The word between the labels of the two directions.
    word: str = "over"
    #: Whether the items are whole series instead of their points or bars.
    are_series: bool = False


#: Chart types by kind of series. The first kind in this order names the chart.
CHART_TYPES: Mapping[str, ChartType] = MappingProxyType(
    {
        "pie": ChartType("Pie chart", "wedge", "wedges", (Fact.COUNT, Fact.VALUES)),
        "box": ChartType(
            "Box plot", "box", "boxes", (*_PLACED, Fact.VALUES), word="by"
        ),
        "violin": ChartType("Violin plot", "violin", "violins", _PLACED, word="by"),
        "boxen": ChartType("Letter-value plot", "", "", word="by"),
        "bar": ChartType(
            "Bar chart",
            "bar",
            "bars",
            (*_PLACED, Fact.VALUES, Fact.HIGHEST, Fact.TOTALS),
            word="by",
        ),
        "gantt": ChartType(
            "Timeline",
            "bar",
            "bars",
            (Fact.COUNT, Fact.NAMES, Fact.VALUES, Fact.PLACES, Fact.AXES),
            word="by",
        ),
        "histogram": ChartType("Histogram", "bin", "bins", _PEAKED),
        "block_bar": ChartType("Chart", "bar", "bars", _PEAKED),
        "image": ChartType("Heat map", "value", "values", _PLACED),
        "mesh": ChartType("Heat map", "value", "values", _PLACED),
        "tile": ChartType("Heat map", "value", "values", _PLACED),
        "stacked_area": ChartType(
            "Stacked area chart",
            "area",
            "areas",
            (*_PLACED, Fact.TREND, Fact.TOTALS),
            are_series=True,
        ),
        "line": ChartType(
            "Line chart",
            "line",
            "lines",
            (*_PLACED, Fact.TREND, Fact.HIGHEST),
            are_series=True,
        ),
        "errorbar": ChartType(
            "Chart",
            "series with error bars",
            "series with error bars",
            _PLACED,
            are_series=True,
        ),
        "stem": ChartType("Stem plot", "stem", "stems", _PEAKED),
        "scatter": ChartType(
            "Scatter plot", "point", "points", (*_PLACED, Fact.COLORS), word="against"
        ),
        "label": ChartType("Chart", "label", "labels", _PLACED, word="against"),
        "hexbin": ChartType("Hexagon plot", "", "", (Fact.RANGE,)),
        "contour": ChartType(
            "Contour plot", "level", "levels", (Fact.COUNT, Fact.RANGE)
        ),
        "area": ChartType(
            "Area chart", "filled area", "filled areas", _PLACED, are_series=True
        ),
        "event": ChartType("Event plot", "event", "events", _SPREAD),
        "interval": ChartType("Chart", "bar", "bars", _SPREAD),
        "block": ChartType("3-D bar chart", "bar", "bars", (Fact.COUNT,)),
        "surface": ChartType(
            "Surface plot", "surface", "surfaces", (Fact.COUNT,), are_series=True
        ),
        "arrow": ChartType(
            "Arrow plot", "arrow", "arrows", (Fact.COUNT, Fact.PLACES, Fact.AXES)
        ),
        "stream": ChartType("Stream plot", "", ""),
        "picture": ChartType("Picture", "", ""),
        "table": ChartType("Table", "row", "rows", (Fact.COUNT, Fact.VALUES)),
        "outlier": ChartType("Chart", "outlier", "outliers", (Fact.COUNT,)),
        "colored_shape": ChartType(
            "Chart", "shape", "shapes", (Fact.COUNT, Fact.RANGE)
        ),
        "segment": ChartType(
            "Chart", "line segment", "line segments", (Fact.COUNT, Fact.NAMES)
        ),
        "shape": ChartType("Chart", "", ""),
    }
)
#: Kinds that consist of cells.
GRIDS = frozenset({"image", "mesh", "tile"})
#: Kinds that show values as colors.
COLORED = GRIDS | {"contour", "hexbin", "picture", "colored_shape"}
#: Kinds that show values by points, lines or bars.
MEASURED = frozenset(
    {"bar", "line", "scatter", "errorbar", "stem", "histogram", "block_bar", "outlier"}
)
#: Kinds that consist of bars.
BARS = frozenset({"bar", "histogram", "block_bar"})
