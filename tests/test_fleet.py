"""Worker processes under real servers and real kills: who answers, who stays.

Everything here is read from /proc: a server gets a mark in its environment,
which all that descends from it inherits, whoever its parent is by then.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from operator import ge, sub
from pathlib import Path
from statistics import quantiles
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.apps.fleet_figures import ENDLESS_S
from tests.support.paths import ROOT
from tests.support.pictures import pixels
from tests.support.servers import Server, free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")

#: Seconds that any render may take here, the start of a worker on top.
LONGEST_S = 5.0
#: Seconds in which the processes of a server that was killed are gone.
GONE_S = 2.0
#: Seconds in which a pool that lost a worker has another one.
WHOLE_S = 1.0
#: On a machine with other work, for what has no time of its own.
PATIENCE_S = 20.0
MB = 2**20


class Process(NamedTuple):
    """A process as /proc has it."""

    pid: int
    parent: int
    state: str
    command: str


class Answer(NamedTuple):
    """What a server said, and when."""

    status: int
    body: bytes
    web: int
    headers: dict[str, str]
    seconds: float

    @property
    def colour(self) -> int:
        """What the picture was made of."""
        assert self.status == 200, self.body
        red, green, blue = map(int, pixels(self.body)[0, 0, :3])
        return red << 16 | green << 8 | blue


class Record(NamedTuple):
    """A line that a figure function, or the app, wrote."""

    pid: int
    what: str
    more: str


def process(folder: Path) -> Process | None:
    """The process that *folder* of /proc is about, if it is still there."""
    with suppress(OSError):
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return Process(int(folder.name), int(parent), state, command)
    return None


def has_environment(folder: Path, text: bytes) -> bool:
    with suppress(OSError):
        return text in (folder / "environ").read_bytes()
    return False


def wait_until(is_so: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Look until *is_so*; fail after *timeout_s* seconds of an idle machine."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < in_time(timeout_s), f"not in {timeout_s} s"
        time.sleep(0.01)


def in_time(seconds: float) -> float:
    """*seconds* of an idle machine, here: with other work, all takes longer."""
    return seconds * max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


class Fleet:
    """A server's processes, its port, and what its figures have recorded."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.master = 0
        self._mark = f"FLEET_MARK={uuid4().hex}"
        self._file = folder / f"record{self.port}"
        self._file.touch()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that the server must have."""
        name, _, value = self._mark.partition("=")
        return {name: value, "FLEET_RECORD": str(self._file)}

    def processes(self) -> list[Process]:
        """All that descend from the server; those that have ended, with state Z."""
        folders = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        mark = self._mark.encode()
        pids = {int(path.name) for path in folders if has_environment(path, mark)}

        def is_ours(found: Process) -> bool:
            # Who has ended has no environment any more, only a parent.
            return found.pid in pids or (found.state == "Z" and found.parent in pids)

        return [found for found in map(process, folders) if found and is_ours(found)]

    def left(self) -> list[Process]:
        """Processes that have not ended."""
        return [process for process in self.processes() if process.state != "Z"]

    def webs(self) -> list[int]:
        """The web processes."""
        return [p.pid for p in self.left() if self._is_web(p)]

    def _is_web(self, process: Process) -> bool:
        return process.parent == self.master and "gunicorn" in process.command

    def workers(self, web: int) -> set[int]:
        """The workers of *web*: children of its fork server, or spawned."""
        all_of_them = self.left()
        servers = {
            process.pid
            for process in all_of_them
            if process.parent == web and "forkserver" in process.command
        }
        return {
            process.pid
            for process in all_of_them
            if process.parent in servers
            or (process.parent == web and "spawn_main" in process.command)
        }

    def descendants(self, pid: int) -> set[int]:
        """*pid* and all that it started, directly or not."""
        found, all_of_them = {pid}, self.left()
        for _ in all_of_them:
            found |= {p.pid for p in all_of_them if p.parent in found}
        return found

    def records(self, what: str) -> list[Record]:
        """The lines about *what*, in order."""
        lines = (line.split(" ", 2) for line in self._file.read_text().splitlines())
        records = [Record(int(pid), kind, more) for pid, kind, more in lines]
        return [record for record in records if record.what == what]

    def ask(self, path: str) -> Answer:
        """One request on a connection of its own."""
        timeout_s = in_time(2 * PATIENCE_S)
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        began = time.monotonic()
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body, headers = response.read(), dict(response.headers)
        finally:
            connection.close()
        seconds = time.monotonic() - began
        return Answer(response.status, body, int(headers["X-Web"]), headers, seconds)

    def ask_all(self, paths: Iterable[str], threads: int = 4) -> list[Answer]:
        """Every path, some of them at the same time."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.ask, paths))

    def kill_all(self) -> None:
        """For a test that failed: end what the server left."""
        for process in self.left():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextmanager
