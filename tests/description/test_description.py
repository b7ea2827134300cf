"""Tests for the words about a figure and their length."""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from flask_mplstream import render
from flask_mplstream.description.figure_content import read
from flask_mplstream.description.generated_alt import (
    MOST_CHARACTERS,
    MOST_FOR_SEVERAL,
    describe,
)
from flask_mplstream.description.numbers import format_apart, format_number
from flask_mplstream.description.value_texts import join_words
from flask_mplstream.rendering.figure_lock import gate, use_agg
from tests.apps.shown_figures import FIGURES, draw_by_method, draw_on_axes
from tests.support.pictures import BUILDERS, pixels

use_agg()


@pytest.fixture(autouse=True)
def inside_the_gate() -> Iterator[None]:
    """Hold the figure lock, and ignore warnings of other libraries."""
    with gate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_describes_a_line_chart() -> None:
    """The text has the title, labels, ranges, lines and their trends."""
    assert describe(FIGURES["example-prices"]()) == (
        "Share prices, adjusted for splits and dividends. Line chart of US dollars "
        "over Date, from January 1990 to June 2022, with 3 lines: Apple, IBM and "
        "Microsoft. The range of US dollars is 0.1 to 334.8. Apple rises from 0.243 "
        "to 177.1 in December 2021, then falls to 137.4. IBM rises from 11 to 141.9, "
        "with a low of 5.57 in September 1993."
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
            "Bar chart by c with 10 bars in 2 groups: a and b. The range of y is 1 to "
            "5.",
            id="grouped-bars",
        ),
        pytest.param(
            "hist",
            "Histogram, x from 1 to 3, with 3 bins. The range of y is 1 to 2. The "
            "highest is 2 from 1.667 to 2.333.",
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
            "2 charts: c = u and c = v. c = u: scatter plot of b against a, from 1 to "
            "5, with 3 points. The range of b is 1 to 3. c = v: scatter plot of b "
            "against a, from 2 to 4, with 2 points. b is 2.",
            id="two-charts",
        ),
    ],
)
def test_describes_each_kind(name: str, expected: str) -> None:
    """The text has full sentences, with few names and values."""
    assert describe(FIGURES[name]()) == expected


YEARS = range(2015, 2025)
DAYS = [datetime(2024, 1, day) for day in range(1, 6)]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(
            draw_by_method("bar", YEARS, range(10)),
            "Bar chart, x from 2015 to 2024, with 10 bars. The range of y is 0 to 9. "
            "The highest is 9 at 2024.",
            id="bars-of-years",
        ),
        pytest.param(
            draw_by_method("bar", DAYS, [1] * 5),
            "Bar chart, x from 1 January 2024 to 5 January 2024, with 5 bars. y is 1.",
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
            draw_by_method("hist", ["a", "b", "a"]),
            "Histogram with 10 bins. The range of y is 0 to 2.",
            id="bins-of-names",
        ),
    ],
)
def test_says_the_places_of_items(build: Callable[[], Figure], expected: str) -> None:
    """Places are those of the items, neither rounded nor those of edges."""
    assert describe(build()) == expected


def drawn(draw: Callable[[Any], object], **settings: Any) -> str:
    """Return the words about axes on which *draw* drew, with *settings*."""

    def both(axes: Any) -> None:
        draw(axes)
        axes.set(**settings)

    return describe(draw_on_axes(both)())


def test_omits_only_a_repeated_label() -> None:
    """A label that only ends like another one is kept."""
    text = drawn(lambda a: a.imshow([[1, 2]]), xlabel="age", ylabel="Average")
    assert text.startswith("Heat map over age and Average with 2 values.")
    text = drawn(lambda a: a.plot([3, 4]), xlabel="age", ylabel="Average")
    assert text.startswith("Line chart of Average over age, from 0 to 1,")


