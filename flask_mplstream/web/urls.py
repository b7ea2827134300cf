"""The canonical URLs of figures, signed and with the data's version where wanted.

Flask side. Names that begin with ``_`` are for the package and for ``url_for``; the
others are the figure function's.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self
from urllib.parse import urlencode, urlsplit, urlunsplit

from flask import current_app, has_request_context, request, url_for
from flask.globals import app_ctx

from ..errors import NO_SUCH_ARGUMENT, ArgumentFault, ArgumentsError, cut, nearest
from ..formats import Theme, Variant
from ..parameters.function_signature import Arguments
from .app_state import check_name, current_state
from .figure_route import FigureRoute
from .figure_view import RESERVED, named_variant
from .signed_urls import UrlSigner

logger = logging.getLogger("flask_mplstream")

#: What ``url_for`` itself understands.
_URL_FOR_OPTIONS = ("_external", "_scheme", "_anchor")
#: The words of the package. The version and the signature are not for the caller.
WORDS = (
    *(p.name for p in RESERVED if p.name not in ("_sig", "_v")),
    *("_format", "_expires_in", "_inject", *_URL_FOR_OPTIONS),
)
#: Characters that Werkzeug does not quote in a query either.
_AS_IT_IS = "!$'()*,/:;?@"


def figure_url(endpoint: str, /, **values: Any) -> str:
    """The canonical URL of a figure: only what differs from the defaults.

    :param endpoint: the route's name as for ``url_for``: ``plots.walk``, or
        ``.walk`` inside the blueprint.
    :param values: the figure function's arguments; ``_format="svg"``,
        ``_scale=2``, ``_width=800``, ``_theme="dark"``, ``_download=True``,
        ``_expires_in=600`` (seconds, of a signed URL); ``_inject={"user_id": 2}``,
        injected values for the data's version; ``url_for``'s ``_external``,
        ``_scheme`` and ``_anchor``.
    :raises ArgumentsError: naming what is wrong, as a request would.
    :raises UnknownFigureError: where there is no such figure.
    """
    route = route_named(endpoint)
    given, options = split(route, values)
    urls = FigureUrls.of(route, bind_arguments(route, given), options)
    download = {name: options[name] for name in ("_download",) if name in options}
    return urls.of_variant(
        named_variant(route, options),
        names_format="_format" in options,
        is_download=RESERVED.bind(download).values["_download"],
    )


def url_near(endpoint: str, **values: Any) -> str:
    """The URL of *endpoint*, with what the current one says of the same variables.

    For a blueprint whose prefix has variables: ``/<language>/plots``.

    :raises BuildError: where it has others, which are not in *values*.
    """
    given = (request.view_args or {}) if has_request_context() else {}
    for name, value in given.items():
        if current_app.url_map.is_endpoint_expecting(endpoint, name):
            values.setdefault(name, value)
    return url_for(endpoint, **values)


def route_named(endpoint: str) -> FigureRoute:
    """The figure route *endpoint*; ``.walk`` is one of the current blueprint.

    :raises UnknownFigureError: where there is no such figure.
    """
    check_name(endpoint)
    if endpoint.startswith(".") and has_request_context():
        blueprint = request.blueprint
        endpoint = f"{blueprint}{endpoint}" if blueprint else endpoint[1:]
    return current_state().route(endpoint)


def split(
    route: FigureRoute, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """*values* as the figure function's and the package's, each checked by name.

    ``_inject`` is among the package's whether it is given or not.

    :raises ArgumentsError: where one of the package's is not known.
    """
    options = {name: value for name, value in values.items() if name.startswith("_")}
    for name, value in options.items():
        if name not in WORDS:
            raise unknown_argument(name, value, WORDS)
    given = {k: v for k, v in values.items() if k not in options}
    return given, {**options, "_inject": route.check_inject(options.get("_inject", {}))}


def bind_arguments(route: FigureRoute, given: Mapping[str, Any]) -> Arguments:
    """Return the arguments of *route* that a call in a template or a view means.

    A function that the app registered with ``url_defaults`` may fill in the others,
    as for ``url_for``.

    :raises ArgumentsError: naming what is wrong.
    """
    defaults: dict[str, Any] = {}
    if has_request_context():
        current_app.inject_url_defaults(route.endpoint, defaults)
    found = {n: defaults[n] for n in defaults if n in route.parameters}
    try:
        return route.bind({**found, **given})
    except ArgumentsError as error:
        faults = [fault.suggest_reserved(WORDS) for fault in error.faults]
        raise ArgumentsError(faults) from None


def unknown_argument(name: str, value: object, known: Sequence[str]) -> ArgumentsError:
    """The error that there is no argument *name*, only those *known*."""
    fault = ArgumentFault(
        name,
        cut(str(value)),
        NO_SUCH_ARGUMENT,
        ", ".join(known),
        nearest(name, known),
    )
    return ArgumentsError([fault.suggest_reserved(WORDS)])


@dataclass(frozen=True, slots=True)
class FigureUrls:
    """The URLs of one figure with the same arguments, in all variants."""

    route: FigureRoute
    arguments: Arguments
    #: What stands for the data's version; asked for once.
    version: str = ""
    #: Seconds for which signed ones are served; ``None`` for ever.
    expires_in_s: float | None = None
    #: ``url_for``'s own.
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, route: FigureRoute, arguments: Arguments, options: Mapping[str, Any]
    ) -> Self:
        """Those with *arguments*, by what *options* of :func:`figure_url` say."""
        return cls(
            route,
            arguments,
            _version(route, arguments, options.get("_inject", {})),
            _lifetime(route, options),
            {name: options[name] for name in _URL_FOR_OPTIONS if name in options},
        )

    def of_variant(
        self, variant: Variant, *, names_format: bool = True, is_download: bool = False
    ) -> str:
        """The URL of the picture in *variant*.

        :param names_format: whether the format is the URL's extension; else it is
            what the browser prefers.
        """
        query = self._query()
        if names_format:
            query["_format"] = variant.format.name
        if variant.scale != 1:
            query["_scale"] = f"{variant.scale:g}"
        if variant.width_px is not None:
            query["_width"] = str(variant.width_px)
        if variant.theme is not Theme.LIGHT:
            query["_theme"] = variant.theme.value
        if self.version:
            query["_v"] = self.version
        if is_download:
            query["_download"] = "1"
        if self.route.options.signed:
            query["_sig"] = self._signature(query)
        return self._url(query, self.extra)

    def _url(self, query: Mapping[str, Any], extra: Mapping[str, Any]) -> str:
        """Return the URL with *query* alone, whatever the app adds to all URLs."""
        in_path = ("_format", *self.route.path_names)
        path = {name: query[name] for name in in_path if name in query}
        url = urlsplit(url_for(self.route.endpoint, **path, **extra))
        named = [(name, query[name]) for name in query if name not in in_path]
        text = urlencode(named, doseq=True, safe=_AS_IT_IS)
        return urlunsplit(url._replace(query=text))

    def _query(self) -> dict[str, Any]:
        route = self.route
        query: dict[str, Any] = {
            name: texts
            for name, texts in self.arguments.query.items()
            if name not in route.rule_defaults  # The rule says it already.
        }
        for name in route.path_names:
            value = self.arguments.values[name]
            query[name] = value.value if isinstance(value, Enum) else value
        return query

    def _signature(self, query: Mapping[str, Any]) -> str:
        app = app_ctx.app
        reserved = {name: query[name] for name in query if name in RESERVED}
        return UrlSigner(app).sign(
            self.route.endpoint,
            self._url(query, {"_external": True}),
            self.arguments,
            RESERVED.bind(reserved),
            self.expires_in_s,
        )


def _lifetime(route: FigureRoute, options: Mapping[str, Any]) -> float | None:
    """Return the seconds for which a signed URL is served.

    :raises ArgumentsError: if ``_expires_in`` is no such number, or the URL unsigned.
    """
    given = options.get("_expires_in")
    if given is None:
        return None if "_expires_in" in options else route.options.expires_in
    reason = "It is not a number of seconds above 0."
    if not route.options.signed:
        reason = f"{route.endpoint} is not signed, so its URLs do not expire."
    elif isinstance(given, int | float) and 0 < given < math.inf:
        return given
    accepted = "seconds above 0, of a route with signed=True"
    raise ArgumentsError([ArgumentFault("_expires_in", str(given), reason, accepted)])


def _version(
    route: FigureRoute, arguments: Arguments, inject: Mapping[str, object]
) -> str:
    try:
        return route.version_of(arguments, inject)
    except Exception:
        # Data that cannot be reached must cost one picture, not the page.
        logger.warning("Cannot tell the version of %s.", route.endpoint, exc_info=True)
        return ""
