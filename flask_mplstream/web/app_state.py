"""One app's settings, figure routes and pictures: ``app.extensions["mplstream"]``.

Flask side.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Executor
from contextlib import suppress
from time import time as clock

from flask import Flask, current_app, request
from flask_caching import Cache

from ..cache.lookup import Pictures
from ..cache.store import Store
from ..errors import ConfigError, UnknownFigureError, UnknownTagError, cut, suggest
from ..forks import make_lock, notice_fork
from ..limits.client_budget import Budget
from ..limits.render_stage import is_in_figure
from ..parameters.callables import find_module_name
from ..settings import Settings
from ..workers.database_connections import watch_writes
from ..workers.dispatch import Renders, check_extras
from ..workers.executor_choice import check_app_name
from ..workers.greenlets import choose_max_followers
from .cache_setup import check_cache_type, find_cache
from .figure_route import FigureRoute, tag_name
from .private_responses import watch_cookies

logger = logging.getLogger("flask_mplstream")

EXTENSION = "mplstream"


class AppState:
    """The settings, routes and stores of *app*."""

    def __init__(self, app: Flask) -> None:
        self.settings = Settings.from_config(app.config)
        check_extras(self.settings)
        watch_writes()
        if self.settings.workers:  # An executor's machines may have different modules.
            check_app_name(self.settings.app)
        if not app.extensions.get("cache"):
            check_cache_type(app.config)
        self.routes: dict[str, FigureRoute] = {}
        self._by_blueprint: dict[int, list[FigureRoute]] = {}
        self._app = app
        watch_cookies(app)
        self._pid = os.getpid()
        self._pictures: dict[Cache | None, Pictures] = {}
        # By process, because a forked child inherits the parent's.
        self._renders: dict[int, Renders] = {}
        self._preloads: dict[int, threading.Thread] = {}
        self._has_warned = False
        self._lock = make_lock(self)  # guards _pictures and _renders
        if self._may_preload:
            # First, because an earlier hook may answer the request.
            app.before_request_funcs.setdefault(None, []).insert(0, self._preload)

    @classmethod
    def of(cls, app: Flask) -> AppState:
        """Return the state of *app*, and create it at the first registration.

        :raises ConfigError: if an ``MPLSTREAM_*`` key is not valid.
        """
        state = app.extensions.get(EXTENSION)
        if not isinstance(state, cls):
            state = app.extensions[EXTENSION] = cls(app)
        return state

    def check_settings(self) -> None:
        """Reject ``MPLSTREAM_*`` keys that changed after they were read.

        :raises ConfigError: naming the key.
        """
        self.settings.check_unchanged(self._app.config)

    def route(self, endpoint: str) -> FigureRoute:
        """Return the figure route with the full name *endpoint*.

        :raises UnknownFigureError: if there is no such route.
        """
        check_name(endpoint)
        try:
            return self.routes[endpoint]
        except KeyError:
            raise _explain_unknown_figure(endpoint, list(self.routes)) from None

    def add(self, route: FigureRoute, blueprint: object) -> None:
        """Add *route* of *blueprint*."""
        self.routes[route.endpoint] = route
        self._by_blueprint.setdefault(id(blueprint), []).append(route)

    def routes_of(self, blueprint: object, name: str | None) -> list[FigureRoute]:
        """Return the routes of *blueprint* with *name*, or all its routes.

        If the blueprint is registered more than once, a name has several routes.

        :param name: a route's name, optionally after blueprint names and dots;
            ``None`` for all routes.
        :raises UnknownFigureError: if there is no such route.
        """
        own = self._by_blueprint.get(id(blueprint), [])
        if name is None:
            return own
        check_name(name)
        end = f".{name.removeprefix('.')}"
        named = [route for route in own if f".{route.endpoint}".endswith(end)]
        if not named:
            known = [route.endpoint for route in own]
            if end.count(".") == 1:
                known = [endpoint.rpartition(".")[2] for endpoint in known]
            raise _explain_unknown_figure(name, list(dict.fromkeys(known)))
        return named

    def invalidate_tags(self, tags: Iterable[str]) -> None:
        """Invalidate all pictures that have one of *tags*, in all caches.

        :raises CacheDownError: if a cache does not accept the invalidation.
        :raises UnknownTagError: if none of the figure routes has one of them.
        """
        tags = list(tags)
        self.check_tags(tags)
        stores = {route.pictures().store for route in self.routes.values()}
        for store in stores:
            store.invalidate([tag_name(tag) for tag in tags])

    def check_tags(self, tags: Iterable[str]) -> None:
        """Reject a tag that no figure route has.

        :raises UnknownTagError: naming the nearest tag.
        """
        known = sorted({t for r in self.routes.values() for t in r.options.tags})
        for tag in tags:
            if tag not in known:
                hint = suggest(tag, known) or "Add it to a route."
                raise UnknownTagError(f"No figure route has the tag {tag!r}. {hint}")

    def warn_of_own_cache(self) -> None:
        """Warn once if an invalidation in production only affects this process."""
        app = self._app
        if self._has_warned or app.debug or app.testing:
            return
        if any(pictures.store.is_own for pictures in self._pictures.values()):
            self._has_warned = True
            logger.warning(
                "invalidate() affects only this process, because the app %r keeps its "
                "pictures in memory. If several processes serve it, set CACHE_TYPE to "
                "a shared cache, such as RedisCache or FileSystemCache.",
                app.name,
            )

    def pictures(self, cache: Cache | None) -> Pictures:
        """Return the pictures in *cache*, or in the app's cache if it is ``None``.

        The cache is looked up when it is first used, because ``cache.init_app(app)``
        may be called after the blueprint is registered.
        """
        notice_fork()  # Every hit and render passes here first.
        if cache not in self._pictures:
            with self._lock:
                if cache not in self._pictures:
                    self._pictures[cache] = self._find_pictures(cache)
        return self._pictures[cache]

    def renders(self) -> Renders:
        """Return this process's renderer of the app's pictures, made at first use.

        A forked process creates its own, because the workers belong to the parent.
        """
        notice_fork()  # Before the lock, which it replaces.
        pid = os.getpid()
        with self._lock:
            if pid not in self._renders:
                self._renders = {pid: self._new_renders()}
            return self._renders[pid]

    def _new_renders(self) -> Renders:
        self.check_settings()
        settings, budget = self.settings, None
        if isinstance(settings.executor, Executor) and os.getpid() != self._pid:
            raise ConfigError(
                "MPLSTREAM_EXECUTOR is an executor that was made before this process "
                "was forked, so its threads do not run here. Set a callable that "
                "returns an executor: each process calls it."
            )
        if settings.client_budget is not None:
            client = settings.client or _read_remote_address
            budget = Budget(settings.client_budget, client, self._first_store)
        modules = {find_module_name(route.function) for route in self.routes.values()}
        names = tuple(sorted(modules))
        return Renders(self._app, settings, budget, names, lambda: clock())

    @property
    def _may_preload(self) -> bool:
        if self.settings.preload is None:
            return bool(self.settings.workers) and self.settings.executor is None
        return self.settings.preload and self.settings.renders_elsewhere

    def _preload(self) -> None:
        """Start the workers while the app generates the first page.

        Commands, the gunicorn master and the watching process of the reloader never get
        a request, so they don't start any workers.
        """
        pid = os.getpid()
        if pid in self._preloads or is_in_figure():
            return  # A worker may send the app a request while importing it.
        if self.settings.preload is None and self._app.testing:
            return
        thread = threading.Thread(target=self._start_workers, name="mplstream-preload")
        self._preloads[pid] = thread
        with suppress(RuntimeError):  # No thread left: the first render starts them.
            thread.start()

    def _start_workers(self) -> None:
        try:
            self.renders().start()
        except Exception:
            # The page does not need them; the first picture tries again.
            logger.warning("The workers cannot start.", exc_info=True)

    def _first_store(self) -> Store:
        return next(iter(self.routes.values())).pictures().store

    def stop(self) -> None:
        """Stop the app's workers and threads in this process.

        The next render starts new ones.
        """
        notice_fork()
        thread = self._preloads.get(os.getpid())
        if thread is not None and thread.ident:  # It was started.
            thread.join()
        with self._lock:
            renders = self._renders.pop(os.getpid(), None)
        if renders is not None:
            renders.stop()
        for pictures in list(self._pictures.values()):
            pictures.background.join()
            pictures.store.breaker.stop()

    def _find_pictures(self, cache: Cache | None) -> Pictures:
        self.check_settings()  # Every hit passes here first.
        found = find_cache(self._app, cache, self.settings.cache_bytes)
        backend = self._app.extensions["cache"][found]
        store = Store(backend, fast_bytes=self.settings.fast_bytes)
        most = self.settings.max_followers
        limit = choose_max_followers() if most is None else most
        return Pictures(store, clock=lambda: clock(), max_followers=limit)


def _read_remote_address() -> str:
    """Return the address of the client, which requires ``ProxyFix`` behind a proxy."""
    return request.remote_addr or ""


def check_name(name: object) -> None:
    """Reject a name that is not a string, such as the figure function itself.

    :raises UnknownFigureError: with an example of an endpoint.
    """
    if not isinstance(name, str):
        raise UnknownFigureError(
            f"{cut(repr(name))} does not name a figure route. Give its endpoint, such "
            f"as 'plots.walk'."
        )


def _explain_unknown_figure(name: str, known: list[str]) -> UnknownFigureError:
    problem = f"There is no figure route {cut(name)!r}"
    if not known:
        return UnknownFigureError(f"{problem}. Did you register the blueprint?")
    listed = ", ".join(known)
    fix = suggest(name, known)
    return UnknownFigureError(f"{problem} (figure routes: {listed}). {fix}".rstrip())


def current_state() -> AppState:
    """Return the state of the current app.

    :raises UnknownFigureError: if the app has no figure blueprint.
    """
    if EXTENSION not in current_app.extensions:
        raise UnknownFigureError(
            f"The app {current_app.name!r} has no figures. Did you forget "
            f"app.register_blueprint(…) with a FigureBlueprint?"
        )
    return AppState.of(current_app)


def start_workers(app: Flask) -> None:
    """Start the workers of *app* in this process, before the first render.

    Call this in a hook of your server, such as gunicorn's ``post_worker_init``::

        def post_worker_init(worker):
            flask_mplstream.start_workers(worker.app.wsgi())
    """
    AppState.of(app).renders().start()
