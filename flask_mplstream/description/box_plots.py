"""Box plots and violins, recognized by their lines and areas.

Description layer. Matplotlib and pandas do not record that lines are a box plot, but
``bxp`` always draws whiskers, caps and median in this order. seaborn has a container
for the boxes of each hue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.lines import Line2D

from .artists import split_outline
from .axis_values import Values

_STATISTICS = ("low", "quarter", "median", "three_quarters", "high")


@dataclass(frozen=True, slots=True, eq=False)
class Boxes:
    """The boxes in one direction and their artists."""

    artists: frozenset[Artist]
    #: The direction in which boxes are side by side, ``x`` or ``y``.
    across: str
    #: Places by that direction and statistics by the other one: ``y_low``,
    #: ``y_quarter``, ``y_median``, ``y_three_quarters``, ``y_high``.
    columns: Mapping[str, Values]
    #: The points beyond the whiskers.
    outliers: Mapping[str, Values] = field(default_factory=dict)
    #: An artist with the color of all boxes.
    face: Artist | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    lines: Sequence[Line2D]
    row: Sequence[float]


def find_boxes(lines: Sequence[Line2D]) -> Boxes | None:
    """Return the boxes drawn by *lines*, which are in the order of drawing."""
    unnamed = [line for line in lines if str(line.get_label()).startswith("_")]
    for across in "xy":
        if boxes := list(_boxes(unnamed, across)):
            marks = [line for box in boxes for line in _marks(unnamed, box, across)]
            parts = (line for box in boxes for line in box.lines)
            rows = np.array([box.row for box in boxes], float)
            outliers = [
                line
                for box in boxes
                for line in _marks(unnamed, box, across)
                if _are_outliers(line, box, across)
            ]
            tables = _tables(across, rows, outliers)
            return Boxes(frozenset([*marks, *parts]), across, *tables)
    return None


def read_boxes(container: Any) -> Boxes:
    """Return the boxes of seaborn's ``BoxPlotContainer``."""
    medians = [_points(line) for line in container.medians[:1]]
    across = "y" if any(x[0] == x[-1] and y[0] != y[-1] for x, y in medians) else "x"
    rows = []
    for number, median in enumerate(container.medians):
        below, above = container.whiskers[2 * number : 2 * number + 2]
        places, lower = _points(below, across)
        upper, middle = _points(above, across)[1], _points(median, across)[1]
        rows.append([places[0], lower[1], lower[0], middle[0], upper[0], upper[1]])
    fliers = [line for line in container.fliers if len(line.get_xdata(orig=False))]
    lines = (container.medians, container.whiskers, container.caps, container.means)
    parts = [*container.boxes, *container.fliers, *chain(*lines)]
    columns, outliers = _tables(across, np.array(rows, float).reshape(-1, 6), fliers)
    face = container.boxes[0] if container.boxes else None
    return Boxes(frozenset(parts), across, columns, outliers, face)


def _tables(
    across: str, rows: Values, outliers: Sequence[Line2D]
) -> tuple[Mapping[str, Values], Mapping[str, Values]]:
    along = "y" if across == "x" else "x"
    names = (across, *(f"{along}_{name}" for name in _STATISTICS))
    columns = dict(zip(names, rows.T, strict=True))
    points = [_points(line, across) for line in outliers]
    if not points:
        return columns, {}
    places, values = (
        np.concatenate(p).astype(float) for p in zip(*points, strict=True)
    )
    return columns, {across: places, along: values}


def _points(line: Any, across: str = "x") -> tuple[Values, Values]:
    x, y = line.get_data(orig=False)
    return (x, y) if across == "x" else (y, x)


def _boxes(lines: Sequence[Line2D], across: str) -> Iterator[_Box]:
    start = 0
    while start < len(lines) - 2:
        box = _box_at(lines, start, across)
        if box is None:
            start += 1
        else:
            yield box
            start += len(box.lines)


def _box_at(lines: Sequence[Line2D], start: int, across: str) -> _Box | None:
    """Return the box with whiskers at index *start*, if there is one."""
    whiskers = [_points(line, across) for line in lines[start : start + 2]]
    if any(
        len(p) != 2 or p[0] != p[1] or p[0] != whiskers[0][0][0] for p, _ in whiskers
    ):
        return None
    place, (quarter, low), (upper, high) = whiskers[0][0][0], *(w[1] for w in whiskers)
    if not low <= quarter <= upper <= high:
        return None
    end = start + 2
    if _are_caps(lines[end : end + 2], across, place, (low, high)):
        end += 2
    median = _level(lines[end], across, place) if end < len(lines) else None
    if median is None or not quarter <= median <= upper:
        return None
    row = [place, low, quarter, median, upper, high]
    begin = start - _is_outline(lines[start - 1]) if start else start
    return _Box(lines[begin : end + 1], row)


