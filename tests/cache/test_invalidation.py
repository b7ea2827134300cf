"""Invalidation by figure, arguments and tag; versions that answer before a render."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_caching import Cache
from matplotlib.figure import Figure

from flask_mplstream import (
    ArgumentsError,
    FigureBlueprint,
    UnknownFigureError,
    UnknownTagError,
    figure,
    figure_url,
)
from flask_mplstream.cache.store import COHERENCE_S, TOKEN_S, Store
from flask_mplstream.errors import CacheDownError
from tests.support.doubles import Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, renders: Counter) -> FlaskClient:
    @plots.figure_route("/walk", tags=["sales", "all"])
    def walk(n: int = 1) -> Figure:
        renders("walk", n)
        return Figure(figsize=(1, 1))

    @plots.figure_route("/other", tags=["all"])
    def other() -> Figure:
        renders("other", 0)
        return Figure(figsize=(2, 1))

    return serve(MPLSTREAM_KEEP_BYTES=0)  # Each render calls the function.


URLS = ("/plots/walk", "/plots/walk?n=5", "/plots/walk.svg?n=5", "/plots/other")


def rendered(client: FlaskClient, renders: Counter) -> list[str]:
    """Return which of :data:`URLS` cause a render."""
    again = []
    for url in URLS:
        before = len(renders)
        assert client.get(url).status_code == 200
        if len(renders) > before:
            again.append(url)
    return again


@pytest.mark.parametrize(
    ("given", "again"),
    [
        pytest.param((["walk"], {}), URLS[:3], id="figure"),
        pytest.param((["walk"], {"n": 5}), URLS[1:3], id="arguments-in-every-format"),
        pytest.param((["walk"], {"n": "05"}), URLS[1:3], id="in-any-spelling"),
        pytest.param(([], {"tags": ["sales"]}), URLS[:3], id="tag"),
        pytest.param(([], {"tags": ["all"]}), URLS, id="tag-of-two"),
        pytest.param(([], {"tags": "sales"}), URLS[:3], id="tag-without-a-list"),
        pytest.param(([], {"tags": iter(["sales"])}), URLS[:3], id="tags-once"),
        pytest.param(([], {"tags": []}), (), id="no-tags"),
        pytest.param((["walk"], {"tags": []}), URLS[:3], id="figure-and-no-tags"),
        pytest.param(([], {}), URLS, id="everything"),
        pytest.param((["other"], {}), URLS[3:], id="other-figure"),
    ],
)
def test_invalidated_pictures_are_rendered_again(
    plots: FigureBlueprint,
    client: FlaskClient,
    renders: Counter,
    given: tuple[list[str], dict[str, Any]],
    again: tuple[str, ...],
) -> None:
    """Each of them is rendered once, and no other picture is."""
    assert rendered(client, renders) == list(URLS)
    with client.application.app_context():
        plots.invalidate(*given[0], **given[1])
    assert rendered(client, renders) == list(again)
    assert rendered(client, renders) == []


def test_a_wrong_invalidation_is_an_error(
    plots: FigureBlueprint, client: FlaskClient, renders: Counter
) -> None:
    """A typing error is reported and invalidates nothing."""
    rendered(client, renders)
    with client.application.app_context():
        with pytest.raises(UnknownFigureError, match="Did you mean 'walk'"):
            plots.invalidate("wlak")
        with pytest.raises(ArgumentsError, match="Did you mean 'n'"):
            plots.invalidate("walk", nn=5)
        with pytest.raises(UnknownTagError, match="Did you mean 'sales'"):
            plots.invalidate("walk", tags=["all", "slaes"])
    before = len(renders)
    rendered(client, renders)
    assert len(renders) == before, "something was invalidated"


@pytest.mark.parametrize("kind", [None, "SimpleCache", "FileSystemCache"])
def test_an_invalidation_during_a_render_makes_it_a_miss(
    plots: FigureBlueprint,
    serve: Serve,
    renders: Counter,
    tmp_path: Path,
    kind: str | None,
) -> None:
    """The render saw the old data; the next request gets a new one."""
    began, go = threading.Event(), threading.Event()

    @plots.figure_route("/slow")
    def slow() -> Figure:
        renders(None)
        began.set()
        go.wait(10)
        return Figure(figsize=(1, 1))

    config = {"CACHE_TYPE": kind, "CACHE_DIR": str(tmp_path)} if kind else {}
    client = serve(**config)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.application.test_client().get, "/plots/slow")
        began.wait(10)
        with client.application.app_context():
            plots.invalidate("slow")
        go.set()
        assert asked.result(30).status_code == 200
    client.get("/plots/slow")
    assert len(renders) == 2


def test_an_invalidation_without_a_cache_is_no_error(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """No old picture could still be sent."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        renders(None)
        return Figure(figsize=(1, 1))

    client = serve(MPLSTREAM_CACHE_BYTES=0)
    for _ in range(2):
        assert client.get("/plots/walk").status_code == 200
        with client.application.app_context():
            plots.invalidate("walk")
    assert len(renders) == 2


