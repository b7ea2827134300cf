"""The words about any chart are true, and its exported data equal the drawn data.

Charts are made from known data. Patterns in this file read their words, and every
number, name, date and direction is compared with the data.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flask_mplstream.description.data_export import write_csv
from flask_mplstream.description.generated_alt import describe
from flask_mplstream.rendering.figure_lock import gate, use_agg

use_agg()

pytestmark = [pytest.mark.slow, pytest.mark.sweep]

#: Fewer examples, as each draws a chart and reads it.
costly = settings(max_examples=settings().max_examples // 5)

NUMBER = r"−?\d[\d,]*(?:\.\d+)?(?:e−?\d+)?"
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
DAY = rf"\d{{1,2}} (?:{'|'.join(MONTHS)}) \d{{4}}"
#: Share of the range by which a line may exceed its ends without a mention.
UNSEEN = 0.025
ZONES = [None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Tokyo"]


@pytest.fixture(autouse=True)
def inside_the_gate() -> Iterator[None]:
    """Hold the figure lock, and ignore warnings of other libraries."""
    with gate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def is_rounded(text: str, exact: float, span: float = 0.0) -> bool:
    """Return whether *text* is *exact*, except for an invisible rounding.

    :param span: the range for which it must be exact enough; 0 for none, as on a
        logarithmic scale.
    """
    noise = 1e-9 * max(abs(exact), span)
    allowed = span / 900 if span else 0.0051 * abs(exact)
    is_whole = float(exact).is_integer() and abs(exact) < 1e15
    return abs(value(text) - exact) <= (noise if is_whole else allowed + noise)


def moment(text: str) -> tuple[datetime, timedelta]:
    """Return a date from its words, and its precision."""
    time, _, day = text.rpartition(" on ") if " on " in text else ("", "", text)
    *number, month, year = day.split()
    date = datetime(int(year), MONTHS.index(month) + 1, int(number[0] if number else 1))
    if not time:
        return date, timedelta(days=1 if number else 31)
    clock = datetime.strptime(time, "%H:%M:%S" if time.count(":") == 2 else "%H:%M")
    exact = timedelta(seconds=1 if time.count(":") == 2 else 60)
    return datetime.combine(date, clock.time()), exact


def dates_of(text: str) -> tuple[str, str]:
    """Return the words of the first and the last date, each with its day."""
    found = only(r"^Line chart, x from (.+?) to (.+?)(?: \(.+?\))?, with", text)
    first, last = found.groups()
    return (first if " " in first else f"{first} on {last.partition(' on ')[2]}"), last


def is_moment(text: str, wall_clock: datetime) -> bool:
    """Return whether a date is right; with a time of day, to the second."""
    said, exact = moment(text)
    if ":" in text:
        return said == wall_clock
    return timedelta() <= wall_clock - said < exact


def new_axes() -> Axes:
    return Figure().subplots()


def figure_of(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure


def words_of(axes: Axes) -> str:
    return describe(figure_of(axes))


def table_of(axes: Axes) -> pd.DataFrame:
    text = write_csv(figure_of(axes), 50_000_000)
    return pd.read_csv(io.BytesIO(text))


def only(pattern: str, text: str) -> re.Match[str]:
    found = list(re.finditer(pattern, text))
    assert len(found) == 1, f"/{pattern}/ occurs {len(found)} times in {text!r}"
    return found[0]


def check_range(text: str, name: str, values: Any, is_log: bool = False) -> None:
    """Compare the least and the greatest value with the data."""
    known = np.asarray(values, float)
    low, high = float(known.min()), float(known.max())
    if low == high:
        found = only(rf"(?:{name}|All values) (?:is|are) ({NUMBER})(?:\.| on)", text)
        assert is_rounded(found[1], low), text
        return
    found = only(rf"[Tt]he range of {name} is ({NUMBER}) to ({NUMBER})", text)
    span = 0.0 if is_log else high - low
    assert is_rounded(found[1], low, span), text
    assert is_rounded(found[2], high, span), text
    assert found[1] != found[2], text


def check_line(text: str, x: Any, y: Any, place: Any) -> None:
    """Compare the words about one line with its data.

    :param place: a function that compares the words for a place with an element of x.
    """
    span = float(y.max() - y.min())
    trend = re.search(
        rf"(?:It|level) (rises|falls) from ({NUMBER}) to ({NUMBER})"
        rf"(?: (?:at|on|in) ([^,]*), then (rises|falls) to ({NUMBER}))?"
        rf"(?:, with (.*?))?\.(?: |$)",
        text,
    )
    if trend is None:
        pattern = rf"The highest is ({NUMBER}) (?:at|on|in) (.*?)\.(?: “|$)"
        if highest := re.search(pattern, text):
            assert is_rounded(highest[1], y.max(), span), text
            assert place(highest[2], x[y.argmax()]), text
        return
    direction, start, end, turn, then, last, extremes = trend.groups()
    assert is_rounded(start, y[0], span), text
    assert is_rounded(last or end, y[-1], span), text
    said = [value(start), value(last or end)]
    if turn:
        peak = y.max() if direction == "rises" else y.min()
        assert {direction, then} == {"rises", "falls"}, text
        assert is_rounded(end, peak, span), text
        assert place(turn, x[np.flatnonzero(y == peak)[0]]), text
        said.append(value(end))
    else:
        assert (y[-1] > y[0]) == (direction == "rises"), text
    for word, extreme in re.findall(rf"a (peak|low) of ({NUMBER})", extremes or ""):
        exact = y.max() if word == "peak" else y.min()
        assert is_rounded(extreme, exact, span), text
        said.append(value(extreme))
    # No value visibly exceeds those in the words.
    assert y.max() <= max(said) + UNSEEN * span + 0.01 * abs(span), text
    assert y.min() >= min(said) - UNSEEN * span - 0.01 * abs(span), text


@dataclass(frozen=True)
class Curve:
    """A line with known values."""

    y: np.ndarray[Any, Any]

    @property
    def is_known(self) -> np.ndarray[Any, Any]:
        return np.asarray(np.isfinite(self.y))


def shape(name: str, count: int, seed: int) -> np.ndarray[Any, Any]:
    """Return the values of a line between about -1 and 1."""
    rng, t = np.random.default_rng(seed), np.linspace(0, 1, count)
    turn = rng.uniform(0.02, 0.999)
    match name:
        case "walk":
            steps = rng.normal(size=count).cumsum()
            return np.asarray(steps / max(np.abs(steps).max(), 1))
        case "rise":
            return t
        case "fall":
            return np.asarray(-t + rng.normal(size=count) * 0.01)
        case "peak":
            return np.asarray(np.minimum(t / turn, (1 - t) / (1 - turn)))
        case "spike":
            values = t.copy()
            values[rng.integers(count)] = 5
            return values
        case "crash":
            return np.r_[t[:-1], 0.01] if count > 1 else t
    return np.full(count, 0.5)


SHAPES = ["walk", "rise", "fall", "peak", "spike", "crash", "level"]


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    count = draw(st.sampled_from([1, 2, 3, 5, 12, 60, 999, 1001, 100_000]))
    seed = draw(st.integers(0, 2**32 - 1))
    values = shape(draw(st.sampled_from(SHAPES)), count, seed)
    values = draw(st.sampled_from([0, -7, 1e9])) + values * draw(
        st.sampled_from([1.0, 0.003, 250.0, 1e7])
    )
    if draw(st.booleans()):
        values = np.round(values)
    if draw(st.booleans()) and count > 3:
        gaps = np.random.default_rng(seed).integers(0, count, count // 4)
        values[gaps] = np.nan
    return Curve(values)


@costly
@given(
    curve=curves(),
    first=st.sampled_from([0, 1990, -3.5, 1e9]),
    step=st.sampled_from([1, 0.25, 0.1]),
    flips=st.sampled_from(["", "x", "y", "xy"]),
    has_span=st.booleans(),
)
def test_a_line_over_numbers(
    curve: Curve, first: float, step: float, flips: str, has_span: bool
) -> None:
    """The ranges, trend and name match the data."""
    x, y = first + step * np.arange(len(curve.y)), curve.y
    axes = new_axes()
    axes.plot(x, y, "C0")
    for name in flips:
        getattr(axes, f"invert_{name}axis")()
    if has_span:
        axes.axvspan(x[0], x[-1] + 1, color="C0", label="recession")
        axes.set_xlim(axes.get_xlim())
        axes.legend()
    text = words_of(axes)
    pd.testing.assert_frame_equal(
        table_of(axes),
        pd.DataFrame({"x": x, "y": y}),
        check_dtype=False,
        rtol=0,
        atol=0,
    )
    known, seen = x[curve.is_known], y[curve.is_known]
    assert "1 line" in text
    assert not re.search(r"line: recession|recession (rises|falls)", text)
    if not len(seen):
        return
    assert ("reversed" in text) == bool(flips), text
    check_range(text, "y", seen)
    if len(known) > 1:
        places = only(rf"chart, x from ({NUMBER}) to ({NUMBER}),", text)
        span = float(known[-1] - known[0])
        assert is_rounded(places[1], known[0], span), text
        assert is_rounded(places[2], known[-1], span), text
        between = known[-1] - known[0]
        check_line(text, known, seen, lambda said, at: is_rounded(said, at, between))


@costly
@given(curve=curves(), low=st.floats(0.05, 0.45), high=st.floats(0.55, 0.95))
def test_a_line_within_limits(curve: Curve, low: float, high: float) -> None:
    """The words end at the limits, and the export has all points."""
    y = curve.y
    axes = new_axes()
    axes.plot(y)
    seen = y[curve.is_known]
    if len(seen) < 2 or np.ptp(seen) == 0:
        return
    least, most = (seen.min() + share * np.ptp(seen) for share in (low, high))
    axes.set_ylim(least, most)
    text = words_of(axes)
    if found := re.search(rf"range of y is ({NUMBER}) to ({NUMBER})", text):
        slack = 0.01 * (most - least) + 1e-9 * abs(most)
        assert value(found[1]) >= least - slack, text
        assert value(found[2]) <= most + slack, text
    assert table_of(axes)["y"].count() == len(seen)


@costly
@given(
    curve=curves(),
    start=st.sampled_from(["2024-10-26T22:00", "2024-03-30", "2024-11-02T20:00:05"]),
    unit=st.sampled_from(["s", "m", "h", "D"]),
    zone=st.sampled_from(ZONES),
)
def test_a_line_over_dates(
    curve: Curve, start: str, unit: str, zone: str | None
) -> None:
    """Dates are wall-clock times in the axis's zone, across clock changes."""
    y = curve.y[:5000]
    moments = np.datetime64(start, "s") + np.arange(len(y)).astype(f"m8[{unit}]")
    index = pd.DatetimeIndex(moments)
    if zone is not None:
        index = index.tz_localize("UTC").tz_convert(zone)
    axes = new_axes()
    axes.plot(index, y)
    text = words_of(axes)
    table = table_of(axes)
    expected = index if zone is None else index.tz_convert("UTC")
    read = pd.DatetimeIndex(pd.to_datetime(table["x"]))
    assert (read.tz is None) == (zone is None)
    assert (read == expected).all()
    np.testing.assert_array_equal(table["y"], y)
    is_known = np.isfinite(y)
    known = [time.replace(tzinfo=None).to_pydatetime() for time in index[is_known]]
    if len(known) < 2:
        return
    assert text.count(f"({zone})") == (zone is not None), text
    first, last = dates_of(text)
    assert is_moment(first, known[0]), text
    assert is_moment(last, known[-1]), text
    check_range(text, "y", y[is_known])
    check_line(text, known, y[is_known], is_moment)


