"""Reads the content of a figure from Matplotlib's artists or plotnine's plot.

Description layer. Call it inside the gate.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredText

from .axes_reader import AxesReader
from .axis_values import Dimension, Span, read_dimension
from .legend_names import LegendNames
from .plain_text import to_plain
from .plotnine_plots import find_plots, read_plots
from .series import AxesContent, Content


def read(figure: Figure, returned: object = None) -> Content:
    """Return the content of *figure*.

    :param returned: the figure function's result, if known; it reveals a legend that
        seaborn made.
    """
    if plots := find_plots(figure):
        return read_plots(plots)
    found = list(_list_axes(figure))
    bases = [_find_base(number, found) for number in range(len(found))]
    axes = [
        _read_axes(one, returned, base=base, is_inset=one not in figure.axes)
        for one, base in zip(found, bases, strict=True)
    ]
    return Content(to_plain(figure.get_suptitle()), _read_texts(figure), tuple(axes))


def _list_axes(figure: Figure) -> Iterator[Axes]:
    for axes in figure.axes:
        # Insets are child axes. Color bars are part of other axes.
        for one in (axes, *(c for c in axes.child_axes if isinstance(c, Axes))):
            if one.get_visible() and not hasattr(one, "_colorbar"):
                yield one


def _find_base(number: int, found: list[Axes]) -> int:
    """Return the index of the first twin of ``found[number]``, or else *number*."""
    axes = found[number]
    for earlier, other in enumerate(found[:number]):
        is_shared = any(
            getattr(axes, f"get_shared_{name}_axes")().joined(axes, other)
            for name in "xy"
        )
        bounds = (one.get_position(original=True).bounds for one in (axes, other))
        if is_shared and len(set(bounds)) == 1:
            return earlier
    return number


def _read_texts(figure: Figure) -> tuple[str, ...]:
    known = {figure.get_suptitle(), figure.get_supxlabel(), figure.get_supylabel()}
    texts = (text for text in figure.texts if text.get_visible())
    written = (to_plain(t.get_text()) for t in texts if t.get_text() not in known)
    return tuple(filter(None, written))


def _read_axes(
    axes: Axes, returned: object, *, base: int, is_inset: bool
) -> AxesContent:
    reader = AxesReader(axes, _read_dimensions(axes), LegendNames.of(axes, returned))
    return AxesContent(
        _read_title(axes),
        reader.dimensions,
        tuple(reader.read_series()),
        _read_axes_texts(axes),
        tuple(reader.read_guides()),
        base,
        has_places=not reader.is_map,
        is_inset=is_inset,
    )


def _read_dimensions(axes: Axes) -> dict[str, Dimension]:
    dimensions = {}
    is_map = type(axes).__module__.startswith("cartopy.")
    for name in getattr(axes, "_axis_names", ("x", "y")):
        axis = getattr(axes, f"{name}axis")
        label = to_plain(axis.get_label_text()) or _find_shared_label(axes, name)
        if not label and axes.name == "polar":
            label = {"x": "angle", "y": "radius"}[name]
        dimensions[name] = read_dimension(axis, label)
        if is_map:  # Limits are in meters, but data in degrees.
            nowhere = Span(-math.inf, math.inf)
            dimensions[name] = replace(dimensions[name], view=nowhere)
    return dimensions


def _read_axes_texts(axes: Axes) -> tuple[str, ...]:
    """Return the texts in *axes*."""
    boxes: list[Any] = [a.txt for a in axes.artists if isinstance(a, AnchoredText)]
    texts: list[Any] = [t for t in axes.texts if t.get_visible()]
    written = (to_plain(text.get_text()) for text in (*texts, *boxes))
    return tuple(filter(None, written))


def _read_title(axes: Axes) -> str:
    titles = (to_plain(axes.get_title(where)) for where in ("left", "center", "right"))
    title = ", ".join(filter(None, titles))
    part = axes.get_figure(root=False)
    if not title and part is not axes.get_figure(root=True):
        return to_plain(part.get_suptitle() if part else "")
    return title


def _find_shared_label(axes: Axes, name: str) -> str:
    """Return the label of the axes that *axes* shares, or else of the figure."""
    if name == "z":
        return ""  # There is no public access to shared z-axes.
    siblings = getattr(axes, f"get_shared_{name}_axes")().get_siblings(axes)
    axis_labels = {to_plain(getattr(other, f"get_{name}label")()) for other in siblings}
    labels = axis_labels - {""}
    if len(labels) == 1:
        return labels.pop()
    root: Any = axes.get_figure(root=True)
    part: Any = axes.get_figure(root=False)
    for figure in (part, root):
        get = getattr(figure, f"get_sup{name}label", None)
        if get and (label := to_plain(get())):
            return label
    return ""