def test_omits_the_range_of_missing_values() -> None:
    """The limits of axes without a number are not data."""
    text = drawn(lambda a: a.plot([np.nan] * 3, [np.nan] * 3), xlabel="Year")
    assert text == "Line chart over Year with 1 line."


def test_says_visible_ranges() -> None:
    """Ranges exclude values beyond the limits, invisible or off the scale."""
    assert drawn(lambda a: a.plot(range(100)), xlim=(20, 30)) == (
        "Line chart, x from 20 to 30, with 1 line. The range of y is 20 to 30. It "
        "rises from 20 to 30."
    )
    assert drawn(lambda a: a.plot([0, 5, 10]), yscale="log").endswith(
        "The range of y is 5 to 10 on a logarithmic scale. It rises from 5 to 10."
    )
    text = drawn(lambda a: (a.plot([1, 2]), a.plot([1, 99], visible=False)))
    assert "The range of y is 1 to 2." in text


def test_says_the_visible_range_of_many_points() -> None:
    """All points count; zeros have no logarithm."""
    assert drawn(lambda a: a.plot(range(10_000)), xlim=(20, 30)) == (
        "Line chart, x from 20 to 30, with 1 line. The range of y is 20 to 30. It "
        "rises from 20 to 30."
    )
    assert "range of y is 1 to 4999 on" in drawn(
        lambda a: a.plot(range(5000)), yscale="log"
    )


def test_a_trend_ends_at_the_limits() -> None:
    """The trend follows the visible line up to the limits."""
    assert drawn(lambda a: a.plot([0, 100]), ylim=(20.5, 30)).endswith(
        "The range of y is 20.5 to 30. It rises from 20.5 to 30."
    )


@pytest.mark.parametrize("scale", ["log", "symlog", "asinh"])
def test_clips_a_line_on_a_nonlinear_scale(scale: str) -> None:
    """A line on a nonlinear scale ends at the limits of its axis."""
    text = drawn(lambda a: a.plot([1, 10, 1000]), yscale=scale, ylim=(5, 100))
    assert "The range of y is 5 to 100" in text
    assert "It rises from 5 to 100." in text


def test_an_invisible_bar_is_not_the_highest() -> None:
    """No bar is the highest if another one is cut."""
    text = drawn(lambda a: a.hist([1, 2, 2, 3], bins=4), xlim=(1, 1.4))
    assert text == "Histogram, x from 1 to 1.4, with 1 bin."


def test_angles_continue_after_a_turn() -> None:
    """A spiral is visible as a whole."""
    build = draw_on_axes(lambda a: a.plot([0, 20], [1, 2]), projection="polar")
    assert "from 0° to 1146°" in describe(build())


def test_the_peak_of_many_points_is_exact() -> None:
    """The peak is exact even if it is one point among thousands."""
    values = np.zeros(3000)
    values[5] = 50
    assert drawn(lambda a: a.plot(values)).endswith("The highest is 50 at 5.")


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        pytest.param([[1, 9]], {"vmin": 0, "vmax": 7}, "1 to 7", id="limits"),
        pytest.param([[1, 999]], {"norm": LogNorm(1, 100)}, "1 to 100", id="norm"),
        pytest.param(np.eye(1000) + np.eye(1000)[501] * 8, {}, "0 to 9", id="many"),
    ],
)
def test_colors_have_values_within_their_scale(
    values: Any, options: dict[str, Any], expected: str
) -> None:
    """Values beyond the limits of the color scale are clipped."""
    text = describe(draw_by_method("imshow", values, **options)())
    assert f"The range of the values is {expected}." in text


def test_names_a_figure_without_a_title() -> None:
    """The name is the whole text of an empty figure."""
    assert describe(Figure(), "A random walk.") == "A random walk."
    text = describe(draw_by_method("plot", [1, 2])(), "A walk")
    assert text.startswith("A walk. Line chart")
    assert not describe(FIGURES["example-scatter"](), "A walk").startswith("A walk")


