"""Eleven ordinary figures with their ``savefig`` options.

Three have a layout engine: constrained, tight and compressed. All data comes from fixed
seeds, so every call builds the same figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Sample:
    """A figure function and its ``savefig`` options."""

    build: Callable[[], Figure]
    savefig: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the figure function."""
        return self.build.__name__


def line() -> Figure:
    """Plot three random walks with a legend and a grid."""
    figure = Figure()
    ax = figure.subplots()
    steps = np.random.default_rng(1).normal(size=(3, 500))
    for number, walk in enumerate(steps.cumsum(axis=1)):
        ax.plot(walk, label=f"walk {number}")
    ax.set(xlabel="step", ylabel="position")
    ax.legend()
    ax.grid(visible=True)
    return figure


def scatter() -> Figure:
    """Draw the article's example: 50 points of random position, color and size."""
    rng = np.random.default_rng(2)
    figure = Figure()
    area = np.pi * (15 * rng.random(50)) ** 2
    x, y, colors = rng.random((3, 50))
    figure.subplots().scatter(x, y, s=area, c=colors, alpha=0.5)
    return figure


def bars() -> Figure:
    """Draw twelve labeled bars."""
    figure = Figure()
    ax = figure.subplots()
    heights = np.random.default_rng(3).integers(10, 90, size=12)
    bars = ax.bar([f"month {n}" for n in range(1, 13)], heights, color="tab:green")
    ax.bar_label(bars)
    ax.tick_params(axis="x", rotation=45)
    return figure


def histogram() -> Figure:
    """Draw a histogram of 10,000 values in 60 bins."""
    figure = Figure()
    ax = figure.subplots()
    ax.hist(np.random.default_rng(4).normal(size=10_000), bins=60, edgecolor="white")
    ax.set_title("10,000 draws")
    return figure


def image() -> Figure:
    """Draw a 200 x 200 image with a colorbar."""
    figure = Figure()
    ax = figure.subplots()
    image = ax.imshow(_build_hills(200), cmap="terrain", origin="lower")
    figure.colorbar(image, ax=ax, label="height")
    return figure


def formulas() -> Figure:
    """Plot two curves on log axes, labeled with mathtext."""
    figure = Figure()
    ax = figure.subplots()
    x = np.geomspace(1, 1e4, 200)
    ax.loglog(x, x**1.5, label=r"$x^{3/2}$")
    ax.loglog(x, x * np.log(x) + 1, label=r"$x\,\ln x + 1$")
    ax.set_title(r"$\sum_{i=0}^\infty x_i^2 \leq \frac{\alpha}{\sqrt{\beta}}$")
    ax.grid(visible=True, which="both", alpha=0.3)
    ax.legend()
    return figure


def dates() -> Figure:
    """Plot a year of daily values with a band."""
    figure = Figure(figsize=(8, 4))
    ax = figure.subplots()
    days = np.datetime64("2026-01-01") + np.arange(365)
    level = 100 + np.random.default_rng(5).normal(size=365).cumsum()
    ax.plot(days, level)
    ax.fill_between(days, level - 5, level + 5, alpha=0.2)
    figure.autofmt_xdate()
    return figure


def grid_constrained() -> Figure:
    """Draw four kinds of axes with the constrained layout."""
    figure = Figure(figsize=(8, 6), layout="constrained")
    axs = figure.subplots(2, 2)
    filled = axs[0, 0].contourf(_build_hills(80), levels=12)
    figure.colorbar(filled, ax=axs[0, 0])
    axs[0, 1].plot(np.random.default_rng(6).random(40), "o-")
    axs[1, 0].barh(list("abcdef"), range(6))
    axs[1, 1].pie([3, 2, 1], labels=["north", "south", "east"], autopct="%d%%")
    figure.suptitle("Four views")
    return figure


def rows_tight() -> Figure:
    """Plot three sines in rows with the tight layout."""
    figure = Figure(layout="tight")
    x = np.linspace(0, 10, 300)
    for number, ax in enumerate(figure.subplots(3, 1), start=1):
        ax.plot(x, np.sin(number * x))
        ax.set(title=f"sine of {number} x", xlabel="x")
    return figure


def images_compressed() -> Figure:
    """Draw three images and a colorbar with the compressed layout."""
    figure = Figure(figsize=(8, 3), layout="compressed")
    axs = figure.subplots(1, 3, sharey=True)
    for ax, cmap in zip(axs, ("viridis", "magma", "gray"), strict=True):
        image = ax.imshow(_build_hills(60), cmap=cmap)
        ax.set_title(cmap)
    figure.colorbar(image, ax=axs)
    return figure


def polar_transparent() -> Figure:
    """Draw bars on polar axes, to be saved with a transparent background."""
    figure = Figure()
    ax = figure.subplots(subplot_kw={"projection": "polar"})
    theta = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ax.bar(theta, np.random.default_rng(7).random(24), width=0.25, alpha=0.5)
    return figure


def _build_hills(side: int) -> np.ndarray[Any, Any]:
    x, y = np.meshgrid(np.linspace(-3, 3, side), np.linspace(-3, 3, side))
    return np.asarray((1 - x / 2 + x**5 + y**3) * np.exp(-(x**2) - y**2))


SAMPLES = (
    Sample(line),
    Sample(scatter, {"facecolor": (0.95, 0.95, 0.95)}),
    Sample(bars, {"bbox_inches": "tight"}),
    Sample(histogram),
    Sample(image),
    Sample(formulas, {"dpi": 150}),
    Sample(dates),
    Sample(grid_constrained),
    Sample(rows_tight),
    Sample(images_compressed),
    Sample(polar_transparent, {"transparent": True}),
)
