"""Leases, which choose a leader among all processes that share a backend.

Cache layer. The kind of lease depends on the backend:

- Redis and Valkey: ``SET NX PX`` with an owner token, renewed during the render and
  released by compare-and-delete (redis-py's ``Lock``). A killed leader delays others
  by one lease at most.
- FileSystemCache: a file lock beside the cache folder (``filelock``), which the
  kernel releases when the process ends.
- Memcached: ``add`` with a token, renewed. Best effort: the server may evict it.
- Others: no other process shares the backend, and the flights are enough.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol
from uuid import uuid4

from filelock import FileLock

from .backend_breaker import is_outage
from .backend_detection import (
    disconnect_thread,
    find_cache_folder,
    find_redis,
    is_memcached,
    name_redis_key,
    raise_if_unanswered,
)
from .filesystem import is_writable

#: Seconds after which a lease expires unless it is renewed: the longest wait for a
#: killed leader, and the longest time that a render may block the renewing thread.
LEASE_S = 2.5
#: Seconds between renewals.
RENEW_S = LEASE_S / 3
#: Seconds before a failed renewal is tried again.
RETRY_S = LEASE_S / 20


class Leases(Protocol):
    """The choice of one leader among processes."""

    #: Whether another process can lead.
    is_shared: bool

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Become the leader for *key* without waiting.

        :return: a function that releases the lease, or ``None`` if another caller has
            it.
        """


class ProcessLeases(Leases):
    """Leases for a store in one process: every caller may lead."""

    is_shared = False

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Return a lease that is always free."""
        return lambda: None


class RedisLeases(Leases):
    """Leases in Redis or Valkey.

    :param client: a redis-py or valkey-py client.
    :param prefix: the backend's key prefix.
    :param is_down: a function that returns whether to skip the server for now.
    """

    is_shared = True

    def __init__(self, client: Any, prefix: str, is_down: Callable[[], bool]) -> None:
        self._client = client
        self._prefix = prefix
        self._is_down = is_down

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Acquire a lock by ``SET NX PX``, with a new token."""
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
            if is_outage(error):
                raise
            # The server answers but takes no writes: it is full, or a replica.
            return lambda: None
        if not is_acquired:
            return None
        renewal = _Renewal(lambda: _renew(lock, token))

        def release() -> None:
            renewal.stop()
            if not self._is_down():  # Otherwise the lease expires.
                lock.release()

        return release


def _renew(lock: Any, token: str) -> bool:
    """Renew *lock*, and return whether this process still holds it."""
    try:
        return bool(lock.reacquire())
    except Exception as error:
        if type(error).__name__ != "LockNotOwnedError":
            raise
    # It expired while the process was suspended; another process may have it now.
    return bool(lock.acquire(token=token))


class _Renewal:
    """A thread that renews a lease until it is stopped.

    :param renew: renews the lease, or returns ``False`` if another process has it.
    :param end: called at the end, in the same thread.
    """

    def __init__(
        self, renew: Callable[[], bool], end: Callable[[], object] = lambda: None
    ) -> None:
        self._renew, self._end = renew, end
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name="mplstream-lease", daemon=True
        )
        with suppress(RuntimeError):  # No thread can start: the lease will expire.
            self._thread.start()

    def _work(self) -> None:
        try:
            self._keep()
        finally:
            self._end()

    def _keep(self) -> None:
        wait_s = RENEW_S
        while not self._stopped.wait(wait_s):
            try:
                if not self._renew():
                    return
                wait_s = RENEW_S
            except Exception:
                # There is time for more tries before the lease expires.
                wait_s = RETRY_S

    def stop(self) -> None:
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join()


class FileLeases(Leases):
    """File locks on one machine, beside a FileSystemCache.

    :param folder: the folder for the lock files, which is created if necessary.
    """

    is_shared = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _make_folder(self) -> Path:
        """Create the folder and return it, or use a temporary one if it isn't writable.

        :raises OSError: if the temporary one belongs to another user.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not is_writable(self._folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError:
            # For example, we may write to /var/cache/app but not beside it, or
            # another user made the folder.
            user = getattr(os, "geteuid", int)()
            name = blake2b(str(self._folder).encode(), digest_size=8).hexdigest()
            folder = Path(gettempdir(), f"flask-mplstream-{user}-{name}.locks")
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.lstat().st_uid != user:
                raise  # Its owner could block our renders.
            self._folder = folder
        return self._folder

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Lock a file that is deleted when the lease is released."""
        path = self._make_folder() / f"{key.rpartition(':')[2]}.lock"
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except TimeoutError:
            return None

        def release() -> None:
            # Delete while holding the lock: filelock takes no lock on a deleted file,
            # so no other process can hold a lock of this name.
            path.unlink(missing_ok=True)
            lock.release()

        return release


class MemcachedLeases(Leases):
    """Leases in Memcached, by ``add``.

    :param backend: the cachelib backend.
    """

    is_shared = True

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        # Memcached counts whole seconds, and the first may be almost over.
        self._timeout_s = math.ceil(LEASE_S) + 1

    def acquire(self, key: str) -> Callable[[], object] | None:
        """Add a key that only one caller can add and that expires with the lease."""
        name, token = f"{key}:lease", uuid4().hex
        if not self._backend.add(name, token, timeout=self._timeout_s):
            other = self._backend.get(name)
            raise_if_unanswered(self._backend)
            # An unreachable server refuses as well; then the lease is free.
            return None if other else lambda: None
        renewal = _Renewal(
            lambda: self._renew(name, token), lambda: disconnect_thread(self._backend)
        )

        def release() -> None:
            renewal.stop()
            if self._backend.get(name) == token:
                self._backend.delete(name)

        return release

    def _renew(self, name: str, token: str) -> bool:
        # Not atomic: another process may take the lease in between and render too,
        # which costs a render but sends no wrong picture.
        if self._backend.get(name) != token:
            raise_if_unanswered(self._backend)
            return False
        return bool(self._backend.set(name, token, timeout=self._timeout_s))


def choose_leases(backend: Any, is_down: Callable[[], bool] = lambda: False) -> Leases:
    """Return the leases that *backend* supports.

    :param is_down: a function that returns whether to skip the backend for now.
    """
    client = find_redis(backend)
    if client is not None:
        return RedisLeases(client, name_redis_key(backend, ""), is_down)
    folder = find_cache_folder(backend)
    if folder is not None:
        # Beside the folder: the backend would count files in it as its own.
        return FileLeases(folder.with_name(f"{folder.name}.locks"))
    return MemcachedLeases(backend) if is_memcached(backend) else ProcessLeases()


@contextmanager
def release_at_end(release: Callable[[], object]) -> Iterator[None]:
    """Release the lease at the end, and ignore errors that occur meanwhile."""
    try:
        yield
    finally:
        with suppress(Exception):
            release()
