"""Tests for the data of a figure as CSV and JSON."""

from __future__ import annotations

import csv
import json
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from flask_mplstream import ImageTooLargeError
from flask_mplstream.description.data_export import write_csv, write_json
from flask_mplstream.rendering.figure_lock import gate, use_agg
from tests.apps.shown_figures import FIGURES, draw_by_method, draw_on_axes
from tests.support.processes import now_s

use_agg()

MOST_BYTES = 50_000_000


@pytest.fixture(autouse=True)
def inside_the_gate() -> Iterator[None]:
    """Hold the figure lock, and ignore warnings of other libraries."""
    with gate(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def table(figure: Figure) -> list[list[str]]:
    text = write_csv(figure, MOST_BYTES).decode()
    return list(csv.reader(StringIO(text, newline=""), strict=True))


def tree(figure: Figure) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    text = write_json(figure, MOST_BYTES).decode()
    read: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return read


def two_lines(axes: Any) -> None:
    axes.plot([1, 2, 3], [0.1, np.nan, 0.3], label="a")
    axes.plot([1, 2, 3], [4, 5, 6], label="b")
    axes.plot([1, 9], [7, 8], label="b")
    axes.set(title="Both", xlabel="Time (s)", ylabel="Speed", yscale="log")


def test_series_at_the_same_places_share_a_column() -> None:
    """Headings are unique labels, and shorter columns end with empty cells."""
    assert table(draw_on_axes(two_lines)()) == [
        ["Time (s)", "a", "b", "Time (s) (2)", "b (2)"],
        ["1", "0.1", "4", "1", "7"],
        ["2", "", "5", "9", "8"],
        ["3", "0.3", "6", "", ""],
    ]


def test_json_has_axes_and_their_series() -> None:
    """JSON has titles, labels and scales, and null for missing numbers."""
    assert tree(draw_on_axes(two_lines)()) == {
        "title": "",
        "axes": [
            {
                "title": "Both",
                "x": {"label": "Time (s)", "scale": "linear"},
                "y": {"label": "Speed", "scale": "log"},
                "series": [
                    {
                        "kind": "line",
                        "label": "a",
                        "x": [1, 2, 3],
                        "y": [0.1, None, 0.3],
                    },
                    {"kind": "line", "label": "b", "x": [1, 2, 3], "y": [4, 5, 6]},
                    {"kind": "line", "label": "b", "x": [1, 9], "y": [7, 8]},
                ],
            }
        ],
    }


def test_ends_lines_as_in_rfc_4180() -> None:
    """Every line ends with CR and LF, including the last."""
    written = write_csv(draw_by_method("plot", [1, 2])(), MOST_BYTES)
    assert written == b"x,y\r\n0,1\r\n1,2\r\n"


def test_an_image_is_a_tidy_table() -> None:
    """An image has one row per pixel; masked pixels are empty, and null in JSON."""
    image = draw_by_method("imshow", np.ma.masked_equal([[1, 2], [3, 4]], 3))
    assert table(image()) == [
        ["x", "y", "value"],
        ["0", "0", "1.0"],
        ["1", "0", "2.0"],
        ["0", "1", ""],
        ["1", "1", "4.0"],
    ]
    (series,) = tree(image())["axes"][0]["series"]
    assert series["value"] == [[1.0, 2.0], [None, 4.0]]


def test_headings_include_the_titles_of_several_axes() -> None:
    """Headings begin with the title if several axes have data."""
    assert table(FIGURES["seaborn-grid"]())[0] == [
        *("c = u: a", "c = u: b", "c = v: a", "c = v: b")
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("category-bars", ["a", "b"], id="categories"),
        pytest.param(
            "dates", ["2020-01-01T12:00:00", "2020-01-02T12:00:00"], id="times"
        ),
        pytest.param(
            "pandas-hours",
            ["2024-01-01T00:00:00", "2024-01-01T01:00:00", "2024-01-01T02:00:00"],
            id="hours",
        ),
        pytest.param(
            "pandas-days", ["2024-01-01", "2024-01-02", "2024-01-03"], id="days"
        ),
        pytest.param(
            "pandas-weeks",
            [
                "2024-01-01/2024-01-07",
                "2024-01-08/2024-01-14",
                "2024-01-15/2024-01-21",
            ],
            id="weeks",
        ),
        pytest.param("pandas-periods", ["2024-01", "2024-02", "2024-03"], id="months"),
        pytest.param("pandas-quarters", ["2024Q1", "2024Q2", "2024Q3"], id="quarters"),
        pytest.param("pandas-years", ["2024", "2025", "2026"], id="years"),
        pytest.param(
            "pandas-dates", ["2020-01-01", "2020-01-03", "2020-03-01"], id="dates"
        ),
        pytest.param("pandas-bars", list("uvuvu"), id="ticks"),
    ],
)
def test_writes_names_and_dates(name: str, expected: list[str]) -> None:
    """Names and dates replace Matplotlib's numbers."""
    series = tree(FIGURES[name]())["axes"][0]["series"][0]
    assert expected in (series["x"], series["y"])
    rows = table(FIGURES[name]())
    assert expected in [list(column)[1:] for column in zip(*rows, strict=True)]


