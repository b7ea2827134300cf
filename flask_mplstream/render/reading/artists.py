"""What single artists tell: their places, colours, labels, and of what kind they are.

Render layer. It knows the artists of Matplotlib that stand for data, and keeps
what is odd about them from :mod:`~flask_mplstream.render.reading.series`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection, LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.quiver import Barbs, Quiver
from matplotlib.transforms import AffineDeltaTransform, Transform

from .dimensions import Span, Values
from .plain import plain

#: Faces of a cuboid.
_FACES = 6


def legend_names(axes: Axes) -> dict[tuple[float, ...], str]:
    """Colour -> name, by legends, where no artist with data has the name itself."""
    root: Any = axes.get_figure(root=True)
    named = (*axes.containers, *axes.collections, *filter(_has_points, axes.lines))
    taken = {own_label(artist) for artist in named}
    names: dict[tuple[float, ...], set[str]] = {}
    for legend in filter(None, (axes.get_legend(), *root.legends)):
        handles = zip(legend.legend_handles, legend.get_texts(), strict=False)
        for handle, text in handles:
            name, colour = plain(text.get_text()), colour_of(handle)
            if colour is not None and name not in taken:
                names.setdefault(colour, set()).add(name)
    return {colour: found.pop() for colour, found in names.items() if len(found) == 1}


def _has_points(line: Any) -> bool:
    return len(line.get_xdata(orig=False)) > 0


def colour_of(artist: Any) -> tuple[float, ...] | None:
    """The one colour of *artist*, without alpha; ``None`` where it has none."""
    colour: Any = None
    if isinstance(artist, Line2D):
        colour = artist.get_color()
    elif isinstance(artist, Patch):
        colour = artist.get_facecolor()
    elif isinstance(artist, Collection) and np.shape(artist.get_facecolor()) == (1, 4):
        colour = tuple(np.asarray(artist.get_facecolor())[0])
    rgba = (0, 0, 0, 0) if colour is None else to_rgba(colour)
    return rgba[:3] if rgba[3] else None


def own_label(artist: Any) -> str:
    """The label of *artist*; Matplotlib's for none begin with an underscore."""
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else plain(label)


def parts(container: Any) -> list[Artist]:
    """All artists that *container* holds, also those of its error bars."""
    found: list[Artist] = []
    for part in (*container, getattr(container, "errorbar", None)):
        if isinstance(part, Artist):
            found.append(part)
        elif isinstance(part, Iterable):
            found += parts(part)
    return found


def is_guide(line: Any, has_bars: bool) -> bool:
    """Whether *line* is no series: a rule that marks a place, or an error bar."""
    if isinstance(line, AxLine):
        return True
    x, y = line.get_data(orig=False)
    if len(x) != 2 or own_label(line):
        return False
    return bool(x[0] == x[1] or (has_bars and y[0] == y[1]))


def kind_of_line(line: Line2D) -> str:
    """``line``, or ``scatter`` where only markers are drawn."""
    is_joined = line.get_linestyle() not in {"None", "none", " ", ""}
    return "line" if is_joined else "scatter"


def kind_of_collection(collection: Collection) -> str:
    """The :attr:`Series.kind` of a collection without a reader of its own."""
    if isinstance(collection, Quiver | Barbs):
        return "arrow"
    if isinstance(collection, LineCollection):
        return "segment"
    # By name, as Matplotlib itself does without mpl_toolkits where it must.
    if type(collection).__name__ == "Poly3DCollection":
        return "block" if _is_of_blocks(collection) else "surface"
    if not has_offsets(collection):
        return "shape"
    # Only hexbin has polygons at places.
    return "scatter" if isinstance(collection, PathCollection) else "hexbin"


