"""Leases: one leader among all processes that share a backend.

Cache layer. The backend decides what is possible:

- Redis and Valkey: ``SET NX PX`` with an owner token, released by
  compare-and-delete, renewed while the render runs (redis-py's own ``Lock``).
  A leader that is killed holds nobody up longer than the lease.
- FileSystemCache: a file lock beside the cache folder (``filelock``), which the
  kernel takes back with the process.
- Memcached: ``add`` with a token. Best effort: the server may drop it.
- All others: this process is alone, and its flights are enough.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol
from uuid import uuid4

from filelock import FileLock

from .breaker import is_outage

#: Seconds after which a leader that does not renew its lease has lost it.
LEASE_S = 10
#: Seconds between renewals.
RENEW_S = LEASE_S / 3


class Leases(Protocol):
    """Who leads, among processes."""

    #: Whether another process can be the leader at all.
    is_shared: bool

    def settle(self) -> None:
        """Called when the backend is back after a failure."""
        return

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Become the leader for *key* without waiting.

        :return: what gives the lease back; ``None`` where another has it.
        """


class ProcessLeases(Leases):
    """For a store that no other process sees: everybody may lead."""

    is_shared = False

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Always."""
        return lambda: None


class RedisLeases(Leases):
    """On Redis or Valkey.

    :param client: a redis-py or valkey-py client.
    :param prefix: what the backend puts before its keys.
    :param is_down: whether not to ask the server for now.
    """

    is_shared = True

    def __init__(self, client: Any, prefix: str, is_down: Callable[[], bool]) -> None:
        self._client = client
        self._prefix = prefix
        self._is_down = is_down
        #: Locks that were asked for and perhaps got: the server did not answer.
        self._doubtful: deque[tuple[Any, str]] = deque()

    def acquire(self, key: str) -> Callable[[], object] | None:
        """``SET NX PX`` with a token of this call's own."""
        lock = self._client.lock(
            f"{self._prefix}{key}:lease",
            timeout=LEASE_S,
            blocking=False,
            thread_local=False,
        )
        token = uuid4().hex
        try:
            is_acquired = lock.acquire(token=token)
        except Exception as error:
            if not is_outage(error):
                # It answers, and takes no writes: full, or a replica.
                return lambda: None
            self._doubtful.append((lock, token))
            raise
        if not is_acquired:
            return None
        renewal = _Renewal(lock.reacquire)

        def release() -> None:
            renewal.stop()
            self._doubtful.append((lock, token))
            if not self._is_down():
                self.settle()

        return release

    def settle(self) -> None:
        """Once the server answers again: give back what nobody knows to have.

        A server that was stopped does afterwards what it was asked meanwhile.
        """
        for _ in range(len(self._doubtful)):
            try:
                lock, token = held = self._doubtful.popleft()
            except IndexError:
                return  # Another thread has settled it.
            lock.local.token = token.encode()
            try:
                lock.release()
            except Exception as error:
                if is_outage(error):
                    self._doubtful.append(held)
                    raise


class _Renewal:
    """Calls *renew* from time to time until it is stopped."""

    def __init__(self, renew: Callable[[], object]) -> None:
        self._renew = renew
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name="mplstream-lease", daemon=True
        )
        with suppress(RuntimeError):  # No thread to be had: it is not renewed.
            self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(RENEW_S):
            # A renewal that fails leaves the lease to run out, as it must.
            with suppress(Exception):
                self._renew()

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()


class FileLeases(Leases):
    """On one machine, beside a FileSystemCache.

    :param folder: where the lock files are; made where it is missing.
    """

    is_shared = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _made(self) -> Path:
        """The folder; a temporary one for this user where it cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
                raise
            # Such as for a cache in /var/cache/app, where only that is ours.
            user = getattr(os, "geteuid", int)()
            name = blake2b(str(self._folder).encode(), digest_size=8).hexdigest()
            folder = Path(gettempdir(), f"flask-mplstream-{user}-{name}.locks")
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.lstat().st_uid != user:
                raise  # Somebody else's: they could stop our renders.
            self._folder = folder
        return self._folder

    def acquire(self, key: str) -> Callable[[], object] | None:
        """A file lock; the file goes with the lease."""
        path = self._made() / f"{key.rpartition(':')[2]}.lock"
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except TimeoutError:
            return None

        def release() -> None:
            # While it is held: filelock does not take a lock on a file that is
            # gone, so nobody can hold another lock of this name.
            path.unlink(missing_ok=True)
            lock.release()

        return release


class MemcachedLeases(Leases):
    """On Memcached, by ``add``.

    :param backend: the cachelib backend.
    """

    is_shared = True

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def acquire(self, key: str) -> Callable[[], object] | None:
        """A key that only one can add; it runs out after the lease."""
        name, token = f"{key}:lease", uuid4().hex
        if not self._backend.add(name, token, timeout=LEASE_S):
            # A server that is gone says no as well, and then nobody has it.
            return None if self._backend.get(name) else lambda: None

        def release() -> None:
            if self._backend.get(name) == token:
                self._backend.delete(name)

        return release


def leases_for(backend: Any, is_down: Callable[[], bool] = lambda: False) -> Leases:
    """The leases that *backend* makes possible.

    :param is_down: whether not to ask it for now.
    """
    kinds = {kind.__name__ for kind in type(backend).__mro__}
    client = getattr(backend, "_write_client", None)
    if client is not None and hasattr(client, "lock"):
        return RedisLeases(client, backend._get_prefix(), is_down)
    if "FileSystemCache" in kinds:
        # Not inside of it, where the backend would count them as its own.
        folder = Path(backend._path).resolve()
        return FileLeases(folder.with_name(f"{folder.name}.locks"))
    if "MemcachedCache" in kinds:
        return MemcachedLeases(backend)
    return ProcessLeases()


@contextmanager
def held(release: Callable[[], object]) -> Iterator[None]:
    """Give the lease back at the end; failing to is no error of the render's."""
    try:
        yield
    finally:
        with suppress(Exception):
            release()
