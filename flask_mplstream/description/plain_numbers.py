"""Plain numbers on an axis of dates, which Matplotlib draws as days since 1970.

Description layer. Neither the words nor the data may call them dates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.collections import Collection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

_YEAR = np.timedelta64(366, "D")
_EPOCH = np.datetime64(0, "us")


def find_last_number(
    axis: Axis, decode: Callable[[NDArray[Any]], NDArray[Any]]
) -> float:
    """Return the greatest plain number on *axis*, or ``-inf`` if it has only dates.

    An artist is taken for plain numbers if it begins within a year of 1970, another
    one begins more than a year after its end, and it was not given dates itself.

    :param decode: numbers -> dates.
    """
    spans = list(_list_spans(axis))
    if len(spans) < 2:
        return -math.inf
    ends = decode(np.ravel([span for span, _ in spans])).reshape(-1, 2)
    lasts = [
        span[1]
        for (span, has_dates), (first, last) in zip(spans, ends, strict=True)
        if not has_dates
        and abs(first - _EPOCH) <= _YEAR
        and (ends[:, 0] > last + _YEAR).any()
    ]
    return max(lasts, default=-math.inf)


def read_name(axis: Any) -> str:
    """Return the name of *axis*, such as ``x``, which Matplotlib's types lack."""
    return str(axis.axis_name)


def list_shared_axes(axis: Axis) -> list[Any]:
    """Return the axes that share *axis*, its own included; none on a polar plot."""
    shared = getattr(axis.axes, f"get_shared_{read_name(axis)}_axes", None)
    return [] if shared is None else shared().get_siblings(axis.axes)


def _list_spans(axis: Axis) -> Iterator[tuple[tuple[float, float], bool]]:
    """Yield the ends of each artist, and whether it is known to have dates."""
    if axis.axes.name == "3d":
        return
    name = read_name(axis)
    for axes in list_shared_axes(axis):
        for artist in (*axes.lines, *axes.collections, *axes.patches):
            values = _read_places(artist, "xy".index(name))
            values = values[np.isfinite(values)]
            if artist.get_visible() and len(values):
                given = getattr(artist, f"get_{name}data", lambda: 0)()
                has_dates = np.asarray(given).dtype.kind not in "biuf"
                yield (float(values.min()), float(values.max())), has_dates


def _read_places(artist: Any, direction: int) -> NDArray[Any]:
    """Return numbers along the axis, or none if they are not in data coordinates."""
    data = artist.axes.transData
    is_of_offsets = isinstance(artist, Collection) and not (
        artist.get_transform().contains_branch(data)
    )
    transform = (
        artist.get_offset_transform() if is_of_offsets else artist.get_transform()
    )
    if not transform.contains_branch_seperately(data)[direction]:
        return np.array([])
    if isinstance(artist, Line2D):
        values: Any = artist.get_data(orig=False)[direction]
    elif isinstance(artist, Patch):
        path = artist.get_patch_transform().transform_path(artist.get_path())
        values = np.asarray(path.vertices)[:, direction]
    else:
        values = artist.get_datalim(data).get_points()[:, direction]
    return np.ma.filled(np.ma.asarray(values, float), np.nan)
