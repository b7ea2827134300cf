"""The store: entries in whatever backend Flask-Caching has.

Cache layer: it is given the backend, and knows neither Flask nor Matplotlib. A
cache is there to help: a backend that fails is logged and left alone for a
while, and costs a render, and never a request.

An entry is valid under the *generation* it was made for. A generation follows
from the tokens of some names (a figure, its arguments, tags), which stand in
the backend as well: writing a new token under a name makes every entry that was
made under the old one a miss, on all processes, without looking for keys.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from uuid import uuid4

from ..errors import CacheDownError
from .breaker import Breaker, is_outage
from .entry import Entry
from .key import digest
from .memory import MemoryCache
from .mending import mend

logger = logging.getLogger("flask_mplstream")

#: What every key of ours begins with in a backend that is shared with others.
PREFIX = "mplstream:"
#: Key of the token that is gone when the backend was emptied.
EPOCH = f"{PREFIX}epoch"
#: Seconds after which the fast layer asks the backend for the tokens again: how
#: long another process may send a picture that was invalidated.
COHERENCE_S = 1.0
#: Seconds that a token stands. Longer than any entry should, and not for ever:
#: FileSystemCache drops what never expires first.
TOKEN_S = 60 * 86_400
#: The generation while the backend does not answer.
UNKNOWN = "?"


class Backend(Protocol):
    """What is asked of a backend: three methods of cachelib's."""

    def get(self, key: str) -> Any: ...
    def get_many(self, *keys: str) -> list[Any]: ...
    def set(self, key: str, value: Any, timeout: int) -> Any: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What the store has under a key."""

    entry: Entry | None
    #: What a new entry would be valid under.
    generation: str


class Store:
    """Entries by key.

    :param backend: a cachelib backend.
    :param fast_bytes: size of the layer of this process in front of a backend
        that others share; 0 for none.
    :param timer: a monotonic clock in seconds, for tests.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        fast_bytes: int = 0,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.backend = backend
        #: ``damaged`` and ``refused`` values so far.
        self.counts: Counter[str] = Counter()
        self._timer = timer
        # Memory of our own keeps the entry itself, with its ready headers.
        self._is_embedded = isinstance(backend, MemoryCache)
        self._keeps_nothing = type(backend).__name__ == "NullCache"
        has_fast = fast_bytes and not (self._is_embedded or self._keeps_nothing)
        self._was_invalidated = False
        self._fast = MemoryCache(fast_bytes, timer=timer) if has_fast else None
        self.breaker = Breaker(lambda: backend.get(f"{PREFIX}probe"))

    def read(
        self,
        key: str,
        names: Sequence[str],
        *,
        timeout_s: int = 0,
        past_fast: bool = False,
    ) -> Found:
        """What there is under *key*; damage and failure count as nothing.

        :param names: what the entry belongs to, for its generation.
        :param timeout_s: seconds for which the fast layer may keep a copy.
        :param past_fast: ask the backend, where another process may have put
            a newer one.
        """
        if self._is_embedded and not self._was_invalidated:
            # Only this process could have written a token.
            return Found(self._decoded(key, self.backend.get(PREFIX + key)), "")
        if self._fast is not None and not past_fast:
            entry = self._fast.get(PREFIX + key)
            if entry is not None and self._is_valid(entry, names):
                return Found(entry, entry.generation)
        stored, *tokens = self._get_many(PREFIX + key, *map(_token_key, names))
        generation = self._generation(tokens)
        entry = self._decoded(key, stored)
        if entry is None or entry.generation != generation:
            return Found(None, generation)
        self._keep_fast(key, entry, timeout_s)
        return Found(entry, generation)

    def _set(self, key: str, value: object, timeout_s: int) -> bool:
        if self.breaker.is_open:
            return False
        # Backends that report nothing return None; memcached's client 0 or 1.
        try:
            kept = self.backend.set(key, value, timeout=timeout_s)
        except Exception as error:
            if is_outage(error):
                self.breaker.trip()
                return False
            logger.info("The cache refused a value.", exc_info=True)
            kept = False
        is_kept = kept is None or bool(kept)
        if not is_kept:
            mend(self.backend)
        return is_kept

    def generation(self, names: Sequence[str]) -> str:
        """The generation alone, as old as :data:`COHERENCE_S` with a fast layer."""
        if self._is_embedded and not self._was_invalidated:
            return ""
        if self._fast is None:
            return self._generation(self._get_many(*map(_token_key, names)))
        key = f"{PREFIX}generation {digest(*names)}"
        kept, until = self._fast.get(key) or ("", 0.0)
        if self._timer() < until:
            return str(kept)
        generation = self._generation(self._get_many(*map(_token_key, names)))
        if generation != UNKNOWN:
            self._fast.set(key, (generation, self._timer() + COHERENCE_S))
        return generation

    def _is_valid(self, entry: Entry, names: Sequence[str]) -> bool:
        """Whether an entry of the fast layer still has its generation."""
        now = self._timer()
        if now < entry.ready.get("valid_until", 0.0):
            return True
        epoch, *tokens = self._get_many(EPOCH, *map(_token_key, names))
        if not self.breaker.is_open and (
            epoch != entry.ready.get("epoch")
            or self._generation(tokens) != entry.generation
        ):
            return False
        entry.ready["valid_until"] = now + COHERENCE_S
        return True

    def _generation(self, tokens: Sequence[Any]) -> str:
        if self.breaker.is_open:
            return UNKNOWN
        if not any(tokens):
            return ""
        return _digest_of(tuple(tokens))

    def _get_many(self, *keys: str) -> list[Any]:
        if self.breaker.is_open:
            return [None] * len(keys)
        try:
            return self.backend.get_many(*keys)
        except Exception as error:
            if is_outage(error):
                self.breaker.trip()
            elif len(keys) > 1:
                # One value that cannot be read is one miss.
                return [self._get_many(key)[0] for key in keys]
            else:
                self.counts["damaged"] += 1
                logger.warning("Cannot read %s from the cache: %r", keys[0], error)
            return [None] * len(keys)

    def _decoded(self, key: str, stored: object) -> Entry | None:
        if stored is None or self._is_embedded:
            return stored if isinstance(stored, Entry) else None
        entry = Entry.from_bytes(key, stored)
        if entry is None:
            self.counts["damaged"] += 1
            logger.warning("A damaged or foreign value in the cache under %s.", key)
        return entry

    def write(self, key: str, entry: Entry, timeout_s: int) -> bool:
        """Keep *entry* for *timeout_s* seconds.

        :return: whether it is kept where all who share the backend find it.
        """
        if self._keeps_nothing:
            return False
        # It may have been invalidated while it was rendered: ask at the first hit.
        self._keep_fast(key, entry, timeout_s, is_checked=not self._was_invalidated)
        value = entry if self._is_embedded else entry.to_bytes(key)
        is_kept = self._set(PREFIX + key, value, timeout_s)
        if not is_kept and not self.breaker.is_open:
            self._count_refusal(entry)
        return is_kept

    def _count_refusal(self, entry: Entry) -> None:
        self.counts["refused"] += 1
        if self.counts["refused"] == 1:
            logger.warning(
                "The cache did not keep a picture of %d bytes. Is it full, not "
                "writable, or is that over its limit for one value? Further ones "
                "are counted and not logged.",
                len(entry.image.body),
            )

    def _keep_fast(
        self, key: str, entry: Entry, timeout_s: int, *, is_checked: bool = True
    ) -> None:
        if self._fast is not None:
            entry.ready["epoch"] = self._epoch()
            checked_for_s = COHERENCE_S if is_checked else 0.0
            entry.ready["valid_until"] = self._timer() + checked_for_s
            self._fast.set(PREFIX + key, entry, timeout_s)

    def _epoch(self) -> object:
        """What tells a backend that was emptied meanwhile: a token that is gone."""
        (epoch,) = self._get_many(EPOCH)
        if epoch is None and self._set(EPOCH, token := uuid4().hex, TOKEN_S):
            return token
        return epoch

    def invalidate(self, names: Sequence[str]) -> None:
        """Make every entry that belongs to one of *names* a miss.

        At once in this process, in the others within :data:`COHERENCE_S`.

        :raises CacheDownError: where the backend does not take it, and old
            pictures would go on being sent.
        """
        self._was_invalidated = True
        try:
            for name in names:
                self._write_token(name)
        finally:
            # Afterwards: who reads in between fills it with the old ones.
            if self._fast is not None:
                self._fast.clear()

    def _write_token(self, name: str) -> None:
        if self._set(_token_key(name), uuid4().hex, TOKEN_S):
            return
        if isinstance(self.backend, MemoryCache):
            self.backend.clear()  # Too small for a token: nothing at all is kept.
        elif not self._keeps_nothing:
            raise CacheDownError(
                f"The cache did not take the invalidation of {name}, so that old "
                f"pictures are still sent. Is its server up, its folder writable? "
                f"Invalidate again when it is."
            )


@lru_cache(4096)
def _digest_of(tokens: tuple[Any, ...]) -> str:
    return digest(*("" if token is None else str(token) for token in tokens))[:8]


@lru_cache(4096)
def _token_key(name: str) -> str:
    return f"{PREFIX}generation:{digest(name)}"
