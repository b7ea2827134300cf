"""Processes that cannot have workers draw themselves and log the reason once."""

from __future__ import annotations

import base64
import gc
import importlib
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask import Flask

from flask_mplstream import FigureBlueprint, start_workers
from flask_mplstream.web.app_state import AppState
from flask_mplstream.workers.executor_choice import find_obstacle
from flask_mplstream.workers.process_pool import Pool
from flask_mplstream.workers.reaper import Reaper
from flask_mplstream.workers.request_isolation import run_without_request
from tests.apps.choice_figures import plots
from tests.support.paths import ROOT
from tests.support.pictures import pixels
from tests.support.processes import is_running, wait_for_exit, wait_until
from tests.support.servers import Server, find_free_port, find_program


@pytest.fixture
def make() -> Iterator[Callable[..., Flask]]:
    """Return a function that creates an app; close all apps at the end."""
    apps: list[Flask] = []

    def make(before: Callable[[], Any] = lambda: None, **config: Any) -> Flask:
        app = Flask(__name__)
        app.before_request(before)
        # A worker starts slowly on a busy machine.
        app.config.from_mapping(MPLSTREAM_WORKERS=1, MPLSTREAM_TIMEOUT=60)
        app.config.from_mapping(config)
        app.register_blueprint(plots)
        apps.append(app)
        return app

    yield make
    for app in apps:
        plots.close(app)


def level(body: bytes) -> int:
    return int(pixels(body)[0, 0, 0])


def warnings_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if "MPLSTREAM_WORKERS is" in line]


# --- Processes without workers --------------------------------------------


def test_a_normal_process_can_have_workers() -> None:
    """The check leaves nothing behind."""
    assert find_obstacle() is None


OBSTACLES = [
    pytest.param(OSError(38, "Function not implemented"), id="lambda"),
    pytest.param(PermissionError(13, "Permission denied"), id="not-allowed"),
    pytest.param(ImportError("This platform lacks sem_open"), id="not-built"),
]


@pytest.mark.parametrize("error", OBSTACLES)
def test_a_process_without_semaphores_draws_itself(
    make: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    """AWS Lambda has no /dev/shm; the log reports it once."""

    def fail(*args: object, **kwargs: object) -> NoReturn:
        raise error

    importlib.import_module(
        "multiprocessing.synchronize"
    )  # It reads the attribute of SemLock.
    monkeypatch.setattr("_multiprocessing.SemLock", fail)
    client = make().test_client()
    assert level(client.get("/grey?level=3").data) == 3
    assert client.get("/pid").text == str(os.getpid())
    [told] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert "/dev/shm" in told
    assert str(error) in told


@pytest.mark.parametrize(
    "executable",
    [
        pytest.param("/usr/local/bin/uwsgi", id="uwsgi"),
        pytest.param("/opt/python3/bin/app", id="frozen"),
        pytest.param(None, id="embedded"),
    ],
)
def test_a_process_without_an_interpreter_draws_itself(
    make: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    executable: str | None,
) -> None:
    """It cannot start a worker."""
    monkeypatch.setattr("multiprocessing.spawn.get_executable", lambda: executable)
    client = make().test_client()
    assert client.get("/pid").text == str(os.getpid())
    [told] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert repr(executable or "") in told


def draw_twice(pipe: Any) -> None:
    """Draw in a process that may have no children, and send the result."""
    handler = BufferingHandler(1000)
    logging.getLogger("flask_mplstream").addHandler(handler)
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=1, MPLSTREAM_PRELOAD=True)
    app.register_blueprint(plots)
    client = app.test_client()
    answers = [client.get(f"/grey?level={n}") for n in (4, 5)]
    messages = [record.getMessage() for record in handler.buffer]
    pipe.send(([(a.status_code, a.data) for a in answers], messages))
    pipe.close()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_daemonic_process_draws_itself(method: str) -> None:
    """``multiprocessing`` allows it no children."""
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=draw_twice, args=[sending], daemon=True)
    process.start()
    sending.close()
    try:
        assert receiving.poll(60)
        answers, told = receiving.recv()
    finally:
        process.join(10)
        receiving.close()
    assert [(status, level(body)) for status, body in answers] == [(200, 4), (200, 5)]
    assert len(told) == 1
    assert "daemonic" in told[0]


