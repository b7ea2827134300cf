"""Overload: full queues and spent budgets refuse requests at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from flask_caching import Cache
from matplotlib.figure import Figure
from werkzeug.test import TestResponse

from flask_mplstream import FigureBlueprint, OverloadedError, figure_data_uri
from flask_mplstream.limits.admission import Admission
from flask_mplstream.limits.client_budget import Budget
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.rendering.figure_lock import gate
from flask_mplstream.web.app_state import AppState
from tests.support.doubles import Clock, Counter
from tests.support.processes import wait_until
from tests.support.servers import RedisServer

Serve = Callable[..., FlaskClient]


def test_admission_refuses_one_render_too_many() -> None:
    """A render that fails is no longer counted."""
    admission = Admission(2)
    with admission:
        with pytest.raises(KeyError), admission:
            raise KeyError
        with admission, pytest.raises(OverloadedError, match="2 other"), admission:
            pass


@pytest.fixture
def slow(plots: FigureBlueprint, renders: Counter) -> Iterator[threading.Event]:
    """Return a figure function that runs until the event is set."""
    done = threading.Event()

    @plots.figure_route("/slow", max_age=60, stale_if_error=100, timeout=5)
    def slow(n: int = 0) -> Figure:
        renders(n)
        assert done.wait(10)
        return Figure(figsize=(1, 1))

    yield done
    done.set()


def start_requests(
    threads: ThreadPoolExecutor, client: FlaskClient, *urls: str
) -> list[Future[TestResponse]]:
    app = client.application
    return [threads.submit(app.test_client().get, url) for url in urls]


def test_a_full_queue_is_a_503_at_once(
    serve: Serve, slow: threading.Event, renders: Counter
) -> None:
    """One picture is drawn and one waits; the third gets ``Retry-After``."""
    client = serve(MPLSTREAM_MAX_PENDING=1)
    admission = AppState.of(client.application).renders()._admission
    with ThreadPoolExecutor(2) as threads:
        answers = start_requests(threads, client, "/plots/slow?n=1", "/plots/slow?n=2")
        wait_until(lambda: admission._count == 2)
        refused = client.get("/plots/slow?n=3")
        slow.set()
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.mimetype == "application/problem+json"
    # The refusal is not remembered.
    assert client.get("/plots/slow?n=3").status_code == 200
    assert sorted(renders.calls) == [1, 2, 3]


def test_followers_are_not_pending_renders(serve: Serve, slow: threading.Event) -> None:
    """Six requests for one picture are one render."""
    client = serve(MPLSTREAM_MAX_PENDING=0)
    flights = AppState.of(client.application).pictures(None)._flights
    with ThreadPoolExecutor(6) as threads:
        answers = start_requests(threads, client, *["/plots/slow"] * 6)
        wait_until(lambda: flights._followers == 5)
        slow.set()
        assert {answer.result().status_code for answer in answers} == {200}


def test_a_full_queue_sends_an_older_picture(
    serve: Serve, slow: threading.Event, clock: Clock
) -> None:
    """``stale_if_error`` covers an overload."""
    client = serve(MPLSTREAM_MAX_PENDING=0)
    slow.set()
    old = client.get("/plots/slow?n=1")
    clock.now += 70
    slow.clear()
    with ThreadPoolExecutor(1) as threads:
        answers = start_requests(threads, client, "/plots/slow?n=2")
        wait_until(
            lambda: AppState.of(client.application).renders()._admission._count == 1
        )
        stale = client.get("/plots/slow?n=1")
        slow.set()
        assert answers[0].result().status_code == 200
    assert stale.data == old.data
    assert "fwd=stale" in stale.headers["Cache-Status"]


def test_a_request_waits_for_the_gate_until_its_timeout(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Hits do not wait."""

    @plots.figure_route("/quick", timeout=0.2)
    def quick(n: int = 0) -> Figure:
        renders(n)
        return Figure(figsize=(1, 1))

    client = serve()
    client.get("/plots/quick?n=1")
    with ThreadPoolExecutor(1) as threads, gate():
        began = time.monotonic()
        answer = start_requests(threads, client, "/plots/quick?n=2")[0].result()
        assert 0.15 < time.monotonic() - began < 2
        assert client.get("/plots/quick?n=1").status_code == 200
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert client.get("/plots/quick?n=2").status_code == 200
    assert renders.calls == [1, 2]


