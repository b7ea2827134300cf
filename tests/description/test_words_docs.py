"""The tables of facts and columns in the documentation are those of the code."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from flask_mplstream.description.chart_types import CHART_TYPES, Fact
from flask_mplstream.description.series import Series
from tests.support.paths import DOCS


def write_facts_table() -> str:
    """Return the facts that the words about each kind include, as a Markdown table."""
    rows = [
        f"| chart | drawn by | {' | '.join(f.name.lower() for f in Fact)} |",
        f"|---|---|{'---|' * len(Fact)}",
    ]
    for kind in CHART_TYPES.values():
        marks = " | ".join("✓" if fact in kind.facts else "-" for fact in Fact)
        rows.append(f"| {kind.chart} | {kind.drawn_by} | {marks} |")
    return "\n".join(rows)


def write_meanings_table() -> str:
    """Return the meaning of each column of the table of facts."""
    rows = ["| column | fact |", "|---|---|"]
    return "\n".join([*rows, *(f"| {f.name.lower()} | {f.value} |" for f in Fact)])


def write_columns_table() -> str:
    """Return the columns of each kind in CSV and JSON, as a Markdown table."""
    rows = ["| `kind` | drawn by | columns |", "|---|---|---|"]
    for name, kind in CHART_TYPES.items():
        rows.append(f"| `{name}` | {kind.drawn_by} | {kind.columns} |")
    return "\n".join(rows)


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        pytest.param("alt.md", "facts", write_facts_table, id="facts"),
        pytest.param("alt.md", "meanings", write_meanings_table, id="meanings"),
        pytest.param("data.md", "columns", write_columns_table, id="columns"),
    ],
)
def test_a_table_is_that_of_the_code(
    page: str, name: str, table: Callable[[], str]
) -> None:
    """On a difference, replace the text between the marks with the table."""
    text = DOCS.joinpath(page).read_text("utf-8")
    shown = re.search(rf"<!-- {name} -->\n(.*)\n<!-- end of {name} -->", text, re.S)
    assert shown is not None
    assert shown[1] == table()


@pytest.mark.parametrize("kind", CHART_TYPES)
def test_a_kind_has_what_its_words_need(kind: str) -> None:
    """Words that count a kind's things have a name for them."""
    chart = CHART_TYPES[kind]
    assert len(set(chart.facts)) == len(chart.facts)
    assert Fact.COUNT not in chart.facts or chart.many
    assert Series(kind, "", 0, {}).kind in CHART_TYPES
