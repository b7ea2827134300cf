"""The part of a series within the limits of its axes.

Description layer. Numbers only. Points outside the limits are dropped; lines are
clipped at the limits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cbook import STEP_LOOKUP_MAP

from .axis_values import Dimension, Span, Values
from .series import Series

#: Tolerance for rounding errors at a limit, as a share of the axis.
_SLACK = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Polyline:
    """The visible part of a line, in order."""

    x: Values
    y: Values
    #: Whether it is one piece, apart from gaps in its data.
    is_whole: bool


def widen_view(dimension: Dimension) -> Span:
    """Return the limits of *dimension*, widened for rounding errors."""
    view = dimension.view
    slack = _SLACK * (view.high - view.low) if np.isfinite(view.high) else 0.0
    return Span(view.low - slack, view.high + slack)


def find_inside(values: Values, dimension: Dimension | None) -> Values:
    """Return a mask of *values* that are finite and within *dimension*."""
    if dimension is None:
        return np.isfinite(values)
    seen = widen_view(dimension)
    is_inside = (values >= seen.low) & (values <= seen.high)
    if dimension.scale == "log" and seen.low <= 0:
        is_inside &= values > 0
    return is_inside & np.isfinite(values)


def clip(values: Values, dimension: Dimension) -> Values:
    """Clip *values* to the limits of *dimension*."""
    return np.clip(values, dimension.view.low, dimension.view.high)


def find_overlaps(starts: Values, ends: Values, view: Span) -> Values:
    """Return a mask of intervals that overlap *view* in more than a point."""
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    return (high > view.low) & (low < view.high)


def clip_line(x: Values, y: Values, dimensions: Sequence[Dimension]) -> Polyline:
    """Return the visible part of a line.

    :param dimensions: the dimensions of *x* and *y*.
    """
    if all(map(_is_all_inside, (x, y), dimensions)):
        return Polyline(x, y, True)
    is_drawn = np.isfinite(x) & np.isfinite(y)
    for values, dimension in zip((x, y), dimensions, strict=True):
        if dimension.scale == "log":
            is_drawn &= values > 0
    is_inside = is_drawn & find_inside(x, dimensions[0]) & find_inside(y, dimensions[1])
    if (is_inside == is_drawn).all():
        return Polyline(x[is_inside], y[is_inside], True)
    is_gap = np.diff(np.flatnonzero(is_drawn)) > 1
    return _clip_segments([x[is_drawn], y[is_drawn]], is_gap, dimensions)


def _is_all_inside(values: Values, dimension: Dimension) -> bool:
    """Return whether all *values* are visible numbers, without copying them."""
    seen = widen_view(dimension)
    if not len(values) or (dimension.scale == "log" and seen.low <= 0):
        return False
    return bool(values.min() >= seen.low and values.max() <= seen.high)


def _clip_segments(
    points: Sequence[Values], is_gap: Values, dimensions: Sequence[Dimension]
) -> Polyline:
    """Clip each segment in screen space with the Liang-Barsky algorithm."""
    near = np.flatnonzero(~is_gap & ~_are_beside(points, dimensions))
    pairs = [np.array([values[near], values[near + 1]]) for values in points]
    screen = [_transform(v, d) for v, d in zip(pairs, dimensions, strict=True)]
    boxes = [_transform(np.array([d.view.low, d.view.high]), d) for d in dimensions]
    enter, leave = _find_crossings(screen, boxes)
    is_seen = enter < leave
    enter, leave = enter[is_seen], leave[is_seen]
    cut = [
        _interpolate(own[:, is_seen], drawn[:, is_seen], (enter, leave), dimension)
        for own, drawn, dimension in zip(pairs, screen, dimensions, strict=True)
    ]
    is_joined = (leave[:-1] == 1) & (enter[1:] == 0) & (np.diff(near[is_seen]) == 1)
    is_whole = len(enter) > 0 and bool(is_joined.all())
    return Polyline(cut[0], cut[1], is_whole)


def _are_beside(points: Sequence[Values], dimensions: Sequence[Dimension]) -> Values:
    """Return a mask of segments entirely beyond one side of the box."""
    masks = []
    for values, dimension in zip(points, dimensions, strict=True):
        for is_out in (values < dimension.view.low, values > dimension.view.high):
            masks.append(is_out[:-1] & is_out[1:])
    is_beside: Values = np.logical_or.reduce(masks)
    return is_beside


def _interpolate(
    own: Values, drawn: Values, shares: tuple[Values, Values], dimension: Dimension
) -> Values:
    """Return both ends of the visible parts; unclipped ends stay exact."""
    steps = drawn[1] - drawn[0]
    drawn_ends = np.array([drawn[0] + share * steps for share in shares])
    ends = _transform(drawn_ends, dimension, back=True)
    for edge in (dimension.view.low, dimension.view.high):
        ends = np.where(np.isclose(ends, edge, rtol=1e-12, atol=0), edge, ends)
    is_point = np.array([shares[0] == 0, shares[1] == 1])
    return np.where(is_point, own, ends).T.ravel()


def _find_crossings(
    screen: Sequence[Values], boxes: Sequence[Values]
) -> tuple[Values, Values]:
    """Return the fractions of each segment at which it enters and leaves the box."""
    count = screen[0].shape[1]
    enter, leave = np.zeros(count), np.ones(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        for (start, end), box in zip(screen, boxes, strict=True):
            step = end - start
            ends = [(edge - start) / step for edge in sorted(box)]
            is_level = step == 0
            is_out = is_level & ((start < min(box)) | (start > max(box)))
            enter = np.where(is_level, enter, np.fmax(enter, np.fmin(*ends)))
            leave = np.where(is_level, leave, np.fmin(leave, np.fmax(*ends)))
            leave = np.where(is_out, -1.0, leave)
    return enter, leave


def _transform(values: Values, dimension: Dimension, *, back: bool = False) -> Values:
    """Return *values* as numbers that are linear on the screen, or *back*."""
    if dimension.scale == "linear" or dimension.transform is None:
        return np.asarray(values, float)
    transform = dimension.transform.inverted() if back else dimension.transform
    with np.errstate(all="ignore"):
        # Matplotlib would take the rows of an array for points.
        return np.reshape(transform.transform(values.ravel()), values.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """The part of a series within the limits."""

    #: Mask of the visible items; ``None`` if their places are unknown.
    mask: Values | None
    #: The visible numbers, by direction; ``value`` for colors.
    values: Mapping[str, Values]
    #: Whether a part is outside the limits.
    is_cut: bool = False
    #: The visible part of a line.
    line: Polyline | None = None

    @property
    def count(self) -> int | None:
        """The number of visible items, if known."""
        return None if self.mask is None else int(self.mask.sum())


def see(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    """Return the part of *series* within the limits of its axes."""
    match series.kind:
        case "line" if "z" not in series.columns:
            return _see_line(series, dimensions)
        case "bar" | "histogram" | "block_bar":
            return _see_bars(series, dimensions)
        case "area" | "stacked_area" | "box" | "violin" | "gantt":
            return _see_ranges(series, dimensions)
        case "image" | "mesh" | "tile":
            return _see_grid(series, dimensions)
        case "segment" | "interval":
            return _see_intervals(series, dimensions)
    return _see_points(series, dimensions)


def _see_line(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    x, y = map(series.get_numbers, "xy")
    step = STEP_LOOKUP_MAP.get(series.drawstyle)
    if series.drawstyle != "default" and step is not None:
        x, y = step(x, y)
    line = clip_line(x, y, [dimensions["x"], dimensions["y"]])
    return Seen(None, {"x": line.x, "y": line.y}, not line.is_whole, line)


def _see_points(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    columns = {name: series.find_numbers(name) for name in dimensions}
    points = {name: found for name, found in columns.items() if found is not None}
    if not points:
        return Seen(None, _read_color_values(series, None))
    masks = [find_inside(values, dimensions[name]) for name, values in points.items()]
    mask = np.logical_and.reduce(masks)
    values = {name: found[mask] for name, found in points.items()}
    return Seen(mask, values | _read_color_values(series, mask), bool(not mask.all()))


def _read_color_values(series: Series, mask: Values | None) -> dict[str, Values]:
    """Return the values shown as colors, clipped to the color scale."""
    values = series.find_numbers("value")
    if values is None and series.kind == "contour":
        values = series.find_numbers("level")
    if values is None:
        return {}
    found = values if mask is None else values[mask]
    found = found[np.isfinite(found)]
    if series.colors is not None:
        found = np.clip(found, series.colors.low, series.colors.high)
    return {"value": found}


def _see_bars(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    side, along = dimensions[series.across], dimensions[series.along]
    places, heights = map(series.get_numbers, (series.across, series.along))
    bases = series.find_numbers(f"{series.along}_base")
    starts = series.find_numbers(f"{series.across}_from")
    ends = series.find_numbers(f"{series.across}_to")
    low = np.zeros(len(heights)) if bases is None else bases
    with np.errstate(invalid="ignore"):
        tops = low + heights
        is_top_seen = find_inside(tops, along)
        is_level = is_top_seen | find_overlaps(low, tops, along.view)
        is_whole = is_top_seen | (heights == 0)
    is_known = np.isfinite(heights)
    if starts is None or ends is None:
        mask = find_inside(places, side) & is_level & is_known
        extents = places[mask]
    else:
        is_beside = find_overlaps(starts, ends, side.view)
        mask = is_beside & is_level & is_known
        extents = np.concatenate([starts[is_beside], ends[is_beside]])
    is_cut = bool((is_known & ~(mask & is_whole)).any())
    tops = heights[mask & is_whole]
    return Seen(mask, {series.across: clip(extents, side), series.along: tops}, is_cut)


def _see_ranges(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    """Return the visible part of items with a place and an extent across it."""
    across, along = series.across, series.along
    places = series.get_numbers(across)
    mask = find_inside(places, dimensions[across])
    found = [
        np.asarray(column.values, float)[mask]
        for name, column in series.columns.items()
        if name.partition("_")[0] == along and not _is_baseline(series, name)
    ]
    extents = np.concatenate(found) if found else np.array([])
    extents = extents[np.isfinite(extents)]
    is_inside = find_inside(extents, dimensions[along])
    is_cut = bool((np.isfinite(places) & ~mask).any() or not is_inside.all())
    values = {across: places[mask], along: clip(extents, dimensions[along])}
    return Seen(mask, values, is_cut)


def _is_baseline(series: Series, name: str) -> bool:
    """Return whether a column is the constant baseline of an area."""
    values = series.get_numbers(name)
    is_edge = series.kind == "area" and name.endswith(("_low", "_high"))
    return is_edge and len(values) > 0 and bool((values == values[0]).all())


def _see_grid(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    x, y = map(series.get_numbers, "xy")
    values = series.find_numbers("value")
    across, up = find_inside(x, dimensions["x"]), find_inside(y, dimensions["y"])
    is_grid = values is not None and values.ndim == 2 and x.ndim == 1
    mask = up[:, None] & across if is_grid else up & across
    is_cut = bool(not (across.all() and up.all()))
    seen = {"x": x[across], "y": y[up]}
    return Seen(mask, seen | _read_color_values(series, mask), is_cut)


def _see_intervals(series: Series, dimensions: Mapping[str, Dimension]) -> Seen:
    if "x_from" not in series.columns:
        return Seen(None, {})
    values, masks = {}, []
    for name in "xy":
        ends = np.array(
            [series.get_numbers(f"{name}_from"), series.get_numbers(f"{name}_to")]
        )
        view = widen_view(dimensions[name])
        masks.append((ends.max(axis=0) >= view.low) & (ends.min(axis=0) <= view.high))
        values[name] = clip(ends.ravel(), dimensions[name])
    mask = masks[0] & masks[1]
    return Seen(mask, values, not bool(mask.all()))
