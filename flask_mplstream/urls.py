"""The canonical URLs of figures, signed and with the data's version where wanted.

Flask side. Names that begin with ``_`` are for the package and for ``url_for``; the
others are the figure function's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self

from flask import current_app, has_request_context, request, url_for

from .errors import ArgumentFault, ArgumentsError, nearest
from .image import Theme, Variant
from .parameters import Arguments
from .route import FigureRoute
from .signing import UrlSigner
from .state import current_state
from .view import RESERVED, named_variant

logger = logging.getLogger("flask_mplstream")

#: What ``url_for`` itself understands.
_URL_FOR_OPTIONS = ("_external", "_scheme", "_anchor")


def figure_url(endpoint: str, /, **values: Any) -> str:
    """The canonical URL of a figure: only what differs from the defaults.

    :param endpoint: the route's name as for ``url_for``: ``plots.walk``, or
        ``.walk`` inside the blueprint.
    :param values: the figure function's arguments; ``_format="svg"``,
        ``_scale=2``, ``_width=800``, ``_theme="dark"``, ``_download=True``,
        ``_expires_in=600`` (seconds, of a signed URL); ``url_for``'s ``_external``,
        ``_scheme`` and ``_anchor``.
    :raises ArgumentsError: naming what is wrong, as a request would.
    :raises UnknownFigureError: where there is no such figure.
    """
    route = route_named(endpoint)
    given, options = split(values)
    urls = FigureUrls.of(route, route.bind(given), options)
    return urls.of_variant(
        named_variant(route, options),
        names_format="_format" in options,
        is_download=bool(options.get("_download")),
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
    if endpoint.startswith(".") and has_request_context():
        blueprint = request.blueprint
        endpoint = f"{blueprint}{endpoint}" if blueprint else endpoint[1:]
    return current_state().route(endpoint)


def split(values: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """*values* as the figure function's and the package's, each checked by name.

    :raises ArgumentsError: where one of the package's is not known.
    """
    options = {name: value for name, value in values.items() if name.startswith("_")}
    known = [parameter.name for parameter in RESERVED if parameter.name != "_sig"]
    known += ["_format", "_expires_in", *_URL_FOR_OPTIONS]
    for name, value in options.items():
        if name not in known:
            raise unknown_argument(name, value, known)
    return {k: v for k, v in values.items() if k not in options}, options


def unknown_argument(name: str, value: object, known: list[str]) -> ArgumentsError:
    """The error that there is no argument *name*, only those *known*."""
    fault = ArgumentFault(
        name,
        str(value),
        "There is no such argument.",
        ", ".join(known),
        nearest(name, known),
    )
    return ArgumentsError([fault])


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
            _version(route, arguments),
            options.get("_expires_in", route.options.expires_in),
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
        return url_for(self.route.endpoint, **query, **self.extra)

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
        app = current_app._get_current_object()  # type: ignore[attr-defined]
        reserved = {name: query[name] for name in query if name in RESERVED}
        return UrlSigner(app).sign(
            self.route.endpoint,
            url_for(self.route.endpoint, **query, _external=True),
            self.arguments,
            RESERVED.bind(reserved),
            self.expires_in_s,
        )


def _version(route: FigureRoute, arguments: Arguments) -> str:
    try:
        return route.version_of(arguments)
    except Exception:
        # Data that cannot be reached must cost one picture, not the page.
        logger.warning("Cannot tell the version of %s.", route.endpoint, exc_info=True)
        return ""
