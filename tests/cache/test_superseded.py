"""Pictures of older data are dropped, and the last good one is a fallback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_url
from flask_mplstream.cache.entry import MAGIC
from flask_mplstream.cache.store import EPOCH, PREFIX, Newest
from tests.support.doubles import Clock

MAX_AGE_S, WHILE_S, ON_ERROR_S = 60, 30, 3600

#: Redis's client leaves the sockets of ended threads to the garbage collector.
REDIS = pytest.param("redis", marks=pytest.mark.slow)
MEMCACHED = pytest.param(
    "memcached",
    marks=[
        pytest.mark.slow,
        pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    ],
)


@dataclass
class Data:
    """The figure function's data; it can make a render fail."""

    version: int = 1
    is_broken: bool = False
    drawn: list[tuple[str, int]] = field(default_factory=list)
    #: Called in each load, outside the gate.
    during: Callable[[], object] = lambda: None


@pytest.fixture
def data() -> Data:
    return Data()


@pytest.fixture
def plots(data: Data) -> FigureBlueprint:
    """Return a blueprint with a figure for each user; its width is the version."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route(
        "/data",
        version=lambda: data.version,
        inject={"user": lambda: request.headers.get("X-User", "ann")},
        load=lambda: (data.version, data.during())[0],
        max_age=MAX_AGE_S,
        stale_while_revalidate=WHILE_S,
        stale_if_error=ON_ERROR_S,
        error_backoff=0,
    )
    def draw(version: int, user: str, n: int = 1) -> Figure:
        if data.is_broken:
            raise LookupError("no data")
        data.drawn.append((user, version))
        height = 1 + len(user)
        return Figure(figsize=(version + n, height), dpi=20)

    return plots


@pytest.fixture(params=["embedded", "simple", "filesystem", REDIS, MEMCACHED])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of an empty cache."""
    if request.param == "redis":
        return redis_config(request.getfixturevalue("redis_port"))
    if request.param == "memcached":
        servers = [f"127.0.0.1:{request.getfixturevalue('memcached_port')}"]
        return {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": servers}
    kinds: dict[str, dict[str, Any]] = {
        "embedded": {},
        "simple": {"CACHE_TYPE": "SimpleCache"},
        "filesystem": {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)},
    }
    return kinds[request.param]


