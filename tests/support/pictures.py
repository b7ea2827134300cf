"""Decoded pixels, and figures of several kinds."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image


def pixels(body: bytes) -> np.ndarray[Any, Any]:
    """Return the picture in *body* as RGBA, shape ``(height, width, 4)``."""
    with Image.open(BytesIO(body)) as image:
        return np.array(image.convert("RGBA"))


def lines(layout: Any = None) -> Figure:
    """Draw four axes: a line, an image, mathtext and a log scale."""
    figure = Figure(figsize=(4, 3), layout=layout)
    axes = figure.subplots(2, 2)
    axes[0, 0].plot(np.sin(np.linspace(0, 9, 99)))
    axes[0, 1].imshow(np.arange(16).reshape(4, 4))
    axes[1, 0].set_title(r"$\alpha^2 + \frac{1}{2}$")
    axes[1, 1].set_aspect("equal")
    axes[1, 1].semilogy([1, 100])
    return figure


def with_colorbar(layout: Any) -> Figure:
    """Draw an image with a colorbar beside a line."""
    figure = Figure(figsize=(4, 3), layout=layout)
    axes = figure.subplots(1, 2)
    image = axes[0].imshow(np.eye(9))
    figure.colorbar(image, ax=axes[0])
    axes[1].plot([1, 2], label="a long label")
    figure.suptitle("above both")
    return figure


def polar_and_3d() -> Figure:
    """Draw a line on polar axes and one in 3D."""
    figure = Figure(figsize=(5, 3))
    figure.add_subplot(121, projection="polar").plot([0, 1, 2], [1, 2, 1])
    figure.add_subplot(122, projection="3d").plot([0, 1], [0, 1], [0, 1])
    return figure


def seed_scatter() -> Figure:
    """Draw the article's example: 50 points of random position, color and size."""
    random = np.random.default_rng(0)
    figure = Figure()
    x, y, colors = random.random((3, 50))
    area = np.pi * (15 * random.random(50)) ** 2
    figure.subplots().scatter(x, y, s=area, c=colors, alpha=0.5)
    return figure


def styled_inside() -> Figure:
    """Draw lines after a change of ``savefig`` rcParams in the function."""
    mpl.rcParams["savefig.facecolor"] = "0.8"
    mpl.rcParams["savefig.dpi"] = 70
    mpl.rcParams["savefig.bbox"] = "tight"
    return lines()


def autolayout_inside() -> Figure:
    """Draw after a change of the layout engine's rcParam in the function."""
    mpl.rcParams["figure.constrained_layout.use"] = True
    return with_colorbar(None)


BUILDERS = {
    "plain": lines,
    "constrained": lambda: with_colorbar("constrained"),
    "compressed": lambda: with_colorbar("compressed"),
    "tight": lambda: lines("tight"),
    "polar-3d": polar_and_3d,
    "scatter": seed_scatter,
    "rcparams-inside": styled_inside,
    "layout-by-rcparams": autolayout_inside,
}