def test_keeps_a_place_between_names_as_a_number() -> None:
    """Bins on an axis of names keep their numeric edges."""
    rows = table(draw_by_method("hist", ["a", "b", "a"], bins=2)())
    assert rows == [
        ["x", "x from", "x to", "y"],
        ["0.25", "0.0", "0.5", "2.0"],
        ["0.75", "0.5", "1.0", "1.0"],
    ]


def test_writes_the_counts_of_hexagons() -> None:
    """Each hexagon has its place and its count."""
    build = draw_by_method("hexbin", [1, 2, 2], [1, 2, 2], gridsize=2, mincnt=1)
    heading, *rows = table(build())
    assert heading == ["x", "y", "value"]
    np.testing.assert_allclose(np.array(rows, float), [[1, 1, 1], [2, 2, 2]])


def test_names_unlabeled_wedges_by_the_legend() -> None:
    """Wedges without labels have the names in the legend."""

    def draw(axes: Any) -> None:
        axes.pie([1, 3])
        axes.legend(axes.patches, ["one", "three"])

    assert table(draw_on_axes(draw)())[1:] == [["one", "0.25"], ["three", "0.75"]]


def test_dates_with_a_zone_are_in_utc() -> None:
    """Dates with a zone end with Z."""
    import pandas as pd

    dates = pd.date_range("2020-01-01 12:00", periods=2, tz="Europe/Berlin")
    (series,) = tree(draw_by_method("plot", dates, [1, 2])())["axes"][0]["series"]
    assert series["x"] == ["2020-01-01T11:00:00Z", "2020-01-02T11:00:00Z"]


def test_writes_no_value_for_an_impossible_date() -> None:
    """Dates before year 1, after 9999 or NaN are missing values."""

    def draw(axes: Any) -> None:
        axes.xaxis_date()
        axes.plot([-1e6, 0, np.nan, 1e12], [1, 2, 3, 4])
        axes.set_xlim(0, 1)

    (series,) = tree(draw_on_axes(draw)())["axes"][0]["series"]
    assert series["x"] == [None, "1970-01-01", None, None]


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+1", "-1", "@a", " =1+1"),
        pytest.param("\uff1d1+1", id="full-width"),
        pytest.param("\ufeff=1+1", id="byte-order-mark"),
        pytest.param("\u200b \u200b=1+1", id="no-width"),
    ],
)
def test_escapes_formulas(text: str) -> None:
    """Headings and names are escaped, and numbers are unchanged."""

    def draw(axes: Any) -> None:
        axes.bar([text, "b"], [-1, 2], label=text)

    assert table(draw_on_axes(draw)())[:2] == [
        ["x", f"'{text.strip()}"],
        [f"'{text.strip()}", "-1"],
    ]


def test_removes_a_byte_order_mark() -> None:
    """A reader that drops the mark would reveal a formula behind it."""

    def draw(axes: Any) -> None:
        axes.plot([1, 2])
        axes.set_xlabel("\ufeffTime")

    assert write_csv(draw_on_axes(draw)(), MOST_BYTES).startswith(b"Time,")


@given(st.lists(st.floats(allow_infinity=False), min_size=1, max_size=20))
def test_writes_numbers_exactly(values: list[float]) -> None:
    """CSV and JSON return every number bit for bit."""
    figure = draw_by_method("plot", values)()
    (series,) = tree(figure)["axes"][0]["series"]
    cells = [row[1] for row in table(figure)[1:]]
    np.testing.assert_array_equal(
        [np.nan if v is None else v for v in series["y"]], values
    )
    np.testing.assert_array_equal([float(cell or "nan") for cell in cells], values)


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_data(name: str) -> None:
    """Every figure gives a rectangular table with unique headings, and valid JSON."""
    figure = FIGURES[name]()
    rows = table(figure)
    assert len({len(row) for row in rows}) <= 1
    headings = rows[0] if rows else []
    assert all(headings)
    assert len(set(headings)) == len(headings)
    assert tree(figure).keys() == {"title", "axes"}


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_stops_at_the_limit(
    write: Callable[[Figure, int], bytes],
) -> None:
    """A million points are rejected at the thousandth byte."""
    figure = draw_by_method("plot", np.arange(1e6), np.arange(1e6))()
    tracemalloc.start()
    try:
        with pytest.raises(ImageTooLargeError, match="The data have more than 1,000"):
            write(figure, 1000)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert held < 40_000_000  # Not the 100 MB of a million Python numbers.


@pytest.mark.parametrize("write", [write_csv, write_json])
def test_accepts_data_of_exactly_the_limit(
    write: Callable[[Figure, int], bytes],
) -> None:
    """Data as long as the limit are accepted."""
    figure = draw_by_method("plot", [1, 2])()
    written = write(figure, MOST_BYTES)
    assert write(figure, len(written)) == written


def many_lines(axes: Any) -> None:
    for number in range(4000):
        axes.plot([number, number + 1], [1, 2], label="same")


@pytest.mark.slow
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(draw_by_method("plot", np.random.rand(10**6)), id="points"),
        pytest.param(draw_by_method("imshow", np.random.rand(700, 700)), id="pixels"),
        pytest.param(draw_on_axes(many_lines), id="lines"),
    ],
)
@pytest.mark.parametrize("write", [write_csv, write_json])
def test_writes_much_data_in_seconds(
    write: Callable[[Figure, int], bytes], build: Callable[[], Figure]
) -> None:
    """The time is proportional to the amount of data."""
    figure = build()
    started = now_s()
    write(figure, MOST_BYTES)
    assert now_s() - started < 10
