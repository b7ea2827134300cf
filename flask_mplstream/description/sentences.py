"""Sentences about one chart: its facts and its notable features.

Description layer. Uncertain facts are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..forks import cached_property
from .axis_values import Values
from .chart_types import BARS, CHART_TYPES, COLORED, GRIDS, MEASURED, Fact
from .numbers import format_number
from .plotted import Plotted, find_ends
from .series import AxesContent, Guide, Series
from .trends import Trend
from .value_texts import (
    count_in_words,
    join_words,
    say,
    say_length,
    say_scale,
    say_span,
    say_zone,
    shorten,
)

#: Maximum names, values or trends to list; if there are more, none is listed.
MOST_LISTED = 6
_MOST_CELLS = 12
_MOST_MARKS = 3
#: The name of values shown as colors without a label.
_VALUES = "the values"
#: Suffixes of the columns that describe one item; by default the value alone.
_ITEM_PARTS = {"box": ("_median",), "gantt": ("_from", "_to")}


@dataclass(eq=False)
class Chart:
    """Axes on top of each other, described as one chart."""

    layers: Sequence[AxesContent]

    @cached_property
    def groups(self) -> list[list[Plotted]]:
        """The visible series by kind; the first kind names the chart."""
        order = list(CHART_TYPES)
        found = [Plotted(axes, one) for axes in self.layers for one in axes.series]
        shown = [one for one in found if one.seen.count != 0]
        shown.sort(key=lambda one: order.index(one.series.kind))
        return [list(group) for _, group in groupby(shown, lambda p: p.series.kind)]

    @property
    def title(self) -> str:
        """The title of the axes, or an empty text."""
        return ", ".join(dict.fromkeys(filter(None, (a.title for a in self.layers))))

    @property
    def main(self) -> Plotted:
        """The series that determines the kind of chart."""
        return self.groups[0][0]

    def list_sentences(self) -> Iterator[str]:
        """Yield the sentences, the most important first."""
        if self.groups:
            yield self._say_kind()
            if self.main.series.kind == "table":
                yield from _say_cells(self.main.series)
            if not self._items:
                yield from self._say_ranges()
            yield from self._say_colors()
            yield from self._say_reversed_axes()
            yield from self._say_trends()
            yield from self._say_highest()
        yield from self._say_marks()
        yield from self._say_texts()

    # The first sentence

    def _say_kind(self) -> str:
        parts = self._say_parts()
        with_parts = f" with {parts}" if parts else ""
        values, places = self._choose_labels()
        subject = f" of {values}" if values else ""
        if places:
            subject += f" {self.main.type.word} {places}"
        span = self._say_places(places or values)
        return f"{self.main.type.chart}{subject}{span}{with_parts}."

    def _has(self, fact: Fact) -> bool:
        return fact in self.main.type.facts

    def _find_label(self, direction: str) -> str:
        labels = (axes.dimensions[direction].label for axes in self.layers)
        return shorten(next(filter(None, labels), ""))

    def _choose_labels(self) -> tuple[str, str]:
        """Return the labels of the values and of the places."""
        main = self.main.series
        if main.kind in {"pie", "table"}:
            return "", ""
        places = self._find_label(main.across)
        if main.kind in {"histogram", "event"}:
            return places, ""
        # One label per scale.
        axes = dict.fromkeys(one.axes for one in self.groups[0])
        dimensions = [
            a.dimensions[main.along] for a in axes if main.along in a.dimensions
        ]
        labels = dict.fromkeys(shorten(d.label) for d in dimensions if d.label)
        values = join_words(list(labels))
        if main.kind in COLORED or main.along == "z":
            places = join_words(list(filter(None, map(self._find_label, "xy"))))
            values = values if main.along == "z" else shorten(main.value_label)
        return values, places

    def _say_places(self, said: str) -> str:
        """Return a clause with the label, the first and the last place.

        :param said: the label just before it.
        """
        across = self.main.series.across
        span = self._span_places(across) if self._has(Fact.PLACES) else ""
        if not span:
            return ""
        label = self._find_label(across) or across
        name = "" if label == said else f"{label} "
        zone = say_zone(self.main.across)
        in_zone = f" ({zone})" if zone else ""
        word = "from" if " to " in span else "at"
        return f", {name}{word} {span}{in_zone}{say_scale(self.main.across)},"

    def _span_places(self, across: str) -> str:
        main = self.main
        if not main.axes.has_places or self._items:
            return ""
        if main.series.kind in GRIDS and not _has_coordinates(main.series):
            return ""
        if names := self._span_names(across):
            return names
        beside = [one for p in self.groups[0] for one in self._list_beside(p.axes)]
        ends = _find_range(across, [*self.groups[0], *beside])
        # Boxes without names are just numbered from 1.
        is_counted = main.series.kind in {"box", "violin"}
        if ends is None or main.across.names or is_counted:
            return ""
        return say_span(main.across, *ends)

    def _span_names(self, across: str) -> str:
        """Return the first and the last name of the places, if all are named."""
        found: list[tuple[float, str]] = []
        for one in self.groups[0]:
            names = one.name_ends(across)
            if names is None:
                return ""
            found += names
        if not found:
            return ""
        (start, first), (end, last) = min(found), max(found)
        if first != last:
            return f"{shorten(first)} to {shorten(last)}"
        return shorten(first) if start == end else ""

    def _say_parts(self) -> str:
        """Return the counts of all items, with names or values for the main kind."""
        things = [self._count(group) for group in self.groups]
        if not things[0]:
            return ""
        main, *others = filter(None, things)
        names = join_words(self._items or self._names)
        if not names:
            return join_words([main, *others])
        if others:
            return join_words([f"{main} ({names})", *others])
        return f"{main}: {names}"

    def _count(self, group: Sequence[Plotted]) -> str:
        kind, is_main = group[0].type, group is self.groups[0]
        if Fact.COUNT not in kind.facts:
            return ""
        labels = [shorten(one.series.label) for one in group if one.series.label]
        are_named = len(labels) == len(group)
        if kind.are_series:
            is_listed = are_named and len(labels) <= MOST_LISTED and not is_main
            names = f" ({join_words(labels)})" if is_listed else ""
            return f"{count_in_words(len(group), kind.one, kind.many)}{names}"
        things = count_in_words(sum(p.count for p in group), kind.one, kind.many)
        if not are_named:
            return things
        if len(group) == 1:
            return f"{things} for {labels[0]}"
        is_listed = is_main and bool(self._items)
        return things if is_listed else f"{things} in {len(group)} groups"

    @property
    def _names(self) -> list[str]:
        """The names of the series, if they are few and all are named."""
        group = self.groups[0]
        labels = [shorten(one.series.label) for one in group if one.series.label]
        if not self._has(Fact.NAMES) or len(labels) < len(group):
            return []
        are_items = len(group) > 1 or self.main.type.are_series
        return labels if are_items and len(labels) <= MOST_LISTED else []

    # Single items

    @cached_property
    def _items(self) -> list[str]:
        """Names and values of the items, if they are few and have distinct names."""
        group, main = self.groups[0], self.main.series
        if not self._has(Fact.VALUES) or main.kind == "table":
            return []
        if sum(one.series.count for one in group) > MOST_LISTED:
            return []
        if main.kind == "pie":
            return _say_shares(main) if len(group) == 1 else []
        if any(one.axes is not self.main.axes for one in group):
            return []
        if len(group) > 1 and not all(one.is_its_name for one in group):
            return []
        tables = [_list_items(one) for one in group]
        rows = [row for table in tables if table is not None for row in table]
        names = [name for _, name, _ in rows]
        if None in tables or len(set(names)) < len(names):
            return []
        rows.sort(key=lambda row: row[0])
        return self._say_items(
            [name for _, name, _ in rows], [values for *_, values in rows]
        )

    def _say_items(
        self, names: Sequence[str], values: Sequence[tuple[float, ...]]
    ) -> list[str]:
        texts = say(self.main.along, [first for first, *_ in values])
        if texts is None:
            return []
        pairs = list(zip(names, texts, strict=True))
        if self.main.series.kind == "gantt":
            lengths = say_length([end - start for start, end in values])
            rows = zip(pairs, lengths, strict=True)
            return [f"{n} from {date} for {length}" for (n, date), length in rows]
        if self.main.series.kind == "box":
            return [f"{name} with a median of {text}" for name, text in pairs]
        return [f"{_separate(name)} {text}" for name, text in pairs]

    # Ranges

    def _say_ranges(self) -> Iterator[str]:
        is_placed = self.main.axes.has_places or self.main.series.kind in COLORED
        if not self._has(Fact.RANGE) or not is_placed:
            return
        if totals := self._say_totals():
            yield totals
            return
        layers = dict.fromkeys(one.axes for one in self.groups[0])
        ranges = [found for axes in layers if (found := self._range(axes))]
        if len({name for name, _ in ranges}) < len(ranges):
            return  # Twins without distinct labels.
        if len(ranges) == 1 and " to " not in ranges[0][1]:
            name, value = ranges[0]
            subject = "All values are" if name == _VALUES else f"{name} is"
            yield f"{subject} {value}."
        elif ranges:
            clauses = [f"of {name} is {span}" for name, span in ranges]
            yield f"The range {'; that '.join(clauses)}."

    def _range(self, axes: AxesContent) -> tuple[str, str] | None:
        """Return the name of the values and their range, if it is certain."""
        main = self.main.series
        is_colored = main.kind in COLORED
        group = [one for one in self.groups[0] if one.axes is axes]
        is_clipped = is_colored or main.kind in {"line", "scatter", "stem"}
        if not is_clipped and any(one.seen.is_cut for one in group):
            return None
        direction = "value" if is_colored else main.along
        ends = _find_range(direction, [*group, *self._list_beside(axes)])
        if ends is None:
            return None
        if is_colored:
            return shorten(main.value_label) or _VALUES, say_span(None, *ends)
        dimension = axes.dimensions[direction]
        span = "" if dimension.names else say_span(dimension, *ends)
        name = shorten(dimension.label) or direction
        return (name, f"{span}{say_scale(dimension)}") if span else None

    def _list_beside(self, axes: AxesContent) -> list[Plotted]:
        """Return the series of other kinds with values on the same axes."""
        others = (one for group in self.groups[1:] for one in group)
        return [p for p in others if p.axes is axes and p.series.kind in MEASURED]

    def _say_colors(self) -> Iterator[str]:
        """Yield the range of values shown as colors, if a color bar names them."""
        label = self.main.series.value_label
        ends = _find_range("value", self.groups[0])
        if self._has(Fact.COLORS) and label and ends is not None:
            yield f"The colors show {shorten(label)}, {say_span(None, *ends)}."

    def _say_totals(self) -> str:
        """Return the range of a stack's totals, if all series have equal places."""
        group = self.groups[0]
        is_cut = any(one.seen.is_cut for one in group)
        if not self._has(Fact.TOTALS) or len(group) < 2 or is_cut:
            return ""
        total = _add_up([one.series for one in group])
        if total is None or not np.isfinite(total).all():
            return ""
        span = say_span(self.main.along, float(total.min()), float(total.max()))
        word = "are" if " to " in span else "are all"
        return f"The totals {word} {span}." if span else ""

    def _say_reversed_axes(self) -> Iterator[str]:
        axes, main = self.main.axes, self.main.series
        if not self._has(Fact.AXES) or not axes.has_places:
            return
        if main.kind in GRIDS or main.along == "z":
            return
        columns = {name: main.columns.get(name) for name in "xy"}
        names = [
            f"{name}-axis"
            for name, column in columns.items()
            if axes.dimensions[name].is_inverted
            and not (column is not None and column.is_named)
        ]
        if names:
            verb = "is" if len(names) == 1 else "are"
            yield f"The {join_words(names)} {verb} reversed."

    # Lines

    def _say_trends(self) -> Iterator[str]:
        is_single = len(self.groups) == 1 and len(self.groups[0]) == 1
        for group in self.groups:
            if Fact.TREND not in group[0].type.facts or len(group) > MOST_LISTED:
                continue
            for one in group:
                name = shorten(one.series.label) or ("It" if is_single else "")
                clause = _say_trend(one) if name else ""
                is_known = is_single and clause.startswith("stays")  # From the range.
                if clause and not is_known:
                    yield f"{name} {clause}."

    def _say_highest(self) -> Iterator[str]:
        """Yield the highest bar, bin or point, if it is unique."""
        if not self._has(Fact.HIGHEST) or self._items or len(self.groups[0]) > 1:
            return
        one, series, line = self.main, self.main.series, self.main.seen.line
        if series.kind in BARS | {"stem"}:
            if one.seen.is_cut or f"{series.along}_base" in series.columns:
                return
            places, values = map(series.find_numbers, (series.across, series.along))
        elif line is not None and len(line.x) > 1 and one.axes.has_places:
            if one.trend is not None:
                return  # It includes the peak.
            places, values = line.x, line.y
        else:
            return
        if places is not None and values is not None:
            yield from _say_peak(one, places, values)

    # Marks and texts

    def _say_marks(self) -> Iterator[str]:
        """Yield named reference lines and areas; without series, also unnamed ones."""
        guides = [(axes, guide) for axes in self.layers for guide in axes.guides]
        named = [pair for pair in guides if pair[1].label]
        shown = named if self.groups else (named or guides)
        yield from filter(None, (_say_mark(*pair) for pair in shown[:_MOST_MARKS]))

    def _say_texts(self) -> Iterator[str]:
        """Yield the texts, except those that repeat names or values."""
        texts = [text for axes in self.layers for text in axes.texts]
        if not self.groups:
            yield from map(end_sentence, dict.fromkeys(texts[:MOST_LISTED]))
            return
        shown = [one.series for one in self.groups[0]]
        columns = [column for series in shown for column in series.columns.values()]
        known = {name for column in columns for name in column.names or ()}
        known |= {series.label for series in shown}
        texts = [t for t in dict.fromkeys(texts) if t not in known and not _is_value(t)]
        if texts and len(texts) <= _MOST_MARKS:
            yield f"Text: {join_words([f'“{shorten(text)}”' for text in texts])}."


