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
from .series import get_other

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
        if boxes := list(_find_each(unnamed, across)):
            marks = [(m, b) for b in boxes for m in _find_marks(unnamed, b, across)]
            outliers = [m for m, box in marks if _are_outliers(m, box, across)]
            artists = {*(m for m, _ in marks), *chain(*(b.lines for b in boxes))}
            rows = np.array([box.row for box in boxes], float)
            tables = _make_columns(across, rows, outliers)
            return Boxes(frozenset(artists), across, *tables)
    return None


def read_boxes(container: Any) -> Boxes:
    """Return the boxes of seaborn's ``BoxPlotContainer``."""
    medians = [_read_points(line) for line in container.medians[:1]]
    across = "y" if any(x[0] == x[-1] and y[0] != y[-1] for x, y in medians) else "x"
    rows = []
    for number, median in enumerate(container.medians):
        below, above = container.whiskers[2 * number : 2 * number + 2]
        places, lower = _read_points(below, across)
        upper, middle = _read_points(above, across)[1], _read_points(median, across)[1]
        rows.append([places[0], lower[1], lower[0], middle[0], upper[0], upper[1]])
    fliers = [line for line in container.fliers if len(line.get_xdata(orig=False))]
    lines = (container.medians, container.whiskers, container.caps, container.means)
    parts = [*container.boxes, *container.fliers, *chain(*lines)]
    columns, outliers = _make_columns(
        across, np.array(rows, float).reshape(-1, 6), fliers
    )
    face = container.boxes[0] if container.boxes else None
    return Boxes(frozenset(parts), across, columns, outliers, face)


def _make_columns(
    across: str, rows: Values, outliers: Sequence[Line2D]
) -> tuple[Mapping[str, Values], Mapping[str, Values]]:
    along = get_other(across)
    names = (across, *(f"{along}_{name}" for name in _STATISTICS))
    columns = dict(zip(names, rows.T, strict=True))
    points = [_read_points(line, across) for line in outliers]
    if not points:
        return columns, {}
    places, values = (
        np.concatenate(p).astype(float) for p in zip(*points, strict=True)
    )
    return columns, {across: places, along: values}


def _read_points(line: Any, across: str = "x") -> tuple[Values, Values]:
    x, y = line.get_data(orig=False)
    return (x, y) if across == "x" else (y, x)


def _find_each(lines: Sequence[Line2D], across: str) -> Iterator[_Box]:
    start = 0
    while start < len(lines) - 2:
        box = _read_box(lines, start, across)
        if box is None:
            start += 1
        else:
            yield box
            start += len(box.lines)


def _read_box(lines: Sequence[Line2D], start: int, across: str) -> _Box | None:
    """Return the box with whiskers at index *start*, if there is one."""
    whiskers = [_read_points(line, across) for line in lines[start : start + 2]]
    if any(
        len(p) != 2 or p[0] != p[1] or p[0] != whiskers[0][0][0] for p, _ in whiskers
    ):
        return None
    place, (quarter, low), (upper, high) = whiskers[0][0][0], *(w[1] for w in whiskers)
    if not low <= quarter <= upper <= high:
        return None
    end = start + 2
    levels = [_read_level(line, across, place) for line in lines[end : end + 2]]
    if levels == [low, high]:
        end += 2
    median = _read_level(lines[end], across, place) if end < len(lines) else None
    if median is None or not quarter <= median <= upper:
        return None
    row = [place, low, quarter, median, upper, high]
    begin = start - _is_outline(lines[start - 1]) if start else start
    return _Box(lines[begin : end + 1], row)


def _read_level(line: Line2D, across: str, place: float) -> float | None:
    """Return the height of *line* if it is level and centered on *place*."""
    places, heights = _read_points(line, across)
    is_level = len(places) == 2 and heights[0] == heights[1]
    return float(heights[0]) if is_level and np.isclose(places.mean(), place) else None


def _is_outline(line: Line2D) -> bool:
    x, y = _read_points(line)
    return bool(len(x) > 4 and x[0] == x[-1] and y[0] == y[-1])


def _find_marks(lines: Sequence[Line2D], box: _Box, across: str) -> Iterator[Line2D]:
    """Yield the mean and the outliers, drawn after *box* at its place."""
    following = lines[lines.index(box.lines[-1]) + 1 :]
    for line in following[:2]:
        places, _ = _read_points(line, across)
        if line.get_linestyle() != "None" or (places != box.row[0]).any():
            return
        yield line


def _are_outliers(line: Line2D, box: _Box, across: str) -> bool:
    _, values = _read_points(line, across)
    is_beyond = (values < box.row[1]) | (values > box.row[5])
    return len(values) > 0 and bool(is_beyond.all())


@dataclass(frozen=True, slots=True, eq=False)
class Violins:
    """Violins in one direction."""

    artists: frozenset[Artist]
    across: str
    columns: Mapping[str, Values]


def _find_center(collection: Any, *, is_half: bool = False) -> float | None:
    """Return the center of a symmetrical area, such as a violin.

    :param is_half: whether to return the straight side of a half violin instead.
    """
    paths = collection.get_paths()
    if len(paths) != 1:
        return None
    order = slice(None, None, 1 if collection.t_direction == "x" else -1)
    _, low, high = split_outline(paths[0].vertices[:, order])
    if is_half:
        straight = [side for side in (low, high) if len(side) > 3 and not np.ptp(side)]
        return float(straight[0][0]) if len(straight) == 1 else None
    middle = (low + high) / 2
    width = float((high - low).max(initial=0))
    is_level = len(middle) > 3 and np.ptp(middle) <= 1e-9 * width
    return float(np.round(middle[0], 9)) if is_level and np.ptp(high) else None


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
    bodies: list[tuple[Any, float]] = []
    for is_half in (False, True) if is_named else (False,):
        found = [(c, _find_center(c, is_half=is_half)) for c in collections]
        bodies = bodies or [(c, center) for c, center in found if center is not None]
    centers = np.array([center for _, center in bodies], float)
    if not bodies or not (is_named or (centers != 0).any()):
        return None  # It may be a band around 0.
    across = get_other(bodies[0][0].t_direction)
    along = get_other(across)
    ends = np.array([_find_ends(c, along) for c, _ in bodies])
    inner = [r for r in rules if len(r.get_segments()) == len(bodies)]
    columns = {across: centers}
    if any(_are_ends(rule, ends, along) for rule in inner):
        columns |= {f"{along}_low": ends[:, 0], f"{along}_high": ends[:, 1]}
    inside = [line for line in lines if _is_inside(line, centers, across)]
    artists = frozenset([*(c for c, _ in bodies), *inner, *inside])
    return Violins(artists, across, columns)


def _find_ends(collection: Any, along: str) -> tuple[float, float]:
    values = collection.get_paths()[0].vertices[:, "xy".index(along)]
    return float(values.min()), float(values.max())


def _are_ends(rule: Any, ends: Values, along: str) -> bool:
    """Return whether the lines span each violin, as in Matplotlib's violinplot."""
    column = "xy".index(along)
    marks = np.array([segment[[0, -1], column] for segment in rule.get_segments()])
    return bool(np.allclose(np.sort(marks, axis=1), ends))


def _is_inside(line: Any, centers: Values, across: str) -> bool:
    places, _ = _read_points(line, across)
    nearest = np.abs(np.subtract.outer(places, centers)).min(axis=1, initial=np.inf)
    return len(places) > 0 and bool((nearest <= 1e-9).all())
