"""Worker processes under real servers: none outlives its web process.

The processes are read from /proc, see :mod:`tests.support.fleet`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.fleet import (
    GONE_S,
    LONGEST_S,
    PATIENCE_S,
    POOL,
    RENDERED,
    THREADS,
    Fleet,
    Numbers,
    assert_whole,
    gunicorn,
    render_hanging,
    request_from_all,
    scale_limit,
    wait_until,
)
from tests.support.paths import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="requires /proc"),
]

#: Each test starts up to eight processes, which import Matplotlib.
REST = pytest.mark.sweep(rest=True)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one web process with a pool of two."""
    folder = tmp_path_factory.mktemp("plain")
    with gunicorn(folder, *THREADS, MPLSTREAM_WORKERS=POOL) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one web process with a pool of two, and a master with another pool."""
    options = (*THREADS, "--preload")
    with gunicorn(
        tmp_path_factory.mktemp("rendered"),
        *options,
        factory=RENDERED,
        MPLSTREAM_WORKERS=POOL,
    ) as fleet:
        yield fleet


@pytest.fixture(params=["plain", "rendered"])
def either(request: pytest.FixtureRequest) -> Fleet:
    """Run each kind of server."""
    fleet: Fleet = request.getfixturevalue(request.param)
    return fleet


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers(iter(range(10**6)))


# --- Kinds of servers -----------------------------------------------------

SERVERS = [
    pytest.param(("--worker-class", "sync"), "create_app()", id="sync"),
    pytest.param((*THREADS, "--preload"), RENDERED, id="gthread-rendered"),
    pytest.param(THREADS, "create_app()", marks=REST, id="gthread"),
    pytest.param(
        (*THREADS, "--preload"), "create_app()", marks=REST, id="gthread-preload"
    ),
    pytest.param(
        *(("--worker-class", "sync", "--preload"), RENDERED),
        marks=REST,
        id="sync-rendered",
    ),
    pytest.param(
        *(("--worker-class", "sync", "--preload"), "create_app()"),
        marks=REST,
        id="sync-preload",
    ),
]


@pytest.mark.sweep
@pytest.mark.parametrize(("options", "factory"), SERVERS)
def test_each_web_process_has_separate_workers(
    tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    """The parent may have rendered before the fork."""
    options = ("--workers", "2", *options)
    with gunicorn(tmp_path, *options, factory=factory, MPLSTREAM_WORKERS=1) as fleet:
        answers = request_from_all(fleet)
        assert max(answer.seconds for answer in answers) < scale_limit(LONGEST_S)
        one, other = (fleet.workers(web) for web in fleet.webs())
        assert len(one) == len(other) == 1
        assert one != other
        by = {record.pid for record in fleet.records("slow")}
        assert by == one | other


def test_the_end_of_a_child_keeps_its_masters_workers(
    rendered: Fleet, numbers: Numbers
) -> None:
    """A web process stops only the workers that it started."""
    [web], masters = rendered.webs(), rendered.workers(rendered.master)
    assert masters
    assert_whole(rendered, numbers)
    os.kill(web, signal.SIGTERM)
    wait_until(lambda: web not in rendered.alive() and rendered.webs())
    assert rendered.workers(rendered.master) >= masters


def test_a_module_may_render_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker imports it as well and starts no workers."""
    monkeypatch.setenv("FLEET_AT_IMPORT", "1")
    with gunicorn(tmp_path, *THREADS, factory="app", MPLSTREAM_WORKERS=1) as fleet:
        answer = fleet.ask("/quick?n=2")
        assert answer.colour == 2
        assert answer.seconds < scale_limit(LONGEST_S)
        [worker] = fleet.workers(answer.web)
        assert fleet.descendants(worker) == {worker}


def test_workers_start_with_the_first_page(tmp_path: Path) -> None:
    """They start before a picture is requested."""
    with gunicorn(tmp_path, *THREADS, MPLSTREAM_WORKERS=2) as fleet:
        page = fleet.ask("/page")
        assert page.seconds < scale_limit(LONGEST_S)
        wait_until(lambda: len(fleet.workers(page.web)) == 2)
        assert int(fleet.ask("/pid").body) in fleet.workers(page.web)