def test_says_the_text_of_a_figure_without_charts() -> None:
    """A text explains why there is no chart."""
    assert describe(FIGURES["example-no-prices"](), "Prices") == (
        "Prices. Choose a company to see its prices."
    )


def x_and_y(values: Any, **settings: Any) -> Callable[[], Figure]:
    def draw(axes: Any) -> None:
        axes.plot(values, label="it")
        axes.set(**settings)

    return draw_on_axes(draw)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([1, 3, 2, 4, 6, 5, 7], "it rises from 1 to 7.", id="rises"),
        pytest.param([7, 5, 6, 4, 2, 3, 1], "it falls from 7 to 1.", id="falls"),
        pytest.param([2, 2, 2], None, id="stays"),
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
        pytest.param(
            [1, 5, 2, 6, 1, 5, 2, 4, 1], "The highest is 6 at 3.", id="not-plain"
        ),
        pytest.param([1, 2, 3, 4] + [9] * 20, None, id="flat-end"),
        pytest.param(
            [0, 1, 2, 3, 4, 9, 6, 7, 8, 8],
            "it rises from 0 to 8, with a peak of 9 at 5.",
            id="peak-on-the-way",
        ),
        pytest.param([1, np.nan, 3], "it rises from 1 to 3.", id="gap"),
        pytest.param([np.nan, np.nan], None, id="no-number"),
        pytest.param([1], None, id="one-point"),
    ],
)
def test_says_a_clear_trend(values: list[float], expected: str | None) -> None:
    """An unclear trend is omitted."""
    figure = x_and_y(values)()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        text = describe(figure)
    assert text.endswith(expected or ("is 1." if len(values) == 1 else ".")), text
    assert expected is not None or ". it " not in text


def test_reads_a_trend_as_x_increases() -> None:
    """A reversed axis is named; a line that doubles back has no trend."""
    text = describe(x_and_y([1, 2, 3], xlim=(2, 0))())
    assert "The x-axis is reversed. it rises from 1 to 3." in text
    assert "rises" not in describe(draw_by_method("plot", [1, 3, 2], [1, 2, 3])())


def test_reads_a_trend_from_visible_points() -> None:
    """Points beyond the limits have no effect on the trend."""
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
def test_rounds_dates_by_their_range(days: float, expected: str) -> None:
    """Dates are in words, equal in every locale."""
    start = datetime(2020, 1, 1, 12)
    figure = draw_by_method("plot", [start, start + timedelta(days)], [1, 2])()
    assert expected in describe(figure)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(2022, "2022", id="year"),
        pytest.param(-3, "−3", id="minus"),
        pytest.param(0.1234567, "0.123", id="small"),
        pytest.param(0.123456, "0.123456", id="short"),
        pytest.param(1234567, "1,234,567", id="large"),
        pytest.param(1.5e-9, "1.5e−9", id="tiny"),
        pytest.param(0, "0", id="zero"),
        pytest.param(99.9612345, "100", id="rounded-up"),
        pytest.param(2021.75, "2021.75", id="in-a-year"),
        pytest.param(-2024.5, "−2024.5", id="long-ago"),
    ],
)
def test_formats_a_number(value: float, expected: str) -> None:
    """A number has three digits, or more if it is whole or short."""
    assert format_number(value) == expected


def test_distinguishes_close_numbers() -> None:
    """Close numbers have as many digits as necessary."""
    assert format_apart([100.01, 100.09]) == ["100.01", "100.09"]
    assert format_apart([0.12345678, 0.1234568]) == ["0.12345678", "0.1234568"]
    assert format_apart([0.1, 0.1]) == ["0.1", "0.1"]
    assert format_apart([1e9 + 1, 1e9 + 4]) == ["1,000,000,001", "1,000,000,004"]


