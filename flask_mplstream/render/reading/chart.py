"""One axes in words.

Render layer. It says what is shown over what, from where to where, and of which
parts it consists; and of those what is plain to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from .dimensions import Values
from .extents import span_shown
from .series import AxesContent, Series
from .trend import trend
from .wording import listing, number, numbers_apart, plural, value_on, values_apart

#: Names, values and trends that are listed; where there are more, none is.
_MOST_LISTED = 6
_MOST_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a kind of series is told."""

    #: What a chart of it is called.
    chart: str
    #: What there are in it, one and several.
    one: str
    many: str
    #: Whether those are series, and not the points or bars of one.
    are_series: bool = False
    #: What stands between the labels of the two directions.
    word: str = "against"


#: By kind of series. The first kind that axes have is what they are called by.
_KINDS = {
    "pie": _Kind("Pie chart", "wedge", "wedges"),
    "box": _Kind("Box plot", "box", "boxes", word="by"),
    "bar": _Kind("Bar chart", "bar", "bars", word="by"),
    "histogram": _Kind("Histogram", "bin", "bins"),
    "image": _Kind("Heat map", "value", "values", word="over"),
    "mesh": _Kind("Heat map", "value", "values", word="over"),
    "line": _Kind("Line chart", "line", "lines", are_series=True, word="over"),
    "errorbar": _Kind(
        "Chart",
        "series with error bars",
        "series with error bars",
        are_series=True,
        word="over",
    ),
    "stem": _Kind("Stem plot", "stem", "stems", word="over"),
    "scatter": _Kind("Scatter plot", "point", "points"),
    "hexbin": _Kind("Hexagon plot", "hexagon", "hexagons", word="over"),
    "contour": _Kind("Contour plot", "level", "levels", word="over"),
    "area": _Kind("Area chart", "filled area", "filled areas", True, "over"),
    "block": _Kind("3-D bar chart", "bar", "bars", word="over"),
    "surface": _Kind("Surface plot", "surface", "surfaces", True, "over"),
    "arrow": _Kind("Arrow plot", "arrow", "arrows", word="over"),
    "picture": _Kind("Picture", "image", "images", word="over"),
    "segment": _Kind("Chart", "line segment", "line segments", word="over"),
    "shape": _Kind("Chart", "shape", "shapes", word="over"),
}
#: Kinds that show values by colours.
_COLOURED = {"image", "mesh", "contour", "hexbin", "picture"}


