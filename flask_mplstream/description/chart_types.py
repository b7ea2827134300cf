"""The kinds of charts and the facts in the description of each.

Description layer. The tables in the documentation are generated from these.
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


#: The facts in the description of every chart.
ALWAYS = "title, kind, axis labels, texts, named marks"
_PLACED = (Fact.COUNT, Fact.NAMES, Fact.PLACES, Fact.RANGE, Fact.AXES)


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
    #: The Matplotlib functions that draw it.
    drawn_by: str = ""
    #: Its columns in CSV and JSON.
    columns: str = ""


#: Chart types by kind of series. The first kind in this order names the chart.
CHART_TYPES: Mapping[str, ChartType] = MappingProxyType(
    {
        "pie": ChartType(
            *("Pie chart", "wedge", "wedges", (Fact.COUNT, Fact.VALUES)),
            drawn_by="`pie`",
            columns="`name`, `share` from 0 to 1",
        ),
        "box": ChartType(
            *("Box plot", "box", "boxes"),
            (*_PLACED, Fact.VALUES),
            word="by",
            drawn_by="`boxplot`",
            columns="`x`, `y_low`, `y_quarter`, `y_median`, `y_three_quarters`, "
            "`y_high`",
        ),
        "violin": ChartType(
            *("Violin plot", "violin", "violins", _PLACED),
            word="by",
            drawn_by="`violinplot`",
            columns="`x`; `y_low` and `y_high` if its ends are those of the data",
        ),
        "boxen": ChartType(
            *("Letter-value plot", "", ""),
            word="by",
            drawn_by="`boxenplot` of seaborn",
            columns="none",
        ),
        "bar": ChartType(
            *("Bar chart", "bar", "bars"),
            (*_PLACED, Fact.VALUES, Fact.HIGHEST, Fact.TOTALS),
            word="by",
            drawn_by="`bar`, `barh`",
            columns="`x`, `y`; `y_base` if bars do not begin at 0",
        ),
        "gantt": ChartType(
            *("Timeline", "bar", "bars"),
            (Fact.COUNT, Fact.NAMES, Fact.VALUES, Fact.PLACES, Fact.AXES),
            word="by",
            drawn_by="`barh` from one date to another",
            columns="`x_from`, `x_to`, `y`",
        ),
        "histogram": ChartType(
            *("Histogram", "bin", "bins", (*_PLACED, Fact.HIGHEST)),
            drawn_by="`hist`, `stairs`",
            columns="`x`, `x_from`, `x_to`, `y`",
        ),
        "block_bar": ChartType(
            *("Chart", "bar", "bars", (*_PLACED, Fact.HIGHEST)),
            drawn_by="bars that may be a histogram's",
            columns="`x`, `x_from`, `x_to`, `y`",
        ),
        "image": ChartType(
            *("Heat map", "value", "values", _PLACED),
            drawn_by="`imshow`, `matshow`",
            columns="`x`, `y`, `value`",
        ),
        "mesh": ChartType(
            *("Heat map", "value", "values", _PLACED),
            drawn_by="`pcolormesh`, `hist2d`",
            columns="`x`, `y`, `value`",
        ),
        "tile": ChartType(
            *("Heat map", "value", "values", _PLACED),
            drawn_by="`geom_tile` of plotnine",
            columns="`x`, `y`, `value`",
        ),
        "stacked_area": ChartType(
            *("Stacked area chart", "area", "areas"),
            (*_PLACED, Fact.TREND, Fact.TOTALS),
            are_series=True,
            drawn_by="`stackplot`, `DataFrame.plot.area`",
            columns="`x`, `y` of the area alone",
        ),
        "line": ChartType(
            *("Line chart", "line", "lines"),
            (*_PLACED, Fact.TREND, Fact.HIGHEST),
            are_series=True,
            drawn_by="`plot`, `step`, `semilogy`",
            columns="`x`, `y` (and `z`)",
        ),
        "errorbar": ChartType(
            *("Chart", "series with error bars", "series with error bars", _PLACED),
            are_series=True,
            drawn_by="`errorbar`",
            columns="`x`, `y`, `y_low`, `y_high`; `y` is their middle without points",
        ),
        "stem": ChartType(
            *("Stem plot", "stem", "stems", (*_PLACED, Fact.HIGHEST)),
            drawn_by="`stem`",
            columns="`x`, `y`",
        ),
        "scatter": ChartType(
            *("Scatter plot", "point", "points", (*_PLACED, Fact.COLORS)),
            word="against",
            drawn_by="`scatter`, `plot` with markers alone",
            columns="`x`, `y`; `value` and `size` if they differ",
        ),
        "label": ChartType(
            *("Chart", "label", "labels", _PLACED),
            word="against",
            drawn_by="`geom_text` of plotnine",
            columns="`x`, `y`",
        ),
        "hexbin": ChartType(
            *("Hexagon plot", "", "", (Fact.RANGE,)),
            drawn_by="`hexbin`",
            columns="`x`, `y`, `value`",
        ),
        "contour": ChartType(
            *("Contour plot", "level", "levels", (Fact.COUNT, Fact.RANGE)),
            drawn_by="`contour`, `contourf`",
            columns="`level`",
        ),
        "area": ChartType(
            *("Area chart", "filled area", "filled areas", _PLACED),
            are_series=True,
            drawn_by="`fill_between`",
            columns="`x`, `y_low`, `y_high`; empty cells for a gap",
        ),
        "event": ChartType(
            *("Event plot", "event", "events"),
            (Fact.COUNT, Fact.NAMES, Fact.PLACES, Fact.AXES),
            drawn_by="`eventplot`",
            columns="`x`",
        ),
        "interval": ChartType(
            *("Chart", "bar", "bars", (Fact.COUNT, Fact.NAMES, Fact.PLACES, Fact.AXES)),
            drawn_by="`broken_barh`",
            columns="`x_from`, `x_to`, `y_from`, `y_to`",
        ),
        "block": ChartType(
            *("3-D bar chart", "bar", "bars", (Fact.COUNT,)),
            drawn_by="`bar3d`",
            columns="none",
        ),
        "surface": ChartType(
            *("Surface plot", "surface", "surfaces", (Fact.COUNT,)),
            are_series=True,
            drawn_by="`plot_surface`",
            columns="none",
        ),
        "arrow": ChartType(
            *("Arrow plot", "arrow", "arrows"),
            (Fact.COUNT, Fact.PLACES, Fact.AXES),
            drawn_by="`quiver`, `barbs`",
            columns="`x`, `y`, `u`, `v`",
        ),
        "stream": ChartType(
            "Stream plot", "", "", drawn_by="`streamplot`", columns="none"
        ),
        "picture": ChartType(
            "Picture", "", "", drawn_by="`imshow` in RGB", columns="none"
        ),
        "table": ChartType(
            *("Table", "row", "rows", (Fact.COUNT, Fact.VALUES)),
            drawn_by="`table`",
            columns="`column 1` … as texts",
        ),
        "outlier": ChartType(
            *("Chart", "outlier", "outliers", (Fact.COUNT,)),
            drawn_by="the outliers of `boxplot`",
            columns="`x`, `y`",
        ),
        "colored_shape": ChartType(
            *("Chart", "shape", "shapes", (Fact.COUNT, Fact.RANGE)),
            drawn_by="`tripcolor`, polygons with colors",
            columns="`value`",
        ),
        "segment": ChartType(
            *("Chart", "line segment", "line segments"),
            (Fact.COUNT, Fact.NAMES),
            drawn_by="`hlines`, `vlines`",
            columns="`x_from`, `x_to`, `y_from`, `y_to`",
        ),
        "shape": ChartType("Chart", "", "", drawn_by="other shapes", columns="none"),
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
