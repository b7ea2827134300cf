"""The blueprint that declares figure routes and registers them on an app.

Flask side. Some options can be checked as soon as a route is declared. When the
blueprint is registered, the other options are resolved, the signature is read, and the
URL rules are added. The blueprint must not store the app, because it can be registered
on several.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar, Unpack

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState
from flask.sansio.app import App
from flask_caching import Cache

from .cli import figures
from .errors import ConfigError
from .formats import ALT_FORMAT
from .gallery.registration import add_page, open_gallery
from .html.assets import ENDPOINT as ASSETS
from .html.assets import PAGE_PLACE, send_asset
from .html.figure_tag import GLOBALS
from .rendering.figure_lock import use_agg
from .settings import FigureOptions, RouteOptions, Settings
from .web.app_state import EXTENSION, AppState, current_state
from .web.declaration import (
    NO_RULE,
    Declaration,
    check_figure_function,
    check_rule,
    choose_endpoint,
)
from .web.extension_converter import CONVERTER, ExtensionConverter
from .web.figure_route import FigureRoute
from .web.figure_view import FigureView
from .web.host_matching import (
    SetupState,
    app_of,
    check_place,
    choose_resource_policy,
    list_places,
    read_place,
)
from .web.json_documents import SCHEMA_NAME
from .web.rule_arguments import read_rule
from .web.warm_report import WarmReport, warm

F = TypeVar("F", bound=Callable[..., Any])


class FigureBlueprint(Blueprint):
    """A :class:`flask.Blueprint` with figure routes, which serve pictures.

    For example::

        plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

        @plots.figure_route("/walk", max_age=60)
        def walk(n: int = 200) -> Figure:
            ...

        app.register_blueprint(plots)

    :param cache: the Flask-Caching ``Cache`` to store pictures in, if the app has more
        than one. By default, the app's cache is used, or an embedded one if the app
        doesn't have a cache.
    :param gallery: whether to serve gallery pages for the figures. By default, they are
        only served in debug mode.
    :param host: the host of the routes, if the app uses host matching.
    :param options: default options for the routes. See :class:`FigureOptions`.
    :raises ConfigError: if an option is unknown or invalid.

    All other parameters are the same as for :class:`flask.Blueprint`.
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        *,
        cache: Cache | None = None,
        gallery: bool | None = None,
        host: str | None = None,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: dict[str, Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = "",
        **options: Unpack[FigureOptions],
    ) -> None:
        _check_blueprint(name, options, gallery=gallery, cache=cache, host=host)
        super().__init__(
            name,
            import_name,
            static_folder=static_folder,
            static_url_path=static_url_path,
            template_folder=template_folder,
            url_prefix=url_prefix,
            subdomain=subdomain,
            url_defaults=url_defaults,
            root_path=root_path,
            # Flask's default is a private sentinel.
            **({} if cli_group == "" else {"cli_group": cli_group}),
        )
        self.cache = cache
        self.gallery = gallery
        self.host = host
        self.figure_options = options
        self._endpoints: set[str] = set()
        self.record(_prepare_app)
        self.record(_serve_assets)
        self.record(self._open_gallery)

    def figure_route(
        self,
        rule: str = NO_RULE,
        *,
        endpoint: str | None = None,
        host: str | None = None,
        subdomain: str | None = None,
        **options: Unpack[FigureOptions],
    ) -> Callable[[F], F]:
        """Serve the decorated figure function at *rule*.

        The decorator returns the function unchanged, so that you can import it, call it
        and test it without Flask.

        :param rule: a URL rule, as for ``Flask.route``. If an extension is added to the
            URL, as in ``/walk.svg``, the figure is served in that format. Unless the
            route is signed, ``/walk.schema.json`` serves the JSON Schema of the
            arguments.
        :param endpoint: the name of the route. The default is the name of the function.
        :param host: the host of the route, if the app uses host matching.
        :param subdomain: the subdomain of the route, if the app uses subdomain
            matching.
        :param options: see :class:`FigureOptions`.
        :raises ConfigError: if an option or the signature is invalid.
        """
        check_rule(rule)
        place = read_place(rule, host=host, subdomain=subdomain)

        def declare(function: F) -> F:
            called = check_figure_function(function, rule)
            name = choose_endpoint(called, rule, endpoint)
            self._add_declaration(Declaration(rule, name, called, options, place))
            return function

        return declare

    def make_setup_state(
        self, app: App, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """Return a setup state that adds the host of the blueprint to its rules."""
        return SetupState(self, app, options, first_registration)

    def invalidate(
        self,
        figure: str | None = None,
        /,
        *,
        tags: Iterable[str] | None = None,
        **given: Any,
    ) -> None:
        """Invalidate cached pictures of this blueprint in the current app.

        The pictures are invalidated in every size and format and for every user, in all
        processes that share the cache. ::

            plots.invalidate("walk")            # one figure, all its arguments
            plots.invalidate("plots.walk")      # the same, by its endpoint
            plots.invalidate("walk", n=500)     # n=500, other arguments default
            plots.invalidate(tags=["sales"])    # figures with tags=["sales"]
            plots.invalidate()                  # all figures of the blueprint

        :param figure: name of a figure route, with or without the blueprint's.
        :param tags: invalidate the figures that have one of these tags, in all
            blueprints of the app. If the list is empty, nothing is invalidated.
        :param given: the figure function's arguments.
        :raises UnknownFigureError: if there is no such figure.
        :raises ArgumentsError: if one of the arguments is not valid.
        :raises UnknownTagError: if none of the figure routes has one of the tags.
        :raises CacheDownError: if the cache can't store the invalidation.
        """
        state = current_state()
        names = [tags] if isinstance(tags, str) else list(tags or ())
        state.check_tags(names)
        if figure is not None or tags is None:
            for route in state.routes_of(self, figure):
                route.invalidate(route.bind(given) if given else None)
        if names:
            state.invalidate_tags(names)
        state.warn_of_own_cache()

    def warm(
        self,
        figure: str,
        pictures: Iterable[Mapping[str, Any]] = ({},),
        /,
        *,
        app: Flask | None = None,
    ) -> WarmReport:
        """Render pictures and add them to the cache before they are requested.

        For example::

            plots.warm("walk", [{"n": 100}, {"n": 500, "_scale": 2}])

        If a picture is already in the cache, it isn't rendered again. All arguments are
        checked before anything is rendered.

        :param figure: name of a figure route, with or without the blueprint's.
        :param pictures: a dict for each picture, with the arguments of the figure
            function and the options of :func:`figure_image` for the format, the size,
            the theme and the injected values. By default, one picture is rendered with
            all defaults.
        :param app: the app. The default is the current app.
        :return: a report that lists the given dicts as ``rendered`` or ``hits``.
        :raises UnknownFigureError: if there is no such figure.
        :raises ArgumentsError: if an argument is not valid, as for a request.
        :raises Exception: if the figure function raises an error. Pictures that were
            rendered before are still in the cache.
        """
        with nullcontext() if app is None else app.app_context():
            return warm(current_state().routes_of(self, figure), pictures)

    @staticmethod
    def close(app: Flask) -> None:
        """Stop the workers and threads of *app* in this process.

        Any renders that are running in the workers are stopped. You can call this more
        than once. For example, call it in the teardown of a test::

            @pytest.fixture
            def app():
                app = create_app()
                yield app
                plots.close(app)

        You can still use the app, and the next render starts new workers. The workers
        are also stopped when the app is garbage collected or when the process ends.
        """
        state = app.extensions.get(EXTENSION)
        if isinstance(state, AppState):
            state.stop()

    def _open_gallery(self, state: BlueprintSetupState) -> None:
        if self.gallery is False:
            return
        settings = AppState.of(app_of(state)).settings
        decorators = settings.route_options(self.figure_options).decorators
        open_gallery(
            state, _full_name(state), gallery=self.gallery, decorators=decorators
        )

    def _add_declaration(self, declaration: Declaration) -> None:
        name = declaration.endpoint
        if name in self._endpoints:
            raise ConfigError(
                f"The blueprint {self.name!r} already has a figure route {name!r}. "
                f"Name one of them with endpoint=…."
            )
        self._endpoints.add(name)
        self.record(partial(self._register_route, declaration))

    def _register_route(
        self, declaration: Declaration, state: BlueprintSetupState
    ) -> None:
        app_state = AppState.of(app_of(state))
        check_place(state, declaration.place, declaration.label)
        route = self._make_route(declaration, state, app_state)
        _add_rules(state, declaration, route, app_state.settings)
        app_state.add(route, self)
        if self.gallery is not False:
            add_page(state, _full_name(state), route)

    def _make_route(
        self, declaration: Declaration, state: BlueprintSetupState, app_state: AppState
    ) -> FigureRoute:
        settings = app_state.settings
        options = settings.route_options(
            self.figure_options, declaration.options, label=declaration.label
        )
        if options.resource_policy is None:
            policy = choose_resource_policy(state)
            options = options.model_copy(update={"resource_policy": policy})
        parameters = declaration.read_signature(options)
        route = FigureRoute(
            app_of(state),
            f"{_full_name(state)}.{declaration.endpoint}",
            declaration.function,
            parameters,
            options,
            read_rule(state, declaration, parameters),
            partial(app_state.pictures, self.cache),
            app_state.renders,
        )
        if settings.renders_elsewhere:
            route.recipe.check_portable()
        return route


def _add_rules(
    state: BlueprintSetupState,
    declaration: Declaration,
    route: FigureRoute,
    settings: Settings,
) -> None:
    """Add the rule of *declaration*, both with and without an extension."""
    options, rule = route.options, declaration.rule
    ignore_unknown = settings.unknown_args == "ignore"
    view: Callable[..., Any]
    view = FigureView(app_of(state), route, ignore_unknown=ignore_unknown).view
    for decorator in options.decorators:
        view = decorator(view)
    formats = [*dict.fromkeys(map(str, (*options.formats, ALT_FORMAT)))]
    if not options.signed:  # A signed route does not reveal its arguments.
        formats.append(f'"{SCHEMA_NAME}"')
    extension = f"<{CONVERTER}({','.join(formats)}):_format>"
    for text in (rule, f"{rule.rstrip('/') or '/index'}.{extension}"):
        state.add_url_rule(
            text, declaration.endpoint, view, methods=["GET"], **declaration.place
        )


def _check_blueprint(
    name: str, options: FigureOptions, *, gallery: object, cache: object, host: object
) -> None:
    """Reject an invalid argument of the blueprint *name*.

    :raises ConfigError: if an argument is not valid.
    """
    label = f"FigureBlueprint({name!r}, {{}}=…)".format
    RouteOptions.read(options, label)
    read_place("", host=host)
    if not isinstance(gallery, bool | None):
        raise ConfigError(
            f"{label('gallery')} is {gallery!r}. Choose True, False, or None for debug "
            f"mode only."
        )
    if not isinstance(cache, Cache | None):
        raise ConfigError(
            f"{label('cache')} is {cache!r}. Pass a flask_caching.Cache, or leave it "
            f"out to use the app's cache."
        )


def _full_name(state: BlueprintSetupState) -> str:
    """Return the blueprint's name in the app, prefixed with its parents' names."""
    return f"{state.name_prefix}.{state.name}".lstrip(".")


def _prepare_app(state: BlueprintSetupState) -> None:
    app = app_of(state)
    AppState.of(app).check_settings()
    app.url_map.converters.setdefault(CONVERTER, ExtensionConverter)
    use_agg()
    app.cli.add_command(figures)
    for name, function in GLOBALS.items():
        # A global that the app has already takes precedence.
        app.jinja_env.globals.setdefault(name, function)


def _serve_assets(state: BlueprintSetupState) -> None:
    rule = f"/{ASSETS}/<path:filename>"
    for place in list_places(state, PAGE_PLACE):
        state.add_url_rule(rule, ASSETS, send_asset, methods=["GET"], **place)
