"""Renders on a ``concurrent.futures.Executor``, of the app or created here."""

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
from tests.apps.worker_figures import create_one_process
from tests.support.paths import DOCS
from tests.support.pictures import pixels
from tests.support.processes import wait_for_exit, wait_until
from tests.support.runners import (
    EXECUTORS,
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


@pytest.mark.parametrize(
    ("make", "is_given"),
    [
        pytest.param(one_thread, True, id="threads"),
        pytest.param(one_thread, False, id="threads-made"),
        pytest.param(
            one_spawned_process, True, marks=pytest.mark.slow, id="processes-spawned"
        ),
        pytest.param(create_one_process, True, marks=pytest.mark.slow, id="processes"),
        pytest.param(
            create_one_process, False, marks=pytest.mark.slow, id="processes-made"
        ),
    ],
)
def test_an_executor_draws_the_same_pixels(
    on: Serve, make: MakeExecutor, is_given: bool, renders: Path
) -> None:
    """The executor's threads or processes draw it."""
    client = on(make() if is_given else make)
    drawn, right = client.get("/plots/walk").data, on(None).get("/plots/walk").data
    assert np.array_equal(pixels(drawn), pixels(right))
    client.get("/plots/grey", query_string={"renders": renders})
    is_here = read_pids(renders) == [os.getpid()]
    assert is_here == (make is one_thread)


@pytest.mark.slow
def test_a_broken_executor_is_replaced(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A killed process costs one more render and one line in the log."""
    made: list[Executor] = []

    def make() -> Executor:
        made.append(create_one_process())
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
def test_a_figure_that_kills_its_process_fails_after_two_renders(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The executor then renders other pictures."""
    client = on(create_one_process)
    answer = client.get("/plots/dies", query_string={"renders": renders})
    assert answer.status_code == 500
    assert len(read_pids(renders)) == 2
    assert "WorkerDiedError" in read_error_line(caplog)
    assert read_level(client.get("/plots/grey?level=6")) == 6


@pytest.mark.slow
def test_a_broken_executor_of_the_app_is_an_error(
    on: Serve, renders: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has the cause, and cached pictures are still served."""
    client = on(create_one_process())
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


def test_an_executor_that_the_app_shut_down_is_an_error(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Only the app may replace its executor."""
    executor = one_thread()
    executor.shutdown()
    assert on(executor).get("/plots/grey").status_code == 500
    assert "cannot schedule new futures after shutdown" in read_error_line(caplog)


def test_a_created_executor_that_was_shut_down_is_replaced(on: Serve) -> None:
    """The callable creates another one."""
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
    """An executor over a connection, with its own errors, like Dask's."""

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

    def shutdown(self, wait: bool = True) -> None:  # type: ignore[override]  # Dask's signature.
        """Fail if it is closed; like Dask's, it has no ``cancel_futures``."""
        self.shut_down += 1
        if self.is_closed:
            raise ConnectionError("The connection is closed.")


def test_an_executor_with_a_closed_connection_is_replaced(on: Serve) -> None:
    """Any class of error counts, and a failing shutdown is ignored."""
    made: list[Connection] = []

    def make() -> Executor:
        made.append(Connection())
        return made[-1]

    client = on(make)
    assert read_level(client.get("/plots/grey?level=1")) == 1
    made[0].is_closed = True
    assert read_level(client.get("/plots/grey?level=2")) == 2
    assert [one.shut_down for one in made] == [1, 0]


def test_a_lost_render_is_repeated_on_another_executor(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """If the next executor loses it as well, the log reports it."""
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
def test_an_executor_without_cancel_futures_is_shut_down(
    on: Serve, is_closed: bool
) -> None:
    """Errors of a closed connection are ignored."""
    executor = Connection()
    client = on(lambda: executor)
    client.get("/plots/grey")
    executor.is_closed = is_closed
    AppState.of(client.application).stop()
    assert executor.shut_down == 1


def test_an_executor_that_cannot_be_created_is_an_error(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The next picture calls the callable again."""
    errors: list[Exception] = [ConnectionRefusedError("no scheduler there")]

    def make() -> Executor:
        if errors:
            raise errors.pop()
        return one_thread()

    client = on(make)
    assert client.get("/plots/grey").status_code == 500
    message = read_error_line(caplog)
    assert "ConnectionRefusedError: no scheduler there" in message
    assert "MPLSTREAM_EXECUTOR" in message
    assert read_level(client.get("/plots/grey?level=2")) == 2


def test_a_request_waits_for_an_executor_until_its_timeout(on: Serve) -> None:
    """The callable is called once at a time."""
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


def test_a_callable_that_returns_no_executor_is_an_error(
    on: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """A Dask client is not an executor, though it has a method ``submit``."""
    client = on(lambda: object())
    assert client.get("/plots/grey").status_code == 500
    assert "ConfigError" in read_error_line(caplog)
    assert "client.get_executor()" in caplog.text
    with pytest.raises(ConfigError, match=r"client\.get_executor\(\)"):
        start_workers(client.application)


def test_workers_and_an_executor_exclude_each_other(plots: FigureBlueprint) -> None:
    """The error names both settings."""
    message = register_invalid(
        plots, MPLSTREAM_WORKERS=1, MPLSTREAM_EXECUTOR=one_thread
    )
    assert "MPLSTREAM_WORKERS and MPLSTREAM_EXECUTOR are both set" in message


def test_registration_rejects_an_address_as_executor(plots: FigureBlueprint) -> None:
    """The setting requires an executor or a callable."""
    message = register_invalid(plots, MPLSTREAM_EXECUTOR="tcp://127.0.0.1:8786")
    assert "MPLSTREAM_EXECUTOR" in message


def test_registration_rejects_an_executor_without_pending_renders(
    plots: FigureBlueprint,
) -> None:
    """All submitted renders count as pending, so one must be allowed."""
    message = register_invalid(
        plots, MPLSTREAM_EXECUTOR=one_thread, MPLSTREAM_MAX_PENDING=0
    )
    assert "MPLSTREAM_MAX_PENDING" in message


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_slow_render_on_an_executor_is_a_504(
    on: Serve, make: MakeExecutor, until: Path
) -> None:
    """The render continues, and the thread of the request is free."""
    client = on(make)
    client.get("/plots/grey")
    answer = client.get("/plots/brief", query_string={"until": until})
    assert answer.status_code == 504
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/plots/grey").status_code == 200
    # The executor's only thread is busy until the render ends by itself.
    until.touch()
    assert read_level(client.get("/plots/slow?seconds=0&level=3")) == 3


def test_a_render_that_has_not_begun_in_time_is_canceled(
    on: Serve, renders: Path
) -> None:
    """No request waits for it."""
    executor, go_on = Counted(1), threading.Event()
    client = on(executor)
    executor.submit(go_on.wait)
    answer = client.get("/plots/brief", query_string={"renders": renders})
    go_on.set()
    assert answer.status_code in (503, 504)
    client.get("/plots/grey")
    assert not renders.exists()


@pytest.mark.slow
def test_a_second_render_has_the_rest_of_the_timeout(on: Serve, renders: Path) -> None:
    """The timeout is for both renders together."""
    client = on(create_one_process)
    client.get("/plots/grey")
    began = time.monotonic()
    answer = client.get("/plots/dies-late", query_string={"renders": renders})
    assert time.monotonic() - began < 2.7 + 3
    assert answer.status_code == 504


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param("own", "ChartError: no such chart", id="own-class"),
        pytest.param("odd", "RemoteError: OddError: 1 and 2", id="unpicklable"),
        pytest.param("timeout", "TimeoutError: the database", id="timeout"),
        pytest.param("broken", "BrokenExecutor: no such chart server", id="broken"),
        pytest.param("none", "FigureTypeError", id="no-figure"),
    ],
)
def test_an_error_of_the_figure_function_is_raised_here(
    on: Serve, caplog: pytest.LogCaptureFixture, renders: Path, kind: str, message: str
) -> None:
    """The log has one line, and the executor is not considered broken."""
    client = on(create_one_process)
    query = {"kind": kind, "renders": renders}
    assert client.get("/plots/fails", query_string=query).status_code == 500
    assert message in read_error_line(caplog)
    assert len(read_pids(renders)) == 1


@pytest.mark.slow
def test_an_error_handler_gets_the_class_and_the_line(on: Serve) -> None:
    """The cause has the traceback of the other process."""
    app = on(create_one_process).application
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
def test_an_injected_value_is_sent_to_the_process(on: Serve) -> None:
    """Its class is at the top level of a module."""
    assert read_level(on(create_one_process).get("/plots/injected")) == 8


@pytest.mark.parametrize("make", EXECUTORS)
def test_an_injected_value_that_cannot_be_pickled_is_an_error(
    on: Serve, make: MakeExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    """Threads require a pickle too, so that executors are interchangeable."""
    assert on(make).get("/plots/unpicklable").status_code == 500
    message = read_error_line(caplog)
    assert "of_a_local_class cannot be sent to a worker" in message
    assert (
        "the classes of its arguments and options at the top level of a module"
        in message
    )


def test_an_executor_of_the_app_is_not_shut_down(on: Serve) -> None:
    """It continues to run other tasks."""
    executor = one_thread()
    client = on(executor)
    client.get("/plots/grey")
    AppState.of(client.application).stop()
    assert executor.submit(abs, -1).result() == 1
    assert read_level(client.get("/plots/grey?level=2")) == 2


def test_a_created_executor_is_shut_down(on: Serve) -> None:
    """Its waiting tasks are canceled, and the next render creates another."""
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


def test_an_executor_is_created_with_the_first_render(on: Serve) -> None:
    """The server may fork after the app is created."""
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


@pytest.mark.parametrize("make", EXECUTORS)
def test_a_nested_figure_is_rendered_in_the_same_place(
    on: Serve, make: MakeExecutor
) -> None:
    """It does not wait for the executor's only thread or process."""
    client = on(make, MPLSTREAM_APP=FACTORY)
    assert client.get("/plots/nested").text == "data:image/png;"


@pytest.mark.parametrize("path", ["nested", "nested-load"])
def test_a_nested_figure_does_not_wait_for_its_own_request(
    on: Serve, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """That request waits for the executor's only thread."""
    executor = Counted(1)
    app = on(executor, MPLSTREAM_APP="web:app").application
    # Simulate a module's attribute: threads use the app that serves.
    monkeypatch.setattr(ipc, "load_app", {"web:app": app}.__getitem__)
    with ThreadPoolExecutor(2) as threads:
        outer = threads.submit(app.test_client().get, f"/plots/{path}?seconds=0.5")
        wait_until(lambda: executor.submitted)
        inner = threads.submit(app.test_client().get, "/plots/grey?level=9")
        assert outer.result().text == "data:image/png;"
        assert read_level(inner.result()) == 9


def test_all_submitted_renders_count_as_pending(on: Serve, until: Path) -> None:
    """The number of an executor's processes is unknown; hits are not counted."""
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
def test_each_forked_web_process_creates_an_executor(renders: Path) -> None:
    """gunicorn forks after it loads the app."""
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
    assert wait_for_exit(*read_pids(renders), timeout_s=20)


DOCUMENT = DOCS.joinpath("executors.md")


@pytest.mark.parametrize(
    "name",
    [
        "threads",
        pytest.param("processes", marks=pytest.mark.slow),
        pytest.param("security", marks=pytest.mark.slow),
    ],
)
def test_the_executors_of_the_documentation_render(on: Serve, name: str) -> None:
    """``test_dask.py`` tests the cluster's."""
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.S)
    namespace: dict[str, Any] = {}
    code = next(code for code in blocks if re.search(rf"^(def )?{name}\b", code, re.M))
    exec(compile(code, "executors.md", "exec"), namespace)
    if name != "security":
        assert read_level(on(namespace[name]).get("/plots/grey?level=90")) == 90


@pytest.mark.slow
def test_an_executor_from_before_a_fork_is_an_error(on: Serve) -> None:
    """Its threads run in the parent, so renders would hang."""
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
    with open(reading) as message:
        assert "a callable that returns an executor" in message.read()
    assert read_level(client.get("/plots/grey?level=2")) == 2
