"""Find the Flask-Caching ``Cache`` of an app, or create one with safe settings.

Flask side.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from flask import Flask
from flask_caching import Cache, backends
from werkzeug.utils import import_string

from ..cache.backend_detection import (
    check_redis,
    connect_memcached,
    limit_memcached,
    redis_options,
)
from ..cache.entry_serializer import BytesSerializer
from ..cache.filesystem import FileCache
from ..cache.memory import MemoryCache
from ..errors import ConfigError, cut, suggest

#: For each kind of server, its client packages; one suffices.
_CLIENTS = {"Redis": ("redis",), "Memcached": ("pylibmc", "memcache", "libmc")}
#: Errors that Flask-Caching and the clients raise for invalid settings.
_SETTING_ERRORS = (
    *(AttributeError, ImportError, KeyError, RuntimeError, TypeError, ValueError),
)


def find_cache(app: Flask, cache: Cache | None, embedded_bytes: int) -> Cache:
    """Return *cache*, or the cache of *app*, or a new one.

    :param embedded_bytes: the size of the in-memory cache that is created if the app
        has no cache and ``CACHE_TYPE`` isn't set.
    :raises ConfigError: if the app has several caches and *cache* is ``None``, if
        *cache* is not set up on the app, or if the ``CACHE_*`` settings are invalid.
    """
    caches: dict[Cache, object] = app.extensions.get("cache") or {}
    if cache in caches:
        return cache
    if cache is not None:
        raise ConfigError(
            f"The cache of the FigureBlueprint is not set up on the app {app.name!r}. "
            f"Did you forget cache.init_app(app)?"
        )
    if len(caches) > 1:
        raise ConfigError(
            f"The app {app.name!r} has {len(caches)} Flask-Caching caches. Choose "
            f"the one for figures with FigureBlueprint(…, cache=cache)."
        )
    return next(iter(caches), None) or _make_cache(app, embedded_bytes)


def check_cache_type(config: Mapping[str, Any]) -> None:
    """Reject an unusable ``CACHE_TYPE``.

    :raises ConfigError: if it is unknown or if its package isn't installed.
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
        hint = suggest(name, known) or f"Choose one of {', '.join(known)}."
        raise ConfigError(
            f"CACHE_TYPE is {cut(repr(name))}, which is neither a backend of "
            f"Flask-Caching nor an import path of one. {hint}"
        )
    for server, packages in _CLIENTS.items():
        is_needed = path.startswith(backends.__name__) and server in path
        if is_needed and not any(map(find_spec, packages)):
            raise ConfigError(
                f"CACHE_TYPE {name!r} requires {packages[0]}. Install "
                f"flask-mplstream[{server.lower()}]."
            )


def _name_backend(config: Mapping[str, Any]) -> str:
    """Return the name of the class in ``CACHE_TYPE``, with the module if necessary."""
    path = str(config["CACHE_TYPE"])
    is_own = path.startswith((backends.__name__, MemoryCache.__module__))
    return path.rpartition(".")[2] if is_own else path


def _make_cache(app: Flask, embedded_bytes: int) -> Cache:
    """Create a cache from the ``CACHE_*`` settings of *app*.

    :raises ConfigError: if a setting is invalid.
    """
    check_cache_type(app.config)
    made = Cache(with_jinja2_ext=False)
    try:
        made.init_app(app, _override_config(app.config, embedded_bytes))
        backend = app.extensions["cache"][made]
        limit_memcached(backend)
        check_redis(backend)
    except _SETTING_ERRORS as error:
        app.extensions.get("cache", {}).pop(made, None)
        raise ConfigError(
            f"The cache cannot be made from the CACHE_* settings: "
            f"{type(error).__name__}: {error}. Check those of "
            f"{_name_backend(app.config)!r}."
        ) from error
    return made


def _override_config(config: Mapping[str, Any], embedded_bytes: int) -> dict[str, Any]:
    """Return Flask-Caching's settings that override those in *config*.

    They prevent warnings from Flask-Caching, which would be a problem if warnings are
    treated as errors.
    """
    if "CACHE_TYPE" not in config:
        return {
            "CACHE_TYPE": f"{MemoryCache.__module__}.{MemoryCache.__qualname__}",
            "CACHE_OPTIONS": {"max_bytes": embedded_bytes},
            "CACHE_SERIALIZER": None,
        }
    kind, own = _name_backend(config), dict[str, Any]()
    options = config.get("CACHE_OPTIONS") or {}
    if not isinstance(options, Mapping):
        raise TypeError(f"CACHE_OPTIONS is {cut(repr(options))}. It must be a dict")
    if kind in ("RedisCache", "FileSystemCache"):
        # Entries are bytes. Another writer's pickle must not be loaded.
        own["CACHE_SERIALIZER"] = config.get("CACHE_SERIALIZER") or BytesSerializer
    if kind == "RedisCache":
        own["CACHE_OPTIONS"] = {**redis_options(), **options}
    elif kind == "FileSystemCache":
        if config.get("CACHE_DIR") is None:
            raise ValueError("CACHE_DIR is not set")
        own["CACHE_TYPE"] = f"{FileCache.__module__}.{FileCache.__qualname__}"
    elif kind == "MemcachedCache":
        servers = config.get("CACHE_MEMCACHED_SERVERS")
        own["CACHE_MEMCACHED_SERVERS"] = connect_memcached(servers)
    elif kind == "NullCache":
        own["CACHE_NO_NULL_WARNING"] = True  # The app chose it explicitly.
    if kind in ("MemcachedCache", "MemoryCache", "NullCache"):
        own["CACHE_SERIALIZER"] = None  # The app's value is for its other caches.
    return own
