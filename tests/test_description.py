"""A figure in words: what is said, how much, and at which price."""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from flask_mplstream import render
from flask_mplstream.render.gate import gate, use_agg
from flask_mplstream.render.reading.description import MOST_CHARACTERS, describe
from flask_mplstream.render.reading.wording import listing, number, numbers_apart

from .conftest import pixels
from .shown_figures import FIGURES, drawn_by, with_axes
from .test_render_output import BUILDERS

use_agg()


@pytest.fixture(autouse=True)
def inside_the_gate() -> Iterator[None]:
    """As in a render; what pandas and others warn of is not ours."""
    with gate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_a_line_chart_is_told() -> None:
    """Its title, labels, ranges, lines, and what those do."""
    assert describe(FIGURES["example-prices"]()) == (
        "Share prices, adjusted for splits and dividends. Line chart of US dollars "
        "over Date, from January 1990 to June 2022, with 3 lines: Apple, IBM and "
        "Microsoft. The range of US dollars is 0.1 to 335. Apple rises from 0.243 to "
        "137; IBM rises from 11 to 142; Microsoft rises from 0.404 to 256."
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("nothing", "", id="nothing"),
        pytest.param("empty-axes", "", id="empty-axes"),
        pytest.param(
            "example-scatter",
            "50 random circles, seed 0. Scatter plot of y against x, from 0.00274 to "
            "0.997, with 50 points. The range of y is 0.0147 to 0.995.",
            id="scatter",
        ),
        pytest.param(
            "category-bars", "Bar chart with 2 bars: a 1 and b 2.", id="bars-by-name"
        ),
        pytest.param(
            "pandas-bars",
            "Bar chart by c with 10 bars in 2 groups: a and b. The range of y is 0 to "
            "5.",
            id="grouped-bars",
        ),
        pytest.param(
            "hist",
            "Histogram, x from 1 to 3, with 3 bins. The range of y is 0 to 2. The "
            "highest is 2 at 2.",
            id="histogram",
        ),
        pytest.param(
            "pie", "Pie chart with 2 wedges: one 25% and three 75%.", id="pie"
        ),
        pytest.param(
            "seaborn-box",
            "Box plot of a by c with 2 boxes: u with a median of 3 and v with a median "
            "of 3.",
            id="boxes",
        ),
        pytest.param(
            "log",
            "Line chart, x from 1 to 100 on a logarithmic scale, with 1 line. The "
            "range of y is 1 to 100 on a logarithmic scale. It rises from 1 to 100.",
            id="log",
        ),
        pytest.param(
            "seaborn-grid",
            "2 charts. First, c = u: scatter plot of b against a, from 1 to 5, with 3 "
            "points. The range of b is 1 to 3. Second, c = v: scatter plot of b "
            "against a, from 2 to 4, with 2 points. b is 2.",
            id="two-charts",
        ),
    ],
)
def test_each_kind_is_told_in_its_own_words(name: str, expected: str) -> None:
    """Full sentences, with few names and values."""
    assert describe(FIGURES[name]()) == expected


YEARS = range(2015, 2025)
DAYS = [datetime(2024, 1, day) for day in range(1, 6)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            drawn_by("bar", YEARS, range(10)),
            "Bar chart, x from 2015 to 2024, with 10 bars. The range of y is 0 to 9. "
            "The highest is 9 at 2024.",
            id="bars-of-years",
        ),
        pytest.param(
            drawn_by("bar", DAYS, [1] * 5),
            "Bar chart, x from 1 January 2024 to 5 January 2024, with 5 bars. The "
            "range of y is 0 to 1.",
            id="bars-of-days",
        ),
        pytest.param(
            FIGURES["pandas-periods"],
            "Line chart, x from January 2024 to March 2024, with 1 line. The range of "
            "y is 0 to 2. It rises from 0 to 2.",
            id="months",
        ),
        pytest.param(
            FIGURES["pandas-weeks"],
            "Line chart, x from the week of 2024-01-01 to the week of 2024-01-15, with "
            "1 line. The range of y is 0 to 2. It rises from 0 to 2.",
            id="weeks",
        ),
        pytest.param(
            FIGURES["pandas-years"],
            "Line chart, x from 2024 to 2026, with 1 line. The range of y is 0 to 2. "
            "It rises from 0 to 2.",
            id="years",
        ),
        pytest.param(
            drawn_by("hist", ["a", "b", "a"]),
            "Bar chart with 10 bars. The range of y is 0 to 2. The highest is 2 at "
            "0.05.",
            id="bins-of-names",
        ),
    ],
)
def test_places_are_those_of_the_things(
    build: Callable[[], Figure], expected: str
) -> None:
    """And not of their edges, or rounded to other ones."""
    assert describe(build()) == expected