def _find_range(direction: str, group: Sequence[Plotted]) -> tuple[float, float] | None:
    """Return the least and the greatest visible number of all series in *group*."""
    return find_ends([one.seen.values.get(direction) for one in group])


def _has_coordinates(series: Series) -> bool:
    """Return whether cells have coordinates instead of row and column numbers."""
    values = series.find_numbers("x")
    is_counted = values is not None and np.array_equal(values, np.arange(len(values)))
    return series.columns["x"].names is None and not is_counted


def _list_items(one: Plotted) -> list[tuple[float, str, tuple[float, ...]]] | None:
    """Return place, name and values of each item, if all are visible and named."""
    series = one.series
    column = series.columns.get(series.across)
    if column is None or column.names is None or one.seen.is_cut:
        return None
    parts = _ITEM_PARTS.get(series.kind, ("",))
    values = [series.get_numbers(f"{series.along}{part}") for part in parts]
    table = zip(column.values.tolist(), column.names, *values, strict=True)
    return [(p, shorten(n), tuple(v)) for p, n, *v in table if np.isfinite(v).all()]


def _say_shares(pie: Series) -> list[str]:
    shares = 100 * np.asarray(pie.columns["share"].values, float)
    exact = len(set(np.round(shares, 4).tolist()))
    decimals = next(d for d in (1, 2, 4) if len(set(np.round(shares, d))) == exact)
    texts = map(format_number, np.round(shares, decimals).tolist())
    pairs = zip(pie.columns["name"].values.tolist(), texts, strict=True)
    return [f"{_separate(shorten(name))} {share}%".strip() for name, share in pairs]


