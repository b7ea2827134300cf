"""Axes with plain numbers and dates: the numbers are no dates in 1970."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pandas as pd
import pytest
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from flask_mplstream import render
from flask_mplstream.rendering.figure_lock import use_agg

use_agg()

Draw = Callable[[Any], object]
DAYS = [datetime(2024, 1, day) for day in (1, 2, 3)]
EARLY = [datetime(1970, 1, day) for day in (1, 2, 3)]
LISTED = ["2024-01-01", "2024-01-02", "2024-01-03"]


def draw(*steps: Draw) -> Callable[[], Figure]:
    """Return a figure function on whose axes all *steps* draw."""

    def build() -> Figure:
        figure = Figure()
        axes = figure.add_subplot()
        for step in steps:
            step(axes)
        return figure

    return build


def places(build: Callable[[], Figure], name: str = "x") -> list[list[str]]:
    """Return the columns of places in the CSV."""
    text = render(build, "csv").body.decode()
    heads, *rows = csv.reader(StringIO(text, newline=""))
    columns = zip(heads, zip(*rows, strict=True), strict=True)
    return [list(cells) for head, cells in columns if head.split(" (")[0] == name]


def plot_days(axes: Any) -> None:
    axes.plot(DAYS, [1, 2, 3])


@pytest.mark.parametrize(
    ("other", "numbers"),
    [
        pytest.param(
            lambda a: a.plot([-10, 0, 2], [1, 2, 3]), ["-10", "0", "2"], id="line"
        ),
        pytest.param(
            lambda a: a.scatter([0, 1, 2], [1, 2, 3]), ["0.0", "1.0", "2.0"], id="dots"
        ),
        pytest.param(lambda a: a.bar([0, 1, 2], [1, 2, 3]), ["0", "1", "2"], id="bars"),
        pytest.param(
            lambda a: a.fill_between([0, 1, 2], [1, 2, 3]), ["0", "1", "2"], id="area"
        ),
        pytest.param(
            lambda a: a.twinx().plot([5, 6, 7], [1, 2, 3]), ["5", "6", "7"], id="twin"
        ),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_numbers_beside_dates_stay_numbers(
    other: Draw, numbers: list[str], is_first: bool
) -> None:
    """The words leave out their places; the data has numbers and dates."""
    build = draw(*((other, plot_days) if is_first else (plot_days, other)))
    text = render(build, "txt").body.decode()
    assert not re.search(r"19[67]\d", text)
    assert sorted(places(build)) == sorted([numbers, LISTED])


def test_numbers_on_the_values_axis_stay_numbers() -> None:
    """A y-axis is read like an x-axis."""
    build = draw(
        lambda a: a.plot([1, 2, 3], DAYS), lambda a: a.plot([1, 2, 3], [1, 2, 3])
    )
    assert "range" not in render(build, "txt").body.decode()
    assert places(build, "y") == [LISTED, ["1", "2", "3"]]


def test_numbers_beside_pandas_dates_stay_numbers() -> None:
    """pandas counts periods on its axis instead of days."""
    series = pd.Series([1, 2, 3], pd.date_range("2024-01-01", periods=3))
    build = draw(lambda a: series.plot(ax=a), lambda a: a.plot([0, 1, 2], [3, 4, 5]))
    assert places(build) == [LISTED, ["0", "1", "2"]]


def test_a_mark_at_a_number_has_no_date() -> None:
    """The dates of the line are still described."""
    build = draw(plot_days, lambda a: a.axvline(2, label="two"))
    text = render(build, "txt").body.decode()
    assert "x from 1 January 2024 to 3 January 2024" in text
    assert text.endswith("“two” marks a place on x.")


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        pytest.param(
            [plot_days, lambda a: a.plot(EARLY, [4, 5, 6])],
            "x from January 1970 to January 2024",
            id="dates-of-1970",
        ),
        pytest.param(
            [plot_days, lambda a: a.plot(date2num(DAYS), [4, 5, 6])],
            "x from 1 January 2024 to 3 January 2024",
            id="numbers-of-dates",
        ),
        pytest.param(
            [lambda a: a.scatter(EARLY, [4, 5, 6])],
            "x from 1 January 1970 to 3 January 1970",
            id="only-1970",
        ),
        pytest.param(
            [
                plot_days,
                lambda a: a.axhline(2),
                lambda a: a.axhspan(1, 2),
                lambda a: a.axline((date2num(DAYS[0]), 1), slope=1),
                lambda a: a.hlines([1], 0, 1, transform=a.get_yaxis_transform()),
            ],
            "x from 1 January 2024 to 3 January 2024",
            id="parts-of-the-axes",
        ),
        pytest.param(
            [lambda a: a.plot([d.replace(tzinfo=UTC) for d in DAYS], [1, 2, 3])],
            "x from 1 January 2024 to 3 January 2024",
            id="one-line",
        ),
    ],
)
def test_dates_stay_dates(steps: list[Draw], said: str) -> None:
    """Dates of 1970 are dates, as are the numbers of later dates."""
    assert said in render(draw(*steps), "txt").body.decode()
