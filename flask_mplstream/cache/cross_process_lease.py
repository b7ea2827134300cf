"""Leases: one leader among all processes that share a backend.

Cache layer. The backend decides what is possible:

- Redis and Valkey: ``SET NX PX`` with an owner token, released by
  compare-and-delete, renewed while the render runs (redis-py's own ``Lock``).
  A leader that is killed holds nobody up longer than the lease.
- FileSystemCache: a file lock beside the cache folder (``filelock``), which the
  kernel takes back with the process.
- Memcached: ``add`` with a token, renewed. Best effort: the server may drop it.
- All others: this process is alone, and its flights are enough.
"""

from __future__ import annotations

import errno
import math
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

from .backend_breaker import is_outage
from .backend_detection import disconnect_thread, raise_if_unanswered, redis_client
from .filesystem import is_writable

#: Seconds after which a leader that does not renew its lease has lost it: how
#: long others wait for one that was killed, and how long a render may keep the
#: interpreter from the thread that renews.
LEASE_S = 2.5
#: Seconds between renewals.
RENEW_S = LEASE_S / 3
#: Seconds until a renewal that failed is tried again.
RETRY_S = LEASE_S / 20


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
        renewal = _Renewal(lambda: _renew(lock, token))

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


def _renew(lock: Any, token: str) -> bool:
    """Return whether *lock* is held for another term."""
    try:
        return bool(lock.reacquire())
    except Exception as error:
        if type(error).__name__ != "LockNotOwnedError":
            raise
    # It ran out while the process was suspended. Does another one have it by now?
    return bool(lock.acquire(token=token))


class _Renewal:
    """Calls *renew* from time to time until it is stopped.

    :param renew: renews and returns ``True``; returns ``False`` if another
        process has the lease by now.
    :param end: called last, in the same thread.
    """

    def __init__(
        self, renew: Callable[[], bool], end: Callable[[], object] = lambda: None
    ) -> None:
        self._renew, self._end = renew, end
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._work, name="mplstream-lease", daemon=True
        )
        with suppress(RuntimeError):  # No thread to be had: it is not renewed.
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
                # There is time for more tries before it runs out.
                wait_s = RETRY_S

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
            if not is_writable(self._folder):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError:
            # Such as for a cache in /var/cache/app, where only that is ours, or
            # locks that another user made.
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
        # It counts whole seconds, and the first may be almost over.
        self._timeout_s = math.ceil(LEASE_S) + 1

    def acquire(self, key: str) -> Callable[[], object] | None:
        """A key that only one can add; it runs out after the lease."""
        name, token = f"{key}:lease", uuid4().hex
        if not self._backend.add(name, token, timeout=self._timeout_s):
            other = self._backend.get(name)
            raise_if_unanswered(self._backend)
            # A server that is gone says no as well, and then nobody has it.
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
        # Not in one step: another process that adds its own in between may render
        # as well, which costs a render and no wrong picture.
        if self._backend.get(name) != token:
            raise_if_unanswered(self._backend)
            return False
        return bool(self._backend.set(name, token, timeout=self._timeout_s))


def leases_for(backend: Any, is_down: Callable[[], bool] = lambda: False) -> Leases:
    """The leases that *backend* makes possible.

    :param is_down: whether not to ask it for now.
    """
    kinds = {kind.__name__ for kind in type(backend).__mro__}
    client = redis_client(backend)
    if client is not None:
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