def _is_of_blocks(collection: Any) -> bool:
    """Whether all of it are faces of upright cuboids, as bar3d makes them."""
    faces: Any = getattr(collection, "_faces", np.empty(0))
    if not len(faces) or len(faces) % _FACES or np.shape(faces)[1] != 4:
        return False
    sides = np.ptp(faces, axis=1)
    # Of each, two faces are at one height, two at one depth, two at one breadth.
    return bool(((sides == 0).sum(axis=0) >= len(faces) // 3).all())


def count_of(collection: Any) -> int:
    """How many bars, lines or shapes it has, also before a 3-D one is projected."""
    kind = kind_of_collection(collection)
    if kind == "surface":
        return 1
    if kind == "block":
        return len(collection._faces) // _FACES
    is_of_lines = hasattr(collection, "_segments3d")
    return len(collection._segments3d if is_of_lines else collection.get_paths())


def count_seen(container: BarContainer) -> int:
    """How many bars have a place and a height."""
    bars = ((*bar.get_xy(), bar.get_width(), bar.get_height()) for bar in container)
    return int(np.isfinite(np.array(list(bars), float)).all(axis=1).sum())


def has_extent(patch: Patch) -> bool:
    """Whether there is something to see; seaborn makes rectangles for a legend only."""
    return not isinstance(patch, Rectangle) or bool(
        patch.get_width() or patch.get_height()
    )


def has_offsets(collection: Collection) -> bool:
    """Whether its shapes are the same one at places of the data."""
    axes = collection.axes
    return axes is not None and offset_transform(collection).contains_branch(
        axes.transData
    )


def offset_transform(collection: Collection) -> Transform:
    """The transform of its places, that of hexbin by the one which it wraps."""
    transform: Transform = collection.get_offset_transform()
    if isinstance(transform, AffineDeltaTransform):
        # Nothing public tells it.
        transform = transform._base_transform  # type: ignore[attr-defined]
    return transform


def places(collection: Any) -> Sequence[Values]:
    """The coordinates of the points, as they are before a 3-D projection."""
    if hasattr(collection, "_offsets3d"):
        return [np.ma.asarray(values) for values in collection._offsets3d]
    return collection.get_offsets().T  # type: ignore[no-any-return]


def coordinates(line: Any) -> list[Values]:
    """The values of *line* in each direction; integers stay so."""
    if hasattr(line, "get_data_3d"):
        return [np.atleast_1d(values) for values in line.get_data_3d()]
    drawn = (line.get_xdata(orig=False), line.get_ydata(orig=False))
    given = (line.get_xdata(), line.get_ydata())
    return [
        g if _is_whole(g) and g.shape == d.shape else d
        for g, d in zip(given, drawn, strict=True)
    ]


def _is_whole(values: Any) -> bool:
    """Whether they are integers, which stay so."""
    return type(values) is np.ndarray and values.dtype.kind in "iu"


def numbers(values: Any) -> Values:
    """*values* as plain numbers, nan for masked ones."""
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(values.astype(float), np.nan)
    bare: Values = np.asarray(values)
    return bare if bare.dtype.kind in "iuf" else bare.astype(float)


def errors(container: ErrorbarContainer, count: int, picked: Any) -> dict[str, Values]:
    """The ends of the error bars, where each point has one."""
    has = {"x": container.has_xerr, "y": container.has_yerr}
    names = [name for name in has if has[name]]
    columns: dict[str, Values] = {}
    for name, bars in zip(names, container.lines[2], strict=False):
        ends = [path.vertices for path in bars.get_paths()]
        if len(ends) == count and all(np.shape(end) == (2, 2) for end in ends):
            direction = "xy".index(name)
            low, high = np.asarray(ends)[picked][:, :, direction].T
            columns |= {f"{name}_low": low, f"{name}_high": high}
    return columns


def edges(vertices: Any) -> Values:
    """Place, low and high in rows, from the outline that fill_between makes.

    It begins where the second edge does, runs along the first one, and comes back
    on the second; the last point closes it.
    """
    n = (len(vertices) - 3) // 2
    forth, back = vertices[1 : n + 1], vertices[n + 2 : 2 * n + 2][::-1]
    edges = np.array([forth[:, 1], back[:, 1]])
    return np.array([forth[:, 0], edges.min(axis=0), edges.max(axis=0)])


def middles(start: float, end: float, count: int) -> Values:
    """The centres of *count* equal cells."""
    return start + (np.arange(count) + 0.5) * ((end - start) / count)


def span_of_colours(artist: Any) -> Span | None:
    """From where to where the colour scale of *artist* goes, where that is known."""
    ends: Values = np.ma.filled(np.ma.array(artist.get_clim(), float), np.nan)
    return Span.of(ends) if np.isfinite(ends).all() else None


def label_of_colours(artist: Any) -> str:
    """The label of the colorbar of *artist*."""
    axes = getattr(getattr(artist, "colorbar", None), "ax", None)
    return plain(axes.get_ylabel() or axes.get_xlabel()) if axes else ""


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Bars in numbers."""

    is_horizontal: bool
    starts: Values
    ends: Values
    heights: Values
    bases: Values

    @classmethod
    def of(cls, container: BarContainer, picked: Any) -> Bars:
        """The *picked* ones of *container*."""
        bars = np.array(container.patches, object)[picked].tolist()
        x, y = [bar.get_x() for bar in bars], [bar.get_y() for bar in bars]
        widths = [bar.get_width() for bar in bars]
        heights = [bar.get_height() for bar in bars]
        is_horizontal = container.orientation == "horizontal"
        if is_horizontal:
            x, y, widths, heights = y, x, heights, widths
        starts, width = np.array(x, float), np.array(widths, float)
        return cls(
            is_horizontal,
            starts,
            starts + width,
            numbers(np.array(heights)),
            numbers(np.array(y)),
        )

    @property
    def middles(self) -> Values:
        """Where they stand."""
        return (self.starts + self.ends) / 2

    @property
    def are_bins(self) -> bool:
        """Whether they look like those of a histogram, with no room between them.

        Bars in the middle of round places, such as years, may only be wide.
        """
        if len(self.starts) < 2 or not np.allclose(self.ends[:-1], self.starts[1:]):
            return False
        places = np.array([self.middles, self.middles / (self.ends - self.starts)])
        return not np.allclose(places, places.round(), rtol=0, atol=1e-6)
