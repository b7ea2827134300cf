"""Renders on a ``concurrent.futures.Executor``, the app's own or one made here."""

from __future__ import annotations

import multiprocessing
import os
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import (
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from flask_mplstream import ConfigError, FigureBlueprint, start_workers
from flask_mplstream.web.app_state import AppState
from flask_mplstream.workers import ipc
from tests.apps.worker_figures import one_process
from tests.support.paths import DOCS
from tests.support.pictures import pixels
from tests.support.processes import gone, wait_until
from tests.support.runners import (
    Counted,
    MakeExecutor,
    one_thread,
    read_error_line,
    read_level,
    read_pids,
    register_invalid,
)
from tests.support.servers import Gunicorn

Serve = Callable[..., FlaskClient]
FACTORY = "tests.apps.worker_figures:create_app"


def one_spawned_process() -> Executor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))


#: Threads are quick to start.
KINDS = [
    pytest.param(one_thread, id="threads"),
    pytest.param(one_process, marks=pytest.mark.slow, id="processes"),
]


@pytest.mark.parametrize(
    ("make", "is_given"),
    [
        pytest.param(one_thread, True, id="threads"),
        pytest.param(one_thread, False, id="threads-made"),
        pytest.param(
            one_spawned_process, True, marks=pytest.mark.slow, id="processes-spawned"
        ),
        pytest.param(one_process, True, marks=pytest.mark.slow, id="processes"),
        pytest.param(one_process, False, marks=pytest.mark.slow, id="processes-made"),
    ],
)
def test_a_picture_is_what_the_web_process_would_draw(
    on: Serve, make: MakeExecutor, is_given: bool, renders: Path
) -> None:
    """The same pixels, drawn where the executor runs things."""
    client = on(make() if is_given else make)
    drawn, right = client.get("/plots/walk").data, on(None).get("/plots/walk").data
    assert np.array_equal(pixels(drawn), pixels(right))
    client.get("/plots/grey", query_string={"renders": renders})
    is_here = read_pids(renders) == [os.getpid()]
    assert is_here == (make is one_thread)