@contextmanager
def busy_machine(seconds: float) -> Iterator[None]:
    """Keep each core busy with a process, for *seconds* at most."""
    program = f"import time\nend = time.time() + {seconds}\nwhile time.time() < end: 1"
    busy = [
        subprocess.Popen([sys.executable, "-c", program])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


@REST
def test_the_first_page_on_a_busy_machine_is_complete(tmp_path: Path) -> None:
    """Its pictures wait for the workers, and none is refused."""
    # The default timeout allows for the test's load, not for further load.
    timeout_s = int(scale_limit(10))
    options = ("--workers", "2")
    with (
        busy_machine(60),
        gunicorn(
            tmp_path, *options, MPLSTREAM_WORKERS=2, MPLSTREAM_TIMEOUT=timeout_s
        ) as fleet,
    ):
        fleet.ask("/page")
        answers = fleet.ask_all([f"/first?n={n}" for n in range(6)], threads=6)
        assert [answer.status for answer in answers] == [200] * 6
        assert [answer.colour for answer in answers] == list(range(6))


def test_a_hook_of_the_server_starts_workers(tmp_path: Path) -> None:
    """``start_workers`` starts them before a request."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        "import flask_mplstream\n"
        "def post_worker_init(worker):\n"
        "    flask_mplstream.start_workers(worker.app.wsgi())\n"
    )
    options = ("--config", str(config), *THREADS)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        [web] = fleet.webs()
        wait_until(lambda: len(fleet.workers(web)) == 1)
        assert not fleet.records("request")
        answer = fleet.ask("/pid")
        assert fleet.workers(answer.web) == {int(answer.body)}


# --- No process is left ---------------------------------------------------


#: One render holds the interpreter's lock; both have started a process.
ENDLESS = ("/wait", "/wait?native=1")
#: Both renders hold the interpreter's lock and have started a process.
NATIVE = ("/wait?native=1&n=1", "/wait?native=1&n=2")


def test_no_worker_survives_a_killed_web_process(
    either: Fleet, numbers: Numbers
) -> None:
    """After SIGKILL while figures hang, the next web process has new workers."""
    [web] = either.webs()
    with render_hanging(either, ENDLESS) as started:
        its_own = either.descendants(web)
        assert started < its_own
        os.kill(web, signal.SIGKILL)
        wait_until(lambda: not its_own & either.alive(), GONE_S)
    wait_until(lambda: len(either.webs()) == 1)
    assert_whole(either, numbers)


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("options", "factory"),
    [
        pytest.param(("--preload",), RENDERED, id="rendered"),
        pytest.param((), "create_app()", marks=REST, id=""),
    ],
)
def test_no_worker_survives_a_killed_server(
    tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    """The master and all web processes get SIGKILL while figures hang."""
    options = ("--workers", "2", *THREADS, *options)
    with gunicorn(tmp_path, *options, factory=factory, MPLSTREAM_WORKERS=2) as fleet:
        with render_hanging(fleet, ENDLESS):
            for pid in (fleet.master, *fleet.webs()):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not fleet.alive(), GONE_S)


def test_no_worker_survives_killed_helpers(plain: Fleet, numbers: Numbers) -> None:
    """All but the fork server get SIGKILL, and later the web process."""
    assert_whole(plain, numbers)
    [web] = plain.webs()
    helpers = [process for process in plain.left() if process.parent == web]
    for helper in helpers:
        if "forkserver" not in helper.command:
            os.kill(helper.pid, signal.SIGKILL)
    os.kill(min(plain.workers(web)), signal.SIGKILL)
    assert_whole(
        plain, numbers
    )  # One worker is new, and one is older than its helpers.
    with render_hanging(plain, NATIVE):
        its_own = plain.descendants(web)
        os.kill(web, signal.SIGKILL)
        wait_until(lambda: not its_own & plain.alive(), GONE_S)
    wait_until(lambda: len(plain.webs()) == 1)


def test_no_worker_survives_a_reload(either: Fleet, numbers: Numbers) -> None:
    """SIGHUP replaces the web processes and their workers."""
    assert_whole(either, numbers)
    [web] = either.webs()
    before = either.descendants(web)
    assert len(before) > 2
    os.kill(either.master, signal.SIGHUP)
    wait_until(lambda: not before & either.alive())
    wait_until(lambda: len(either.webs()) == 1)
    assert_whole(either, numbers)


def test_no_worker_survives_a_replaced_web_process(tmp_path: Path) -> None:
    """``--max-requests`` ends each one with its workers."""
    options = (*THREADS, "--preload", "--max-requests", "1")
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        seen: set[int] = set()

        def has_seen_three() -> bool:
            # A web process that ends may still answer a second connection.
            n = len(seen)
            answer = fleet.ask(f"/quick?n={n}")
            assert answer.colour == n
            seen.add(answer.web)
            return len(seen) == 3

        wait_until(has_seen_three)

        def is_alone() -> bool:
            webs, old = fleet.webs(), [p for p in fleet.left() if p.parent == 1]
            if len(webs) != 1 or old or (seen - set(webs)) & fleet.alive():
                return False
            # Its worker may just be starting.
            return fleet.alive() - {fleet.master} == fleet.descendants(webs[0])

        wait_until(is_alone)


def test_no_worker_survives_a_slow_stop(tmp_path: Path) -> None:
    """After SIGTERM while figures hang, the server ends after its graceful timeout."""
    options = ("--graceful-timeout", "1", *THREADS)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=2) as fleet:
        with render_hanging(fleet, ENDLESS):
            os.kill(fleet.master, signal.SIGTERM)
        wait_until(lambda: not fleet.alive(), 1 + GONE_S)


SCRIPT = """
import os, signal, sys, threading, time
from tests.apps.fleet_figures import create_app

def main(end):
    app = create_app()
    assert app.test_client().get("/quick?n=1").status_code == 200
    for path in ("/wait", "/wait?native=1"):
        client = app.test_client()
        threading.Thread(target=client.get, args=[path], daemon=True).start()
    while open(os.environ["FLEET_RECORD"]).read().count(" wait ") < 2:
        time.sleep(0.01)
    match end:
        case "exception":
            raise LookupError("an exception")
        case "exit":
            sys.exit(3)
        case "SIGINT" | "SIGTERM" | "SIGKILL":
            # A shell has it ignored in what it runs in the background.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.kill(os.getpid(), getattr(signal, end))
            time.sleep(10)

if __name__ == "__main__":
    main(sys.argv[1])
"""


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("end", "code"),
    [
        pytest.param("exception", 1, id="exception"),
        pytest.param("SIGKILL", -signal.SIGKILL, id="SIGKILL"),
        pytest.param("normal", 0, marks=REST, id="normal"),
        pytest.param("exit", 3, marks=REST, id="exit"),
        pytest.param("SIGINT", -signal.SIGINT, marks=REST, id="SIGINT"),
        pytest.param("SIGTERM", -signal.SIGTERM, marks=REST, id="SIGTERM"),
    ],
)
def test_no_worker_survives_a_script(tmp_path: Path, end: str, code: int) -> None:
    """The script ends in different ways while figures hang."""
    fleet, script = Fleet(tmp_path), tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {"PYTHONPATH": str(ROOT), "FLASK_MPLSTREAM_WORKERS": "2"}
    try:
        ended = subprocess.run(
            [sys.executable, script, end],
            env={**os.environ, **fleet.environment, **environment},
            capture_output=True,
            timeout=scale_limit(2 * PATIENCE_S),
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        assert b"Exception ignored" not in ended.stderr
        assert len(fleet.records("wait")) == 2
        wait_until(lambda: not fleet.alive(), GONE_S)
    finally:
        fleet.kill_all()


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        pytest.param(THREADS, 8, id="gthread"),
        pytest.param(("--worker-class", "sync"), 2, marks=REST, id="sync"),
    ],
)
def test_a_graceful_stop_under_load_answers_open_requests(
    tmp_path: Path, options: tuple[str, ...], accepted: int
) -> None:
    """A web process ends after SIGTERM and its open requests."""
    options = ("--workers", "2", *options)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        request_from_all(fleet)
        before = len(fleet.records("request"))
        with ThreadPoolExecutor(accepted) as pool:
            asked = {n: pool.submit(fleet.ask, f"/slow?n={n}") for n in range(accepted)}
            wait_until(lambda: len(fleet.records("request")) == before + accepted)
            began = time.monotonic()
            os.kill(fleet.master, signal.SIGTERM)
            assert {n: answer.result().colour for n, answer in asked.items()} == {
                n: n for n in asked
            }
        wait_until(lambda: not fleet.alive(), PATIENCE_S)
        assert time.monotonic() - began < scale_limit(PATIENCE_S)
