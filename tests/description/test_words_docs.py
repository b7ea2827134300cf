"""The tables of facts and columns in the documentation match the code."""

from __future__ import annotations

import re

import pytest

from flask_mplstream.description.chart_types import CHART_TYPES, Fact
from flask_mplstream.description.series import Series
from tests.support.paths import DOCS

FACTS = [fact.name.lower() for fact in Fact]


def read_rows(page: str, name: str) -> list[list[str]]:
    """Return the cells of the table between the marks of *name* in a page."""
    text = DOCS.joinpath(page).read_text("utf-8")
    shown = re.search(rf"<!-- {name} -->\n(.*)\n<!-- end of {name} -->", text, re.S)
    assert shown is not None
    heading, _, *rows = shown[1].splitlines()
    return [row.strip("| ").split(" | ") for row in (heading, *rows)]


def test_lists_the_facts_of_each_kind() -> None:
    """The words page has one row per kind, with a mark for each of its facts."""
    marks = {
        kind: ["✓" if fact in chart.facts else "-" for fact in Fact]
        for kind, chart in CHART_TYPES.items()
    }
    heading, *rows = read_rows("alt.md", "facts")
    assert heading == ["chart", "drawn by", *FACTS]
    assert [[chart, *cells] for chart, _, *cells in rows] == [
        [CHART_TYPES[kind].chart, *cells] for kind, cells in marks.items()
    ]


def test_explains_each_fact() -> None:
    """The words page has the meaning of each column of the table of facts."""
    meanings = [[fact.name.lower(), fact.value] for fact in Fact]
    assert read_rows("alt.md", "meanings") == [["column", "fact"], *meanings]


def test_lists_the_columns_of_each_kind() -> None:
    """The data page has one row per kind, drawn by the same functions as the words."""
    _, *rows = read_rows("data.md", "columns")
    assert [kind for kind, *_ in rows] == [f"`{kind}`" for kind in CHART_TYPES]
    _, *facts = read_rows("alt.md", "facts")
    assert [functions for _, functions, _ in rows] == [row[1] for row in facts]


@pytest.mark.parametrize("kind", CHART_TYPES)
def test_a_counted_kind_has_a_plural(kind: str) -> None:
    """A kind with a counted fact has a plural for its items."""
    chart = CHART_TYPES[kind]
    assert len(set(chart.facts)) == len(chart.facts)
    assert Fact.COUNT not in chart.facts or chart.many
    assert Series(kind, "", 0, {}).kind in CHART_TYPES
