"""Worker processes isolate requests from the renders of others."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from pebble.pool.base_pool import PoolStatus

from flask_mplstream import (
    FigureBlueprint,
    start_workers,
    worker_killed,
)
from flask_mplstream.errors import OverloadedError
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.web.app_state import AppState
from flask_mplstream.workers.process_group import KeptContext, limit_memory
from flask_mplstream.workers.process_pool import FREE_START_S, Pool, StartClock, Startup
from tests.apps.worker_figures import grey, other, plots, stop_workers
from tests.support.paths import DOCS
from tests.support.pictures import pixels
from tests.support.processes import wait_for_exit, wait_until
from tests.support.runners import register_invalid

Serve = Callable[..., FlaskClient]
FACTORY = "tests.apps.worker_figures:create_worker_app"


@pytest.fixture
def pool() -> Iterator[Serve]:
    """Return a client of an app with workers, two by default."""
    apps = []

    def make(**config: Any) -> FlaskClient:
        app = Flask(__name__)
        app.config.from_mapping(SECRET_KEY="not secret")
        # A worker starts slowly on a busy machine.
        app.config.from_mapping(MPLSTREAM_WORKERS=2, MPLSTREAM_TIMEOUT=60)
        app.config.from_mapping(config)
        app.register_blueprint(plots)
        apps.append(app)
        return app.test_client()

    yield make
    stop_workers(*apps)


def level(body: bytes) -> int:
    return int(pixels(body)[0, 0, 0])


@pytest.mark.slow
def test_a_worker_returns_the_same_bytes(pool: Serve) -> None:
    """Each format is rendered in another process."""
    client, here = pool(), pool(MPLSTREAM_WORKERS=0)
    for name in ("png", "svg"):
        url = f"/plots/titled.{name}?title=a"
        assert client.get(url).data == here.get(url).data
    assert client.get("/plots/pid").text != str(os.getpid())
    assert here.get("/plots/pid").text == str(os.getpid())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("tests.apps.worker_figures", "is <module", id="module"),
        pytest.param("myapp", "Write it as 'module:factory'", id="no-attribute"),
        pytest.param("", "Write it as 'module:factory'", id="empty"),
        pytest.param("no.such:app", "there is no module 'no.such'", id="no-module"),
        pytest.param("tests.no.such:app", "there is no module", id="no-submodule"),
        pytest.param("tests.apps.worker_figures:nothing", "no 'nothing'", id="no-name"),
        pytest.param("tests.apps.worker_figures:plots", "is <", id="no-function"),
        pytest.param("tests.apps.worker_figures:grey", "'level'", id="takes-arguments"),
    ],
)
def test_registration_rejects_a_wrong_app_name(name: str, reason: str) -> None:
    """The check imports nothing."""
    message = register_invalid(plots, MPLSTREAM_WORKERS=1, MPLSTREAM_APP=name)
    assert f"MPLSTREAM_APP is {name!r}" in message
    assert reason in message


def test_the_app_name_is_not_checked_without_workers() -> None:
    """The machines of an executor may have other modules."""
    for config in ({}, {"MPLSTREAM_EXECUTOR": grey_by_name}):
        app = Flask(__name__)
        app.config.from_mapping({"MPLSTREAM_APP": "no.such:app", **config})
        app.register_blueprint(plots)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("tests.apps.late_figures:nothing", "cannot import", id="no-name"),
        pytest.param(
            "tests.apps.late_figures:takes_arguments", "level", id="arguments"
        ),
        pytest.param("builtins:dict", "a function without arguments", id="no-app"),
    ],
)
def test_a_factory_without_an_app_fails_each_render(
    pool: Serve, caplog: pytest.LogCaptureFixture, name: str, reason: str
) -> None:
    """A worker detects it at its start."""
    client = pool(MPLSTREAM_APP=name)
    for level in range(2):
        caplog.clear()
        assert client.get(f"/plots/grey?level={level}").status_code == 500
        assert reason in caplog.text
        assert "MPLSTREAM_APP" in caplog.text


@pytest.mark.slow
def test_a_factory_without_an_app_is_logged_before_a_render(
    pool: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The first worker logs it once."""
    start_workers(pool(MPLSTREAM_APP="builtins:dict").application)
    wait_until(lambda: "The workers cannot render: MPLSTREAM_APP" in caplog.text)
    assert caplog.text.count("MPLSTREAM_APP") == 1


