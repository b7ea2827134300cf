"""What a figure shows, read back: its axes, their series, the values of those.

Render layer. Call it inside the gate, before or after a draw: it asks artists
for what they hold and changes none. Values are not copied where they need not
be, and on request only some of them are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import (
    Collection,
    FillBetweenPolyCollection,
    PathCollection,
    PolyQuadMesh,
    QuadMesh,
)
from matplotlib.container import BarContainer, ErrorbarContainer, StemContainer
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure, FigureBase
from matplotlib.image import AxesImage, NonUniformImage, PcolorImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch, Shadow, StepPatch, Wedge

from .artists import (
    Bars,
    colour_of,
    coordinates,
    count_of,
    count_seen,
    edges,
    errors,
    has_extent,
    has_offsets,
    is_guide,
    kind_of_collection,
    kind_of_line,
    label_of_colours,
    legend_names,
    middles,
    numbers,
    offset_transform,
    own_label,
    parts,
    places,
    span_of_colours,
)
from .boxes import Boxes, find_boxes
from .dimensions import Dimension, Span, Values, dimension, names_of_ticks
from .plain import plain


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The values of a series in one respect; nan where there is none."""

    #: Numbers, or names. Those of a grid have two dimensions, rows first.
    values: Values
    #: What they are measured on; ``None`` for sizes, colours and shares.
    dimension: Dimension | None = None

    @property
    def is_named(self) -> bool:
        """Whether they are names, or stand for some."""
        is_category = self.dimension is not None and self.dimension.names is not None
        return is_category or self.values.dtype == object


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Things in axes that belong together."""

    #: ``line``, ``scatter``, ``stem``, ``bar``, ``histogram``, ``errorbar``, ``box``,
    #: ``image``, ``mesh``, ``hexbin``, ``area``, ``pie``, ``contour``, or without
    #: values ``picture``, ``arrow``, ``segment``, ``surface``, ``block``, ``shape``.
    kind: str
    #: Its name in a legend, or nothing.
    label: str
    #: How many points, bars, wedges … it has, also where not all were read. Bars, and
    #: points that nothing joins, only where they are seen.
    count: int
    #: ``x``, ``y`` and what else it has, by name.
    columns: Mapping[str, Column]
    #: What its colours stand for, by its colorbar.
    value_label: str = ""
    #: From where to where its colours go, where those stand for something.
    colours: Span | None = None
    #: Whether all of its values were read.
    is_whole: bool = True
    #: Whether they are bars that lie.
    is_horizontal: bool = False

    @property
    def across(self) -> str:
        """The direction in which its things stand side by side, ``x`` or ``y``."""
        is_horizontal = {"y_from", "x_median"} & self.columns.keys() or (
            self.kind == "area" and "x_low" in self.columns
        )
        return "y" if self.is_horizontal or is_horizontal else "x"


@dataclass(frozen=True, slots=True, eq=False)
class AxesContent:
    """What axes show."""

    title: str
    #: ``x``, ``y``, and ``z`` where there is one.
    dimensions: Mapping[str, Dimension]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What a figure shows."""

    title: str
    #: What is written beside the axes.
    texts: tuple[str, ...]
    #: Those that show something, in the order in which they were made.
    axes: tuple[AxesContent, ...]


def read(figure: Figure, *, most: int | None = None) -> Content:
    """What *figure* shows.

    :param most: values that are read of each series, spread over all of it with
        the first and the last among them; ``None``, the default, for all.
    """
    found = (_Reader.of(axes, most).content() for axes in _all_axes(figure))
    title = plain(figure.get_suptitle()) or _label_of_ggplot(figure, "title")
    return Content(
        title, _texts(figure), tuple(content for content in found if content.series)
    )


def _all_axes(figure: Figure) -> Iterator[Axes]:
    for axes in figure.axes:
        # Insets are axes in axes. A colorbar explains others and is none of them.
        for one in (axes, *(c for c in axes.child_axes if isinstance(c, Axes))):
            if one.get_visible() and not hasattr(one, "_colorbar"):
                yield one


def _texts(figure: Figure) -> tuple[str, ...]:
    known = {figure.get_suptitle(), figure.get_supxlabel(), figure.get_supylabel()}
    texts = (text for text in figure.texts if text.get_visible())
    written = (plain(t.get_text()) for t in texts if t.get_text() not in known)
    return tuple(filter(None, written))