def gunicorn(
    folder: Path, *options: str, factory: str = "create_app()", **settings: int
) -> Iterator[Fleet]:
    """gunicorn with workers; when it has been stopped, no process is left."""
    fleet = Fleet(folder)
    environment = {f"FLASK_{k}": json.dumps(value) for k, value in settings.items()}
    command = [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{fleet.port}"]
    command += [*options, f"tests.apps.fleet_figures:{factory}"]
    environment |= fleet.environment
    try:
        with Server(
            *command, port=fleet.port, keeps_group=True, environment=environment
        ) as running:
            fleet.master = running.pid
            wait_until(fleet.webs)
            yield fleet
        wait_until(lambda: not fleet.left(), GONE_S)
    finally:
        fleet.kill_all()


THREADS = ("--worker-class", "gthread", "--threads", "4")
RENDERED = "create_rendered_app()"


def answers_of_all(fleet: Fleet, webs: int = 2) -> list[Answer]:
    """Pictures, until every web process has rendered one; all of them right."""
    answers: list[Answer] = []
    for first in range(100, 1000, 4):
        paths = [f"/slow?seconds=0.1&n={n}" for n in range(first, first + 4)]
        answers += fleet.ask_all(paths)
        if len({answer.web for answer in answers}) == webs:
            break
    assert [answer.colour for answer in answers] == list(range(100, first + 4))
    return answers


# --- Kinds of servers -----------------------------------------------------

SERVERS = [
    pytest.param(("--worker-class", "sync"), "create_app()", id="sync"),
    pytest.param(("--worker-class", "sync", "--preload"), RENDERED, id="sync-rendered"),
    pytest.param(THREADS, "create_app()", id="gthread"),
    pytest.param((*THREADS, "--preload"), "create_app()", id="gthread-preload"),
    pytest.param((*THREADS, "--preload"), RENDERED, id="gthread-rendered"),
    pytest.param(
        ("--worker-class", "sync", "--preload"), "create_app()", id="sync-preload"
    ),
]


@pytest.mark.parametrize(("options", "factory"), SERVERS)
def test_every_web_process_renders_by_a_worker_of_its_own(
    tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    """Also where it was forked from one that had rendered; and none waits long."""
    options = ("--workers", "2", *options)
    with gunicorn(tmp_path, *options, factory=factory, MPLSTREAM_WORKERS=1) as fleet:
        answers = answers_of_all(fleet)
        assert max(answer.seconds for answer in answers) < in_time(LONGEST_S)
        one, other = (fleet.workers(web) for web in fleet.webs())
        assert len(one) == len(other) == 1
        assert one != other
        by = {record.pid for record in fleet.records("slow")}
        assert by == one | other


def test_the_end_of_a_child_is_not_the_end_of_its_masters_workers(
    tmp_path: Path,
) -> None:
    """A web process stops what it started, and not what it was told of by a fork."""
    options = (*THREADS, "--preload")
    with gunicorn(tmp_path, *options, factory=RENDERED, MPLSTREAM_WORKERS=1) as fleet:
        [web], masters = fleet.webs(), fleet.workers(fleet.master)
        assert len(masters) == 1
        assert fleet.ask("/quick?n=2").colour == 2
        os.kill(web, signal.SIGTERM)
        wait_until(lambda: fleet.webs() not in ([], [web]))
        assert fleet.workers(fleet.master) == masters


def test_a_module_may_render_while_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker imports it as well, and starts no workers to do so."""
    monkeypatch.setenv("FLEET_AT_IMPORT", "1")
    with gunicorn(tmp_path, *THREADS, factory="app", MPLSTREAM_WORKERS=1) as fleet:
        answer = fleet.ask("/quick?n=2")
        assert answer.colour == 2
        assert answer.seconds < in_time(LONGEST_S)
        [worker] = fleet.workers(answer.web)
        assert fleet.descendants(worker) == {worker}


def test_workers_start_with_the_first_page(tmp_path: Path) -> None:
    """They are there before any picture is asked for."""
    with gunicorn(tmp_path, *THREADS, MPLSTREAM_WORKERS=2) as fleet:
        page = fleet.ask("/page")
        assert page.seconds < in_time(LONGEST_S)
        wait_until(lambda: len(fleet.workers(page.web)) == 2)
        assert int(fleet.ask("/pid").body) in fleet.workers(page.web)


@contextmanager
def busy_machine(seconds: float) -> Iterator[None]:
    """Have a process on each core that computes, for *seconds* at most."""
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


def test_the_first_page_of_a_busy_machine_is_complete(tmp_path: Path) -> None:
    """Right after the start: pictures wait for the workers, and none is refused."""
    # Another load of the machine than the test's own is no matter of the default.
    timeout_s = int(in_time(10))
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


def test_workers_start_with_a_hook_of_the_server(tmp_path: Path) -> None:
    """``start_workers``: they are there before any request."""
    config = tmp_path / "gunicorn.conf.py"
    config.write_text(
        "import flask_mplstream\n"
        "def post_worker_init(worker):\n"
        "    flask_mplstream.start_workers(worker.app.wsgi())\n"
    )
    options = ("--workers", "2", "--config", str(config), *THREADS)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        wait_until(lambda: len(fleet.webs()) == 2)
        for web in fleet.webs():
            wait_until(lambda: len(fleet.workers(web)) == 1)  # noqa: B023
        assert not fleet.records("asked")
        answer = fleet.ask("/pid")
        assert fleet.workers(answer.web) == {int(answer.body)}


# --- Nobody is left -------------------------------------------------------


@contextmanager
def asked(fleet: Fleet, paths: Iterable[str]) -> Iterator[None]:
    """Ask for *paths*, which nobody will answer, while the block runs."""

    def ask(path: str) -> None:
        with suppress(OSError, HTTPException):
            fleet.ask(path)

    with ThreadPoolExecutor(4) as pool:
        for path in paths:
            pool.submit(ask, path)
        yield


#: One holds the interpreter's lock; both have started a process.
ENDLESS = ("/wait", "/wait?native=1")
#: As those, but both hold it.
NATIVE = ("/wait?native=1&n=1", "/wait?native=1&n=2")
MASTERS = [
    pytest.param((), "create_app()", id=""),
    pytest.param(("--preload",), RENDERED, id="rendered"),
]


@pytest.mark.parametrize(("options", "factory"), MASTERS)
def test_nobody_survives_a_web_process_that_is_killed(
    tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    """SIGKILL while figures hang: the next web process has workers of its own."""
    options = (*THREADS, *options)
    with gunicorn(tmp_path, *options, factory=factory, MPLSTREAM_WORKERS=2) as fleet:
        [web] = fleet.webs()
        with asked(fleet, ENDLESS):
            wait_until(lambda: len(fleet.records("wait")) == 2)
            its_own = fleet.descendants(web)
            started = {int(record.more) for record in fleet.records("wait")}
            assert started < its_own
            os.kill(web, signal.SIGKILL)
            wait_until(lambda: not its_own & {p.pid for p in fleet.left()}, GONE_S)
        wait_until(lambda: len(fleet.webs()) == 1)
        assert fleet.ask("/quick?n=7").colour == 7


@pytest.mark.parametrize(("options", "factory"), MASTERS)
def test_nobody_survives_a_server_that_is_killed(
    tmp_path: Path, options: tuple[str, ...], factory: str
) -> None:
    """SIGKILL of the master and of all web processes while figures hang."""
    options = ("--workers", "2", *THREADS, *options)
    with gunicorn(tmp_path, *options, factory=factory, MPLSTREAM_WORKERS=2) as fleet:
        with asked(fleet, ENDLESS):
            wait_until(lambda: len(fleet.records("wait")) == 2)
            for pid in (fleet.master, *fleet.webs()):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not fleet.left(), GONE_S)


def test_nobody_survives_whose_helpers_were_killed_before(tmp_path: Path) -> None:
    """SIGKILL of all but the fork server, and later of the web process."""
    with gunicorn(tmp_path, *THREADS, MPLSTREAM_WORKERS=2) as fleet:
        numbers = Numbers(iter(range(100)))
        assert_whole(fleet, numbers)
        [web] = fleet.webs()
        helpers = [process for process in fleet.left() if process.parent == web]
        for helper in helpers:
            if "forkserver" not in helper.command:
                os.kill(helper.pid, signal.SIGKILL)
        os.kill(min(fleet.workers(web)), signal.SIGKILL)
        assert_whole(fleet, numbers)  # One is new, and one is older than its helpers.
        with asked(fleet, NATIVE):
            wait_until(lambda: len(fleet.records("wait")) == 2)
            its_own = fleet.descendants(web)
            os.kill(web, signal.SIGKILL)
            wait_until(lambda: not its_own & {p.pid for p in fleet.left()}, GONE_S)


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["", "preload"])
def test_nobody_survives_a_reload(tmp_path: Path, options: tuple[str, ...]) -> None:
    """SIGHUP: the web processes are replaced, and so are their workers."""
    options = (*THREADS, *options)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=2) as fleet:
        answers_of_all(fleet, webs=1)
        [web] = fleet.webs()
        before = fleet.descendants(web)
        assert len(before) > 2
        os.kill(fleet.master, signal.SIGHUP)
        wait_until(lambda: not before & {p.pid for p in fleet.left()})
        wait_until(fleet.webs)
        assert fleet.ask("/quick?n=7").colour == 7


def test_nobody_survives_web_processes_that_are_replaced(tmp_path: Path) -> None:
    """``--max-requests``: one after the other ends with its workers."""
    options = (*THREADS, "--max-requests", "2")
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        seen: set[int] = set()
        for n in range(8):
            answer = fleet.ask(f"/quick?n={n}")
            assert answer.colour == n
            seen.add(answer.web)
        assert len(seen) > 2

        def is_alone() -> bool:
            webs, old = fleet.webs(), [p for p in fleet.left() if p.parent == 1]
            if len(webs) != 1 or old or (seen - set(webs)) & alive():
                return False
            # Its worker may be starting just now.
            return alive() - {fleet.master} == fleet.descendants(webs[0])

        def alive() -> set[int]:
            return {process.pid for process in fleet.left()}

        wait_until(is_alone)


def test_nobody_survives_a_stop_that_takes_too_long(tmp_path: Path) -> None:
    """SIGTERM while figures hang: the server ends after its graceful timeout."""
    options = ("--graceful-timeout", "1", *THREADS)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=2) as fleet:
        with asked(fleet, ENDLESS):
            wait_until(lambda: len(fleet.records("wait")) == 2)
            os.kill(fleet.master, signal.SIGTERM)
        wait_until(lambda: not fleet.left(), 1 + GONE_S)


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


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("normal", 0),
        ("exception", 1),
        ("exit", 3),
        ("SIGINT", -signal.SIGINT),
        ("SIGTERM", -signal.SIGTERM),
        ("SIGKILL", -signal.SIGKILL),
    ],
)
def test_nobody_survives_a_script(tmp_path: Path, end: str, code: int) -> None:
    """However it ends, while figures hang."""
    fleet, script = Fleet(tmp_path), tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = {"PYTHONPATH": str(ROOT), "FLASK_MPLSTREAM_WORKERS": "2"}
    try:
        ended = subprocess.run(
            [sys.executable, script, end],
            env={**os.environ, **fleet.environment, **environment},
            capture_output=True,
            timeout=in_time(PATIENCE_S),
            check=False,
        )
        assert ended.returncode == code, ended.stderr
        assert b"Exception ignored" not in ended.stderr
        assert len(fleet.records("wait")) == 2
        wait_until(lambda: not fleet.left(), GONE_S)
    finally:
        fleet.kill_all()


@pytest.mark.parametrize(
    ("options", "accepted"),
    [
        pytest.param(("--worker-class", "sync"), 2, id="sync"),
        pytest.param(THREADS, 8, id="gthread"),
    ],
)
def test_a_graceful_stop_under_load_finishes_what_was_asked(
    tmp_path: Path, options: tuple[str, ...], accepted: int
) -> None:
    """SIGTERM: whoever a web process was working for gets the picture."""
    options = ("--workers", "2", *options)
    with gunicorn(tmp_path, *options, MPLSTREAM_WORKERS=1) as fleet:
        answers_of_all(fleet)
        before = len(fleet.records("asked"))
        with ThreadPoolExecutor(accepted) as pool:
            asked = {n: pool.submit(fleet.ask, f"/slow?n={n}") for n in range(accepted)}
            wait_until(lambda: len(fleet.records("asked")) == before + accepted)
            began = time.monotonic()
            os.kill(fleet.master, signal.SIGTERM)
            assert {n: answer.result().colour for n, answer in asked.items()} == {
                n: n for n in asked
            }
        wait_until(lambda: not fleet.left(), PATIENCE_S)
        assert time.monotonic() - began < in_time(PATIENCE_S)


# --- One server for the rest: whatever happens to its pool, it goes on ----

POOL = 2
ROOM = 6


@dataclass(frozen=True)
class Numbers:
    """Arguments that no test has asked for."""

    _next: Iterator[int]

    def take(self, count: int) -> list[int]:
        return [next(self._next) for _ in range(count)]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """One web process with many threads and a pool of two."""
    with gunicorn(
        tmp_path_factory.mktemp("fleet"),
        *("--worker-class", "gthread", "--threads", "24"),
        MPLSTREAM_WORKERS=POOL,
        MPLSTREAM_WORKER_BYTES=512 * MB,
        MPLSTREAM_MAX_PENDING=ROOM,
    ) as running:
        assert_whole(running, Numbers(iter(range(10**6, 2 * 10**6))))
        yield running


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers(iter(range(10**6)))


def assert_whole(fleet: Fleet, numbers: Numbers) -> None:
    """The pool renders as many pictures at once as it has workers, and is no larger."""
    paths = [f"/slow?seconds=0.5&n={n}" for n in numbers.take(POOL)]
    answers = fleet.ask_all(paths)
    assert {answer.status for answer in answers} == {200}
    assert len({record.pid for record in fleet.records("slow")[-POOL:]}) == POOL
    wait_until(lambda: len(fleet.workers(answers[0].web)) == POOL)
    wait_until(lambda: all(p.state != "Z" for p in fleet.processes()), GONE_S)


def test_a_worker_that_is_killed_costs_one_retry(
    fleet: Fleet, numbers: Numbers
) -> None:
    """SIGKILL in the middle: answered, others are not held up, the pool is whole."""
    victim, other = numbers.take(2)
    [web] = fleet.webs()
    with ThreadPoolExecutor(POOL) as pool:
        answers = [
            pool.submit(fleet.ask, f"/slow?seconds=1.5&n={n}") for n in (victim, other)
        ]

        def rendering(n: int) -> list[int]:
            return [r.pid for r in fleet.records("slow") if r.more == str(n)]

        wait_until(lambda: rendering(victim) and rendering(other))
        [killed] = rendering(victim)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(rendering(victim)) == 2, WHOLE_S)
        wait_until(lambda: len(fleet.workers(web) - {killed}) == POOL, WHOLE_S)
        assert fleet.ask(f"/slow?seconds=1.5&n={other}").colour == other
        assert [answer.result().colour for answer in answers] == [victim, other]
    assert len(rendering(victim)) == 2
    assert len(rendering(other)) == 1
    assert answers[1].result().seconds < 1.5 + in_time(WHOLE_S)


@pytest.mark.parametrize("name", ["forkserver", "resource_tracker"])
def test_a_helper_that_is_killed_costs_one_retry(
    fleet: Fleet, numbers: Numbers, name: str
) -> None:
    """SIGKILL of what starts workers, and of what tidies up after them."""
    [web], asked = fleet.webs(), numbers.take(POOL)
    helpers = [p.pid for p in fleet.left() if p.parent == web and name in p.command]
    before = len(fleet.records("slow"))
    with ThreadPoolExecutor(POOL) as pool:
        answers = [pool.submit(fleet.ask, f"/slow?seconds=1&n={n}") for n in asked]
        wait_until(lambda: len(fleet.records("slow")) == before + POOL)
        os.kill(helpers[0], signal.SIGKILL)
        assert [answer.result().colour for answer in answers] == asked
    for worker in fleet.workers(web):  # The next ones need the helper again.
        os.kill(worker, signal.SIGKILL)
    assert_whole(fleet, numbers)


def holdings(pid: int) -> tuple[int, ...]:
    """How many threads *pid* has, and how many open files."""
    return tuple(len(os.listdir(f"/proc/{pid}/{kind}")) for kind in ("task", "fd"))


class Killer:
    """Kills workers of a fleet at random, but never two for one request."""

    def __init__(self, fleet: Fleet, clients: int, seed: int) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        [self._web] = fleet.webs()
        #: Answers that each client has got.
        self.answers = [0] * clients
        self.kills = 0

    def kill(self, times: int, clients: list[Future[None]]) -> None:
        """Kill *times*, each after some answers to each of *clients*."""
        while self.kills < times:
            least = [n + self._random.randint(1, 6) for n in self.answers]
            while not all(map(ge, self.answers, least)):
                if any(client.done() for client in clients):
                    return  # It has failed, and says why.
                time.sleep(0.01)
            time.sleep(self._random.uniform(0, 0.02))
            workers = sorted(self._fleet.workers(self._web))
            with suppress(ProcessLookupError, IndexError):
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.kills += 1


def test_workers_killed_at_random_lose_no_request(
    fleet: Fleet, numbers: Numbers
) -> None:
    """30 kills in 500 renders or more for four clients: every picture is right.

    The web process keeps nothing of those that are dead, no thread and no pipe.
    """
    killer = Killer(fleet, clients=4, seed=5)
    [web] = fleet.webs()
    held = holdings(web)

    def client(number: int) -> None:
        for n in numbers_of[number]:
            if killer.kills == 30 and killer.answers[number] >= 125:
                return
            assert fleet.ask(f"/quick?n={n}").colour == n
            killer.answers[number] += 1

    numbers_of = [numbers.take(1000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, number) for number in range(4)]
        killer.kill(30, clients)
        for done in clients:
            done.result()
    assert killer.kills == 30
    assert sum(killer.answers) >= 500
    assert_whole(fleet, numbers)
    wait_until(lambda: max(map(sub, holdings(web), held)) < 10, GONE_S)


def test_one_that_hangs_among_fifty_is_the_only_one_that_fails(
    fleet: Fleet, numbers: Numbers
) -> None:
    """It is killed in time, with what it started, and the pool is whole again."""
    [fatal] = numbers.take(1)
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(fleet.ask, f"/hang?n={fatal}")
        wait_until(lambda: fleet.records("hang"))
        fifty = numbers.take(50)
        answers = fleet.ask_all(f"/quick?n={n}" for n in fifty)
        assert [answer.colour for answer in answers] == fifty
        answer = hung.result()
    assert answer.status == 504
    assert answer.seconds < ENDLESS_S + in_time(1)
    [record] = fleet.records("hang")
    ended = {record.pid, int(record.more)}
    wait_until(lambda: not ended & {p.pid for p in fleet.left()}, GONE_S)
    assert_whole(fleet, numbers)


def test_a_figure_that_kills_its_workers_is_an_error(
    fleet: Fleet, numbers: Numbers
) -> None:
    """After two of them; the pool is whole again."""
    assert fleet.ask("/die").status == 500
    assert_whole(fleet, numbers)


# --- Overload -------------------------------------------------------------

#: Seconds of each of the phases, which take turns: a noisy machine is noisy in all.
PHASE_S = 2.0


def render_s(answers: Iterable[Answer]) -> float:
    """Seconds in which workers rendered *answers*, as each of them says."""
    steps = [
        step
        for answer in answers
        if answer.status == 200
        for step in answer.headers["Server-Timing"].split(", ")
    ]
    assert steps
    return sum(
        float(step.rpartition("=")[2]) / 1000
        for step in steps
        if not step.startswith("wait;")
    )


def processor_s(pid: int) -> float:
    """Seconds that *pid* has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """Phases of one kind: the answers, and what they took."""

    fleet: Fleet
    numbers: Numbers
    answers: list[Answer] = field(default_factory=list)
    hits: list[Answer] = field(default_factory=list)
    seconds: float = 0
    web_s: float = 0

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Count the time of the block."""
        [web] = self.fleet.webs()
        began, web_began = time.monotonic(), processor_s(web)
        yield
        self.seconds += time.monotonic() - began
        self.web_s += processor_s(web) - web_began

    def ask(self) -> Answer:
        """Ask for a new picture."""
        answer = self.fleet.ask(f"/busy?n={self.numbers.take(1)[0]}")
        self.answers.append(answer)
        return answer

    def fill(self) -> None:
        """Ask for as many at a time as there is room for."""
        until = time.monotonic() + PHASE_S

        def client(_: int) -> None:
            while time.monotonic() < until:
                self.ask()

        with self.phase(), ThreadPoolExecutor(POOL + 2) as pool:
            list(pool.map(client, range(POOL + 2)))

    def overfill(self, per_second: float) -> None:
        """Ask for *per_second*, and for an old one now and then."""
        with self.phase(), ThreadPoolExecutor(20) as pool:
            began = time.monotonic()
            for number in range(int(per_second * PHASE_S)):
                time.sleep(max(began + number / per_second - time.monotonic(), 0))
                if number % 5 == 0:
                    pool.submit(lambda: self.hits.append(self.fleet.ask("/quick?n=0")))
                pool.submit(self.ask)

    @property
    def pictures(self) -> int:
        """New pictures that came."""
        return sum(answer.status == 200 for answer in self.answers)

    @property
    def use(self) -> float:
        """Part of the workers' time that went into pictures that were sent."""
        return render_s(self.answers) / (POOL * self.seconds)

    @property
    def web_cost_s(self) -> float:
        """Processor time of the web process for an answer."""
        return self.web_s / len(self.answers + self.hits)


def test_four_times_too_much_is_refused_and_not_waited_for(
    fleet: Fleet, numbers: Numbers, record_property: Callable[[str, object], None]
) -> None:
    """The rest is told to come again; hits go on, and as much is rendered as before.

    Pictures per second depend on what else the machine does. So this looks at the time
    of the workers, which goes into pictures as before, and at the processor time of the
    web process, for which a refusal is cheaper than a picture.
    """
    fleet.ask("/quick?n=0")
    full, over = Load(fleet, numbers), Load(fleet, numbers)
    for _ in range(3):
        full.fill()
        over.overfill(4 * full.pictures / full.seconds)
    assert {answer.status for answer in full.answers} == {200}
    assert {answer.status for answer in over.answers} == {200, 503}
    refused = [answer for answer in over.answers if answer.status == 503]
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {hit.status for hit in over.hits} == {200}
    waits = [answer.seconds for answer in refused]
    numbers_seen = {
        "capacity": full.pictures / full.seconds,
        "goodput": over.pictures / over.seconds,
        "capacity_use": full.use,
        "goodput_use": over.use,
        "capacity_web_ms": full.web_cost_s * 1000,
        "overload_web_ms": over.web_cost_s * 1000,
        "hits_p99_s": quantiles([hit.seconds for hit in over.hits], n=100)[-1],
        "refusals_p99_s": quantiles(waits, n=100)[-1],
    }
    for name, value in numbers_seen.items():
        record_property(name, value)
        print(f"{name} {value:.3f}")
    assert numbers_seen["hits_p99_s"] < in_time(1)
    assert over.use >= 0.7 * full.use
    assert over.web_cost_s < full.web_cost_s
    assert_whole(fleet, numbers)


def test_no_render_is_begun_that_must_be_killed(fleet: Fleet, numbers: Numbers) -> None:
    """Who has waited for long is refused: a worker's time is for those it can serve."""
    [web] = fleet.webs()
    workers, until = fleet.workers(web), time.monotonic() + 5

    def client(_: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while time.monotonic() < until:
            status = fleet.ask(f"/patient?n={numbers.take(1)[0]}").status
            statuses[status] += 1
            time.sleep(0 if status == 200 else 0.3)
        return statuses

    with ThreadPoolExecutor(12) as pool:
        statuses = sum(pool.map(client, range(12)), Counter[int]())
    assert set(statuses) == {200, 503}
    assert statuses[200] == len(fleet.records("patient"))
    assert fleet.workers(web) == workers


# --- Bombs ----------------------------------------------------------------


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("bomb", "statuses"),
    [
        pytest.param("points", {500, 504}, id="10^7-points"),
        pytest.param("bins", {500, 504}, id="10^5-bins"),
        pytest.param("ticks", {500, 504}, id="10^7-ticks"),
        pytest.param("subplots", {504}, id="60x60-subplots"),
        pytest.param("title", {500, 504}, id="10^6-characters"),
        pytest.param("pixels", {500}, id="10^10-pixels"),
    ],
)
def test_a_bomb_ends_with_its_render(
    fleet: Fleet, numbers: Numbers, bomb: str, statuses: set[int]
) -> None:
    """Refused, out of memory or killed in time; the web process feels nothing."""
    [web], [n] = fleet.webs(), numbers.take(1)
    before = resident_bytes(web)
    answer = fleet.ask(f"/bomb/{bomb}")
    assert answer.status in statuses, answer.body
    assert answer.seconds < ENDLESS_S + in_time(1)
    assert bomb != "pixels" or answer.seconds < in_time(1)
    assert resident_bytes(web) - before < 16 * MB
    after = fleet.ask(f"/quick?n={n}")
    assert after.colour == n
    assert after.seconds < in_time(LONGEST_S)