NAMES = ["Ada", "Bo", "Cy", "Di", "Ed", "Fay", "Gus", "Hal", "Ivy", "Jo"]
HEIGHTS = st.one_of(
    st.lists(st.integers(1, 10**7), min_size=2, max_size=10),
    st.lists(st.floats(0.01, 1e6), min_size=2, max_size=10),
    st.lists(st.floats(1000, 1003), min_size=2, max_size=10),
)


def check_items(text: str, names: Sequence[str], values: Any) -> None:
    """Compare the single values with the data and with each other."""
    said = [only(rf"\b{name} ({NUMBER})(?:,|\.| and|$)", text)[1] for name in names]
    span = float(np.ptp(values))
    for one, exact in zip(said, values, strict=True):
        assert is_rounded(one, exact, span), text
    # A float has 15 certain digits.
    assert len(set(said)) == len({float(f"{value:.15g}") for value in values}), text


@costly
@given(heights=HEIGHTS, is_horizontal=st.booleans())
def test_bars_with_names(heights: list[float], is_horizontal: bool) -> None:
    """Few bars have each value; more have the range and the highest."""
    names = NAMES[: len(heights)]
    axes = new_axes()
    (axes.barh if is_horizontal else axes.bar)(names, heights)
    text, table = words_of(axes), table_of(axes)
    across, along = "yx" if is_horizontal else "xy"
    assert table[across].tolist() == names
    assert table[along].tolist() == heights
    assert table[along].dtype.kind == np.array(heights).dtype.kind
    assert (
        f"Bar chart{'' if len(names) < 7 else f', {across} from Ada to {names[-1]},'}"
        in text
    )
    assert f"{len(names)} bars" in text
    if len(names) < 7:
        check_items(text, names, heights)
        return
    check_range(text, along, heights)
    if found := re.search(rf"The highest is ({NUMBER}) at (\w+)\.", text):
        highest = int(np.argmax(heights))
        assert is_rounded(found[1], heights[highest], float(np.ptp(heights))), text
        assert found[2] == names[highest], text


@costly
@given(
    first=st.lists(st.integers(1, 500), min_size=3, max_size=9),
    seed=st.integers(0, 2**16),
    is_stacked=st.booleans(),
)
def test_bars_in_groups(first: list[int], seed: int, is_stacked: bool) -> None:
    """Bars side by side have a range, and stacked bars have totals."""
    lower = np.array(first)
    upper = np.random.default_rng(seed).integers(1, 500, len(first))
    axes, places = new_axes(), np.arange(len(first))
    if is_stacked:
        axes.bar(NAMES[: len(first)], lower, label="old")
        axes.bar(NAMES[: len(first)], upper, bottom=lower, label="new")
    else:
        axes.bar(places - 0.2, lower, 0.4, label="old")
        axes.bar(places + 0.2, upper, 0.4, label="new")
        axes.set_xticks(places, NAMES[: len(first)])
    text, table = words_of(axes), table_of(axes)
    assert table["x"].tolist() == NAMES[: len(first)]
    assert table["old"].tolist() == lower.tolist()
    assert table["new"].tolist() == upper.tolist()
    assert f"with {2 * len(first)} bars in 2 groups: old and new." in text
    if not is_stacked:
        check_range(text, "y", np.concatenate([lower, upper]))
        return
    totals = lower + upper
    found = only(rf"The totals are (?:all )?({NUMBER})(?: to ({NUMBER}))?\.", text)
    assert value(found[1]) == totals.min(), text
    assert value(found[2] or found[1]) == totals.max(), text


