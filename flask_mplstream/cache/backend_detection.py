"""Operations on a backend that are not part of cachelib's interface.

Cache layer. These operations connect with timeouts, exchange a value, shorten its
lifetime, and report that a server is down.
"""

from __future__ import annotations

from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from cachelib import FileSystemCache, SimpleCache

from .backend_breaker import is_outage
from .memory import MemoryCache

#: Timeout of one operation on a server, in seconds.
SERVER_TIMEOUT_S = 0.25


class Backend(Protocol):
    """The part of cachelib's interface that the store uses."""

    def get(self, key: str) -> Any:
        """Return the value under *key*, or ``None``."""

    def get_many(self, *keys: str) -> list[Any]:
        """Return the values of *keys*, with ``None`` for each key that is missing."""

    def set(self, key: str, value: Any, timeout: int) -> Any:
        """Store *value* for *timeout* seconds, and return ``False`` or 0 on failure."""

    def add(self, key: str, value: Any, timeout: int) -> Any:
        """Store *value* unless *key* exists, and return whether it was stored."""

    def delete(self, key: str) -> Any:
        """Drop *key*."""


def is_in_process(backend: object) -> bool:
    """Return whether *backend* is in this process's memory."""
    return isinstance(backend, MemoryCache | SimpleCache)


def drops_any_key(backend: object) -> bool:
    """Return whether *backend* may evict a key and keep older ones.

    Redis and Memcached do this when they are full, and an unknown backend might.
    :class:`.MemoryCache` evicts the least recently used key, and SimpleCache and
    FileSystemCache evict the key that expires first.
    """
    return not (is_in_process(backend) or isinstance(backend, FileSystemCache))


def keeps_nothing(backend: object) -> bool:
    """Return whether *backend* doesn't store anything because caching is turned off."""
    is_empty = isinstance(backend, MemoryCache) and not backend.max_bytes
    return is_empty or type(backend).__name__ == "NullCache"


def is_memcached(backend: object) -> bool:
    """Return whether *backend* stores values in Memcached."""
    return any(kind.__name__ == "MemcachedCache" for kind in type(backend).__mro__)


def find_cache_folder(backend: object) -> Path | None:
    """Return the folder of a FileSystemCache, or ``None``."""
    if not isinstance(backend, FileSystemCache):
        return None
    return Path(backend._path).resolve()


def find_redis(backend: object) -> Any:
    """Return the client for writes to Redis or Valkey, or ``None``."""
    client = getattr(backend, "_write_client", None)
    return client if hasattr(client, "lock") else None


def name_redis_key(backend: Any, key: str) -> str:
    """Return the full name of *key* in the Redis of *backend*."""
    return f"{backend._get_prefix()}{key}"


def redis_pool(backend: object) -> Any:
    """Return the connection pool of the Redis of *backend*, or ``None``."""
    return getattr(find_redis(backend), "connection_pool", None)


def exchanges_atomically(backend: object) -> bool:
    """Return whether it is safe to call :func:`exchange` in several threads at once."""
    return is_in_process(backend) or find_redis(backend) is not None


def exchange(backend: Any, key: str, value: str, timeout_s: int) -> object:
    """Store *value* under *key* and return the previous value."""
    client = find_redis(backend)
    if client is not None:
        name, stored = name_redis_key(backend, key), backend.serializer.dumps(value)
        try:
            older = client.set(name, stored, ex=timeout_s, get=True)
        except Exception as error:
            if is_outage(error):
                raise
            # Redis before 6.2 does not know GET.
        else:
            return backend.serializer.loads(older)
    # cachelib's own lock is re-entrant.
    is_simple = isinstance(backend, SimpleCache)
    with backend._lock if is_simple else nullcontext():
        if isinstance(backend, MemoryCache):
            return backend.exchange(key, value, timeout_s)
        older = backend.get(key)
        backend.set(key, value, timeout=timeout_s)
        return older


def cut_lifetime(backend: Any, key: str, timeout_s: int) -> None:
    """Delete *key* after *timeout_s* seconds, or now if that is not positive."""
    client = find_redis(backend)
    if timeout_s <= 0:
        backend.delete(key)
    elif client is not None:
        client.expire(name_redis_key(backend, key), timeout_s)
    elif (value := backend.get(key)) is not None:
        backend.set(key, value, timeout=timeout_s)


# --- Redis ----------------------------------------------------------------


def redis_options() -> dict[str, Any]:
    """Return options that let a Redis client fail quickly, as a cache should.

    Without them, redis-py waits indefinitely if the server hangs, and retries for
    several seconds if it can't be reached. Use them for your own cache::

        Cache(app, config={"CACHE_OPTIONS": redis_options(), ...})
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": SERVER_TIMEOUT_S,
        "socket_connect_timeout": SERVER_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }


def check_redis(backend: object) -> None:
    """Raise the error that a Redis client would raise at its first connection."""
    pool = redis_pool(backend)
    if pool is not None:
        pool.connection_class(**pool.connection_kwargs)


# --- Memcached ------------------------------------------------------------


def raise_if_unanswered(backend: Any) -> None:
    """Raise an error if the Memcached server is down, which the client hides.

    python-memcached returns ``None`` or 0 in this case, and the client of each thread
    then skips the server for 30 seconds.

    :raises ConnectionError: if no server answered.
    """
    servers = getattr(getattr(backend, "_client", None), "servers", None)
    if not servers or not all(getattr(each, "deaduntil", 0) for each in servers):
        return
    for each in servers:
        each.deaduntil = 0  # The breaker decides when to try again.
    raise ConnectionError(f"Memcached does not answer: {', '.join(map(str, servers))}.")


def disconnect_thread(backend: Any) -> None:
    """Close the connections of this thread before it ends."""
    client: Any = getattr(backend, "_client", None)
    if hasattr(client, "servers"):  # python-memcached connects in each thread.
        client.disconnect_all()


def connect_memcached(servers: Any) -> Any:
    """Return *servers*, or a python-memcached client with a timeout.

    :param servers: addresses, a client that the app created, or ``None``.
    :raises TypeError: if it is a string.
    """
    if isinstance(servers, str):
        raise TypeError(f"CACHE_MEMCACHED_SERVERS is {servers!r}. It must be a list")
    if find_spec("pylibmc") or not find_spec("memcache"):
        return servers
    if not isinstance(servers, list | tuple | None):
        return servers  # The app made a client.
    from memcache import Client

    return Client(servers or ["127.0.0.1:11211"], socket_timeout=SERVER_TIMEOUT_S)


def limit_memcached(backend: Any) -> None:
    """Set short timeouts on the pooled clients of a Memcached."""
    pool = getattr(backend, "_client", None)
    for client in list(getattr(pool, "queue", ())):  # pylibmc's
        client.behaviors.update(
            {
                "connect_timeout": int(SERVER_TIMEOUT_S * 1e3),  # milliseconds
                "send_timeout": int(SERVER_TIMEOUT_S * 1e6),  # microseconds
                "receive_timeout": int(SERVER_TIMEOUT_S * 1e6),
                "_poll_timeout": int(SERVER_TIMEOUT_S * 1e3),
            }
        )
