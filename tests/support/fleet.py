"""A gunicorn with its processes, found in /proc, and the records of its figures.

A mark in the server's environment identifies its descendants, as they inherit it even
if their parent has ended. Linux only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from tests.support import processes
from tests.support.pictures import pixels
from tests.support.servers import Server, find_free_port

#: The longest timeout of a render, in seconds, without the start of a worker.
LONGEST_S = 5.0
#: Seconds until the processes of a killed server are gone.
GONE_S = 2.0
#: Seconds until a pool has replaced a lost worker.
WHOLE_S = 1.0
#: Seconds for everything without a separate limit.
PATIENCE_S = 10.0
#: The factor of all limits on a busy machine.
OVERLOAD = 5
#: Workers of a pool, unless a test sets another number.
POOL = 2


class Process(NamedTuple):
    """A process, read from /proc."""

    pid: int
    parent: int
    state: str
    command: str


class Answer(NamedTuple):
    """A server's response and its time in seconds."""

    status: int
    body: bytes
    web: int
    headers: dict[str, str]
    seconds: float

    @property
    def colour(self) -> int:
        """The argument of the picture, encoded in its color."""
        assert self.status == 200, self.body
        red, green, blue = map(int, pixels(self.body)[0, 0, :3])
        return red << 16 | green << 8 | blue


class Record(NamedTuple):
    """A line written by a figure function or the app."""

    pid: int
    what: str
    more: str


def read_process(folder: Path) -> Process | None:
    """Return the process of a *folder* in /proc, or ``None`` if it is gone."""
    with suppress(OSError):
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return Process(int(folder.name), int(parent), state, command)
    return None


def has_environment(folder: Path, text: bytes) -> bool:
    """Return whether *text* is in the environment of the process in *folder*."""
    with suppress(OSError):
        return text in (folder / "environ").read_bytes()
    return False


def scale_limit(seconds: float) -> float:
    """Return the limit on this machine for *seconds* on an idle one."""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * max(OVERLOAD, load)


def wait_until(is_so: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Wait until *is_so*; fail after *timeout_s* seconds of an idle machine."""
    # Each check reads all of /proc.
    processes.wait_until(is_so, scale_limit(timeout_s), step_s=0.03)


class Fleet:
    """A server's processes, its port, and the records of its figures."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self.master = 0
        self._mark = f"FLEET_MARK={uuid4().hex}"
        self._file = folder / f"record{self.port}"
        self._file.touch()

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of the server."""
        name, _, value = self._mark.partition("=")
        return {name: value, "FLEET_RECORD": str(self._file)}

    def processes(self) -> list[Process]:
        """Return all descendants of the server; ended ones have the state Z."""
        folders = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
        mark = self._mark.encode()
        pids = {int(path.name) for path in folders if has_environment(path, mark)}

        def is_ours(found: Process) -> bool:
            # An ended process has a parent but no environment.
            return found.pid in pids or (found.state == "Z" and found.parent in pids)

        return [
            found for found in map(read_process, folders) if found and is_ours(found)
        ]

    def left(self) -> list[Process]:
        """Return the processes that have not ended."""
        return [process for process in self.processes() if process.state != "Z"]

    def alive(self) -> set[int]:
        """Return the numbers of the processes that have not ended."""
        return {process.pid for process in self.left()}

    def webs(self) -> list[int]:
        """Return the numbers of the web processes."""
        return [p.pid for p in self.left() if self._is_web(p)]

    def _is_web(self, process: Process) -> bool:
        return process.parent == self.master and "gunicorn" in process.command

    def workers(self, web: int) -> set[int]:
        """Return the workers of *web*: children of its fork server, or spawned."""
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
        """Return *pid* and all its descendants."""
        found, all_of_them = {pid}, self.left()
        for _ in all_of_them:
            found |= {p.pid for p in all_of_them if p.parent in found}
        return found

    def records(self, what: str) -> list[Record]:
        """Return the lines about *what*, in order."""
        lines = (line.split(" ", 2) for line in self._file.read_text().splitlines())
        records = [Record(int(pid), kind, more) for pid, kind, more in lines]
        return [record for record in records if record.what == what]

    def ask(self, path: str) -> Answer:
        """Send one request on a new connection."""
        timeout_s = scale_limit(2 * PATIENCE_S)
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
        """Request every path, several at a time."""
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(self.ask, paths))

    def kill_all(self) -> None:
        """Kill the remaining processes, after a test has failed."""
        for process in self.left():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)


@contextmanager
def gunicorn(
    folder: Path, *options: str, factory: str = "create_app()", **settings: int
) -> Iterator[Fleet]:
    """Run gunicorn; fail if a process is left after it has stopped."""
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
        wait_until(lambda: not fleet.alive(), GONE_S)
    finally:
        fleet.kill_all()


#: Options for several renders at a time in a web process, and the factory of an app
#: that renders before the fork.
THREADS = ("--worker-class", "gthread", "--threads", "4")
RENDERED = "create_rendered_app()"


def request_from_all(fleet: Fleet, webs: int = 2) -> list[Answer]:
    """Request pictures until every web process has rendered one; check each."""
    answers: list[Answer] = []
    for first in range(100, 1000, 4):
        paths = [f"/slow?seconds=0.1&n={n}" for n in range(first, first + 4)]
        answers += fleet.ask_all(paths)
        if len({answer.web for answer in answers}) == webs:
            break
    assert [answer.colour for answer in answers] == list(range(100, first + 4))
    return answers


@contextmanager
def render_hanging(fleet: Fleet, paths: Sequence[str]) -> Iterator[set[int]]:
    """Render *paths*, which hang, during the block.

    :return: the processes that the figures have started.
    """

    def ask(path: str) -> None:
        with suppress(OSError, HTTPException):
            fleet.ask(path)

    before = len(fleet.records("wait"))
    with ThreadPoolExecutor(4) as pool:
        for path in paths:
            pool.submit(ask, path)
        wait_until(lambda: len(fleet.records("wait")) == before + len(paths))
        yield {int(record.more) for record in fleet.records("wait")[before:]}


@dataclass(frozen=True)
class Numbers:
    """A source of unused arguments."""

    _next: Iterator[int]

    def take(self, count: int) -> list[int]:
        """Return *count* new arguments."""
        return [next(self._next) for _ in range(count)]


def assert_whole(fleet: Fleet, numbers: Numbers) -> None:
    """Check that each worker of the pool renders a picture, at the same time."""
    paths = [f"/slow?seconds=0.5&n={n}" for n in numbers.take(POOL)]
    answers = fleet.ask_all(paths)
    assert {answer.status for answer in answers} == {200}
    assert len({record.pid for record in fleet.records("slow")[-POOL:]}) == POOL
    wait_until(lambda: len(fleet.workers(answers[0].web)) == POOL)
    wait_until(lambda: all(p.state != "Z" for p in fleet.processes()), GONE_S)