def redis_config(port: int) -> dict[str, Any]:
    return {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": port}


@pytest.fixture
def serve(plots: FigureBlueprint, clock: Clock) -> Iterator[Callable[..., FlaskClient]]:
    """Make an app that logs errors and sends them, with an empty cache."""
    clients: list[FlaskClient] = []

    def make(**config: Any) -> FlaskClient:
        app = Flask(__name__)
        app.config.update(SECRET_KEY="not secret", **config)
        app.register_blueprint(plots)
        if not clients:
            backend_of(app).clear()
        clients.append(app.test_client())
        return clients[-1]

    yield make
    for client in clients:
        backend = backend_of(client.application)
        backend.clear()
        for name in ("_write_client", "_client"):
            held = getattr(backend, name, None)
            if held is not None:
                (held.close if name == "_write_client" else held.disconnect_all)()


def backend_of(app: Flask) -> Any:
    return app.extensions["mplstream"].pictures(None).store.backend


Serve = Callable[..., FlaskClient]


def test_a_render_that_fails_after_new_data_sends_the_last_picture(
    serve: Serve, config: dict[str, Any], data: Data
) -> None:
    """The picture is marked as stale and has its own ETag, in every store."""
    client = serve(**config, MPLSTREAM_FAST_BYTES=0)
    client.get("/plots/data")
    data.version = 2
    good = client.get("/plots/data")
    data.version, data.is_broken = 3, True
    answer = client.get("/plots/data")
    assert (answer.status_code, answer.data) == (200, good.data)
    assert answer.headers["ETag"] == good.headers["ETag"]
    assert answer.headers["Cache-Status"] == (
        "flask-mplstream; fwd=stale; fwd-status=500"
    )
    data.is_broken = False
    assert client.get("/plots/data").data != good.data


def test_the_last_picture_is_not_immutable(serve: Serve, data: Data) -> None:
    """A URL with the current version is immutable, and the fallback is not."""
    client = serve()
    client.get("/plots/data")
    data.version, data.is_broken = 2, True
    with client.application.test_request_context():
        url = figure_url("plots.draw")
    answer = client.get(url)
    assert answer.status_code == 200
    assert "immutable" not in answer.headers["Cache-Control"]
    assert not answer.cache_control.max_age


@pytest.mark.parametrize(
    ("age_s", "status"),
    [
        pytest.param(MAX_AGE_S + ON_ERROR_S - 1, 200, id="within"),
        pytest.param(MAX_AGE_S + ON_ERROR_S + 1, 500, id="after"),
    ],
)
def test_the_last_picture_is_used_within_stale_if_error(
    serve: Serve, data: Data, clock: Clock, age_s: int, status: int
) -> None:
    """The limit applies to its age, as for any stale picture."""
    client = serve()
    client.get("/plots/data")
    data.version, data.is_broken = 2, True
    clock.now += age_s
    assert client.get("/plots/data").status_code == status


def test_without_stale_if_error_no_older_picture_is_sent(
    data: Data, plots: FigureBlueprint
) -> None:
    """The data is old, even if the picture is young."""
    blueprint = FigureBlueprint("strict", __name__)

    @blueprint.figure_route(
        "/strict", version=lambda: data.version, max_age=60, stale_if_error=0
    )
    def draw() -> Figure:
        if data.is_broken:
            raise LookupError("no data")
        return Figure(figsize=(1, 1))

    app = Flask(__name__)
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert client.get("/strict").status_code == 200
    data.version, data.is_broken = 2, True
    assert client.get("/strict").status_code == 500


def test_no_user_gets_the_last_picture_of_another(
    serve: Serve, config: dict[str, Any], data: Data
) -> None:
    """The key of the newest picture covers the injected values."""
    client = serve(**config)
    assert client.get("/plots/data", headers={"X-User": "ann"}).status_code == 200
    data.version, data.is_broken = 2, True
    for _ in range(2):
        answer = client.get("/plots/data", headers={"X-User": "bob"})
        assert answer.status_code == 500
    assert client.get("/plots/data", headers={"X-User": "ann"}).status_code == 200
    assert client.get("/plots/data?n=2").status_code == 500


def test_an_invalidated_picture_is_not_the_last_good_one(
    serve: Serve, config: dict[str, Any], data: Data, plots: FigureBlueprint
) -> None:
    """An invalidation also drops it as a fallback."""
    client = serve(**config)
    client.get("/plots/data")
    with client.application.app_context():
        plots.invalidate("draw")
    data.version, data.is_broken = 2, True
    assert client.get("/plots/data").status_code == 500


def test_a_version_may_go_back(
    serve: Serve, config: dict[str, Any], data: Data
) -> None:
    """A fresh picture is still a hit, and the newest render is the fallback."""
    client = serve(**config)
    bodies = []
    for data.version in (1, 2, 1):
        bodies.append(client.get("/plots/data").data)
    assert bodies[0] == bodies[2]
    assert data.drawn == [("ann", 1), ("ann", 2)]
    data.version, data.is_broken = 3, True
    assert client.get("/plots/data").data == bodies[1]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("nonsense", id="text"),
        pytest.param(f"{'a' * 40} 1.0 {'b' * 40}", id="another-series"),
        pytest.param(b"\0", id="bytes"),
        pytest.param(5, id="number"),
    ],
)
def test_a_damaged_pointer_to_the_last_picture_is_ignored(
    serve: Serve, data: Data, text: object
) -> None:
    """The response is the error, not another picture."""
    client = serve()
    client.get("/plots/data")
    (series,) = (
        key
        for key, item in backend_of(client.application)._items.items()
        if item.is_pickled and key != EPOCH
    )
    backend_of(client.application).set(series, text)
    data.version, data.is_broken = 2, True
    assert client.get("/plots/data").status_code == 500


