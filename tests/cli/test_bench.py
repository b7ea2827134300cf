"""``flask figures bench``: where the time of a picture goes."""

from __future__ import annotations

import json

import pytest

from tests.apps.cli_figures import create_app, drawn, invoke


@pytest.mark.slow
def test_each_format_has_a_line() -> None:
    """With the steps that it has, the bytes and the pixels."""
    result = invoke(create_app(), "bench", "plots.walk", "n=7")
    assert result.exit_code == 0, result.output
    title, heads, *lines = result.stdout.splitlines()
    assert title == "plots.walk n=7, median of 5, in milliseconds"
    assert heads.split()[0] == "build"
    assert heads.split()[-3:] == ["total", "bytes", "pixels"]
    assert [line.split()[0] for line in lines] == ["png", "svg", "pdf"]
    assert all(line.endswith("100 x 50") for line in lines)


def test_it_renders_past_the_cache_after_one_to_warm_up() -> None:
    """Each time anew."""
    app = create_app()
    app.test_client().get("/plots/walk.png")
    drawn.clear()
    invoke(app, "bench", "plots.walk", "--format", "png", "--repeat", "3")
    assert len(drawn) == 4


def test_scripts_get_json() -> None:
    """The steps in milliseconds; the total is not less than any."""
    arguments = ("plots.walk", "--format", "png", "--scale", "2", "--repeat", "2")
    (told,) = json.loads(invoke(create_app(), "bench", *arguments, "--json").stdout)
    assert told["figure"] == "plots.walk"
    assert told["variant"] == "png 2x"
    assert told["repeat"] == 2
    assert (told["width_px"], told["height_px"]) == (200, 100)
    steps = told["median_ms"]
    assert {"build", "draw", "encode"} < steps.keys()
    assert steps["total"] >= max(steps.values())
    assert "wait" not in steps


def test_a_figure_that_fails_is_told() -> None:
    """By its name."""
    result = invoke(create_app(), "bench", "plots.year", "year=1999")
    assert result.stderr == "Error: plots.year year=1999 png 1x: ValueError: no data\n"
    assert result.exit_code == 1


def test_what_is_injected_is_there() -> None:
    """It may be what takes the time."""
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
def test_wrong_usage_is_told(arguments: list[str], message: str) -> None:
    """With the exit code 2, before anything is rendered."""
    result = invoke(create_app(), "bench", *arguments)
    assert message in result.stderr
    assert result.exit_code == 2
    assert not drawn