def drawn(draw: Callable[[Any], object], **settings: Any) -> str:
    """What is told of axes on which *draw* drew, with *settings*."""

    def both(axes: Any) -> None:
        draw(axes)
        axes.set(**settings)

    return describe(with_axes(both)())


def test_a_label_is_left_out_only_where_it_was_just_said() -> None:
    """And not where a word, or another label, ends with it."""
    told = drawn(lambda a: a.imshow([[1, 2]]), xlabel="age", ylabel="Average")
    assert told.startswith("Heat map over age and Average, age from −0.5 to 1.5,")
    told = drawn(lambda a: a.plot([3, 4]), xlabel="age", ylabel="Average")
    assert told.startswith("Line chart of Average over age, from 0 to 1,")


def test_nothing_read_has_no_range() -> None:
    """Limits of an axes without a number are not data."""
    told = drawn(lambda a: a.plot([np.nan] * 3, [np.nan] * 3), xlabel="Year")
    assert told == "Line chart over Year with 1 line."


def test_ranges_are_of_what_is_seen() -> None:
    """Not of what is beyond the limits, invisible, or has no place on a scale."""
    assert drawn(lambda a: a.plot(range(100)), xlim=(20, 30)) == (
        "Line chart, x from 20 to 30, with 1 line. The range of y is 20 to 30. It "
        "rises from 20 to 30."
    )
    assert drawn(lambda a: a.plot([0, 5, 10]), yscale="log").endswith(
        "The range of y is 5 to 10 on a logarithmic scale."
    )
    told = drawn(lambda a: (a.plot([1, 2]), a.plot([1, 99], visible=False)))
    assert "The range of y is 1 to 2." in told


def test_of_many_points_no_range_is_guessed() -> None:
    """Where some are out of sight, nobody looked which; zeros have no logarithm."""
    assert drawn(lambda a: a.plot(range(10_000)), xlim=(20, 30)) == (
        "Line chart, x from 20 to 30, with 1 line."
    )
    assert "range of y is 1 to 4999 on" in drawn(
        lambda a: a.plot(range(5000)), yscale="log"
    )


def test_a_trend_beyond_the_limits_is_not_told() -> None:
    """It may be another one there."""
    assert drawn(lambda a: a.plot(range(100)), ylim=(20, 30)).endswith(
        "The range of y is 20 to 30."
    )


def test_a_bar_out_of_sight_is_not_the_highest() -> None:
    """Nor is another one, which may be cut."""
    told = drawn(lambda a: a.hist([1, 2, 2, 3], bins=4), xlim=(1, 1.4))
    assert told == "Histogram, x from 1 to 1.4, with 4 bins."


def test_angles_go_on_after_a_turn() -> None:
    """A spiral is seen as a whole."""
    build = with_axes(lambda a: a.plot([0, 20], [1, 2]), projection="polar")
    assert "x from 0 to 20" in describe(build())


def test_only_what_was_read_stays() -> None:
    """A point that nobody looked at may leave the line."""
    values = np.zeros(3000)
    values[5] = 50
    assert "stays" not in drawn(lambda a: a.plot(values))


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        pytest.param([[1, 2]], {"vmin": 0, "vmax": 7}, "0 to 7", id="limits"),
        pytest.param([[1, 999]], {"norm": LogNorm(1, 100)}, "1 to 100", id="norm"),
        pytest.param(np.eye(1000) + np.eye(1000)[501] * 8, {}, "0 to 9", id="many"),
    ],
)
def test_colours_stand_for_their_scale(
    values: Any, options: dict[str, Any], expected: str
) -> None:
    """Which knows all values, and may have other limits."""
    told = describe(drawn_by("imshow", values, **options)())
    assert f"The colours stand for {expected}." in told


