"""``flask figures warm``: pictures are there before somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure
from flask_mplstream.cli import running
from flask_mplstream.state import AppState

from . import worker_figures
from .conftest import Clock, Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture
def client(
    plots: FigureBlueprint, renders: Counter, serve: Serve, tmp_path: Path
) -> FlaskClient:
    """Three figures and a cache in files."""

    @plots.figure_route("/walk")
    def walk(n: int = 5) -> Figure:
        """A walk."""
        renders("walk", n)
        return Figure(figsize=(1, 1))

    @plots.figure_route("/year/<int:year>")
    def year(year: int) -> Figure:
        renders("year", year)
        if year < 2000:
            raise ValueError("no data")
        return Figure(figsize=(1, 1))

    @plots.figure_route("/mine", inject={"user": lambda: 1})
    def mine(user: int) -> Figure:
        return Figure(figsize=(1, 1))

    return serve(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path))


def warm(client: FlaskClient, *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of ``flask figures warm``."""
    runner = client.application.test_cli_runner()
    result = runner.invoke(args=["figures", "warm", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_what_was_warmed_is_a_hit(client: FlaskClient, renders: Counter) -> None:
    """At the scales of ``figure()``; a second time nothing is rendered."""
    code, told, _ = warm(client, "plots.walk", "n=7")
    assert code == 0
    lines = told.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "plots.walk n=7 png 1x",
        "plots.walk n=7 png 2x",
    ]
    assert all(line.endswith(" ms") for line in lines)
    for url in ("/plots/walk?n=7", "/plots/walk?n=7&_scale=2"):
        assert "; hit" in client.get(url).headers["Cache-Status"]
    assert len(renders) == 2
    assert warm(client, "plots.walk", "n=7")[1].count("in the cache") == 2


def test_formats_and_scales_can_be_named(client: FlaskClient) -> None:
    """Shapes have one scale."""
    options = ("--format", "svg", "--format", "webp", "--scale", "3", "--scale", "1")
    told = warm(client, "plots.walk", *options)[1]
    assert [line.partition(":")[0] for line in told.splitlines()] == [
        "plots.walk svg 1x",
        "plots.walk webp 3x",
        "plots.walk webp 1x",
    ]


def test_all_figures_that_need_nothing_are_warmed(client: FlaskClient) -> None:
    """What wants an argument or a request is named, and no failure."""
    code, told, left_out = warm(client, "--all")
    assert code == 0
    assert {line.split()[0] for line in told.splitlines()} == {"plots.walk"}
    assert "plots.year: left out. year: It is missing." in left_out
    assert "plots.mine: left out. It has inject=…" in left_out


def test_a_picture_that_fails_is_an_exit_code(client: FlaskClient) -> None:
    """The reason is told."""
    code, _, errors = warm(client, "plots.year", "year=1999")
    assert code == 1
    assert "plots.year year=1999 png 1x: ValueError: no data" in errors
    assert "2 of 2 pictures failed." in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Name a figure", id="nothing"),
        pytest.param(["plots.walk", "--all"], "Name a figure", id="both"),
        pytest.param(["plots.wlak"], "Did you mean 'plots.walk'", id="figure"),
        pytest.param(["plots.walk", "n=x"], "an integer", id="value"),
        pytest.param(["plots.walk", "n"], "NAME=VALUE", id="form"),
        pytest.param(["plots.walk", "--format", "gif"], "'gif'", id="format"),
        pytest.param(["plots.walk", "--scale", "7"], "one of 0.5", id="scale"),
        pytest.param(["plots.mine"], "wants a request", id="inject"),
        pytest.param(["plots.year"], "It is missing", id="missing"),
    ],
)
def test_what_cannot_be_done_is_told(
    client: FlaskClient, arguments: list[str], message: str
) -> None:
    """With an exit code that scripts see, and nothing rendered."""
    code, told, errors = warm(client, *arguments)
    assert code != 0
    assert message in errors
    assert not told


def test_a_cache_of_this_process_alone_is_told(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Warming it does not help the server."""
    plots.figure_route("/plain")(worker_figures.grey_of_nothing)
    code, _, errors = warm(serve(), "--all")
    assert code == 0
    assert "Set CACHE_TYPE" in errors


def test_workers_warm_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the time until they had started is told."""
    monkeypatch.setattr(running, "SHOWN_WAIT_S", 0.0)
    app = worker_figures.create_app(
        CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path)
    )
    code, told, errors = warm(app.test_client(), "plots.one_colour", "--scale", "1")
    AppState.of(app).stop()
    assert code == 0, errors
    assert "s of waiting" in told


