"""Faults of the cache: the right picture is sent in spite of them.

The tests stop, kill and fill real servers, fill and remove real disks, kill real
processes, and set the clock.
"""

from __future__ import annotations

import errno
import logging
import os
import pickle
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from flask_caching import Cache
from matplotlib.figure import Figure
from redis import Redis

from flask_mplstream import FigureBlueprint
from flask_mplstream.cache.cross_process_lease import LEASE_S
from flask_mplstream.cache.entry import MAGIC, Entry
from flask_mplstream.cache.entry_serializer import BytesSerializer
from flask_mplstream.cache.filesystem_repair import repair
from flask_mplstream.cache.store import Store
from flask_mplstream.formats import FORMATS
from flask_mplstream.rendered_image import RenderedImage
from flask_mplstream.web import app_state as state_module
from flask_mplstream.web.app_state import AppState
from tests.support.doubles import Counter
from tests.support.processes import now_s, wait_until
from tests.support.servers import MemcachedServer, RedisServer, Server

pytestmark = pytest.mark.slow

#: Flask-Caching's prefix of every key, and this package's.
REDIS_PREFIX = "flask_cache_mplstream:"
#: Limit in seconds for one operation on a dead backend and a render, on a slow machine.
#: A client's own retries would take much longer.
FIRST_S = 2.0
#: Limit in seconds for a response without the dead backend, less than the timeout of
#: one operation.
KNOWN_S = 0.2
#: Seconds until a recovered backend is used again.
BACK_S = 5.0

Serve = Callable[..., FlaskClient]


def store_of(client: FlaskClient) -> Store:
    store: Store = client.application.extensions["mplstream"].pictures(None).store
    return store


def backend_of(client: FlaskClient) -> Any:
    return store_of(client).backend


def seconds_of(client: FlaskClient, url: str, body: bytes) -> float:
    """Return the seconds of a request for *url*, whose response must have *body*."""
    began = now_s()
    response = client.get(url)
    took_s = now_s() - began
    assert (response.status_code, response.data) == (200, body)
    return took_s


def usual_seconds_of(client: FlaskClient, url: str, body: bytes) -> float:
    """Return the median of a few requests, because the machine may be busy."""
    return sorted(seconds_of(client, url, body) for _ in range(5))[2]


def is_hit(client: FlaskClient, url: str) -> bool:
    return "hit" in client.get(url).headers["Cache-Status"]


def disconnect(backend: Any) -> None:
    if hasattr(backend, "_write_client"):
        backend._write_client.close()
    if hasattr(backend, "_client"):
        backend._client.disconnect_all()


@pytest.fixture
def serve(serve: Serve) -> Iterator[Serve]:
    """Make an app, and close its connections and its breaker at the end."""
    clients: list[FlaskClient] = []

    def make(**config: Any) -> FlaskClient:
        clients.append(serve(**config))
        return clients[-1]

    yield make
    for client in clients:
        store = store_of(client)
        store.breaker.stop()
        disconnect(store.backend)


@pytest.fixture
def walk(plots: FigureBlueprint, renders: Counter) -> None:
    """Serve a figure at ``/plots/walk`` that counts its renders."""

    @plots.figure_route("/walk", max_age=60)
    def walk(n: int = 2) -> Figure:
        renders(n)
        return Figure(figsize=(n, 1), dpi=20)


@pytest.fixture
def noise(plots: FigureBlueprint, renders: Counter) -> None:
    """Serve a figure of about 1.2 MB at ``/plots/noise``."""

    @plots.figure_route("/noise", keep=0)
    def noise() -> Figure:
        renders()
        figure = Figure(figsize=(7, 7), dpi=100)
        generator = np.random.default_rng(0)
        figure.figimage(generator.integers(0, 256, (700, 700, 3), np.uint8))
        return figure


# --- Redis ----------------------------------------------------------------


def pause(redis: Server) -> None:
    assert redis.port is not None
    with Redis(port=redis.port) as client:
        client.client_pause(1500)


