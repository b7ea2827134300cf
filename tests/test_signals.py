"""Signals: each event is sent once, with its values, and a receiver does no harm."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from blinker import NamedSignal
from flask import Flask, Response, abort, current_app
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import (
    FigureBlueprint,
    SlowRenderError,
    WorkerDiedError,
    figure_data_uri,
    figure_failed,
    figure_rendered,
    figure_served,
    render_began,
    render_ended,
    start_workers,
    worker_killed,
)
from flask_mplstream import signals as signals_module
from flask_mplstream.web.app_state import AppState
from tests.apps import worker_figures
from tests.apps.worker_figures import stop_workers
from tests.support.doubles import Clock
from tests.support.processes import wait_until

Serve = Callable[..., FlaskClient]
Sent = list[dict[str, Any]]


@contextmanager
def collect_signals(signal: NamedSignal) -> Iterator[Sent]:
    """Collect the values of *signal* during the block, with its ``sender``."""
    sent: Sent = []
    with signal.connected_to(
        lambda sender, **more: sent.append({"sender": sender, **more})
    ):
        yield sent


@pytest.fixture
def served() -> Iterator[Sent]:
    with collect_signals(figure_served) as sent:
        yield sent


@pytest.fixture
def rendered() -> Iterator[Sent]:
    with collect_signals(figure_rendered) as sent:
        yield sent


@pytest.fixture
def failed() -> Iterator[Sent]:
    with collect_signals(figure_failed) as sent:
        yield sent


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    """Serve a figure that depends on its URL."""

    @plots.figure_route("/walk", max_age=60, stale_if_error=60, formats=["png", "svg"])
    def walk(n: int = 0, how: str = "") -> Figure | Response:
        match how:
            case "fails":
                raise ValueError("no")
            case "missing":
                abort(404)
            case "closed":
                abort(503)
            case "by itself":
                return Response("so")
        figure = Figure(figsize=(1, 1))
        figure.text(0, 0, how)
        return figure

    plots.figure_route("/new", max_age=0, endpoint="new")(walk)
    plots.figure_route("/dated", version=lambda: 1, endpoint="dated")(walk)
    plots.figure_route("/small", max_pixels=10, endpoint="small")(walk)
    return serve()


def test_a_miss_and_a_hit_are_sent(client: FlaskClient, served: Sent) -> None:
    """The values are the app, the endpoint, the status, the word and the bytes."""
    size = len(client.get("/plots/walk").data)
    client.get("/plots/walk")
    sent = {"sender": client.application, "figure": "plots.walk", "status": 200}
    assert served == [
        {**sent, "cache": "uri-miss", "body_bytes": size},
        {**sent, "cache": "hit", "body_bytes": size},
    ]
    assert type(served[0]["sender"]) is Flask


@pytest.mark.parametrize(
    ("path", "headers", "status", "cache"),
    [
        pytest.param("walk", {"Range": "bytes=0-9"}, 206, "hit", id="206"),
        pytest.param("walk", {"If-None-Match": "*"}, 304, "hit", id="304"),
        pytest.param("walk", {"Range": "bytes=9999999-"}, 416, None, id="416"),
        pytest.param("walk", {"If-Match": '"x"'}, 412, None, id="412"),
        pytest.param("walk", {"Accept": "image/gif"}, 406, None, id="406"),
        pytest.param("walk?n=x", {}, 400, None, id="400"),
        pytest.param("walk?how=fails", {}, 500, None, id="500"),
        pytest.param("walk?how=missing", {}, 404, None, id="abort"),
        pytest.param("walk?how=by+itself", {}, 200, None, id="response"),
        pytest.param("new", {}, 200, "bypass", id="nothing-kept"),
    ],
)
def test_every_response_is_sent(
    client: FlaskClient,
    served: Sent,
    path: str,
    headers: dict[str, str],
    status: int,
    cache: str | None,
) -> None:
    """The values have the bytes, and no cache word without a picture."""
    client.get("/plots/walk")
    served.clear()
    answer = client.get(f"/plots/{path}", headers=headers)
    assert answer.status_code == status
    [sent] = served
    assert (sent["status"], sent["cache"]) == (status, cache)
    assert sent["body_bytes"] == len(answer.data)


def test_a_304_by_version_is_a_hit(client: FlaskClient, served: Sent) -> None:
    """Nothing is looked up and nothing is rendered."""
    etag = client.get("/plots/dated").headers["ETag"]
    client.get("/plots/dated", headers={"If-None-Match": etag})
    assert [(sent["status"], sent["cache"]) for sent in served] == [
        (200, "uri-miss"),
        (304, "hit"),
    ]


def test_a_head_has_no_body(client: FlaskClient, served: Sent) -> None:
    """The bytes are 0, and ``Content-Length`` is that of the GET."""
    assert client.head("/plots/walk").content_length
    assert served[0]["body_bytes"] == 0


def test_a_response_of_the_error_handler_is_sent(
    client: FlaskClient, served: Sent
) -> None:
    """The status is that of the error handler."""
    client.application.register_error_handler(ValueError, lambda error: ("sorry", 418))
    assert client.get("/plots/walk?how=fails").status_code == 418
    assert (served[0]["status"], served[0]["body_bytes"]) == (418, 5)


def test_a_stale_picture_has_its_cache_status(
    plots: FigureBlueprint, serve: Serve, clock: Clock, served: Sent, failed: Sent
) -> None:
    """``stale`` was rendered again; ``stale-if-error`` could not be."""
    broken: list[bool] = []

    @plots.figure_route("/walk", max_age=60, error_backoff=0)
    def walk() -> Figure:
        if broken:
            raise ValueError("no data")
        return Figure(figsize=(1, 1))

    client = serve()
    for is_broken in (False, False, True):
        broken[:] = [True] * is_broken
        assert client.get("/plots/walk").status_code == 200
        clock.now += 100
    assert [sent["cache"] for sent in served] == ["uri-miss", "stale", "stale-if-error"]
    assert len(failed) == 1


def test_a_follower_is_collapsed(
    plots: FigureBlueprint, serve: Serve, served: Sent, rendered: Sent
) -> None:
    """One render is one miss, and the other request is collapsed."""
    began, both = threading.Event(), threading.Event()

    @plots.figure_route("/walk")
    def walk() -> Figure:
        began.set()
        both.wait(10)
        return Figure(figsize=(1, 1))

    app = serve().application
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(lambda: app.test_client().get("/plots/walk"))
        began.wait(10)
        second = threads.submit(lambda: app.test_client().get("/plots/walk"))
        wait_until(lambda: _is_waiting(app))
        both.set()
        assert {first.result().status_code, second.result().status_code} == {200}
    assert sorted(sent["cache"] for sent in served) == ["collapsed", "uri-miss"]
    assert len(rendered) == 1


def _is_waiting(app: Flask) -> bool:
    """Return whether a request waits for the render of another."""
    pictures = app.extensions["mplstream"].pictures(None)
    return bool(pictures._flights._followers)


def test_a_render_is_sent_with_its_picture(
    plots: FigureBlueprint, serve: Serve, rendered: Sent
) -> None:
    """The values include all arguments; a hit sends nothing."""

    @plots.figure_route("/walk", inject={"user": lambda: 7})
    def walk(user: int, n: int = 2) -> Figure:
        return Figure(figsize=(1, 1))

    client = serve()
    body = client.get("/plots/walk.png?n=3&_scale=2").data
    client.get("/plots/walk.png?n=3&_scale=2")
    [sent] = rendered
    assert sent["sender"] is client.application
    assert sent["figure"] == "plots.walk"
    assert sent["arguments"] == {"n": 3, "user": 7}
    assert (sent["variant"].format.name, sent["variant"].scale) == ("png", 2)
    assert sent["image"].body == body
    steps = dict(sent["image"].timings_s)
    assert steps.keys() == {"wait", "build", "keep", "draw", "encode"}


def test_a_figure_in_a_figure_is_two_renders(
    plots: FigureBlueprint, serve: Serve, rendered: Sent
) -> None:
    """The inner render is first, and only the outer one was pending."""

    @plots.figure_route("/inner")
    def inner() -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/outer")
    def outer() -> Figure:
        figure_data_uri("plots.inner")
        return Figure(figsize=(1, 1))

    with collect_signals(render_began) as began, collect_signals(render_ended) as ended:
        serve().get("/plots/outer")
    figures = [sent["figure"] for sent in rendered]
    assert figures == ["plots.inner", "plots.outer"]
    assert [sent["figure"] for sent in began] == ["plots.outer"]
    assert [sent["figure"] for sent in ended] == ["plots.outer"]


def test_a_background_renewal_is_sent(
    plots: FigureBlueprint, serve: Serve, clock: Clock, rendered: Sent
) -> None:
    """The rendering thread sends it with the app itself."""

    @plots.figure_route("/walk", max_age=60, stale_while_revalidate=60)
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    client = serve()
    client.get("/plots/walk")
    clock.now += 70
    client.get("/plots/walk")
    client.application.extensions["mplstream"].pictures(None).background.join()
    assert [sent["sender"] for sent in rendered] == [client.application] * 2


def test_a_failure_is_sent_with_its_error(client: FlaskClient, failed: Sent) -> None:
    """The values include the request's arguments and variant."""
    with collect_signals(figure_rendered) as rendered:
        client.get("/plots/walk?how=fails&n=4")
    [sent] = failed
    assert sent["sender"] is client.application
    assert sent["figure"] == "plots.walk"
    assert sent["arguments"] == {"n": 4, "how": "fails"}
    assert sent["variant"].format.name == "png"
    assert repr(sent["exception"]) == "ValueError('no')"
    assert rendered == []


