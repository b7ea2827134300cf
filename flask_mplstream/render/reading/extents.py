"""From where to where things are seen, where that is known.

Render layer. Numbers only. Limits of axes are known for nothing, but are those of
all that was ever drawn; so where all values were read, those are asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .dimensions import Dimension, Span, Values
from .series import AxesContent, Series

#: Kinds of which nothing else is seen than their values.
_BARE = {"line", "scatter", "errorbar"}
#: Kinds that fill the axes, so that they are seen up to all limits.
_FILLING = {"image", "mesh", "contour", "picture"}


def span_shown(axes: AxesContent, direction: str) -> Span | None:
    """From where to where the series of *axes* are seen; ``None`` where unknown."""
    if all(_is_known(series, direction) for series in axes.series):
        seen = [_seen(series, axes, direction) for series in axes.series]
        return _span(seen, axes.dimensions[direction])
    return _span_of_limits(axes, direction)


def _is_known(series: Series, direction: str) -> bool:
    """Whether the values of *series* tell all about that direction."""
    column = series.columns.get(direction)
    if column is None or column.values.dtype == object or not series.is_whole:
        return False
    is_place_of_bars = series.kind == "bar" and series.across == direction
    return series.kind in _BARE or is_place_of_bars


def _seen(series: Series, axes: AxesContent, direction: str) -> Values:
    """The values of *series* in *direction* whose points lie within the limits."""
    names = [name for name in series.columns if name.partition("_")[0] == direction]
    columns = [series.columns[name].values for name in names]
    is_seen = np.ones(len(columns[0]), bool)
    for name in axes.dimensions.keys() & series.columns.keys():
        values, view = series.columns[name].values, axes.dimensions[name].view
        is_seen &= (values >= view.low) & (values <= view.high)
    return np.concatenate([values[is_seen] for values in columns])


def _span(seen: Sequence[Values], dimension: Dimension) -> Span | None:
    values = np.concatenate(seen)
    values = values[np.isfinite(values)]
    if not len(values):
        return None
    low, high = np.clip(
        [values.min(), values.max()], dimension.view.low, dimension.view.high
    )
    return Span(float(low), float(high))


def _span_of_limits(axes: AxesContent, direction: str) -> Span | None:
    """The data within the limits, unless others of them are out of sight."""
    own = axes.dimensions[direction]
    others = [d for name, d in axes.dimensions.items() if name != direction]
    is_filled = axes.series[0].kind in _FILLING
    if not own.has_data or (any(d.is_cut for d in others) and not is_filled):
        return None
    return Span(own.low, own.high)
