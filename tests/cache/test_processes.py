"""Several processes: one render among all workers of a real gunicorn."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from typing import Any, NamedTuple

import http_sf
import pytest
from flask import Flask, Response
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.cache.store import COHERENCE_S
from flask_mplstream.web import app_state as state_module
from tests.support.servers import Gunicorn

WORKERS, THREADS = 2, 4
MAX_AGE_S = 60
#: Seconds of a render, so that requests arrive during one.
RENDER_S = 0.2
#: Limit in seconds for operations without a separate limit, on a busy machine.
PATIENCE_S = 60.0
#: Each test starts a server with two processes, which import Matplotlib.
REST = pytest.mark.sweep(rest=True)

pytestmark = [pytest.mark.slow, pytest.mark.sweep]


def figures() -> Flask:
    """Return the app of the workers; ``FLASK_…`` in the environment configures it."""
    app = Flask(__name__)
    app.config.from_prefixed_env()
    clock = Path(app.config["CLOCK"])
    vars(state_module)["clock"] = lambda: clock.stat().st_mtime
    plots = FigureBlueprint("plots", __name__)

    @plots.figure_route(
        "/walk", max_age=MAX_AGE_S, stale_while_revalidate=MAX_AGE_S, timeout=30.0
    )
    def walk(n: int = 0) -> Figure:
        with open(app.config["RENDERS"], "ab", buffering=0) as counted:
            counted.write(b"x")
        time.sleep(RENDER_S)
        figure = Figure(figsize=(2, 1))
        figure.text(0, 0.5, f"{n} {time.time_ns()}")  # Make every render different.
        return figure

    @app.post("/invalidate")
    def invalidate() -> str:
        plots.invalidate("walk")
        return ""

    @app.after_request
    def name_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    app.register_blueprint(plots)
    return app


class Answer(NamedTuple):
    """A worker's response."""

    status: int
    body: bytes
    worker: int
    cache_status: str

    @property
    def outcome(self) -> dict[str, Any]:
        """The parameters of ``Cache-Status``."""
        parsed: Any = http_sf.parse(self.cache_status.encode(), tltype="list")
        [(_, parameters)] = parsed
        return dict(parameters)


def ask(connection: HTTPConnection, path: str, method: str = "GET") -> Answer:
    """Send one request; the connection stays with its worker."""
    connection.request(method, path)
    response = connection.getresponse()
    return Answer(
        response.status,
        response.read(),
        int(response.headers["X-Worker"]),
        response.headers.get("Cache-Status", ""),
    )


@dataclass(frozen=True)
class Workers:
    """A running gunicorn."""

    port: int
    process: subprocess.Popen[bytes]
    renders_file: Path
    clock_file: Path

    @property
    def renders(self) -> int:
        """The number of renders of all workers so far."""
        return self.renders_file.stat().st_size

    @contextmanager
    def connect(self) -> Iterator[HTTPConnection]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            yield connection
        finally:
            connection.close()

    def ask(self, path: str) -> Answer:
        with self.connect() as connection:
            return ask(connection, path)

    def ask_at_once(self, paths: list[str]) -> list[Answer]:
        """Request all paths at once, each on a separate connection."""
        start = Barrier(len(paths))

        def one(path: str) -> Answer:
            with self.connect() as connection:
                start.wait()
                return ask(connection, path)

        with ThreadPoolExecutor(len(paths)) as pool:
            return list(pool.map(one, paths))

    @contextmanager
    def connected_to_each(self) -> Iterator[list[HTTPConnection]]:
        """Connect to each worker."""
        with ExitStack() as stack:
            found: dict[int, HTTPConnection] = {}
            deadline = time.monotonic() + PATIENCE_S
            while len(found) < WORKERS:
                assert time.monotonic() < deadline, f"only {list(found)} answer"
                connection = stack.enter_context(self.connect())
                found.setdefault(ask(connection, "/nothing").worker, connection)
            yield list(found.values())

    def advance(self, seconds: float) -> None:
        """Move the clock of all workers."""
        now = self.clock_file.stat().st_mtime + seconds
        os.utime(self.clock_file, (now, now))


@contextmanager
def gunicorn(folder: Path, *options: str, **environment: str) -> Iterator[Workers]:
    """Start gunicorn and wait for all its workers."""
    counted, clock = folder / "renders", folder / "clock"
    counted.touch()
    clock.touch()
    options = ("--workers", str(WORKERS), "--threads", str(THREADS), *options)
    options = ("--keep-alive", "30", *options)
    environment |= {"FLASK_RENDERS": str(counted), "FLASK_CLOCK": str(clock)}
    with Gunicorn(f"{__name__}:figures()", *options, environment=environment) as server:
        workers = Workers(server.port, server.process, counted, clock)
        with workers.connected_to_each():
            yield workers


