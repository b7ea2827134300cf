"""Sentences about one chart: its facts and its notable features.

Description layer. Each statement carries its source. Uncertain facts are omitted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from .axis_values import Dimension, Values
from .bounding_boxes import Seen, see
from .chart_types import BARS, CHART_TYPES, COLORED, MEASURED, ChartType, Fact
from .numbers import format_number
from .series import AxesContent, Guide, Series
from .trends import Trend, find_trend
from .value_texts import (
    count_in_words,
    join_words,
    say,
    say_length,
    say_place,
    say_scale,
    say_span,
    say_zone,
)

#: Maximum names, values or trends to list; if there are more, none is listed.
MOST_LISTED = 6
_MOST_CHARACTERS = 60
_MOST_CELLS = 12
_MOST_MARKS = 3
#: The name of values shown as colors without a label.
_VALUES = "the values"


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence and the objects that it describes."""

    text: str
    source: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.source:
            raise ValueError(f"The statement {self.text!r} needs a source.")


@dataclass(eq=False)
class Chart:
    """Axes on top of each other, described as one chart."""

    layers: Sequence[AxesContent]

    @cached_property
    def groups(self) -> list[list[tuple[AxesContent, Series]]]:
        """The visible series by kind; the first kind names the chart."""
        order = {kind: number for number, kind in enumerate(CHART_TYPES)}
        found = [(axes, one) for axes in self.layers for one in axes.series]
        found = [pair for pair in found if self.seen(*pair).count != 0]
        ordered = sorted(found, key=lambda pair: order[pair[1].kind])
        return [list(group) for _, group in groupby(ordered, lambda p: p[1].kind)]

    def seen(self, axes: AxesContent, series: Series) -> Seen:
        """Return the visible part of *series*, computed once."""
        known = self._known.setdefault(id(series), None)
        if known is None:
            known = self._known[id(series)] = see(series, axes.dimensions)
        return known

    @cached_property
    def _known(self) -> dict[int, Seen | None]:
        return {}

    @property
    def title(self) -> str:
        """The title of the axes, or an empty text."""
        return ", ".join(dict.fromkeys(filter(None, (a.title for a in self.layers))))

    @property
    def main(self) -> Series:
        """The series that determines the kind of chart."""
        return self.groups[0][0][1]

    @property
    def axes(self) -> AxesContent:
        """The axes of the main series."""
        return self.groups[0][0][0]

    @property
    def type(self) -> ChartType:
        """The kind of chart."""
        return CHART_TYPES[self.main.kind]

    @property
    def texts(self) -> list[str]:
        """The texts in the axes."""
        return [text for axes in self.layers for text in axes.texts]

    def statements(self) -> Iterator[Statement]:
        """Yield the statements, the most important first."""
        if self.groups:
            yield Statement(self._first(), tuple(s for _, s in self.groups[0]))
            yield from self._table()
            if not self._items:
                yield from self._ranges()
            yield from self._colors()
            yield from self._axes_that_differ()
            yield from self._trends()
            yield from self._highest()
        yield from self._marks()
        yield from self._say_texts()

    # The first sentence

    def _first(self) -> str:
        parts = self._parts()
        with_parts = f" with {parts}" if parts else ""
        return f"{self.type.chart}{self._subject()}{self._places()}{with_parts}."

    def _says(self, fact: Fact) -> bool:
        return fact in self.type.facts

    def _label(self, direction: str) -> str:
        labels = (axes.dimensions[direction].label for axes in self.layers)
        return short(next(filter(None, labels), ""))

    def _labels(self) -> tuple[str, str]:
        """Return the labels of the values and of the places."""
        kind, main = self.main.kind, self.main
        if kind in {"pie", "table"}:
            return "", ""
        places = self._label(main.across)
        shown = join_words(self._measure(main.along))
        if kind in {"histogram", "event"}:
            return places, ""
        if kind in COLORED or kind == "tile" or main.along == "z":
            places = join_words([label for n in "xy" if (label := self._label(n))])
            shown = shown if main.along == "z" else short(main.value_label)
        return shown, places

    def _measure(self, along: str) -> list[str]:
        """Return the labels of the values, one per scale."""
        axes = dict.fromkeys(a for group in self.groups[:1] for a, _ in group)
        labels = (
            short(a.dimensions[along].label) for a in axes if along in a.dimensions
        )
        return list(dict.fromkeys(filter(None, labels)))

    def _subject(self) -> str:
        shown, places = self._labels()
        of_what = f" of {shown}" if shown else ""
        return f"{of_what} {self.type.word} {places}" if places else of_what

    def _places(self) -> str:
        """Return a clause with the label, the first and the last place."""
        across = self.main.across
        span = self._span_of_places(across) if self._says(Fact.PLACES) else ""
        if not span:
            return ""
        label = self._label(across) or across
        shown, places = self._labels()
        name = "" if label == (places or shown) else f"{label} "
        dimension = self.axes.dimensions[across]
        zone = say_zone(dimension)
        in_zone = f" ({zone})" if zone else ""
        word = "from " if " to " in span else "at "
        return f", {name}{word}{span}{in_zone}{say_scale(dimension)},"

    def _span_of_places(self, across: str) -> str:
        if not self.axes.has_places or self._items:
            return ""
        if self.main.kind in {"image", "mesh", "tile"} and not self._has_coordinates:
            return ""
        if names := self._names_of_ends(across):
            return names
        beside = [pair for axes, _ in self.groups[0] for pair in self._beside(axes)]
        values = self._in_sight(across, [*self.groups[0], *beside])
        dimension = self.axes.dimensions[across]
        # Boxes without names are just numbered from 1.
        is_counted = self.main.kind in {"box", "violin"}
        if values is None or dimension.names or is_counted:
            return ""
        return say_span(dimension, float(values.min()), float(values.max()))

    @property
    def _has_coordinates(self) -> bool:
        """Whether cells have coordinates instead of just row and column numbers."""
        names = self.main.columns["x"].names
        values = self.main.values("x")
        is_counted = values is not None and np.array_equal(
            values, np.arange(len(values))
        )
        return names is None and not is_counted

    def _names_of_ends(self, across: str) -> str:
        """Return the first and the last name of the places, if all are named."""
        ends = []
        for axes, series in self.groups[0]:
            names = series.columns[across].names if across in series.columns else None
            places, seen = series.values(across), self.seen(axes, series)
            if names is None or places is None or not len(places):
                return ""
            is_seen = self._inside(axes, series) if seen.mask is None else seen.mask
            ends += [
                (p, n) for p, n, s in zip(places, names, is_seen, strict=True) if s
            ]
        if not ends:
            return ""
        first, last = min(ends), max(ends)
        if first[1] != last[1]:
            return f"{short(first[1])} to {short(last[1])}"
        return short(first[1]) if first[0] == last[0] else ""

    def _inside(self, axes: AxesContent, series: Series) -> Values:
        view = axes.dimensions[series.across].view
        values = series.numbers(series.across)
        return (values >= view.low) & (values <= view.high)

    def _in_sight(self, direction: str, group: Any) -> Values | None:
        """Return the visible numbers of all series in *group*."""
        found = [self.seen(a, s).values.get(direction) for a, s in group]
        known = [values[np.isfinite(values)] for values in found if values is not None]
        values = np.concatenate(known) if known else np.array([])
        return values if len(values) else None

    def _parts(self) -> str:
        """Return the counts of all items, with names or values for the main kind."""
        things = list(filter(None, (self._things(group) for group in self.groups)))
        if not self._things(self.groups[0]):
            return ""
        names = join_words(self._items or self._names)
        main, *others = things
        if not names:
            return join_words([main, *others])
        return (
            join_words([f"{main} ({names})", *others]) if others else f"{main}: {names}"
        )

    def _things(self, group: Sequence[tuple[AxesContent, Series]]) -> str:
        kind, is_main = CHART_TYPES[group[0][1].kind], group is self.groups[0]
        if Fact.COUNT not in kind.facts:
            return ""
        if kind.are_series:
            labels = [short(series.label) for _, series in group if series.label]
            are_named = len(labels) == len(group) <= MOST_LISTED
            names = f" ({join_words(labels)})" if are_named and not is_main else ""
            return f"{count_in_words(len(group), kind.one, kind.many)}{names}"
        counts = [self._count(axes, series) for axes, series in group]
        things = count_in_words(sum(counts), kind.one, kind.many)
        if len(group) > 1 and not (is_main and self._items):
            are_named = all(series.label for _, series in group)
            return f"{things} in {len(group)} groups" if are_named else things
        label = short(group[0][1].label) if len(group) == 1 else ""
        return f"{things} for {label}" if label else things

    def _count(self, axes: AxesContent, series: Series) -> int:
        count = self.seen(axes, series).count
        return series.count if count is None else count

    @property
    def _names(self) -> list[str]:
        """The names of the series, if they are few and all are named."""
        group = [series for _, series in self.groups[0]]
        labels = [short(series.label) for series in group if series.label]
        if not self._says(Fact.NAMES) or len(labels) < len(group):
            return []
        are_few = len(labels) <= MOST_LISTED
        return labels if are_few and (len(group) > 1 or self.type.are_series) else []

    # Single items

    @cached_property
    def _items(self) -> list[str]:
        """Names and values of the items, if they are few and have distinct names."""
        group = self.groups[0]
        if not self._says(Fact.VALUES) or self.main.kind == "table":
            return []
        if sum(series.count for _, series in group) > MOST_LISTED:
            return []
        if self.main.kind == "pie":
            return self._shares() if len(group) == 1 else []
        if len({id(axes) for axes, _ in group}) > 1:
            return []
        if len(group) > 1 and any(not _is_its_name(series) for _, series in group):
            return []
        rows = [row for axes, series in group for row in self._rows(axes, series)]
        names = [name for _, name, _ in rows]
        if len(set(names)) < len(names) or None in names:
            return []
        rows.sort(key=lambda row: row[0])
        return self._say_items([str(n) for _, n, _ in rows], [v for *_, v in rows])

    def _rows(
        self, axes: AxesContent, series: Series
    ) -> list[tuple[float, str | None, tuple[float, ...]]]:
        """Return place, name and values of each item; the name may be ``None``."""
        column = series.columns.get(series.across)
        names = None if column is None else column.names
        if column is None or names is None or self.seen(axes, series).is_cut:
            return [(0.0, None, ())]
        suffixes = {"box": ("_median",), "gantt": ("_from", "_to")}
        wanted = suffixes.get(series.kind, ("",))
        values = [series.numbers(f"{series.along}{suffix}") for suffix in wanted]
        table = zip(column.values.tolist(), names, *values, strict=True)
        return [
            (place, short(name), tuple(v))
            for place, name, *v in table
            if np.isfinite(v).all()
        ]

    def _say_items(
        self, names: list[str], values: list[tuple[float, ...]]
    ) -> list[str]:
        dimension = self._dimension(self.main.along)
        texts = say(dimension, [first for first, *_ in values])
        if texts is None:
            return []
        if self.main.kind == "gantt":
            lengths = say_length([end - start for start, end in values])
            rows = zip(names, texts, lengths, strict=True)
            return [f"{name} from {date} for {length}" for name, date, length in rows]
        word = " with a median of" if self.main.kind == "box" else ""
        names = [
            f"{name}:" if name[-1:].isdigit() and not word else name for name in names
        ]
        return [f"{n}{word} {text}" for n, text in zip(names, texts, strict=True)]

    def _dimension(self, direction: str) -> Dimension | None:
        return self.axes.dimensions.get(direction)

    def _shares(self) -> list[str]:
        columns = self.main.columns
        shares = 100 * np.asarray(columns["share"].values, float)
        exact = len(set(np.round(shares, 4).tolist()))
        decimals = next(d for d in (1, 2, 4) if len(set(np.round(shares, d))) == exact)
        texts = [format_number(share) for share in np.round(shares, decimals).tolist()]
        pairs = zip(columns["name"].values.tolist(), texts, strict=True)
        return [f"{_separate(short(name))} {share}%".strip() for name, share in pairs]

    def _table(self) -> Iterator[Statement]:
        if self.main.kind != "table":
            return
        rows = list(
            zip(*(c.values.tolist() for c in self.main.columns.values()), strict=True)
        )
        cells = [", ".join(map(short, filter(None, row))) for row in rows]
        if len(rows) * len(self.main.columns) > _MOST_CELLS:
            cells = cells[:1]
        if any(cells):
            yield Statement(f"{'; '.join(filter(None, cells))}.", (self.main,))

    # Ranges

    def _ranges(self) -> Iterator[Statement]:
        if not self._says(Fact.RANGE) or (
            not self.axes.has_places and self.main.kind not in COLORED
        ):
            return
        if totals := self._totals():
            yield totals
            return
        layers = list(dict.fromkeys(axes for axes, _ in self.groups[0]))
        ranges = [found for axes in layers if (found := self._range(axes))]
        if len({name for name, _ in ranges}) < len(ranges):
            return  # Twins without distinct labels.
        source = tuple(series for _, series in self.groups[0])
        if len(ranges) == 1 and " to " not in ranges[0][1]:
            name, value = ranges[0]
            are_many = name == _VALUES
            yield Statement(
                f"{'All values are' if are_many else f'{name} is'} {value}.", source
            )
        elif ranges:
            clauses = [f"of {name} is {span}" for name, span in ranges]
            yield Statement(f"The range {'; that '.join(clauses)}.", source)

    def _range(self, axes: AxesContent) -> tuple[str, str] | None:
        """Return the name of the values and their range, if it is certain."""
        is_colored = self.main.kind in COLORED or self.main.kind == "tile"
        direction = "value" if is_colored else self.main.along
        group = [pair for pair in self.groups[0] if pair[0] is axes]
        if self.main.kind not in {"line", "scatter", "stem"} and not is_colored:
            is_cut = any(self.seen(*pair).is_cut for pair in group)
            if is_cut:
                return None
        values = self._in_sight(direction, [*group, *self._beside(axes)])
        dimension = axes.dimensions.get(direction)
        if values is None or (dimension is not None and dimension.names):
            return None
        span = say_span(dimension, float(values.min()), float(values.max()))
        name = (short(dimension.label) or direction) if dimension else self._color_name
        scale = say_scale(dimension) if dimension else ""
        return (name, f"{span}{scale}") if span else None

    def _beside(self, axes: AxesContent) -> list[tuple[AxesContent, Series]]:
        """Return the series of other kinds with values on the same axes."""
        return [
            pair
            for group in self.groups[1:]
            for pair in group
            if pair[0] is axes and pair[1].kind in MEASURED
        ]

    @property
    def _color_name(self) -> str:
        return short(self.main.value_label) or _VALUES

    def _colors(self) -> Iterator[Statement]:
        """Yield the range of values shown as colors, if a color bar names them."""
        if not self._says(Fact.COLORS) or not self.main.value_label:
            return
        values = self._in_sight("value", self.groups[0])
        if values is not None:
            span = say_span(None, float(values.min()), float(values.max()))
            text = f"The colors show {short(self.main.value_label)}, {span}."
            yield Statement(text, (self.main,))

    def _totals(self) -> Statement | None:
        """Return the range of a stack's totals, if all series have equal places."""
        group = [series for _, series in self.groups[0]]
        if not self._says(Fact.TOTALS) or len(group) < 2:
            return None
        if any(self.seen(axes, series).is_cut for axes, series in self.groups[0]):
            return None
        total = _add_up(group)
        if total is None or not np.isfinite(total).all():
            return None
        dimension = self.axes.dimensions[self.main.along]
        span = say_span(dimension, float(total.min()), float(total.max()))
        word = "are" if " to " in span else "are all"
        return Statement(f"The totals {word} {span}.", tuple(group)) if span else None

    def _axes_that_differ(self) -> Iterator[Statement]:
        """Yield a statement about reversed axes."""
        if not self._says(Fact.AXES) or not self.axes.has_places:
            return
        if self.main.kind in {"image", "mesh", "tile"} or self.main.along == "z":
            return
        named = {
            n
            for n in "xy"
            if self.main.columns.get(n) and self.main.columns[n].is_named
        }
        names = [
            name
            for name in "xy"
            if self.axes.dimensions[name].is_inverted and name not in named
        ]
        if names:
            which = join_words([f"{name}-axis" for name in names])
            verb = "is" if len(names) == 1 else "are"
            yield Statement(f"The {which} {verb} reversed.", (self.axes,))

    # Lines

    def _trends(self) -> Iterator[Statement]:
        for group in self.groups:
            kind = CHART_TYPES[group[0][1].kind]
            if Fact.TREND in kind.facts and len(group) <= MOST_LISTED:
                yield from self._trends_of(group)

    def _trends_of(
        self, group: Sequence[tuple[AxesContent, Series]]
    ) -> Iterator[Statement]:
        is_single = len(group) == 1 and len(self.groups) == 1
        for axes, series in group:
            name = short(series.label) or ("It" if is_single else "")
            clause = self._trend(axes, series) if name else ""
            is_known = is_single and clause.startswith("stays")  # From the range.
            if clause and not is_known:
                yield Statement(f"{name} {clause}.", (series,))

    def _trend(self, axes: AxesContent, series: Series) -> str:
        found = self._found_trend(axes, series)
        along = axes.dimensions[series.along]
        if found is None or not along.is_plain or along.tick_names:
            return ""
        turns = [t for t in (found.turn, found.highest, found.lowest) if t]
        values = [found.start, found.end, *(turn.value for turn in turns)]
        texts = self._say_in_context(axes, series, series.along, values)
        if texts is None:
            return ""
        places = [self._place(axes, series, turn.place) for turn in turns]
        return _clause(found, texts, places) if all(places) else ""

    def _say_in_context(
        self, axes: AxesContent, series: Series, direction: str, values: list[float]
    ) -> list[str] | None:
        """Return *values* as texts, as precise as beside the limits of the series."""
        others = self.seen(axes, series).values.get(direction, np.array([]))
        others = others[np.isfinite(others)]
        ends = [float(others.min()), float(others.max())] if len(others) else []
        texts = say(axes.dimensions[direction], [*values, *ends])
        return None if texts is None else texts[: len(values)]

    def _found_trend(self, axes: AxesContent, series: Series) -> Trend | None:
        if not axes.has_places:
            return None
        seen = self.seen(axes, series)
        if series.kind == "line":
            if seen.line is None or not seen.line.is_whole:
                return None
            return find_trend(seen.line.x, seen.line.y)
        x, y = series.values(series.across), series.values(series.along)
        if x is None or y is None or seen.is_cut:
            return None
        is_known = np.isfinite(x) & np.isfinite(y)
        return find_trend(x[is_known], y[is_known])

    def _place(self, axes: AxesContent, series: Series, place: float) -> str:
        column = series.columns[series.across]
        if (names := column.names) is not None:
            places = np.asarray(column.values, float)
            found = np.flatnonzero(places == place)
            return f"at {short(names[found[0]])}" if len(found) else ""
        dimension = axes.dimensions[series.across]
        if dimension.dates is not None and dimension.periods is None:
            return say_place(dimension, place)
        texts = self._say_in_context(axes, series, series.across, [place])
        return "" if texts is None else f"at {texts[0]}"

    def _highest(self) -> Iterator[Statement]:
        """Yield the highest bar, bin or point, if it is unique."""
        if not self._says(Fact.HIGHEST) or self._items or len(self.groups[0]) > 1:
            return
        axes, series = self.groups[0][0]
        seen = self.seen(axes, series)
        if series.kind in BARS | {"stem"}:
            places, values = series.values(series.across), series.values(series.along)
            if seen.is_cut or f"{series.along}_base" in series.columns:
                return
        elif seen.line is not None and self._is_a_surprise(axes, series):
            places, values = seen.line.x, seen.line.y
        else:
            return
        if places is not None and values is not None:
            yield from self._highest_of(places, values, axes, series)

    def _is_a_surprise(self, axes: AxesContent, series: Series) -> bool:
        """Return whether no trend mentions the peak of the line."""
        is_function = self._found_trend(axes, series) is None
        return (
            is_function
            and axes.has_places
            and len(self.seen(axes, series).values["x"]) > 1
        )

    def _highest_of(
        self, places: Values, values: Values, axes: AxesContent, series: Series
    ) -> Iterator[Statement]:
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite) < 2:
            return
        highest = finite[values[finite].argmax()]
        if (values[finite] == values[highest]).sum() > 1:
            return
        along, peak = axes.dimensions[series.along], float(values[highest])
        texts = None
        if along.is_plain:
            texts = self._say_in_context(axes, series, series.along, [peak])
        place = float(places[highest])
        where = self._bin(series, int(highest)) or self._place(axes, series, place)
        if texts and where:
            yield Statement(f"The highest is {texts[0]} {where}.", (series,))

    def _bin(self, series: Series, number: int) -> str:
        """Return the edges of a bin as its place, such as ``from 2 to 3``."""
        if series.kind != "histogram":
            return ""
        dimension = self.axes.dimensions[series.across]
        edges = [series.values(f"{series.across}_{end}") for end in ("from", "to")]
        ends = [float(edge[number]) for edge in edges if edge is not None]
        span = say_span(dimension, *ends) if len(ends) == 2 else ""
        return f"from {span}" if span else ""

    # Marks and texts

    def _marks(self) -> Iterator[Statement]:
        """Yield named reference lines and areas; without series, also unnamed ones."""
        guides = [(axes, guide) for axes in self.layers for guide in axes.guides]
        named = [pair for pair in guides if pair[1].label]
        shown = named if self.groups else (named or guides)
        for axes, guide in shown[:_MOST_MARKS]:
            if text := _mark(axes, guide):
                yield Statement(text, (guide,))

    def _say_texts(self) -> Iterator[Statement]:
        """Yield the texts, except those that repeat names or values."""
        if not self.groups:
            for text in dict.fromkeys(self.texts[:MOST_LISTED]):
                yield Statement(sentence(text), (text,))
            return
        known = self._find_repeats()
        texts = [
            t for t in dict.fromkeys(self.texts) if t not in known and not _is_value(t)
        ]
        if texts and len(texts) <= _MOST_MARKS:
            quoted = join_words([f"“{short(text)}”" for text in texts])
            yield Statement(f"Text: {quoted}.", tuple(texts))

    def _find_repeats(self) -> set[str]:
        """Return the names that other sentences may include."""
        columns = [c for _, s in self.groups[0] for c in s.columns.values()]
        names = {name for column in columns for name in column.names or ()}
        return names | {series.label for _, series in self.groups[0]}


