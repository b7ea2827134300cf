"""The numbers of bars, and whether the bars are a histogram.

Description layer. ``bar`` and ``hist`` draw the same rectangles, so the kind is
inferred from traces that only one of them leaves; if neither is certain, it is
``block_bar``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.container import BarContainer

from .artists import read_label, to_numbers
from .axis_values import Values, find_simplest, to_integers

#: Tolerance of an edge, in units of the last place.
_ULPS = 8
#: Limit on the decimals of a hand-written edge.
_MOST_DECIMALS = 12
#: Default width of a bar, as a share of the distance between two.
_USUAL_WIDTH = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """The bars of one container."""

    container: BarContainer
    is_horizontal: bool
    #: Their edges along the axis on which they are side by side.
    starts: Values
    ends: Values
    heights: Values
    bases: Values

    @classmethod
    def of(cls, container: BarContainer) -> Bars:
        """Read the bars of *container*."""
        bars = container.patches
        x, y = [bar.get_x() for bar in bars], [bar.get_y() for bar in bars]
        widths = [bar.get_width() for bar in bars]
        heights = [bar.get_height() for bar in bars]
        is_horizontal = container.orientation == "horizontal"
        if is_horizontal:
            x, y, widths, heights = y, x, heights, widths
        starts, width = np.array(x, float), np.array(widths, float)
        values = to_numbers(np.array(heights))
        bases = to_numbers(np.array(y))
        return cls(container, is_horizontal, starts, starts + width, values, bases)

    @property
    def widths(self) -> Values:
        """The widths."""
        return self.ends - self.starts

    @property
    def middles(self) -> Values:
        """The places given to ``bar``, as integers if all are whole."""
        name = "get_height" if self.is_horizontal else "get_width"
        breadths = [float(getattr(bar, name)()) for bar in self.container.patches]
        half = np.array(breadths) / 2
        estimates = self.starts + half
        return to_integers(
            find_simplest(estimates, lambda found: found - half == self.starts)
        )

    @property
    def label(self) -> str:
        """The label of all bars together."""
        return read_label(self.container) or (
            read_label(self.container.patches[0]) if self._has_one_label else ""
        )

    @property
    def is_seen(self) -> Values:
        """A mask of the bars with a place and a height."""
        ends = [self.starts, self.ends, self.heights, self.bases]
        is_seen: Values = np.logical_and.reduce([np.isfinite(part) for part in ends])
        return is_seen

    @property
    def touch(self) -> bool:
        """Whether the bars touch each other."""
        return len(self.starts) > 1 and np.allclose(self.ends[:-1], self.starts[1:])

    @property
    def _has_one_label(self) -> bool:
        """Whether only the first bar has a label, as set by ``hist``."""
        first, *others = self.container.patches
        return (
            bool(others)
            and bool(read_label(first))
            and not any(map(read_label, others))
        )

    @property
    def is_made_by_hist(self) -> bool:
        """Whether the bars have traces that only a histogram leaves."""
        if self._has_one_label and not read_label(self.container):
            return self.touch
        # seaborn sets sticky edges on the bars of a histogram.
        return any(
            np.inf in (*bar.sticky_edges.x, *bar.sticky_edges.y)
            for bar in self.container.patches[:1]
        )

    @property
    def are_later_samples(self) -> bool:
        """Whether ``hist`` drew the bars beside those of another sample."""
        return not any(
            (*bar.sticky_edges.x, *bar.sticky_edges.y) for bar in self.container.patches
        )


def _are_counts(bars: Bars) -> bool:
    """Return whether the heights can be counts, shares or densities."""
    values = np.asarray(getattr(bars.container, "datavalues", bars.heights))
    if values.dtype.kind != "f" or not np.isfinite(values).all() or (values < 0).any():
        return False
    sums = [values.sum(), (values * bars.widths).sum(), values.max(initial=0)]
    return bool((values % 1 == 0).all()) or bool(np.isclose(sums, 1).any())


def _are_at_round_places(bars: Bars, is_of_dates: bool) -> bool:
    """Return whether the bars are centered on round places, such as years."""
    steps = bars.middles / bars.widths
    places = steps if is_of_dates else np.array([bars.middles, steps])
    return np.allclose(places, np.round(places), rtol=0, atol=1e-6)


def classify_bars(bars: Bars, *, is_of_dates: bool) -> str:
    """Return ``bar`` or ``histogram``, or ``block_bar`` if neither is certain."""
    if bars.is_made_by_hist:
        return "histogram"
    values = np.asarray(getattr(bars.container, "datavalues", bars.heights))
    if values.dtype.kind != "f" or len(bars.starts) < 2:
        return "bar"  # hist returns floats.
    are_counts = _are_counts(bars)
    are_round = _are_at_round_places(bars, is_of_dates)
    if bars.touch:
        if are_round:
            return "block_bar" if are_counts and not is_of_dates else "bar"
        return "histogram" if are_counts else "block_bar"
    pitch = np.diff(bars.middles)
    is_usual = np.isclose(bars.widths[0], _USUAL_WIDTH, rtol=1e-6) or np.isclose(
        bars.widths[0] / pitch[0], _USUAL_WIDTH
    )
    return "block_bar" if are_counts and not are_round and not is_usual else "bar"


def group_samples(all_bars: Sequence[Bars]) -> list[list[Bars]]:
    """Group the bars of each ``hist`` call with several samples."""
    groups: list[list[Bars]] = []
    for bars in all_bars:
        is_later = bool(groups) and bars.are_later_samples
        if is_later and len(bars.starts) == len(groups[-1][0].starts):
            groups[-1].append(bars)
        else:
            groups.append([bars])
    return [group for group in groups if len(group) > 1]


def read_shared_bins(group: Sequence[Bars]) -> tuple[Values, Values] | None:
    """Return the edges of the bins shared by the bars of several samples."""
    starts = np.min([bars.starts for bars in group], axis=0)
    ends = np.max([bars.ends for bars in group], axis=0)
    middles, widths = (starts + ends) / 2, ends - starts
    if len(middles) > 1:
        gaps = np.diff(middles)
        shares = (widths[1:] + widths[:-1]) / 2 / gaps
        if not np.allclose(shares, shares[0]):
            return None
        widths = widths / shares[0]
    return _round_edges(middles - widths / 2, widths), _round_edges(
        middles + widths / 2, widths
    )


def read_bins(bars: Bars) -> tuple[Values, Values]:
    """Return the edges of the bins, which are those of the bars."""
    return _round_edges(bars.starts, bars.widths), _round_edges(bars.ends, bars.widths)


def _round_edges(edges: Values, widths: Values) -> Values:
    """Return *edges* without rounding errors."""
    slack = _ULPS * np.spacing(np.maximum(np.abs(edges), np.abs(widths)))
    is_near = partial(np.isclose, edges, rtol=0, atol=slack)
    return to_integers(find_simplest(edges, is_near, _MOST_DECIMALS))


def compute_middles(starts: Values, ends: Values) -> Values:
    """Return the middles of bins."""
    return _round_edges(starts + (ends - starts) / 2, np.asarray(ends - starts, float))


def read_steps(vertices: Values) -> tuple[Values, Values, Values] | None:
    """Return starts, ends and heights from an outline by ``hist(histtype="step")``.

    A single bin cannot be distinguished from a rectangle.

    :param vertices: vertices with the bins in the first column.
    :return: ``None`` if it is no such outline.
    """
    places, heights = vertices[:, 0], vertices[:, 1]
    for bins in (places[::2], places[: len(places) // 2 + 1 : 2]):
        count = len(bins) - 1
        if count < 2 or not (np.diff(bins) > 0).all():
            continue
        there = np.repeat(bins, 2)
        if np.array_equal(places, there):
            bases = heights[[0, -1]]  # Only those of the first and the last bin.
            return None if bases.any() else _read_tops(bins, heights)
        around = np.concatenate([there[:-1], there[-2:0:-1]])[: 4 * count]
        if np.array_equal(places[: 4 * count], around):
            bases = heights[2 * count + 1 : 4 * count : 2][::-1]
            return _read_tops(bins, heights, bases)
    return None


def _read_tops(
    bins: Values, heights: Values, bases: Values | float = 0.0
) -> tuple[Values, Values, Values] | None:
    """Return starts, ends and heights of bins, relative to *bases*."""
    last = 2 * len(bins) - 2
    tops = heights[1:last:2]
    if not np.array_equal(heights[2 : last + 1 : 2], tops):
        return None
    return bins[:-1], bins[1:], tops - bases