def test_a_figure_without_a_title_is_called_by_its_name() -> None:
    """Which is all there is to say of an empty one."""
    assert describe(Figure(), "A random walk.") == "A random walk."
    told = describe(drawn_by("plot", [1, 2])(), "A walk")
    assert told.startswith("A walk. Line chart")
    assert not describe(FIGURES["example-scatter"](), "A walk").startswith("A walk")


def test_where_there_is_no_chart_the_text_is_told() -> None:
    """Such as the reason why there is none."""
    assert describe(FIGURES["example-no-prices"](), "Prices") == (
        "Prices. Choose a company to see its prices."
    )


def x_and_y(values: Any, **settings: Any) -> Callable[[], Figure]:
    def draw(axes: Any) -> None:
        axes.plot(values, label="it")
        axes.set(**settings)

    return with_axes(draw)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 3, 2, 4, 6, 5, 7], "it rises from 1 to 7.", id="rises"),
        pytest.param([7, 5, 6, 4, 2, 3, 1], "it falls from 7 to 1.", id="falls"),
        pytest.param([2, 2, 2], "it stays at 2.", id="stays"),
        pytest.param(
            [1, 2, 3, 9, 5, 4, 3],
            "it rises from 1 to 9 at 3, then falls to 3.",
            id="peak",
        ),
        pytest.param(
            [9, 5, 3, 1, 2, 3, 4],
            "it falls from 9 to 1 at 3, then rises to 4.",
            id="valley",
        ),
        pytest.param([1, 5, 2, 6, 1, 5, 2, 4, 1], None, id="not-plain"),
        pytest.param([1, 2, 3, 4] + [9] * 20, None, id="flat-end"),
        pytest.param([1, np.nan, 3], "it rises from 1 to 3.", id="gap"),
        pytest.param([np.nan, np.nan], None, id="no-number"),
        pytest.param([1], None, id="one-point"),
    ],
)
def test_a_trend_is_told_where_it_is_plain(
    values: list[float], expected: str | None
) -> None:
    """And nothing where it is not."""
    figure = x_and_y(values)()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = describe(figure)
    assert told.endswith(expected or ("is 1." if len(values) == 1 else ".")), told
    assert expected is not None or " it " not in told


def test_a_trend_is_read_from_left_to_right() -> None:
    """Also where the axis is inverted, and not where x goes back and forth."""
    assert "it falls from 3 to 1" in describe(x_and_y([1, 2, 3], xlim=(2, 0))())
    assert "rises" not in describe(drawn_by("plot", [1, 3, 2], [1, 2, 3])())


def test_a_trend_is_of_what_is_seen() -> None:
    """Points beyond the limits are not."""
    assert "it rises from 1 to 3" in describe(x_and_y([9, 1, 2, 3], xlim=(1, 3))())


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param(3650, "from January 2020 to December 2029", id="years"),
        pytest.param(40, "from 1 January 2020 to 10 February 2020", id="days"),
        pytest.param(
            0.5, "from 12:00 on 1 January 2020 to 00:00 on 2 January 2020", id="hours"
        ),
    ],
)
def test_dates_are_as_exact_as_their_range_is_long(days: float, expected: str) -> None:
    """In words, and the same in every locale."""
    start = datetime(2020, 1, 1, 12)
    figure = drawn_by("plot", [start, start + timedelta(days)], [1, 2])()
    assert expected in describe(figure)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(2022, "2022", id="year"),
        pytest.param(-3, "−3", id="minus"),
        pytest.param(0.123456, "0.123", id="small"),
        pytest.param(1234567, "1,230,000", id="large"),
        pytest.param(1.5e-9, "1.50e−9", id="tiny"),
        pytest.param(0, "0", id="zero"),
        pytest.param(99.96, "100", id="rounded-up"),
        pytest.param(2021.75, "2022", id="in-a-year"),
        pytest.param(-2024.5, "−2024", id="long-ago"),
    ],
)
def test_a_number_has_three_digits(value: float, expected: str) -> None:
    """Only small integers have all of theirs."""
    assert number(value) == expected


def test_two_numbers_are_told_apart() -> None:
    """With more digits, where they need those."""
    assert numbers_apart(100.01, 100.09) == ("100", "100.1")
    assert numbers_apart(0.12345, 0.12346) == ("0.12345", "0.12346")
    assert numbers_apart(0.1, 0.1) == ("0.1", "0.1")


