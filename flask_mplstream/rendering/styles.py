"""The styles of figures on light and dark pages.

Render layer: values. The dark style sets every color that a light style may set, so it
can be applied over any of them. Its text has a contrast of at least 4.5 to 1 with its
background (WCAG 2.2, 1.4.3), its lines at least 3 to 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

Style: TypeAlias = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

_PAGE = "#16191f"
_TEXT = "#e7eaf0"
_QUIET = "#c3c9d4"
_FRAME = "#8a93a3"
_GRID = "#3a414d"
#: The hues of Matplotlib's default cycle, in the same order.
_CYCLE = (
    *("#6cb6ff", "#ffa657", "#62d493", "#ff8080", "#c3a1ff"),
    *("#d6a585", "#ff9fd5", "#b5bcc8", "#d3d357", "#54d8e2"),
)
#: The hues of viridis with an OKLab lightness of 0.58 to 0.91 in equal steps. The
#: darkest color of viridis itself has a contrast of only 1.2 to the page.
_COLORMAP = (
    *("#9a5eac", "#9370c4", "#8483cf", "#7497ce"),
    *("#69a8c7", "#60b6bf", "#5ac5b3", "#5cd2a0"),
    *("#70de85", "#98e561", "#cae73c", "#fae430"),
)
COLORMAP_NAME = "mplstream_dark"
mpl.colormaps.register(
    LinearSegmentedColormap.from_list(COLORMAP_NAME, _COLORMAP), force=True
)

#: rcParams for pages with a dark background.
DARK_STYLE: Mapping[str, Any] = {
    "axes.edgecolor": _FRAME,
    "axes.facecolor": _PAGE,
    "axes.labelcolor": _TEXT,
    "axes.prop_cycle": f"cycler('color', {list(_CYCLE)})",
    "axes.titlecolor": "auto",
    "axes3d.xaxis.panecolor": (1, 1, 1, 0.04),
    "axes3d.yaxis.panecolor": (1, 1, 1, 0.06),
    "axes3d.zaxis.panecolor": (1, 1, 1, 0.08),
    "boxplot.boxprops.color": _QUIET,
    "boxplot.capprops.color": _QUIET,
    "boxplot.flierprops.color": _QUIET,
    "boxplot.flierprops.markeredgecolor": _QUIET,
    "boxplot.meanprops.color": "C2",
    "boxplot.meanprops.markeredgecolor": "C2",
    "boxplot.meanprops.markerfacecolor": "C2",
    "boxplot.medianprops.color": "C1",
    "boxplot.whiskerprops.color": _QUIET,
    "figure.edgecolor": _PAGE,
    "figure.facecolor": _PAGE,
    "grid.color": _GRID,
    "hatch.color": _TEXT,
    "image.cmap": COLORMAP_NAME,
    "legend.edgecolor": _FRAME,
    "legend.facecolor": "inherit",
    "legend.labelcolor": "None",
    "lines.color": "C0",
    "lines.markeredgecolor": "auto",
    "lines.markerfacecolor": "auto",
    "patch.edgecolor": _TEXT,
    "patch.facecolor": "C0",
    "savefig.edgecolor": "auto",
    "savefig.facecolor": "auto",
    "scatter.edgecolors": "face",
    "text.color": _TEXT,
    "xtick.color": _QUIET,
    "xtick.labelcolor": "inherit",
    "ytick.color": _QUIET,
    "ytick.labelcolor": "inherit",
}


@dataclass(frozen=True, slots=True)
class Look:
    """A style, and keyword arguments for ``Figure.savefig``."""

    style: Style | None = None
    savefig: Mapping[str, Any] = field(default_factory=dict)
    #: Whether to change colors that are invisible on the page.
    is_dark: bool = False

    def darken(self, dark_style: Style | bool) -> Look:
        """Return this look for a dark page.

        :param dark_style: applied over the style; a bool means :data:`DARK_STYLE`.
        """
        dark = DARK_STYLE if isinstance(dark_style, bool) else dark_style
        savefig = {
            name: value
            for name, value in self.savefig.items()
            if name not in ("facecolor", "edgecolor")  # Chosen for a light page.
        }
        return Look(
            [*list_layers(self.style), *list_layers(dark)], savefig, is_dark=True
        )


def list_layers(style: Style | None) -> list[str | Mapping[str, Any]]:
    """Return the styles in *style*, in the order of application."""
    if style is None:
        return []
    return [style] if isinstance(style, str | Mapping) else [*style]
