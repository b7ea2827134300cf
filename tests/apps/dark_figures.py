"""Figures with colors for white paper, chosen by Matplotlib or by libraries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

NUMBERS = np.arange(1.0, 7.0)

FIGURES: dict[str, Callable[[], Any]] = {}


def register(build: Callable[[], Any]) -> Callable[[], Any]:
    """Add *build* to the figures under its name."""
    FIGURES[build.__name__] = build
    return build


def new_axes(**options: Any) -> tuple[Figure, Any]:
    """Return a figure of 4 x 3 inches and its axes."""
    figure = Figure(figsize=(4, 3))
    return figure, figure.subplots(**options)


@register
def points_by_value() -> Figure:
    figure, axes = new_axes()
    figure.colorbar(axes.scatter(NUMBERS, NUMBERS, c=NUMBERS, s=80))
    return figure


@register
def points_by_viridis() -> Figure:
    figure, axes = new_axes()
    points = axes.scatter(NUMBERS, NUMBERS, c=NUMBERS, s=80, cmap="viridis")
    figure.colorbar(points, label="value")
    return figure


@register
def black_points() -> Figure:
    figure, axes = new_axes()
    axes.scatter(NUMBERS, NUMBERS, color="black")
    axes.scatter(NUMBERS, NUMBERS[::-1], facecolors="none", edgecolors="navy")
    axes.plot(NUMBERS, NUMBERS + 1, "k^")
    return figure


@register
def black_lines() -> Figure:
    figure, axes = new_axes()
    axes.plot(NUMBERS, NUMBERS**2, "k-o", label="black")
    axes.plot(NUMBERS, NUMBERS, color="navy", label="navy")
    axes.plot(NUMBERS, NUMBERS + 4, color="0.3", alpha=0.8, label="gray")
    axes.axhline(9, color="k", linestyle="--")
    axes.axvline(3, color="darkgreen")
    axes.axvspan(4, 5, color="0.9")
    axes.grid(color="0.9")
    axes.legend()
    axes.set_title("Named colors", color="black")
    axes.set_xlabel("Time", color="darkblue")
    axes.tick_params(colors="black")
    axes.spines["left"].set_color("black")
    return figure


@register
def error_bars() -> Figure:
    figure, axes = new_axes()
    axes.bar(NUMBERS, NUMBERS, yerr=0.8, capsize=3, color="midnightblue")
    axes.errorbar(NUMBERS, NUMBERS + 4, 0.5, fmt="none", ecolor="black")
    return figure


@register
def arrows() -> Figure:
    figure, axes = new_axes()
    axes.quiver(NUMBERS, NUMBERS, NUMBERS, -NUMBERS)
    axes.barbs(NUMBERS + 1, NUMBERS, 20 * NUMBERS, 10 * NUMBERS, length=6)
    return figure


@register
def table() -> Figure:
    figure, axes = new_axes()
    axes.axis("off")
    axes.table(
        cellText=[["1", "2"], ["3", "4"]],
        colLabels=["left", "right"],
        colColours=["lightsteelblue", "midnightblue"],
        loc="center",
    )
    return figure


@register
def shares() -> Figure:
    figure, axes = new_axes()
    axes.pie([4, 3, 2, 1], labels=list("abcd"), autopct="%d%%")
    return figure


@register
def bar_labels() -> Figure:
    figure, axes = new_axes()
    bars = axes.bar(list("abc"), [3, 5, 2], color=["gold", "navy", "0.5"])
    axes.bar_label(bars, label_type="center")
    axes.bar_label(bars)
    return figure


@register
def boxed_text() -> Figure:
    figure, axes = new_axes()
    axes.plot(NUMBERS)
    axes.text(1, 5, "white box", bbox={"facecolor": "white"})
    axes.text(3, 1, "default box", bbox={"boxstyle": "round"})
    axes.annotate(
        "arrow", (2, 3), (0.5, 3), arrowprops={"arrowstyle": "->"}, color="black"
    )
    axes.annotate("black arrow", (4, 5), (3, 3), arrowprops={"color": "black"})
    figure.text(0.5, 0.95, "figure text", color="0.2")
    return figure


@register
def text_on_cells() -> Figure:
    figure, axes = new_axes()
    values = np.arange(9.0).reshape(3, 3)
    axes.imshow(values)
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:g}", ha="center", va="center", color="w")
    return figure


@register
def text_on_a_mesh() -> Figure:
    figure, axes = new_axes()
    values = np.arange(9.0).reshape(3, 3)
    axes.pcolormesh(values, cmap="viridis")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column + 0.5, row + 0.5, f"{value:g}", ha="center", va="center")
    return figure


@register
def white_axes() -> Figure:
    figure, axes = new_axes()
    axes.set_facecolor("white")
    axes.plot(NUMBERS, "C3")
    axes.text(1, 1, "inside")
    axes.legend(["line"], facecolor="white")
    return figure


@register
def contour_lines() -> Figure:
    figure, axes = new_axes()
    values = np.add.outer(NUMBERS**2, NUMBERS)
    axes.contour(values, cmap="cividis")
    axes.clabel(axes.contour(values.T, colors="k"))
    return figure


@register
def filled_areas() -> Figure:
    figure, axes = new_axes()
    axes.fill_between(NUMBERS, NUMBERS, color="black", alpha=0.2)
    axes.fill_between(NUMBERS, NUMBERS, NUMBERS + 2, color="darkred")
    axes.stackplot(NUMBERS, NUMBERS + 4, colors=["black"])
    return figure


@register
def boxes() -> Figure:
    figure, axes = new_axes()
    axes.boxplot([NUMBERS, NUMBERS * 2], patch_artist=True)
    axes.violinplot([NUMBERS * 3], [3])
    return figure


@register
def dates_and_events() -> Figure:
    figure, axes = new_axes()
    days = [date(2026, 1, 1) + timedelta(days=7 * n) for n in range(6)]
    axes.eventplot([NUMBERS], colors="black")
    axes.vlines(NUMBERS, 2, 3, colors="k")
    axes.twinx().stem(NUMBERS, NUMBERS, linefmt="k-", markerfmt="ko", basefmt="k-")
    axes.secondary_xaxis("top").set_xlabel(f"from {days[0]}", color="k")
    return figure


@register
def inset() -> Figure:
    figure, axes = new_axes()
    axes.plot(NUMBERS)
    small = axes.inset_axes([0.6, 0.1, 0.35, 0.35], facecolor="white")
    small.plot(NUMBERS, "k")
    small.set_title("inset", color="k")
    return figure


@register
def polar() -> Figure:
    figure, axes = new_axes(subplot_kw={"projection": "polar"})
    axes.plot(NUMBERS, NUMBERS, "k")
    axes.set_title("polar", color="k")
    return figure


@register
def solid() -> Figure:
    figure, axes = new_axes(subplot_kw={"projection": "3d"})
    axes.plot(NUMBERS, NUMBERS, NUMBERS, "k")
    axes.scatter(NUMBERS, NUMBERS, -NUMBERS, color="k")
    axes.set_zlabel("height", color="k")
    return figure


@register
def subfigures() -> Figure:
    figure = Figure(figsize=(4, 3))
    left = figure.add_subfigure(figure.add_gridspec(1, 2)[0])
    right = figure.add_subfigure(figure.add_gridspec(1, 2)[1])
    left.set_facecolor("lightyellow")
    left.subplots().plot(NUMBERS, "k")
    right.subplots().plot(NUMBERS, "C1")
    left.suptitle("left", color="k")
    right.suptitle("right", color="k")
    return figure


@register
def a_style_in_the_function() -> Figure:
    import matplotlib.pyplot as plt

    with plt.style.context("seaborn-v0_8"):
        figure, axes = plt.subplots(figsize=(4, 3))
        axes.plot(NUMBERS, label="line")
        axes.set(title="Light inside", xlabel="x")
        axes.legend()
    return figure


@register
def stream() -> Figure:
    figure, axes = new_axes()
    grid = np.linspace(-1, 1, 8)
    u, v = np.meshgrid(grid, grid)
    axes.streamplot(grid, grid, u, v, color="black")
    return figure


def tips() -> Any:
    """Return 24 rows of made-up bills and tips."""
    import pandas as pd

    return pd.DataFrame(
        {
            "bill": [10 + n % 7 for n in range(24)],
            "tip": [1 + n % 5 for n in range(24)],
            "day": [("Thu", "Fri", "Sat")[n % 3] for n in range(24)],
            "sex": [("f", "m")[n % 2] for n in range(24)],
        }
    )


@register
def seaborn_bars() -> Any:
    import seaborn as sns

    _, axes = new_axes()
    return sns.barplot(tips(), x="day", y="bill", hue="sex", errorbar="sd", ax=axes)


@register
def seaborn_boxes() -> Any:
    import seaborn as sns

    _, axes = new_axes()
    return sns.boxplot(tips(), x="day", y="bill", hue="sex", ax=axes)


@register
def seaborn_heatmap() -> Any:
    import seaborn as sns

    _, axes = new_axes()
    return sns.heatmap(np.arange(12).reshape(3, 4), annot=True, ax=axes)


@register
def seaborn_grid() -> Any:
    import seaborn as sns

    with mpl.rc_context():
        sns.set_theme()
        return sns.relplot(tips(), x="bill", y="tip", col="day", hue="sex", height=2)


@register
def pandas_lines() -> Any:
    _, axes = new_axes()
    return tips()[["bill", "tip"]].plot(ax=axes, color=["black", "C1"], table=True)


@register
def plotnine_facets() -> Any:
    import plotnine as p9

    mapping: Any = p9.aes  # It has no types.
    return (
        p9.ggplot(tips(), mapping("bill", "tip", color="sex"))
        + p9.geom_point()
        + p9.geom_smooth(mapping("bill", "tip"), method="lm", se=False, color="black")
        + p9.facet_wrap("day")
        + p9.labs(title="Tips and bills of a week", x="Bill in dollars")
    )


@register
def plotnine_bars() -> Any:
    import plotnine as p9

    mapping: Any = p9.aes
    theme: Any = p9.theme_bw
    plot = p9.ggplot(tips(), mapping("day")) + p9.geom_bar() + theme()
    return plot + p9.labs(title="Days")


@register
def plotnine_text() -> Any:
    import plotnine as p9

    mapping: Any = p9.aes
    theme: Any = p9.theme_minimal
    frame = tips().drop_duplicates(["day", "sex"])
    return (
        p9.ggplot(frame, mapping("day", "sex", fill="bill"))
        + p9.geom_tile()
        + p9.geom_text(mapping(label="bill"), color="white")
        + theme()
    )