@pytest.mark.slow
def test_a_celery_task_draws_itself(tmp_path: Path) -> None:
    """The processes of Celery's prefork pool are daemonic."""
    log = tmp_path / "log"
    tasks = "tests.apps.choice_figures:tasks"
    command = [sys.executable, "-m", "celery", "--app", tasks]
    command += ["worker", "--pool", "prefork", "--concurrency", "1"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    folder = str(tmp_path)
    program = (
        "from tests.apps.choice_figures import draw\n"
        "print(draw.delay(7).get(timeout=40)[0])"
    )
    with Server(*command, log=log, environment={"CHOICE_FOLDER": folder}):
        result = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "CHOICE_FOLDER": folder},
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert result.returncode == 0, result.stderr + log.read_text()
    assert level(base64.b64decode(result.stdout.strip().partition(",")[2])) == 7
    [told] = warnings_in(log.read_text())
    assert "Celery" in told


def ask(port: int, path: str) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.slow
def test_uwsgi_draws_itself(tmp_path: Path) -> None:
    """Its ``sys.executable`` is uwsgi; without threads, nothing hangs."""
    port, log = find_free_port(), tmp_path / "log"
    command = [find_program("uwsgi"), "--http-socket", f"127.0.0.1:{port}", "--master"]
    command += ["--die-on-term", "--workers", "1"]
    command += ["--module", "tests.apps.choice_figures:create_app()", "--need-app"]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    with Server(*command, port=port, log=log, environment={"PYTHONPATH": path}):
        _, web = ask(port, "/web")
        assert ask(port, "/pid") == (200, web)
        for n in (0, 1):
            status, body = ask(port, f"/grey?level={n}")
            assert (status, level(body)) == (200, n)
        ask(port, "/stale")
        time.sleep(1.1)
        assert [ask(port, "/stale")[0] for _ in range(3)] == [200] * 3
    [told] = warnings_in(log.read_text())
    assert "uwsgi" in told


# --- The end of an app ----------------------------------------------------


def pid_of(app: Flask) -> int:
    answer = app.test_client().get("/pid")
    assert answer.status_code == 200, answer.text
    return int(answer.text)


def threads_of_ours() -> list[str]:
    """Return the names of the threads of this package and its pools."""
    names = [thread.name for thread in threading.enumerate()]
    return [n for n in names if "mplstream" in n or n.endswith("_loop)")]


@pytest.mark.slow
def test_close_stops_workers_and_threads(make: Callable[..., Flask]) -> None:
    """It may be called twice; the next render starts a worker."""
    app = make()
    first = pid_of(app)
    for _ in range(2):
        plots.close(app)
        assert not is_running(first)
        assert threads_of_ours() == []
        assert multiprocessing.active_children() == []
    assert pid_of(app) not in (first, os.getpid())


@pytest.mark.slow
def test_close_stops_starting_workers(make: Callable[..., Flask]) -> None:
    """A test may end before its first picture."""
    app = make(MPLSTREAM_WORKERS=2)
    app.test_client().get("/no/such/page")
    plots.close(app)
    assert threads_of_ours() == []
    assert multiprocessing.active_children() == []


def test_close_of_an_app_without_figures_does_nothing() -> None:
    """A teardown may close any app."""
    FigureBlueprint.close(Flask(__name__))


@pytest.mark.slow
def test_close_keeps_the_workers_of_other_apps(make: Callable[..., Flask]) -> None:
    """Each app has separate workers."""
    one, other = make(), make()
    pid = pid_of(other)
    pid_of(one)
    plots.close(one)
    assert pid_of(other) == pid


@pytest.mark.slow
def test_garbage_collected_apps_leave_no_process() -> None:
    """The package keeps no reference to an app."""
    pids, held = [], []
    for _ in range(3):
        app = Flask(__name__)
        app.config.from_mapping(MPLSTREAM_WORKERS=1)
        app.register_blueprint(plots)
        pids.append(pid_of(app))
        held.append(weakref.ref(app))
        del app
    gc.collect()
    assert [ref() for ref in held] == [None] * 3
    assert wait_for_exit(*pids)
    wait_until(lambda: threads_of_ours() == [])
    wait_until(lambda: multiprocessing.active_children() == [])


