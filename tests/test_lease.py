"""Leases: one leader among processes. And values in a store without pickle."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_caching import Cache
from hypothesis import given
from hypothesis import strategies as st

from flask_mplstream import BytesSerializer, redis_options
from flask_mplstream.cache import lease
from flask_mplstream.cache.lease import Leases, ProcessLeases, held, leases_for


def backend_of(config: dict[str, Any]) -> Any:
    app = Flask(__name__)
    cache = Cache(app, config=config)
    return app.extensions["cache"][cache]


@pytest.fixture(params=["filesystem", "redis", "memcached"])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Leases]]:
    """The leases of two processes that share a backend."""
    config: dict[str, Any]
    if request.param == "filesystem":
        config = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "c")}
    elif request.param == "redis":
        port = request.getfixturevalue("redis_port")
        config = {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": port}
    else:
        port = request.getfixturevalue("memcached_port")
        servers = [f"127.0.0.1:{port}"]
        config = {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": servers}
    backends = [backend_of(config) for _ in range(2)]
    yield [leases_for(backend) for backend in backends]
    for backend in backends:
        if request.param == "redis":
            backend._write_client.close()
        if request.param == "memcached":
            backend._client.disconnect_all()


def test_one_leads_at_a_time(two: list[Leases]) -> None:
    """The other is told at once, and leads when the first is done."""
    first, second = two
    assert first.is_shared
    release = first.acquire("0123")
    assert release is not None
    assert second.acquire("0123") is None
    assert first.acquire("0123") is None
    release()
    again = second.acquire("0123")
    assert again is not None
    again()


def test_other_keys_are_other_leases(two: list[Leases]) -> None:
    """Different pictures never wait for each other."""
    first, second = two
    releases = [first.acquire("0123"), second.acquire("4567")]
    for release in releases:
        assert release is not None
        release()


def test_a_file_lease_leaves_no_file(tmp_path: Path) -> None:
    """The folder beside the cache does not fill up."""
    leases = leases_for(
        backend_of({"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "c")})
    )
    for key in ("0123", "4567"):
        release = leases.acquire(key)
        assert release is not None
        assert list((tmp_path / "c.locks").iterdir())
        release()
    assert not list((tmp_path / "c.locks").iterdir())


def test_a_lease_is_renewed_while_the_render_runs(
    redis_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A render longer than the lease keeps it."""
    monkeypatch.setattr(lease, "LEASE_S", 0.3)
    monkeypatch.setattr(lease, "RENEW_S", 0.05)
    backend = backend_of({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis_port})
    leases = leases_for(backend)
    release = leases.acquire("89ab")
    assert release is not None
    client = backend._write_client
    for _ in range(8):
        assert client.pttl("flask_cache_89ab:lease") > 0
        threading.Event().wait(0.1)
    release()
    assert not client.exists("flask_cache_89ab:lease")
    client.close()


def test_a_process_alone_always_leads() -> None:
    """Its flights are enough, and there is nothing to give back."""
    leases = leases_for(backend_of({"CACHE_TYPE": "SimpleCache"}))
    assert isinstance(leases, ProcessLeases)
    assert not leases.is_shared
    assert leases.acquire("a")
    assert leases.acquire("a")


def test_a_lease_that_cannot_be_given_back_is_no_error_of_the_render() -> None:
    """It runs out by itself."""

    def fails() -> None:
        raise ConnectionError

    with held(fails):
        pass


# --- Serializer -----------------------------------------------------------


@given(st.one_of(st.binary(), st.text(), st.integers()))
def test_plain_values_come_back(value: Any) -> None:
    """In memory and through a file."""
    serializer = BytesSerializer()
    assert serializer.loads(serializer.dumps(value)) == value
    file = BytesIO()
    serializer.dump(value, file)
    file.seek(0)
    assert serializer.load(file) == value


@given(st.binary(max_size=100))
def test_any_bytes_are_read_without_an_error(stored: bytes) -> None:
    """What is not ours is nothing."""
    BytesSerializer().loads(stored)


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("the pickle was loaded",))


def test_a_pickle_is_never_loaded() -> None:
    """Not even one that has cachelib's mark before it."""
    bomb = pickle.dumps(Bomb())
    for stored in (bomb, b"!" + bomb, None, b""):
        assert BytesSerializer().loads(stored) is None


def test_other_objects_are_refused() -> None:
    """The error says what to do."""
    with pytest.raises(TypeError, match="a cache of their own"):
        BytesSerializer().dumps({"a": 1})


def test_redis_gives_up_soon() -> None:
    """No waiting for ever, no trying again for seconds."""
    options = redis_options()
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 0.25
    assert options["retry"].get_retries() == 0
