"""The blueprint: declare figure routes, register them on an app.

Flask side. Declaring checks what can be checked alone (signature, options);
registering resolves the options against the app and makes the routes. The app
is never kept on the blueprint, which may be registered on several.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, Unpack, cast

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState
from flask_caching import Cache
from werkzeug.routing import Rule

from .assets import ENDPOINT as ASSETS
from .assets import send_asset
from .cli import figures
from .documents import SCHEMA_NAME
from .errors import ConfigError
from .gallery import add_page, open_gallery
from .image import ALT_FORMAT
from .parameters import Parameters
from .render import Look, check_style, use_agg
from .route import FigureRoute, taken_by
from .settings import FigureOptions, RouteOptions
from .state import EXTENSION, AppState, current_state
from .templating import GLOBALS
from .view import FigureView

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Declared:
    """A figure route as it was declared, before any app is known."""

    rule: str
    endpoint: str
    function: Callable[..., Any]
    options: FigureOptions


class FigureBlueprint(Blueprint):
    """A :class:`flask.Blueprint` whose figure routes answer with pictures. ::

        plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

        @plots.figure_route("/walk", max_age=60)
        def walk(n: int = 200) -> Figure:
            ...

        app.register_blueprint(plots)

    :param cache: the Flask-Caching ``Cache`` to keep pictures in, where the app
        has several. By default the app's own, else an embedded one.
    :param options: defaults for its routes; see :class:`FigureOptions`.
    :raises ConfigError: for an option that is unknown or cannot work.

    The other parameters are those of :class:`flask.Blueprint`.
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        *,
        cache: Cache | None = None,
        gallery: bool | None = None,
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
            # Flask's own default is a value that is nobody else's to name.
            **({} if cli_group == "" else {"cli_group": cli_group}),
        )
        self.cache = cache
        self.gallery = gallery
        self.figure_options = options
        self._endpoints: set[str] = set()
        self.record(_prepare_app)
        self.record(_serve_assets)
        if gallery is not False:
            self.record(self._open_gallery)

    def figure_route(
        self,
        rule: str,
        *,
        endpoint: str | None = None,
        **options: Unpack[FigureOptions],
    ) -> Callable[[F], F]:
        """Serve the decorated figure function at *rule*.

        The function stays the plain function: it can be imported, called and
        tested without Flask.

        :param rule: a URL rule as for ``Flask.route``. Each format is served at
            the rule with its extension as well: ``/walk.svg``. ``/walk.schema.json``
            is the JSON Schema of the query, but not where URLs are signed.
        :param endpoint: the route's name, by default the function's.
        :param options: see :class:`FigureOptions`.
        :raises ConfigError: where an option or the signature cannot work.
        """

        def declare(function: F) -> F:
            name = endpoint or function.__name__
            label = f"figure_route({rule!r}, {{}}=…) of {function.__qualname__}"
            RouteOptions.checked(options, label.format)
            if "." in name:
                raise ConfigError(
                    f"The endpoint {name!r} has a dot, which separates a blueprint's "
                    f"name from a route's. Take another character."
                )
            if name in self._endpoints:
                raise ConfigError(
                    f"The blueprint {self.name!r} has a figure route {name!r} already. "
                    f"Name one of them with endpoint=…."
                )
            self._endpoints.add(name)
            declared = _Declared(rule, name, function, options)
            self.record(partial(self._register_route, declared))
            return function

        return declare

    def invalidate(
        self, figure: str | None = None, /, *, tags: Sequence[str] = (), **given: Any
    ) -> None:
        """Make pictures of this blueprint be rendered again, in the current app.

        Every size, format and user's version of them goes at once, on all
        processes that share the cache. ::

            plots.invalidate("walk")            # one figure, all its arguments
            plots.invalidate("walk", n=500)     # those arguments, others default
            plots.invalidate(tags=["sales"])    # what has the option tags=["sales"]
            plots.invalidate()                  # all figures of the blueprint

        :param figure: name of a figure route, without the blueprint's.
        :param tags: names from the option ``tags``, whatever the blueprint.
        :param given: the figure function's arguments.
        :raises UnknownFigureError: where there is no such figure.
        :raises ArgumentsError: where the arguments are not accepted.
        :raises CacheDownError: where the cache does not take it.
        """
        state = current_state()
        if figure is not None or not tags:
            for route in state.routes_of(self, figure):
                route.invalidate(route.bind(given) if given else None)
        if tags:
            state.invalidate_tags(tags)

    @staticmethod
    def close(app: Flask) -> None:
        """Stop what the figures of *app* have running in this process.

        These are its workers, with the renders under way, and the package's threads.
        It may be called again and again, as in the teardown of a test::

            @pytest.fixture
            def app():
                app = create_app()
                yield app
                plots.close(app)

        The app still answers: the next render starts new workers. An app that is
        dropped without it loses its workers with the garbage, and a process that ends
        loses all of them.
        """
        state = app.extensions.get(EXTENSION)
        if isinstance(state, AppState):
            state.stop()

    def _open_gallery(self, state: BlueprintSetupState) -> None:
        settings = AppState.of(_app(state)).settings
        decorators = settings.route_options(self.figure_options).decorators
        open_gallery(
            state, _full_name(state), gallery=self.gallery, decorators=decorators
        )

    def _register_route(self, declared: _Declared, state: BlueprintSetupState) -> None:
        app_state = AppState.of(_app(state))
        options = app_state.settings.route_options(
            self.figure_options, declared.options
        )
        parameters = _read_signature(declared.function, options)
        endpoint = f"{_full_name(state)}.{declared.endpoint}"
        route = FigureRoute(
            _app(state),
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
        view = FigureView(_app(state), route, ignore_unknown=ignore_unknown).view
        for decorator in options.decorators:
            view = decorator(view)
        names = dict.fromkeys(map(str, (*options.formats, ALT_FORMAT)))
        # Of a signed route it is not told which arguments there are.
        described = [] if options.signed else [f'"{SCHEMA_NAME}"']
        formats = ",".join([*names, *described])
        stem = declared.rule.rstrip("/") or "/index"
        for rule in (declared.rule, f"{stem}.<any({formats}):_format>"):
            state.add_url_rule(rule, declared.endpoint, view, methods=["GET"])
        rules = list(state.app.url_map.iter_rules(route.endpoint))
        for found in rules:
            fixed = found.defaults or {}
            route.rule_defaults |= {n: fixed[n] for n in fixed if n in parameters}
        route.path_names = _path_names(state, route, rules)
        route.rule_names = {*route.path_names, *route.rule_defaults}
        app_state.add(route, self, declared.endpoint)
        if self.gallery is not False:
            add_page(state, _full_name(state), route)


def _app(state: BlueprintSetupState) -> Flask:
    return cast(Flask, state.app)


def _full_name(state: BlueprintSetupState) -> str:
    """The blueprint's name in the app, with those that it is nested in."""
    return f"{state.name_prefix}.{state.name}".lstrip(".")


def _prepare_app(state: BlueprintSetupState) -> None:
    app = _app(state)
    AppState.of(app).check_settings()
    use_agg()
    app.cli.add_command(figures)
    for name, function in GLOBALS.items():
        # An app that has a global of this name keeps it.
        app.jinja_env.globals.setdefault(name, function)


def _serve_assets(state: BlueprintSetupState) -> None:
    rule = f"/{ASSETS}/<path:filename>"
    state.add_url_rule(rule, ASSETS, send_asset, methods=["GET"])


def _read_signature(function: Callable[..., Any], options: RouteOptions) -> Parameters:
    check_style(options.style)
    check_style(Look(options.style).in_the_dark(options.dark_style).style)
    parameters = Parameters(
        function, options.inject, skip_first=options.load is not None
    )
    for option, call in (("load", options.load), ("version", options.version)):
        if call is not None:
            _check_call(
                f"{option}=… of {function.__qualname__}", call, parameters.names
            )
    for name, call in options.inject.items():
        _check_call(f"inject[{name!r}] of {function.__qualname__}", call, ())
    return parameters


def _check_call(label: str, call: Callable[..., Any], names: tuple[str, ...]) -> None:
    """Refuse a callable that cannot take the arguments it will be given."""
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
    """The variables of the rules that the figure function takes.

    :raises ConfigError: where the rule has one that it does not take.
    """
    names = set().union(*(rule.arguments for rule in rules)) - {"_format"}
    # A variable in the prefix may be for a url_value_preprocessor.
    prefix = state.url_prefix or ""
    for name in names:
        if name not in route.parameters and f"{name}>" not in prefix:
            raise ConfigError(
                f"The rule {rules[0].rule!r} has a variable {name!r} that "
                f"{route.function.__qualname__} does not take from the URL. Add a "
                f"parameter {name!r}, or take it out of the rule."
            )
    return tuple(
        name
        for name in route.parameters.names
        if name in names and name not in route.rule_defaults
    )
