"""Which pictures a command is asked for: grids, and files that list them."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask

from flask_mplstream.cli import grid
from flask_mplstream.cli.grid import spread
from tests.apps.cli_figures import create_app, drawn, invoke

WALKS = "plots.walk"


@pytest.fixture
def app() -> Flask:
    return create_app()


def warmed(app: Flask, *arguments: object) -> list[str]:
    """The pictures that ``warm`` made, as it calls them."""
    result = invoke(app, "warm", *arguments)
    assert result.exit_code == 0, result.output
    return [line.partition(":")[0] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("100,200", ["100", "200"], id="list"),
        pytest.param("0..3", ["0", "1", "2", "3"], id="span"),
        pytest.param("-2..1", ["-2", "-1", "0", "1"], id="below zero"),
        pytest.param("5..5", ["5"], id="one"),
        pytest.param("0..25..10", ["0", "10", "20"], id="step"),
        pytest.param("1..2,7", ["1", "2", "7"], id="both"),
        pytest.param("0.5,1.5", ["0.5", "1.5"], id="numbers"),
        pytest.param("a..b", ["a..b"], id="text"),
    ],
)
def test_a_grid_spreads(text: str, values: list[str]) -> None:
    """Commas separate, two dots span integers with both ends."""
    assert spread(text) == values


def test_grids_are_combined(app: Flask) -> None:
    """The last one changes first."""
    options = ("--grid", "n=1,2", "--grid", "seed=0..1", "--scale", "1")
    assert warmed(app, WALKS, "title=x", *options) == [
        "plots.walk n=1 title=x png 1x",
        "plots.walk n=1 seed=1 title=x png 1x",
        "plots.walk n=2 title=x png 1x",
        "plots.walk n=2 seed=1 title=x png 1x",
    ]


def test_a_value_may_have_commas_and_dots(app: Flask) -> None:
    """NAME=VALUE is what stands in a URL, and given twice it is two pictures."""
    given = ("title=a,b", "title=1..9")
    assert warmed(app, WALKS, *given, "--scale", "1") == [
        "plots.walk title=a,b png 1x",
        "plots.walk title=1..9 png 1x",
    ]


def test_a_list_that_is_given_twice_is_one_list(app: Flask) -> None:
    """As in a URL; in a grid it is a picture for each."""
    options = ("--scale", "1", "--theme", "light")
    assert warmed(app, "plots.sales", "country=fr", "country=it", *options) == [
        "plots.sales country=fr country=it png 1x"
    ]
    assert warmed(app, "plots.sales", "--grid", "country=fr,it", *options) == [
        "plots.sales country=fr png 1x",
        "plots.sales country=it png 1x",
    ]


def test_a_picture_that_is_named_twice_is_one(app: Flask) -> None:
    """Under whatever spelling."""
    assert warmed(app, WALKS, "n=5", "n=05", "--scale", "1") == ["plots.walk png 1x"]


def test_the_dark_twin_comes_along(app: Flask) -> None:
    """Where the figure has a dark style; a theme can be named."""
    assert warmed(app, "plots.sales", "--scale", "1") == [
        "plots.sales png 1x",
        "plots.sales png 1x dark",
    ]
    assert warmed(app, "plots.sales", "--width", "300", "--theme", "dark") == [
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
CSV = """\
figure,n,title,country,country,_format,_scale,_theme
plots.walk,10,"a,b",,,svg,,
plots.walk,20,"a,b",,,svg,,

plots.sales,,,de,fr,,2,light
plots.sales,,,it,,,2,light
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("warm.json", JSON, id="json"),
        pytest.param("warm.json", f'{{"pictures": {JSON}}}', id="json with a name"),
        pytest.param("warm.toml", TOML, id="toml"),
        pytest.param("WARM.CSV", f"\ufeff{CSV}", id="csv of a spreadsheet"),
    ],
)
def test_a_file_lists_pictures(
    app: Flask, tmp_path: Path, name: str, text: str
) -> None:
    """The same ones in all three; a list is a grid, and a list in it a list."""
    path = tmp_path / name
    path.write_text(text, "utf-8")
    assert warmed(app, "--from", path) == [
        "plots.walk n=10 title=a,b svg 1x",
        "plots.walk n=20 title=a,b svg 1x",
        "plots.sales country=de country=fr png 2x",
        "plots.sales country=it png 2x",
    ]


