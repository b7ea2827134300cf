"""The pictures of a command line: grids and plan files."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_mplstream.cli import grid
from tests.apps.cli_figures import create_app, drawn, invoke

WALKS = "plots.walk"


@pytest.fixture
def app() -> Flask:
    return create_app()


def list_warmed(app: Flask, *arguments: object) -> list[str]:
    """Return the names of the pictures that ``warm`` rendered."""
    result = invoke(app, "warm", *arguments)
    assert result.exit_code == 0, result.output
    return [line.partition(":")[0] for line in result.stdout.splitlines()]


def test_grids_are_combined(app: Flask) -> None:
    """The last one varies fastest."""
    options = ("--grid", "n=1,2", "--grid", "seed=0,1", "--scale", "1")
    assert list_warmed(app, WALKS, "title=x", *options) == [
        "plots.walk n=1 title=x png 1x",
        "plots.walk n=1 seed=1 title=x png 1x",
        "plots.walk n=2 title=x png 1x",
        "plots.walk n=2 seed=1 title=x png 1x",
    ]


def test_a_value_may_have_commas_and_dots(app: Flask) -> None:
    """NAME=VALUE is literal, and repeated it gives two pictures."""
    given = ("title=a,b", "title=1..9")
    assert list_warmed(app, WALKS, *given, "--scale", "1") == [
        "plots.walk title=a,b png 1x",
        "plots.walk title=1..9 png 1x",
    ]


def test_a_repeated_list_argument_is_one_list(app: Flask) -> None:
    """A grid gives one picture for each value."""
    options = ("--scale", "1", "--theme", "light")
    assert list_warmed(app, "plots.sales", "country=fr", "country=it", *options) == [
        "plots.sales country=fr country=it png 1x"
    ]
    assert list_warmed(app, "plots.sales", "--grid", "country=fr,it", *options) == [
        "plots.sales country=fr png 1x",
        "plots.sales country=it png 1x",
    ]


def test_duplicates_are_rendered_once(app: Flask) -> None:
    """The spelling of a value does not matter."""
    assert list_warmed(app, WALKS, "n=5", "n=05", "--scale", "1") == [
        "plots.walk png 1x"
    ]


def test_a_dark_style_is_included(app: Flask) -> None:
    """``--theme`` selects one theme."""
    assert list_warmed(app, "plots.sales", "--scale", "1") == [
        "plots.sales png 1x",
        "plots.sales png 1x dark",
    ]
    assert list_warmed(app, "plots.sales", "--width", "300", "--theme", "dark") == [
        "plots.sales png 320w dark"
    ]


JSON = """
[{"figure": "plots.walk", "arguments": {"n": [10, 20], "title": "a,b"},
  "formats": ["svg"]},
 {"figure": "plots.sales", "arguments": {"country": [["de", "fr"], "it"]},
  "scales": [2], "themes": ["light"]}]
"""
TOML = """
[[pictures]]
figure = "plots.walk"
arguments = {n = [10, 20], title = "a,b"}
formats = ["svg"]