@pytest.mark.slow
def test_a_garbage_collected_app_without_renders_leaves_no_process() -> None:
    """A hook of the server started its workers."""
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=2)
    app.register_blueprint(plots)
    start_workers(app)
    children = multiprocessing.active_children()
    held = weakref.ref(app)
    del app
    gc.collect()
    assert held() is None
    assert wait_for_exit(*(child.pid for child in children if child.pid))
    wait_until(lambda: threads_of_ours() == [])
    wait_until(lambda: multiprocessing.active_children() == [])


@pytest.mark.slow
def test_a_child_that_drops_an_app_keeps_its_parents_workers(
    make: Callable[..., Flask],
) -> None:
    """Only the parent may stop them."""
    app = make()
    first = pid_of(app)
    child = os.fork()
    if child == 0:
        plots.close(app)
        AppState.of(app)._renders.clear()
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert pid_of(app) == first


def test_the_garbage_collector_may_stop_workers_in_any_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread may hold the reaper's lock; the reaper then stops it."""
    told: list[int] = []
    reaper = Reaper()
    monkeypatch.setattr(reaper, "_tell", told.append)
    reaper.watch(5)
    with reaper._lock:
        reaper.leave(5)
    assert told == [5]
    reaper.watch(7)
    assert told == [5, 7, -5]
    reaper.leave(7)
    assert told == [5, 7, -5, -7]


# --- Preload --------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "is_started"),
    [
        pytest.param({}, True, id="default"),
        pytest.param({"TESTING": True}, False, id="testing"),
        pytest.param({"TESTING": True, "MPLSTREAM_PRELOAD": True}, True, id="told"),
        pytest.param({"MPLSTREAM_PRELOAD": False}, False, id="never"),
        pytest.param({"MPLSTREAM_WORKERS": 0}, False, id="no-workers"),
    ],
)
def test_workers_start_with_the_first_request(
    make: Callable[..., Flask], config: dict[str, Any], is_started: bool
) -> None:
    """An earlier hook of the app may return the response."""
    app = make(before=lambda: "to the login", **config)
    assert not AppState.of(app)._renders
    app.test_client().get("/")
    assert (os.getpid() in AppState.of(app)._preloads) is is_started


def test_a_request_in_a_render_starts_no_workers(make: Callable[..., Flask]) -> None:
    """A worker imports modules that may send requests to their app."""
    app = make()
    run_without_request(app, lambda: app.test_client().get("/"))
    assert not AppState.of(app)._preloads


@pytest.mark.slow
def test_a_page_is_served_if_workers_cannot_start(
    make: Callable[..., Flask],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log has the reason once, and the first picture tries again."""
    module = importlib.import_module("flask_mplstream.workers.process_pool")

    def fail() -> NoReturn:
        raise OSError("no more processes")

    with monkeypatch.context() as patched:
        patched.setattr(module, "start_context", fail)
        app = make()
        client = app.test_client()
        assert [client.get("/nothing").status_code for _ in range(3)] == [404] * 3
        wait_until(lambda: "no more processes" in caplog.text)
        assert client.get("/grey").status_code == 500
        assert "Cannot start a worker process" in caplog.text
    assert level(client.get("/grey?level=2").data) == 2


@pytest.mark.slow
def test_a_pool_keeps_workers_that_could_not_start(
    make: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each may start later."""
    module = importlib.import_module("flask_mplstream.workers.process_pool")
    start, calls = module.start_context, []

    def fail_once() -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise OSError("no more processes")
        return start()

    app = make(MPLSTREAM_WORKERS=3)
    monkeypatch.setattr(module, "start_context", fail_once)
    with pytest.raises(OSError, match="no more"):
        start_workers(app)
    pool = AppState.of(app).renders()._runner
    assert isinstance(pool, Pool)
    assert pool._idle.qsize() == 3
    start_workers(app)
    assert len(calls) == 4
