"""``flask figures list``: the figures and their parameters."""

from __future__ import annotations

import json

import pytest

from flask_mplstream.cli.terminal_table import align
from tests.apps.cli_figures import create_app, invoke


@pytest.fixture
def lines() -> list[str]:
    """Return the output of ``list``."""
    result = invoke(create_app(), "list")
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_each_figure_has_a_line(lines: list[str]) -> None:
    """It has the endpoint, rule, formats, max age and the docstring's first line."""
    (walk,) = (line for line in lines if line.startswith("plots.walk"))
    assert walk.split() == [
        *("plots.walk", "/plots/walk", "png", "svg", "pdf", "60", "s"),
        *("A", "random", "walk."),
    ]


def test_a_parameter_is_below_its_figure(lines: list[str]) -> None:
    """Its line has the default, or that it is required, and the accepted values."""
    at = [line.split()[0] for line in lines].index("plots.walk")
    assert " ".join(lines[at + 1].split()) == "n = 5 an integer from 1 to 1000"
    at = [line.split()[0] for line in lines].index("plots.year")
    assert " ".join(lines[at + 1].split()) == "year required an integer"


def test_columns_are_aligned(lines: list[str]) -> None:
    """Every rule begins below the heading ``URL``."""
    at = lines[0].index("URL")
    rules = [line[at:] for line in lines[1:] if not line.startswith(" ")]
    assert all(rule.startswith("/plots/") for rule in rules)


def test_an_injected_value_is_not_a_parameter() -> None:
    """No URL can set it."""
    figures = json.loads(invoke(create_app(), "list", "--json").stdout)
    (mine,) = (figure for figure in figures if figure["figure"] == "plots.mine")
    assert mine["parameters"] == []
    assert mine["is_private"]


def test_json_has_the_schemas() -> None:
    """It also has everything in the table."""
    figures = json.loads(invoke(create_app(), "list", "--json").stdout)
    (walk,) = (figure for figure in figures if figure["figure"] == "plots.walk")
    assert walk["rule"] == "/plots/walk"
    assert walk["formats"] == ["png", "svg", "pdf"]
    assert walk["max_age"] == 60
    assert walk["description"] == "A random walk."
    assert walk["parameters"][0] == {
        "name": "n",
        "is_required": False,
        "default": 5,
        "accepted": "an integer from 1 to 1000",
        "schema": {"type": "integer", "minimum": 1, "maximum": 1000},
    }


def test_lines_fit_the_terminal() -> None:
    """The widest columns are cut and end with an ellipsis."""
    lines = align([("one", "x" * 60, "y" * 40), ("two", "short", "z")], 50)
    assert all(len(line) <= 50 for line in lines)
    assert lines[0].startswith("one  xxx")
    assert lines[0].count("…") == 2
    assert lines[1].split() == ["two", "short", "z"]


def test_lines_without_a_terminal_are_complete() -> None:
    """A file or a pipe has no width."""
    assert align([("a", "x" * 500), ("bc", "y")]) == [f"a   {'x' * 500}", "bc  y"]


def test_numbers_are_right_aligned() -> None:
    """Their last digits are in one column."""
    assert align([("a", "5"), ("b", "50")], numbers=[1]) == ["a   5", "b  50"]
