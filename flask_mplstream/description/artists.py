"""The content of single artists: coordinates, labels and kinds.

Description layer. It knows Matplotlib's data artists and hides their peculiarities from
:mod:`~flask_mplstream.description.series`. It does not round, clip or format.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import (
    Collection,
    EventCollection,
    LineCollection,
    PathCollection,
    PolyCollection,
)
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import Rectangle
from matplotlib.quiver import Barbs, Quiver
from matplotlib.transforms import AffineDeltaTransform, Transform

from .axis_values import Span, Values, find_simplest, to_integers
from .plain_text import to_plain
from .series import get_other

#: Faces of a cuboid.
_FACES = 6
_CORNERS = 5
_ENDS = ("x_from", "y_from", "x_to", "y_to")


def read_label(artist: Any) -> str:
    """Return the label of *artist*, or nothing if Matplotlib made it (``_child0``)."""
    label = str(artist.get_label() or "")
    return "" if label.startswith("_") else to_plain(label)


def list_parts(container: Any) -> list[Artist]:
    """Return all artists in *container*, including those of its error bars."""
    found: list[Artist] = []
    for part in (*container, getattr(container, "errorbar", None)):
        if isinstance(part, Artist):
            found.append(part)
        elif isinstance(part, Iterable):
            found += list_parts(part)
    return found


def is_guide(line: Any, has_bars: bool) -> bool:
    """Return whether *line* is no series but a reference line or an error bar."""
    if isinstance(line, AxLine):
        return True
    x, y = line.get_data(orig=False)
    if len(x) != 2 or read_label(line):
        return False
    return bool(x[0] == x[1] or (has_bars and y[0] == y[1]))


def is_empty(artist: Any) -> bool:
    """Return whether *artist* draws nothing, like those made only for a legend."""
    if isinstance(artist, Line2D):
        return np.size(artist.get_xdata(orig=False)) == 0
    if isinstance(artist, Rectangle):
        return not (artist.get_width() or artist.get_height())
    return False


def classify_line(line: Line2D) -> str:
    """Return ``line``, or ``scatter`` if only markers are drawn."""
    is_joined = line.get_linestyle() not in {"None", "none", " ", ""}
    return "line" if is_joined else "scatter"


def classify_collection(collection: Collection) -> str:
    """Return the :attr:`Series.kind` of a collection without a separate reader."""
    if isinstance(collection, Quiver | Barbs):
        return "arrow"
    if isinstance(collection, EventCollection):
        return "event"
    if isinstance(collection, LineCollection):
        return "segment"
    # By name, to avoid importing mpl_toolkits.
    if type(collection).__name__ == "Poly3DCollection":
        return "block" if _is_of_blocks(collection) else "surface"
    if not has_offsets(collection):
        is_of_polygons = isinstance(collection, PolyCollection)
        has_bars = is_of_polygons and read_rectangles(collection)
        return "interval" if has_bars else "shape"
    # Only hexbin has polygons with offsets.
    return "scatter" if isinstance(collection, PathCollection) else "hexbin"


def _is_of_blocks(collection: Any) -> bool:
    """Return whether all polygons are faces of upright cuboids, as from bar3d."""
    faces: Any = getattr(collection, "_faces", np.empty(0))
    if not len(faces) or len(faces) % _FACES or np.shape(faces)[1] != 4:
        return False
    sides = np.ptp(faces, axis=1)
    # Per cuboid, two faces have constant x, two constant y and two constant z.
    return bool(((sides == 0).sum(axis=0) >= len(faces) // 3).all())


def read_rectangles(collection: Any) -> dict[str, Values]:
    """Return the ends of the polygons, if all are upright rectangles."""
    paths = collection.get_paths()
    if not paths or any(len(path.vertices) != _CORNERS for path in paths):
        return {}
    corners = np.array([path.vertices for path in paths], float)
    low, high = corners.min(axis=1), corners.max(axis=1)
    is_side = (corners == low[:, None]) | (corners == high[:, None])
    steps = np.diff(corners, axis=1) == 0
    if not (is_side.all() and (steps.sum(axis=2) == 1).all()):
        return {}
    return dict(zip(_ENDS, (*low.T, *high.T), strict=True))


def read_segments(collection: Any) -> dict[str, Values]:
    """Return the ends of the lines, if each has exactly two points."""
    ends = [path.vertices for path in collection.get_paths()]
    if not ends or any(np.shape(end) != (2, 2) for end in ends):
        return {}
    columns = np.array(ends, float).reshape(-1, 4).T
    return dict(zip(_ENDS, columns, strict=True))


def count_items(collection: Any) -> int:
    """Return the number of bars, lines or shapes, before a 3-D projection."""
    kind = classify_collection(collection)
    if kind == "surface":
        return 1
    if kind == "block":
        return len(collection._faces) // _FACES
    is_of_lines = hasattr(collection, "_segments3d")
    return len(collection._segments3d if is_of_lines else collection.get_paths())


def has_offsets(collection: Collection) -> bool:
    """Return whether *collection* repeats a shape at data coordinates."""
    axes = collection.axes
    return axes is not None and get_offset_transform_of(collection).contains_branch(
        axes.transData
    )


def get_offset_transform_of(collection: Collection) -> Transform:
    """Return the transform of the offsets, unwrapped in the case of hexbin."""
    transform: Transform = collection.get_offset_transform()
    if isinstance(transform, AffineDeltaTransform):
        # There is no public access.
        transform = transform._base_transform  # type: ignore[attr-defined]  # Not in the stubs.
    return transform


def read_places(collection: Any) -> Sequence[Values]:
    """Return the coordinates of the points, before a 3-D projection."""
    if hasattr(collection, "_offsets3d"):
        return [np.ma.asarray(values) for values in collection._offsets3d]
    places: Sequence[Values] = collection.get_offsets().T
    return places


def read_coordinates(line: Any) -> list[Values]:
    """Return the values of *line* in each direction; integers stay integers."""
    if hasattr(line, "get_data_3d"):
        return [np.atleast_1d(values) for values in line.get_data_3d()]
    drawn = (line.get_xdata(orig=False), line.get_ydata(orig=False))
    given = (line.get_xdata(), line.get_ydata())
    return [
        g if _is_whole(g) and g.shape == d.shape else _to_index(d)
        for g, d in zip(given, drawn, strict=True)
    ]


def read_times(line: Any) -> dict[str, Values]:
    """Return the dates and durations given to *line*, by direction, unchanged.

    Dates with a zone are in UTC. Durations are ``timedelta64``.
    """
    if hasattr(line, "get_data_3d"):
        return {}
    given = {"x": line.get_xdata(), "y": line.get_ydata()}
    times = {name: _read_times(values) for name, values in given.items()}
    return {
        name: values
        for name, values in times.items()
        if values is not None and len(values) == len(line.get_xdata(orig=False))
    }


def _read_times(given: Any) -> Values | None:
    kind = getattr(getattr(given, "dtype", None), "kind", "")
    if kind in {"M", "m"}:
        values = np.asarray(given)
        return values if values.dtype.kind in {"M", "m"} else None
    if type(given).__name__ == "DatetimeIndex":
        return np.asarray(given.tz_convert(None) if given.tz else given)
    return None


def _is_whole(values: Any) -> bool:
    """Return whether *values* is an array of integers."""
    return type(values) is np.ndarray and values.dtype.kind in "iu"


def _to_index(values: Any) -> Values:
    """Return *values* as integers if they count from 0, as for a plot without x."""
    if type(values) is not np.ndarray or values.dtype.kind != "f" or not len(values):
        return np.asarray(values) if not np.ma.isMA(values) else values
    if values[0] == 0 and values[-1] == len(values) - 1:
        counted = np.arange(len(values))
        return counted if (values == counted).all() else values
    return values


def to_numbers(values: Any) -> Values:
    """Return *values* as plain numbers, with NaN for masked ones."""
    if np.ma.isMaskedArray(values):
        values = np.ma.filled(values.astype(float), np.nan)
    bare: Values = np.asarray(values)
    return bare if bare.dtype.kind in "iuf" else bare.astype(float)


def read_errors(container: ErrorbarContainer, count: int) -> dict[str, Values]:
    """Return the ends of the error bars, if each point has one."""
    has_errors = {"x": container.has_xerr, "y": container.has_yerr}
    names = [name for name, is_drawn in has_errors.items() if is_drawn]
    columns: dict[str, Values] = {}
    for name, bars in zip(names, container.lines[2], strict=False):
        ends = [path.vertices for path in bars.get_paths()]
        if len(ends) == count and all(np.shape(end) == (2, 2) for end in ends):
            direction = "xy".index(name)
            low, high = np.sort(np.asarray(ends)[:, :, direction], axis=1).T
            columns |= {f"{name}_low": low, f"{name}_high": high}
    return columns


def read_bare_errors(container: ErrorbarContainer) -> dict[str, Values]:
    """Return the ends and the middles of error bars without points."""
    counts = {len(bars.get_paths()) for bars in container.lines[2]}
    if len(counts) != 1:
        return {}
    columns = read_errors(container, counts.pop())
    for name, other in ("xy", "yx"):
        if f"{name}_low" not in columns:
            continue
        bars = container.lines[2][-1 if name == "y" else 0]
        low, high = columns[f"{name}_low"], columns[f"{name}_high"]
        columns[name] = low + (high - low) / 2
        if f"{other}_low" not in columns:
            column = "xy".index(other)
            starts: Any = [path.vertices for path in bars.get_paths()]
            columns[other] = np.array([start[0, column] for start in starts])
    return columns


def split_outline(vertices: Any) -> Values:
    """Return rows of place, low and high from an outline by ``fill_between``.

    The outline begins at the start of the second edge, follows the first edge, and
    returns along the second; the last point closes it.
    """
    n = (len(vertices) - 3) // 2
    forth, back = vertices[1 : n + 1], vertices[n + 2 : 2 * n + 2][::-1]
    ends = np.array([forth[:, 1], back[:, 1]])
    return np.array([forth[:, 0], ends.min(axis=0), ends.max(axis=0)])


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """The area between two edges, as drawn by ``fill_between``."""

    fill: Any
    #: The direction of the places, ``x`` or ``y``.
    across: str
    #: The edges; NaN separates pieces.
    places: Values
    low: Values
    high: Values

    @classmethod
    def of(cls, fill: Any) -> Area:
        """Read a collection with at least one path."""
        order = slice(None, None, 1 if fill.t_direction == "x" else -1)
        gap = np.full((3, 1), np.nan)
        pieces: list[Values] = []
        for path in fill.get_paths():
            pieces += [gap, split_outline(path.vertices[:, order])]
        return cls(fill, fill.t_direction, *np.concatenate(pieces[1:], axis=1))

    def is_on(self, other: Area) -> bool:
        """Return whether the area begins at the upper edge of *other*."""
        return (
            self.across == other.across
            and np.array_equal(self.places, other.places, equal_nan=True)
            and np.array_equal(self.low, other.high, equal_nan=True)
        )

    def read_edges(self) -> dict[str, Values]:
        """Return the columns of an area by itself."""
        along = get_other(self.across)
        edges = {f"{along}_low": self.low, f"{along}_high": self.high}
        return {self.across: to_integers(self.places), **edges}

    def read_stacked(self) -> dict[str, Values]:
        """Return the columns of an area in a stack."""
        heights = find_simplest(
            self.high - self.low, lambda found: self.low + found == self.high
        )
        places = to_integers(self.places)
        return {self.across: places, get_other(self.across): to_integers(heights)}


def divide(start: float, end: float, count: int) -> Values:
    """Return the centers of *count* equal cells."""
    return start + (np.arange(count) + 0.5) * ((end - start) / count)


def read_color_span(artist: Any) -> Span | None:
    """Return the limits of the color scale of *artist*, if known."""
    ends: Values = np.ma.filled(np.ma.array(artist.get_clim(), float), np.nan)
    return Span.of(ends) if np.isfinite(ends).all() else None


def read_color_label(artist: Any) -> str:
    """Return the label of the color bar of *artist*."""
    axes = getattr(getattr(artist, "colorbar", None), "ax", None)
    return to_plain(axes.get_ylabel() or axes.get_xlabel()) if axes else ""
