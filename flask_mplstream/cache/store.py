"""The store: entries in whatever backend Flask-Caching has.

Cache layer: it is given the backend, and knows neither Flask nor Matplotlib. A
cache is there to help: a backend that fails is logged, and costs a render, and
never a request.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from .entry import Entry
from .memory import MemoryCache

logger = logging.getLogger("flask_mplstream")


class Backend(Protocol):
    """What is asked of a backend: two methods of cachelib's."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any, timeout: int) -> Any: ...


class Store:
    """Entries by key.

    :param backend: a cachelib backend.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        # Memory of our own keeps the entry itself, with its ready headers.
        self._is_embedded = isinstance(backend, MemoryCache)

    def get(self, key: str) -> Entry | None:
        """The entry under *key*; ``None`` for a miss, damage and failure alike."""
        try:
            stored = self._backend.get(key)
        except Exception:
            logger.warning("Cannot read from the cache; rendering.", exc_info=True)
            return None
        if stored is None or self._is_embedded:
            return stored if isinstance(stored, Entry) else None
        entry = Entry.from_bytes(key, stored)
        if entry is None:
            logger.warning("A damaged or foreign value in the cache under %s.", key)
        return entry

    def set(self, key: str, entry: Entry, timeout_s: int) -> bool:
        """Keep *entry* for *timeout_s* seconds.

        :return: whether it is kept.
        """
        value = entry if self._is_embedded else entry.to_bytes(key)
        try:
            # Backends that report nothing return None.
            return self._backend.set(key, value, timeout=timeout_s) is not False
        except Exception:
            logger.warning("Cannot write to the cache; going on.", exc_info=True)
            return False