def cache(kind: str, request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    """Return the environment that configures a cache of *kind*."""
    if kind == "RedisCache":
        place = {"FLASK_CACHE_REDIS_PORT": str(request.getfixturevalue("redis_port"))}
        # All tests share a server, so each needs a separate prefix.
        place["FLASK_CACHE_KEY_PREFIX"] = f"{folder.name}:"
    else:
        place = {"FLASK_CACHE_DIR": str(folder / "cache")}
    return {"FLASK_CACHE_TYPE": kind, **place}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(("RedisCache", ()), id="RedisCache"),
        pytest.param(("FileSystemCache", ("--preload",)), id="FileSystemCache-preload"),
        pytest.param(
            ("RedisCache", ("--preload",)), marks=REST, id="RedisCache-preload"
        ),
        pytest.param(("FileSystemCache", ()), marks=REST, id="FileSystemCache"),
    ],
)
def workers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    """Start gunicorn, with and without ``--preload``, with a shared cache."""
    kind, options = request.param
    folder = tmp_path_factory.mktemp("workers")
    with gunicorn(folder, *options, **cache(kind, request, folder)) as running:
        yield running


def test_a_crowd_of_one_key_makes_one_render(workers: Workers) -> None:
    """40 requests to two workers with a cold key cause one render."""
    before = workers.renders
    answers = workers.ask_at_once(["/walk.png?n=100"] * 40)
    assert {answer.status for answer in answers} == {200}
    assert workers.renders - before == 1
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.worker for answer in answers}) == WORKERS


def test_each_key_is_rendered_once(workers: Workers) -> None:
    """Eight keys with five requests each cause eight renders."""
    before = workers.renders
    answers = workers.ask_at_once([f"/walk.png?n={n}" for n in list(range(8)) * 5])
    assert {answer.status for answer in answers} == {200}
    assert workers.renders - before == 8
    bodies = [answer.body for answer in answers]
    assert bodies == bodies[:8] * 5
    assert len(set(bodies)) == 8


def test_an_invalidation_reaches_every_worker(workers: Workers) -> None:
    """Another worker renders again in bounded time."""
    path = "/walk.png?n=200"
    with workers.connected_to_each() as (here, there):
        old = ask(here, path).body
        assert ask(there, path).body == old
        before = workers.renders
        ask(here, "/invalidate", "POST")
        deadline = time.monotonic() + COHERENCE_S + PATIENCE_S
        while (new := ask(there, path).body) == old:
            assert time.monotonic() < deadline, "the response is still the old picture"
            time.sleep(0.02)
        assert workers.renders - before == 1
        assert ask(here, path).body == new
        assert workers.renders - before == 1


def test_a_stale_picture_is_sent_and_rendered_once(workers: Workers) -> None:
    """After ``max_age``, all get the old picture and one process renews it."""
    path = "/walk.png?n=300"
    old = workers.ask(path).body
    before = workers.renders
    workers.advance(MAX_AGE_S)
    answers = workers.ask_at_once([path] * 16)
    assert {answer.body for answer in answers} == {old}
    assert all(answer.outcome.get("hit") is True for answer in answers)
    deadline = time.monotonic() + PATIENCE_S
    with workers.connected_to_each() as connections:
        for connection in connections:
            while ask(connection, path).body == old:
                assert time.monotonic() < deadline, "no process renews the picture"
                time.sleep(0.02)
        assert len({ask(connection, path).body for connection in connections}) == 1
    assert workers.renders - before == 1


def children_of(pid: int) -> list[int]:
    """Return the processes that *pid* started."""
    return [
        int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="requires Linux")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id=""),
        pytest.param(("--preload",), marks=REST, id="preload"),
    ],
)
def test_a_graceful_stop_ends_every_process(
    options: tuple[str, ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """After SIGTERM during renders, requests get responses and no process is left."""
    place = cache("FileSystemCache", request, tmp_path)
    with gunicorn(tmp_path, *options, **place) as workers:
        workers.ask("/walk.png?n=1")
        workers.advance(MAX_AGE_S)
        children = children_of(workers.process.pid)
        assert len(children) == WORKERS
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(workers.ask, "/walk.png?n=2")
            while workers.renders < 2:
                time.sleep(0.01)
            workers.ask(
                "/walk.png?n=1"
            )  # This request makes a renewal of a stale picture.
            workers.process.send_signal(signal.SIGTERM)
            assert waiting.result(PATIENCE_S).status == 200
        assert workers.process.wait(PATIENCE_S) == 0
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
