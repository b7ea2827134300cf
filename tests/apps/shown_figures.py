"""Figures of every kind, for the tests of their descriptions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from example_app import data, figures

FRAME = pd.DataFrame(
    {"a": [1.0, 2.0, 3.0, 4.0, 5.0], "b": [1, 2, 1, 2, 3], "c": list("uvuvu")}
)


def draw_by_method(method: str, *args: Any, **options: Any) -> Callable[[], Figure]:
    """Return a function that makes a figure with one axes and calls *method* on it."""

    def build() -> Figure:
        figure = Figure()
        getattr(figure.subplots(), method)(*args, **options)
        return figure

    return build


def draw_on_axes(draw: Callable[[Any], object], **options: Any) -> Callable[[], Figure]:
    """Return a function that makes a figure with one axes and passes it to *draw*."""

    def build() -> Figure:
        figure = Figure()
        draw(figure.add_subplot(**options))
        return figure

    return build


def draw_by_pyplot(draw: Callable[[], Any]) -> Callable[[], Figure]:
    """Return a function that makes *draw*'s pyplot figure and closes it in pyplot."""

    def build() -> Figure:
        drawn = draw()
        figure: Figure = drawn.figure
        plt.close(figure)
        return figure

    return build


def draw_periods(frequency: str) -> Callable[[], Figure]:
    """Return a function that makes a pandas figure of three periods."""
    dates = pd.date_range("2024-01-01", periods=3, freq=frequency)
    return draw_by_pyplot(lambda: pd.Series(range(3), dates).plot())


def seaborn(name: str, **options: Any) -> Callable[[], Figure]:
    """Return a function that makes a seaborn figure."""

    def draw() -> Any:
        import seaborn as sns

        return getattr(sns, name)(FRAME, **options)

    return draw_by_pyplot(draw)


def ggplot(geom: str, x: str, y: str) -> Callable[[], Figure]:
    """Return a function that makes a plotnine figure."""

    def build() -> Figure:
        import plotnine as p9

        x_and_y = p9.aes(x, y)
        plot = p9.ggplot(FRAME, x_and_y) + getattr(p9, geom)()
        figure: Figure = (plot + p9.labs(title="By plotnine")).draw()
        return figure

    return build


def three_dimensions(axes: Any) -> None:
    """Draw a line, points, a surface and a bar in 3D."""
    axes.plot([1, 2], [3, 4], [5, 6])
    axes.scatter([1, 2], [3, 4], [5, 6], c=[1, 2])
    axes.plot_surface(*np.meshgrid([0, 1], [0, 1]), np.eye(2))
    axes.bar3d(1, 1, 1, 1, 1, 1)


def wireframe(axes: Any) -> None:
    """Draw a wireframe in 3D."""
    axes.plot_wireframe(*np.meshgrid([0, 1], [0, 1]), np.eye(2))


def guides(axes: Any) -> None:
    """Draw a line among reference lines and bands."""
    axes.plot([0, 1, 2], [1, 2, 3])
    axes.axhline(5)
    axes.axvline(1)
    axes.axline((0, 0), slope=1)
    axes.axhspan(1, 2)
    axes.axvspan(1, 2)
    axes.fill_between([0, 1], 0, 1, transform=axes.get_xaxis_transform())


def odd_lines(axes: Any) -> None:
    """Draw lines with few, missing, infinite, unsigned or invisible points."""
    axes.plot([], [])
    axes.plot([1], [1])
    axes.plot([np.nan, np.nan], [np.nan, np.nan])
    axes.plot([1, 2, 3], [np.inf, 1, -np.inf])
    axes.plot(np.array([3, 2, 1], "uint8"), np.array([1, 2, 3], "uint8"))
    axes.plot([1, 2], [1, 2], visible=False)


def colourful() -> Figure:
    figure = Figure()
    axes = figure.subplots(2, 3).ravel()
    mesh = axes[0].pcolormesh([0, 1, 2, 3], [0, 1, 2], np.arange(6).reshape(2, 3))
    figure.colorbar(mesh, label="T (K)")
    axes[1].imshow(np.ma.masked_equal(np.eye(2), 0), extent=(0, 4, 10, 20))
    axes[2].imshow(np.zeros((2, 2, 3)))
    axes[3].pcolormesh(np.arange(9).reshape(3, 3), shading="gouraud")
    axes[4].contourf(np.arange(9).reshape(3, 3))
    axes[5].pcolormesh([[0, 1], [0.5, 1.5]], [[0, 0], [1, 2]], [[7]])
    return figure


def subfigures() -> Figure:
    figure = Figure()
    parts: Any = figure.subfigures(1, 2)
    parts[0].subplots().plot([1, 2])
    parts[0].suptitle("Left")
    parts[1].supxlabel("Time")
    parts[1].subplots().plot([2, 1])
    return figure


def twins(axes: Any) -> None:
    """Draw lines on axes, their twin and an inset."""
    axes.plot([1, 2], label="rain")
    axes.twinx().plot([20, 10], label="sun")
    axes.inset_axes([0.5, 0.5, 0.2, 0.2]).plot([1, 2])


def huge_text(axes: Any) -> None:
    """Draw a line with texts of thousands of characters."""
    axes.plot([1, 2], label="l" * 5000)
    axes.set(title="t" * 5000, xlabel="x " * 5000, ylabel=r"$\frac{1}{2}$" * 500)


