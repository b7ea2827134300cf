"""One deadline for all steps of a request, and a limit of followers."""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from matplotlib.text import Text

from flask_mplstream import ConfigError, FigureBlueprint, OverloadedError
from flask_mplstream.cache import single_flight
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.limits.overload_log import EVERY_S, OverloadLog
from flask_mplstream.rendering import encode, png
from tests.support.doubles import Clock, Counter
from tests.support.processes import wait_until

Serve = Callable[..., FlaskClient]
#: Seconds that a request may take after its timeout; on a busy machine, some more.
SOON_S = 10.0


def flights_of(client: FlaskClient) -> Any:
    return client.application.extensions["mplstream"].pictures(None)._flights


def land(client: FlaskClient) -> None:
    """Wait for renders that their requests have left."""
    wait_until(lambda: not flights_of(client)._flights)
    for thread in list(single_flight._threads):
        thread.join(10)


@pytest.fixture
def go() -> Iterator[threading.Event]:
    """Set to let slow functions end."""
    event = threading.Event()
    yield event
    event.set()


# --- One deadline ---------------------------------------------------------


class SlowText(Text):
    """A text that is slow to draw."""

    def __init__(self, wait: Callable[[], object]) -> None:
        super().__init__(0.5, 0.5, "slow")
        self._wait = wait

    def draw(self, renderer: Any) -> None:
        self._wait()
        super().draw(renderer)


def slow_route(plots: FigureBlueprint, step: str, wait: Callable[[], object]) -> None:
    def load() -> None:
        if step == "load":
            wait()

    @plots.figure_route("/slow", load=load, timeout=0.2, formats=["png"])
    def slow(_: None) -> Figure:
        if step == "the figure function":
            wait()
        figure = Figure(figsize=(1, 1))
        if step == "draw":
            figure.add_artist(SlowText(wait))
        return figure


