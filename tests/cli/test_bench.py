"""``flask figures bench``: the time of each step of a render."""

from __future__ import annotations

import json

import pytest

from tests.apps.cli_figures import create_app, drawn, invoke


@pytest.mark.slow
def test_each_format_has_a_line() -> None:
    """The table has the steps, the bytes and the pixels of each format."""
    result = invoke(create_app(), "bench", "plots.walk", "n=7")
    assert result.exit_code == 0, result.output
    title, heads, *lines = result.stdout.splitlines()
    assert title == "plots.walk n=7, median of 5, in milliseconds"
    assert heads.split()[0] == "build"
    assert heads.split()[-3:] == ["total", "bytes", "pixels"]
    assert [line.split()[0] for line in lines] == ["png", "svg", "pdf"]
    assert all(line.endswith("100 x 50") for line in lines)


def test_each_repetition_renders() -> None:
    """The command ignores the cache, and renders once to warm up."""
    app = create_app()
    app.test_client().get("/plots/walk.png")
    drawn.clear()
    invoke(app, "bench", "plots.walk", "--format", "png", "--repeat", "3")
    assert len(drawn) == 4


def test_json_has_the_steps_in_milliseconds() -> None:
    """The total is not less than any step."""
    arguments = ("plots.walk", "--format", "png", "--scale", "2", "--repeat", "2")
    (entry,) = json.loads(invoke(create_app(), "bench", *arguments, "--json").stdout)
    assert entry["figure"] == "plots.walk"
    assert entry["variant"] == "png 2x"
    assert entry["repeat"] == 2
    assert (entry["width_px"], entry["height_px"]) == (200, 100)
    steps = entry["median_ms"]
    assert {"build", "draw", "encode"} < steps.keys()
    assert steps["total"] >= max(steps.values())
    assert "wait" not in steps


def test_a_failure_names_the_picture() -> None:
    """The exit code is 1."""
    result = invoke(create_app(), "bench", "plots.year", "year=1999")
    assert result.stderr == "Error: plots.year year=1999 png 1x: ValueError: no data\n"
    assert result.exit_code == 1


def test_injected_values_reach_the_figure() -> None:
    """``inject`` runs before each render."""
    arguments = ("plots.mine", "--format", "png", "--repeat", "1")
    assert invoke(create_app(), "bench", *arguments).exit_code == 0
    assert drawn == [("mine", 7)] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["plots.wlak"], "Did you mean 'plots.walk'", id="figure"),
        pytest.param(["plots.walk", "--format", "gif"], "'gif'", id="format"),
        pytest.param(["plots.walk", "--repeat", "0"], "x>=1", id="repeat"),
    ],
)
def test_wrong_usage_is_an_error(arguments: list[str], message: str) -> None:
    """The exit code is 2, and nothing is rendered."""
    result = invoke(create_app(), "bench", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn
