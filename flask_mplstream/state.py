"""What the package keeps for one app, in ``app.extensions["mplstream"]``.

Flask side: the settings, the figure routes by endpoint, and the stores.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from flask import Flask, current_app
from flask_caching import Cache

from .cache.memory import MemoryCache
from .cache.store import Store
from .errors import ConfigError, UnknownFigureError, nearest
from .settings import Settings

if TYPE_CHECKING:
    from .route import FigureRoute

EXTENSION = "mplstream"


class AppState:
    """Settings, routes and stores of *app*; one for each app."""

    def __init__(self, app: Flask) -> None:
        self.settings = Settings.from_config(app.config)
        self.routes: dict[str, FigureRoute] = {}
        self._app = app
        self._stores: dict[Cache | None, Store] = {}
        self._lock = threading.Lock()  # guards _stores

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
            guess = nearest(endpoint, list(self.routes))
            hint = f" Did you mean {guess!r}?" if guess else ""
            known = ", ".join(self.routes) or "none: was the blueprint registered?"
            raise UnknownFigureError(
                f"There is no figure route {endpoint!r}. There are: {known}.{hint}"
            ) from None

    def store(self, cache: Cache | None) -> Store:
        """The store on *cache*, or on the app's own where it is ``None``.

        Found at first use, as ``cache.init_app(app)`` may come after the
        blueprint was registered.
        """
        store = self._stores.get(cache)
        if store is None:
            with self._lock:
                store = self._stores.get(cache)
                if store is None:
                    found = find_cache(self._app, cache, self.settings.cache_bytes)
                    store = Store(self._app.extensions["cache"][found])
                    self._stores[cache] = store
        return store


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
    embedded = {
        "CACHE_TYPE": f"{MemoryCache.__module__}.{MemoryCache.__qualname__}",
        "CACHE_OPTIONS": {"max_bytes": embedded_bytes},
    }
    made = Cache(with_jinja2_ext=False)
    made.init_app(app, None if "CACHE_TYPE" in app.config else embedded)
    return made