@costly
@given(
    first=st.sampled_from(["2024-01-01", "2024-03-31", "2024-10-27T21:00"]),
    unit=st.sampled_from(["h", "D"]),
    heights=st.lists(st.integers(1, 50), min_size=3, max_size=30),
)
def test_bars_that_touch_on_a_date_axis(
    first: str, unit: str, heights: list[int]
) -> None:
    """Touching bars on a date axis are bars at their times, not bins."""
    times = np.datetime64(first, "s") + np.arange(len(heights)).astype(f"m8[{unit}]")
    axes = new_axes()
    axes.bar(times, heights, width=1 / 24 if unit == "h" else 1)
    text, table = words_of(axes), table_of(axes)
    assert "Bar chart" in text
    assert "bin" not in text
    assert (pd.to_datetime(table["x"]).to_numpy() == times).all()
    assert table["y"].tolist() == heights
    check_range(text, "y", heights)


@costly
@given(
    days=st.lists(st.integers(1, 400), min_size=2, max_size=6),
    hours=st.lists(st.integers(1, 300), min_size=6, max_size=6),
)
def test_tasks_on_a_date_axis(days: list[int], hours: list[int]) -> None:
    """Tasks have a start and a duration, and no date is in 1970."""
    names = NAMES[: len(days)]
    starts = np.datetime64("2024-01-01", "s") + np.array(days).astype("m8[D]")
    lengths = np.array(hours[: len(days)]).astype("m8[h]").astype("m8[s]")
    axes = new_axes()
    axes.barh(names, lengths.tolist(), left=starts.tolist())
    text, table = words_of(axes), table_of(axes)
    assert (pd.to_datetime(table["x from"]).to_numpy() == starts).all()
    assert (pd.to_datetime(table["x to"]).to_numpy() == starts + lengths).all()
    assert "1970" not in text
    for name, start, count in zip(names, starts.tolist(), hours, strict=False):
        found = only(rf"\b{name} from ({DAY}) for (?:(\d+) days?)? ?(\d\d)?", text)
        assert is_moment(found[1], start), text
        assert 24 * int(found[2] or 0) + int(found[3] or 0) == count, text