def test_the_shell_can_purge(client: FlaskClient, renders: Counter) -> None:
    """``flask figures purge`` takes a figure, arguments, a tag or nothing."""
    run = client.application.test_cli_runner().invoke
    for arguments, again in (
        (["plots.walk"], URLS[:3]),
        (["plots.walk", "n=5"], URLS[1:3]),
        (["--tag", "sales"], URLS[:3]),
        (["--all"], URLS),
    ):
        rendered(client, renders)
        result = run(args=["figures", "purge", *arguments])
        assert result.exit_code == 0, result.output
        assert rendered(client, renders) == list(again)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["plots.walk"], id="figure"),
        pytest.param(["--tag", "sales"], id="tag"),
        pytest.param(["--all"], id="all"),
    ],
)
def test_the_shell_warns_about_a_cache_in_memory(
    plots: FigureBlueprint, serve: Serve, tmp_path: Path, arguments: list[str]
) -> None:
    """A cache in the command's own memory ends with the command."""

    @plots.figure_route("/walk", tags=["sales"])
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    in_files = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)}
    for config, is_told in (({}, True), (in_files, False)):
        runner = serve(**config).application.test_cli_runner()
        result = runner.invoke(args=["figures", "purge", *arguments])
        assert result.exit_code == 0
        assert ("Set CACHE_TYPE" in result.stderr) is is_told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Name a figure", id="nothing"),
        pytest.param(["plots.wlak"], "Did you mean 'plots.walk'", id="figure"),
        pytest.param(["--tag", "slaes"], "Did you mean 'sales'", id="tag"),
        pytest.param(["plots.walk", "n=x"], "an integer", id="value"),
        pytest.param(["plots.walk", "n"], "NAME=VALUE", id="form"),
    ],
)
def test_the_shell_reports_errors(
    client: FlaskClient, arguments: list[str], message: str
) -> None:
    """The exit code shows the error to scripts."""
    runner = client.application.test_cli_runner()
    result = runner.invoke(args=["figures", "purge", *arguments])
    assert result.exit_code != 0
    assert message in result.output


# --- In one process of several ----


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        pytest.param({}, 1, id="embedded"),
        pytest.param({"CACHE_TYPE": "SimpleCache"}, 1, id="simple"),
        pytest.param({"DEBUG": True}, 0, id="debug"),
        pytest.param({"TESTING": True}, 0, id="testing"),
        pytest.param({"CACHE_TYPE": "FileSystemCache"}, 0, id="shared"),
        pytest.param({"CACHE_TYPE": "NullCache"}, 0, id="switched-off"),
        pytest.param({"MPLSTREAM_CACHE_BYTES": 0}, 0, id="no-room"),
    ],
)
def test_an_invalidation_of_one_process_is_logged_once(
    plots: FigureBlueprint,
    serve: Serve,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    config: dict[str, Any],
    lines: int,
) -> None:
    """Other processes still send old pictures; the message names the fix."""

    @plots.figure_route("/walk", tags=["sales"])
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    client = serve(**config, CACHE_DIR=str(tmp_path))
    for given in ({}, {"tags": ["sales"]}, {}):
        with client.application.app_context():
            plots.invalidate(**given)
    messages = [record.message for record in caplog.records]
    assert len(messages) == lines
    assert all("set CACHE_TYPE" in message for message in messages)