def wait(_: Server) -> None:
    """Resume Redis after a while."""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Run a Redis for this test only."""
    with RedisServer() as redis:
        yield redis


OUTAGES = [
    pytest.param(Server.suspend, Server.resume, id="stopped"),
    pytest.param(Server.kill, Server.start, id="killed-and-restarted-empty"),
    pytest.param(pause, wait, id="paused"),
]


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize(("fail", "heal"), OUTAGES)
def test_a_dead_redis_costs_one_wait_and_no_request(
    serve: Serve,
    redis: RedisServer,
    fail: Callable[[Server], None],
    heal: Callable[[Server], None],
) -> None:
    """The first request notices, the others skip Redis, and it is used again later."""
    client = serve(
        CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
    )
    url, breaker = "/plots/walk", store_of(client).breaker
    body = client.get(url).data
    assert is_hit(client, url)
    fail(redis)
    assert seconds_of(client, url, body) < FIRST_S
    assert breaker.is_open
    assert usual_seconds_of(client, url, body) < KNOWN_S
    assert breaker.is_open
    heal(redis)
    wait_until(lambda: not breaker.is_open, BACK_S)
    assert seconds_of(client, url, body) < FIRST_S
    assert is_hit(client, url)


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize(("fail", "heal"), OUTAGES)
def test_redis_may_fail_under_load(
    serve: Serve,
    redis: RedisServer,
    fail: Callable[[Server], None],
    heal: Callable[[Server], None],
) -> None:
    """Redis may fail during reads, renders, writes and leases."""
    client = serve(
        CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
    )
    bodies = {n: client.get(f"/plots/walk?n={n}").data for n in range(1, 5)}
    store, backend, over = store_of(client), backend_of(client), Event()
    keys = backend._write_client.keys("*")
    names = [key.decode().removeprefix("flask_cache_") for key in keys]

    def load(n: int) -> float:
        own = client.application.test_client()
        slowest_s = 0.0
        while not over.is_set():
            took_s = seconds_of(own, f"/plots/walk?n={n}", bodies[n])
            slowest_s = max(slowest_s, took_s)
            with suppress(Exception):  # Make some requests misses.
                backend.delete(random.choice(names))
        return slowest_s

    with ThreadPoolExecutor(4) as pool:
        slowest = [pool.submit(load, n) for n in bodies]
        try:
            fail(redis)
            wait_until(lambda: store.breaker.is_open, BACK_S)
            heal(redis)
            wait_until(lambda: not store.breaker.is_open, BACK_S)
        finally:
            over.set()
        assert max(future.result() for future in slowest) < FIRST_S
    assert seconds_of(client, "/plots/walk?n=1", bodies[1]) < FIRST_S
    assert is_hit(client, "/plots/walk?n=1")


def come_back(client: FlaskClient, redis: RedisServer, url: str, body: bytes) -> None:
    """Resume Redis; check that the picture is stored once an old lease has expired."""
    breaker = store_of(client).breaker
    redis.resume()
    wait_until(lambda: not breaker.is_open, BACK_S)
    assert seconds_of(client, url, body) < LEASE_S + FIRST_S
    assert is_hit(client, url)


@pytest.mark.usefixtures("walk")
def test_a_lease_that_a_resumed_redis_grants_expires(
    serve: Serve, redis: RedisServer
) -> None:
    """A stopped Redis executes pending commands when it resumes."""
    client = serve(
        CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
    )
    body = client.get("/plots/walk").data
    backend_of(client).clear()
    leases = client.application.extensions["mplstream"].pictures(None)._leases
    acquire = leases.acquire

    def acquire_from_a_stopped_one(key: str) -> Any:
        redis.suspend()
        return acquire(key)

    leases.acquire = acquire_from_a_stopped_one
    assert seconds_of(client, "/plots/walk", body) < FIRST_S
    leases.acquire = acquire
    assert store_of(client).breaker.is_open
    come_back(client, redis, "/plots/walk", body)


def test_redis_may_stop_during_a_render(
    plots: FigureBlueprint, serve: Serve, redis: RedisServer
) -> None:
    """Storing and releasing the lease fail, each within a short timeout."""

    @plots.figure_route("/stops")
    def stops() -> Figure:
        redis.suspend()
        return Figure(figsize=(1, 1))

    client = serve(
        CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
    )
    began = now_s()
    response = client.get("/plots/stops")
    assert now_s() - began < FIRST_S
    assert response.status_code == 200
    assert "stored" not in response.headers["Cache-Status"]
    redis.resume()
    wait_until(lambda: client.get("/plots/stops").status_code == 200, BACK_S)
    come_back(client, redis, "/plots/stops", response.data)


@pytest.mark.usefixtures("walk")
def test_hits_of_the_fast_layer_outlive_redis(
    serve: Serve, redis: RedisServer, renders: Counter
) -> None:
    """A picture in this process's memory needs no server and no render."""
    client = serve(CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port)
    body = client.get("/plots/walk").data
    redis.kill()
    store_of(client).breaker.trip()
    assert usual_seconds_of(client, "/plots/walk", body) < KNOWN_S
    assert len(renders) == 1


@pytest.mark.usefixtures("walk")
def test_a_full_redis_is_still_read(
    serve: Serve, renders: Counter, caplog: pytest.LogCaptureFixture
) -> None:
    """Stored pictures are hits; rejected ones are sent, counted and logged once."""
    with RedisServer("--maxmemory-policy", "noeviction") as redis:
        client = serve(
            CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
        )
        client.get("/plots/walk?n=1")
        store = store_of(client)
        server = backend_of(client)._write_client
        server.config_set("maxmemory", "1mb")
        with caplog.at_level(logging.WARNING, "flask_mplstream"):
            for n in (2, 3, 2):
                response = client.get(f"/plots/walk?n={n}")
                assert response.status_code == 200
                assert "stored" not in response.headers["Cache-Status"]
            assert not store.breaker.is_open
            assert is_hit(client, "/plots/walk?n=1")
        assert store.counts["refused"] == 3
        messages = [record.message for record in caplog.records]
        assert [text[:34] for text in messages] == [
            "The cache did not store a picture "
        ]
        assert renders.calls == [1, 2, 3, 2]
        server.config_set("maxmemory", "0")
        client.get("/plots/walk?n=2")
        assert is_hit(client, "/plots/walk?n=2")


REFUSALS = [
    pytest.param({"maxmemory": "1mb"}, id="full"),
    pytest.param({"min-replicas-to-write": "1"}, id="too-few-replicas"),
    pytest.param({"replicaof": "127.0.0.1 1"}, id="read-only-replica"),
]


