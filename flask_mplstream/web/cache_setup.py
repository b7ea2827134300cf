"""The Flask-Caching ``Cache`` of an app: found, or made with safe settings.

Flask side.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from flask import Flask
from flask_caching import Cache, backends
from werkzeug.utils import import_string

from ..cache.backend_detection import SERVER_TIMEOUT_S, limit_memcached, redis_client
from ..cache.entry_serializer import BytesSerializer
from ..cache.filesystem import FileCache
from ..cache.memory import MemoryCache
from ..errors import ConfigError, cut, nearest

#: For each kind of server the extra, and the packages, of which one is enough.
_CLIENTS = {
    "Redis": ("redis", ("redis",)),
    "Memcached": ("memcached", ("pylibmc", "memcache", "libmc")),
}
#: The errors of Flask-Caching and clients for settings that cannot work.
_UNWORKABLE = (
    *(AttributeError, ImportError, KeyError, RuntimeError, TypeError, ValueError),
)


def find_cache(app: Flask, cache: Cache | None, embedded_bytes: int) -> Cache:
    """The Flask-Caching ``Cache`` to use on *app*: *cache*, the app's, or a new one.

    :param embedded_bytes: size of the embedded cache, made where the app has
        none and ``CACHE_TYPE`` is not set.
    :raises ConfigError: where there are several, or *cache* is not set up.
    """
    caches: dict[Cache, object] = app.extensions.get("cache") or {}
    if cache is not None:
        if cache not in caches:
            raise ConfigError(
                f"The cache given to the FigureBlueprint is not set up on the app "
                f"{app.name!r}. Did you forget cache.init_app(app)?"
            )
        return cache
    if len(caches) > 1:
        raise ConfigError(
            f"The app {app.name!r} has {len(caches)} Flask-Caching caches. Which one "
            f"is for figures? Say so with FigureBlueprint(…, cache=cache)."
        )
    for only in caches:
        return only
    return _make_cache(app, embedded_bytes)


def check_cache_type(config: Mapping[str, Any]) -> None:
    """Refuse a ``CACHE_TYPE`` that cannot be used.

    :raises ConfigError: if it is unknown, or its package is not installed.
    """
    if "CACHE_TYPE" not in config:
        return
    name = config["CACHE_TYPE"]
    path = name if "." in str(name) else f"{backends.__name__}.{name}"
    try:
        is_known = callable(import_string(path))
    except ImportError:
        is_known = False
    if not is_known:
        known = [kind for kind in backends.__all__ if kind != "BaseCache"]
        guess = nearest(str(name), known)
        hint = f"Did you mean {guess!r}?" if guess else f"Take {', '.join(known)}."
        raise ConfigError(
            f"CACHE_TYPE is {cut(repr(name))}, which is no backend of Flask-Caching "
            f"and no import path of one. {hint}"
        )
    for server, (extra, packages) in _CLIENTS.items():
        is_theirs = path.startswith(backends.__name__) and server in path
        if is_theirs and not any(map(find_spec, packages)):
            raise ConfigError(
                f"CACHE_TYPE {name!r} requires {packages[0]}. Install "
                f"flask-mplstream[{extra}]."
            )


def _kind(config: Mapping[str, Any]) -> str:
    """Return the class name in ``CACHE_TYPE``; with its module if it is the app's."""
    path = str(config["CACHE_TYPE"])
    is_known = path.startswith((backends.__name__, MemoryCache.__module__))
    return path.rpartition(".")[2] if is_known else path


def _make_cache(app: Flask, embedded_bytes: int) -> Cache:
    """Make a cache from the settings of *app*.

    :raises ConfigError: if one of them cannot work.
    """
    check_cache_type(app.config)
    made = Cache(with_jinja2_ext=False)
    try:
        made.init_app(app, _own_config(app.config, embedded_bytes))
        backend = app.extensions["cache"][made]
        limit_memcached(backend)
        if client := redis_client(backend):
            _check_options(client)
    except _UNWORKABLE as error:
        app.extensions.get("cache", {}).pop(made, None)
        raise ConfigError(
            f"The cache cannot be made from the CACHE_* settings: "
            f"{type(error).__name__}: {error}. Check those of {_kind(app.config)!r}."
        ) from error
    return made


def _check_options(client: Any) -> None:
    """Refuse options that a Redis client reads when it first connects."""
    pool = getattr(client, "connection_pool", None)
    if pool is not None:
        pool.connection_class(**pool.connection_kwargs)


def _own_config(config: Mapping[str, Any], embedded_bytes: int) -> dict[str, Any]:
    """Flask-Caching's settings for a cache of our own, over those of the app.

    Flask-Caching must not warn: a warning may be an error of the picture.
    """
    if "CACHE_TYPE" not in config:
        return {
            "CACHE_TYPE": f"{MemoryCache.__module__}.{MemoryCache.__qualname__}",
            "CACHE_OPTIONS": {"max_bytes": embedded_bytes},
            "CACHE_SERIALIZER": None,
        }
    kind, own = _kind(config), dict[str, Any]()
    options = config.get("CACHE_OPTIONS") or {}
    if not isinstance(options, Mapping):
        raise TypeError(f"CACHE_OPTIONS is {cut(repr(options))}, and not a dict")
    if kind in ("RedisCache", "FileSystemCache"):
        # Pictures are bytes: no pickle that somebody else could have written.
        own["CACHE_SERIALIZER"] = config.get("CACHE_SERIALIZER") or BytesSerializer
    if kind == "RedisCache":
        own["CACHE_OPTIONS"] = {**redis_options(), **options}
    elif kind == "FileSystemCache":
        if config.get("CACHE_DIR") is None:
            raise ValueError("CACHE_DIR is not set")
        own["CACHE_TYPE"] = f"{FileCache.__module__}.{FileCache.__qualname__}"
    elif kind == "MemcachedCache":
        own["CACHE_MEMCACHED_SERVERS"] = _connect_memcached(config)
    elif kind == "NullCache":
        own["CACHE_NO_NULL_WARNING"] = True  # It was set on purpose.
    if kind in ("MemcachedCache", "MemoryCache", "NullCache"):
        own["CACHE_SERIALIZER"] = None  # For others of the app's caches.
    return own


def _connect_memcached(config: Mapping[str, Any]) -> Any:
    """Return the servers, or a client of them that gives up soon, as a cache should."""
    servers = config.get("CACHE_MEMCACHED_SERVERS")
    if isinstance(servers, str):
        raise TypeError("CACHE_MEMCACHED_SERVERS is a text, and not a list of them")
    if find_spec("pylibmc") or not find_spec("memcache"):
        return servers
    if not isinstance(servers, list | tuple | None):
        return servers  # A client of the app's own.
    from memcache import Client

    return Client(servers or ["127.0.0.1:11211"], socket_timeout=SERVER_TIMEOUT_S)


def redis_options() -> dict[str, Any]:
    """Options of a Redis client that gives up soon, as a cache should.

    Without them redis-py waits for ever for a server that hangs, and tries
    again for seconds where there is none. For your own cache::

        Cache(app, config={"CACHE_OPTIONS": redis_options(), ...})
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": SERVER_TIMEOUT_S,
        "socket_connect_timeout": SERVER_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