def _say_cells(table: Series) -> Iterator[str]:
    columns = [column.values.tolist() for column in table.columns.values()]
    rows = [
        ", ".join(map(shorten, filter(None, row))) for row in zip(*columns, strict=True)
    ]
    if len(rows) * len(columns) > _MOST_CELLS:
        rows = rows[:1]
    if any(rows):
        yield f"{'; '.join(filter(None, rows))}."


def _separate(name: str) -> str:
    """Return *name*, with a colon if it ends with a digit, before a number."""
    return f"{name}:" if name[-1:].isdigit() else name


def _add_up(group: Sequence[Series]) -> Values | None:
    """Return the totals at each place; ``None`` if the series are not stacked."""
    first, *others = group
    across, along = first.across, first.along
    places, total = first.get_numbers(across), first.get_numbers(along)
    if f"{along}_base" in first.columns:
        return None
    for series in others:
        if not np.array_equal(series.get_numbers(across), places):
            return None
        bases, heights = series.find_numbers(f"{along}_base"), series.get_numbers(along)
        is_stacked = bases is not None and np.allclose(bases, total)
        if series.kind != "stacked_area" and not is_stacked:
            return None
        total = total + heights
    return total


def _is_value(text: str) -> bool:
    """Return whether *text* is a number, with or without a unit."""
    digits = sum(c.isdigit() for c in text)
    return digits > 0 and digits >= sum(c.isalpha() for c in text)


