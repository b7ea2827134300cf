"""``flask figures warm``: pictures are rendered before the first request."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from flask import redirect
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure
from flask_mplstream.cli import progress
from flask_mplstream.cli.page_scan import ENTRY
from flask_mplstream.web.app_state import AppState
from tests.apps import worker_figures
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture
def client(
    plots: FigureBlueprint, renders: Counter, serve: Serve, tmp_path: Path
) -> FlaskClient:
    """Return a client of three figures with a file cache."""

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
    """Return the exit code, output and errors of ``flask figures warm``."""
    runner = client.application.test_cli_runner()
    result = runner.invoke(args=["figures", "warm", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_a_warmed_picture_is_a_hit(client: FlaskClient, renders: Counter) -> None:
    """The given scales are drawn once, from one figure."""
    scales = ("--scale", "1", "--scale", "2")
    code, output, _ = warm(client, "plots.walk", "n=7", *scales)
    assert code == 0
    lines = output.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "plots.walk n=7 png 1x",
        "plots.walk n=7 png 2x",
    ]
    assert all(line.endswith(" ms") for line in lines)
    for url in ("/plots/walk?n=7", "/plots/walk?n=7&_scale=2"):
        assert "; hit" in client.get(url).headers["Cache-Status"]
    assert len(renders) == 1
    assert warm(client, "plots.walk", "n=7", *scales)[1].count("in the cache") == 2


def test_formats_and_scales_can_be_named(client: FlaskClient) -> None:
    """SVG has one scale."""
    options = ("--format", "svg", "--format", "webp", "--scale", "3", "--scale", "1")
    output = warm(client, "plots.walk", *options)[1]
    assert [line.partition(":")[0] for line in output.splitlines()] == [
        "plots.walk svg 1x",
        "plots.walk webp 3x",
        "plots.walk webp 1x",
    ]


def test_all_warms_every_possible_figure(client: FlaskClient) -> None:
    """Figures that require an argument or a request are left out with a message."""
    code, output, left_out = warm(client, "--all")
    assert code == 0
    assert {line.split()[0] for line in output.splitlines()} == {"plots.walk"}
    assert "plots.year: left out. year: It is missing." in left_out
    assert "plots.mine: left out. plots.mine has inject" in left_out


def test_a_failed_picture_sets_the_exit_code(client: FlaskClient) -> None:
    """The message has the error."""
    code, _, errors = warm(client, "plots.year", "year=1999", "--scale", "1")
    assert code == 1
    assert "plots.year year=1999 png 1x: ValueError: no data" in errors
    assert "1 of 1 pictures failed." in errors


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
        pytest.param(["plots.mine"], "in a request", id="inject"),
        pytest.param(["plots.year"], "It is missing", id="missing"),
    ],
)
def test_wrong_usage_is_an_error(
    client: FlaskClient, arguments: list[str], message: str
) -> None:
    """The exit code is not 0, and nothing is rendered."""
    code, output, errors = warm(client, *arguments)
    assert code != 0
    assert message in errors
    assert not output


def test_a_cache_in_memory_gets_a_warning(plots: FigureBlueprint, serve: Serve) -> None:
    """The server does not share it."""
    plots.figure_route("/plain")(worker_figures.grey_of_nothing)
    code, _, errors = warm(serve(), "--all")
    assert code == 0
    assert "Set CACHE_TYPE" in errors


@pytest.mark.slow
def test_workers_render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The output has the time until they had started."""
    monkeypatch.setattr(progress, "SHOWN_WAIT_S", 0.0)
    app = worker_figures.create_worker_app(
        CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path)
    )
    code, output, errors = warm(app.test_client(), "plots.one_colour", "--scale", "1")
    AppState.of(app).stop()
    assert code == 0, errors
    assert "after waiting" in output


def test_the_summary_counts_the_results(client: FlaskClient) -> None:
    """A picture is rendered, in the cache or failed."""
    scale = ("--scale", "1")
    warm(client, "plots.year", "year=2001", *scale)
    years = ("year=2001", "year=2002", "year=1999")
    summary = warm(client, "plots.year", *years, *scale)[2]
    assert "1 rendered, 1 in the cache, 1 failed, " in summary


