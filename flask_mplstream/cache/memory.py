"""The embedded store: memory of this process, bounded in bytes.

Cache layer. A cachelib backend on cachetools' LRU, for Flask-Caching's
``CACHE_TYPE = "flask_mplstream.cache.memory.MemoryCache"``. Flask-Caching's own
SimpleCache counts items, not bytes, and evicts the item that expires first.
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

    Pictures and ``bytes`` are kept as they are, because they are immutable. Other
    values are pickled, so that later changes to them do not reach the cache.

    :param max_bytes: total size, default 64 MiB.
    :param default_timeout: seconds, default 300; 0 keeps an item until it is evicted.
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
        """Create a cache from ``CACHE_OPTIONS``; Flask-Caching calls it."""
        return cls(*args, **kwargs)

    @property
    def max_bytes(self) -> int:
        """Limit of the total size."""
        return int(self._items.maxsize)

    @property
    def size_bytes(self) -> int:
        """Total size of the items, including their overhead."""
        return int(self._items.currsize)

    def get(self, key: str) -> Any:
        """Return the value under *key*, or ``None``."""
        with self._lock:
            item = self._find(key)
        return item and _load_value(item)

    def _find(self, key: str) -> _Item | None:
        """Return the unexpired item under *key*; the caller holds the lock."""
        item = self._items.get(key)
        if item is not None and item.expires_at <= self._timer():
            del self._items[key]
            return None
        return item

    def set(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Store *value* for *timeout* seconds; return ``False`` if it is too large."""
        item = self._make_item(key, value, timeout)
        with self._lock:
            return self._keep(key, item)

    def add(self, key: str, value: Any, timeout: Any = None) -> bool:
        """Store *value* like :meth:`set`; return ``False`` if *key* exists."""
        item = self._make_item(key, value, timeout)
        with self._lock:
            return self._find(key) is None and self._keep(key, item)

    def exchange(self, key: str, value: Any, timeout: Any = None) -> Any:
        """Store *value* like :meth:`set`; return the previous value or ``None``."""
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
        """Drop *key*; return ``False`` if it is missing."""
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