@dataclass(frozen=True, slots=True, eq=False)
class Chart:
    """An axes that shows something, ready to be told."""

    axes: AxesContent
    #: The series by their kinds, the one that names the chart first.
    groups: Sequence[Sequence[Series]]
    #: In which direction things stand side by side, and in which they are measured.
    across: str
    along: str

    @classmethod
    def of(cls, axes: AxesContent) -> Chart:
        """The chart that *axes* show; they have a series."""
        order = {kind: number for number, kind in enumerate(_KINDS)}
        ordered = sorted(axes.series, key=lambda series: order[series.kind])
        groups = [list(group) for _, group in groupby(ordered, lambda s: s.kind)]
        across, along = "yx" if ordered[0].across == "y" else "xy"
        return cls(axes, groups, across, "z" if "z" in axes.dimensions else along)

    @property
    def title(self) -> str:
        """Its title, or nothing."""
        return self.axes.title

    @property
    def main(self) -> Series:
        """The series that tells what kind of chart it is."""
        return self.groups[0][0]

    def sentences(self) -> Iterator[str]:
        """What it is, and from where to where it goes."""
        chart = _KINDS[self.main.kind].chart
        yield f"{chart}{self._subject()}{self._places()} with {self._parts()}."
        if self.main.kind in _COLOURED:
            yield from self._colours()
        if not self._items():
            yield from self._range()

    def details(self) -> Iterator[str]:
        """What stands out: how lines run, which bar is the highest."""
        lines = [s for group in self.groups for s in group if s.kind == "line"]
        if len(lines) <= _MOST_LISTED:
            yield from self._trends(lines)
        if self.main.kind in {"bar", "histogram"} and not self._items():
            yield from self._highest()

    def _label(self, direction: str) -> str:
        return short(self.axes.dimensions[direction].label)

    def _subject(self) -> str:
        """What is shown over what, by the labels."""
        shown, places = self._labels()
        of_what = f" of {shown}" if shown else ""
        word = _KINDS[self.main.kind].word
        return f"{of_what} {word} {places}" if places else of_what

    def _labels(self) -> tuple[str, str]:
        """What is shown, and over what; nothing where that has no label."""
        kind = self.main.kind
        if kind == "pie":
            return "", ""
        places, shown = self._label(self.across), self._label(self.along)
        if kind == "histogram":
            places, shown = "", places
        elif kind in _COLOURED or self.along == "z":
            places = listing([label for name in "xy" if (label := self._label(name))])
            shown = shown if self.along == "z" else short(self.main.value_label)
        return shown, places

    def _places(self) -> str:
        """From where to where things stand, right after the label of that."""
        span = self._span(self.across)
        label = self._label(self.across) or self.across
        shown, places = self._labels()
        if label == (places or shown):
            label = ""
        return f", {label} {span},".replace("  ", " ") if span else ""

    def _parts(self) -> str:
        """What there are, and the names of those that name the chart."""
        main, *others = (_things(group) for group in self.groups)
        if not (names := listing(self._items() or self._names())):
            return listing([main, *others])
        return listing([f"{main} ({names})", *others]) if others else f"{main}: {names}"

    def _range(self) -> Iterator[str]:
        span = self._span(self.along)
        name = self._label(self.along) or self.along
        if span.startswith("at"):
            yield f"{name} is {span.removeprefix('at ')}."
        elif span:
            yield f"The range of {name} is {span.removeprefix('from ')}."

    def _span(self, direction: str) -> str:
        dimension = self.axes.dimensions[direction]
        has_names = dimension.names is not None or self._is_named(direction)
        span = span_shown(self.axes, direction)
        if self.main.kind == "pie" or has_names or span is None:
            return ""
        low, high = values_apart(dimension, span)
        scale = " on a logarithmic scale" if dimension.scale == "log" else ""
        return f"at {low}" if low == high else f"from {low} to {high}{scale}"

    def _colours(self) -> Iterator[str]:
        if (span := self.main.colours) and span.low < span.high:
            low, high = numbers_apart(span.low, span.high)
            yield f"The colours stand for {low} to {high}."

    def _is_named(self, direction: str) -> bool:
        """Whether things have names in that direction, and not numbers."""
        column = self.main.columns.get(direction)
        return column is not None and column.is_named

    def _names(self) -> list[str]:
        """The names of the series, where those are few and all have one."""
        group = self.groups[0]
        labels = [short(series.label) for series in group if series.label]
        if len(labels) < len(group) or len(labels) > _MOST_LISTED:
            return []
        return labels if len(group) > 1 or _KINDS[self.main.kind].are_series else []

    def _items(self) -> list[str]:
        """The names and values of the things in the only series, where few."""
        columns = self.main.columns
        if len(self.groups[0]) > 1 or self.main.count > _MOST_LISTED:
            return []
        if self.main.kind == "pie":
            pairs = zip(columns["name"].values, columns["share"].values, strict=True)
            return [f"{short(n)} {number(100 * share)}%".strip() for n, share in pairs]
        if self.main.kind not in {"bar", "box"} or not self._is_named(self.across):
            return []
        word = " with a median of" if self.main.kind == "box" else ""
        values = self._heights()
        shown = np.flatnonzero(np.isfinite(values)).tolist()
        return [f"{self._place(i)}{word} {number(values[i])}" for i in shown]

    def _heights(self) -> Values:
        name = f"{self.along}_median" if self.main.kind == "box" else self.along
        return self.main.columns[name].values

    def _place(self, index: int) -> str:
        column = self.main.columns[self.across]
        value = column.values[index]
        is_name = isinstance(value, str)
        return short(value) if is_name else short(value_on(column.dimension, value))

    def _highest(self) -> Iterator[str]:
        values = self._heights()
        is_exact = len(self.groups[0]) == 1 and self.main.is_whole
        if self.axes.dimensions[self.across].is_cut:
            return  # It may be out of sight.
        finite = np.flatnonzero(np.isfinite(values))
        if not is_exact or not len(finite):
            return
        highest = finite[values[finite].argmax()]
        if (values[finite] == values[highest]).sum() == 1:
            where = self._place(int(highest))
            yield f"The highest is {number(values[highest])} at {where}."

    def _trends(self, lines: Sequence[Series]) -> Iterator[str]:
        told = []
        for line in lines:
            name = short(line.label) or ("It" if len(lines) == 1 else "")
            if name and (clause := self._trend(line)):
                told.append(f"{name} {clause}")
        if told:
            yield f"{'; '.join(told)}."

    def _trend(self, line: Series) -> str:
        x, y = self.axes.dimensions["x"], self.axes.dimensions["y"]
        if y.dates or y.names is not None or self.along != "y":
            return ""
        found = trend(line, x, y)
        if found is None:
            return ""
        if found.first == "stays":
            return f"stays at {number(found.start)}"
        if found.turn is None:
            start, end = numbers_apart(found.start, found.end)
            return f"{found.first} from {start} to {end}"
        start, end = number(found.start), number(found.end)
        where, turn = value_on(x, found.turn[0]), number(found.turn[1])
        then = "falls" if found.first == "rises" else "rises"
        return f"{found.first} from {start} to {turn} at {where}, then {then} to {end}"


def short(label: object) -> str:
    """*label*, or its beginning where it is too long to be read in passing."""
    text = str(label)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[: _MOST_CHARACTERS - 1]}…"


def _things(group: Sequence[Series]) -> str:
    """How many lines, bars … the series of one kind are."""
    kind = _KINDS[group[0].kind]
    if kind.are_series:
        return plural(len(group), kind.one, kind.many)
    things = plural(sum(series.count for series in group), kind.one, kind.many)
    return things if len(group) == 1 else f"{things} in {len(group)} groups"