START = datetime(2020, 1, 1, 12)
FIGURES: dict[str, Callable[[], Figure]] = {
    "nothing": Figure,
    "empty-axes": draw_on_axes(lambda axes: None),
    "odd-lines": draw_on_axes(odd_lines),
    "guides": draw_on_axes(guides),
    "dates": draw_by_method("plot", [START, START + timedelta(1)], [1, 2]),
    "far-dates": draw_on_axes(
        lambda a: (a.xaxis_date(), a.plot([-5e5, 2.7e6], [1, 2]))
    ),
    "categories": draw_by_method("plot", ["a", "b", "a"], [1, 2, 3]),
    "category-bars": draw_by_method("barh", ["a", "b"], [1, 2], left=1),
    "error-bars": draw_by_method("errorbar", [1, 2], [3, 4], xerr=1, yerr=2, capsize=3),
    "bare-error-bars": draw_by_method("errorbar", [1, 2], [3, 4], yerr=2, fmt="none"),
    "bars-with-errors": draw_by_method("bar", [1, 3], [5, 6], yerr=0.5, capsize=2),
    "hist": draw_by_method("hist", [1, 2, 2, 3], bins=3),
    "hist-across": draw_by_method(
        "hist", [1, 2, 2, 3], bins=3, orientation="horizontal"
    ),
    "hist-step": draw_by_method("hist", [1, 2, 2, 3], histtype="step"),
    "hist-2d": draw_by_method("hist2d", [1, 2, 2, 3], [1, 2, 2, 3]),
    "stairs": draw_by_method("stairs", [1, 2, 1], [0, 1, 3, 4]),
    "boxes": draw_by_method("boxplot", [[1, 2, 3, 9], [2, 3, 4, 5]]),
    "boxes-across": draw_by_method("boxplot", [[1, 2, 3, 9]], orientation="horizontal"),
    "violins": draw_by_method("violinplot", [[1, 2, 3, 9], [2, 3, 4, 5]]),
    "pie": draw_by_method("pie", [1, 3], labels=["one", "three"]),
    "stem": draw_by_method("stem", [1, 2, 3]),
    "hexbin": draw_by_method("hexbin", [1, 2, 3], [1, 2, 3]),
    "quiver": draw_by_method("quiver", [1, 2], [1, 2], [1, 1], [1, 1]),
    "barbs": draw_by_method("barbs", [1, 2], [1, 2], [9, 9], [9, 9]),
    "stream": draw_by_method(
        "streamplot", *np.meshgrid([0, 1, 2], [0, 1, 2]), *np.ones((2, 3, 3))
    ),
    "triangles": draw_by_method("tripcolor", [0, 1, 0], [0, 0, 1], [1, 2, 3]),
    "events": draw_by_method("eventplot", [1, 2, 3]),
    "stack": draw_by_method("stackplot", [1, 2, 3], [1, 2, 3], [3, 2, 1]),
    "across": draw_by_method("fill_betweenx", [1, 2, 3], [1, 2, 3]),
    "spy": draw_by_method("spy", np.eye(3)),
    "masked": draw_by_method("scatter", np.ma.masked_equal([1, 2, 3], 2), [1, 2, 3]),
    "bool-image": draw_by_method("imshow", np.eye(3, dtype=bool)),
    "log": draw_by_method("loglog", [1, 10, 100], [1, 10, 100]),
    "polar": draw_on_axes(lambda a: a.plot([0, 1, 2], [1, 2, 1]), projection="polar"),
    "3d": draw_on_axes(three_dimensions, projection="3d"),
    "wireframe": draw_on_axes(wireframe, projection="3d"),
    "inverted": draw_on_axes(lambda axes: (axes.plot([1, 2]), axes.invert_xaxis())),
    "twins": draw_on_axes(twins),
    "huge-text": draw_on_axes(huge_text),
    "colourful": colourful,
    "subfigures": subfigures,
    "pandas-hours": draw_periods("h"),
    "pandas-days": draw_periods("D"),
    "pandas-weeks": draw_periods("W"),
    "pandas-periods": draw_periods("ME"),
    "pandas-quarters": draw_periods("QE"),
    "pandas-years": draw_periods("YE"),
    "pandas-dates": draw_by_pyplot(
        lambda: pd.Series(
            range(3), pd.DatetimeIndex(["2020-01-01", "2020-01-03", "2020-03-01"])
        ).plot()
    ),
    "pandas-bars": draw_by_pyplot(lambda: FRAME.plot.bar(x="c")),
    "pandas-box": draw_by_pyplot(lambda: FRAME[["a", "b"]].plot.box()),
    "pandas-area": draw_by_pyplot(lambda: FRAME[["a", "b"]].plot.area()),
    "pandas-pie": draw_by_pyplot(lambda: FRAME["a"].plot.pie()),
    "seaborn-grid": seaborn("relplot", x="a", y="b", col="c"),
    "seaborn-line": seaborn("lineplot", x="b", y="a", hue="c"),
    "seaborn-bar": seaborn("barplot", x="c", y="a"),
    "seaborn-box": seaborn("boxplot", x="c", y="a"),
    "seaborn-hues": seaborn("barplot", x="b", y="a", hue="c"),
    "seaborn-strip": seaborn("stripplot", x="c", y="a"),
    "seaborn-pairs": seaborn("pairplot"),
    "ggplot-line": ggplot("geom_line", "a", "b"),
    "ggplot-bars": ggplot("geom_col", "c", "a"),
    "example-scatter": figures.scatter,
    "example-prices": figures.prices,
    "example-no-prices": lambda: figures.prices(tickers=frozenset()),
    "example-relief": lambda: figures.relief(data.read_terrain()),
    "example-identity": figures.identity,
}
