"""Reads the series of one axes from its artists.

Description layer. An artist becomes at most one series; decoration becomes none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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

from ..forks import cached_property
from . import artists as drawn
from .artists import Area, read_label
from .axis_values import (
    Dimension,
    Values,
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
from .legend_names import LegendNames, read_color
from .plain_text import to_plain
from .series import Column, Guide, Series, get_column_order, get_other

#: Kinds with a name for each item, from the tick beside it, or from a near category.
_NAMED_BESIDE = {"bar", "box", "violin", "gantt"}
_NAMED_NEARBY = _NAMED_BESIDE | {"outlier", "scatter", "errorbar"}


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
        yield from self._read_containers()
        yield from self._read_boxes_and_violins()
        collections = [c for c in self.axes.collections if self._shows(c)]
        # First, as they include lines.
        areas = list(self._read_areas(collections))
        yield from self._read_lines()
        yield from areas
        for collection in collections:
            if collection not in self.done:
                yield from self._read_collection(collection)
        yield from map(self._read_image, filter(self._shows, self.axes.images))
        yield from self._read_patches(list(filter(self._shows, self.axes.patches)))
        yield from map(_read_table, self.axes.tables)

    def read_guides(self) -> Iterator[Guide]:
        """Yield the reference lines and areas, such as those of ``axhline``."""
        areas = (p for p in self.axes.patches if isinstance(p, Rectangle))
        for artist in (*self.axes.lines, *(a for a in areas if a not in self.done)):
            if artist.get_visible() and (guide := self._read_guide(artist)):
                yield guide

    def _read_guide(self, artist: Any) -> Guide | None:
        label = read_label(artist)
        if isinstance(artist, AxLine):
            return Guide("line", "", (), label)
        in_x, in_y = self._find_branches(artist)
        if in_x == in_y:
            return None
        name = "x" if in_x else "y"
        if isinstance(artist, Rectangle):
            start, end = getattr(artist.get_bbox(), f"interval{name}")
            return Guide("area", name, (float(start), float(end)), label)
        ends = artist.get_data(orig=False)["xy".index(name)]
        is_straight = len(ends) == 2 and ends[0] == ends[1]
        return Guide("line", name, (float(ends[0]),), label) if is_straight else None

    def _find_branches(self, artist: Artist) -> tuple[bool, bool]:
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
        return all(self._find_branches(artist))

    def _make(
        self,
        kind: str,
        label: str,
        columns: Mapping[str, Values],
        *,
        count: int | None = None,
        **more: Any,
    ) -> Series:
        """Return a series; each column name begins with its direction.

        :param count: number of its items, by default of the values in a column.
        """
        measured = {
            name: self._make_column(kind, name, columns[name])
            for name in sorted(columns, key=get_column_order)
        }
        if count is None:
            count = len(next(iter(columns.values())))
        return Series(kind, label, count, measured, **more)

    def _make_column(self, kind: str, name: str, values: Values) -> Column:
        direction, _, part = name.partition("_")
        dimension = self.dimensions.get(direction)
        if dimension is None or part or self.is_map or values.dtype == object:
            return Column(values, dimension)
        return Column(values, dimension, self._find_names(kind, dimension, values))

    @staticmethod
    def _find_names(kind: str, dimension: Dimension, places: Values) -> Values | None:
        """Return the names of places from categories or ticks, if each has one."""
        if places.ndim != 1 or not len(places) or kind in {"histogram", "block_bar"}:
            return None
        if dimension.names is not None:
            if kind not in _NAMED_NEARBY or set(places.tolist()) <= set(
                dimension.names
            ):
                return None
            nearest = np.round(places.astype(float))
            is_near = (np.abs(places - nearest) < 0.5).all()
            return match_ticks(dimension.names, nearest) if is_near else None
        if not dimension.is_plain:
            return None
        names = match_ticks(dimension.tick_names, places)
        if names is None and kind in _NAMED_BESIDE:
            return match_nearby_ticks(dimension.tick_names, places)
        return names

    def _name(self, artist: Any) -> str:
        return read_label(artist) or self.legend.find_name(artist)

    # Containers

    def _read_containers(self) -> Iterator[Series]:
        if "z" in self.dimensions:
            return
        bars: list[Bars] = []
        errors = [getattr(one, "errorbar", None) for one in self.axes.containers]
        for container in self.axes.containers:
            held = drawn.list_parts(container)
            if container in errors or self.done.issuperset(held):
                continue
            is_seen = all(artist.get_visible() for artist in held)
            if isinstance(container, BarContainer) and container.patches:
                self.done.update(held)
                bars += [Bars.of(container)] if is_seen else []
            elif isinstance(container, ErrorbarContainer | StemContainer):
                self.done.update(held)
                yield from self._read_container(container) if is_seen else ()
            elif hasattr(container, "medians"):
                yield from self._read_boxes(read_boxes(container))
        yield from self._read_bars(bars)

    def _read_container(self, container: Any) -> Iterator[Series]:
        label = read_label(container)
        if isinstance(container, StemContainer):
            yield from self._read_line(container.markerline, "stem", label)
            return
        line = container.lines[0]
        if line is not None:
            values = drawn.read_coordinates(line)
            columns = {
                **dict(zip("xy", map(drawn.to_numbers, values), strict=False)),
                **drawn.read_errors(container, len(values[0])),
            }
            made = self._make("errorbar", label or self._name(line), columns)
            yield self._add_times(made, line)
        elif columns := drawn.read_bare_errors(container):
            across = "y" if "y_low" not in columns else "x"
            yield self._make("errorbar", label, columns, across=across)

    # Bars

    def _read_bars(self, bars: Sequence[Bars]) -> Iterator[Series]:
        bins: dict[int, tuple[Values, Values]] = {}
        for group in group_samples(bars):
            if found := read_shared_bins(group):
                bins |= {id(one): found for one in group}
        names = self.legend.name_handles([b.container.patches[0] for b in bars])
        for number, one in enumerate(bars):
            name = names[number] if names and not read_label(one.container) else ""
            yield self._make_bars(one, bins.get(id(one)), name)

    def _make_bars(
        self, bars: Bars, bins: tuple[Values, Values] | None, name: str
    ) -> Series:
        across, along = ("y", "x") if bars.is_horizontal else ("x", "y")
        columns = {across: bars.middles, along: bars.heights}
        kind = "histogram" if bins else self._classify_bars(bars, across)
        if bins is None and kind in {"histogram", "block_bar"}:
            bins = read_bins(bars)
        if bins is not None:
            columns |= {f"{across}_from": bins[0], f"{across}_to": bins[1]}
            if kind == "histogram":
                columns[across] = compute_middles(*bins)
        if self.dimensions[along].dates is not None and bars.bases.any():
            kind = "gantt"
            columns[f"{along}_from"] = bars.bases
            columns[f"{along}_to"] = bars.bases + columns.pop(along)
        elif bars.bases.any():
            columns[f"{along}_base"] = bars.bases
        if bars.container.errorbar is not None:
            columns |= drawn.read_errors(bars.container.errorbar, len(bars.starts))
        label = bars.label or name
        if not (label or any(map(read_label, bars.container.patches))):
            label = self.legend.find_name(bars.container.patches[0])
        count = int(bars.is_seen.sum())
        return self._make(kind, label, columns, count=count, across=across)

    def _classify_bars(self, bars: Bars, across: str) -> str:
        dimension = self.dimensions[across]
        if self.axes.name == "polar":
            return "bar"
        names = dimension.names
        if names is not None and (
            not bars.touch or set(bars.middles.tolist()) <= set(names)
        ):
            return "bar"
        if match_nearby_ticks(dimension.tick_names, bars.middles) is not None:
            return "bar"
        return classify_bars(bars, is_of_dates=dimension.dates is not None)

    # Boxes and violins

    def _read_boxes_and_violins(self) -> Iterator[Series]:
        lines = [line for line in self.axes.lines if self._shows(line)]
        if boxes := find_boxes(lines):
            self.done.update(p for p in self.axes.patches if isinstance(p, PathPatch))
            yield from self._read_boxes(boxes)
        fills = self._find_shown(FillBetweenPolyCollection)
        bodies = [fill for fill in fills if not read_label(fill)]
        rules = self._find_shown(LineCollection)
        dimensions = [self.dimensions[get_other(b.t_direction)] for b in bodies]
        is_named = any(d.names is not None or d.tick_names for d in dimensions)
        for color, group in self._group_by_color(bodies):
            if violins := find_violins(group, lines, rules, is_named):
                self.done |= violins.artists
                name = self.legend.colors.get(color, "")
                across = violins.across
                yield self._make("violin", name, violins.columns, across=across)

    def _group_by_color(self, bodies: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
        """Group *bodies* by hue, if seaborn's legend names hues."""
        groups: dict[Any, list[Any]] = {}
        for body in bodies:
            color = read_color(body) if self.legend.colors else None
            groups.setdefault(color, []).append(body)
        return groups.items()

    def _find_shown(self, kind: Any) -> list[Any]:
        return [
            c for c in self.axes.collections if isinstance(c, kind) and self._shows(c)
        ]

    def _read_boxes(self, boxes: Boxes) -> Iterator[Series]:
        self.done |= boxes.artists
        label = self.legend.find_name(boxes.face) if boxes.face is not None else ""
        yield self._make("box", label, boxes.columns, across=boxes.across)
        if boxes.outliers:
            yield self._make("outlier", label, boxes.outliers, across=boxes.across)

    # Lines and areas

    def _read_lines(self) -> Iterator[Series]:
        has_bars = any(isinstance(c, BarContainer) for c in self.axes.containers)
        for line in self.axes.lines:
            is_guide = drawn.is_guide(line, has_bars) or self._is_mark_on_category(line)
            if self._shows(line) and not is_guide:
                kind = drawn.classify_line(line)
                yield from self._read_line(line, kind, self._name(line))

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

    def _read_line(self, line: Line2D, kind: str, label: str) -> Iterator[Series]:
        values = [drawn.to_numbers(v) for v in drawn.read_coordinates(line)]
        if len(values[0]):
            columns = dict(zip("xyz", values, strict=False))
            made = self._make(kind, label, columns, drawstyle=line.get_drawstyle())
            yield self._add_times(made, line)

    def _add_times(self, made: Series, line: Line2D) -> Series:
        """Return *made* with the exact dates and durations given to *line*."""
        columns = dict(made.columns)
        for name, times in drawn.read_times(line).items():
            if times.dtype.kind == "m" or self.dimensions[name].dates is not None:
                columns[name] = replace(columns[name], exact=times)
        return replace(made, columns=columns)

    def _read_areas(self, collections: Sequence[Any]) -> Iterator[Series]:
        fills = [
            c
            for c in collections
            if isinstance(c, FillBetweenPolyCollection) and c not in self.done
        ]
        self.done.update(fills)
        areas = [Area.of(fill) for fill in fills if fill.get_paths()]
        for number, area in enumerate(areas):
            self._drop_outline(area)
            beneath, following = areas[:number][-1:], areas[number + 1 :][:1]
            is_stacked = any(map(area.is_on, beneath))
            is_stacked |= any(other.is_on(area) for other in following)
            kind = "stacked_area" if is_stacked else "area"
            columns = area.read_stacked() if is_stacked else area.read_edges()
            yield self._make(kind, self._name(area.fill), columns, across=area.across)

    def _drop_outline(self, area: Area) -> None:
        """Treat a line along the upper edge of *area* as part of it."""
        label = read_label(area.fill)
        for line in self.axes.lines:
            if line not in self.done and read_label(line) in {"", label}:
                values = drawn.read_coordinates(line)[:2]
                places, heights = map(
                    drawn.to_numbers, values if area.across == "x" else values[::-1]
                )
                if np.array_equal(places, area.places) and np.array_equal(
                    heights, area.high
                ):
                    self.done.add(line)

    # Collections

    def _read_collection(self, collection: Any) -> Iterator[Series]:
        if isinstance(collection, QuadMesh | PolyQuadMesh):
            # cartopy's copy of the cells that wrap around the globe.
            self.done.add(getattr(collection, "_wrapped_collection_fix", collection))
            yield self._read_mesh(collection)
        elif isinstance(collection, ContourSet):
            columns = {"level": np.asarray(collection.levels)}
            yield self._make_colored("contour", collection, columns)
        elif hasattr(collection, "_offsets3d") or drawn.has_offsets(collection):
            yield from self._read_points(collection)
        elif count := drawn.count_items(collection):
            yield self._read_shapes(collection, count)

    def _read_shapes(self, collection: Any, count: int) -> Series:
        kind = drawn.classify_collection(collection)
        colors = collection.get_array()
        is_flat = not hasattr(collection, "_segments3d")
        columns: Mapping[str, Values] = {}
        across = "x"
        if kind == "shape" and self._is_boxen(collection):
            kind = "boxen"
        elif kind == "shape" and colors is not None:
            columns = {"value": drawn.to_numbers(np.ravel(colors))}
            return self._make_colored("colored_shape", collection, columns, count)
        elif kind == "event":
            across = "x" if collection.is_horizontal() else "y"
            columns = {across: np.asarray(collection.get_positions())}
        elif kind == "segment" and any(
            isinstance(patch, FancyArrowPatch) for patch in self.axes.patches
        ):
            kind = "stream"  # streamplot() adds arrow heads.
        elif kind == "segment" and is_flat:
            columns = drawn.read_segments(collection)
        elif kind == "interval":
            columns = drawn.read_rectangles(collection)
        name = self._name(collection)
        return self._make(kind, name, columns, count=count, across=across)

    def _is_boxen(self, collection: Any) -> bool:
        """Return whether *collection* is seaborn's stack of boxes at a category."""
        is_on_category = any(d.names for d in self.dimensions.values())
        is_stack = isinstance(collection, PatchCollection) and "seaborn" in sys.modules
        return is_stack and is_on_category

    def _make_colored(
        self,
        kind: str,
        artist: Any,
        columns: Mapping[str, Values],
        count: int | None = None,
    ) -> Series:
        """Return a series whose colors show values."""
        return self._make(
            kind,
            self._name(artist),
            columns,
            count=count,
            value_label=drawn.read_color_label(artist),
            colors=drawn.read_color_span(artist),
        )

    def _read_points(self, collection: Any) -> Iterator[Series]:
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
            for name in "UV" if isinstance(collection, Quiver) else "uv":
                columns[name.lower()] = drawn.to_numbers(getattr(collection, name))
        yield self._make_colored(kind, collection, columns)

    # Grids

    def _read_image(self, image: AxesImage) -> Series:
        values = image.get_array()
        if values is None or np.ndim(values) != 2:
            return self._make("picture", self._name(image), {}, count=1)
        if isinstance(image, NonUniformImage | PcolorImage):
            return self._make_colored("image", image, {}, np.size(values))
        left, right, bottom, top = image.get_extent()
        ends = (top, bottom) if image.origin == "upper" else (bottom, top)
        x = drawn.divide(left, right, np.shape(values)[1])
        y = drawn.divide(*ends, np.shape(values)[0])
        return self._make_grid("image", image, x, y, values)

    def _read_mesh(self, mesh: Any) -> Series:
        corners = mesh.get_coordinates()
        values = mesh.get_array()
        is_smooth = np.shape(values)[:2] == corners.shape[:2]
        cells = 0 if is_smooth else 1
        shape = (corners.shape[0] - cells, corners.shape[1] - cells)
        if values is None or np.size(values) != shape[0] * shape[1]:
            return self._make("picture", self._name(mesh), {}, count=1)
        centers = corners
        if not is_smooth:
            rows = (corners[:-1] + corners[1:]) / 2
            centers = (rows[:, :-1] + rows[:, 1:]) / 2
        x, y = np.moveaxis(np.ma.filled(centers, np.nan), 2, 0)
        if (x == x[:1]).all() and (y == y[:, :1]).all():
            x, y = x[0], y[:, 0]
        return self._make_grid("mesh", mesh, x, y, values.reshape(shape))

    def _make_grid(
        self, kind: str, artist: Any, x: Values, y: Values, values: Values
    ) -> Series:
        cells = drawn.to_numbers(values)
        columns = {"x": to_integers(x), "y": to_integers(y), "value": cells}
        return self._make_colored(kind, artist, columns, np.size(values))

    # Patches

    def _read_patches(self, patches: Sequence[Patch]) -> Iterator[Series]:
        wedges = [patch for patch in patches if isinstance(patch, Wedge)]
        # A pie may have several rings, each with one radius.
        for _, ring in groupby(wedges, key=lambda wedge: wedge.r):
            yield self._read_pie(list(ring))
        yield from (self._read_steps(p) for p in patches if isinstance(p, StepPatch))
        known = Wedge | StepPatch | Shadow | FancyArrowPatch
        others = [p for p in patches if not isinstance(p, known)]
        outlines = {p: found for p in others if (found := self._read_outline(p))}
        # hist draws them in reverse.
        yield from reversed(outlines.values())
        shapes = [p for p in others if p not in outlines and not drawn.is_empty(p)]
        if shapes:
            yield self._make("shape", "", {}, count=len(shapes))

    def _read_pie(self, wedges: Sequence[Wedge]) -> Series:
        labels = [self._name(wedge) for wedge in wedges]
        if not any(labels):
            labels = self.legend.name_handles(wedges) or labels
        # Matplotlib computes shares in 32 bits.
        shares = np.array([(w.theta2 - w.theta1) / 360 for w in wedges], "float32")
        columns = {
            "name": np.array(labels, object),
            "share": np.array([float(str(share)) for share in shares]),
        }
        return self._make("pie", "", columns)

    def _read_outline(self, patch: Patch) -> Series | None:
        """Return the histogram if *patch* is the outline of one."""
        if not isinstance(patch, Polygon) or len(patch.get_xy()) < 4:
            return None
        points = np.asarray(patch.get_xy(), float)
        for across, order in (("x", slice(None)), ("y", slice(None, None, -1))):
            if found := read_steps(points[:, order]):
                return self._make_histogram(patch, across, *found)
        return None

    def _read_steps(self, patch: StepPatch) -> Series:
        heights, ends, _ = patch.get_data()
        bounds = np.asarray(ends)
        across = "x" if patch.orientation == "vertical" else "y"
        values = drawn.to_numbers(heights)
        return self._make_histogram(patch, across, bounds[:-1], bounds[1:], values)

    def _make_histogram(
        self, patch: Patch, across: str, starts: Values, ends: Values, heights: Values
    ) -> Series:
        columns = {
            across: compute_middles(starts, ends),
            f"{across}_from": to_integers(starts),
            f"{across}_to": to_integers(ends),
            get_other(across): heights,
        }
        return self._make("histogram", self._name(patch), columns, across=across)


def _read_table(table: Any) -> Series:
    """Return the cells of a Matplotlib table as a series."""
    cells = {
        place: to_plain(cell.get_text().get_text())
        for place, cell in table.get_celld().items()
    }
    rows = sorted({row for row, _ in cells})
    columns = {}
    for number in sorted({column for _, column in cells}):
        texts = [cells.get((row, number), "") for row in rows]
        columns[f"column {number + 1}"] = Column(np.array(texts, object))
    return Series("table", "", len(rows), columns)
