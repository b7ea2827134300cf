"""The figures: plain functions; their parameters are the arguments of their URLs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter
from pydantic import Field

from flask_mplstream import DARK_STYLE, FigureBlueprint

from . import data, traffic
from .data import Ticker

#: Small figures with many dots per inch: their text is readable on a phone.
STYLE = {
    "figure.figsize": (5, 3.3),
    "figure.dpi": 128,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "0.9",
    "date.converter": "concise",
    "legend.frameon": False,
}

#: On a dark page: the package's style, with the background of the page's cards.
DARK = {"figure.facecolor": "#1c212a", "axes.facecolor": "#1c212a"}

plots = FigureBlueprint(
    "plots",
    __name__,
    url_prefix="/plots",
    formats=["png", "avif", "webp", "svg", "pdf", "csv", "json"],
    style=["petroff10", STYLE],
    dark_style=[DARK_STYLE, DARK],
    max_age=3600,
    gallery=True,
)


@plots.figure_route("/scatter", savefig={"facecolor": (0.95, 0.95, 0.95)})
def scatter(seed: Annotated[int, Field(ge=0, le=999_999)] = 0) -> Figure:
    """Fifty translucent circles of random places, sizes and colors."""
    random = np.random.default_rng(seed).random
    n = 50
    x, y, colors = random(n), random(n), random(n)
    area = np.pi * (15 * random(n)) ** 2  # radii of 0 to 15 points
    fig = Figure(layout="constrained")
    ax = fig.subplots()
    ax.scatter(x, y, s=area, c=colors, alpha=0.5)
    ax.margins(0.07, 0.12)  # keep every circle whole
    ax.set(title=f"{n} random circles, seed {seed}", xlabel="x", ylabel="y")
    return fig


@plots.figure_route("/prices")
def prices(
    tickers: frozenset[Ticker] = frozenset({"AAPL", "IBM", "MSFT"}),
    start: date | None = None,
    end: date | None = None,
    log: bool = False,
) -> Figure:
    """Monthly share prices, one line for each company."""
    fig = Figure(layout="constrained")
    ax = fig.subplots()
    for number, ticker in enumerate(data.TICKERS):
        series = data.read_stocks()[ticker]
        shown = series.dates >= np.datetime64(start or date.min)
        shown &= series.dates <= np.datetime64(end or date.max)
        if ticker in tickers and shown.any():
            # A company's color does not depend on the selection.
            ax.plot(
                series.dates[shown],
                series.dollars[shown],
                color=f"C{number}",
                marker="o" if shown.sum() == 1 else "",
                label=data.COMPANIES[ticker],
            )
    if not ax.lines:
        ax.set_axis_off()
        reason = _explain_empty(tickers, start, end)
        fig.text(0.5, 0.5, reason, ha="center", va="center", linespacing=1.6)
        return fig
    ax.set(
        title="Share prices, adjusted for splits and dividends",
        xlabel="Date",
        ylabel="US dollars",
    )
    if log:
        ax.set_yscale("log")
        ax.yaxis.set_minor_formatter(LogFormatter())
    ax.yaxis.set_major_formatter("{x:,g}")
    fig.legend(loc="outside lower center", ncols=4)
    return fig


def _explain_empty(
    tickers: frozenset[Ticker], start: date | None, end: date | None
) -> str:
    if not tickers:
        return "Choose a company to see its prices."
    if start and end and start > end:
        return f"No prices: the start, {start},\nis after the end, {end}."
    return "No prices in this range.\nThe data go from January 1990 to June 2022."


@plots.figure_route(
    "/relief",
    load=data.read_terrain,
    alt="A shaded relief map, about 30 by 32 kilometers: ridges in the south-west, a "
    "straight fault line and lowland in the north-east.",
)
def relief(
    terrain: data.Terrain,
    ve: Annotated[float, Field(ge=0.1, le=20)] = 5,
    azimuth: Annotated[int, Field(ge=0, le=360)] = 315,
) -> Figure:
    """A shaded relief of the hills around the Jacksboro fault in Tennessee."""
    rows, columns = terrain.elevation_m.shape
    # The land has no sea, so leave out the colormap's blues.
    colors = ListedColormap(colormaps["gist_earth"](np.linspace(0.28, 1, 256)))
    shaded = LightSource(azimuth, altdeg=45).shade(
        terrain.elevation_m,
        colors,
        blend_mode="soft",
        vert_exag=ve,
        dx=terrain.dx_m,
        dy=terrain.dy_m,
    )
    fig = Figure(figsize=(5, 4.4), layout="constrained")
    ax = fig.subplots()
    width_km, height_km = columns * terrain.dx_m / 1000, rows * terrain.dy_m / 1000
    ax.imshow(shaded, extent=(0, width_km, 0, height_km))
    ax.grid(False)
    ax.set(
        title=f"Light from {azimuth}°, heights times {ve:g}",
        xlabel="Distance east (km)",
        ylabel="Distance north (km)",
    )
    heights = Normalize(terrain.elevation_m.min(), terrain.elevation_m.max())
    fig.colorbar(ScalarMappable(heights, colors), ax=ax, label="Elevation (m)")
    return fig


@plots.figure_route("/identity")
def identity(n: Annotated[int, Field(ge=1, le=50)] = 5) -> Figure:
    """A square wave and the sum of its first sine waves."""
    x = np.linspace(-np.pi, np.pi, 2001)
    odd = 2 * np.arange(1, n + 1) - 1
    fig = Figure(layout="constrained")
    ax = fig.subplots()
    ax.plot(x, np.sign(x), color="0.6", lw=1, label="square wave")
    sines = np.sin(np.outer(x, odd)) / odd
    ax.plot(x, 4 / np.pi * sines.sum(axis=1), label=f"$s_{{{n}}}(x)$")
    formula = (
        rf"$s_{{{n}}}(x) = \dfrac{{4}}{{\pi}} \;\sum_{{k=1}}^{{{n}}}\; "
        r"\dfrac{\sin\,(2k-1)\,x}{2k-1}$"
    )
    ax.set_title(formula, fontsize=13, pad=10)
    turns = {-1.0: r"$-\pi$", -0.5: r"$-\pi/2$", 0: "0", 0.5: r"$\pi/2$", 1: r"$\pi$"}
    ax.set_xticks([turn * np.pi for turn in turns], list(turns.values()))
    ax.set(xlabel="x (radians)", ylabel="Amplitude", ylim=(-1.5, 1.5))
    ax.legend(loc="upper left")
    return fig


@plots.figure_route("/answers", max_age=1, inject={"sent": traffic.count_sent})
def answers(sent: Mapping[str, int]) -> Figure:
    """Pictures that this server has sent, by origin."""
    fig = Figure(figsize=(5, 2), layout="constrained")
    ax = fig.subplots()
    bars = ax.barh(list(sent), list(sent.values()))
    ax.bar_label(bars, padding=3)
    ax.margins(x=0.12)
    ax.locator_params("x", integer=True)
    ax.invert_yaxis()
    ax.grid(False)
    ax.set(title="Sent by this server", xlabel="Pictures")
    return fig


#: The figures with controls, in the order of the page.
ALL = (scatter, prices, relief, identity)