@pytest.mark.slow
def test_the_error_of_a_factory_names_the_setting(
    pool: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The next render calls the factory again."""
    client = pool(MPLSTREAM_APP="tests.apps.worker_figures:create_failing_app")
    assert client.get("/plots/grey").status_code == 500
    assert "OSError: no database" in caplog.text
    assert "raised this error" in caplog.text


@pytest.mark.slow
def test_a_nested_figure_is_rendered_by_the_same_worker(pool: Serve) -> None:
    """It neither waits for a second worker nor starts one."""
    client = pool(MPLSTREAM_WORKERS=1, MPLSTREAM_APP=FACTORY)
    assert client.get("/plots/nested").text == "data:image/png;"


def test_registration_rejects_a_function_hidden_by_a_decorator() -> None:
    """A worker would import the decorator's result."""
    assert "@figure_route above its other" in register_invalid(
        other, MPLSTREAM_WORKERS=1
    )


def test_a_missing_package_is_an_error_that_names_the_extra(
    plots: FigureBlueprint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app does not start."""
    monkeypatch.setattr("flask_mplstream.workers.dispatch.find_spec", lambda name: None)
    assert "flask-mplstream[workers]" in register_invalid(plots, MPLSTREAM_WORKERS=1)
    assert "flask-mplstream[budget]" in register_invalid(
        plots, MPLSTREAM_CLIENT_BUDGET=1
    )


@pytest.mark.slow
def test_a_render_that_hangs_in_native_code_is_a_504(
    pool: Serve, tmp_path: Path
) -> None:
    """Its child processes are killed, and the worker is replaced."""
    client, pids = pool(MPLSTREAM_WORKERS=1), tmp_path / "pids"
    client.get("/plots/grey")
    began = time.monotonic()
    answer = client.get("/plots/hang", query_string={"pids": pids})
    assert time.monotonic() - began < 20
    assert answer.status_code == 504
    assert answer.headers["Cache-Control"] == "no-store"
    assert wait_for_exit(*map(int, pids.read_text().split()))
    assert level(client.get("/plots/grey?level=3").data) == 3


@pytest.mark.slow
def test_a_process_in_another_session_survives_the_worker(
    pool: Serve, tmp_path: Path
) -> None:
    """The documentation states it."""
    client, pids = pool(MPLSTREAM_WORKERS=1), tmp_path / "pids"
    client.get("/plots/grey")
    answer = client.get("/plots/hang-apart", query_string={"pids": pids})
    assert answer.status_code == 504
    child = int(pids.read_text())
    try:
        assert not wait_for_exit(child, timeout_s=0.3)
    finally:
        os.kill(child, signal.SIGKILL)
    message = DOCS.joinpath("workers.md").read_text()
    assert "in a separate session is not." in message.replace("\n", " ")


@pytest.mark.slow
def test_a_render_of_a_dead_worker_is_repeated(pool: Serve, tmp_path: Path) -> None:
    """The next worker renders the picture."""
    client = pool(MPLSTREAM_WORKERS=1)
    answer = client.get("/plots/dies-once", query_string={"renders": tmp_path / "pids"})
    assert level(answer.data) == 5


@pytest.mark.slow
def test_a_lost_render_is_repeated(
    pool: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pebble may lose a task that it gets as the process ends."""
    client = pool(MPLSTREAM_WORKERS=1)
    pid = int(client.get("/plots/pid").data)
    runner = AppState.of(client.application).renders()._runner
    assert isinstance(runner, Pool)
    process = runner._workers[0]._process
    assert process is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not process.pool.active)
    monkeypatch.setattr(process.pool, "_update_pool_status", lambda: None)
    monkeypatch.setattr(process.pool._context, "_status", PoolStatus.RUNNING)
    assert process.pool.active
    answer = client.get("/plots/grey")
    assert (answer.status_code, level(answer.data)) == (200, 0)


@pytest.mark.slow
def test_a_figure_that_kills_its_worker_fails_after_two_renders(
    pool: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The pool then renders other pictures."""
    client, pids = pool(MPLSTREAM_WORKERS=1), tmp_path / "pids"
    answer = client.get("/plots/dies", query_string={"renders": pids})
    assert answer.status_code == 500
    assert len(pids.read_text().split()) == 2
    assert "exit code -9" in caplog.text
    assert client.get("/plots/grey").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "message"),
    [
        pytest.param("segfault", "exit code -11", id="segfault"),
        pytest.param("leaves", "SystemExit: enough", id="sys.exit"),
        pytest.param("exits", "worker process ended", id="os._exit"),
        pytest.param("greedy", "MPLSTREAM_WORKER_BYTES", id="memory"),
        pytest.param("fails", "ChartError: no such chart", id="error"),
        pytest.param("fails?kind=odd", "OddError: 1 and 2", id="unpicklable"),
        pytest.param("fails?kind=lock", "unlocked _thread.lock", id="with-a-lock"),
        pytest.param("fails?kind=none", "forget to return", id="no-figure"),
        pytest.param("titled?fixed=1", "Unknown symbol", id="own-mathtext"),
        pytest.param("kind", "cannot be sent to a worker", id="local-class"),
    ],
)
def test_an_error_in_a_worker_is_one_line_in_the_log(
    pool: Serve, caplog: pytest.LogCaptureFixture, path: str, message: str
) -> None:
    """The response does not contain it."""
    client = pool(MPLSTREAM_WORKERS=1, MPLSTREAM_WORKER_BYTES=2**29)
    answer = client.get(f"/plots/{path}")
    assert answer.status_code == 500
    assert answer.json is not None
    assert answer.json["detail"] == "The picture cannot be drawn."
    errors = [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert message in errors[0]
    assert client.get("/plots/grey").status_code == 200


@pytest.mark.slow
def test_an_error_in_a_worker_has_the_failing_line(
    pool: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The error may be picklable or not."""
    client = pool(MPLSTREAM_WORKERS=1)
    for kind, line in (("own", 'raise ChartError("no'), ("odd", "raise OddError(1")):
        client.get(f"/plots/fails?kind={kind}")
        assert line in caplog.text


@pytest.mark.slow
def test_a_worker_is_replaced_after_two_renders(pool: Serve) -> None:
    """``MPLSTREAM_WORKER_RENDERS`` limits the memory that figure functions leak."""
    client = pool(MPLSTREAM_WORKERS=1, MPLSTREAM_WORKER_RENDERS=2)
    answers = [client.get("/plots/pid").text for _ in range(6)]
    assert [answers.count(pid) for pid in dict.fromkeys(answers)] == [2, 2, 2]


@pytest.mark.slow
def test_any_request_starts_preloaded_workers(pool: Serve) -> None:
    """They start in the background."""
    client = pool(MPLSTREAM_PRELOAD=True)
    client.get("/no/such/page")
    for thread in threading.enumerate():
        if thread.name == "mplstream-preload":
            thread.join(10)
    names = [thread.name for thread in threading.enumerate()]
    assert sum("pool_manager_loop" in name for name in names) == 2


@pytest.mark.slow
def test_a_starting_worker_is_not_killed_at_a_timeout(
    pool: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later request finds it ready."""
    monkeypatch.setattr("flask_mplstream.workers.process_pool.FREE_START_S", 0)
    began: list[KeptContext] = []
    start = KeptContext.Process

    def started(context: KeptContext, *args: Any, **kwargs: Any) -> Any:
        began.append(context)
        return start(context, *args, **kwargs)

    monkeypatch.setattr(KeptContext, "Process", started)
    client = pool(
        MPLSTREAM_WORKERS=1, MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app"
    )
    for _ in range(3):
        answer = client.get("/plots/hasty")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "1"
    assert client.get("/plots/grey").status_code == 200
    assert len(began) == 1


@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, 30])
def test_the_start_of_workers_does_not_count_against_timeouts(
    pool: Serve, budget: int | None
) -> None:
    """Leaders, followers and queued requests wait longer than ``timeout``."""
    app = pool(
        MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app",
        MPLSTREAM_TIMEOUT=2,
        MPLSTREAM_CLIENT_BUDGET=budget,
    ).application
    with ThreadPoolExecutor(6) as threads:
        urls = [f"/plots/grey?level={n}" for n in (0, 1, 2, 3, 0, 1)]
        answers = list(threads.map(lambda url: app.test_client().get(url), urls))
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.slow
def test_a_long_start_of_workers_counts_against_timeouts(
    pool: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server limits requests as well."""
    monkeypatch.setattr("flask_mplstream.workers.process_pool.FREE_START_S", 0.1)
    client = pool(
        MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app", MPLSTREAM_TIMEOUT=0.5
    )
    assert client.get("/plots/grey").status_code == 503


def test_the_clock_stops_while_the_first_worker_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It stops for a limited time, and not for a further worker."""
    now, is_up = 0.0, False
    monkeypatch.setattr(
        "flask_mplstream.workers.process_pool.time.monotonic", lambda: now
    )
    clock = StartClock(lambda: is_up)

    def at(seconds: float, change: Callable[[], None]) -> float:
        nonlocal now
        now = seconds
        change()
        return clock()

    assert at(1, clock.stop) == at(3, clock.stop) == at(6, clock.resume) == 1
    assert at(7, clock.stop) == 2
    assert at(8 + FREE_START_S, clock.resume) == 3
    is_up = True
    assert at(9 + FREE_START_S, clock.stop) == 4
    assert at(10 + FREE_START_S, clock.stop) == 5


@pytest.mark.slow
def test_queued_requests_wait_for_a_starting_worker(
    pool: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait longer than the part of ``timeout`` in which a render must begin."""
    monkeypatch.setattr("flask_mplstream.workers.process_pool.FREE_START_S", 0)
    monkeypatch.setattr("flask_mplstream.workers.process_pool.LATEST_START", 0.02)
    app = pool(
        MPLSTREAM_WORKERS=1,
        MPLSTREAM_TIMEOUT=100,  # That part is 2 seconds; the start takes over 3.
        MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app",
    ).application
    with ThreadPoolExecutor(6) as threads:
        urls = [f"/plots/grey?level={n}" for n in range(6)]
        answers = list(threads.map(lambda url: app.test_client().get(url), urls))
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.slow
def test_a_render_that_begins_late_is_not_killed(
    pool: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request gets a 503, and the next one finds the same worker."""
    monkeypatch.setattr("flask_mplstream.workers.process_pool.FREE_START_S", 0)
    killed: list[str] = []
    client = pool(
        MPLSTREAM_WORKERS=1, MPLSTREAM_APP="tests.apps.worker_figures:create_slow_app"
    )
    with worker_killed.connected_to(lambda _, reason: killed.append(reason)):
        answers = [client.get("/plots/late")]
        while answers[-1].status_code == 503 and len(answers) < 60:
            answers.append(client.get("/plots/late"))
    assert answers[0].status_code == 503
    assert answers[0].headers["Retry-After"] == "1"
    assert answers[-1].status_code == 200
    assert killed == []


@pytest.mark.slow
def test_a_render_of_a_stopped_pool_is_refused_at_once(
    pool: Serve, tmp_path: Path
) -> None:
    """Its worker is killed."""
    app = pool(MPLSTREAM_WORKERS=1).application
    app.test_client().get("/plots/grey")
    with ThreadPoolExecutor(1) as threads:
        url = f"/plots/slow?renders={tmp_path}/begun&until={tmp_path}/go"
        asked = threads.submit(app.test_client().get, url)
        wait_until((tmp_path / "begun").exists)
        plots.close(app)
        assert asked.result(30).status_code == 503


@pytest.mark.slow
def test_a_stopped_pool_leaves_no_process() -> None:
    """A request may begin as the pool stops."""
    startup = Startup(memory_bytes=2**30, app_name=None, modules=())
    stopped = Pool(1, startup, max_renders=0, on_killed=print)
    stopped.stop()
    before = set(multiprocessing.active_children())
    with pytest.raises(OverloadedError, match="stopped"):
        stopped.run(b"", Deadline(30, stopped.clock))
    started = set(multiprocessing.active_children()) - before
    stopped.stop()
    assert wait_for_exit(*(process.pid for process in started if process.pid))


@pytest.mark.slow
def test_a_request_without_a_free_worker_is_a_503(pool: Serve, tmp_path: Path) -> None:
    """It waits until its ``timeout``; hits do not wait."""
    quick = FigureBlueprint("quick", __name__)
    quick.figure_route("/quick", timeout=0.3)(grey_by_name)
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=1, MPLSTREAM_TIMEOUT=60)
    app.register_blueprint(plots)
    app.register_blueprint(quick)
    client = app.test_client()
    client.get("/plots/grey")
    with ThreadPoolExecutor(1) as threads:
        url = f"/plots/slow?renders={tmp_path}/begun&until={tmp_path}/go"
        slow = threads.submit(lambda: app.test_client().get(url))
        wait_until((tmp_path / "begun").exists)
        answer = client.get("/quick?level=1")
        assert client.get("/plots/grey").status_code == 200
        (tmp_path / "go").touch()
        assert slow.result().status_code == 200
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    stop_workers(app)


def grey_by_name(level: int = 0) -> Figure:
    return grey(level)


def test_the_memory_limit_excludes_the_imports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A lower hard limit is kept."""
    import resource

    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limit: limits.append(limit))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (-1, -1))
    limit_memory(2**30)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (-1, 1000))
    limit_memory(2**30)
    assert limits[0][0] > 2**30
    assert limits[0][1] == -1
    assert limits[1] == (1000, 1000)