def test_a_list_has_one_and() -> None:
    """As people write it."""
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing([]) == ""


def test_a_long_description_ends_at_a_word() -> None:
    """With an ellipsis, and not in the middle."""
    title = "longer " * 150
    told = describe(x_and_y([1, 2], title=title)())
    assert len(told) <= MOST_CHARACTERS
    assert told.endswith("longer…")
    assert describe(x_and_y([1, 2], title="w" * 999)()).endswith("w…")


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_told_in_clean_text(name: str) -> None:
    """No mathtext, no control characters, no doubled spaces, not too long."""
    told = describe(FIGURES[name](), "name")
    assert told
    assert len(told) <= MOST_CHARACTERS
    assert told.isprintable()
    assert not re.search(r"[$\\{}]|\s\s|\s[.,;:]|nan|inf\b|None", told), told
    assert told.endswith((".", "…", "name"))


@pytest.mark.parametrize("name", FIGURES.keys() - {"huge-text"})
def test_a_draw_changes_no_description(name: str) -> None:
    """It may be asked for before or after."""
    figure = FIGURES[name]()
    before = describe(figure)
    figure.draw_without_rendering()
    assert describe(figure) == before


def classic_limits() -> Figure:
    """Limits at ticks, whose number depends on the size of the axes."""
    figure = Figure(layout="constrained")
    axes = figure.subplots(2, 2)
    for one in axes.flat:
        one.plot([0.3, 7.7], [1.1, 13.3])
        one.set(xlabel="a label\nof two lines")
    return figure


@pytest.mark.parametrize(
    "build",
    [
        *(pytest.param(build, id=name) for name, build in BUILDERS.items()),
        *(
            pytest.param(FIGURES[name], id=name)
            for name in (
                "colourful",
                "twins",
                "subfigures",
                "polar",
                "3d",
                "categories",
            )
        ),
        pytest.param(FIGURES["pandas-periods"], id="pandas-periods"),
        pytest.param(FIGURES["ggplot-bars"], id="ggplot-bars"),
        pytest.param(classic_limits, id="limits-at-ticks"),
    ],
)
def test_describing_changes_no_pixel(build: Callable[[], Figure]) -> None:
    """Neither of a draw that comes later nor of one after an earlier one."""

    def described() -> Figure:
        figure = build()
        describe(figure)
        return figure

    style = {"axes.autolimit_mode": "round_numbers"} if build is classic_limits else {}
    expected = pixels(render(build, style=style).body)
    np.testing.assert_array_equal(pixels(render(described, style=style).body), expected)

    figure, untold = build(), build()
    render(figure)
    describe(figure)
    render(untold)
    np.testing.assert_array_equal(
        pixels(render(figure).body), pixels(render(untold).body)
    )


@settings(max_examples=60, deadline=None)
@given(
    title=st.text(alphabet=st.characters() | st.sampled_from("$\\{}^_"), max_size=60),
    values=st.lists(st.floats(width=64) | st.integers(-(2**60), 2**60), max_size=9),
    method=st.sampled_from(["plot", "scatter", "bar", "stem", "fill_between"]),
)
def test_no_figure_is_too_odd_to_be_told(
    title: str, values: list[float], method: str
) -> None:
    """Whatever its texts and numbers are."""
    figure = Figure()
    axes = figure.subplots()
    try:
        getattr(axes, method)(range(len(values)), values, label=title)
    except (ValueError, OverflowError, TypeError):
        return  # Matplotlib cannot draw it.
    axes.set_title(title)
    told = describe(figure)
    assert len(told) <= MOST_CHARACTERS
    assert not set(told) & set(string.whitespace) - {" "}


def test_ten_million_points_cost_no_more_than_few() -> None:
    """Limits are known, and of the points only some are looked at."""
    figure = drawn_by("plot", np.arange(1e7), np.arange(1e7))()
    describe(figure)  # The limits, which the draw needs as well.
    started = perf_counter()
    told = describe(figure)
    # It takes half a millisecond; looking at all of them takes a hundred times that.
    assert perf_counter() - started < 0.02
    assert "rises from 0 to 10,000,000" in told