@costly
@given(
    count=st.sampled_from([1, 2, 50, 3000, 100_000]),
    seed=st.integers(0, 2**32 - 1),
    offset=st.sampled_from([0.0, 1e9]),
    is_log=st.booleans(),
)
def test_scattered_points(count: int, seed: int, offset: float, is_log: bool) -> None:
    """Only visible points are counted, with their ranges."""
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 100, count), rng.lognormal(size=count) + offset
    axes = new_axes()
    axes.scatter(x, y, label="all")
    axes.scatter([1e6], [y[0]], label="_hidden")
    axes.set_xlim(-1, 101)
    if is_log:
        axes.set_yscale("log")
    text, table = words_of(axes), table_of(axes)
    assert f"{count:,} point{'' if count == 1 else 's'}" in text
    np.testing.assert_array_equal(table["x"].iloc[:count], x)
    np.testing.assert_array_equal(table["all"].iloc[:count], y)
    check_range(text, "y", y, is_log)
    assert ("range of y" in text and "logarithmic" in text) == (
        is_log and np.ptp(y) > 0
    )


@pytest.mark.parametrize("is_stacked", [False, True], ids=["apart", "stacked"])
@pytest.mark.parametrize("kind", ["bar", "step", "stepfilled", "whole"])
@settings(max_examples=settings().max_examples // 12)
@given(
    sizes=st.lists(st.integers(5, 400), min_size=1, max_size=3),
    seed=st.integers(0, 2**32 - 1),
    bins=st.integers(3, 30),
)
def test_histograms(
    sizes: list[int], seed: int, bins: int, kind: str, is_stacked: bool
) -> None:
    """Bins have their count, edges and highest value in every style."""
    if kind == "step" and is_stacked:
        sizes = sizes[:1]  # The outlines of stacked bins lack their lower ends.
    rng = np.random.default_rng(seed)
    samples: list[Any] = [rng.normal(size=size) for size in sizes]
    edges: Any = bins
    if kind == "whole":
        samples = [rng.poisson(4, size) for size in sizes]
        edges = np.arange(-0.5, max(map(np.max, samples)) + 1)
    axes = new_axes()
    names = NAMES[: len(samples)]
    histtype: Any = "bar" if kind == "whole" else kind
    counts, found, _ = axes.hist(
        samples, edges, histtype=histtype, label=names, stacked=is_stacked
    )
    text, table = words_of(axes), table_of(axes)
    counts = np.atleast_2d(counts)
    if is_stacked:
        counts = np.diff(counts, axis=0, prepend=0)
    assert "Histogram" in text, text
    np.testing.assert_allclose(table["x from"], found[:-1], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(table["x to"], found[1:], rtol=1e-12, atol=1e-12)
    for name, column in zip(names, counts, strict=True):
        assert table[name].tolist() == column.tolist()
    total = len(found[:-1]) * len(samples)
    assert f"{total} bins" in text, text
    check_range(text, "y", counts)
    places = only(rf"x from ({NUMBER}) to ({NUMBER}),", text)
    assert is_rounded(places[1], found[0], float(np.ptp(found))), text
    assert is_rounded(places[2], found[-1], float(np.ptp(found))), text


@costly
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 6),
    has_caps=st.booleans(),
    is_named=st.booleans(),
    orientation=st.sampled_from(["vertical", "horizontal"]),
)
def test_box_plots(
    seed: int, count: int, has_caps: bool, is_named: bool, orientation: Any
) -> None:
    """Medians have names, with and without caps."""
    rng = np.random.default_rng(seed)
    samples = [rng.normal(size=40) * 10 for _ in range(count)]
    names = NAMES[:count] if is_named else None
    axes = new_axes()
    axes.boxplot(samples, tick_labels=names, showcaps=has_caps, orientation=orientation)
    text, table = words_of(axes), table_of(axes)
    across, along = "xy" if orientation == "vertical" else "yx"
    medians = [float(np.median(sample)) for sample in samples]
    np.testing.assert_allclose(table[f"{along} median"].dropna(), medians)
    assert f"{count} box{'' if count == 1 else 'es'}" in text, text
    assert "line" not in text
    if names is None:
        values = np.concatenate(samples)
        check_range(text, along, values)
        return
    assert table[across].dropna().tolist() == names
    for name, median in zip(names, medians, strict=True):
        found = only(rf"\b{name} with a median of ({NUMBER})", text)
        assert is_rounded(found[1], median, float(np.ptp(medians))), text


