"""Store entries in any backend that Flask-Caching supports.

Cache layer. The backend is passed in, and this module doesn't know about Flask or
Matplotlib. If a backend fails, this is logged, and the backend is skipped for a while.
Pictures may then have to be rendered again, but requests don't fail.

An entry is only valid for one *generation*, which is computed from the tokens of some
names (a figure, its arguments and its tags). These tokens are also stored in the
backend. When a name gets a new token, all entries with the old one become misses in all
processes, without having to search for their keys.

If a backend such as Redis is full, it may evict a token, but keep an entry that was
invalidated by it. For such a backend, each name gets a token before anything is stored,
and an entry is a miss if one of its tokens is missing. Other backends evict the oldest
value first. They evict an entry before the token that invalidated it, so a name doesn't
need a token until it is invalidated.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple
from uuid import uuid4

from ..errors import CacheDownError
from .backend_breaker import Breaker, is_outage, quote_error
from .backend_detection import (
    Backend,
    cut_lifetime,
    disconnect_thread,
    drops_any_key,
    exchange,
    exchanges_atomically,
    is_in_process,
    keeps_nothing,
    raise_if_unanswered,
    redis_pool,
)
from .entry import CheckedEntry, Entry
from .filesystem_repair import recount, repair
from .key import digest
from .memory import MemoryCache

logger = logging.getLogger("flask_mplstream")

#: Prefix of our keys in a backend that other code may share.
PREFIX = "mplstream:"
#: Key of a token that disappears when the backend is emptied.
EPOCH = f"{PREFIX}epoch"
#: Seconds after which the fast layer reads the tokens from the backend again: the
#: longest time that another process may send an invalidated picture.
COHERENCE_S = 1.0
#: Lifetime of a token, in seconds. It is limited because FileSystemCache first evicts
#: values that never expire.
TOKEN_S = 60 * 86_400
#: Longest lifetime of an entry, in seconds: less than that of a token written after it.
LONGEST_S = TOKEN_S - 60
#: Minimum seconds between log lines about one kind of fault.
LOG_S = 600.0
#: Prefix of a generation that no stored entry has, because the backend does not answer
#: or takes no tokens.
UNKNOWN = "?"


class Found(NamedTuple):
    """The result of looking up a picture in the store."""

    entry: Entry | None
    #: Generation under which a new entry would be valid.
    generation: str


@dataclass(frozen=True, slots=True)
class Newest:
    """The entry of a series with the newest data.

    All pictures in a series are the same except for the version of the data.
    """

    #: Its key in the store.
    key: str
    #: Start of its render, after the version was read; Unix time in seconds.
    began_at: float

    def to_text(self, series: str) -> str:
        """Return the text to store, which is only valid for *series*."""
        bound = digest(series, self.key, repr(self.began_at))
        return f"{self.key} {self.began_at!r} {bound}"

    @classmethod
    def from_text(cls, series: str, text: object) -> Newest | None:
        """Parse a text from :meth:`to_text`, or return ``None`` for any other text."""
        with suppress(ValueError):
            key, began_at, _ = str(text).split()
            newest = cls(key, float(began_at))
            if newest.to_text(series) == text:
                return newest
        return None


class Store:
    """Entries by key.

    :param backend: a cachelib backend.
    :param fast_bytes: size of the layer in this process in front of a shared backend;
        0 (the default) for none.
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
        #: Number of ``damaged`` and ``refused`` values and ``unlocked`` renders so far.
        self.counts: Counter[str] = Counter()
        self._logged_at: dict[str, float] = {}
        self._timer = timer
        self._outage = f"{UNKNOWN}{uuid4().hex} "
        # MemoryCache keeps the entry itself, with its ready headers.
        self._is_embedded = isinstance(backend, MemoryCache)
        #: Whether caching is off.
        self.keeps_nothing = keeps_nothing(backend)
        self._needs_tokens = drops_any_key(backend) and not self.keeps_nothing
        has_fast = fast_bytes and not (self._is_embedded or self.keeps_nothing)
        self._was_invalidated = False
        self._fast = MemoryCache(fast_bytes, timer=timer) if has_fast else None
        self.breaker = Breaker(self._probe)
        recount(backend)

    @property
    def is_down(self) -> bool:
        """Whether the backend does not answer."""
        return self.breaker.is_open

    def note_error(self, error: Exception) -> None:
        """Open the breaker if *error* means that the backend is down."""
        if is_outage(error):
            self.breaker.trip()

    def _probe(self) -> None:
        # Write as well: a replica answers reads while its master is down.
        key = f"{PREFIX}probe"
        try:
            self.backend.set(key, "", timeout=60)
            self.backend.get(key)
            raise_if_unanswered(self.backend)
        finally:
            disconnect_thread(self.backend)

    def read(
        self,
        key: str,
        names: Sequence[str],
        *,
        timeout_s: int = 0,
        past_fast: bool = False,
    ) -> Found:
        """Return the entry for *key*, or treat it as a miss if it is damaged.

        :param names: names that the entry belongs to, for its generation.
        :param timeout_s: seconds for which the fast layer may keep a copy.
        :param past_fast: whether to skip the fast layer, because another process may
            have stored a newer entry.
        """
        if self._is_embedded and not self._was_invalidated:
            # Only this process could have written a token.
            return Found(self._decode(key, self.backend.get(PREFIX + key)), "")
        if self._fast is not None and not past_fast:
            copy: CheckedEntry | None = self._fast.get(PREFIX + key)
            if copy is not None and self._is_valid(copy, names):
                return Found(copy.entry, copy.entry.generation)
        stored, *tokens = self._get_many(PREFIX + key, *map(_name_token, names))
        generation = self._derive_generation(self._complete(names, tokens))
        entry = self._decode(key, stored)
        is_known = not generation.startswith(UNKNOWN)
        if entry is None or not is_known or entry.generation != generation:
            return Found(None, generation)
        self._keep_fast(key, entry, timeout_s)
        return Found(entry, generation)

    def _set(self, key: str, value: object, timeout_s: int) -> bool:
        def keep() -> bool:
            # Some backends return None; Memcached's client returns 0 or 1.
            kept = self.backend.set(key, value, timeout=timeout_s)
            return kept is None or bool(kept)

        is_kept = self._attempt(keep)
        if not is_kept and not self.breaker.is_open:
            repair(self.backend)
        return bool(is_kept)

    def _attempt(self, operation: Callable[[], Any]) -> Any:
        """Return the result of *operation*, or ``None`` if it fails."""
        if self.breaker.is_open:
            return None
        try:
            result = operation()
            raise_if_unanswered(self.backend)
        except Exception as error:
            if is_outage(error):
                self.breaker.trip()
            else:
                logger.info("The cache rejected a value: %s", quote_error(error))
            return None
        return result

    def generation(self, names: Sequence[str]) -> str:
        """Return the generation, which may be up to :data:`COHERENCE_S` old."""
        if self._is_embedded and not self._was_invalidated:
            return ""
        if self._fast is None:
            return self._derive_generation(self._read_tokens(names))
        key = f"{PREFIX}generation {digest(*names)}"
        kept, until = self._fast.get(key) or ("", 0.0)
        if self._timer() < until:
            return str(kept)
        generation = self._derive_generation(self._read_tokens(names))
        if not generation.startswith(UNKNOWN):
            self._fast.set(key, (generation, self._timer() + COHERENCE_S))
        return generation

    def _read_tokens(self, names: Sequence[str]) -> list[Any]:
        return self._complete(names, self._get_many(*map(_name_token, names)))

    def _complete(self, names: Sequence[str], tokens: list[Any]) -> list[Any]:
        """Return the *tokens* of *names*, and replace those that are missing."""
        if not self._needs_tokens or self.breaker.is_open or None not in tokens:
            return tokens
        keys = [_name_token(name) for name in names]
        # Add first, so that the token of a faster process counts. Overwrite only a
        # token that cannot be read.
        for keep in (self._add_token, self._set_token):
            for key, token in zip(keys, tokens, strict=True):
                if token is None:
                    keep(key)
            tokens = self._get_many(*keys)
            if None not in tokens:
                break
        return tokens

    def _add_token(self, key: str) -> bool:
        add = partial(self.backend.add, key, uuid4().hex, timeout=TOKEN_S)
        return bool(self._attempt(add))

    def _set_token(self, key: str) -> bool:
        return self._set(key, uuid4().hex, TOKEN_S)

    def _is_valid(self, copy: CheckedEntry, names: Sequence[str]) -> bool:
        """Return whether the generation of a copy in the fast layer is valid."""
        now = self._timer()
        if now < copy.valid_until:
            return True
        keys = list(map(_name_token, names))
        if not self._needs_tokens:
            keys.append(EPOCH)
        found = self._get_many(*keys)
        tokens, epoch = found[: len(names)], found[len(names) :]
        if not self.breaker.is_open and (
            epoch != copy.epoch
            or self._derive_generation(tokens) != copy.entry.generation
        ):
            return False
        copy.confirm(now + COHERENCE_S)
        return True

    def _derive_generation(self, tokens: Sequence[Any]) -> str:
        if self.breaker.is_open:
            # Different in each outage, because pictures may be invalidated meanwhile.
            return f"{self._outage}{self.breaker.trips}"
        if not (self._needs_tokens or any(tokens)):
            return ""
        generation = _digest_tokens(tuple("" if t is None else str(t) for t in tokens))
        is_lost = self._needs_tokens and None in tokens
        return UNKNOWN + generation if is_lost else generation

    def _get_many(self, *keys: str) -> list[Any]:
        if self.breaker.is_open:
            return [None] * len(keys)
        try:
            values = self.backend.get_many(*keys)
            raise_if_unanswered(self.backend)
        except Exception as error:
            if is_outage(error):
                self.breaker.trip()
            elif len(keys) > 1:
                # Read one by one, so that one unreadable value is one miss.
                return [self._get_many(key)[0] for key in keys]
            else:
                message = "Cannot read %s from the cache: %s."
                self.count("damaged", message, keys[0], quote_error(error))
            return [None] * len(keys)
        return values

    def _decode(self, key: str, stored: object) -> Entry | None:
        if stored is None or self._is_embedded:
            return stored if isinstance(stored, Entry) else None
        entry = Entry.from_bytes(key, stored)
        if entry is None:
            self.count("damaged", "A damaged or foreign value in the cache: %s.", key)
        return entry

    def count(self, fault: str, message: str, *details: object) -> None:
        """Count a *fault*, and log it at most every :data:`LOG_S` seconds."""
        self.counts[fault] += 1
        now = self._timer()
        if now - self._logged_at.get(fault, -math.inf) < LOG_S:
            return
        self._logged_at[fault] = now
        message += " Further ones are counted and not logged (%d so far)."
        logger.warning(message, *details, self.counts[fault])

    def date(self, found: Found) -> str | None:
        """Return a text that an invalidation changes, as does emptying the backend.

        ``None`` if the backend keeps nothing or does not answer.
        """
        if self.keeps_nothing or found.generation.startswith(UNKNOWN):
            return None
        if self._needs_tokens:
            return found.generation
        epoch = self._read_epoch()
        return None if epoch is None else f"{found.generation} {epoch}"

    def write(self, key: str, entry: Entry, timeout_s: int) -> bool:
        """Store *entry* for *timeout_s* seconds.

        :return: whether it was stored in the backend and not only in the fast layer.
        """
        if self.keeps_nothing:
            return False
        timeout_s = min(timeout_s, LONGEST_S)
        # An invalidation may have come during the render: check at the first hit.
        self._keep_fast(key, entry, timeout_s, is_checked=not self._was_invalidated)
        value = entry if self._is_embedded else entry.to_bytes(key)
        is_known = not entry.generation.startswith(UNKNOWN)
        is_kept = is_known and self._set(PREFIX + key, value, timeout_s)
        was_down = entry.generation.startswith(self._outage)
        if not (is_kept or was_down or self.breaker.is_open):
            self.count(
                "refused",
                "The cache did not store a picture of %d bytes. Check whether it is "
                "full or read-only, or limits the size of a value.",
                len(entry.image.body),
            )
        return is_kept

    def _keep_fast(
        self, key: str, entry: Entry, timeout_s: int, *, is_checked: bool = True
    ) -> None:
        if self._fast is not None:
            epoch = [] if self._needs_tokens else [self._read_epoch()]
            valid_until = self._timer() + (COHERENCE_S if is_checked else 0.0)
            copy = CheckedEntry(entry, epoch, valid_until)
            self._fast.set(PREFIX + key, copy, timeout_s)

    def _read_epoch(self) -> object:
        """Return the token that is lost when the backend is cleared."""
        (epoch,) = self._get_many(EPOCH)
        if epoch is None and self._set(EPOCH, token := uuid4().hex, TOKEN_S):
            return token
        return epoch

    def replace_newest(
        self, series: str, newest: Newest, timeout_s: int
    ) -> Newest | None:
        """Record *newest* as the newest entry of *series*.

        :return: the entry that was recorded before.
        """
        pointer, timeout_s = PREFIX + series, min(timeout_s, LONGEST_S)
        text = newest.to_text(series)
        older = self._attempt(lambda: exchange(self.backend, pointer, text, timeout_s))
        return Newest.from_text(series, older)

    def newest(self, series: str) -> Newest | None:
        """Return the entry of *series* with the newest data."""
        return Newest.from_text(series, self._get_many(PREFIX + series)[0])

    @property
    def is_own(self) -> bool:
        """Whether other processes store their own pictures for the same keys."""
        return is_in_process(self.backend) and not self.keeps_nothing

    @property
    def redis_pool(self) -> Any:
        """The connection pool of the backend's Redis, or ``None``."""
        return redis_pool(self.backend)

    @property
    def is_exact(self) -> bool:
        """Whether :meth:`replace_newest` can be called in several threads at once."""
        return exchanges_atomically(self.backend)

    def cut_lifetime(self, key: str, timeout_s: int) -> None:
        """Delete the entry for *key* after *timeout_s* seconds."""
        self._attempt(lambda: cut_lifetime(self.backend, PREFIX + key, timeout_s))

    def invalidate(self, names: Sequence[str]) -> None:
        """Invalidate all entries that belong to one of *names*.

        This takes effect immediately in this process, and within :data:`COHERENCE_S` in
        all others.

        :raises CacheDownError: if the backend fails, so that old pictures are still
            sent.
        """
        self._was_invalidated = True
        try:
            for name in names:
                self._write_token(name)
        finally:
            # Last, because a request in between could fill it with old entries.
            if self._fast is not None:
                self._fast.clear()

    def _write_token(self, name: str) -> None:
        if self._set_token(_name_token(name)):
            return
        if isinstance(self.backend, MemoryCache):
            self.backend.clear()  # Too small for a token: drop everything.
        elif not self.keeps_nothing:
            raise CacheDownError(
                f"The cache rejected the invalidation of {name!r}, so old pictures are "
                f"still sent. Check that its server runs or that its folder is "
                f"writable, and invalidate again."
            )


@lru_cache(4096)
def _digest_tokens(tokens: tuple[str, ...]) -> str:
    return digest(*tokens)[:16]


@lru_cache(4096)
def _name_token(name: str) -> str:
    return f"{PREFIX}generation:{digest(name)}"