def _say_trend(one: Plotted) -> str:
    trend = one.trend
    if trend is None or not one.along.is_plain or one.along.tick_names:
        return ""
    turns = [t for t in (trend.turn, trend.highest, trend.lowest) if t]
    values = [trend.start, trend.end, *(turn.value for turn in turns)]
    texts = one.say_values(one.series.along, values)
    if texts is None:
        return ""
    places = [one.say_place(turn.place) for turn in turns]
    return _join_trend(trend, texts, places) if all(places) else ""


def _join_trend(trend: Trend, texts: Sequence[str], places: Sequence[str]) -> str:
    """Return a clause such as ``rises from 0 to 9 at 4, then falls to 3``."""
    start, end, *values = texts
    if trend.first == "stays":
        return f"stays at {start}"
    if trend.turn is not None:
        then = "falls" if trend.first == "rises" else "rises"
        turn = f"{values[0]} {places[0]}"
        return f"{trend.first} from {start} to {turn}, then {then} to {end}"
    words = [w for w, t in (("peak", trend.highest), ("low", trend.lowest)) if t]
    extremes = [
        f"a {word} of {value} {place}"
        for word, value, place in zip(words, values, places, strict=True)
    ]
    beyond = f", with {join_words(extremes)}" if extremes else ""
    return f"{trend.first} from {start} to {end}{beyond}"