@costly
@given(shares=st.lists(st.integers(1, 1000), min_size=2, max_size=6))
def test_pies(shares: list[int]) -> None:
    """Shares are percentages with one digit."""
    names = NAMES[: len(shares)]
    axes = new_axes()
    axes.pie(shares, labels=names, autopct="%d%%")
    text, table = words_of(axes), table_of(axes)
    assert table["name"].tolist() == names
    np.testing.assert_allclose(
        table["share"], np.array(shares) / sum(shares), atol=1e-6
    )
    for name, share in zip(names, shares, strict=True):
        found = only(rf"\b{name} ({NUMBER})%", text)
        assert abs(value(found[1]) - 100 * share / sum(shares)) <= 0.0501, text


@costly
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(1, 30), st.integers(2, 30)),
    offset=st.sampled_from([0.0, 1e9]),
    method=st.sampled_from(["imshow", "pcolormesh"]),
)
def test_heat_maps(
    seed: int, size: tuple[int, int], offset: float, method: str
) -> None:
    """All values are counted, with their range."""
    values = np.random.default_rng(seed).normal(size=size) + offset
    axes = new_axes()
    getattr(axes, method)(values)
    text, table = words_of(axes), table_of(axes)
    assert text.startswith("Heat map")
    assert f"with {values.size} values" in text
    np.testing.assert_array_equal(table["value"], values.ravel())
    check_range(text, "the values", values)


@costly
@given(
    start=st.sampled_from(["2024-10-26 12:00", "2024-03-30 12:00", "2024-07-01"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Tokyo"]),
    count=st.integers(2, 60),
)
def test_a_series_of_pandas_with_a_zone(start: str, zone: str, count: int) -> None:
    """pandas draws the wall clock, and the data have each moment once."""
    from flask_mplstream import render

    index = pd.date_range(start, periods=count, freq="h", tz=zone)

    def draw() -> Axes:
        drawn: Axes = pd.Series(range(count), index).plot(ax=new_axes())
        return drawn

    table = pd.read_csv(io.BytesIO(render(draw, "csv").body))
    assert (pd.DatetimeIndex(pd.to_datetime(table["x"])) == index).all()
    text = render(draw, "txt").body.decode()
    assert f"({zone})" in text
    first, last = dates_of(text)
    for said, exact in ((first, index[0]), (last, index[-1])):
        assert is_moment(said, exact.replace(tzinfo=None).to_pydatetime()), text
