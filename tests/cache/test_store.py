"""The stores: one contract, run against each of them; and the stored bytes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cachelib import SimpleCache
from flask import Flask
from flask_caching import Cache
from flask_caching.backends import MemcachedCache
from hypothesis import given
from hypothesis import strategies as st

from flask_mplstream.cache.entry import MAGIC, Entry
from flask_mplstream.cache.memory import OVERHEAD_BYTES, MemoryCache
from flask_mplstream.cache.store import Store
from flask_mplstream.formats import FORMATS
from flask_mplstream.rendered_image import RenderedImage

KEY = "0123"
NAMES = ("figure walk",)


def entry(body: bytes = b"picture", stored_at: float = 1000.5) -> Entry:
    image = RenderedImage(body, FORMATS["png"], 640, 480)
    return Entry.of(image, stored_at)


def entry_for(store: Store, body: bytes = b"picture") -> Entry:
    """Return an entry that is valid in *store* now."""
    image = RenderedImage(body, FORMATS["png"], 640, 480)
    return Entry.of(image, 1000.5, generation=store.generation(NAMES))


def get(store: Store) -> Entry | None:
    return store.read(KEY, NAMES).entry


def same(first: Entry | None, second: Entry) -> bool:
    return first is not None and (first.image, first.etag, first.stored_at) == (
        second.image,
        second.etag,
        second.stored_at,
    )


REDIS = pytest.param("redis", marks=pytest.mark.slow)
#: Its client leaves the sockets of ended threads to the collector.
LEFT_OPEN = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
MEMCACHED = pytest.param("memcached", marks=[pytest.mark.slow, LEFT_OPEN])


@pytest.fixture(params=["embedded", "simple", "filesystem", REDIS, MEMCACHED])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Return a backend that Flask-Caching makes."""
    config: dict[str, Any] = {
        "embedded": {"CACHE_TYPE": "flask_mplstream.cache.memory.MemoryCache"},
        "simple": {"CACHE_TYPE": "SimpleCache"},
        "filesystem": {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)},
        "redis": {"CACHE_TYPE": "RedisCache"},
        "memcached": {"CACHE_TYPE": "MemcachedCache"},
    }[request.param]
    if request.param == "redis":
        config["CACHE_REDIS_PORT"] = request.getfixturevalue("redis_port")
    if request.param == "memcached":
        port = request.getfixturevalue("memcached_port")
        config["CACHE_MEMCACHED_SERVERS"] = [f"127.0.0.1:{port}"]
    app = Flask(__name__)
    cache = Cache(app, config=config)
    backend = app.extensions["cache"][cache]
    yield backend
    backend.clear()
    if request.param == "redis":
        backend._write_client.close()
    if request.param == "memcached":
        backend._client.disconnect_all()


@pytest.mark.parametrize("size", [1, 43_000, 20_000_000], ids=["1B", "43kB", "20MB"])
def test_a_stored_entry_is_read_back(backend: Any, size: int) -> None:
    """Bytes, size, ETag and time of storing are equal."""
    store = Store(backend)
    stored = entry_for(store, os.urandom(size))
    assert get(store) is None
    if size > 2**20 and isinstance(backend, MemcachedCache):
        # Its limit for one value: refused and counted, not an error.
        assert not store.write(KEY, stored, 60)
        assert store.counts["refused"] == 1
        return
    assert store.write(KEY, stored, 60)
    assert same(get(store), stored)


@pytest.mark.slow  # It waits for a second.
def test_an_entry_is_dropped_after_its_timeout(backend: Any) -> None:
    """The backend's clock counts whole seconds."""
    store = Store(backend)
    store.write(KEY, entry_for(store), 1)
    assert get(store) is not None
    until = time.monotonic() + 5
    while get(store) is not None:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_null_cache_stores_nothing_and_raises_nothing() -> None:
    """With caching off, the fast layer is off too."""
    app = Flask(__name__)
    config = {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
    cache = Cache(app, config=config)
    store = Store(app.extensions["cache"][cache], fast_bytes=2**20)
    store.write(KEY, entry(), 60)
    assert get(store) is None
    store.invalidate(NAMES)


class ClusterCache(SimpleCache):
    """A backend that takes one key at a time, like a cluster of servers."""

    def get_many(self, *keys: str) -> list[Any]:
        if len(keys) > 1:
            raise LookupError("Keys in request don't hash to the same slot")
        return super().get_many(*keys)


def test_a_cluster_is_read_key_by_key() -> None:
    """A cluster that rejects several keys at once is not down."""
    store, stored = Store(ClusterCache()), entry()
    assert store.write(KEY, stored, 60)
    assert same(get(store), stored)
    assert not store.breaker.is_open
    assert not store.counts


def test_the_newest_entry_replaces_the_older(backend: Any) -> None:
    """Storing under the same key replaces the entry."""
    store = Store(backend)
    store.write(KEY, entry_for(store, b"old"), 60)
    store.write(KEY, entry_for(store, b"new"), 60)
    found = get(store)
    assert found is not None
    assert found.image.body == b"new"


def test_threads_never_see_half_an_entry(backend: Any) -> None:
    """A read during writes gives a whole entry."""
    store = Store(backend)
    entries = [entry_for(store, bytes([n]) * 100_000) for n in range(4)]

    def work(n: int) -> bool:
        store.write(KEY, entries[n % 4], 60)
        found = get(store)
        return found is None or len(set(found.image.body)) == 1

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(80)))


def test_a_foreign_value_is_a_miss(backend: Any) -> None:
    """Another program's value under our key is no entry."""
    for foreign in ("text", 5, b"bytes", MAGIC, b""):
        backend.set(f"mplstream:{KEY}", foreign, timeout=60)
        store = Store(backend)
        assert get(store) is None
        is_embedded = isinstance(backend, MemoryCache)
        assert is_embedded or store.counts["damaged"] == 1