def _are_caps(
    lines: Sequence[Line2D], across: str, place: float, ends: tuple[float, float]
) -> bool:
    return tuple(_level(line, across, place) for line in lines) == ends


def _level(line: Line2D, across: str, place: float) -> float | None:
    """Return the height of *line* if it is level and centered on *place*."""
    places, heights = _points(line, across)
    is_level = len(places) == 2 and heights[0] == heights[1]
    return float(heights[0]) if is_level and np.isclose(places.mean(), place) else None


def _is_outline(line: Line2D) -> bool:
    x, y = _points(line)
    return bool(len(x) > 4 and x[0] == x[-1] and y[0] == y[-1])


def _marks(lines: Sequence[Line2D], box: _Box, across: str) -> Iterator[Line2D]:
    """Yield the mean and the outliers, drawn after *box* at its place."""
    following = lines[lines.index(box.lines[-1]) + 1 :]
    for line in following[:2]:
        places, _ = _points(line, across)
        if line.get_linestyle() != "None" or (places != box.row[0]).any():
            return
        yield line


def _are_outliers(line: Line2D, box: _Box, across: str) -> bool:
    _, values = _points(line, across)
    is_beyond = (values < box.row[1]) | (values > box.row[5])
    return len(values) > 0 and bool(is_beyond.all())


@dataclass(frozen=True, slots=True, eq=False)
class Violins:
    """Violins in one direction."""

    artists: frozenset[Artist]
    across: str
    columns: Mapping[str, Values]
    face: Artist


def find_violin_center(collection: Any) -> float | None:
    """Return the center of a symmetrical area, such as a violin."""
    paths = collection.get_paths()
    if len(paths) != 1:
        return None
    order = slice(None, None, 1 if collection.t_direction == "x" else -1)
    _, low, high = split_outline(paths[0].vertices[:, order])
    middle = (low + high) / 2
    width = float((high - low).max(initial=0))
    is_level = len(middle) > 3 and np.ptp(middle) <= 1e-9 * width
    return float(np.round(middle[0], 9)) if is_level and np.ptp(high) else None


def find_half_violin_center(collection: Any) -> float | None:
    """Return the place of the straight side of an area, such as a half violin."""
    paths = collection.get_paths()
    if len(paths) != 1:
        return None
    order = slice(None, None, 1 if collection.t_direction == "x" else -1)
    _, *sides = split_outline(paths[0].vertices[:, order])
    straight = [side for side in sides if len(side) > 3 and not np.ptp(side)]
    return float(straight[0][0]) if len(straight) == 1 else None


def find_violins(
    collections: Sequence[Any],
    lines: Sequence[Any],
    rules: Sequence[Any],
    is_named: bool,
) -> Violins | None:
    """Return the violins among *collections*, which fill between two edges.

    :param lines: lines that may be inside violins.
    :param rules: line collections that may mark the ends of violins.
    :param is_named: whether the places have names.
    """
    found = [(c, find_violin_center(c)) for c in collections]
    if is_named and not any(center is not None for _, center in found):
        found = [(c, find_half_violin_center(c)) for c in collections]
    bodies = [(c, center) for c, center in found if center is not None]
    centers = np.array([center for _, center in bodies], float)
    if not bodies or not (is_named or (centers != 0).any()):
        return None  # It may be a band around 0.
    across = "y" if bodies[0][0].t_direction == "x" else "x"
    along = "x" if across == "y" else "y"
    ends = np.array([_ends(c, along) for c, _ in bodies])
    inner = [r for r in rules if len(r.get_segments()) == len(bodies)]
    columns = {across: centers}
    if any(_are_ends(rule, ends, along) for rule in inner):
        columns |= {f"{along}_low": ends[:, 0], f"{along}_high": ends[:, 1]}
    inside = [line for line in lines if _is_inside(line, centers, across)]
    artists = frozenset([*(c for c, _ in bodies), *inner, *inside])
    return Violins(artists, across, columns, bodies[0][0])


def _ends(collection: Any, along: str) -> tuple[float, float]:
    values = collection.get_paths()[0].vertices[:, "xy".index(along)]
    return float(values.min()), float(values.max())


def _are_ends(rule: Any, ends: Values, along: str) -> bool:
    """Return whether the lines span each violin, as in Matplotlib's violinplot."""
    column = "xy".index(along)
    marks = np.array([segment[[0, -1], column] for segment in rule.get_segments()])
    return bool(np.allclose(np.sort(marks, axis=1), ends))


def _is_inside(line: Any, centers: Values, across: str) -> bool:
    places, _ = _points(line, across)
    nearest = np.abs(np.subtract.outer(places, centers)).min(axis=1, initial=np.inf)
    return len(places) > 0 and bool((nearest <= 1e-9).all())