@pytest.mark.parametrize(
    ("path", "status", "failures"),
    [
        pytest.param("walk?how=missing", 404, 0, id="abort-404"),
        pytest.param("walk?how=by+itself", 200, 0, id="response"),
        pytest.param("walk?how=closed", 503, 1, id="abort-503"),
        pytest.param("walk?how=$\\nothing$", 400, 0, id="mathtext"),
        pytest.param("small", 500, 1, id="too-large"),
        pytest.param("small?n=3", 400, 0, id="too-large-by-an-argument"),
    ],
)
def test_a_response_and_a_bad_url_are_not_failures(
    client: FlaskClient, failed: Sent, path: str, status: int, failures: int
) -> None:
    """A client cannot cause a failure; the status reports these cases."""
    assert client.get(f"/plots/{path}").status_code == status
    assert len(failed) == failures


def test_a_refused_render_is_not_a_failure(
    plots: FigureBlueprint, serve: Serve, failed: Sent, served: Sent
) -> None:
    """Nothing ran and nothing is pending; the request got a 503."""
    began, go_on = threading.Event(), threading.Event()

    @plots.figure_route("/walk")
    def walk(n: int = 0) -> Figure:
        began.set()
        go_on.wait(10)
        return Figure(figsize=(1, 1))

    app = serve(MPLSTREAM_MAX_PENDING=0).application
    with (
        collect_signals(render_began) as begun,
        collect_signals(render_ended) as ended,
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(lambda: app.test_client().get("/plots/walk"))
        began.wait(10)
        assert app.test_client().get("/plots/walk?n=1").status_code == 503
        assert (len(begun), len(ended)) == (1, 0)
        go_on.set()
        first.result()
    assert (len(begun), len(ended)) == (1, 1)
    assert [sent["status"] for sent in served] == [503, 200]
    assert failed == []


def test_a_render_that_raises_has_ended(client: FlaskClient) -> None:
    """A failed render is no longer pending."""
    with collect_signals(render_began) as began, collect_signals(render_ended) as ended:
        client.get("/plots/walk?how=fails")
    sent = {"sender": client.application, "figure": "plots.walk"}
    assert (began, ended) == ([sent], [sent])


def one_worker(**config: Any) -> FlaskClient:
    """Make an app with one worker that may start slowly; end it afterwards."""
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=1, MPLSTREAM_WORKER_RENDERS=2)
    app.config.from_mapping({"MPLSTREAM_TIMEOUT": 60, **config})
    app.register_blueprint(worker_figures.plots)
    return app.test_client()


