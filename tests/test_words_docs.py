"""The tables of facts and columns in the documentation are those of the code."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from flask_mplstream.description.chart_types import (
    CHART_TYPES,
    Fact,
    write_columns_table,
    write_facts_table,
)
from flask_mplstream.description.series import Series
from tests.support.paths import DOCS


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        pytest.param("alt.md", "facts", write_facts_table, id="facts"),
        pytest.param("data.md", "columns", write_columns_table, id="columns"),
    ],
)
def test_a_table_is_that_of_the_code(
    page: str, name: str, table: Callable[[], str]
) -> None:
    """On a difference, replace what is between the marks by the table."""
    text = DOCS.joinpath(page).read_text("utf-8")
    shown = re.search(rf"<!-- {name} -->\n(.*)\n<!-- end of {name} -->", text, re.S)
    assert shown is not None
    assert shown[1] == table()


@pytest.mark.parametrize("kind", CHART_TYPES)
def test_a_kind_includes_or_omits_each_fact(kind: str) -> None:
    """No fact is in both lists or in none."""
    chart = CHART_TYPES[kind]
    assert sorted((*chart.facts, *chart.omitted()), key=list(Fact).index) == list(Fact)
    assert Fact.COUNT not in chart.facts or chart.many
    assert Series(kind, "", 0, {}).kind in CHART_TYPES