def test_the_pointer_to_a_picture_is_bound_to_its_series() -> None:
    """A pointer copied to another series, such as another user's, is ignored."""
    text = Newest("0123", 1.5).to_text("ann")
    assert Newest.from_text("ann", text) == Newest("0123", 1.5)
    assert Newest.from_text("bob", text) is None


# --- Superseded pictures are dropped ---------------------------------------


def lifetimes_s(client: FlaskClient) -> list[int]:
    """Return the seconds that each picture stays in Redis, in order."""
    backend = backend_of(client.application)
    server = backend._write_client
    prefix = f"{backend._get_prefix()}{PREFIX}"
    keys = [
        key for key in server.keys(f"{prefix}*") if MAGIC in (server.get(key) or b"")
    ]
    return sorted(server.ttl(key) for key in keys)


def test_superseded_pictures_expire_in_redis(
    serve: Serve, redis_port: int, data: Data, clock: Clock
) -> None:
    """Older pictures expire when they may not be sent; one is kept for errors."""
    client = serve(**redis_config(redis_port))
    for data.version in range(20):
        assert client.get("/plots/data").status_code == 200
        clock.now += 0.5
    *superseded, newest = lifetimes_s(client)
    assert superseded
    assert max(superseded) <= MAX_AGE_S + WHILE_S
    assert ON_ERROR_S < newest <= MAX_AGE_S + ON_ERROR_S


def test_a_picture_superseded_late_is_dropped_at_once(
    serve: Serve, config: dict[str, Any], data: Data, clock: Clock
) -> None:
    """The rest of its lifetime may be 0."""
    client = serve(**config)
    client.get("/plots/data")
    backend = backend_of(client.application)
    store = client.application.extensions["mplstream"].pictures(None).store
    names, write = [], store.write

    def note(key: str, *rest: Any) -> bool:
        names.append(key)
        return bool(write(key, *rest))

    store.write = note
    for data.version in (2, 3):
        client.get("/plots/data")
        clock.now += MAX_AGE_S + WHILE_S + 1
    assert [backend.get(PREFIX + key) is None for key in names] == [True, False]


def test_a_render_that_ends_late_supersedes_no_newer_data(
    serve: Serve, config: dict[str, Any], data: Data, clock: Clock
) -> None:
    """It began before the newer one, which keeps its lifetime."""
    client = serve(**config, MPLSTREAM_FAST_BYTES=0)
    app = client.application
    newer: list[bytes] = []

    def overtake() -> None:
        clock.now += 1
        data.version = 3
        newer.append(app.test_client().get("/plots/data").data)
        clock.now += 1

    data.during = lambda: overtake() if data.version == 2 else None
    client.get("/plots/data")
    data.version = 2
    assert client.get("/plots/data").data != newer[0]
    clock.now += MAX_AGE_S + WHILE_S + 1
    data.is_broken = True
    assert client.get("/plots/data").data == newer[0]
    data.version = 4
    assert client.get("/plots/data").data == newer[0]


def test_two_processes_that_race_leave_one_long_lived_picture(
    serve: Serve, redis_port: int, data: Data
) -> None:
    """Each new picture shortens only the lifetime of the previous one."""
    apps = [serve(**redis_config(redis_port)).application for _ in range(2)]
    lock, wave = threading.Lock(), threading.Barrier(4)

    def ask(n: int) -> int:
        client, status = apps[n % 2].test_client(), 0
        for _ in range(8):
            wave.wait(20)
            with lock:
                data.version += 1
            status = max(status, client.get("/plots/data").status_code)
        return status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {200}
    lifetimes = lifetimes_s(apps[0].test_client())
    assert len(lifetimes) > 8
    assert sum(seconds > MAX_AGE_S + WHILE_S for seconds in lifetimes) == 1
