"""Reads the series of one axes from its artists.

Description layer. An artist becomes at most one series; decoration becomes none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import (
    Collection,
    FillBetweenPolyCollection,
    LineCollection,
    PatchCollection,
    PathCollection,
    PolyQuadMesh,
    QuadMesh,
)
from matplotlib.container import BarContainer, ErrorbarContainer, StemContainer
from matplotlib.contour import ContourSet
from matplotlib.image import AxesImage, NonUniformImage, PcolorImage
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import (
    FancyArrowPatch,
    Patch,
    PathPatch,
    Polygon,
    Rectangle,
    Shadow,
    StepPatch,
    Wedge,
)
from matplotlib.quiver import Quiver

from . import artists as drawn
from .artists import read_label
from .axis_values import (
    Dimension,
    Values,
    find_simplest,
    match_nearby_ticks,
    match_ticks,
    to_integers,
)
from .bars import (
    Bars,
    classify_bars,
    compute_middles,
    group_samples,
    read_bins,
    read_shared_bins,
    read_steps,
)
from .box_plots import Boxes, find_boxes, find_violins, read_boxes
from .legend_names import LegendNames
from .plain_text import plain
from .series import Column, Guide, Series, get_column_order

#: Kinds with a name for each item, from the tick at or beside it.
_NAMED_NEARBY = {"bar", "box", "violin", "gantt", "outlier", "scatter", "errorbar"}


@dataclass(eq=False)
class AxesReader:
    """A reader for the artists of one axes, which tracks those already read."""

    axes: Axes
    dimensions: Mapping[str, Dimension]
    legend: LegendNames
    #: The artists that need no further reading.
    done: set[Artist] = field(default_factory=set)

    @cached_property
    def is_map(self) -> bool:
        """Whether these are the axes of a cartopy map."""
        return type(self.axes).__module__.startswith("cartopy.")

    def read_series(self) -> Iterator[Series]:
        """Yield the series, grouped by type of artist."""
        yield from self._containers()
        yield from self._boxes_and_violins()
        collections = [c for c in self.axes.collections if self._shows(c)]
        areas = list(self._areas(collections))
        yield from self._lines()
        yield from areas
        for collection in collections:
            if collection not in self.done:
                yield from self._collection(collection)
        for image in self.axes.images:
            if self._shows(image):
                yield self._image(image)
        yield from self._patches([p for p in self.axes.patches if self._shows(p)])
        yield from (_table(table) for table in self.axes.tables)

    def read_guides(self) -> Iterator[Guide]:
        """Yield the reference lines and areas, such as those of ``axhline``."""
        for line in self.axes.lines:
            if line.get_visible() and (guide := self._rule(line)):
                yield guide
        for patch in self.axes.patches:
            is_free = patch not in self.done and patch.get_visible()
            if isinstance(patch, Rectangle) and is_free:
                yield from self._marked_area(patch)

    def _rule(self, line: Any) -> Guide | None:
        label = read_label(line)
        if isinstance(line, AxLine):
            return Guide("line", "", (), label)
        is_data_x, is_data_y = self._branches(line)
        x, y = line.get_data(orig=False)
        if len(x) != 2 or is_data_x == is_data_y:
            return None
        name, ends = ("x", x) if is_data_x else ("y", y)
        return (
            Guide("line", name, (float(ends[0]),), label)
            if ends[0] == ends[1]
            else None
        )

    def _marked_area(self, patch: Rectangle) -> Iterator[Guide]:
        is_data_x, is_data_y = self._branches(patch)
        if is_data_x == is_data_y:
            return
        name = "x" if is_data_x else "y"
        start = float(patch.get_x() if is_data_x else patch.get_y())
        extent = float(patch.get_width() if is_data_x else patch.get_height())
        yield Guide("area", name, (start, start + extent), read_label(patch))

    def _branches(self, artist: Artist) -> tuple[bool, bool]:
        # Matplotlib 3.10 has only the misspelled name.
        transform = artist.get_transform()
        in_x, in_y = transform.contains_branch_seperately(self.axes.transData)
        return in_x, in_y

    def _shows(self, artist: Artist) -> bool:
        """Return whether *artist* is drawn in data coordinates, unlike an axhline."""
        if artist in self.done or not artist.get_visible():
            return False
        if type(artist).__name__ == "FeatureArtist":
            return False  # cartopy's coasts and borders.
        if isinstance(artist, Collection) and drawn.has_offsets(artist):
            transform = drawn.get_offset_transform_of(artist)
            return all(transform.contains_branch_seperately(self.axes.transData))
        return all(self._branches(artist))

    def _make(
        self,
        kind: str,
        label: str,
        count: int,
        columns: Mapping[str, Values],
        **more: Any,
    ) -> Series:
        """Return a series; each column name begins with its direction."""
        measured = {
            name: self._column(kind, name, columns[name])
            for name in sorted(columns, key=get_column_order)
        }
        return Series(kind, label, count, measured, **more)

    def _column(self, kind: str, name: str, values: Values) -> Column:
        direction, _, part = name.partition("_")
        dimension = self.dimensions.get(direction)
        if dimension is None or part or self.is_map or values.dtype == object:
            return Column(values, dimension)
        return Column(values, dimension, self._names(kind, dimension, values))

    def _names(self, kind: str, dimension: Dimension, where: Values) -> Values | None:
        """Return the names of places from categories or ticks, if each has one."""
        if where.ndim != 1 or not len(where) or kind in {"histogram", "block_bar"}:
            return None
        if dimension.names is None:
            return self._names_of_ticks(kind, dimension, where)
        if kind not in _NAMED_NEARBY or set(where.tolist()) <= set(dimension.names):
            return None
        nearest = np.round(where.astype(float))
        names = [dimension.names.get(place) for place in nearest.tolist()]
        is_near = (np.abs(where - nearest) < 0.5).all()
        return np.array(names, object) if is_near and None not in names else None

    @staticmethod
    def _names_of_ticks(
        kind: str, dimension: Dimension, where: Values
    ) -> Values | None:
        if dimension.dates is not None or dimension.unit_s is not None:
            return None
        names = match_ticks(dimension.tick_names, where)
        if names is None and kind in _NAMED_NEARBY - {"scatter", "outlier", "errorbar"}:
            return match_nearby_ticks(dimension.tick_names, where)
        return names

    def _label(self, artist: Any) -> str:
        return read_label(artist) or self.legend.name_of(artist)

    # Containers

    def _containers(self) -> Iterator[Series]:
        if "z" in self.dimensions:
            return
        bars: list[Bars] = []
        errors = [getattr(one, "errorbar", None) for one in self.axes.containers]
        for container in self.axes.containers:
            held = drawn.parts(container)
            if container in errors or self.done.issuperset(held):
                continue
            is_seen = all(artist.get_visible() for artist in held)
            if isinstance(container, BarContainer) and container.patches:
                self.done.update(held)
                bars += [Bars.of(container)] if is_seen else []
            elif isinstance(container, ErrorbarContainer | StemContainer):
                self.done.update(held)
                yield from self._container(container) if is_seen else ()
            elif hasattr(container, "medians"):
                boxes = read_boxes(container)
                self.done |= boxes.artists
                yield from self._boxes(boxes)
        yield from self._bars(bars)

    def _container(self, container: Any) -> Iterator[Series]:
        label = read_label(container)
        if isinstance(container, StemContainer):
            yield from self._line(container.markerline, "stem", label)
        elif container.lines[0] is not None:
            yield self._with_errors(container, label)
        elif columns := drawn.read_bare_errors(container):
            count = len(next(iter(columns.values())))
            across = "y" if "y_low" not in columns else "x"
            more = {"across": across, "source": (container,)}
            yield self._make("errorbar", label, count, columns, **more)

    def _with_errors(self, container: ErrorbarContainer, label: str) -> Series:
        line = container.lines[0]
        values = drawn.read_coordinates(line)
        count = len(values[0])
        columns = {
            **dict(zip("xy", map(drawn.to_numbers, values), strict=False)),
            **drawn.read_errors(container, count),
        }
        name = label or self._label(line)
        made = self._make("errorbar", name, count, columns, source=(container,))
        return self._with_times(made, line)

    # Bars

    def _bars(self, bars: Sequence[Bars]) -> Iterator[Series]:
        bins: dict[int, tuple[Values, Values]] = {}
        for group in group_samples(bars):
            if found := read_shared_bins(group):
                bins |= {id(one): found for one in group}
        order = [read_label(one.container) == "" for one in bars]
        names = self.legend.names_in_order([b.container.patches[0] for b in bars])
        for number, one in enumerate(bars):
            name = names[number] if names and order[number] else ""
            yield self._bar(one, bins.get(id(one)), name)

    def _bar(self, bars: Bars, bins: tuple[Values, Values] | None, name: str) -> Series:
        across, along = ("y", "x") if bars.is_horizontal else ("x", "y")
        columns = {across: bars.middles, along: bars.heights}
        kind = "histogram" if bins else self._kind_of_bars(bars, across)
        if bins is None and kind in {"histogram", "block_bar"}:
            bins = read_bins(bars)
        if bins is not None:
            columns |= {f"{across}_from": bins[0], f"{across}_to": bins[1]}
            if kind == "histogram":
                columns[across] = compute_middles(*bins)
        if self.dimensions[along].dates is not None and bars.bases.any():
            kind = "gantt"
            del columns[along]
            ends = {
                f"{along}_from": bars.bases,
                f"{along}_to": bars.bases + bars.heights,
            }
            columns |= ends
        elif bars.bases.any():
            columns[f"{along}_base"] = bars.bases
        if bars.container.errorbar is not None:
            columns |= drawn.read_errors(bars.container.errorbar, len(bars.starts))
        label = bars.label or name or self._name_in_legend(bars)
        more: Any = {"across": across, "source": (bars.container,)}
        return self._make(kind, label, int(bars.is_seen.sum()), columns, **more)

    def _name_in_legend(self, bars: Bars) -> str:
        names = {self.legend.name_of(bar) for bar in bars.container.patches[:1]}
        return names.pop() if names and not any(bars.labels) else ""

    def _kind_of_bars(self, bars: Bars, across: str) -> str:
        dimension = self.dimensions[across]
        if self.axes.name == "polar":
            return "bar"
        is_category = dimension.names is not None
        names = set(dimension.names or ())
        if is_category and (not bars.touch or set(bars.middles.tolist()) <= names):
            return "bar"
        if match_nearby_ticks(dimension.tick_names, bars.middles) is not None:
            return "bar"
        return classify_bars(bars, is_of_dates=dimension.dates is not None)

    # Boxes and violins

    def _boxes_and_violins(self) -> Iterator[Series]:
        lines = [line for line in self.axes.lines if self._shows(line)]
        if boxes := find_boxes(lines):
            self.done |= boxes.artists
            self.done.update(p for p in self.axes.patches if isinstance(p, PathPatch))
            yield from self._boxes(boxes)
        fills = self._of_type(FillBetweenPolyCollection)
        bodies = [fill for fill in fills if not read_label(fill)]
        rules = self._of_type(LineCollection)
        directions = {"y" if body.t_direction == "x" else "x" for body in bodies}
        is_named = any(self._has_names(self.dimensions[d]) for d in directions)
        for face, group in self._by_color(bodies):
            if violins := find_violins(group, lines, rules, is_named):
                self.done |= violins.artists
                count = len(violins.columns[violins.across])
                more: Any = {"across": violins.across, "source": tuple(violins.artists)}
                name = self.legend.colors.get(face, "")
                yield self._make("violin", name, count, violins.columns, **more)

    def _by_color(self, bodies: Sequence[Any]) -> list[tuple[Any, list[Any]]]:
        """Group *bodies* by hue, if seaborn's legend names hues."""
        from .legend_names import read_color

        if not self.legend.colors:
            return [(None, list(bodies))]
        groups: dict[Any, list[Any]] = {}
        for body in bodies:
            groups.setdefault(read_color(body), []).append(body)
        return list(groups.items())

    @staticmethod
    def _has_names(dimension: Dimension) -> bool:
        return dimension.names is not None or bool(dimension.tick_names)

    def _of_type(self, kind: Any) -> list[Any]:
        return [
            c for c in self.axes.collections if isinstance(c, kind) and self._shows(c)
        ]

    def _boxes(self, boxes: Boxes) -> Iterator[Series]:
        count = len(boxes.columns[boxes.across])
        more: Any = {"across": boxes.across, "source": tuple(boxes.artists)}
        label = self.legend.name_of(boxes.face) if boxes.face is not None else ""
        yield self._make("box", label, count, boxes.columns, **more)
        if boxes.outliers:
            found = len(boxes.outliers[boxes.across])
            yield self._make("outlier", label, found, boxes.outliers, **more)

    # Lines and areas

    def _lines(self) -> Iterator[Series]:
        has_bars = any(isinstance(c, BarContainer) for c in self.axes.containers)
        for line in self.axes.lines:
            is_guide = drawn.is_guide(line, has_bars) or self._is_mark_on_category(line)
            if self._shows(line) and not is_guide:
                yield from self._line(line)

    def _is_mark_on_category(self, line: Any) -> bool:
        """Return whether *line* only marks a level at a category, such as a median."""
        if "z" in self.dimensions or read_label(line):
            return False
        x, y = line.get_data(orig=False)
        for name, places, levels in (("x", x, y), ("y", y, x)):
            names = self.dimensions[name].names
            if names and len(places) == 2 and levels[0] == levels[1]:
                return not set(places.tolist()) & set(names)
        return False

    def _line(
        self, line: Line2D, kind: str = "", label: str | None = None
    ) -> Iterator[Series]:
        values = [drawn.to_numbers(v) for v in drawn.read_coordinates(line)]
        if not len(values[0]):
            return
        kind = kind or drawn.classify_line(line)
        name = self._label(line) if label is None else label
        columns = dict(zip("xyz", values, strict=False))
        more: Any = {"source": (line,), "drawstyle": line.get_drawstyle()}
        made = self._make(kind, name, len(values[0]), columns, **more)
        yield self._with_times(made, line)

    def _with_times(self, made: Series, line: Line2D) -> Series:
        """Return *made* with the exact dates and durations given to *line*."""
        columns = dict(made.columns)
        for name, times in drawn.read_times(line).items():
            dimension = self.dimensions[name]
            if times.dtype.kind == "m" or dimension.dates is not None:
                columns[name] = replace(columns[name], exact=times)
        return replace(made, columns=columns)

    def _areas(self, collections: Sequence[Any]) -> Iterator[Series]:
        fills = [
            c
            for c in collections
            if isinstance(c, FillBetweenPolyCollection) and c not in self.done
        ]
        below: tuple[str, Values, Values] | None = None
        for fill in fills:
            self.done.add(fill)
            if not fill.get_paths():
                continue
            across, where, low, high = self._edges(fill)
            self._drop_outline(across, where, high, read_label(fill))
            is_stacked = below is not None and _is_on_top(below, across, where, low)
            below = (across, where, high)
            yield self._area(fill, across, (where, low, high), is_stacked, fills)

    @staticmethod
    def _edges(fill: Any) -> tuple[str, Values, Values, Values]:
        order = slice(None, None, 1 if fill.t_direction == "x" else -1)
        outlines = [path.vertices[:, order] for path in fill.get_paths()]
        where, low, high = drawn.join_edges(outlines)
        return fill.t_direction, where, low, high

    def _area(
        self,
        fill: Any,
        across: str,
        outline: tuple[Values, Values, Values],
        is_stacked: bool,
        fills: Sequence[Any],
    ) -> Series:
        where, low, high = outline
        along = "y" if across == "x" else "x"
        is_first = not is_stacked and self._is_below_another(fill, fills)
        more: Any = {"across": across, "source": (fill,)}
        if not (is_stacked or is_first):
            columns = {
                across: to_integers(where),
                f"{along}_low": low,
                f"{along}_high": high,
            }
            return self._make("area", self._label(fill), len(where), columns, **more)
        own = find_simplest(high - low, lambda found: low + found == high)
        columns = {across: to_integers(where), along: to_integers(own)}
        return self._make(
            "stacked_area", self._label(fill), len(where), columns, **more
        )

    def _is_below_another(self, fill: Any, fills: Sequence[Any]) -> bool:
        """Return whether the next area begins at the upper edge of *fill*."""
        following = fills[fills.index(fill) + 1 :][:1]
        if not following or not following[0].get_paths():
            return False
        across, where, _, high = self._edges(fill)
        other, places, low, _ = self._edges(following[0])
        return _is_on_top((across, where, high), other, places, low)

    def _drop_outline(
        self, across: str, where: Values, high: Values, label: str
    ) -> None:
        """Treat a line along the upper edge of an area as part of the area."""
        for line in self.axes.lines:
            if line in self.done or (not label and read_label(line)):
                continue
            x, y = (drawn.to_numbers(v) for v in drawn.read_coordinates(line)[:2])
            places, values = (x, y) if across == "x" else (y, x)
            is_same = np.array_equal(places, where) and np.array_equal(values, high)
            if is_same and read_label(line) in {"", label}:
                self.done.add(line)

    # Collections

    def _collection(self, collection: Any) -> Iterator[Series]:
        if isinstance(collection, QuadMesh | PolyQuadMesh):
            yield from self._mesh_once(collection)
        elif isinstance(collection, ContourSet):
            levels = np.asarray(collection.levels)
            columns = {"level": levels}
            yield self._read_colors("contour", collection, len(levels), columns)
        elif hasattr(collection, "_offsets3d") or drawn.has_offsets(collection):
            yield from self._points(collection)
        else:
            yield from self._shapes(collection)

    def _mesh_once(self, mesh: Any) -> Iterator[Series]:
        """Yield a mesh, without cartopy's copy of cells that wrap around the globe."""
        around = getattr(mesh, "_wrapped_collection_fix", None)
        if around is not None:
            self.done.add(around)
        yield self._mesh(mesh)

    def _shapes(self, collection: Any) -> Iterator[Series]:
        kind, count = (
            drawn.classify_collection(collection),
            drawn.count_things_of(collection),
        )
        if kind == "shape" and self._is_boxen(collection):
            kind = "boxen"
        columns: dict[str, Values] = {}
        across = "x"
        if kind == "event":
            direction = "x" if collection.is_horizontal() else "y"
            columns, across = (
                {direction: np.asarray(collection.get_positions())},
                direction,
            )
        elif kind == "segment" and self._has_arrows():
            kind = "stream"
        elif kind in {"segment", "interval"} and not hasattr(collection, "_segments3d"):
            found = (
                drawn.read_segments if kind == "segment" else drawn.read_rectangles
            )(collection)
            names = ("x_from", "x_to", "y_from", "y_to")
            columns = {} if found is None else dict(zip(names, found, strict=True))
        if not count:
            return
        if kind == "shape" and collection.get_array() is not None:
            columns = {"value": drawn.to_numbers(np.ravel(collection.get_array()))}
            yield self._read_colors("colored_shape", collection, count, columns)
            return
        more: Any = {"across": across, "source": (collection,)}
        yield self._make(kind, self._label(collection), count, columns, **more)

    def _is_boxen(self, collection: Any) -> bool:
        """Return whether *collection* is seaborn's stack of boxes at a category."""
        is_on_category = any(d.names for d in self.dimensions.values())
        is_stack = isinstance(collection, PatchCollection) and "seaborn" in sys.modules
        return is_stack and is_on_category

    def _has_arrows(self) -> bool:
        """Return whether the axes have arrow heads, as from ``streamplot``."""
        return any(isinstance(patch, FancyArrowPatch) for patch in self.axes.patches)

    def _read_colors(
        self, kind: str, artist: Any, count: int, columns: Mapping[str, Values]
    ) -> Series:
        more: Any = {
            "value_label": drawn.read_color_label(artist),
            "colors": drawn.read_color_span(artist),
            "source": (artist,),
        }
        return self._make(kind, self._label(artist), count, columns, **more)

    def _points(self, collection: Any) -> Iterator[Series]:
        points = drawn.read_places(collection)
        count = len(points[0])
        if not count:
            return
        columns = dict(zip("xyz", map(drawn.to_numbers, points), strict=False))
        colors = collection.get_array()
        if colors is not None and np.shape(colors) == (count,):
            columns["value"] = drawn.to_numbers(colors)
        if isinstance(collection, PathCollection) and "z" not in columns:
            sizes = collection.get_sizes()
            if len(sizes) == count and np.ptp(sizes):
                columns["size"] = drawn.to_numbers(sizes)
        kind = drawn.classify_collection(collection)
        if kind == "arrow":
            parts = "UV" if isinstance(collection, Quiver) else "uv"
            for name in parts:
                columns[name.lower()] = drawn.to_numbers(getattr(collection, name))
        yield self._read_colors(kind, collection, count, columns)

    # Grids

    def _image(self, image: AxesImage) -> Series:
        values = image.get_array()
        if values is None or np.ndim(values) != 2:
            return self._make("picture", self._label(image), 1, {}, source=(image,))
        if isinstance(image, NonUniformImage | PcolorImage):
            return self._read_colors("image", image, np.size(values), {})
        left, right, bottom, top = image.get_extent()
        ends = (top, bottom) if image.origin == "upper" else (bottom, top)
        x = drawn.divide(left, right, np.shape(values)[1])
        y = drawn.divide(*ends, np.shape(values)[0])
        return self._grid("image", image, x, y, values)

    def _mesh(self, mesh: Any) -> Series:
        corners = mesh.get_coordinates()
        values = mesh.get_array()
        is_smooth = np.shape(values)[:2] == corners.shape[:2]
        cells = 0 if is_smooth else 1
        shape = (corners.shape[0] - cells, corners.shape[1] - cells)
        if values is None or np.size(values) != shape[0] * shape[1]:
            return self._make("picture", self._label(mesh), 1, {}, source=(mesh,))
        centers = corners
        if not is_smooth:
            rows = (corners[:-1] + corners[1:]) / 2
            centers = (rows[:, :-1] + rows[:, 1:]) / 2
        x, y = np.moveaxis(np.ma.filled(centers, np.nan), 2, 0)
        if (x == x[:1]).all() and (y == y[:, :1]).all():
            x, y = x[0], y[:, 0]
        return self._grid("mesh", mesh, x, y, values.reshape(shape))

    def _grid(
        self, kind: str, artist: Any, x: Values, y: Values, values: Values
    ) -> Series:
        columns = {
            "x": to_integers(x),
            "y": to_integers(y),
            "value": drawn.to_numbers(values),
        }
        return self._read_colors(kind, artist, np.size(values), columns)

    # Patches

    def _patches(self, patches: Sequence[Patch]) -> Iterator[Series]:
        wedges = [patch for patch in patches if isinstance(patch, Wedge)]
        # A pie may have several rings, each with one radius.
        for _, ring in groupby(wedges, key=lambda wedge: wedge.r):
            yield self._pie(list(ring))
        steps = [patch for patch in patches if isinstance(patch, StepPatch)]
        yield from map(self._steps, steps)
        known = Wedge | StepPatch | Shadow | FancyArrowPatch
        others = [p for p in patches if not isinstance(p, known)]
        outlines = {p: found for p in others if (found := self._outline(p)) is not None}
        # hist draws them in reverse.
        yield from reversed(list(outlines.values()))
        shapes = [p for p in others if p not in outlines and drawn.has_extent(p)]
        if shapes:
            yield self._make("shape", "", len(shapes), {}, source=tuple(shapes))

    def _pie(self, wedges: Sequence[Wedge]) -> Series:
        labels = [self._label(wedge) for wedge in wedges]
        if not any(labels):
            labels = self.legend.names_in_order(wedges) or labels
        # Matplotlib computes shares in 32 bits.
        shares = np.array([(w.theta2 - w.theta1) / 360 for w in wedges], "float32")
        columns = {
            "name": np.array(labels, object),
            "share": np.array([float(str(share)) for share in shares]),
        }
        return self._make("pie", "", len(wedges), columns, source=tuple(wedges))

    def _outline(self, patch: Patch) -> Series | None:
        """Return the histogram if *patch* is the outline of one."""
        if not isinstance(patch, Polygon) or len(patch.get_xy()) < 4:
            return None
        points = np.asarray(patch.get_xy(), float)
        for across, order in (("x", slice(None)), ("y", slice(None, None, -1))):
            if found := read_steps(points[:, order]):
                return self._histogram(patch, across, *found)
        return None

    def _steps(self, patch: StepPatch) -> Series:
        heights, ends, _ = patch.get_data()
        bounds = np.asarray(ends)
        across = "x" if patch.orientation == "vertical" else "y"
        values = drawn.to_numbers(heights)
        return self._histogram(patch, across, bounds[:-1], bounds[1:], values)

    def _histogram(
        self, patch: Patch, across: str, starts: Values, ends: Values, heights: Values
    ) -> Series:
        along = "y" if across == "x" else "x"
        columns = {
            across: compute_middles(starts, ends),
            f"{across}_from": to_integers(starts),
            f"{across}_to": to_integers(ends),
            along: heights,
        }
        more: Any = {"across": across, "source": (patch,)}
        return self._make(
            "histogram", self._label(patch), len(heights), columns, **more
        )


def _is_on_top(
    below: tuple[str, Values, Values], across: str, where: Values, low: Values
) -> bool:
    """Return whether an area begins at the upper edge of the one below."""
    is_along = below[0] == across and np.array_equal(below[1], where, equal_nan=True)
    return is_along and np.array_equal(below[2], low, equal_nan=True)


def _table(table: Any) -> Series:
    """Return the cells of a Matplotlib table as a series."""
    cells = table.get_celld()
    rows = sorted({row for row, _ in cells})
    numbers = sorted({column for _, column in cells})
    columns = {}
    for number in numbers:
        texts = [_cell(cells, row, number) for row in rows]
        columns[f"column {number + 1}"] = Column(np.array(texts, object))
    return Series("table", "", len(rows), columns, source=(table,))


def _cell(cells: Mapping[tuple[int, int], Any], row: int, column: int) -> str:
    cell = cells.get((row, column))
    return plain(cell.get_text().get_text()) if cell is not None else ""
