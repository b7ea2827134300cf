"""What the package keeps for one app, in ``app.extensions["mplstream"]``.

Flask side: the settings, the figure routes by endpoint, and the pictures.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from time import time as clock
from typing import Any

from flask import Flask, current_app
from flask_caching import Cache

from .cache.lookup import Pictures
from .cache.memory import MemoryCache
from .cache.serializer import BytesSerializer
from .cache.store import Store
from .errors import ConfigError, UnknownFigureError, nearest
from .route import FigureRoute, tag_name
from .settings import Settings

EXTENSION = "mplstream"
#: Seconds that one operation on Redis may take.
REDIS_TIMEOUT_S = 0.25


class AppState:
    """Settings, routes and stores of *app*; one for each app."""

    def __init__(self, app: Flask) -> None:
        self.settings = Settings.from_config(app.config)
        self.routes: dict[str, FigureRoute] = {}
        self._declared: dict[int, dict[str, list[FigureRoute]]] = {}
        self._app = app
        self._pictures: dict[Cache | None, Pictures] = {}
        self._lock = threading.Lock()  # guards _pictures

    @classmethod
    def of(cls, app: Flask) -> AppState:
        """The state of *app*, made at the first registration.

        :raises ConfigError: for an ``MPLSTREAM_*`` key that cannot work.
        """
        state = app.extensions.get(EXTENSION)
        if not isinstance(state, cls):
            state = app.extensions[EXTENSION] = cls(app)
        return state

    def route(self, endpoint: str) -> FigureRoute:
        """The figure route with the full name *endpoint*.

        :raises UnknownFigureError: naming the nearest one that there is.
        """
        try:
            return self.routes[endpoint]
        except KeyError:
            raise _unknown_figure(endpoint, list(self.routes)) from None

    def add(self, route: FigureRoute, blueprint: object, name: str) -> None:
        """Keep *route*, which *blueprint* calls *name*."""
        self.routes[route.endpoint] = route
        self._declared.setdefault(id(blueprint), {}).setdefault(name, []).append(route)

    def routes_of(self, blueprint: object, name: str | None) -> list[FigureRoute]:
        """The routes that *blueprint* calls *name*, or all of them.

        More than one where it is registered several times.

        :raises UnknownFigureError: where there is none.
        """
        declared = self._declared.get(id(blueprint), {})
        if name is None:
            return [route for routes in declared.values() for route in routes]
        if name not in declared:
            raise _unknown_figure(name, list(declared))
        return declared[name]

    def invalidate_tags(self, tags: Iterable[str]) -> None:
        """Have every picture with one of *tags* rendered again, in all caches.

        :raises CacheDownError: where a cache does not take it.
        """
        stores = {route.pictures().store for route in self.routes.values()}
        for store in stores:
            store.invalidate([tag_name(tag) for tag in tags])

    def pictures(self, cache: Cache | None) -> Pictures:
        """The pictures in *cache*, or in the app's own where it is ``None``.

        Found at first use, as ``cache.init_app(app)`` may come after the
        blueprint was registered.
        """
        pictures = self._pictures.get(cache)
        if pictures is None:
            with self._lock:
                pictures = self._pictures.get(cache)
                if pictures is None:
                    pictures = self._pictures[cache] = self._found(cache)
        return pictures

    def _found(self, cache: Cache | None) -> Pictures:
        found = find_cache(self._app, cache, self.settings.cache_bytes)
        backend = self._app.extensions["cache"][found]
        store = Store(backend, fast_bytes=self.settings.fast_bytes)
        return Pictures(store, clock=lambda: clock())


def _unknown_figure(name: str, known: list[str]) -> UnknownFigureError:
    guess = nearest(name, known)
    hint = f" Did you mean {guess!r}?" if guess else ""
    listed = ", ".join(known) or "none: was the blueprint registered?"
    return UnknownFigureError(
        f"There is no figure route {name!r}. There are: {listed}.{hint}"
    )


def current_state() -> AppState:
    """The state of the current app.

    :raises UnknownFigureError: where no figure blueprint is registered on it.
    """
    if EXTENSION not in current_app.extensions:
        raise UnknownFigureError(
            f"The app {current_app.name!r} has no figures. Did you forget "
            f"app.register_blueprint(…) with a FigureBlueprint?"
        )
    return AppState.of(current_app)


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
