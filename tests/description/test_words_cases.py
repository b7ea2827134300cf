"""Small figures with error-prone words or data, and the truth about them."""

from __future__ import annotations

import csv
import re
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib import ticker
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from flask_mplstream import render
from flask_mplstream.rendering.figure_lock import gate, use_agg
from flask_mplstream.rendering.pipeline import Meaning
from tests.apps.shown_figures import draw_by_method, draw_on_axes

use_agg()

Build = Callable[[], object]
TOKYO = ZoneInfo("Asia/Tokyo")


@pytest.fixture(autouse=True)
def no_warnings_of_others() -> Iterator[None]:
    """Ignore warnings of pandas, seaborn and plotnine."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    plt.close("all")


def words(build: Build) -> str:
    return render(build, "txt").body.decode()


def columns(build: Build) -> dict[str, list[str]]:
    """Return the cells of a CSV by heading, without the empty ones at the end."""
    text = render(build, "csv").body.decode()
    heading, *rows = csv.reader(StringIO(text, newline=""))
    table = [list(column) for column in zip(*rows, strict=True)] or [
        [] for _ in heading
    ]
    for column in table:
        while column and not column[-1]:
            column.pop()
    return dict(zip(heading, table, strict=True))


def several(*steps: Callable[[Any], object]) -> Build:
    """Return a function for a figure on whose axes all *steps* draw."""

    def draw(axes: Any) -> None:
        for step in steps:
            step(axes)

    return draw_on_axes(draw)


def grouped(axes: Any) -> None:
    places = np.arange(3)
    axes.bar(places - 0.2, [5, 9, 7], 0.4, label="2023")
    axes.bar(places + 0.2, [6, 8, 10], 0.4, label="2024")
    axes.set_xticks(places, ["A", "B", "C"])
    axes.set_ylabel("Sales")


def two_scales(axes: Any) -> None:
    months = np.arange(12)
    axes.plot(months, months * 2, label="rain")
    axes.set(title="Weather", xlabel="Month", ylabel="mm")
    other = axes.twinx()
    other.plot(months, 30 - months, "C1", label="temp")
    other.set_ylabel("°C")


def spiked() -> Any:
    x = np.arange(100_000)
    y = np.minimum(x, 99_999 - x) / 5e4
    y[50_007] = 50
    return y


def hours(first: str, count: int) -> Any:
    return np.datetime64(first) + np.arange(count).astype("m8[h]")


SECONDS = np.datetime64("2024-02-01T10:00:05") + np.arange(30).astype("m8[s]")
NEAR_END = np.r_[np.linspace(0, 100, 95), np.linspace(95, 60, 5)]
CRASH = np.r_[np.linspace(0, 100, 199), 1]
TIPS = pd.DataFrame(
    {
        "day": [day for day in ("Thu", "Fri", "Sat") for _ in range(8)],
        "who": ["guest", "member"] * 12,
        "bill": [10 + 7 * i % 19 + i % 3 for i in range(24)],
        "tip": [1 + i % 5 for i in range(24)],
    }
)


def seaborn_of(name: str, frame: Any = TIPS, **options: Any) -> Build:
    def draw() -> object:
        import seaborn

        return getattr(seaborn, name)(frame, **options)

    return draw


def plotnine_of(
    frame: Any, *layers: str, scales: tuple[str, ...] = (), **names: str
) -> Build:
    def draw() -> object:
        import plotnine

        aesthetics = plotnine.aes(**names)
        plot = plotnine.ggplot(frame, aesthetics)
        for layer in (*layers, *scales):
            name, _, argument = layer.partition(" ")
            plot += getattr(plotnine, name)(*filter(None, [argument]))
        return plot

    return draw


DAYS = pd.DataFrame(
    {"t": pd.date_range("2024-01-01", periods=6), "v": [1, 2, 3, 4, 5, 7]}
)
POWERS = pd.DataFrame({"p": [1, 10, 100, 1000], "v": [1, 2, 3, 5]})
SIDES = pd.DataFrame({"side": ["west", "east"], "n": [3, 5]})
TILES = pd.DataFrame({"a": list("ppqq"), "b": list("uvuv"), "v": [1, 2, 3, 4]})
KINDS = pd.DataFrame({"kind": list("aabbbccccc"), "size": list("ssslllllls")})
ENERGY = pd.DataFrame({"gas": [1, 2, 3], "oil": [4, 5, 6]}, index=[2000, 2001, 2002])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            draw_by_method("bar", [f"c{i}" for i in range(12)], range(5, 17)),
            "Bar chart, x from c0 to c11, with 12 bars. The range of y is 5 to 16. The "
            "highest is 16 at c11.",
            id="bars-begin-above-zero",
        ),
        pytest.param(
            draw_on_axes(grouped),
            "Bar chart of Sales, x from A to C, with 6 bars in 2 groups: 2023 and "
            "2024. The range of Sales is 5 to 10.",
            id="grouped-bars-begin-above-zero",
        ),
        pytest.param(
            draw_by_method("bar", range(5000), np.arange(5000) % 7 + 3),
            "Bar chart, x from 0 to 4999, with 5,000 bars. The range of y is 3 to 9.",
            id="places-of-many-bars",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            several(lambda a: a.scatter([1, 2], [3, 4]), lambda a: a.set_xlim(0, 1.5)),
            "Scatter plot, x at 1, with 1 point. y is 3.",
            id="point-out-of-sight",
        ),
        pytest.param(
            several(
                lambda a: a.plot([1, 2, 3], [1, 2, 3]), lambda a: a.set_ylim(1.5, 2.5)
            ),
            "Line chart, x from 1.5 to 2.5, with 1 line. The range of y is 1.5 to 2.5. "
            "It rises from 1.5 to 2.5.",
            id="line-longer-than-its-axes",
        ),
        pytest.param(
            draw_by_method(
                "plot",
                [datetime(2024, 5, 1, h, tzinfo=TOKYO) for h in range(1, 9)],
                range(8),
            ),
            "Line chart, x from 01:00 to 08:00 on 1 May 2024 (Asia/Tokyo), with 1 "
            "line. The range of y is 0 to 7. It rises from 0 to 7.",
            id="hours-in-tokyo",
        ),
        pytest.param(
            draw_by_method(
                "plot",
                [datetime(2024, 5, d, tzinfo=TOKYO) for d in range(1, 9)],
                range(8),
            ),
            "Line chart, x from 1 May 2024 to 8 May 2024 (Asia/Tokyo), with 1 line. "
            "The range of y is 0 to 7. It rises from 0 to 7.",
            id="days-in-tokyo",
        ),
        pytest.param(
            draw_by_method("plot", SECONDS, range(30)),
            "Line chart, x from 10:00:05 to 10:00:34 on 1 February 2024, with 1 line. "
            "The range of y is 0 to 29. It rises from 0 to 29.",
            id="half-a-minute",
        ),
        pytest.param(
            draw_by_method(
                "bar", hours("2024-01-01T00", 6), [1, 2, 3, 4, 3, 2], width=1 / 24
            ),
            "Bar chart, x from 00:00 to 05:00 on 1 January 2024, with 6 bars. The "
            "range of y is 1 to 4. The highest is 4 at 03:00 on 1 January 2024.",
            id="hourly-bars",
        ),
        pytest.param(
            several(lambda a: a.plot(range(0, 50, 10)), lambda a: a.invert_xaxis()),
            "Line chart, x from 0 to 4, with 1 line. The range of y is 0 to 40. The "
            "x-axis is reversed. It rises from 0 to 40.",
            id="axis-runs-backwards",
        ),
        pytest.param(
            several(lambda a: a.plot([1, 2]), lambda a: a.invert_yaxis()),
            "Line chart, x from 0 to 1, with 1 line. The range of y is 1 to 2. The "
            "y-axis is reversed. It rises from 1 to 2.",
            id="axis-runs-down",
        ),
        pytest.param(
            draw_by_method("plot", NEAR_END),
            "Line chart, x from 0 to 99, with 1 line. The range of y is 0 to 100. It "
            "rises from 0 to 100 at 94, then falls to 60.",
            id="peak-near-the-end",
        ),
        pytest.param(
            draw_by_method("plot", CRASH),
            "Line chart, x from 0 to 199, with 1 line. The range of y is 0 to 100. It "
            "rises from 0 to 100 at 198, then falls to 1.",
            id="crash-at-the-end",
        ),
        pytest.param(
            draw_by_method("plot", spiked()),
            "Line chart, x from 0 to 99,999, with 1 line. The range of y is 0 to 50. "
            "It rises from 0 to 50 at 50,007, then falls to 0.",
            id="peak-between-samples",
        ),
        pytest.param(
            draw_by_method("plot", [1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4]),
            "Line chart, x from 0 to 3, with 1 line. The range of y is 1,000,000,001 "
            "to 1,000,000,004. It rises from 1,000,000,001 to 1,000,000,004.",
            id="small-steps-on-a-large-offset",
        ),
        pytest.param(
            draw_by_method("bar", ["a", "b", "c"], [1001.4, 1001.6, 1002.2]),
            "Bar chart with 3 bars: a 1001.4, b 1001.6 and c 1002.2.",
            id="close-bars",
        ),
        pytest.param(
            draw_by_method("bar", ["a", "b"], [123_456, 123_789]),
            "Bar chart with 2 bars: a 123,456 and b 123,789.",
            id="two-large-bars",
        ),
        pytest.param(
            draw_by_method("bar", [2020.25, 2020.5, 2020.75], [1, 2, 3], width=0.2),
            "Bar chart, x from 2020.25 to 2020.75, with 3 bars. The range of y is 1 to "
            "3. The highest is 3 at 2020.75.",
            id="bars-at-quarters-of-a-year",
        ),
        pytest.param(
            several(
                lambda a: a.plot([5, 7, 6, 9]),
                lambda a: a.axvspan(1, 2, alpha=0.2, label="recession"),
                lambda a: a.legend(),
            ),
            "Line chart, x from 0 to 3, with 1 line. The range of y is 5 to 9. The "
            "highest is 9 at 3. “recession” marks x from 1 to 2.",
            id="name-of-a-span",
        ),
        pytest.param(
            several(
                lambda a: a.plot([1, 2]),
                lambda a: a.legend(handles=[Line2D([], [], color="C0", label="goal")]),
            ),
            "Line chart, x from 0 to 1, with 1 line. The range of y is 1 to 2. It "
            "rises from 1 to 2.",
            id="name-of-a-proxy",
        ),
        pytest.param(
            several(
                lambda a: a.plot([4, 2, 8, 5]),
                lambda a: a.set_xticks(range(4), ["Q1", "Q2", "Q3", "Q4"]),
            ),
            "Line chart, x from Q1 to Q4, with 1 line. The range of y is 2 to 8. The "
            "highest is 8 at Q3.",
            id="line-over-named-ticks",
        ),
        pytest.param(
            draw_by_method("plot", ["Mon", "Tue", "Wed", "Thu"], [1, 4, 2, 3]),
            "Line chart, x from Mon to Thu, with 1 line. The range of y is 1 to 4. The "
            "highest is 4 at Tue.",
            id="line-over-categories",
        ),
        pytest.param(
            draw_by_method(
                "hist", [np.arange(8) + 0.5, [2.5, 3.5, 3.5, 4.5]], bins=range(9)
            ),
            "Histogram, x from 0 to 8, with 16 bins. The range of y is 0 to 2.",
            id="histogram-of-two-samples",
        ),
        pytest.param(
            draw_by_method("hist", [1, 2, 2, 2, 3], [0.5, 1.5, 2.5, 3.5], label="A"),
            "Histogram, x from 0.5 to 3.5, with 3 bins for A. The range of y is 1 to "
            "3. The highest is 3 from 1.5 to 2.5.",
            id="histogram-with-a-name",
        ),
        pytest.param(
            draw_by_method(
                "hist",
                [1, 2, 2, 2, 3],
                [0.5, 1.5, 2.5, 3.5],
                histtype="step",
                label="A",
            ),
            "Histogram, x from 0.5 to 3.5, with 3 bins for A. The range of y is 1 to "
            "3. The highest is 3 from 1.5 to 2.5.",
            id="outlined-histogram",
        ),
        pytest.param(
            draw_by_method(
                "boxplot", [[1, 2, 3, 4, 20], [2, 4, 6, 8, 10]], showcaps=False
            ),
            "Box plot with 2 boxes and 1 outlier. The range of y is 1 to 20.",
            id="boxes-without-caps",
        ),
        pytest.param(
            draw_by_method("violinplot", [[1, 2, 3, 4, 5], [2, 4, 6, 8, 10]]),
            "Violin plot with 2 violins. The range of y is 1 to 10.",
            id="violins",
        ),
        pytest.param(
            draw_on_axes(two_scales),
            "Weather. Line chart of mm and °C over Month, from 0 to 11, with 2 lines: "
            "rain and temp. The range of mm is 0 to 22; that of °C is 19 to 30. rain "
            "rises from 0 to 22. temp falls from 30 to 19.",
            id="two-scales-in-one-chart",
        ),
        pytest.param(
            several(
                lambda a: a.eventplot([1, 4, 9]),
                lambda a: a.set(title="Calls", xlabel="Minute"),
            ),
            "Calls. Event plot of Minute, from 1 to 9, with 3 events.",
            id="events",
        ),
        pytest.param(
            several(
                lambda a: a.text(0.5, 0.5, "42 %"), lambda a: a.set_title("Uptime")
            ),
            "Uptime. 42 %.",
            id="one-large-number",
        ),
        pytest.param(
            several(lambda a: a.axvline(3), lambda a: a.set_title("Start")),
            "Start. A line marks x at 3.",
            id="vertical-line-alone",
        ),
        pytest.param(
            several(
                lambda a: a.table([["1", "2"], ["3", "4"]], colLabels=["A", "B"]),
                lambda a: a.set_title("Results"),
            ),
            "Results. Table with 3 rows. A, B; 1, 2; 3, 4.",
            id="table",
        ),
        pytest.param(
            several(lambda a: a.set(title="Sales of the week", xlabel="Day")),
            "Sales of the week.",
            id="titled-but-empty",
        ),
        pytest.param(
            several(
                lambda a: a.plot([1, 2, 3], [0.12, 0.3, 0.55]),
                lambda a: a.yaxis.set_major_formatter(ticker.PercentFormatter(1)),
            ),
            "Line chart, x from 1 to 3, with 1 line. The range of y is 12% to 55%. It "
            "rises from 12% to 55%.",
            id="shares-in-percent",
        ),
        pytest.param(
            several(
                lambda a: a.bar(["x", "y"], [1250, -3400.5]),
                lambda a: a.yaxis.set_major_formatter("${x:,.0f}"),
            ),
            "Bar chart with 2 bars: x $1250 and y −$3400.5.",
            id="dollars",
        ),
        pytest.param(
            several(
                lambda a: a.bar(["x", "y"], [1250, 3400]),
                lambda a: a.yaxis.set_major_formatter(ticker.EngFormatter("Hz")),
            ),
            "Bar chart with 2 bars: x 1.25 kHz and y 3.4 kHz.",
            id="hertz",
        ),
        pytest.param(
            several(
                lambda a: a.plot([-100, 0, 1000]),
                lambda a: a.set_yscale("symlog"),
            ),
            "Line chart, x from 0 to 2, with 1 line. The range of y is −100 to 1000 on "
            "a symmetric logarithmic scale. It rises from −100 to 1000.",
            id="symlog",
        ),
        pytest.param(
            lambda: pd.Series(
                range(3), pd.timedelta_range("0h", periods=3, freq="90min")
            ).plot(ax=plt.figure().subplots()),
            "Line chart, x from 00:00:00 to 03:00:00, with 1 line. The range of y is 0 "
            "to 2. It rises from 0 to 2.",
            id="durations",
        ),
        pytest.param(
            lambda: ENERGY.plot.area(ax=plt.figure().subplots()),
            "Stacked area chart, x from 2000 to 2002, with 2 areas: gas and oil. The "
            "totals are 5 to 9. gas rises from 1 to 3. oil rises from 4 to 6.",
            id="pandas-areas",
        ),
        pytest.param(
            seaborn_of("countplot", KINDS, x="kind", hue="kind", legend=True),
            "Bar chart of count by kind with 3 bars: a 2, b 3 and c 5.",
            id="seaborn-counts-in-their-own-colors",
        ),
        pytest.param(
            seaborn_of("catplot", x="day", y="bill", hue="who", kind="box"),
            "Box plot of bill by day, from Thu to Sat, with 6 boxes in 2 groups: guest "
            "and member. The range of bill is 10 to 30.",
            id="seaborn-boxes-in-two-hues",
        ),
        pytest.param(
            seaborn_of("violinplot", x="day", y="bill", hue="who", split=True),
            "Violin plot of bill by day, from Thu to Sat, with 6 violins in 2 groups: "
            "guest and member.",
            id="seaborn-half-violins",
        ),
        pytest.param(
            seaborn_of(
                "catplot", x="day", y="bill", col="who", kind="bar", errorbar=None
            ),
            "2 charts: who = guest and who = member. who = guest: bar chart of bill by "
            "day with 3 bars: Thu 17.5, Fri 21.75 and Sat 20.5. who = member: bar "
            "chart of bill by day with 3 bars: Thu 20, Fri 18.75 and Sat 18.25.",
            id="seaborn-columns",
        ),
        pytest.param(
            plotnine_of(DAYS, "geom_line", x="t", y="v"),
            "Line chart of v over t, from 1 January 2024 to 6 January 2024, with 1 "
            "line. The range of v is 1 to 7. It rises from 1 to 7.",
            id="plotnine-dates",
        ),
        pytest.param(
            plotnine_of(POWERS, "geom_line", scales=("scale_x_log10",), x="p", y="v"),
            "Line chart of v over p, from 1 to 1000 on a logarithmic scale, with 1 "
            "line. The range of v is 1 to 5. It rises from 1 to 5.",
            id="plotnine-logarithm",
        ),
        pytest.param(
            plotnine_of(SIDES, "geom_col", x="side", y="n"),
            "Bar chart of n by side with 2 bars: east 5 and west 3.",
            id="plotnine-columns",
        ),
        pytest.param(
            plotnine_of(TIPS, "geom_point", "facet_wrap day", x="bill", y="tip"),
            "3 charts: Fri, Sat and Thu. Fri: scatter plot of tip against bill, from "
            "13 to 30, with 8 points. The range of tip is 1 to 5. Sat: scatter plot "
            "of tip against bill, from 11 to 28, with 8 points. The range of tip is 1 "
            "to 5. Thu: scatter plot of tip against bill, from 10 to 28, with 8 "
            "points. The range of tip is 1 to 5.",
            id="plotnine-facets",
        ),
        pytest.param(
            plotnine_of(TIPS, "geom_point", x="bill", y="tip", color="who"),
            "Scatter plot of tip against bill, from 10 to 30, with 24 points in 2 "
            "groups: guest and member. The range of tip is 1 to 5.",
            id="plotnine-colors",
        ),
        pytest.param(
            plotnine_of(TILES, "geom_tile", x="a", y="b", fill="v"),
            "Heat map of v over a and b with 4 values. The range of v is 1 to 4.",
            id="plotnine-tiles",
        ),
        pytest.param(
            plotnine_of(TIPS, "geom_boxplot", "coord_flip", x="day", y="bill"),
            "Box plot of bill by day with 3 boxes: Fri with a median of 19, Sat with a "
            "median of 20 and Thu with a median of 19.",
            id="plotnine-boxes-on-their-side",
        ),
        pytest.param(
            draw_by_method("bar", ["Spring", "Summer", "Autumn"], [12, 30, 18]),
            "Bar chart with 3 bars: Spring 12, Summer 30 and Autumn 18.",
            id="few-bars",
        ),
        pytest.param(
            draw_by_method("plot", [0, 5, 10, 15, 20, 15, 10, 6]),
            "Line chart, x from 0 to 7, with 1 line. The range of y is 0 to 20. It "
            "rises from 0 to 20 at 4, then falls to 6.",
            id="turn",
        ),
    ],
)
def test_describes_a_figure(build: Build, expected: str) -> None:
    """The words are true and omit uncertain facts."""
    assert words(build) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            draw_by_method(
                "bar", hours("2024-01-01T00", 6), [1, 2, 3, 4, 3, 2], width=1 / 24
            ),
            {"x": [f"2024-01-01T{hour:02}:00:00" for hour in range(6)]},
            id="hourly-bars",
        ),
        pytest.param(
            several(
                lambda a: a.barh(
                    ["Plan", "Build"],
                    [9, 20],
                    left=[19723, 19732],  # 1 and 10 January 2024, in days.
                ),
                lambda a: a.xaxis_date(),
            ),
            {
                "x from": ["2024-01-01", "2024-01-10"],
                "x to": ["2024-01-10", "2024-01-30"],
                "y": ["Plan", "Build"],
            },
            id="tasks",
        ),
        pytest.param(
            lambda: pd.Series(
                range(5),
                pd.date_range("2024-10-27", periods=5, freq="h", tz="Europe/Berlin"),
            ).plot(ax=plt.figure().subplots()),
            {
                "x": [
                    (datetime(2024, 10, 26, 22, tzinfo=UTC) + timedelta(hours=hour))
                    .isoformat()
                    .replace("+00:00", "Z")
                    for hour in range(5)
                ]
            },
            id="pandas-hours-when-clocks-go-back",
        ),
        pytest.param(
            draw_by_method(
                "plot", [datetime(2024, 5, d, tzinfo=UTC) for d in (1, 2)], [1, 2]
            ),
            {"x": ["2024-05-01T00:00:00Z", "2024-05-02T00:00:00Z"]},
            id="midnights-with-a-zone",
        ),
        pytest.param(
            several(
                lambda a: a.bar([0, 1, 2], [3, 5, 4]),
                lambda a: a.add_patch(Rectangle((0, 0), 1, 1, label="zone")),
            ),
            {"x": ["0", "1", "2"], "y": ["3", "5", "4"]},
            id="name-of-a-rectangle",
        ),
        pytest.param(
            several(
                lambda a: a.bar(["a", "b", "c"], [3, 5, 4], color=["C0", "C1", "C0"]),
                lambda a: a.legend(
                    handles=[
                        Patch(color="C0", label="ok"),
                        Patch(color="C1", label="bad"),
                    ]
                ),
            ),
            {"x": ["a", "b", "c"], "y": ["3", "5", "4"]},
            id="colors-with-a-meaning",
        ),
        pytest.param(
            draw_by_method("bar", ["red", "blue"], [4, 5], label=["r", "b"]),
            {"x": ["red", "blue"], "y": ["4", "5"]},
            id="bars-with-a-label-each",
        ),
        pytest.param(
            several(
                lambda a: a.plot([4, 2]), lambda a: a.set_xticks(range(2), ["Q1", "Q2"])
            ),
            {"x": ["Q1", "Q2"], "y": ["4", "2"]},
            id="line-over-named-ticks",
        ),
        pytest.param(
            draw_by_method(
                "hist", [np.arange(8) + 0.5, [2.5, 3.5, 3.5, 4.5]], bins=range(9)
            ),
            {
                "x": [f"{i}.5" for i in range(8)],
                "x from": [str(i) for i in range(8)],
                "x to": [str(i + 1) for i in range(8)],
                "y": ["1.0"] * 8,
                "y (2)": ["0.0", "0.0", "1.0", "2.0", "1.0", "0.0", "0.0", "0.0"],
            },
            id="histogram-of-two-samples",
        ),
        pytest.param(
            draw_by_method("hist", [1, 2, 2, 3, 3, 3], bins=[0.5, 1.5, 2.5, 3.5]),
            {"x from": ["0.5", "1.5", "2.5"], "y": ["1.0", "2.0", "3.0"]},
            id="histogram-of-whole-numbers",
        ),
        pytest.param(
            draw_by_method("errorbar", [1, 2, 3], [4, 5, 6], yerr=0.5, fmt="none"),
            {
                "y": ["4.0", "5.0", "6.0"],
                "y low": ["3.5", "4.5", "5.5"],
                "y high": ["4.5", "5.5", "6.5"],
            },
            id="error-bars-alone",
        ),
        pytest.param(
            lambda: ENERGY.plot.area(ax=plt.figure().subplots()),
            {
                "x": ["2000", "2001", "2002"],
                "gas": ["1", "2", "3"],
                "oil": ["4", "5", "6"],
            },
            id="pandas-areas",
        ),
        pytest.param(
            draw_by_method(
                "bar", [tenth / 10 for tenth in range(50)], range(1, 51), width=0.07
            ),
            {
                "x": [str(tenth / 10) for tenth in range(50)],
                "y": [str(i) for i in range(1, 51)],
            },
            id="places-of-bars-are-exact",
        ),
        pytest.param(
            draw_by_method("fill_between", [0, 1, 2, 3, 4], [1, 2, np.nan, 4, 5]),
            {"y high": ["1.0", "2.0", "", "4.0", "5.0"]},
            id="gap-in-an-area",
        ),
        pytest.param(
            several(
                lambda a: a.text(0.5, 0.5, "Closed"), lambda a: a.set_xlabel("Day")
            ),
            {"Day": [], "y": []},
            id="nothing-but-a-header",
        ),
        pytest.param(
            draw_by_method("plot", [2010, 2011], [0.1, 0.1 + 0.2]),
            {"x": ["2010", "2011"], "y": ["0.1", "0.30000000000000004"]},
            id="integers-and-bits",
        ),
        pytest.param(
            plotnine_of(DAYS, "geom_line", x="t", y="v"),
            {"t": [f"2024-01-{day:02}" for day in range(1, 7)]},
            id="plotnine-dates",
        ),
        pytest.param(
            plotnine_of(POWERS, "geom_point", scales=("scale_x_log10",), x="p", y="v"),
            {"p": ["1", "10", "100", "1000"], "v": ["1", "2", "3", "5"]},
            id="plotnine-logarithm",
        ),
        pytest.param(
            plotnine_of(TILES, "geom_tile", x="a", y="b", fill="v"),
            {"a": list("ppqq"), "b": list("uvuv"), "v": ["1", "2", "3", "4"]},
            id="plotnine-tiles",
        ),
        pytest.param(
            seaborn_of("barplot", x="day", y="bill", hue="who", errorbar=None),
            {"day": ["Thu", "Fri", "Sat"], "guest": ["17.5", "21.75", "20.5"]},
            id="seaborn-hues",
        ),
    ],
)
def test_exports_a_figure(build: Build, expected: dict[str, list[str]]) -> None:
    """The data are complete, in their units and types."""
    table = columns(build)
    assert {name: table.get(name) for name in expected} == expected
    headings = " ".join(table)
    assert not re.search("zone|ok|bad|recession", headings)


def test_describes_a_composition() -> None:
    """A composition of plotnine has the values of each plot."""
    left: Any = plotnine_of(DAYS, "geom_line", x="t", y="v")
    right: Any = plotnine_of(SIDES, "geom_col", x="side", y="n")

    def draw() -> Any:
        return left() | right()

    assert words(draw) == (
        "2 charts. First, line chart of v over t, from 1 January 2024 to 6 January "
        "2024, with 1 line. The range of v is 1 to 7. It rises from 1 to 7. Second, "
        "bar chart of n by side with 2 bars: east 5 and west 3."
    )


def test_keeps_the_title_if_an_artist_fails(caplog: Any) -> None:
    """The log has the reason for the missing words."""

    def draw(axes: Any) -> None:
        axes.set_title("Sales")
        (line,) = axes.plot([1, 2])
        line.get_drawstyle = lambda: 1 / 0

    figure = draw_on_axes(draw)()
    with gate():
        assert Meaning("The shop.").describe(figure) == "Sales."
    assert "Cannot describe 'The shop.'." in caplog.text


@pytest.mark.slow  # Fast runs have no cartopy.
def test_counts_points_on_a_map() -> None:
    """Places are degrees, although the limits of the axes are in meters."""
    from cartopy import crs

    def draw() -> object:
        axes = plt.figure().add_subplot(projection=crs.Robinson())
        axes.scatter([0, 50], [10, 60], transform=crs.PlateCarree())
        return axes

    assert words(draw) == "Scatter plot with 2 points."
    assert columns(draw) == {"x": ["0.0", "50.0"], "y": ["10.0", "60.0"]}


def test_a_polygon_is_no_histogram() -> None:
    """A polygon like the outline of one bin is a shape."""
    assert words(draw_by_method("fill", [0, 1, 1], [0, 0, 1])) == "Chart."
    assert words(draw_by_method("fill", [0, 0, 1, 1], [0, 2, 2, 0])) == "Chart."


@pytest.mark.slow  # Fast runs have no cartopy.
def test_a_map_has_one_mesh() -> None:
    """Cells that wrap around the globe count once, without places in meters."""
    from cartopy import crs

    def draw() -> object:
        axes = plt.figure().add_subplot(
            projection=crs.PlateCarree(central_longitude=180)
        )
        lon, lat = np.linspace(-180, 180, 5), np.linspace(-60, 60, 4)
        plain = crs.PlateCarree()
        axes.pcolormesh(lon, lat, np.arange(12).reshape(3, 4), transform=plain)
        return axes

    assert words(draw) == "Heat map with 12 values. The range of the values is 0 to 11."
    assert len(columns(draw)["value"]) == 12
