"""Names of artists that only a legend knows.

Description layer. A legend draws copies of its handles, which keep the automatic label
of the artist and are recognized by it. A color alone is not sufficient, because another
artist may share it. seaborn leaves its artists unnamed and adds one empty artist per
name to the axes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .artists import is_empty
from .plain_text import to_plain

Color = tuple[float, ...]
#: Digits to which seaborn's colors of an artist and of its handle agree.
_DIGITS = 6


def read_color(artist: Any) -> Color | None:
    """Return the color of *artist* without alpha; ``None`` unless it has just one."""
    color: Any = None
    if isinstance(artist, Line2D):
        color = artist.get_color()
        if artist.get_linestyle() in {"None", "none", " ", ""}:
            color = artist.get_markerfacecolor()
    elif isinstance(artist, Patch):
        color = artist.get_facecolor()
        if not color[3]:
            color = artist.get_edgecolor()
    elif isinstance(artist, Collection):
        faces = np.asarray(artist.get_facecolor())
        is_single = len(faces) and (faces == faces[0]).all()
        color = tuple(faces[0]) if is_single else None
    rgba = to_rgba("none" if color is None else color)
    return tuple(round(float(c), _DIGITS) for c in rgba[:3]) if rgba[3] else None


@dataclass(frozen=True, slots=True)
class _Label:
    """One line of a legend."""

    name: str
    #: The label of the copied handle.
    label: str
    color: Color | None
    is_patch: bool


@dataclass(frozen=True, slots=True)
class LegendNames:
    """The names of artists in the legends of one axes."""

    entries: Sequence[_Label] = ()
    #: Color -> name, if seaborn made the legend.
    colors: dict[Color, str] = field(default_factory=dict)

    @classmethod
    def of(cls, axes: Axes, returned: object = None) -> LegendNames:
        """Read the legends of *axes* and of its figure."""
        root: Any = axes.get_figure(root=True)
        legends = [*filter(None, (axes.get_legend(), *root.legends))]
        entries = [entry for legend in legends for entry in _read_entries(legend)]
        is_of_seaborn = bool(entries) and _is_of_seaborn(axes, entries, returned)
        return cls(entries, _map_colors(entries) if is_of_seaborn else {})

    def find_name(self, artist: Any) -> str:
        """Return the name of *artist* in a legend, or an empty text."""
        if not self.entries:
            return ""
        label, color = str(artist.get_label() or ""), read_color(artist)
        if label.startswith("_child"):
            same = [e for e in self.entries if (e.label, e.color) == (label, color)]
            names = {entry.name for entry in same}
            if len(names) == 1:
                return names.pop()
        return self.colors.get(color, "") if color else ""

    def name_handles(self, patches: Sequence[Any]) -> list[str]:
        """Return the names of *patches*, if they are exactly the legend's handles."""
        unnamed = {"", "_nolegend_"}
        are_copies = all(e.is_patch and e.label in unnamed for e in self.entries)
        colors = [read_color(patch) for patch in patches]
        is_same = [entry.color for entry in self.entries] == colors
        is_clear = len(set(colors)) == len(colors) and None not in colors
        if not (are_copies and is_same and is_clear):
            return []
        return [entry.name for entry in self.entries]


def _read_entries(legend: Any) -> Iterator[_Label]:
    handles = zip(legend.legend_handles, legend.get_texts(), strict=False)
    for handle, text in handles:
        label = str(handle.get_label() or "")
        is_patch = isinstance(handle, Patch)
        yield _Label(to_plain(text.get_text()), label, read_color(handle), is_patch)


def _map_colors(entries: Iterable[_Label]) -> dict[Color, str]:
    names: dict[Color, set[str]] = {}
    for entry in entries:
        if entry.color:
            names.setdefault(entry.color, set()).add(entry.name)
    return {color: found.pop() for color, found in names.items() if len(found) == 1}


def _is_of_seaborn(axes: Axes, entries: Sequence[_Label], returned: object) -> bool:
    """Return whether seaborn made the entries of the legend."""
    if "seaborn" not in sys.modules:
        return False
    if type(returned).__module__.startswith("seaborn."):
        return True
    artists = [*axes.lines, *axes.patches]
    labels = [str(a.get_label()) for a in artists if is_empty(a)]
    made = [label for label in labels if label and not label.startswith("_")]
    if len(made) > 1 and [e.label for e in entries if e.label in made] == made:
        return True
    return any(np.inf in (*a.sticky_edges.x, *a.sticky_edges.y) for a in axes.patches)