def test_formats_a_rounding_error_as_zero() -> None:
    """Noise beside larger numbers is 0, unless the scale is logarithmic."""
    assert format_apart([-2.91e-11, 0.3]) == ["0", "0.3"]
    assert format_apart([1e-12, 1.0], is_log=True) == ["1e−12", "1"]


def test_joins_words() -> None:
    """The last two words are joined by *and*, the others by commas."""
    assert join_words(["a"]) == "a"
    assert join_words(["a", "b", "c"]) == "a, b and c"
    assert join_words([]) == ""


def test_cuts_a_long_title_at_a_word() -> None:
    """The cut title ends with an ellipsis and leaves room for the chart."""
    text = describe(x_and_y([1, 2], title="longer " * 150)())
    assert len(text) <= MOST_CHARACTERS
    assert "longer… Line chart" in text
    assert "w… Line chart" in describe(x_and_y([1, 2], title="w" * 999)())


@pytest.mark.parametrize("name", FIGURES)
def test_describes_every_figure_in_clean_text(name: str) -> None:
    """The text has no mathtext, control characters or double spaces."""
    text = describe(FIGURES[name](), "name")
    assert text
    assert len(text) <= MOST_FOR_SEVERAL
    assert text.isprintable()
    assert not re.search(r"[$\\{}]|\s\s|\s[.,;:]|nan|inf\b|None", text), text
    assert text.endswith((".", "…", "name"))


# Drawing the huge text takes minutes.
@pytest.mark.parametrize("name", sorted(FIGURES.keys() - {"huge-text"}))
def test_a_draw_changes_no_description(name: str) -> None:
    """The words and the kinds of series are equal before and after a draw."""
    figure = FIGURES[name]()
    before = read_kinds(figure), describe(figure)
    figure.draw_without_rendering()
    assert (read_kinds(figure), describe(figure)) == before


def read_kinds(figure: Figure) -> list[list[str]]:
    """Return the kinds of the series in each axes."""
    return [[series.kind for series in axes.series] for axes in read(figure).axes]


def classic_limits() -> Figure:
    """Limits at ticks, whose number depends on the size of the axes."""
    figure = Figure(layout="constrained")
    axes = figure.subplots(2, 2)
    for one in axes.flat:
        one.plot([0.3, 7.7], [1.1, 13.3])
        one.set(xlabel="a label\nof two lines")
    return figure


@pytest.mark.slow
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
def test_a_description_changes_no_pixel(build: Callable[[], Figure]) -> None:
    """Pixels are equal with a description before the draw or between two draws."""

    def build_described() -> Figure:
        figure = build()
        describe(figure)
        return figure

    style = {"axes.autolimit_mode": "round_numbers"} if build is classic_limits else {}
    expected = pixels(render(build, style=style).body)
    np.testing.assert_array_equal(
        pixels(render(build_described, style=style).body), expected
    )

    figure, undescribed = build(), build()
    render(figure)
    describe(figure)
    render(undescribed)
    np.testing.assert_array_equal(
        pixels(render(figure).body), pixels(render(undescribed).body)
    )


@pytest.mark.slow
@pytest.mark.sweep
@settings(max_examples=settings().max_examples // 4)
@given(
    title=st.text(alphabet=st.characters() | st.sampled_from("$\\{}^_"), max_size=60),
    values=st.lists(st.floats(width=64) | st.integers(-(2**60), 2**60), max_size=9),
    method=st.sampled_from(["plot", "scatter", "bar", "stem", "fill_between"]),
)
def test_describes_unusual_figures(
    title: str, values: list[float], method: str
) -> None:
    """Any texts and numbers give one line of text within the limit."""
    figure = Figure()
    axes = figure.subplots()
    try:
        getattr(axes, method)(range(len(values)), values, label=title)
    except (ValueError, OverflowError, TypeError):
        return  # Matplotlib cannot draw it.
    axes.set_title(title)
    text = describe(figure)
    assert len(text) <= MOST_CHARACTERS
    assert not set(text) & set(string.whitespace) - {" "}