def _separate(name: str, word: str = "") -> str:
    """Return *name* with *word*, or with a colon to separate two numbers."""
    return f"{name}:" if name[-1:].isdigit() and not word else f"{name}{word}"


def _add_up(group: Sequence[Series]) -> Values | None:
    """Return the totals at each place; ``None`` if the series are not stacked."""
    first, *others = group
    across, along = first.across, first.along
    places, total = first.numbers(across), first.numbers(along)
    if f"{along}_base" in first.columns:
        return None
    for series in others:
        if not np.array_equal(series.numbers(across), places):
            return None
        bases, heights = series.values(f"{along}_base"), series.numbers(along)
        is_stacked = bases is not None and np.allclose(bases, total)
        if series.kind != "stacked_area" and not is_stacked:
            return None
        total = total + heights
    return total


def _is_its_name(series: Series) -> bool:
    """Return whether the only item of *series* is named as in the legend."""
    column = series.columns.get(series.across)
    return column is not None and column.names == [series.label]


def _is_value(text: str) -> bool:
    """Return whether *text* is a number, with or without a unit."""
    digits = sum(c.isdigit() for c in text)
    return digits > 0 and digits >= sum(c.isalpha() for c in text)


def _mark(axes: AxesContent, guide: Guide) -> str:
    dimension = axes.dimensions.get(guide.direction)
    name = (
        f"“{short(guide.label)}”"
        if guide.label
        else f"{_article(guide.kind)} {guide.kind}"
    )
    if dimension is None:
        return f"{name} is a sloped line." if guide.label else ""
    label = short(dimension.label) or guide.direction
    span = say_span(dimension, min(guide.places), max(guide.places))
    if not span:
        return f"{name} marks a place on {label}."
    return f"{name} marks {label} {'from' if len(guide.places) > 1 else 'at'} {span}."


def _article(noun: str) -> str:
    return "An" if noun[0] in "aeiou" else "A"


def _clause(found: Trend, texts: Sequence[str], places: Sequence[str]) -> str:
    """Return a clause such as ``rises from 0 to 9 at 4, then falls to 3``."""
    start, end, *values = texts
    if found.first == "stays":
        return f"stays at {start}"
    if found.turn is not None:
        then = "falls" if found.first == "rises" else "rises"
        turn = f"{values[0]} {places[0]}"
        return f"{found.first} from {start} to {turn}, then {then} to {end}"
    words = [w for w, t in (("peak", found.highest), ("low", found.lowest)) if t]
    extremes = [
        f"a {word} of {value} {place}"
        for word, value, place in zip(words, values, places, strict=True)
    ]
    beyond = f", with {join_words(extremes)}" if extremes else ""
    return f"{found.first} from {start} to {end}{beyond}"


def short(label: object) -> str:
    """Return *label*, cut if it is too long for a sentence."""
    text = str(label)
    if len(text) <= _MOST_CHARACTERS:
        return text
    return f"{text[: _MOST_CHARACTERS - 1]}…"


def sentence(text: str) -> str:
    """Return *text* with a period, unless it ends a sentence already."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
