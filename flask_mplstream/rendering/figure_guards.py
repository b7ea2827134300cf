"""Guards in Matplotlib: bounds on counts and sizes, no LaTeX, no unsafe links.

Render layer. If an axis limit, a bin count or a width comes from a URL, a simple
``MultipleLocator(1)`` can block the process for minutes. The guards are active while
the gate is held. Each raises before the memory or time is spent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from numbers import Real
from typing import Any

import numpy as np
from matplotlib import lines, ticker
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.collections import _CollectionWithSizes
from matplotlib.contour import ContourSet
from matplotlib.dates import RRuleLocator
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.streamplot import StreamMask
from matplotlib.texmanager import TexManager

from ..errors import ImageTooLargeError
from .untrusted_text import drop_unsafe_links, refuse_tex

#: Tick candidates that a locator may create; it draws few of them.
MAX_CANDIDATES = 100_000
#: Ticks of categories, or listed by the figure function.
MAX_LISTED = 3_000
#: Bins of a histogram, levels of a contour plot.
MAX_BINS = 10_000
#: Cells along one side of a ``hist2d`` or ``hexbin`` grid.
MAX_CELLS_A_SIDE = 2_000
#: ``density`` of a stream plot.
MAX_DENSITY = 30
#: Corners of a marker.
MAX_CORNERS = 1_000
MAX_FONT_POINTS = 2_000
MAX_MARKER_POINTS = 5_000
#: Minimum length of a dash pattern in points; a line has thousands of points.
MIN_PATTERN_POINTS = 0.01

Method = Callable[..., Any]


def _check(things: str, count: float, most: float, fix: str) -> None:
    if count > most:
        raise ImageTooLargeError(
            f"The figure has {count:,.0f} {things}; at most {most:,} can be drawn. "
            f"{fix}"
        )


def _check_ticks(count: float, locator: Any, most: int = 0) -> None:
    most = max(getattr(locator, "MAXTICKS", ticker.Locator.MAXTICKS), most)
    _check(
        "ticks on an axis",
        count,
        most,
        "Give it narrower limits, or a locator that counts, such as MaxNLocator "
        "(Locator.MAXTICKS).",
    )


def _raise_if_exceeds(locator: ticker.Locator, locs: Any) -> Any:
    _check_ticks(len(locs), locator)
    return locs


def _check_first(check: Method) -> Callable[[Method], Method]:
    """Return a guard that calls *check* with the arguments of the guarded method."""

    def guard(method: Method) -> Method:
        @wraps(method)
        def call(*args: Any, **kwargs: Any) -> Any:
            check(*args, **kwargs)
            return method(*args, **kwargs)

        return call

    return guard


def _bound_ticks(kind: str) -> Callable[[Method], Method]:
    """Return a guard of ``get_major_ticks`` or ``get_minor_ticks``."""

    def check(axis: Axis, numticks: int | None = None) -> None:
        if numticks and numticks > MAX_LISTED:
            # A list from the figure function may exceed Locator.MAXTICKS.
            _check_ticks(numticks, getattr(axis, kind).locator, MAX_LISTED)

    return _check_first(check)


class _Counting:
    """NumPy for locators, which create all candidates before they count them."""

    def __init__(self) -> None:
        # Copy all names: locators and formatters look them up for each tick.
        own = {"arange": self.arange, "linspace": self.linspace}
        vars(self).update(vars(np) | own)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)  # NumPy imports some names on first use.

    def arange(self, *limits: float, **options: Any) -> Any:
        start, stop, step = (*((0, *limits) if len(limits) == 1 else limits), 1)[:3]
        _check_candidates((stop - start) / step)
        return np.arange(*limits, **options)

    def linspace(self, start: float, stop: float, num: int = 50, **options: Any) -> Any:
        _check_candidates(num)
        return np.linspace(start, stop, num, **options)


def _check_candidates(count: float) -> None:
    if count > MAX_CANDIDATES:
        _check_ticks(count, None)


def _check_rule(locator: Any, vmin: Any, vmax: Any) -> None:
    days = abs((vmax - vmin).total_seconds()) / 86_400
    _check_candidates(days / (locator._get_unit() * locator._get_interval()))


def _bound_dashes(scale: Method) -> Method:
    @wraps(scale)
    def call(offset: Any, dashes: Any, lw: float) -> Any:
        scaled = scale(offset, dashes, lw)
        if scaled[1] and 0 < sum(scaled[1]) < MIN_PATTERN_POINTS:
            raise ImageTooLargeError(
                f"The figure has a line whose dashes repeat after {sum(scaled[1]):.2g} "
                f"points; at least {MIN_PATTERN_POINTS} can be drawn. Give it a larger "
                f"linewidth, or linestyle='-'."
            )
        return scaled

    return call


def _bound_font(set_size: Method) -> Method:
    @wraps(set_size)
    def call(font: FontProperties, size: Any) -> None:
        set_size(font, size)
        points = font.get_size()
        if points > MAX_FONT_POINTS:
            fix = "Give a smaller one."
            _check("points of font size", points, MAX_FONT_POINTS, fix)

    return call


def _bound_argument(
    name: str, place: int, most: int, things: str, *, may_be_two: bool = False
) -> Callable[[Method], Method]:
    """Return a guard of the numeric argument *name*, at index *place*.

    :param things: the counted things, for the error.
    :param may_be_two: whether two numbers are one per direction, not edges.
    """

    def check(*args: Any, **kwargs: Any) -> None:
        given = kwargs.get(name, args[place] if len(args) > place else None)
        two = may_be_two and isinstance(given, Sequence) and len(given) == 2
        for count in given if two and given else [given]:
            if isinstance(count, Real):
                _check(things, float(count), most, "Give a smaller number.")

    return _check_first(check)


def _bound_corners(found: Any) -> Any:
    guard = _bound_argument("numVertices", 1, MAX_CORNERS, "corners of a marker")
    return classmethod(guard(found.__func__))


def _check_levels(contours: Any) -> None:
    _check("contour levels", len(contours.levels), MAX_BINS, "Give fewer levels.")


def _check_sizes(_collection: Any, sizes: Any, *_: Any, **_options: Any) -> None:
    areas = np.asarray([] if sizes is None else sizes, float)
    points = float(np.sqrt(np.nanmax(areas))) if areas.size else 0
    fix = "Give a smaller s, in points²."
    _check("points of marker size", points, MAX_MARKER_POINTS, fix)


_MARKER = (MAX_MARKER_POINTS, "points of marker size")
_CELLS = (MAX_CELLS_A_SIDE, "cells along a side")
_DENSITY = (MAX_DENSITY, "as the density of a stream plot")

#: For each guard: its target's owner and name, and the function that makes the guard.
_GUARDS: Sequence[tuple[Any, str, Callable[[Any], Any]]] = (
    (ticker, "np", lambda _: _Counting()),
    (ticker.Locator, "raise_if_exceeds", lambda _: _raise_if_exceeds),
    (Axis, "get_major_ticks", _bound_ticks("major")),
    (Axis, "get_minor_ticks", _bound_ticks("minor")),
    (RRuleLocator, "tick_values", _check_first(_check_rule)),
    (lines, "_scale_dashes", _bound_dashes),
    (FontProperties, "set_size", _bound_font),
    (lines.Line2D, "set_markersize", _bound_argument("sz", 1, *_MARKER)),
    (_CollectionWithSizes, "set_sizes", _check_first(_check_sizes)),
    (Path, "unit_regular_polygon", _bound_corners),
    (Path, "unit_regular_star", _bound_corners),
    (Axes, "hist", _bound_argument("bins", 2, MAX_BINS, "bins")),
    (Axes, "hist2d", _bound_argument("bins", 3, *_CELLS, may_be_two=True)),
    (Axes, "hexbin", _bound_argument("gridsize", 4, *_CELLS, may_be_two=True)),
    (StreamMask, "__init__", _bound_argument("density", 1, *_DENSITY, may_be_two=True)),
    (ContourSet, "_process_levels", _check_first(_check_levels)),
    # All use of LaTeX, and all links in SVG and PDF, go through these two methods.
    (TexManager, "make_dvi", lambda _: classmethod(refuse_tex)),
    (GraphicsContextBase, "set_url", drop_unsafe_links),
)
_FOUND = [vars(owner)[name] for owner, name, _ in _GUARDS]
_GUARDED = [guard(found) for found, (*_, guard) in zip(_FOUND, _GUARDS, strict=True)]


@contextmanager
def guard_figures() -> Iterator[None]:
    """Refuse figures with too many or too large parts or LaTeX; drop unsafe links.

    :raises ImageTooLargeError: in the block, from the Matplotlib call at fault.
    :raises TexError: in the block, if a text requires LaTeX.
    """
    found = [vars(owner)[name] for owner, name, _ in _GUARDS]
    _set(_GUARDED)
    try:
        yield
    finally:
        _set(found)


def lift_guards() -> None:
    """Restore Matplotlib's original functions."""
    _set(_FOUND)


def _set(values: Sequence[Any]) -> None:
    for (owner, name, _), value in zip(_GUARDS, values, strict=True):
        setattr(owner, name, value)