@pytest.mark.parametrize("step", ["load", "the figure function", "draw", "encode"])
def test_a_request_ends_soon_after_its_timeout(
    plots: FigureBlueprint,
    serve: Serve,
    go: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The 503 names the longest step, and the picture is stored later."""
    slow_route(plots, step, lambda: go.wait(20))
    if step == "encode":
        slow_down_encoder(monkeypatch, lambda: go.wait(20))
    client = serve()
    began = time.monotonic()
    answer = client.get("/plots/slow")
    assert time.monotonic() - began < SOON_S
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    detail = answer.get_json()["detail"]
    assert f"seconds went into {step}." in detail
    assert "-" not in detail
    go.set()
    land(client)
    assert "hit" in client.get("/plots/slow").headers["Cache-Status"]


def slow_down_encoder(
    monkeypatch: pytest.MonkeyPatch, wait: Callable[[], object]
) -> None:
    def write_slowly(*args: Any, **options: Any) -> bytes:
        wait()
        return png.write_png(*args, **options)

    monkeypatch.setattr(encode, "write_png", write_slowly)


def test_the_wait_for_the_gate_is_named(
    plots: FigureBlueprint, serve: Serve, go: threading.Event
) -> None:
    """Another picture holds the gate."""

    began = threading.Event()

    @plots.figure_route("/slow", timeout=0.3)
    def slow(n: int = 0) -> Figure:
        began.set()
        go.wait(20)
        return Figure(figsize=(1, 1))

    client = serve()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.application.test_client().get, "/plots/slow")
        began.wait(10)
        detail = client.get("/plots/slow?n=1").get_json()["detail"]
        go.set()
        first.result()
    assert "went into waiting for a turn." in detail
    land(client)


def test_a_failure_after_the_deadline_is_logged(
    plots: FigureBlueprint,
    serve: Serve,
    go: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its request has ended."""

    @plots.figure_route("/slow", timeout=0.1)
    def slow() -> Figure:
        go.wait(20)
        raise LookupError("no\ndata")

    client = serve()
    assert client.get("/plots/slow").status_code == 503
    go.set()
    land(client)
    assert "failed after its deadline: LookupError: no data" in caplog.text


def test_a_passed_deadline_has_no_seconds_left() -> None:
    """The remaining time is not negative."""
    clock = Clock()
    deadline = Deadline(1, clock)
    deadline.begin("load")
    clock.now += 5
    deadline.begin("a turn")
    assert deadline.remaining_s == deadline.lock_timeout_s == 0
    assert deadline.has_passed
    assert str(deadline) == " So far 5.0 seconds went into load."


def test_waiting_is_not_work() -> None:
    """The client is charged for the other steps."""
    clock = Clock()
    deadline = Deadline(None, clock)
    for step, seconds in [("a turn", 4), ("the figure function", 2), ("memory", 8)]:
        deadline.begin(step)
        clock.now += seconds
    assert deadline.worked_s == 2
    assert not deadline.has_passed


# --- Followers ------------------------------------------------------------


def test_hits_are_answered_while_followers_wait(
    plots: FigureBlueprint, serve: Serve, go: threading.Event
) -> None:
    """Twelve requests for a slow picture leave one of eight threads free."""

    @plots.figure_route("/slow", timeout=20)
    def slow() -> Figure:
        go.wait(20)
        return Figure(figsize=(1, 1))

    plots.figure_route("/quick", endpoint="quick")(lambda: Figure(figsize=(1, 1)))
    client = serve()
    client.get("/plots/quick")
    ask = client.application.test_client().get
    with ThreadPoolExecutor(8) as threads:
        followers = [threads.submit(ask, "/plots/slow") for _ in range(12)]
        began = time.monotonic()
        assert threads.submit(ask, "/plots/quick").result(10).status_code == 200
        assert time.monotonic() - began < SOON_S
        go.set()
        answers = [follower.result() for follower in followers]
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 5
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {answer.status_code for answer in answers} == {200, 503}


def test_a_quick_picture_has_more_followers_than_the_limit(
    plots: FigureBlueprint,
    serve: Serve,
    renders: Counter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The limit applies only after some seconds."""
    monkeypatch.setattr(single_flight, "PATIENCE_S", 20.0)

    @plots.figure_route("/slow")
    def slow() -> Figure:
        renders()
        wait_until(lambda: threading.active_count() >= 12)
        return Figure(figsize=(1, 1))

    client = serve(MPLSTREAM_MAX_FOLLOWERS=1)
    ask = client.application.test_client().get
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(ask, ["/plots/slow"] * 10))
    assert [answer.status_code for answer in answers] == [200] * 10
    assert len(renders) == 1


def test_registration_rejects_a_negative_limit_of_followers(serve: Serve) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match="MPLSTREAM_MAX_FOLLOWERS"):
        serve(MPLSTREAM_MAX_FOLLOWERS=-1)


# --- Pictures that are not kept -------------------------------------------


def test_requests_share_the_next_render_of_an_uncached_picture(
    plots: FigureBlueprint, serve: Serve, renders: Counter, go: threading.Event
) -> None:
    """Five requests arrive during a render."""
    began = threading.Event()

    @plots.figure_route("/now", max_age=0)
    def now() -> Figure:
        renders()
        began.set()
        go.wait(20)
        return Figure(figsize=(1, 1))

    client = serve()
    ask = client.application.test_client().get
    with ThreadPoolExecutor(6) as threads:
        first = threads.submit(ask, "/plots/now")
        began.wait(10)
        others = [threads.submit(ask, "/plots/now") for _ in range(5)]
        wait_until(lambda: flights_of(client)._followers == 4)
        assert len(renders) == 1
        go.set()
        answers = [answer.result() for answer in (first, *others)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(renders) == 2
    statuses = [answer.headers["Cache-Status"] for answer in answers]
    assert sum("collapsed" in status for status in statuses) == 4
    assert all("fwd=bypass" in status for status in statuses)


# --- Errors hold no data --------------------------------------------------


class Large(np.ndarray[Any, Any]):
    """An array that can be watched."""


@pytest.mark.parametrize("how", ["raised", "in-args", "chained", "plotted"])
def test_remembered_errors_hold_no_data(
    plots: FigureBlueprint, serve: Serve, how: str
) -> None:
    """The arrays are freed without a garbage collection."""
    arrays: list[weakref.ref[Large]] = []

    @plots.figure_route("/fails", error_backoff=1000)
    def fails(n: int = 0) -> Figure:
        array = np.zeros(1000).view(Large)
        arrays.append(weakref.ref(array))
        match how:
            case "in-args":
                raise ValueError("bad", array)
            case "chained":
                try:
                    raise LookupError(array)
                except LookupError as error:
                    raise ValueError("bad") from error
            case "plotted":
                Figure().subplots().plot(array)
        raise ValueError("bad")

    client = serve()
    gc.collect()
    gc.disable()
    try:
        answers = [client.get(f"/plots/fails?n={n}") for n in range(10)]
        answers += [client.get(f"/plots/fails?n={n}") for n in range(10)]
    finally:
        gc.enable()
    assert {answer.status_code for answer in answers} == {500}
    assert len(arrays) == 10
    assert [array() for array in arrays if array() is not None] == []


def test_followers_get_an_error_of_the_same_class(
    plots: FigureBlueprint, serve: Serve, go: threading.Event
) -> None:
    """The copy has no data, and the app's error handler treats both alike."""
    began, seen = threading.Event(), []

    class MissingError(Exception):
        def __init__(self, place: str, *, data: object) -> None:
            super().__init__(f"nothing in {place}")
            self.place, self.data = place, data

    @plots.figure_route("/fails")
    def fails() -> Figure:
        began.set()
        go.wait(20)
        raise MissingError("Berlin", data=np.zeros(9))

    client = serve()

    def handle(error: MissingError) -> tuple[str, int]:
        seen.append(error.data)
        return f"{error} {error.place}", 404

    client.application.register_error_handler(MissingError, handle)
    ask = client.application.test_client().get
    with ThreadPoolExecutor(2) as threads:
        leader = threads.submit(ask, "/plots/fails")
        began.wait(10)
        follower = threads.submit(ask, "/plots/fails")
        wait_until(lambda: flights_of(client)._followers == 1)
        go.set()
        assert leader.result().text == follower.result().text
    assert leader.result().text == "nothing in Berlin Berlin"
    assert sorted(type(data).__name__ for data in seen) == ["ndarray", "str"]


# --- Overloads in the log -------------------------------------------------


def test_overloads_are_logged_once_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The first message has the fix, a later one the number of the others."""
    clock = Clock()
    log = OverloadLog(clock)
    for _ in range(50):
        log.log(OverloadedError("No room.", fix="Raise MPLSTREAM_MAX_PENDING."))
        clock.now += 1
    log.log(OverloadedError("No turn.", fix="Set MPLSTREAM_WORKERS."))
    clock.now += EVERY_S
    log.log(OverloadedError("No room.", fix="Raise MPLSTREAM_MAX_PENDING."))
    assert [record.getMessage() for record in caplog.records] == [
        "Refused a picture: No room. Raise MPLSTREAM_MAX_PENDING.",
        "Refused a picture: No turn. Set MPLSTREAM_WORKERS.",
        "Refused a picture: No room. Raise MPLSTREAM_MAX_PENDING. "
        "49 more since the last such message.",
    ]


def test_five_refused_requests_are_one_line_in_the_log(
    plots: FigureBlueprint,
    serve: Serve,
    go: threading.Event,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It names the setting to change."""
    began = threading.Event()

    @plots.figure_route("/slow")
    def slow(n: int = 0) -> Figure:
        began.set()
        go.wait(20)
        return Figure(figsize=(1, 1))

    client = serve(MPLSTREAM_MAX_PENDING=0)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.application.test_client().get, "/plots/slow")
        began.wait(10)
        refused = [client.get(f"/plots/slow?n={n}").status_code for n in range(1, 6)]
        go.set()
        assert first.result().status_code == 200
    assert refused == [503] * 5
    lines = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(lines) == 1
    assert "MPLSTREAM_MAX_PENDING" in lines[0].getMessage()


def test_a_module_may_render_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figure function may import the module, too."""
    (tmp_path / "early_app.py").write_text(
        """
from flask import Flask
from matplotlib.figure import Figure
from flask_mplstream import FigureBlueprint

plots = FigureBlueprint("plots", __name__, timeout=5)

@plots.figure_route("/early")
def early() -> Figure:
    import early_app
    return Figure(figsize=(1, 1))

app = Flask(__name__)
app.register_blueprint(plots)
status = app.test_client().get("/early").status_code
"""
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("early_app").status == 200