def _say_peak(one: Plotted, places: Values, values: Values) -> Iterator[str]:
    finite = np.flatnonzero(np.isfinite(values))
    if len(finite) < 2:
        return
    highest = int(finite[values[finite].argmax()])
    if (values[finite] == values[highest]).sum() > 1 or not one.along.is_plain:
        return
    texts = one.say_values(one.series.along, [float(values[highest])])
    where = _say_bin(one, highest) or one.say_place(float(places[highest]))
    if texts and where:
        yield f"The highest is {texts[0]} {where}."


def _say_bin(one: Plotted, number: int) -> str:
    """Return the edges of a bin as its place, such as ``from 2 to 3``."""
    if one.series.kind != "histogram":
        return ""
    edges = [
        one.series.get_numbers(f"{one.series.across}_{end}") for end in ("from", "to")
    ]
    span = say_span(one.across, *(float(edge[number]) for edge in edges))
    return f"from {span}" if span else ""


def _say_mark(axes: AxesContent, guide: Guide) -> str:
    dimension = axes.dimensions.get(guide.direction)
    article = "An" if guide.kind == "area" else "A"
    name = f"“{shorten(guide.label)}”" if guide.label else f"{article} {guide.kind}"
    if dimension is None:
        return f"{name} is a sloped line." if guide.label else ""
    label = shorten(dimension.label) or guide.direction
    span = say_span(dimension, min(guide.places), max(guide.places))
    if not span:
        return f"{name} marks a place on {label}."
    return f"{name} marks {label} {'from' if len(guide.places) > 1 else 'at'} {span}."


def end_sentence(text: str) -> str:
    """Return *text* with a period, unless it ends a sentence already."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
