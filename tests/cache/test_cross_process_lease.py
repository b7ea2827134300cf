"""Leases: one leader among processes. The serializer without pickle."""

from __future__ import annotations

import errno
import gc
import os
import pickle
import tempfile
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
from flask_mplstream.cache import cross_process_lease
from flask_mplstream.cache.cross_process_lease import (
    FileLeases,
    Leases,
    MemcachedLeases,
    ProcessLeases,
    choose_leases,
    release_at_end,
)


def backend_of(config: dict[str, Any]) -> Any:
    app = Flask(__name__)
    cache = Cache(app, config=config)
    return app.extensions["cache"][cache]


SERVERS = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("redis", "memcached")
]


@pytest.fixture(params=["filesystem", *SERVERS])
def two(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[Leases]]:
    """Return the leases of two processes that share a backend."""
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
    yield [choose_leases(backend) for backend in backends]
    for backend in backends:
        if request.param == "redis":
            backend._write_client.close()
        if request.param == "memcached":
            backend._client.disconnect_all()


def test_one_process_leads_at_a_time(two: list[Leases]) -> None:
    """The other leads when the first lease is released."""
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
    leases = choose_leases(
        backend_of({"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path / "c")})
    )
    for key in ("0123", "4567"):
        release = leases.acquire(key)
        assert release is not None
        assert list((tmp_path / "c.locks").iterdir())
        release()
    assert not list((tmp_path / "c.locks").iterdir())


def test_a_cache_in_the_folder_of_the_process_has_its_locks_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``CACHE_DIR = "."`` has a name and a parent."""
    (tmp_path / "c").mkdir()
    monkeypatch.chdir(tmp_path / "c")
    release = choose_leases(
        backend_of({"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": "."})
    ).acquire("0123")
    assert release is not None
    assert list((tmp_path / "c.locks").iterdir())
    release()


# --- A cache without a place for locks -------------------------------------


class Lonely:
    """A cache in a folder that is not ours, such as ``/var/cache/app``."""

    def __init__(self, folder: Path) -> None:
        self.beside, self.temporary = folder / "c.locks", folder / "tmp"
        self.temporary.mkdir()

    def leases(self) -> FileLeases:
        """Return the leases of one process."""
        return FileLeases(self.beside)

    @property
    def folders(self) -> list[Path]:
        """Return the folders that were made for locks instead."""
        return list(self.temporary.iterdir())


REFUSALS = [
    pytest.param(errno.EACCES, id="not-allowed"),
    pytest.param(
        errno.EROFS,
        id="read-only",
    ),
]


@pytest.fixture(params=REFUSALS)
def lonely(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Lonely:
    """Refuse to make the folder, even for root."""
    made = Lonely(tmp_path)
    mkdir = Path.mkdir

    def refuse(path: Path, *args: Any, **kwargs: Any) -> None:
        if path == made.beside:
            raise OSError(request.param, os.strerror(request.param))
        mkdir(path, *args, **kwargs)

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(tempfile, "tempdir", str(made.temporary))
    return made


def test_locks_may_be_in_a_temporary_folder_of_the_user(lonely: Lonely) -> None:
    """Other users cannot take a lock in it and delay renders."""
    release = lonely.leases().acquire("0123")
    assert release is not None
    (folder,) = lonely.folders
    assert folder.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir())
    release()


def test_two_processes_find_the_same_temporary_folder(lonely: Lonely) -> None:
    """One process leads at a time there as well."""
    first, second = lonely.leases(), lonely.leases()
    release = first.acquire("0123")
    assert release is not None
    assert second.acquire("0123") is None
    release()
    again = second.acquire("0123")
    assert again is not None
    again()


def test_two_caches_have_two_temporary_folders(lonely: Lonely) -> None:
    """A picture of one app delays none of another."""
    release = lonely.leases().acquire("0123")
    assert release is not None
    lonely.beside = lonely.beside.with_name("d.locks")
    other = FileLeases(lonely.beside).acquire("0123")
    assert other is not None
    assert len(lonely.folders) == 2
    release()
    other()


def be(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Set the user ids that *names* of :mod:`os` return to those of another user."""
    somebody_else = os.geteuid() + 1
    for name in names:
        monkeypatch.setattr(os, name, lambda: somebody_else)


def test_a_temporary_folder_of_another_user_is_rejected(
    lonely: Lonely, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner could stop renders or put links into it."""
    be(monkeypatch, "getuid", "geteuid")
    with pytest.raises(OSError, match=r"\[Errno"):
        lonely.leases().acquire("0123")
    (folder,) = lonely.folders
    assert not list(folder.iterdir())


def test_the_temporary_folder_is_the_effective_users(
    lonely: Lonely, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The effective user of the process owns its files."""
    be(monkeypatch, "getuid")
    release = lonely.leases().acquire("0123")
    assert release is not None
    release()


# --- Renewal and release ---------------------------------------------------


def test_a_lease_that_cannot_be_renewed_is_still_released(
    redis_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a thread to renew it, the lease is short."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    backend = backend_of({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis_port})
    client = backend._write_client
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        release = choose_leases(backend).acquire("cdef")
    assert release is not None
    assert client.exists("flask_cache_cdef:lease")
    release()
    assert not client.exists("flask_cache_cdef:lease")
    client.close()


def test_a_lease_is_renewed_while_the_render_runs(
    redis_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A render longer than the lease keeps it."""
    monkeypatch.setattr(cross_process_lease, "LEASE_S", 0.3)
    monkeypatch.setattr(cross_process_lease, "RENEW_S", 0.05)
    backend = backend_of({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis_port})
    leases = choose_leases(backend)
    release = leases.acquire("89ab")
    assert release is not None
    client = backend._write_client
    for _ in range(8):
        assert client.pttl("flask_cache_89ab:lease") > 0
        threading.Event().wait(0.1)
    release()
    assert not client.exists("flask_cache_89ab:lease")
    client.close()


def test_a_renewal_that_fails_is_tried_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried again before the lease expires."""
    monkeypatch.setattr(cross_process_lease, "RENEW_S", 0.01)
    monkeypatch.setattr(cross_process_lease, "RETRY_S", 0.01)
    tried, again = [], threading.Event()

    def renew() -> bool:
        tried.append(1)
        monkeypatch.setattr(cross_process_lease, "RENEW_S", 60)
        if len(tried) < 3:
            raise TimeoutError
        again.set()
        return True

    renewal = cross_process_lease._Renewal(renew)
    assert again.wait(10)
    renewal.stop()
    assert len(tried) == 3
    assert (
        cross_process_lease.LEASE_S - cross_process_lease.LEASE_S / 3
        > cross_process_lease.LEASE_S / 20 * 3
    )


def test_a_lease_that_was_lost_is_not_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread ends: another process leads."""
    monkeypatch.setattr(cross_process_lease, "RENEW_S", 0.01)
    renewal = cross_process_lease._Renewal(lambda: False)
    renewal._thread.join(10)
    assert not renewal._thread.is_alive()
    renewal.stop()


def test_the_connection_of_a_renewal_is_closed(
    memcached_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread closes it, not the garbage collector."""
    monkeypatch.setattr(cross_process_lease, "RENEW_S", 0.01)
    servers = [f"127.0.0.1:{memcached_port}"]
    config = {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": servers}
    backend, renewed = backend_of(config), threading.Event()
    leases = choose_leases(backend)
    assert isinstance(leases, MemcachedLeases)
    renew = leases._renew

    def note(name: str, token: str) -> bool:
        renewed.set()
        return renew(name, token)

    monkeypatch.setattr(leases, "_renew", note)
    release = leases.acquire("8888")
    assert release is not None
    assert renewed.wait(10)
    release()
    backend._client.disconnect_all()
    gc.collect()  # An open socket would cause a warning, which is an error.


@pytest.mark.parametrize("is_taken", [True, False], ids=["taken", "free"])
def test_a_resumed_process_takes_a_free_lease_again(
    redis_port: int, is_taken: bool
) -> None:
    """It never renews or releases the lease of another process."""
    backends = [
        backend_of({"CACHE_TYPE": "RedisCache", "CACHE_REDIS_PORT": redis_port})
        for _ in range(2)
    ]
    first, second = map(choose_leases, backends)
    client = backends[0]._write_client
    name, token = "flask_cache_5678:lease", "mine"
    lock = client.lock(name, timeout=5, blocking=False, thread_local=False)
    assert lock.acquire(token=token)
    assert cross_process_lease._renew(lock, token)
    release = first.acquire("abcd")
    assert release is not None
    client.delete(name, "flask_cache_abcd:lease")  # Simulate the end of the lease.
    others = [second.acquire(key) for key in ("5678", "abcd")] if is_taken else []
    assert cross_process_lease._renew(lock, token) is not is_taken
    with release_at_end(release):
        pass
    assert bool(client.exists("flask_cache_abcd:lease")) is is_taken
    for other in others:
        assert other is not None
        other()
    client.delete(name)
    for backend in backends:
        backend._write_client.close()


def test_a_lease_in_memcached_is_renewed_by_its_holder_only(
    memcached_port: int,
) -> None:
    """A process never renews or deletes the lease of another."""
    servers = [f"127.0.0.1:{memcached_port}"]
    config = {"CACHE_TYPE": "MemcachedCache", "CACHE_MEMCACHED_SERVERS": servers}
    backend = backend_of(config)
    leases = choose_leases(backend)
    assert isinstance(leases, MemcachedLeases)
    release = leases.acquire("9999")
    assert release is not None
    token = backend.get("9999:lease")
    assert leases._renew("9999:lease", token)
    backend.set("9999:lease", "another", timeout=60)
    assert not leases._renew("9999:lease", token)
    release()
    assert backend.get("9999:lease") == "another"
    backend.delete("9999:lease")
    backend._client.disconnect_all()


def test_a_single_process_always_leads() -> None:
    """Flights are enough for a single process."""
    leases = choose_leases(backend_of({"CACHE_TYPE": "SimpleCache"}))
    assert isinstance(leases, ProcessLeases)
    assert not leases.is_shared
    assert leases.acquire("a")
    assert leases.acquire("a")


def test_an_error_at_the_release_does_not_fail_the_render() -> None:
    """The lease expires by itself."""

    def fails() -> None:
        raise ConnectionError

    with release_at_end(fails):
        pass


# --- Serializer -----------------------------------------------------------


@given(st.one_of(st.binary(), st.text(), st.integers()))
def test_plain_values_are_read_back(value: Any) -> None:
    """They are equal in memory and through a file."""
    serializer = BytesSerializer()
    assert serializer.loads(serializer.dumps(value)) == value
    file = BytesIO()
    serializer.dump(value, file)
    file.seek(0)
    assert serializer.load(file) == value


@given(st.binary(max_size=100))
def test_any_bytes_are_read_without_an_error(stored: bytes) -> None:
    """Foreign bytes give ``None`` or a plain value."""
    BytesSerializer().loads(stored)


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("the pickle was loaded",))


def test_a_pickle_is_never_loaded() -> None:
    """cachelib's marker before the pickle makes no difference."""
    bomb = pickle.dumps(Bomb())
    for stored in (bomb, b"!" + bomb, None, b""):
        assert BytesSerializer().loads(stored) is None


def test_other_objects_are_rejected() -> None:
    """The error names the fix."""
    with pytest.raises(TypeError, match="in a separate cache"):
        BytesSerializer().dumps({"a": 1})


def test_redis_times_out_soon() -> None:
    """The options set short timeouts and no retries."""
    options = redis_options()
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 0.25
    assert options["retry"].get_retries() == 0
