"""The embedded store, which uses a limited amount of memory in this process.

Cache layer. This cachelib backend is based on the LRU cache of cachetools. To use it
with Flask-Caching, set ``CACHE_TYPE = "flask_mplstream.cache.memory.MemoryCache"``.
Flask-Caching's own SimpleCache limits the number of items instead of their size, and
evicts the item that expires first.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from cachetools import LRUCache
from flask_caching.backends.base import BaseCache

from ..forks import make_lock
from .entry import CheckedEntry, Entry

if TYPE_CHECKING:
    from flask import Flask

DEFAULT_BYTES = 64 * 2**20
#: Estimated bytes of an item besides its value and key: bookkeeping, ready headers.
OVERHEAD_BYTES = 2048


class _Item(NamedTuple):
    value: Any
    is_pickled: bool
    expires_at: float
    size_bytes: int


def _load_value(item: _Item) -> Any:
    return pickle.loads(item.value) if item.is_pickled else item.value  # noqa: S301 - our own memory  # nosec B301


class MemoryCache(BaseCache):
    """A cache that evicts the least recently used items above *max_bytes*.

    Pictures and ``bytes`` are stored as they are, because they can't change. Other
    values are pickled, so that later changes to them don't affect the cache.

    :param max_bytes: the maximum total size. The default is 64 MiB.
    :param default_timeout: the default number of seconds to store an item. If it is 0,
        the item is stored until it is evicted.
    :param timer: a monotonic clock in seconds, for tests.
    """

    def __init__(
        self,
        max_bytes: int = DEFAULT_BYTES,
        default_timeout: int = 300,
        *,
        timer: Callable[[], float] = time.monotonic,
        ignore_delete_many_errors: bool = True,
    ) -> None:
        super().__init__(default_timeout, ignore_delete_many_errors)
        self._timer = timer
        self._items: LRUCache[str, _Item] = LRUCache(max_bytes, lambda i: i.size_bytes)
        self._lock = make_lock(self)  # guards _items

    @classmethod
    def factory(
        cls,
        app: Flask,
        config: dict[str, Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> Self:
        """Create a cache from ``CACHE_OPTIONS``. Flask-Caching calls this method."""
        return cls(*args, **kwargs)

    @property
    def max_bytes(self) -> int:
        """Limit of the total size."""
        return int(self._items.maxsize)

    @property
    def size_bytes(self) -> int:
        """The total size of the items, including their overhead."""
        return int(self._items.currsize)

    def get(self, key: str) -> Any:
        """Return the value under *key*, or ``None``."""
        with self._lock:
            item = self._find(key)
        return item and _load_value(item)

    def _find(self, key: str) -> _Item | None:
        """Return the item for *key* if it hasn't expired, while holding the lock."""
        item = self._items.get(key)
        if item is not None and item.expires_at <= self._timer():
            del self._items[key]
            return None
        return item

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Store *value* for *timeout* seconds. Return ``False`` if it is too large."""
        item = self._make_item(key, value, timeout)
        with self._lock:
            return self._keep(key, item)

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Store *value* like :meth:`set`, or return ``False`` if *key* exists."""
        item = self._make_item(key, value, timeout)
        with self._lock:
            return self._find(key) is None and self._keep(key, item)

    def exchange(self, key: str, value: Any, timeout: Any = None) -> Any:
        """Store *value* like :meth:`set`, and return the previous value or ``None``."""
        item = self._make_item(key, value, timeout)
        with self._lock:
            older = self._find(key)
            self._keep(key, item)
        return older and _load_value(older)

    def _make_item(self, key: str, value: Any, timeout: Any) -> _Item:
        seconds = self._normalize_timeout(timeout)
        expires_at = self._timer() + seconds if seconds else float("inf")
        if isinstance(value, Entry | CheckedEntry):
            is_pickled, size_bytes = False, value.size_bytes
        else:
            is_pickled = not isinstance(value, bytes)
            if is_pickled:
                value = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
            size_bytes = len(value)
        size_bytes += len(key) + OVERHEAD_BYTES
        return _Item(value, is_pickled, expires_at, size_bytes)

    def _keep(self, key: str, item: _Item) -> bool:
        if item.size_bytes > self._items.maxsize:
            # The previous value is outdated.
            self._items.pop(key, None)
            return False
        self._items[key] = item
        return True

    def delete(self, key: str) -> bool:
        """Delete *key*, or return ``False`` if it doesn't exist."""
        with self._lock:
            return self._items.pop(key, None) is not None

    def has(self, key: str) -> bool:
        """Return whether *key* exists."""
        with self._lock:
            return self._find(key) is not None

    def clear(self) -> bool:
        """Drop everything."""
        with self._lock:
            self._items.clear()
        return True