def test_a_nested_figure_is_not_a_pending_render(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """It is part of the outer render."""

    @plots.figure_route("/inner")
    def inner() -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/outer")
    def outer() -> Figure:
        figure_data_uri("plots.inner")
        return Figure(figsize=(1, 1))

    assert serve(MPLSTREAM_MAX_PENDING=0).get("/plots/outer").status_code == 200


def read_client() -> str:
    return request.headers.get("X-Client", "")


@pytest.fixture
def costly(
    plots: FigureBlueprint, renders: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Serve a figure that costs a quarter of a second of the budget."""
    monkeypatch.setattr(Deadline, "worked_s", 0.25)

    @plots.figure_route("/costly", max_age=60, error_backoff=0)
    def costly(n: int = 0) -> Figure:
        renders(n)
        if n < 0:
            raise ValueError(n)
        return Figure(figsize=(1, 1))


def ask(client: FlaskClient, n: int, name: str = "a") -> TestResponse:
    return client.get(f"/plots/costly?n={n}", headers={"X-Client": name})


def spend(client: FlaskClient, name: str = "a") -> list[int]:
    """Return the statuses of five successive renders with a budget of 0.7 s."""
    return [ask(client, n, name).status_code for n in range(5)]


@pytest.mark.keeps_threads  # The limits package clears its memory in a thread.
@pytest.mark.usefixtures("costly")
def test_a_client_without_budget_gets_a_429(serve: Serve) -> None:
    """Other clients, hits and followers are served."""
    client = serve(MPLSTREAM_CLIENT_BUDGET=0.7, MPLSTREAM_CLIENT=read_client)
    assert spend(client) == [200, 200, 200, 429, 429]
    refused = ask(client, 9)
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["Cache-Control"] == "no-store"
    assert "0.7 seconds of rendering" in refused.text
    assert ask(client, 2).status_code == 200
    assert ask(client, 9, "b").status_code == 200
    assert ask(client, 9).status_code == 200  # Another client has paid for it.


@pytest.mark.keeps_threads
@pytest.mark.usefixtures("costly")
def test_a_failed_render_is_charged(serve: Serve) -> None:
    """A failed render costs its time, too."""
    client = serve(MPLSTREAM_CLIENT_BUDGET=0.45, MPLSTREAM_CLIENT=read_client)
    assert [ask(client, n).status_code for n in (-1, -2, -3)] == [500, 500, 429]


@pytest.mark.slow
@pytest.mark.keeps_threads
def test_a_client_is_not_charged_for_waiting(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """A render that waits long and fails at once costs nothing."""

    @plots.figure_route("/quick", error_backoff=0, timeout=10)
    def quick(n: int = 0) -> Figure:
        renders(n)
        raise ValueError(n)

    client = serve(MPLSTREAM_CLIENT_BUDGET=0.5, MPLSTREAM_CLIENT=read_client)
    with ThreadPoolExecutor(1) as threads:
        with gate():
            waiting = start_requests(threads, client, "/plots/quick")
            time.sleep(0.7)
        assert waiting[0].result().status_code == 500
    assert client.get("/plots/quick?n=1").status_code == 500
    assert renders.calls == [0, 1]


@pytest.mark.slow
@pytest.mark.keeps_threads
@pytest.mark.parametrize("step", ["load", "figure"])
def test_simultaneous_renders_stay_within_the_budget(
    plots: FigureBlueprint, serve: Serve, renders: Counter, step: str
) -> None:
    """Of 40 requests, the budget covers a few; the others get a 429."""

    def work() -> None:
        renders()
        time.sleep(0.2)

    def load() -> None:
        if step == "load":
            work()

    @plots.figure_route("/slow", load=load, timeout=20)
    def slow(_: None, n: int = 0) -> Figure:
        if step == "figure":
            work()
        return Figure(figsize=(0.5, 0.5))

    client = serve(MPLSTREAM_CLIENT_BUDGET=0.5, MPLSTREAM_MAX_PENDING=50)
    with ThreadPoolExecutor(40) as threads:
        urls = [f"/plots/slow?n={n}" for n in range(40)]
        statuses = [
            answer.result().status_code
            for answer in start_requests(threads, client, *urls)
        ]
    assert statuses.count(200) == len(renders)
    assert statuses.count(429) == 40 - len(renders)
    assert 1 <= len(renders) <= 4


@pytest.mark.keeps_threads
def test_a_page_of_quick_pictures_is_within_the_budget(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The pictures are rendered one after the other at first."""

    @plots.figure_route("/quick", timeout=20)
    def quick(n: int = 0) -> Figure:
        return Figure(figsize=(0.5, 0.5))

    client = serve(MPLSTREAM_CLIENT_BUDGET=60)
    with ThreadPoolExecutor(20) as threads:
        answers = start_requests(
            threads, client, *[f"/plots/quick?n={n}" for n in range(20)]
        )
        assert {answer.result().status_code for answer in answers} == {200}


@pytest.mark.keeps_threads
def test_a_follower_does_not_share_the_leaders_budget(
    plots: FigureBlueprint, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It renders the picture itself."""
    began, go = threading.Event(), threading.Event()

    @plots.figure_route("/slow", timeout=20)
    def slow(n: int = 0) -> Figure:
        if n == 0:
            began.set()
            assert go.wait(20)
        return Figure(figsize=(0.5, 0.5))

    client = serve(MPLSTREAM_CLIENT_BUDGET=0.2, MPLSTREAM_CLIENT=read_client)

    def get(n: int, name: str) -> int:
        headers = {"X-Client": name}
        ask = client.application.test_client().get
        return ask(f"/plots/slow?n={n}", headers=headers).status_code

    flights = AppState.of(client.application).pictures(None)._flights
    with ThreadPoolExecutor(3) as threads:
        spending = threads.submit(get, 0, "a")
        assert began.wait(20)  # It has the client's place, so the next one waits.
        refused = threads.submit(get, 1, "a")  # Wait until the first one is paid for.
        wait_until(lambda: len(flights._flights) == 2)
        follower = threads.submit(get, 1, "b")
        wait_until(lambda: flights._followers == 1)
        monkeypatch.setattr(Deadline, "worked_s", 0.3)
        go.set()
        assert spending.result() == 200
        assert refused.result() == 429
        assert follower.result() == 200


@pytest.mark.keeps_threads
@pytest.mark.usefixtures("costly")
def test_the_client_is_its_address_by_default(serve: Serve) -> None:
    """The server or ``ProxyFix`` sets it."""
    client = serve(MPLSTREAM_CLIENT_BUDGET=0.01)
    first, second = ({"REMOTE_ADDR": f"10.0.0.{n}"} for n in (1, 2))
    statuses = [
        client.get(f"/plots/costly?n={n}", environ_overrides=address).status_code
        for n, address in enumerate([first, first, second])
    ]
    assert statuses == [200, 429, 200]


@pytest.mark.usefixtures("costly")
def test_processes_share_the_counts_in_redis(
    plots: FigureBlueprint, serve: Serve, redis_port: int
) -> None:
    """The cache's Redis keeps them."""
    config = {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_PORT": redis_port,
        "CACHE_KEY_PREFIX": "budget",
        "MPLSTREAM_CLIENT_BUDGET": 0.45,
        "MPLSTREAM_CLIENT": read_client,
    }
    assert [ask(serve(**config), n, "redis").status_code for n in range(4)] == [
        *(200, 200),
        *(429, 429),
    ]


@pytest.mark.slow
@pytest.mark.keeps_threads  # The thread that probes a stopped server.
@pytest.mark.usefixtures("costly")
def test_no_client_is_refused_while_redis_is_down(
    serve: Serve,
) -> None:
    """The budget protects the server and must not stop it."""
    with RedisServer() as redis:
        client = serve(
            CACHE_TYPE="RedisCache",
            CACHE_REDIS_PORT=redis.port,
            MPLSTREAM_CLIENT_BUDGET=0.01,
            MPLSTREAM_CLIENT=read_client,
        )
        assert [ask(client, n).status_code for n in range(2)] == [200, 429]
    assert [ask(client, n).status_code for n in range(10, 12)] == [200, 200]
    AppState.of(client.application).pictures(None).store.breaker.stop()


@pytest.mark.keeps_threads
@pytest.mark.usefixtures("costly")
def test_a_render_outside_a_request_is_not_charged(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Commands and e-mails have no client."""
    client = serve(MPLSTREAM_CLIENT_BUDGET=0.01)
    with client.application.app_context():
        for n in range(3):
            figure_data_uri("plots.costly", n=n)
    assert len(renders) == 3


def test_several_caches_share_one_budget(plots: FigureBlueprint) -> None:
    """The cache of the first figure route counts."""
    app = Flask(__name__)
    caches = [Cache(app, config={"CACHE_TYPE": "SimpleCache"}) for _ in range(2)]
    blueprint = FigureBlueprint("one", __name__, cache=caches[1])
    blueprint.figure_route("/plain", endpoint="plain")(lambda: Figure(figsize=(1, 1)))
    app.config["MPLSTREAM_CLIENT_BUDGET"] = 1
    app.register_blueprint(blueprint)
    budget = AppState.of(app).renders()._budget
    assert isinstance(budget, Budget)
    assert budget._storage() is AppState.of(app).pictures(caches[1]).store