def test_options_say_what_a_file_leaves_open(app: Flask, tmp_path: Path) -> None:
    """And the file comes first."""
    path = tmp_path / "warm.json"
    path.write_text(
        '[{"figure": "plots.walk"}, {"figure": "plots.year", "arguments": '
        '{"year": 2001}, "formats": ["webp"], "scales": [3]}]'
    )
    assert warmed(app, "--from", path, "--format", "svg", "--scale", "1") == [
        "plots.walk svg 1x",
        "plots.year year=2001 webp 3x",
    ]


def _entry(fields: str) -> str:
    return f'[{{"figure": "plots.walk"}}, {{"figure": "plots.walk", {fields}}}]'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("w.txt", "", "none of .json, .toml, .csv", id="suffix"),
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
            "w.json, entry 2: format: There is no such key. Accepted: figure, "
            "arguments, formats, scales, widths, themes. Did you mean 'formats'?",
            id="key",
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
            "w.json, entry 2: n is a list without a value",
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
        pytest.param("w.csv", "n\n3\n", "one of them figure", id="no column"),
        pytest.param("w.csv", "", "one of them figure", id="empty"),
        pytest.param(
            "w.csv",
            "figure,_formt\n",
            "There is no such column: _formt. Accepted: _format, _scale, _width, "
            "_theme. Did you mean '_format'?",
            id="column",
        ),
        pytest.param(
            "w.csv",
            "figure,n\nplots.walk,3\n\nplots.walk,1,2\n",
            "w.csv, entry 2 (line 4): It has 3 values for 2 columns.",
            id="comma",
        ),
        pytest.param(
            "w.csv", "figure,n\n,3\n", "entry 1 (line 2): It names no", id="no name"
        ),
        pytest.param(
            "w.csv",
            "figure,n\nplots.walk,3\nplots.walk,x\n",
            "w.csv, entry 2 (line 3): n = 'x'",
            id="cell",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told(
    app: Flask, tmp_path: Path, name: str, text: str, message: str
) -> None:
    """The file, the entry and the cause, before anything is rendered."""
    path = tmp_path / name
    path.write_text(text)
    result = invoke(app, "warm", "--from", path)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn


def test_a_file_that_is_no_text_is_told(app: Flask, tmp_path: Path) -> None:
    """A spreadsheet that was renamed, for example."""
    path = tmp_path / "w.csv"
    path.write_bytes(b"PK\xff\xfe")
    result = invoke(app, "warm", "--from", path)
    assert "w.csv: 'utf-8' codec can't decode" in result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--grid", "n=1"], "Name a figure", id="grid of nothing"),
        pytest.param(["--all", "--grid", "n=1"], "is for one figure", id="grid of all"),
        pytest.param([WALKS, "n=1", "--grid", "n=2"], "all in one", id="both"),
        pytest.param([WALKS, "--grid", "n=9..1"], "counts up", id="downwards"),
        pytest.param([WALKS, "--grid", "n=1..9..0"], "step of 0", id="no step"),
        pytest.param([WALKS, "--grid", "n"], "NAME=VALUE", id="form"),
        pytest.param([WALKS, "--grid", "n=1,x"], "not an integer", id="value"),
        pytest.param([WALKS, "--grid", "sed=1..2"], "Did you mean 'seed'", id="name"),
        pytest.param([WALKS, "--grid", "n=0..999999"], "too many", id="long span"),
        pytest.param(["--from", "none.json"], "does not exist", id="no file"),
        pytest.param([WALKS, "--jobs", "0"], "x>=1", id="jobs"),
    ],
)
def test_wrong_usage_is_told(app: Flask, arguments: list[str], message: str) -> None:
    """With the exit code 2, before anything is rendered."""
    result = invoke(app, "warm", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn


def test_a_grid_has_its_limits(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pictures than anybody wants are a slip of the hand."""
    monkeypatch.setattr(grid, "MAX_PICTURES", 99)
    result = invoke(app, "warm", WALKS, "--grid", "n=1..10", "--grid", "seed=1..10")
    assert "100 pictures" in result.stderr
    assert result.exit_code == 2