def refuse_writes(server: Any, how: dict[str, str]) -> None:
    for name, value in how.items():
        if name == "replicaof":
            server.execute_command("REPLICAOF", *value.split())
        else:
            server.config_set(name, value)


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("how", REFUSALS)
def test_a_redis_that_refuses_to_write_is_not_down(
    serve: Serve,
    redis: RedisServer,
    how: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Reads continue, leases are free, and the log has few lines."""
    client = serve(
        CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
    )
    client.get("/plots/walk?n=1")
    refuse_writes(backend_of(client)._write_client, how)
    with caplog.at_level(logging.WARNING, "flask_mplstream"):
        for n in (2, 3, 4, 2, 3, 4):
            assert client.get(f"/plots/walk?n={n}").status_code == 200
            assert is_hit(client, "/plots/walk?n=1")
    assert store_of(client).breaker.trips == 0
    assert len(caplog.records) == 1


@pytest.mark.keeps_threads  # The library's fallback, which counts in memory.
@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("how", REFUSALS)
def test_a_budget_is_counted_locally_while_redis_rejects_writes(
    serve: Serve, redis: RedisServer, how: dict[str, str]
) -> None:
    """A rejected write switches off neither the budget nor the cache."""
    client = serve(
        CACHE_TYPE="RedisCache",
        CACHE_REDIS_PORT=redis.port,
        MPLSTREAM_FAST_BYTES=0,
        MPLSTREAM_CLIENT_BUDGET=0.001,
    )
    environ = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.1"}}
    assert client.get("/plots/walk?n=1", **environ).status_code == 200
    refuse_writes(backend_of(client)._write_client, how)
    other = {"environ_overrides": {"REMOTE_ADDR": "10.0.0.2"}}
    statuses = [client.get(f"/plots/walk?n={n}", **other).status_code for n in (2, 3)]
    assert statuses == [200, 429]
    assert client.get("/plots/walk?n=1", **other).status_code == 200
    assert client.get("/plots/walk?n=4", **environ).status_code == 429
    assert store_of(client).breaker.trips == 0


@pytest.mark.usefixtures("walk")
def test_a_redis_that_requires_a_password_is_down(
    serve: Serve, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Every command fails, and one line in the log reports it."""
    with Redis(port=redis.port) as server:
        server.config_set("requirepass", "secret")
        with caplog.at_level(logging.WARNING, "flask_mplstream"):
            client = serve(CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port)
            for n in (1, 2, 1):
                assert client.get(f"/plots/walk?n={n}").status_code == 200
            assert store_of(client).breaker.is_open
            assert not store_of(client).breaker._answers()
        server.config_set("requirepass", "")
    (record,) = caplog.records
    assert "AuthenticationError" in record.message


def test_an_unstable_backend_is_logged_once(
    serve: Serve, walk: None, caplog: pytest.LogCaptureFixture
) -> None:
    """A Redis may drop its connections again and again."""
    breaker = store_of(serve()).breaker
    with caplog.at_level(logging.WARNING, "flask_mplstream"):
        for _ in range(3):
            try:
                raise ConnectionError("gone\nagain")
            except ConnectionError:
                breaker.trip()
            breaker.stop()
            breaker._reset()
    assert breaker.trips == 3
    (record,) = caplog.records
    assert record.message.endswith(r"ConnectionError: 'gone\nagain'")


# --- Lost tokens ---------------------------------------------------


def tokens_in(client: FlaskClient) -> list[str]:
    """Return the keys of the tokens in Redis, as the backend names them."""
    backend = backend_of(client)
    prefix = backend._get_prefix()
    found = backend._write_client.keys(f"{prefix}mplstream:generation:*")
    return sorted(key.decode().removeprefix(prefix) for key in found)


@pytest.mark.parametrize("fast_bytes", [0, 2**25], ids=["plain", "fast-layer"])
@pytest.mark.parametrize("lost", range(3))
def test_a_lost_token_is_a_miss(
    plots: FigureBlueprint,
    serve: Serve,
    redis: RedisServer,
    renders: Counter,
    fast_bytes: int,
    lost: int,
) -> None:
    """An invalidated picture stays invalid after Redis drops any token."""

    @plots.figure_route("/tagged", tags=["sales"])
    def tagged(n: int = 1) -> Figure:
        renders(n)
        return Figure(figsize=(1, 1), dpi=20)

    config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis.port}
    client = serve(MPLSTREAM_FAST_BYTES=fast_bytes, **config)
    client.get("/plots/tagged")
    (picture,) = (
        key
        for key in backend_of(client)._write_client.keys("*")
        if b"generation" not in key
    )
    old = backend_of(client)._write_client.get(picture)
    with client.application.app_context():
        plots.invalidate("tagged")
        plots.invalidate("tagged")
        plots.invalidate(tags=["sales"])
    for other in (serve(MPLSTREAM_FAST_BYTES=fast_bytes, **config), client):
        backend_of(client).delete(tokens_in(client)[lost])
        backend_of(client)._write_client.set(picture, old)
        before = len(renders)
        other.get("/plots/tagged")
        assert len(renders) == before + 1
        assert is_hit(other, "/plots/tagged")


