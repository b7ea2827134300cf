"""The Flask-Caching ``Cache`` of an app: found, or made with safe settings.

Flask side.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_caching import Cache

from .cache.memory import MemoryCache
from .cache.serializer import BytesSerializer
from .errors import ConfigError

#: Seconds that one operation on Redis may take.
REDIS_TIMEOUT_S = 0.25


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
    made = Cache(with_jinja2_ext=False)
    made.init_app(app, _own_config(app.config, embedded_bytes))
    return made


def _own_config(config: Mapping[str, Any], embedded_bytes: int) -> dict[str, Any]:
    """Flask-Caching's settings for a cache of our own, over those of the app."""
    if "CACHE_TYPE" not in config:
        return {
            "CACHE_TYPE": f"{MemoryCache.__module__}.{MemoryCache.__qualname__}",
            "CACHE_OPTIONS": {"max_bytes": embedded_bytes},
        }
    kind = config["CACHE_TYPE"].rpartition(".")[2]
    own: dict[str, Any] = {}
    if kind in ("RedisCache", "FileSystemCache"):
        # Pictures are bytes: no pickle that somebody else could have written.
        own["CACHE_SERIALIZER"] = config.get("CACHE_SERIALIZER") or BytesSerializer
    if kind == "RedisCache":
        own["CACHE_OPTIONS"] = {
            **redis_options(),
            **(config.get("CACHE_OPTIONS") or {}),
        }
    return own


def redis_options() -> dict[str, Any]:
    """Options of a Redis client that gives up soon, as a cache should.

    Without them redis-py waits for ever for a server that hangs, and tries
    again for seconds where there is none. For your own cache::

        Cache(app, config={"CACHE_OPTIONS": redis_options(), ...})
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return {
        "socket_timeout": REDIS_TIMEOUT_S,
        "socket_connect_timeout": REDIS_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