def test_an_entry_under_another_key_is_foreign() -> None:
    """The bytes are bound to their key, so no picture is sent for another."""
    stored = entry().to_bytes(KEY)
    assert same(Entry.from_bytes(KEY, stored), entry())
    assert Entry.from_bytes("4567", stored) is None


@given(st.data())
def test_a_damaged_entry_is_a_miss(data: st.DataObject) -> None:
    """An entry with a flipped bit or a missing end is no entry."""
    stored = entry().to_bytes(KEY)
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    flipped = bytearray(stored)
    flipped[bit // 8] ^= 1 << bit % 8
    assert Entry.from_bytes(KEY, bytes(flipped)) is None
    cut = data.draw(st.integers(0, len(stored) - 1))
    assert Entry.from_bytes(KEY, stored[:cut]) is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_miss(value: bytes) -> None:
    """No stored value raises an error."""
    assert Entry.from_bytes(KEY, value) is None
    assert Entry.from_bytes(KEY, MAGIC + value) is None


def test_equal_bytes_have_equal_etags() -> None:
    """The ETag is strong: it depends on the bytes only."""
    assert entry(b"a", 1).etag == entry(b"a", 2).etag != entry(b"b", 1).etag


def test_a_clock_set_back_makes_no_negative_age() -> None:
    """An entry from the future has age 0."""
    assert entry(stored_at=100).age_s(50) == 0
    assert entry(stored_at=100).age_s(150) == 50


# --- The embedded store ---------------------------------------------------


class Timer:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def memory(timer: Timer) -> MemoryCache:
    """Return a cache with room for two values of 100 bytes."""
    return MemoryCache(2 * (OVERHEAD_BYTES + 101), timer=timer)


def test_memory_is_bounded_in_bytes(memory: MemoryCache) -> None:
    """The least recently used value is evicted first."""
    for key in "ab":
        assert memory.set(key, b"x" * 100)
    memory.get("a")
    memory.set("c", b"x" * 100)
    assert [memory.has(key) for key in "abc"] == [True, False, True]
    assert memory.size_bytes <= memory.max_bytes


def test_a_value_larger_than_the_store_is_rejected(memory: MemoryCache) -> None:
    """Other values stay; an older value under its key is dropped."""
    memory.set("a", b"small")
    memory.set("b", b"small")
    assert memory.set("b", b"x" * 10_000) is False
    assert [memory.get(key) for key in "ab"] == [b"small", None]


def test_a_value_expires(memory: MemoryCache, timer: Timer) -> None:
    """After its timeout it is missing for every method; 0 means never."""
    memory.set("a", b"1", timeout=10)
    memory.set("b", b"1", timeout=0)
    timer.now = 9.9
    assert memory.get("a") == b"1"
    timer.now = 10
    assert not memory.has("a")
    assert memory.get("a") is None
    timer.now = 1e9
    assert memory.get("b") == b"1"


def test_add_keeps_the_existing_value(memory: MemoryCache, timer: Timer) -> None:
    """``add`` stores only under a free key; an expired one is free."""
    assert memory.add("a", b"1", timeout=10)
    assert not memory.add("a", b"2", timeout=10)
    assert memory.get("a") == b"1"
    timer.now = 11
    assert memory.add("a", b"2", timeout=10)


def test_memory_that_is_too_small_for_an_invalidation_drops_all() -> None:
    """Rendering too much is better than sending an old picture."""
    store = Store(MemoryCache(OVERHEAD_BYTES + 50))
    assert store.write(KEY, entry(b"old"), 60)
    assert get(store) is not None
    store.invalidate(NAMES)
    assert get(store) is None


def test_deleting_and_clearing(memory: MemoryCache) -> None:
    """``delete`` returns whether there was a value."""
    memory.set("a", b"1")
    assert memory.delete("a")
    assert not memory.delete("a")
    memory.set("a", b"1")
    assert memory.clear()
    assert memory.size_bytes == 0


def test_a_mutable_value_is_copied(memory: MemoryCache) -> None:
    """Later changes to the app's own values do not reach the cache."""
    value = {"a": [1]}
    memory.set("a", value)
    value["a"].append(2)
    memory.get("a")["a"].append(3)
    assert memory.get("a") == {"a": [1]}


def test_the_embedded_store_serves_the_apps_own_caching() -> None:
    """The embedded store is a Flask-Caching backend like any other."""
    app = Flask(__name__)
    cache = Cache(
        app, config={"CACHE_TYPE": "flask_mplstream.cache.memory.MemoryCache"}
    )
    calls: list[int] = []

    @app.get("/")
    @cache.cached()
    def view() -> str:
        calls.append(1)
        return "text"

    client = app.test_client()
    assert [client.get("/").text for _ in range(2)] == ["text", "text"]
    assert len(calls) == 1


def test_the_embedded_store_works_after_a_fork(memory: MemoryCache) -> None:
    """A lock held in the parent does not block the child."""
    memory.set("a", b"1")
    with memory._lock:
        pid = os.fork()
        if pid == 0:
            os._exit(0 if memory.get("a") == b"1" else 1)
    assert os.waitpid(pid, 0)[1] == 0


def test_text_and_timings_are_stored_with_the_picture() -> None:
    """Another process reads them with the bytes."""
    image = RenderedImage(
        b"x", FORMATS["png"], 1, 2, (("build", 0.25), ("draw", 0.5)), words="A ✓ walk"
    )
    stored = Entry.of(image, 0.0).to_bytes("key")
    again = Entry.from_bytes("key", stored)
    assert again is not None
    assert again.image == image
    assert again.image.timings_s == image.timings_s