def test_fail_fast_stops_at_the_first_failure(
    client: FlaskClient, renders: Counter
) -> None:
    """The summary counts the pictures that were not tried."""
    years = ("year=2001", "year=1999", "year=2002")
    options = ("--scale", "1", "--fail-fast")
    code, _, errors = warm(client, "plots.year", *years, *options)
    assert code == 1
    assert renders.calls == [("year", 2001), ("year", 1999)]
    assert "1 failed, 1 not tried, " in errors


def test_a_failure_shows_no_traceback(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debug mode shows it."""
    assert "Traceback" not in warm(client, "plots.year", "year=1999")[2]
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert 'raise ValueError("no data")' in warm(client, "plots.year", "year=1998")[2]


def test_several_jobs_report_in_order(client: FlaskClient, renders: Counter) -> None:
    """The order is that of the grid."""
    grid = f"n={','.join(map(str, range(1, 21)))}"
    options = ("--grid", grid, "--scale", "1", "--jobs", "4")
    code, output, _ = warm(client, "plots.walk", *options)
    assert code == 0
    numbers = [line.split()[1] for line in output.splitlines()]
    assert numbers == [f"n={n}" if n != 5 else "png" for n in range(1, 21)]
    assert len(renders) == 20


def test_more_jobs_than_slots_are_not_refused(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``MPLSTREAM_MAX_PENDING`` limits requests, which can be repeated."""
    plots.figure_route("/one", endpoint="one")(worker_figures.one_colour)
    grid = ("--grid", "level=0,1,2,3,4,5,6,7,8,9", "--scale", "1", "--jobs", "8")
    code, output, errors = warm(serve(MPLSTREAM_MAX_PENDING=0), "plots.one", *grid)
    assert code == 0, errors
    assert len(output.splitlines()) == 10


def test_a_stale_picture_is_rendered_again(
    plots: FigureBlueprint, renders: Counter, serve: Serve, clock: Clock
) -> None:
    """A request would get the stale picture at once."""

    @plots.figure_route("/walk", max_age=60, stale_while_revalidate=600)
    def walk() -> Figure:
        renders()
        return Figure(figsize=(1, 1))

    client = serve()
    warm(client, "plots.walk", "--scale", "1")
    clock.now += 100
    output = warm(client, "plots.walk", "--scale", "1")[1]
    assert "in the cache" not in output
    assert len(renders) == 2


def test_an_older_picture_does_not_hide_a_failure(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """A page would get the older picture."""
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


def test_a_picture_that_is_not_stored_is_marked(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``max_age=0`` stores nothing."""
    plots.figure_route("/plain", max_age=0)(worker_figures.grey_of_nothing)
    assert "ms, not stored\n" in warm(serve(), "--all")[1]


def test_a_page_of_warm_figures_renders_nothing(
    client: FlaskClient, renders: Counter
) -> None:
    """The default is the text and all variants that ``figure()`` offers."""
    code, output, _ = warm(client, "plots.walk")
    assert code == 0
    assert [
        line.partition(":")[0].split(" ", 1)[1] for line in output.splitlines()
    ] == [
        "txt 1x",
        *(f"{name} {scale}x" for name in ("webp", "png") for scale in (1, 2)),
    ]
    rendered = len(renders)
    with client.application.test_request_context():
        page = figure("plots.walk")
    assert 'width="100"' in page
    urls = re.findall(r"/plots/[^ ,\"]+", page)
    assert len(urls) == 5
    for url in urls:
        assert "hit" in client.get(unescape(url)).headers["Cache-Status"]
    assert len(renders) == rendered


def test_page_formats_can_have_other_sizes(client: FlaskClient) -> None:
    """``--page`` combines them with ``--width``."""
    output = warm(client, "plots.walk", "--page", "--width", "320")[1]
    assert [
        line.partition(":")[0].split(" ", 1)[1] for line in output.splitlines()
    ] == ["txt 1x", "webp 320w", "png 320w"]


def test_a_size_over_the_limit_is_left_out(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """It is a failure only with ``--scale``."""

    @plots.figure_route("/large", max_pixels=50_000, formats=["png"])
    def large() -> Figure:
        return Figure(figsize=(2, 1), dpi=100)

    client = serve()
    code, output, errors = warm(client, "plots.large")
    assert code == 0
    assert "plots.large png 2x: left out, too large" in output
    assert "2 rendered, 0 in the cache, 0 failed, 1 left out" in errors
    assert warm(client, "plots.large", "--scale", "2")[0] == 1


PAGE = """<!doctype html><base href="/sub/"><title>A page</title>
<picture><source srcset="../plots/walk.webp?n=3&amp;_width=320 320w,
/plots/walk.webp?n=3&amp;_width=640 640w"><img src="/plots/walk?n=3"></picture>
<img src="/plots/walk.png?n=3" srcset="/plots/walk.png?n=8, /logo.png 2x">
<link rel="preload" as="image" href="/plots/year/2001">
<link rel="stylesheet" href="/plots/walk?n=9">
<img src="https://elsewhere.example/plots/walk?n=4"><img src="/plots/mine">
<a href="/plots/walk?n=5"><img alt=""></a>"""


@pytest.fixture
def paged(client: FlaskClient) -> FlaskClient:
    """Return the client with a page, and with pages that cannot be warmed."""
    app = client.application
    app.add_url_rule("/page", "page", lambda: PAGE)
    app.add_url_rule("/moved", "moved", lambda: redirect("/page"))
    app.add_url_rule("/secret", "secret", lambda: ("no", 403))
    app.add_url_rule("/empty", "empty", lambda: "<img src=/logo.png>")
    app.add_url_rule("/wrong", "wrong", lambda: "<img src='/plots/walk?n=x'>")
    return client


@pytest.mark.parametrize(
    ("srcset", "urls"),
    [
        pytest.param("/a", ["/a"], id="one"),
        pytest.param("/a 1x, /b 2x", ["/a", "/b"], id="densities"),
        pytest.param("/a?x=1,2 320w,\n /b,c 640w", ["/a?x=1,2", "/b,c"], id="commas"),
        pytest.param(" , /a, /b", ["/a", "/b"], id="bare"),
        pytest.param("", [], id="empty"),
    ],
)
def test_a_srcset_is_read_as_a_browser_does(srcset: str, urls: list[str]) -> None:
    """See https://html.spec.whatwg.org/#parsing-a-srcset-attribute."""
    assert ENTRY.findall(srcset) == urls


@pytest.mark.parametrize("url", ["/page", "/moved", "http://localhost/page"])
def test_the_pictures_of_a_page_are_warmed(
    paged: FlaskClient, url: str, renders: Counter
) -> None:
    """``--url`` renders the images in its markup."""
    code, output, errors = warm(paged, "--url", url)
    assert code == 0, errors
    assert [line.partition(":")[0] for line in output.splitlines()] == [
        "plots.walk n=3 webp 320w",
        "plots.walk n=3 webp 640w",
        "plots.walk n=3 png 1x",
        "plots.walk n=8 png 1x",
        "plots.year year=2001 png 1x",
    ]
    assert "plots.mine: left out." in errors
    rendered = len(renders)
    for shown in ("/plots/walk.webp?n=3&_width=640", "/plots/walk?n=3"):
        assert "hit" in paged.get(shown).headers["Cache-Status"]
    assert len(renders) == rendered


def test_the_urls_of_a_page_may_have_a_root(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """``APPLICATION_ROOT`` is the prefix of all URLs of the app."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    client = serve(APPLICATION_ROOT="/site")
    client.application.add_url_rule("/page", "page", lambda: figure("plots.walk"))
    code, output, errors = warm(client, "--url", "/page")
    assert code == 0, errors
    assert "plots.walk png 1x: " in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--url", "/nowhere"], "responded with 404", id="missing"),
        pytest.param(["--url", "/secret"], "responded with 403", id="forbidden"),
        pytest.param(["--url", "/empty"], "has no picture", id="empty"),
        pytest.param(["--url", "/wrong"], "n = 'x'", id="wrong"),
        pytest.param(["--url", "/page", "--all"], "selects all", id="both"),
        pytest.param(["plots.walk", "--url", "/page"], "selects all", id="figure"),
    ],
)
def test_a_page_without_pictures_is_an_error(
    paged: FlaskClient, arguments: list[str], message: str, renders: Counter
) -> None:
    """The exit code is 2, and nothing is rendered."""
    code, _, errors = warm(paged, *arguments)
    assert code == 2
    assert message in errors
    assert not renders.calls