def test_random_eviction_brings_no_old_picture_back(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A Redis without room may evict any key."""
    data = {"now": 0}

    @plots.figure_route("/data")
    def draw(n: int = 0) -> Figure:
        return Figure(figsize=(1 + data["now"], 1), dpi=20)

    options = ("--maxmemory", "1200kb", "--maxmemory-policy", "allkeys-random")
    with RedisServer(*options) as redis:
        client = serve(
            CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=redis.port, MPLSTREAM_FAST_BYTES=0
        )
        server = backend_of(client)._write_client
        bodies: dict[int, set[bytes]] = {}
        for data["now"] in range(4):
            for n in range(20):
                body = client.get(f"/plots/data?n={n}").data
                bodies.setdefault(data["now"], set()).add(body)
            with client.application.app_context():
                plots.invalidate("draw")
            evicted = int(server.info("stats")["evicted_keys"])
            for n in range(2000):
                server.set(f"filler{n}", b"x" * 1000)
                if int(n) % 200 == 0 and not tokens_in(client):
                    break
            assert int(server.info("stats")["evicted_keys"]) > evicted
        assert all(len(each) == 1 for each in bodies.values())
        assert len(set.union(*bodies.values())) == 4


class Bomb:
    """A value with a pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self._path,)


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("kind", ["redis", "filesystem"])
def test_a_pickle_in_the_store_is_not_loaded(
    serve: Serve, request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """A writer to the store cannot run code here; the picture replaces the value."""
    exploded, folder = tmp_path / "exploded", tmp_path / "cache"
    bomb = pickle.dumps(Bomb(exploded))
    config: dict[str, Any] = {"MPLSTREAM_FAST_BYTES": 0}
    if kind == "redis":
        port = request.getfixturevalue("redis").port
        client = serve(CACHE_TYPE="RedisCache", CACHE_REDIS_PORT=port, **config)
    else:
        client = serve(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(folder), **config)
    body = client.get("/plots/walk").data
    if kind == "redis":
        server = backend_of(client)._write_client
        keys = server.keys(f"{REDIS_PREFIX}*")
        assert keys
        for key in keys:
            server.set(key, b"!" + bomb)
    else:
        for path in folder.iterdir():
            path.write_bytes(b"\0\0\0\0" + bomb)
    response = client.get("/plots/walk")
    assert (response.status_code, response.data) == (200, body)
    assert "fwd=uri-miss; stored" in response.headers["Cache-Status"]
    assert is_hit(client, "/plots/walk")
    assert not exploded.exists()
    pickle.loads(bomb)
    assert exploded.exists(), "the pickle has no effect"


# --- FileSystemCache ------------------------------------------------------

KEY = "0123"
NAMES = ("figure walk",)


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[Store, Entry, Path]]:
    """Return a store with one entry in an otherwise empty folder."""
    app = Flask(__name__)
    cache = Cache(
        app,
        config={
            "CACHE_TYPE": "FileSystemCache",
            "CACHE_DIR": str(tmp_path),
            "CACHE_THRESHOLD": 0,
            "CACHE_SERIALIZER": BytesSerializer,
        },
    )
    store = Store(app.extensions["cache"][cache])
    body = random.Random(1).randbytes(2000)
    image = RenderedImage(body, FORMATS["png"], 640, 480)
    generation = store.read(KEY, NAMES).generation
    entry = Entry.of(image, 1000.5, generation=generation)
    assert store.write(KEY, entry, 3600)
    (path,) = tmp_path.iterdir()
    yield store, entry, path
    assert not store.breaker.is_open


def is_whole_or_nothing(found: Entry | None, entry: Entry) -> bool:
    return found is None or all(
        getattr(found, name) == getattr(entry, name)
        for name in ("image", "etag", "stored_at", "generation")
    )