def _label_of_ggplot(figure: Figure, name: str) -> str:
    """A label that plotnine has placed as a text of the figure."""
    plot = getattr(figure.get_layout_engine(), "plot", None)
    return plain(getattr(getattr(plot, "labels", None), name, None) or "")


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """Reads one axes."""

    axes: Axes
    most: int | None
    dimensions: Mapping[str, Dimension]
    #: Colour -> name in a legend, for those who leave the artists without one.
    legend: Mapping[tuple[float, ...], str]

    @classmethod
    def of(cls, axes: Axes, most: int | None) -> _Reader:
        names = getattr(axes, "_axis_names", ("x", "y"))
        dimensions = {}
        for name in names:
            axis = getattr(axes, f"{name}axis")
            label = plain(axis.get_label_text()) or _shared_label(axes, name)
            dimensions[name] = dimension(axis, label)
        return cls(axes, most, dimensions, legend_names(axes))

    def content(self) -> AxesContent:
        return AxesContent(_title(self.axes), self.dimensions, tuple(self._series()))

    def _series(self) -> Iterator[Series]:
        contained: set[Artist] = set()
        for container in self.axes.containers:
            yield from self._container(container, contained)
        lines = [line for line in self.axes.lines if self._shows(line, contained)]
        boxes = find_boxes(lines)
        if boxes:
            contained |= boxes.artists
            contained.update(p for p in self.axes.patches if isinstance(p, PathPatch))
            yield self._boxes(boxes)
        has_bars = any(isinstance(c, BarContainer) for c in self.axes.containers)
        for line in lines:
            if line not in contained and not is_guide(line, has_bars):
                yield from self._line(line)
        for collection in self.axes.collections:
            if self._shows(collection, contained):
                yield from self._collection(collection)
        for image in self.axes.images:
            if self._shows(image, contained):
                yield self._image(image)
        shown = [p for p in self.axes.patches if self._shows(p, contained)]
        yield from self._patches(shown)

    def _shows(self, artist: Artist, contained: set[Artist]) -> bool:
        """Whether it is drawn at data, other than guides such as an axhline."""
        if artist in contained or not artist.get_visible():
            return False
        if isinstance(artist, Collection) and has_offsets(artist):
            transform = offset_transform(artist)
        else:
            transform = artist.get_transform()
        # By its old name, as Matplotlib 3.10 has no other.
        return all(transform.contains_branch_seperately(self.axes.transData))

    def _made(
        self,
        kind: str,
        label: str,
        count: int,
        columns: Mapping[str, Values],
        value_label: str = "",
        colours: Span | None = None,
    ) -> Series:
        """A series; columns are measured on what their names begin with."""
        measured = {
            name: Column(values, self.dimensions.get(name.partition("_")[0]))
            for name, values in columns.items()
        }
        held = max(count, *map(len, columns.values()), 0)
        is_whole = self.most is None or held < self.most
        return Series(kind, label, count, measured, value_label, colours, is_whole)

    def _label(self, artist: Any) -> str:
        label = own_label(artist)
        if label or not self.legend:
            return label
        colour = colour_of(artist)
        return "" if colour is None else self.legend.get(colour, "")

    def _pick(self, count: int) -> Any:
        """The places of the values to read, out of *count*."""
        if self.most is None or count <= self.most:
            return slice(None)
        return np.linspace(0, count - 1, self.most).astype(int)

    def _container(self, container: Any, contained: set[Artist]) -> Iterator[Series]:
        held = parts(container)
        # The error bars of bars are containers themselves, too. There are others,
        # such as seaborn's, whose artists say more.
        known = BarContainer | ErrorbarContainer | StemContainer
        if not isinstance(container, known) or contained.issuperset(held):
            return
        if "z" in self.dimensions:
            return
        contained.update(held)
        if not all(artist.get_visible() for artist in held):
            return
        if isinstance(container, BarContainer) and container.patches:
            yield self._bars(container)
        elif isinstance(container, ErrorbarContainer) and container.lines[0]:
            yield self._with_errors(container)
        elif isinstance(container, StemContainer):
            yield from self._line(container.markerline, "stem", own_label(container))

    def _by_name(self, points: Sequence[Values], picked: Any) -> dict[str, Values]:
        values = (numbers(values[picked]) for values in points)
        return dict(zip("xyz", values, strict=False))

    def _line(
        self, line: Line2D, kind: str = "", label: str | None = None
    ) -> Iterator[Series]:
        values = coordinates(line)
        count = len(values[0])
        if count:
            yield self._made(
                kind or kind_of_line(line),
                self._label(line) if label is None else label,
                count,
                self._by_name(values, self._pick(count)),
            )

    def _with_errors(self, container: ErrorbarContainer) -> Series:
        line = container.lines[0]
        values = coordinates(line)
        count = len(values[0])
        picked = self._pick(count)
        columns = {
            **self._by_name(values, picked),
            **errors(container, count, picked),
        }
        label = own_label(container) or self._label(line)
        return self._made("errorbar", label, count, columns)

    def _bars(self, container: BarContainer) -> Series:
        count = len(container.patches)
        picked = self._pick(count)
        bars = Bars.of(container, picked)
        across, along = ("y", "x") if bars.is_horizontal else ("x", "y")
        where = self._named(across, bars.middles)
        is_named = where.dtype == object or self.dimensions[across].names is not None
        is_histogram = not is_named and self._are_bins(container)
        columns = {across: where, along: bars.heights}
        if is_histogram:
            columns |= {f"{across}_from": bars.starts, f"{across}_to": bars.ends}
        if bars.bases.any():
            columns[f"{along}_base"] = bars.bases
        if container.errorbar is not None:
            columns |= errors(container.errorbar, count, picked)
        label = own_label(container) or self._label(container.patches[0])
        kind = "histogram" if is_histogram else "bar"
        # So that x comes before y.
        ordered = dict(sorted(columns.items()))
        made = self._made(kind, label, count_seen(container), ordered)
        return replace(made, is_horizontal=bars.is_horizontal)

    def _are_bins(self, container: BarContainer) -> bool:
        first = Bars.of(container, slice(self.most))
        return first.are_bins and self.axes.name != "polar"

    def _boxes(self, boxes: Boxes) -> Series:
        where = boxes.columns[boxes.across]
        columns = {**boxes.columns, boxes.across: self._named(boxes.across, where)}
        return self._made("box", "", len(where), columns)

    def _named(self, direction: str, where: Values) -> Values:
        """The places *where*, or the names that their ticks give them."""
        names = names_of_ticks(getattr(self.axes, f"{direction}axis"), where)
        return where if names is None else names

    def _collection(self, collection: Any) -> Iterator[Series]:
        if isinstance(collection, QuadMesh | PolyQuadMesh):
            yield self._mesh(collection)
        elif isinstance(collection, ContourSet):
            levels = np.asarray(collection.levels)
            yield self._coloured("contour", collection, len(levels), {"level": levels})
        elif isinstance(collection, FillBetweenPolyCollection):
            yield from self._area(collection)
        elif hasattr(collection, "_offsets3d") or has_offsets(collection):
            yield from self._points(collection)
        else:
            kind = kind_of_collection(collection)
            if count := count_of(collection):
                yield self._made(kind, self._label(collection), count, {})

    def _coloured(
        self, kind: str, artist: Any, count: int, columns: Mapping[str, Values]
    ) -> Series:
        label, value_label = self._label(artist), label_of_colours(artist)
        colours = span_of_colours(artist)
        return self._made(kind, label, count, columns, value_label, colours)

    def _points(self, collection: Any) -> Iterator[Series]:
        points = places(collection)
        count = len(points[0])
        if not count:
            return
        picked = self._pick(count)
        columns = self._by_name(points, picked)
        colours = collection.get_array()
        if colours is not None and np.shape(colours) == (count,):
            columns["value"] = numbers(colours[picked])
        if isinstance(collection, PathCollection) and "z" not in columns:
            sizes = collection.get_sizes()
            if len(sizes) == count and np.ptp(sizes[picked]):
                columns["size"] = numbers(sizes[picked])
        seen = np.all([np.ma.filled(np.isfinite(v), False) for v in points], axis=0)
        kind = kind_of_collection(collection)
        yield self._coloured(kind, collection, int(seen.sum()), columns)

    def _area(self, collection: Any) -> Iterator[Series]:
        is_along_x = collection.t_direction == "x"
        across, along = "xy" if is_along_x else "yx"
        order = slice(None, None, 1 if is_along_x else -1)
        outlines = [path.vertices[:, order] for path in collection.get_paths()]
        if not outlines:
            return
        values = np.concatenate([edges(outline) for outline in outlines], axis=1)
        count = values.shape[1]
        where, low, high = values[:, self._pick(count)]
        columns = {across: where, f"{along}_low": low, f"{along}_high": high}
        yield self._made("area", self._label(collection), count, columns)

    def _image(self, image: AxesImage) -> Series:
        values = image.get_array()
        if values is None or np.ndim(values) != 2:
            return self._made("picture", self._label(image), 1, {})
        if isinstance(image, NonUniformImage | PcolorImage):
            return self._coloured("image", image, np.size(values), {})
        rows, columns = self._pick_grid(np.shape(values))
        left, right, bottom, top = image.get_extent()
        ends = (top, bottom) if image.origin == "upper" else (bottom, top)
        x = middles(left, right, np.shape(values)[1])[columns]
        y = middles(*ends, np.shape(values)[0])[rows]
        return self._grid("image", image, x, y, values[rows][:, columns])

    def _mesh(self, mesh: Any) -> Series:
        corners = mesh.get_coordinates()
        values = mesh.get_array()
        is_smooth = np.shape(values)[:2] == corners.shape[:2]
        cells = 0 if is_smooth else 1
        shape = (corners.shape[0] - cells, corners.shape[1] - cells)
        if values is None or np.size(values) != shape[0] * shape[1]:
            return self._made("picture", self._label(mesh), 1, {})
        values = values.reshape(shape)
        rows, columns = self._pick_grid(shape)
        if is_smooth:
            centres = corners[rows][:, columns]
        else:
            middle = (corners[:-1][rows] + corners[1:][rows]) / 2
            centres = (middle[:, :-1][:, columns] + middle[:, 1:][:, columns]) / 2
        x, y = np.moveaxis(np.ma.filled(centres, np.nan), 2, 0)
        if (x == x[:1]).all() and (y == y[:, :1]).all():
            x, y = x[0], y[:, 0]
        return self._grid("mesh", mesh, x, y, values[rows][:, columns])

    def _pick_grid(self, shape: Sequence[int]) -> tuple[slice, slice]:
        """The rows and the columns to read."""
        if self.most is None:
            return slice(None), slice(None)
        side = max(int(self.most**0.5), 1)
        rows, columns = (max(-(-int(length) // side), 1) for length in shape)
        return slice(None, None, rows), slice(None, None, columns)

    def _grid(
        self, kind: str, artist: Any, x: Values, y: Values, values: Values
    ) -> Series:
        if x.ndim == 1:
            x, y = self._named("x", x), self._named("y", y)
        columns = {"x": x, "y": y, "value": numbers(values)}
        return self._coloured(kind, artist, np.size(artist.get_array()), columns)

    def _patches(self, patches: Sequence[Patch]) -> Iterator[Series]:
        wedges = [patch for patch in patches if isinstance(patch, Wedge)]
        # A ring has one radius, and a pie may have several rings.
        for _, ring in groupby(wedges, key=lambda wedge: wedge.r):
            yield self._pie(list(ring))
        steps = [patch for patch in patches if isinstance(patch, StepPatch)]
        yield from map(self._steps, steps)
        others = [p for p in patches if not isinstance(p, Wedge | StepPatch | Shadow)]
        if count := sum(map(has_extent, others)):
            yield self._made("shape", "", count, {})

    def _pie(self, wedges: Sequence[Wedge]) -> Series:
        columns = {
            "name": np.array([self._label(wedge) for wedge in wedges], object),
            "share": np.array([(w.theta2 - w.theta1) / 360 for w in wedges]),
        }
        return self._made("pie", "", len(wedges), columns)

    def _steps(self, patch: StepPatch) -> Series:
        heights, ends, _ = patch.get_data()
        values, bounds = numbers(heights), np.asarray(ends)
        across, along = "xy" if patch.orientation == "vertical" else "yx"
        columns = {
            across: (bounds[:-1] + bounds[1:]) / 2,
            f"{across}_from": bounds[:-1],
            f"{across}_to": bounds[1:],
            along: values,
        }
        picked = self._pick(len(values))
        ordered = {name: columns[name][picked] for name in sorted(columns)}
        return self._made("histogram", self._label(patch), len(values), ordered)


def _title(axes: Axes) -> str:
    titles = (plain(axes.get_title(where)) for where in ("left", "center", "right"))
    title = ", ".join(filter(None, titles))
    part = axes.get_figure(root=False)
    if not title and part is not axes.get_figure(root=True):
        return plain(part.get_suptitle() if part else "")
    return title


def _shared_label(axes: Axes, name: str) -> str:
    """The label that axes have together: along shared axes, or on the figure."""
    if name == "z":
        return ""  # Matplotlib shares those, but tells nobody.
    siblings = getattr(axes, f"get_shared_{name}_axes")().get_siblings(axes)
    labels = {plain(getattr(other, f"get_{name}label")()) for other in siblings} - {""}
    if len(labels) == 1:
        return labels.pop()
    root: Any = axes.get_figure(root=True)
    part: FigureBase | None = axes.get_figure(root=False)
    for figure in (part, root):
        get = getattr(figure, f"get_sup{name}label", None)
        if get and (label := plain(get())):
            return label
    return _label_of_ggplot(root, name)