@pytest.mark.slow
def test_an_executor_that_broke_is_made_again(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The killed process costs one more render, and one line in the log."""
    made: list[Executor] = []

    def make() -> Executor:
        made.append(one_process())
        return made[-1]

    client = on(make)
    answer = client.get("/plots/dies-once", query_string={"renders": renders})
    assert read_level(answer) == 5
    assert len(read_pids(renders)) == 2
    assert len(made) == 2
    assert "The executor is broken; creating another." in caplog.text
    assert "terminated abruptly" in caplog.text
    assert read_level(client.get("/plots/grey?level=6")) == 6
    assert len(made) == 2


@pytest.mark.slow
def test_a_figure_that_kills_each_process_is_an_error(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After two of them, and others are served."""
    client = on(one_process)
    answer = client.get("/plots/dies", query_string={"renders": renders})
    assert answer.status_code == 500
    assert len(read_pids(renders)) == 2
    assert "WorkerDiedError" in read_error_line(caplog)
    assert read_level(client.get("/plots/grey?level=6")) == 6


@pytest.mark.slow
def test_an_executor_of_the_apps_own_that_broke_is_an_error(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The cause is in the log; what is in the cache goes on being served."""
    client = on(one_process())
    assert read_level(client.get("/plots/grey?level=4")) == 4
    answer = client.get("/plots/dies-once", query_string={"renders": renders})
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["detail"] == "The picture cannot be drawn."
    assert len(read_pids(renders)) == 1
    assert "terminated abruptly" in read_error_line(caplog)
    assert "creating another" not in caplog.text
    hit = client.get("/plots/grey?level=4")
    assert hit.headers["Cache-Status"].startswith("flask-mplstream; hit")
    assert client.get("/plots/grey?level=5").status_code == 500
    assert "rejects renders" in caplog.text


def test_an_executor_that_was_shut_down_is_an_error(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is its owner's: no other is made in its place."""
    executor = one_thread()
    executor.shutdown()
    assert on(executor).get("/plots/grey").status_code == 500
    assert "cannot schedule new futures after shutdown" in read_error_line(caplog)


def test_an_executor_made_here_that_was_shut_down_is_made_again(on: Serve) -> None:
    """Whoever did it; there is nobody else to make one."""
    made: list[Executor] = []

    def make() -> Executor:
        made.append(one_thread())
        return made[-1]

    client = on(make)
    client.get("/plots/grey")
    made[0].shutdown()
    assert read_level(client.get("/plots/grey?level=3")) == 3
    assert len(made) == 2


class Connection(Executor):
    """An executor over a connection, which fails in ways of its own, as Dask's."""

    def __init__(self) -> None:
        self.is_closed = False
        self.loses_all = False
        self.shut_down = 0

    def submit(
        self, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        if self.is_closed:
            raise ConnectionError("The connection is closed.")
        future: Future[Any] = Future()
        if self.loses_all:
            future.cancel()
            future.set_running_or_notify_cancel()
        else:
            future.set_result(function(*args, **kwargs))
        return future

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]  # The case.
        """As Dask's it knows no ``cancel_futures``, and fails where it is closed."""
        self.shut_down += 1
        if self.is_closed:
            raise ConnectionError("The connection is closed.")


def test_an_executor_whose_connection_closed_is_made_again(on: Serve) -> None:
    """Whatever class of error it has for that, and cannot be shut down either."""
    made: list[Connection] = []

    def make() -> Executor:
        made.append(Connection())
        return made[-1]

    client = on(make)
    assert read_level(client.get("/plots/grey?level=1")) == 1
    made[0].is_closed = True
    assert read_level(client.get("/plots/grey?level=2")) == 2
    assert [one.shut_down for one in made] == [1, 0]


def test_a_render_that_is_lost_is_tried_on_another_executor(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Once; where that one loses it as well the log says so."""
    made: list[Connection] = []

    def make() -> Executor:
        made.append(Connection())
        return made[-1]

    client = on(make)
    client.get("/plots/grey?level=1")
    made[0].loses_all = True
    assert read_level(client.get("/plots/grey?level=2")) == 2
    assert len(made) == 2

    lost = Connection()
    lost.loses_all = True
    assert on(lost).get("/plots/grey").status_code == 500
    assert "the executor canceled the render" in read_error_line(caplog)


@pytest.mark.parametrize("is_closed", [False, True])
def test_an_executor_that_takes_fewer_arguments_is_shut_down(
    on: Serve, is_closed: bool
) -> None:
    """``cancel_futures`` is newer than some; and what is closed is closed."""
    executor = Connection()
    client = on(lambda: executor)
    client.get("/plots/grey")
    executor.is_closed = is_closed
    AppState.of(client.application).stop()
    assert executor.shut_down == 1


def test_a_connection_that_cannot_be_made_is_an_error(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried again with the next picture."""
    errors: list[Exception] = [ConnectionRefusedError("no scheduler there")]

    def make() -> Executor:
        if errors:
            raise errors.pop()
        return one_thread()

    client = on(make)
    assert client.get("/plots/grey").status_code == 500
    told = read_error_line(caplog)
    assert "ConnectionRefusedError: no scheduler there" in told
    assert "MPLSTREAM_EXECUTOR" in told
    assert read_level(client.get("/plots/grey?level=2")) == 2


def test_nobody_waits_for_ever_for_an_executor_to_be_made(on: Serve) -> None:
    """A request that finds another one at it waits for its own ``timeout``."""
    begun, go_on = threading.Event(), threading.Event()

    def make() -> Executor:
        begun.set()
        go_on.wait(60)
        return one_thread()

    app = on(make).application
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(app.test_client().get, "/plots/slow?seconds=0&level=1")
        begun.wait(10)
        answer = app.test_client().get("/plots/brief")
        go_on.set()
        assert read_level(first.result()) == 1
    assert answer.status_code == 503


def test_what_makes_no_executor_is_told_how(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A Dask client is none, though it has a method ``submit``."""
    client = on(lambda: object())
    assert client.get("/plots/grey").status_code == 500
    assert "ConfigError" in read_error_line(caplog)
    assert "client.get_executor()" in caplog.text
    with pytest.raises(ConfigError, match=r"client\.get_executor\(\)"):
        start_workers(client.application)


def test_workers_and_an_executor_are_refused(plots: FigureBlueprint) -> None:
    """Which of them is meant must be said."""
    told = register_invalid(plots, MPLSTREAM_WORKERS=1, MPLSTREAM_EXECUTOR=one_thread)
    assert "MPLSTREAM_WORKERS and MPLSTREAM_EXECUTOR are both set" in told


def test_a_setting_that_is_no_executor_is_refused(plots: FigureBlueprint) -> None:
    """Such as a scheduler's address."""
    told = register_invalid(plots, MPLSTREAM_EXECUTOR="tcp://127.0.0.1:8786")
    assert "MPLSTREAM_EXECUTOR" in told


def test_an_executor_that_may_take_nothing_is_refused(plots: FigureBlueprint) -> None:
    """All that it has been given counts as pending, so there is at least one."""
    told = register_invalid(
        plots, MPLSTREAM_EXECUTOR=one_thread, MPLSTREAM_MAX_PENDING=0
    )
    assert "MPLSTREAM_MAX_PENDING" in told


@pytest.mark.parametrize("make", KINDS)
def test_a_render_that_takes_too_long_is_let_go(
    on: Serve, make: MakeExecutor, until: Path
) -> None:
    """504 while it runs on, and the thread that asked answers others."""
    client = on(make)
    client.get("/plots/grey")
    answer = client.get("/plots/brief", query_string={"until": until})
    assert answer.status_code == 504
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/plots/grey").status_code == 200
    # The only place of the executor is taken until the render ends by itself.
    until.touch()
    assert read_level(client.get("/plots/slow?seconds=0&level=3")) == 3


def test_what_was_not_begun_in_time_is_never_rendered(on: Serve, renders: Path) -> None:
    """Nobody waits for it any more."""
    executor, go_on = Counted(1), threading.Event()
    client = on(executor)
    executor.submit(go_on.wait)
    answer = client.get("/plots/brief", query_string={"renders": renders})
    go_on.set()
    assert answer.status_code in (503, 504)
    client.get("/plots/grey")
    assert not renders.exists()


@pytest.mark.slow
def test_a_second_render_has_what_is_left_of_the_time(on: Serve, renders: Path) -> None:
    """Not all of ``timeout`` once more."""
    client = on(one_process)
    client.get("/plots/grey")
    began = time.monotonic()
    answer = client.get("/plots/dies-late", query_string={"renders": renders})
    assert time.monotonic() - began < 2.7 + 3
    assert answer.status_code == 504


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "told"),
    [
        pytest.param("own", "ChartError: no such chart", id="own-class"),
        pytest.param("odd", "RemoteError: OddError: 1 and 2", id="unpicklable"),
        pytest.param("timeout", "TimeoutError: the database", id="timeout"),
        pytest.param("broken", "BrokenExecutor: one of its own", id="broken"),
        pytest.param("none", "FigureTypeError", id="no-figure"),
    ],
)
def test_an_error_travels(
    on: Serve, caplog: pytest.LogCaptureFixture, renders: Path, kind: str, told: str
) -> None:
    """It is told in one line, and is never taken for an error of the executor."""
    client = on(one_process)
    query = {"kind": kind, "renders": renders}
    assert client.get("/plots/fails", query_string=query).status_code == 500
    assert told in read_error_line(caplog)
    assert len(read_pids(renders)) == 1


@pytest.mark.slow
def test_an_error_has_its_line_and_its_class(on: Serve) -> None:
    """An app that handles its own errors gets them, with the far traceback."""
    app = on(one_process).application
    caught: list[Exception] = []

    @app.errorhandler(Exception)
    def handle(error: Exception) -> str:
        caught.append(error)
        return "handled"

    assert app.test_client().get("/plots/fails").text == "handled"
    assert type(caught[0]).__name__ == "ChartError"
    assert 'raise ChartError("no such chart")' in str(caught[0].__notes__)
    assert "Traceback" in str(caught[0].__cause__)


@pytest.mark.slow
def test_an_injected_value_travels(on: Serve) -> None:
    """Where its class has a name; else the log says what to do."""
    assert read_level(on(one_process).get("/plots/injected")) == 8


@pytest.mark.parametrize("make", KINDS)
def test_an_injected_value_that_cannot_travel_is_told(
    on: Serve, make: MakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """On threads as well, so that changing the executor changes nothing else."""
    assert on(make).get("/plots/unpicklable").status_code == 500
    told = read_error_line(caplog)
    assert "of_a_local_class cannot be sent to a worker" in told
    assert (
        "the classes of its arguments and options at the top level of a module" in told
    )


def test_an_executor_that_was_given_is_left_alone(on: Serve) -> None:
    """It goes on running what its owner submits."""
    executor = one_thread()
    client = on(executor)
    client.get("/plots/grey")
    AppState.of(client.application).stop()
    assert executor.submit(abs, -1).result() == 1
    assert read_level(client.get("/plots/grey?level=2")) == 2


def test_an_executor_that_was_made_here_is_shut_down_here(on: Serve) -> None:
    """With what waits in it; the next render makes another."""
    made: list[Executor] = []

    def make() -> Executor:
        made.append(one_thread())
        return made[-1]

    client = on(make)
    client.get("/plots/grey")
    waiting = [made[0].submit(time.sleep, 0.2) for _ in range(3)]
    AppState.of(client.application).stop()
    assert waiting[-1].cancelled()
    with pytest.raises(RuntimeError):
        made[0].submit(abs, -1)
    assert read_level(client.get("/plots/grey?level=2")) == 2
    assert len(made) == 2


def test_an_executor_is_made_with_the_first_render_only(on: Serve) -> None:
    """Not when the app is made, which may be before a server forks."""
    made: list[Executor] = []

    def make() -> Executor:
        made.append(one_thread())
        return made[-1]

    client = on(make)
    client.get("/no/such/page")
    assert not made
    start_workers(client.application)
    client.get("/plots/grey")
    assert len(made) == 1


@pytest.mark.parametrize("make", KINDS)
def test_a_figure_in_a_figure_does_not_wait_for_its_own_thread(
    on: Serve, make: MakeExecutor
) -> None:
    """It is rendered in its place."""
    client = on(make, MPLSTREAM_APP=FACTORY)
    assert client.get("/plots/nested").text == "data:image/png;"


@pytest.mark.parametrize("path", ["nested", "nested-load"])
def test_a_figure_in_a_figure_that_is_asked_for_meanwhile(
    on: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Its request waits for the only thread, which must not wait for it."""
    executor = Counted(1)
    app = on(executor, MPLSTREAM_APP="web:app").application
    # As if it stood in a module: threads have the very app that serves.
    monkeypatch.setattr(ipc, "load_app", {"web:app": app}.__getitem__)
    with ThreadPoolExecutor(2) as threads:
        outer = threads.submit(app.test_client().get, f"/plots/{path}?seconds=0.5")
        wait_until(lambda: executor.submitted)
        inner = threads.submit(app.test_client().get, "/plots/grey?level=9")
        assert outer.result().text == "data:image/png;"
        assert read_level(inner.result()) == 9


def test_all_that_is_submitted_counts_as_pending(on: Serve, until: Path) -> None:
    """How much an executor runs at once is its own affair; a hit is not counted."""
    executor = Counted(4)
    app = on(executor, MPLSTREAM_MAX_PENDING=2).application
    app.test_client().get("/plots/grey")
    with ThreadPoolExecutor(2) as threads:
        urls = [f"/plots/slow?level={n}&until={until}" for n in (1, 2)]
        asked = [threads.submit(app.test_client().get, url) for url in urls]
        wait_until(lambda: executor.submitted == 3)
        refused = app.test_client().get("/plots/slow?level=3")
        assert app.test_client().get("/plots/grey").status_code == 200
        until.touch()
        assert [read_level(future.result()) for future in asked] == [1, 2]
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert read_level(app.test_client().get("/plots/slow?level=3")) == 3


@pytest.mark.slow
def test_each_forked_web_process_makes_its_own(renders: Path) -> None:
    """An app that is loaded before gunicorn forks renders in every worker."""
    app = "tests.apps.worker_figures:create_served_app()"
    with Gunicorn(app, "--preload", "--workers", "2", worker_class="sync") as server:
        for number in range(12):
            connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
            connection.request("GET", f"/plots/grey?level={number}&renders={renders}")
            answer = connection.getresponse()
            assert answer.status == 200
            assert int(pixels(answer.read())[0, 0, 0]) == number
            connection.close()
    assert len(read_pids(renders)) == 12
    assert gone(*read_pids(renders), timeout_s=20)


DOCUMENT = DOCS.joinpath("executors.md")


@pytest.mark.parametrize(
    "name",
    [pytest.param("processes", marks=pytest.mark.slow), "threads", "security"],
)
def test_the_documents_other_code_runs(on: Serve, name: str) -> None:
    """Its executors render; tests/workers/test_dask.py has the cluster's."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    namespace: dict[str, Any] = {}
    code = next(code for code in blocks if re.search(rf"^(def )?{name}\b", code, re.M))
    exec(compile(code, "executors.md", "exec"), namespace)
    if name != "security":
        assert read_level(on(namespace[name]).get("/plots/grey?level=90")) == 90


@pytest.mark.slow
def test_an_executor_from_before_a_fork_is_told(on: Serve) -> None:
    """Its threads live in the parent: renders would hang, and nobody knew why."""
    client = on(one_thread())
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            AppState.of(client.application).renders()
        except ConfigError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(pid, 0)
    with open(reading) as told:
        assert "a callable that returns an executor" in told.read()
    assert read_level(client.get("/plots/grey?level=2")) == 2