# --- Between processes ----------------------------------------------------


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_other_processes_follow_within_the_coherence_time(
    serve: Serve, plots: FigureBlueprint, renders: Counter, tmp_path: Any
) -> None:
    """Two apps with one folder act as two processes."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        renders(None)
        return Figure(figsize=(1, 1))

    config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "cache")}
    first, second = serve(**config), serve(**config)
    timer = Timer()
    assert first.get("/plots/walk").data == second.get("/plots/walk").data
    store = second.application.extensions["mplstream"].pictures(None).store
    store._timer = timer
    second.get("/plots/walk")
    with first.application.app_context():
        plots.invalidate("walk")
    assert len(renders) == 1
    first.get("/plots/walk")
    assert len(renders) == 2
    timer.now += COHERENCE_S + 1e9
    assert "hit" in second.get("/plots/walk").headers["Cache-Status"]
    assert len(renders) == 2


def test_an_emptied_cache_empties_the_fast_layer(
    serve: Serve, client: FlaskClient, plots: FigureBlueprint, renders: Counter
) -> None:
    """``cache.clear()`` by the app takes effect within the same time."""
    other = serve(CACHE_TYPE="SimpleCache")
    cache = Cache(other.application)
    other.get("/plots/walk")
    timer = Timer()
    timer.now = 1e9
    store = other.application.extensions["mplstream"].pictures(None).store
    cache.clear()
    assert "hit" in other.get("/plots/walk").headers["Cache-Status"]
    store._timer = timer
    assert "uri-miss" in other.get("/plots/walk").headers["Cache-Status"]
    assert len(renders) == 2


def test_no_picture_outlives_a_token_that_is_written_after_it(
    serve: Serve, plots: FigureBlueprint, renders: Counter
) -> None:
    """An expired token does not make an old picture valid again."""

    @plots.figure_route("/walk", max_age=10 * TOKEN_S)
    def walk() -> Figure:
        renders(None)
        return Figure(figsize=(1, 1))

    client, timer = serve(), Timer()
    store = client.application.extensions["mplstream"].pictures(None).store
    store.backend._timer = timer
    client.get("/plots/walk")
    with client.application.app_context():
        plots.invalidate("walk")
    timer.now += TOKEN_S + 1
    client.get("/plots/walk")
    assert len(renders) == 2


class RefusingBackend:
    """A backend that rejects every value."""

    def get(self, key: str) -> Any:
        return None

    def get_many(self, *keys: str) -> list[Any]:
        return [None] * len(keys)

    def set(self, key: str, value: Any, timeout: int) -> bool:
        return False

    add = set

    def delete(self, key: str) -> bool:
        return False


def test_a_rejected_invalidation_is_an_error() -> None:
    """The caller learns that old pictures are still sent."""
    with pytest.raises(CacheDownError, match="old pictures are still sent"):
        Store(RefusingBackend()).invalidate(["figure walk"])


# --- Versions -------------------------------------------------------------


class Data:
    """Data with a version that the test changes."""

    version: object = 1


@pytest.fixture
def data() -> Data:
    return Data()


@pytest.fixture
def versioned(
    plots: FigureBlueprint, serve: Serve, renders: Counter, data: Data
) -> FlaskClient:
    def version(n: int) -> object:
        if isinstance(data.version, Exception):
            raise data.version
        return data.version

    @plots.figure_route("/data", version=version, max_age=60)
    def draw(n: int = 1) -> Figure:
        renders(n)
        return Figure(figsize=(1, 1))

    return serve(PROPAGATE_EXCEPTIONS=False)


def test_a_client_with_the_current_version_needs_no_render(
    versioned: FlaskClient, plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """The ETag follows from key and version, even with a cold cache."""
    etag = versioned.get("/plots/data").headers["ETag"]
    cold = serve()
    again = cold.get("/plots/data", headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert again.headers["ETag"] == etag
    assert again.cache_control.max_age == 60
    assert len(renders) == 1


def test_another_version_has_another_etag(
    versioned: FlaskClient, data: Data, renders: Counter
) -> None:
    """The client's copy is replaced."""
    etag = versioned.get("/plots/data").headers["ETag"]
    data.version = 2
    changed = versioned.get("/plots/data", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag
    assert versioned.get("/plots/data?n=2").headers["ETag"] != etag
    assert len(renders) == 3


def test_an_invalidation_reaches_clients_with_a_version_too(
    versioned: FlaskClient, plots: FigureBlueprint
) -> None:
    """After an invalidation, the client's copy gets no 304."""
    etag = versioned.get("/plots/data").headers["ETag"]
    with versioned.application.app_context():
        plots.invalidate()
    response = versioned.get("/plots/data", headers={"If-None-Match": etag})
    assert response.status_code == 200


def test_the_url_of_the_current_version_is_immutable(
    versioned: FlaskClient, data: Data
) -> None:
    """``figure_url`` names the version; an outdated one has a short lifetime."""
    with versioned.application.test_request_context():
        url = figure_url("plots.draw", n=5)
        assert "_v=" in figure("plots.draw")
    current = versioned.get(url)
    assert current.headers["Cache-Control"] == "max-age=31536000, immutable"
    assert versioned.get("/plots/data?n=5").data == current.data
    data.version = 2
    outdated = versioned.get(url)
    assert outdated.status_code == 200
    assert outdated.cache_control.max_age == 10
    with versioned.application.test_request_context():
        assert figure_url("plots.draw", n=5) != url


def test_an_invalidation_changes_the_url_of_a_version(
    versioned: FlaskClient, plots: FigureBlueprint
) -> None:
    """Browsers never revalidate an immutable URL; the old one is outdated."""
    app = versioned.application
    with app.test_request_context():
        old = figure_url("plots.draw")
    assert "immutable" in versioned.get(old).headers["Cache-Control"]
    with app.app_context():
        plots.invalidate("draw")
    with app.test_request_context():
        new = figure_url("plots.draw")
    assert new != old
    assert versioned.get(old).headers["Cache-Control"] == "max-age=10"
    assert "immutable" in versioned.get(new).headers["Cache-Control"]


def test_a_version_that_fails_costs_one_picture_and_not_the_page(
    versioned: FlaskClient, data: Data, caplog: pytest.LogCaptureFixture
) -> None:
    """The URL has no version; the picture itself is an error."""
    data.version = LookupError("no data")
    with versioned.application.test_request_context():
        assert figure_url("plots.draw") == "/plots/data"
    assert "Cannot compute the version of plots.draw" in caplog.text
    assert versioned.get("/plots/data").status_code == 500


def make(source: str) -> Flask:
    """Make an app with a figure function of *source* and a shared folder."""
    plots = FigureBlueprint("plots", __name__)
    namespace: dict[str, Any] = {"Figure": Figure, "__name__": "made"}
    exec(source, namespace)
    plots.figure_route("/walk")(namespace["walk"])
    app = Flask(__name__)
    app.register_blueprint(plots)
    return app


def test_a_changed_function_does_not_serve_its_old_pictures(tmp_path: Any) -> None:
    """The function's code and Matplotlib's version are part of the key."""
    statuses = []
    for width in (1, 1, 2):
        app = make(f"def walk():\n    return Figure(figsize=({width}, 1))\n")
        app.config["CACHE_TYPE"] = "FileSystemCache"
        app.config["CACHE_DIR"] = str(tmp_path)
        statuses.append("hit" in app.test_client().get("/walk").headers["Cache-Status"])
    assert statuses == [False, True, False]