def test_the_summary_tells_how_it_went(client: FlaskClient) -> None:
    """What was rendered, what was there, what failed."""
    warm(client, "plots.year", "year=2001")
    summary = warm(client, "plots.year", "year=2001", "year=2002", "year=1999")[2]
    assert "2 rendered, 2 in the cache, 2 failed, " in summary


def test_the_first_failure_may_be_the_last(
    client: FlaskClient, renders: Counter
) -> None:
    """``--fail-fast``; what is not tried is told."""
    years = ("year=2001", "year=1999", "year=2002")
    options = ("--scale", "1", "--fail-fast")
    code, _, errors = warm(client, "plots.year", *years, *options)
    assert code == 1
    assert renders.calls == [("year", 2001), ("year", 1999)]
    assert "1 failed, 1 not tried, " in errors


def test_a_failure_shows_no_traceback(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But in debug mode."""
    assert "Traceback" not in warm(client, "plots.year", "year=1999")[2]
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert 'raise ValueError("no data")' in warm(client, "plots.year", "year=1998")[2]


def test_several_jobs_tell_in_order(client: FlaskClient, renders: Counter) -> None:
    """Whichever is ready first."""
    options = ("--grid", "n=1..20", "--scale", "1", "--jobs", "4")
    code, told, _ = warm(client, "plots.walk", *options)
    assert code == 0
    numbers = [line.split()[1] for line in told.splitlines()]
    assert numbers == [f"n={n}" if n != 5 else "png" for n in range(1, 21)]
    assert len(renders) == 20


def test_more_jobs_than_there_is_room_for_are_none_refused(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A queue without places is for requests, which can come again."""
    plots.figure_route("/one", endpoint="one")(worker_figures.one_colour)
    grid = ("--grid", "level=0..9", "--scale", "1", "--jobs", "8")
    code, told, errors = warm(serve(MPLSTREAM_MAX_PENDING=0), "plots.one", *grid)
    assert code == 0, errors
    assert len(told.splitlines()) == 10


def test_what_is_too_old_is_rendered_though_a_page_would_get_it(
    plots: FigureBlueprint, renders: Counter, serve: Serve, clock: Clock
) -> None:
    """A request is sent the stale picture at once, and ``warm`` is for the next."""

    @plots.figure_route("/walk", max_age=60, stale_while_revalidate=600)
    def walk() -> Figure:
        renders()
        return Figure(figsize=(1, 1))

    client = serve()
    warm(client, "plots.walk", "--scale", "1")
    clock.now += 100
    told = warm(client, "plots.walk", "--scale", "1")[1]
    assert "in the cache" not in told
    assert len(renders) == 2


def test_an_older_picture_does_not_hide_a_failure(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """A page is sent it, and whoever warms wants to know."""
    answers = iter([Figure(figsize=(1, 1))])

    @plots.figure_route("/walk", max_age=60)
    def walk() -> Figure:
        return next(answers)

    client = serve()
    warm(client, "plots.walk", "--scale", "1")
    clock.now += 100
    code, _, errors = warm(client, "plots.walk", "--scale", "1")
    assert code == 1
    assert "plots.walk png 1x: StopIteration" in errors


def test_what_is_not_kept_is_told(plots: FigureBlueprint, serve: Serve) -> None:
    """With ``max_age=0`` there is nothing to warm."""
    plots.figure_route("/plain", max_age=0)(worker_figures.grey_of_nothing)
    assert "ms, not kept\n" in warm(serve(), "--all")[1]


def test_a_page_of_warm_figures_renders_nothing(
    client: FlaskClient, renders: Counter
) -> None:
    """``--page``: what ``figure()`` reads, and every format that a browser may take."""
    code, told, _ = warm(client, "plots.walk", "--page")
    assert code == 0
    assert [line.partition(":")[0].split(" ", 1)[1] for line in told.splitlines()] == [
        *("avif 1x", "avif 2x", "webp 1x", "webp 2x", "png 1x", "png 2x", "txt 1x")
    ]
    rendered = len(renders)
    with client.application.test_request_context():
        page = figure("plots.walk")
    assert 'width="100"' in page
    assert "hit" in client.get("/plots/walk.avif?_scale=2").headers["Cache-Status"]
    assert len(renders) == rendered