[[pictures]]
figure = "plots.sales"
arguments.country = [["de", "fr"], "it"]
scales = [2]
themes = ["light"]
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("warm.json", JSON, id="json"),
        pytest.param("warm.json", f'{{"pictures": {JSON}}}', id="json with a name"),
        pytest.param("warm.toml", TOML, id="toml"),
        pytest.param("WARM.JSON", f"\ufeff{JSON}", id="byte order mark"),
    ],
)
def test_a_file_lists_pictures(
    app: Flask, tmp_path: Path, name: str, text: str
) -> None:
    """A list is a grid, and a list in it is one value."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert list_warmed(app, "--from", path) == [
        "plots.walk n=10 title=a,b svg 1x",
        "plots.walk n=20 title=a,b svg 1x",
        "plots.sales country=de country=fr png 2x",
        "plots.sales country=it png 2x",
    ]


def test_options_complete_a_file(app: Flask, tmp_path: Path) -> None:
    """The file takes precedence."""
    path = tmp_path / "warm.json"
    path.write_text(
        '[{"figure": "plots.walk"}, {"figure": "plots.year", "arguments": '
        '{"year": 2001}, "formats": ["webp"], "scales": [3]}]'
    )
    assert list_warmed(app, "--from", path, "--format", "svg", "--scale", "1") == [
        "plots.walk svg 1x",
        "plots.year year=2001 webp 3x",
    ]


def _entry(fields: str) -> str:
    return f'[{{"figure": "plots.walk"}}, {{"figure": "plots.walk", {fields}}}]'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param(
            "w.csv", "", "'{path}' is not a plan: name a .json or .toml", id="suffix"
        ),
        pytest.param("w.json", "[", "w.json: Expecting value: line 1", id="json"),
        pytest.param("w.toml", "a = ", "w.toml: Invalid value (at end", id="toml"),
        pytest.param("w.json", '{"a": 1}', "[[pictures]]", id="no list"),
        pytest.param(
            "w.json", "[3]", "w.json, entry 1: It is not an object.", id="no entry"
        ),
        pytest.param(
            "w.json",
            "[{}]",
            "w.json, entry 1: figure: A value is missing.",
            id="no figure",
        ),
        pytest.param(
            "w.json",
            _entry('"format": ["svg"]'),
            "w.json, entry 2: format: There is no such key. Accepted: formats, "
            "scales, widths, themes, figure, arguments. Did you mean 'formats'?",
            id="key",
        ),
        pytest.param(
            "w.json",
            _entry('"formats": "svg"'),
            "w.json, entry 2: formats: It is not a list.",
            id="no list of formats",
        ),
        pytest.param(
            "w.json",
            _entry('"arguments": {"n": ["x"]}'),
            "w.json, entry 2: n = 'x': It is not an integer.",
            id="value",
        ),
        pytest.param(
            "w.json",
            _entry('"arguments": {"n": []}'),
            "w.json, entry 2: arguments: The list of 'n' is empty.",
            id="empty list",
        ),
        pytest.param(
            "w.json",
            _entry('"arguments": {"sed": 3}'),
            "w.json, entry 2: sed = '3': There is no such argument (accepted: n, "
            "seed, title, kind). Did you mean 'seed'?",
            id="argument",
        ),
        pytest.param(
            "w.json",
            _entry('"formats": ["webp"]'),
            "w.json, entry 2: _format = 'webp': plots.walk is not offered",
            id="format",
        ),
        pytest.param(
            "w.json",
            '[{"figure": "plots.wlak"}, {"figure": "plots.walk", "scales": [7]}]',
            "w.json, entry 2: _scale = '7.0'",
            id="all at once",
        ),
    ],
)
def test_an_error_in_a_file_names_its_place(
    app: Flask, tmp_path: Path, name: str, text: str, message: str
) -> None:
    """It has the file, the entry and the cause, and nothing is rendered."""
    path = tmp_path / name
    path.write_text(text)
    result = invoke(app, "warm", "--from", path)
    assert message.format(path=path) in result.stderr
    assert result.exit_code == 2
    assert not drawn


def test_a_binary_file_is_an_error(app: Flask, tmp_path: Path) -> None:
    """The message has the file and the cause."""
    path = tmp_path / "w.json"
    path.write_bytes(b"PK\xff\xfe")
    result = invoke(app, "warm", "--from", path)
    assert "w.json: 'utf-8' codec can't decode" in result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--grid", "n=1"], "Name a figure", id="grid of nothing"),
        pytest.param(
            ["--all", "--grid", "n=1"],
            "requires the name of a figure",
            id="grid of all",
        ),
        pytest.param(
            [WALKS, "n=1", "--grid", "n=2"], "in NAME=VALUE and in --grid", id="both"
        ),
        pytest.param(
            [WALKS, "--grid", "title=a,0..90..10"], "'0..90..10' is a range", id="range"
        ),
        pytest.param([WALKS, "--grid", "n"], "NAME=VALUE", id="form"),
        pytest.param([WALKS, "--grid", "n=1,x"], "not an integer", id="value"),
        pytest.param([WALKS, "--grid", "sed=1,2"], "Did you mean 'seed'", id="name"),
        pytest.param(["--from", "none.json"], "does not exist", id="no file"),
        pytest.param([WALKS, "--jobs", "0"], "x>=1", id="jobs"),
    ],
)
def test_wrong_usage_is_an_error(
    app: Flask, arguments: list[str], message: str
) -> None:
    """The exit code is 2, and nothing is rendered."""
    result = invoke(app, "warm", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn


def test_a_grid_has_a_limit(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger grid is probably a typing error."""
    monkeypatch.setattr(grid, "MAX_PICTURES", 5)
    result = invoke(app, "warm", WALKS, "--grid", "n=1,2", "--grid", "seed=1,2,3")
    assert "The grid has 6 pictures; the limit is 5." in result.stderr
    assert result.exit_code == 2