@pytest.fixture
def pool() -> Iterator[FlaskClient]:
    client = one_worker()
    yield client
    stop_workers(client.application)


@pytest.mark.slow
def test_a_render_in_a_worker_is_sent_here(pool: FlaskClient, rendered: Sent) -> None:
    """The values have the picture and its seconds, including the wait."""
    body = pool.get("/plots/grey?level=3").data
    [sent] = rendered
    assert sent["figure"] == "plots.one_colour"
    assert sent["image"].body == body
    assert dict(sent["image"].timings_s)["wait"] > 0


def test_a_render_in_an_executor_is_sent_here(rendered: Sent) -> None:
    """The web process sends the signal."""
    with ThreadPoolExecutor(1) as executor:
        app = worker_figures.create_app(MPLSTREAM_EXECUTOR=executor)
        assert app.test_client().get("/plots/grey").status_code == 200
    assert [sent["sender"] for sent in rendered] == [app]


@pytest.mark.slow
def test_a_worker_killed_by_timeout_is_sent(
    pool: FlaskClient, failed: Sent, tmp_path: Path
) -> None:
    """Its render is a failure."""
    pool.get("/plots/grey")
    with collect_signals(worker_killed) as killed:
        answer = pool.get("/plots/hang", query_string={"pids": tmp_path / "pids"})
    assert answer.status_code == 504
    assert killed == [{"sender": pool.application, "reason": "timeout"}]
    assert isinstance(failed[0]["exception"], SlowRenderError)