@pytest.mark.sweep
def test_a_flipped_bit_is_never_served(
    request: pytest.FixtureRequest,
    stored: tuple[Store, Entry, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file with any flipped bit is the entry or a miss."""
    caplog.set_level(logging.CRITICAL)
    flips = 10_000 if request.config.getoption("--sweep") else 1000
    store, entry, path = stored
    whole, generator = path.read_bytes(), random.Random(2)
    misses = 0
    with path.open("r+b", buffering=0) as file:
        for _ in range(flips):
            at, bit = generator.randrange(len(whole)), generator.randrange(8)
            os.pwrite(file.fileno(), bytes([whole[at] ^ 1 << bit]), at)
            found = store.read(KEY, NAMES).entry
            assert is_whole_or_nothing(found, entry), f"byte {at}, bit {bit}"
            # The first four bytes are cachelib's: when the file expires.
            assert found is None or at < 4
            misses += found is None
            os.pwrite(file.fileno(), whole[at : at + 1], at)
    assert misses > 0.99 * flips
    assert store.counts["damaged"] > 0.99 * flips
    assert is_whole_or_nothing(store.read(KEY, NAMES).entry, entry)
    assert store.read(KEY, NAMES).entry is not None


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
@pytest.mark.sweep
def test_a_process_killed_during_a_write_leaves_whole_entries(
    request: pytest.FixtureRequest, stored: tuple[Store, Entry, Path]
) -> None:
    """Each kill leaves a whole entry; unfinished files are removed."""
    kills = 100 if request.config.getoption("--sweep") else 20
    store, entry, path = stored
    folder, generator = path.parent, random.Random(3)
    for _ in range(kills):
        pid = os.fork()
        if pid == 0:
            while True:
                store.write(KEY, entry, 3600)
        time.sleep(generator.uniform(0.0005, 0.004))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert store.read(KEY, NAMES).entry is not None
        assert is_whole_or_nothing(store.read(KEY, NAMES).entry, entry)
    for unfinished in folder.glob("*.__wz_cache"):
        os.utime(unfinished, (0, 0))  # As old as it will be in a minute.
    repair(store.backend)
    assert set(folder.iterdir()) == {path}


def test_a_truncated_file_is_never_served(
    stored: tuple[Store, Entry, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is too short or too long is a miss."""
    caplog.set_level(logging.CRITICAL)
    store, _, path = stored
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0")
    assert store.read(KEY, NAMES).entry is None
    path.write_bytes(whole)
    assert store.read(KEY, NAMES).entry is not None
    for length in reversed(range(len(whole))):
        os.truncate(path, length)
        assert store.read(KEY, NAMES).entry is None, length


@pytest.fixture
def file_client(serve: Serve, walk: None, tmp_path: Path) -> FlaskClient:
    return serve(
        CACHE_TYPE="FileSystemCache",
        CACHE_DIR=str(tmp_path / "cache"),
        MPLSTREAM_FAST_BYTES=0,
    )


@pytest.mark.parametrize("seed", range(5))
def test_damaged_files_are_replaced(
    file_client: FlaskClient, tmp_path: Path, renders: Counter, seed: int
) -> None:
    """Damaged files cause one render, and a hit after it."""
    body, generator = file_client.get("/plots/walk").data, random.Random(seed)
    for path in (tmp_path / "cache").iterdir():
        path.write_bytes(b"\0\0\0\0" + generator.randbytes(generator.randrange(100)))
    assert seconds_of(file_client, "/plots/walk", body) < FIRST_S
    assert is_hit(file_client, "/plots/walk")
    assert len(renders) == 2


#: The pickle of an unregistered class, which one flipped bit makes of bytes.
UNREADABLE = b"\x82\x05."


@pytest.mark.usefixtures("walk")
def test_an_unreadable_value_is_one_miss(
    plots: FigureBlueprint, serve: Serve, tmp_path: Path
) -> None:
    """In the app's own cache, which raises, other values stay hits."""
    with pytest.raises(ValueError, match="unregistered extension"):
        pickle.loads(UNREADABLE)
    client = serve(MPLSTREAM_FAST_BYTES=0)
    folder = str(tmp_path)
    Cache(
        client.application,
        config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": folder},
    )
    with client.application.app_context():
        plots.invalidate()  # From now on a token is read with each value.
    client.get("/plots/walk?n=1")
    (path,) = (path for path in tmp_path.iterdir() if MAGIC in path.read_bytes())
    client.get("/plots/walk?n=2")
    path.write_bytes(path.read_bytes()[:4] + UNREADABLE)
    assert is_hit(client, "/plots/walk?n=2")
    response = client.get("/plots/walk?n=1")
    assert "fwd=uri-miss; stored" in response.headers["Cache-Status"]
    assert is_hit(client, "/plots/walk?n=1")
    assert not store_of(client).breaker.is_open


def test_a_damaged_count_of_files_does_not_end_caching(
    file_client: FlaskClient, tmp_path: Path
) -> None:
    """One flipped bit makes ``i4`` a text: FileSystemCache cannot add one to it."""
    file_client.get("/plots/walk?n=1")
    backend = backend_of(file_client)
    path = Path(backend._get_filename(backend._fs_count_file))
    path.write_bytes(b"\0\0\0\0t4")
    for _ in range(2):
        assert file_client.get("/plots/walk?n=2").status_code == 200
    assert is_hit(file_client, "/plots/walk?n=2")


def test_a_deleted_folder_is_created_again(
    file_client: FlaskClient, tmp_path: Path
) -> None:
    """If the folder is deleted while the app runs, the next picture is stored."""
    body = file_client.get("/plots/walk").data
    for folder in tmp_path.iterdir():
        shutil.rmtree(folder)
    for _ in range(2):
        assert seconds_of(file_client, "/plots/walk", body) < FIRST_S
    assert is_hit(file_client, "/plots/walk")


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a file system of 300 KiB at *folder*; yield whether this user may."""
    folder.mkdir()
    program = shutil.which("mount") or "mount"
    command = [program, "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    is_mounted = (
        sys.platform == "linux"
        and not subprocess.run(
            command, check=False, stderr=subprocess.DEVNULL
        ).returncode
    )
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(params=["disk", "injected"])
def disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[int | None], None]]:
    """Break the disk at ``tmp_path / "disk"`` with an error number, or repair it.

    The fault is real if this user may mount a disk, and simulated otherwise.
    """
    folder = tmp_path / "disk"
    if request.param == "disk":
        with small_disk(folder) as is_mounted:
            if not is_mounted:
                pytest.skip("requires root on Linux to mount a disk")
            yield lambda fault: break_disk(folder, fault)
    else:
        folder.mkdir()

        def inject(fault: int | None) -> None:
            def fail(*args: Any, **kwargs: Any) -> Any:
                raise OSError(fault, os.strerror(fault or 0))

            monkeypatch.undo()
            if fault:
                monkeypatch.setattr(tempfile, "mkstemp", fail)

        yield inject


def break_disk(folder: Path, fault: int | None) -> None:
    how = "ro" if fault == errno.EROFS else "rw"
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
    filler = folder / "filler"
    filler.unlink(missing_ok=True) if how == "rw" else None
    if fault == errno.ENOSPC:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"x" * 1024):
                pass


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS], ids=["full", "ro"])
def test_a_full_disk_costs_renders_only(
    serve: Serve,
    tmp_path: Path,
    disk: Callable[[int | None], None],
    fault: int,
    renders: Counter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Stored pictures stay hits, no unfinished file stays, and it recovers."""
    folder = tmp_path / "disk" / "cache"
    client = serve(
        CACHE_TYPE="FileSystemCache",
        CACHE_DIR=str(folder),
        MPLSTREAM_FAST_BYTES=0,
        MPLSTREAM_KEEP_BYTES=0,
    )
    client.get("/plots/walk?n=1")
    files = set(folder.iterdir())
    disk(fault)
    with caplog.at_level(logging.WARNING, "flask_mplstream.cache.store"):
        for _ in range(3):
            response = client.get("/plots/walk?n=2")
            assert response.status_code == 200
            assert "stored" not in response.headers["Cache-Status"]
        assert is_hit(client, "/plots/walk?n=1")
    assert store_of(client).counts["refused"] == 3
    assert caplog.text.count("The cache did not store a picture") == 1
    disk(None)
    assert set(folder.iterdir()) == files, "unfinished files remain"
    client.get("/plots/walk?n=2")
    assert is_hit(client, "/plots/walk?n=2")
    assert renders.calls == [1, 2, 2, 2, 2]


# --- Memcached ------------------------------------------------------------


@pytest.fixture
def memcached() -> Iterator[MemcachedServer]:
    """Return a Memcached for this test alone."""
    with MemcachedServer() as memcached:
        yield memcached


def memcached_config(port: int) -> dict[str, Any]:
    return {
        "CACHE_TYPE": "MemcachedCache",
        "CACHE_MEMCACHED_SERVERS": [f"127.0.0.1:{port}"],
    }


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize(("fast_bytes", "rendered"), [(0, 2), (2**25, 1)])
def test_a_picture_over_memcacheds_limit_is_sent(
    serve: Serve,
    memcached: MemcachedServer,
    renders: Counter,
    caplog: pytest.LogCaptureFixture,
    fast_bytes: int,
    rendered: int,
) -> None:
    """It is counted, logged once and kept in a fast layer."""
    config = memcached_config(memcached.port)
    client = serve(MPLSTREAM_FAST_BYTES=fast_bytes, **config)
    with caplog.at_level(logging.WARNING, "flask_mplstream"):
        bodies = {client.get("/plots/noise").data for _ in range(2)}
    assert len(bodies) == 1
    assert len(bodies.pop()) > 2**20
    assert len(renders) == store_of(client).counts["refused"] == rendered
    messages = [record.message for record in caplog.records]
    assert [text[:33] for text in messages] == ["The cache did not store a picture"]


@pytest.mark.usefixtures("walk")
def test_a_killed_memcached_costs_renders_only(
    serve: Serve, memcached: MemcachedServer
) -> None:
    """No request waits for a lease that no server can give."""
    client = serve(MPLSTREAM_FAST_BYTES=0, **memcached_config(memcached.port))
    body = client.get("/plots/walk").data
    assert is_hit(client, "/plots/walk")
    memcached.kill()
    for _ in range(3):
        assert seconds_of(client, "/plots/walk", body) < FIRST_S


@pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning"
)  # They belong to ended threads.
@pytest.mark.usefixtures("walk")
def test_a_stopped_memcached_costs_one_wait_and_no_request(
    serve: Serve,
    memcached: MemcachedServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """This holds in every thread; the log reports it, and it is used again."""
    client = serve(MPLSTREAM_FAST_BYTES=0, **memcached_config(memcached.port))
    body, breaker = client.get("/plots/walk").data, store_of(client).breaker
    assert is_hit(client, "/plots/walk")
    memcached.suspend()
    try:
        with caplog.at_level(logging.WARNING, "flask_mplstream"):
            assert seconds_of(client, "/plots/walk", body) < FIRST_S
            assert breaker.is_open

            def ask(_: int) -> float:
                own = client.application.test_client()
                return seconds_of(own, "/plots/walk", body)

            with ThreadPoolExecutor(4) as pool:
                assert sorted(pool.map(ask, range(8)))[4] < KNOWN_S
        (record,) = caplog.records
        assert "The cache is down" in record.message
        assert "Memcached does not answer" in record.message
    finally:
        memcached.resume()
    wait_until(lambda: not breaker.is_open, BACK_S)
    client.get("/plots/walk")
    assert is_hit(client, "/plots/walk")


@pytest.mark.usefixtures("walk")
def test_a_lost_token_of_memcached_is_a_miss(
    plots: FigureBlueprint,
    serve: Serve,
    memcached: MemcachedServer,
    renders: Counter,
) -> None:
    """Its slabs for small and for large values fill up at different times."""
    client = serve(MPLSTREAM_FAST_BYTES=0, **memcached_config(memcached.port))
    backend, added = backend_of(client), []
    add = backend.add

    def note(key: str, *rest: Any, **more: Any) -> Any:
        added.append(key)
        return add(key, *rest, **more)

    backend.add = note
    client.get("/plots/walk")
    tokens = [key for key in added if "generation" in key]
    assert len(tokens) == 2
    for token in tokens:
        assert is_hit(client, "/plots/walk")
        backend.delete(token)
        assert not is_hit(client, "/plots/walk")
    assert len(renders) == 3


# --- The clock ------------------------------------------------------------

DAY_S = 86_400.0


class HeldClock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HeldClock:
    """Replace the time of day with a clock that the test sets."""
    held = HeldClock(1_800_000_000.0)
    monkeypatch.setattr(state_module, "clock", held)
    return held


def hold_timer(client: FlaskClient) -> HeldClock:
    """Replace the monotonic clock of this process's stores."""
    timer, store = HeldClock(1000.0), store_of(client)
    AppState.of(client.application).renders().kept.timer = timer
    holders: list[Any] = [store, store.backend, store._fast]
    for holder in holders:
        if hasattr(holder, "_timer"):
            holder._timer = timer
    return timer


def expire_pictures(folder: Path) -> None:
    """Expire pictures as cachelib does, by the test's clock."""
    for path in folder.iterdir():
        if MAGIC in path.read_bytes():
            path.unlink()


def max_age_of(client: FlaskClient) -> int | None:
    response = client.get("/plots/walk")
    assert response.status_code == 200
    max_age = response.cache_control.max_age
    assert max_age is not None
    assert 0 < max_age <= 60
    for name in ("Cache-Control", "Cache-Status"):
        assert "=-" not in response.headers[name], "the time is negative"
    return max_age


JUMPS = [
    pytest.param(-DAY_S, id="a-day-back"),
    pytest.param(-30, id="half-a-minute-back"),
    pytest.param(3600, id="an-hour-on"),
    pytest.param(400 * DAY_S, id="400-days-on"),
]


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("kind", ["SimpleCache", "FileSystemCache", None])
@pytest.mark.parametrize("jump_s", JUMPS)
def test_the_clock_may_be_set(
    serve: Serve,
    clock: HeldClock,
    tmp_path: Path,
    renders: Counter,
    kind: str | None,
    jump_s: float,
) -> None:
    """A picture of unknown age is rendered again."""
    config = {"CACHE_TYPE": kind, "CACHE_DIR": str(tmp_path)} if kind else {}
    client = serve(**config)
    assert max_age_of(client) == 60
    clock.now += jump_s
    assert max_age_of(client) == 60
    assert len(renders) == 2
    clock.now -= jump_s
    assert max_age_of(client) is not None
    assert max_age_of(client) is not None
    assert len(renders) <= 3


@pytest.mark.usefixtures("walk")
def test_clocks_of_two_machines_may_differ_a_little(
    serve: Serve, clock: HeldClock, renders: Counter
) -> None:
    """A picture from a few seconds ahead is fresh."""
    client = serve()
    max_age_of(client)
    clock.now -= 4
    assert max_age_of(client) == 60
    assert len(renders) == 1


@pytest.mark.usefixtures("walk")
@pytest.mark.parametrize("kind", ["FileSystemCache", None])
def test_a_clock_set_back_restores_no_expired_picture(
    serve: Serve,
    clock: HeldClock,
    tmp_path: Path,
    renders: Counter,
    kind: str | None,
) -> None:
    """Copies in memory expire by the monotonic clock."""
    config = {"CACHE_TYPE": kind, "CACHE_DIR": str(tmp_path)} if kind else {}
    client = serve(**config)
    timer = hold_timer(client)
    client.get("/plots/walk")
    expire_pictures(tmp_path)
    clock.now -= 2 * DAY_S
    max_age_of(client)
    assert len(renders) == 2
    expire_pictures(tmp_path)
    timer.now += DAY_S + 61
    max_age_of(client)
    assert len(renders) == 3


@pytest.mark.usefixtures("walk")
def test_a_copy_from_another_process_expires(
    serve: Serve, clock: HeldClock, tmp_path: Path, renders: Counter
) -> None:
    """A copy of another process's picture expires by the monotonic clock too."""
    config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)}
    serve(**config).get("/plots/walk")
    client = serve(**config)
    timer = hold_timer(client)
    assert is_hit(client, "/plots/walk")
    expire_pictures(tmp_path)
    clock.now -= 3 * DAY_S
    timer.now += DAY_S + 61
    max_age_of(client)
    assert len(renders) == 2


