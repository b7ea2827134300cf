"""The blueprint: declares figure routes and registers them on an app.

Flask side. A declaration checks the options that need no app; registration resolves
the options, reads the signature and adds the URL rules. The blueprint never keeps the
app, because it may be registered on several.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar, Unpack

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState
from flask.sansio.app import App
from flask_caching import Cache
from werkzeug.routing import Rule

from .cli.command_group import figures
from .errors import ConfigError
from .formats import ALT_FORMAT
from .gallery.registration import add_page, open_gallery
from .html.assets import ENDPOINT as ASSETS
from .html.assets import PAGE_PLACE, send_asset
from .html.figure_tag import GLOBALS
from .parameters.callables import plain_name, qualified_name
from .parameters.function_signature import Parameters
from .rendering.figure_lock import check_style, use_agg
from .settings import FigureOptions, RouteOptions
from .web.app_state import EXTENSION, AppState, current_state
from .web.declaration import (
    NO_RULE,
    check_figure_function,
    check_rule,
    endpoint_of,
    frozen_defaults,
)
from .web.extension_converter import CONVERTER, ExtensionConverter
from .web.figure_route import FigureRoute, taken_by
from .web.figure_view import FigureView
from .web.host_matching import (
    SetupState,
    app_of,
    check_place,
    every_place,
    host_of,
    read_place,
    resource_policy,
)
from .web.json_documents import SCHEMA_NAME
from .web.warm_report import WarmReport, warm

logger = logging.getLogger("flask_mplstream")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Declared:
    """A declared figure route, independent of an app."""

    rule: str
    endpoint: str
    function: Callable[..., Any]
    options: FigureOptions
    #: ``host`` or ``subdomain``, as for ``Flask.route``.
    place: Mapping[str, str]

    def label(self, option: str) -> str:
        """Return the name of *option* for a message."""
        name = qualified_name(self.function)
        return f"figure_route({self.rule!r}, {option}=…) of {name}"


class FigureBlueprint(Blueprint):
    """A :class:`flask.Blueprint` with figure routes, which serve pictures.

    For example::

        plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

        @plots.figure_route("/walk", max_age=60)
        def walk(n: int = 200) -> Figure:
            ...

        app.register_blueprint(plots)

    :param cache: the Flask-Caching ``Cache`` for the pictures, if the app has
        several; by default the app's cache, or else an embedded one.
    :param gallery: whether to serve gallery pages of its figures; ``None``, the
        default, serves them in debug mode only.
    :param host: the host of its routes, in an app with host matching.
    :param options: default options of its routes; see :class:`FigureOptions`.
    :raises ConfigError: if an option is unknown or invalid.

    The other parameters are those of :class:`flask.Blueprint`.
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
        RouteOptions.checked(options, f"FigureBlueprint({name!r}, {{}}=…)".format)
        if not isinstance(gallery, bool | None):
            raise ConfigError(
                f"FigureBlueprint({name!r}, gallery=…) is {gallery!r}. Choose True, "
                f"False, or None for in debug mode only."
            )
        read_place("", host=host)
        if not isinstance(cache, Cache | None):
            raise ConfigError(
                f"FigureBlueprint({name!r}, cache=…) is {cache!r}. Give a Cache of "
                f"flask_caching, or leave it out for the app's."
            )
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
        if gallery is not False:
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

        The decorator returns the function unchanged: you can import, call and test
        it without Flask.

        :param rule: a URL rule as for ``Flask.route``. The rule with an extension,
            such as ``/walk.svg``, serves that format. Unless the route is signed,
            ``/walk.schema.json`` serves the JSON Schema of the query.
        :param endpoint: the route's name, by default the function's.
        :param host: the route's host, in an app with host matching.
        :param subdomain: the route's subdomain, in an app with subdomain matching.
        :param options: see :class:`FigureOptions`.
        :raises ConfigError: if an option or the signature is invalid.
        """
        check_rule(rule)
        place = read_place(rule, host=host, subdomain=subdomain)

        def declare(function: F) -> F:
            called = check_figure_function(function, rule)
            name = endpoint_of(called, rule, endpoint)
            declared = _Declared(rule, name, called, options, place)
            RouteOptions.checked(options, declared.label)
            if name in self._endpoints:
                raise ConfigError(
                    f"The blueprint {self.name!r} has a figure route {name!r} already. "
                    f"Name one of them with endpoint=…."
                )
            self._endpoints.add(name)
            self.record(partial(self._register_route, declared))
            return function

        return declare

    def make_setup_state(
        self, app: App, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """Return a setup state that adds the blueprint's host to its rules."""
        return SetupState(self, app, options, first_registration)

    def invalidate(
        self,
        figure: str | None = None,
        /,
        *,
        tags: Iterable[str] | None = None,
        **given: Any,
    ) -> None:
        """Invalidate stored pictures of this blueprint in the current app.

        This covers every size, format and user, in all processes that share the
        cache. ::

            plots.invalidate("walk")            # one figure, all its arguments
            plots.invalidate("plots.walk")      # the same, by its endpoint
            plots.invalidate("walk", n=500)     # n=500, other arguments default
            plots.invalidate(tags=["sales"])    # figures with tags=["sales"]
            plots.invalidate()                  # all figures of the blueprint

        :param figure: name of a figure route, with or without the blueprint's.
        :param tags: names from the option ``tags``, in all blueprints of the app; an
            empty list invalidates nothing.
        :param given: the figure function's arguments.
        :raises UnknownFigureError: if there is no such figure.
        :raises ArgumentsError: if the arguments are not accepted.
        :raises UnknownTagError: if no figure route of the app has one of *tags*.
        :raises CacheDownError: if the cache rejects the invalidation.
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
        """Render and store pictures before the first request for them.

        For example::

            plots.warm("walk", [{"n": 100}, {"n": 500, "_scale": 2}])

        A picture that is in the cache is not rendered again. All arguments are checked
        before the first render.

        :param figure: name of a figure route, with or without the blueprint's.
        :param pictures: for each picture, the figure function's arguments and the
            options of :func:`figure_image`, which choose format, size, theme and
            injected values; by default one picture with all defaults.
        :param app: the app; by default the current one.
        :return: the given dicts as two lists, ``rendered`` and ``hits``.
        :raises UnknownFigureError: if there is no such figure.
        :raises ArgumentsError: naming each invalid argument, as for a request.
        :raises Exception: the error of the figure function. The pictures before it
            are stored.
        """
        with nullcontext() if app is None else app.app_context():
            return warm(current_state().routes_of(self, figure), pictures)

    @staticmethod
    def close(app: Flask) -> None:
        """Stop the workers and threads of *app* in this process.

        Renders in the workers are ended. Further calls are harmless. Call it in the
        teardown of a test, for example::

            @pytest.fixture
            def app():
                app = create_app()
                yield app
                plots.close(app)

        The app remains usable: the next render starts new workers. Garbage collection
        of an app also stops its workers, and the end of the process stops all.
        """
        state = app.extensions.get(EXTENSION)
        if isinstance(state, AppState):
            state.stop()

    def _open_gallery(self, state: BlueprintSetupState) -> None:
        settings = AppState.of(app_of(state)).settings
        decorators = settings.route_options(self.figure_options).decorators
        open_gallery(
            state, _full_name(state), gallery=self.gallery, decorators=decorators
        )

    def _resolve_options(
        self, declared: _Declared, state: BlueprintSetupState
    ) -> RouteOptions:
        options = AppState.of(app_of(state)).settings.route_options(
            self.figure_options, declared.options, label=declared.label
        )
        if options.resource_policy is not None:
            return options
        return options.model_copy(update={"resource_policy": resource_policy(state)})

    def _register_route(self, declared: _Declared, state: BlueprintSetupState) -> None:
        app_state = AppState.of(app_of(state))
        check_place(state, declared.place, declared.label)
        options = self._resolve_options(declared, state)
        parameters = _read_signature(declared, options)
        endpoint = f"{_full_name(state)}.{declared.endpoint}"
        route = FigureRoute(
            app_of(state),
            endpoint,
            declared.function,
            parameters,
            options,
            partial(app_state.pictures, self.cache),
            app_state.renders,
        )
        if app_state.settings.renders_elsewhere:
            route.recipe.check_portable()
        ignore_unknown = app_state.settings.unknown_args == "ignore"
        view: Callable[..., Any]
        view = FigureView(app_of(state), route, ignore_unknown=ignore_unknown).view
        for decorator in options.decorators:
            view = decorator(view)
        names = dict.fromkeys(map(str, (*options.formats, ALT_FORMAT)))
        # A signed route does not reveal its arguments.
        described = [] if options.signed else [f'"{SCHEMA_NAME}"']
        formats = ",".join([*names, *described])
        stem = declared.rule.rstrip("/") or "/index"
        for rule in (declared.rule, f"{stem}.<{CONVERTER}({formats}):_format>"):
            state.add_url_rule(
                rule, declared.endpoint, view, methods=["GET"], **declared.place
            )
        rules = list(state.app.url_map.iter_rules(route.endpoint))
        for found in rules:
            fixed = found.defaults or {}
            route.rule_defaults |= {n: fixed[n] for n in fixed if n in parameters}
        route.path_names = _path_names(state, route, rules)
        route.rule_names = {*route.path_names, *route.rule_defaults}
        app_state.add(route, self, declared.endpoint)
        if self.gallery is not False:
            add_page(state, _full_name(state), route)


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
    for place in every_place(state, PAGE_PLACE):
        state.add_url_rule(rule, ASSETS, send_asset, methods=["GET"], **place)


def _read_signature(declared: _Declared, options: RouteOptions) -> Parameters:
    check_style(options.style, declared.label("style"))
    if not isinstance(options.dark_style, bool):
        check_style(options.dark_style, declared.label("dark_style"))
    function = declared.function
    parameters = Parameters(
        function,
        options.inject,
        skip_first=options.load is not None,
        name=plain_name(function) or declared.endpoint,
    )
    for option, call in (("load", options.load), ("version", options.version)):
        if call is not None:
            _check_call(
                f"{option}=… of {qualified_name(function)}", call, parameters.names
            )
    for warning in frozen_defaults(function, parameters, datetime.now(UTC)):
        logger.warning("%s", warning)
    for name, call in options.inject.items():
        _check_call(f"inject[{name!r}] of {qualified_name(function)}", call, ())
    return parameters


def _check_call(label: str, call: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Reject a callable that does not accept the arguments of the later call.

    :param names: the arguments that it may take.
    :raises ConfigError: naming *label* and the arguments.
    """
    try:
        taken = taken_by(call, names)
        inspect.signature(call).bind(**dict.fromkeys(taken))
    except TypeError as error:
        given = ", ".join(names) or "no arguments"
        raise ConfigError(f"{label} is called with {given}, but {error}.") from error
    except ValueError:
        return  # A builtin without a signature.


def _path_names(
    state: BlueprintSetupState, route: FigureRoute, rules: Sequence[Rule]
) -> tuple[str, ...]:
    """Return the rule variables that are parameters of the figure function.

    :raises ConfigError: if a variable is not one of its parameters.
    """
    names = set().union(*(rule.arguments for rule in rules)) - {"_format"}
    # A variable in the prefix may be for a url_value_preprocessor.
    prefixes = f"{state.url_prefix} {state.subdomain} {host_of(state)}"
    # The declared rule; the others add an extension.
    plain = min((rule.rule for rule in rules), key=len)
    for name in names:
        if name not in route.parameters and f"{name}>" not in prefixes:
            raise ConfigError(
                f"The rule {plain!r} has a variable {name!r} that "
                f"{qualified_name(route.function)} does not take from the URL. Add a "
                f"parameter {name!r}, or take it out of the rule."
            )
    return tuple(
        name
        for name in route.parameters.names
        if name in names and name not in route.rule_defaults
    )