@pytest.mark.slow
def test_each_dead_worker_is_sent(
    pool: FlaskClient, failed: Sent, tmp_path: Path
) -> None:
    """One render killed two workers and failed once."""
    with collect_signals(worker_killed) as killed:
        pool.get("/plots/dies", query_string={"renders": tmp_path / "pids"})
    assert [sent["reason"] for sent in killed] == ["died", "died"]
    assert [type(sent["exception"]) for sent in failed] == [WorkerDiedError]


@pytest.mark.slow
def test_a_worker_that_does_not_start_is_sent(
    failed: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker is restarted, and the refused request is not a failure."""
    monkeypatch.setattr("flask_mplstream.workers.process_pool.LONGEST_START_S", 0.0)
    monkeypatch.setattr("flask_mplstream.workers.process_pool.FREE_START_S", 0.0)
    client = one_worker(MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app")
    start_workers(client.application)
    with collect_signals(worker_killed) as killed:
        assert client.get("/plots/hasty").status_code == 503
    stop_workers(client.application)
    assert [sent["reason"] for sent in killed] == ["start"]
    assert failed == []


@pytest.mark.slow
def test_a_replaced_worker_is_not_sent(pool: FlaskClient) -> None:
    """Its limit was two renders."""
    with collect_signals(worker_killed) as killed:
        pids = {pool.get("/plots/pid").text for _ in range(4)}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids
    assert killed == []


@pytest.mark.slow
def test_a_worker_that_ends_with_the_app_is_not_sent(
    pool: FlaskClient, tmp_path: Path
) -> None:
    """Its unfinished render is refused."""
    pids = tmp_path / "pids"
    # On a busy machine, the worker may start after a request has been refused.
    wait_until(lambda: pool.get("/plots/grey").status_code == 200)
    with collect_signals(worker_killed) as killed, ThreadPoolExecutor(1) as threads:
        query = {"pids": pids}
        asked = threads.submit(lambda: pool.get("/plots/hang-long", query_string=query))
        wait_until(lambda: pids.exists() or asked.done())
        assert pids.exists(), "the request was refused"
        AppState.of(pool.application).stop()
        assert asked.result().status_code in {500, 503, 504}
    assert killed == []


@pytest.mark.parametrize(
    "signal",
    [figure_served, figure_rendered, render_began, render_ended],
    ids=lambda signal: signal.name,
)
def test_a_receiver_that_raises_does_no_harm(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, signal: NamedSignal
) -> None:
    """The error is logged; the picture and the other receivers are unaffected."""

    def wrong(sender: Flask, **sent: Any) -> None:
        raise KeyError("of a receiver")

    other = Flask("other")
    with (
        collect_signals(signal) as before,
        signal.connected_to(wrong),
        collect_signals(signal) as after,
    ):
        assert client.get("/plots/walk").status_code == 200
        signals_module.send_signal(signal, other)
    assert len(before) == len(after) == 2
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "KeyError: 'of a receiver'" in caplog.text
    assert f"A receiver of {signal.name} failed" in caplog.text
    assert len(errors) == 2


def test_a_raising_receiver_of_a_failure_hides_no_error(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    """The error of the figure is raised."""

    def wrong(sender: Flask, **sent: Any) -> None:
        raise KeyError("of a receiver")

    with figure_failed.connected_to(wrong):
        assert client.get("/plots/walk?how=fails").status_code == 500
    assert "ValueError: no" in caplog.text


@pytest.mark.keeps_threads  # asgiref's, for the event loop.
def test_receivers_have_an_app_context(client: FlaskClient) -> None:
    """A render's receiver has one too, in another thread than the request."""
    names: list[str] = []

    def note(sender: Flask, **_: Any) -> None:
        names.append(current_app.name)

    with figure_rendered.connected_to(note), figure_served.connected_to(note):
        client.get("/plots/walk")
    assert names == [client.application.name] * 2


def test_a_receiver_may_be_a_coroutine(client: FlaskClient) -> None:
    """A coroutine works as for Flask's own signals."""
    sent: list[str] = []

    async def receive(sender: Flask, figure: str, **more: Any) -> None:
        sent.append(figure)

    with figure_served.connected_to(receive):
        client.get("/plots/walk")
    assert sent == ["plots.walk"]


def test_a_muted_signal_calls_no_receiver(client: FlaskClient, served: Sent) -> None:
    """Blinker's muting is respected."""
    with figure_served.muted():
        client.get("/plots/walk")
    assert served == []


def test_a_receiver_for_one_app_ignores_others(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The sender is the app, so blinker can distinguish them."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    one, two = serve(), serve()
    sent: list[Flask] = []

    def receive(sender: Flask, **more: Any) -> None:
        sent.append(sender)

    with figure_served.connected_to(receive, one.application):
        one.get("/plots/walk")
        two.get("/plots/walk")
    assert sent == [one.application]