def test_a_clock_set_back_does_not_keep_an_error(
    plots: FigureBlueprint, serve: Serve, clock: HeldClock
) -> None:
    """``error_backoff`` ends after a second, even if the clock is set back."""
    calls = []

    @plots.figure_route("/shaky")
    def shaky() -> Figure:
        calls.append(1)
        if len(calls) == 1:
            raise LookupError("not yet")
        return Figure(figsize=(1, 1))

    client = serve(PROPAGATE_EXCEPTIONS=False)
    assert client.get("/plots/shaky").status_code == 500
    clock.now -= DAY_S
    wait_until(lambda: client.get("/plots/shaky").status_code == 200, 3)
    assert len(calls) == 2


# --- Threads that cannot start ----------------------------------------------


def test_a_stale_picture_is_sent_without_a_thread_to_renew_it(
    plots: FigureBlueprint,
    serve: Serve,
    clock: HeldClock,
    renders: Counter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The next request renews it once a thread can start."""

    @plots.figure_route("/data", max_age=60, stale_while_revalidate=600)
    def data() -> Figure:
        renders()
        return Figure(figsize=(1, 1))

    def refuse(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    client = serve()
    body = client.get("/plots/data").data
    clock.now += 61
    with monkeypatch.context() as patch:
        patch.setattr(Thread, "start", refuse)
        assert seconds_of(client, "/plots/data", body) < FIRST_S
    assert len(renders) == 1
    client.get("/plots/data")
    client.application.extensions["mplstream"].pictures(None).background.join()
    assert len(renders) == 2


# --- A killed leader --------------------------------------------------------

#: A process with the app, which prints a line for each step.
PROCESS = """
import sys, time
from flask import Flask
from matplotlib.figure import Figure
from flask_mplstream import FigureBlueprint

role, kind, where = sys.argv[1:4]
config = {"CACHE_TYPE": kind, "CACHE_DIR": where, "CACHE_REDIS_PORT": where}
config["CACHE_MEMCACHED_SERVERS"] = [f"127.0.0.1:{where}"]
plots = FigureBlueprint("plots", __name__)

def say(what):
    print(what, flush=True)

@plots.figure_route("/walk")
def walk() -> Figure:
    say("renders")
    if role == "leader":
        time.sleep(60)
    return Figure(figsize=(1, 1))

app = Flask(__name__)
app.config.update(config)
app.register_blueprint(plots)
leases = app.extensions["mplstream"].pictures(None)._leases
acquire, refused = leases.acquire, []

def acquire_and_say(key):
    release = acquire(key)
    if release is None and not refused:
        refused.append(key)
        say("waits")
    return release

leases.acquire = acquire_and_say
say("is ready")
sys.stdin.readline()
response = app.test_client().get("/walk")
say(f"{response.status_code} {response.mimetype} {len(response.data)}")
"""


@contextmanager
def process(script: Path, *arguments: object) -> Iterator[Callable[..., str]]:
    """Run *script*; yield a function that reads its next line.

    The function can first resume or kill the script.
    """
    child = subprocess.Popen(
        [sys.executable, script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    control, output = child.stdin, child.stdout

    def next_line(*, goes_on: bool = False, is_killed: bool = False) -> str:
        if goes_on:
            control.write(b"\n")
        if is_killed:
            child.send_signal(signal.SIGKILL)
            child.wait(10)
        assert select.select([output], [], [], 60)[0], f"{arguments} printed nothing"
        return output.readline().decode().strip()

    try:
        yield next_line
    finally:
        child.kill()
        child.wait(10)
        control.close()
        output.close()


@pytest.mark.parametrize(
    ("kind", "within_s"),
    [
        pytest.param("FileSystemCache", 1.0, id="files-at-once"),
        pytest.param("RedisCache", 4.0, id="redis-within-its-lease"),
        pytest.param("MemcachedCache", 6.0, id="memcached-within-its-lease"),
    ],
)
def test_a_killed_leader_does_not_delay_followers(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, within_s: float
) -> None:
    """A waiting process takes over after SIGKILL of the leader during a render.

    The follower does not wait for the default ``timeout``.
    """
    script = tmp_path / "process.py"
    script.write_text(PROCESS)
    where: object = tmp_path / "cache"
    if kind == "RedisCache":
        where = request.getfixturevalue("redis").port
    if kind == "MemcachedCache":
        where = request.getfixturevalue("memcached").port
    with (
        process(script, "leader", kind, where) as leader,
        process(script, "follower", kind, where) as follower,
    ):
        assert [leader(), follower()] == ["is ready"] * 2
        assert leader(goes_on=True) == "renders"
        assert follower(goes_on=True) == "waits"
        killed_at = now_s()
        assert leader(is_killed=True) == ""
        assert follower() == "renders"
        assert now_s() - killed_at < within_s
        assert follower().startswith("200 image/png")


# --- A figure function that raises ----------------------------------------


def test_an_error_for_one_caller_is_not_shared(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Other callers of the same URL get their pictures."""

    @plots.figure_route("/mine", inject={"user": lambda: session["user"]})
    def mine(user: str) -> Figure:
        if user == "mallory":
            raise LookupError("no data")
        return Figure(figsize=(1, 1))

    client = serve(PROPAGATE_EXCEPTIONS=False)

    @client.application.get("/login/<user>")
    def login(user: str) -> str:
        session["user"] = user
        return user

    def ask(user: str) -> int:
        own = client.application.test_client()
        own.get(f"/login/{user}")
        return own.get("/plots/mine").status_code

    users = ["alice", "mallory", "bob", "mallory", "carol", "alice"] * 3
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, users))
    assert answers == [500 if user == "mallory" else 200 for user in users]


def test_the_last_good_picture_hides_a_single_error(
    plots: FigureBlueprint, serve: Serve, clock: HeldClock
) -> None:
    """If a render fails, the old picture is sent; after the backoff, a new one."""
    widths: list[int] = [1, 0, 2]

    @plots.figure_route("/data", max_age=60)
    def data() -> Figure:
        width = widths.pop(0)
        if not width:
            raise LookupError("no data")
        return Figure(figsize=(width, 1))

    client = serve()
    good = client.get("/plots/data")
    clock.now += 61
    for _ in range(3):
        response = client.get("/plots/data")
        assert (response.status_code, response.data) == (200, good.data)
        assert "fwd=stale" in response.headers["Cache-Status"]
    clock.now += 2
    assert client.get("/plots/data").data != good.data
    assert not widths
