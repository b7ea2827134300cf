"""The canonical URLs of figures, with signature and data version if configured.

Flask side. Names that begin with ``_`` are options of the package or of ``url_for``.
All others are arguments of the figure function.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Self
from urllib.parse import urlencode

from flask import current_app, has_request_context, request, url_for
from flask.globals import app_ctx

from ..errors import NO_SUCH_ARGUMENT, ArgumentFault, ArgumentsError, cut, nearest
from ..forks import cached_property
from ..formats import ALT_FORMAT, Theme, Variant
from ..parameters.canonical import Arguments
from ..parameters.reserved import RESERVED, WRITABLE_WORDS
from .app_state import check_name, current_state
from .figure_route import FigureRoute, Picture
from .request_reading import choose_variant
from .signed_urls import UrlSigner

logger = logging.getLogger("flask_mplstream")

#: Options of ``url_for``.
_URL_FOR_OPTIONS = ("_external", "_scheme", "_anchor")
#: Options that a caller may pass: all but the version and the signature.
WORDS = (
    *WRITABLE_WORDS,
    *("_format", "_expires_in", "_inject", *_URL_FOR_OPTIONS),
)
#: Characters that Werkzeug leaves unquoted in a query, too.
_AS_IT_IS = "!$'()*,/:;?@"


def figure_url(endpoint: str, /, **values: Any) -> str:
    """Return the canonical URL of a figure, without arguments that have their default.

    :param endpoint: the name of the route, as for ``url_for``. Use ``plots.walk``, or
        ``.walk`` inside the blueprint.
    :param values: the figure function's arguments; ``_format="svg"``,
        ``_scale=2``, ``_width=800`` (pixels), ``_theme="dark"``,
        ``_download=True``; ``_expires_in=600`` (seconds, signed routes only);
        ``_inject={"user_id": 2}``, injected values for the data's version; and
        ``_external``, ``_scheme`` and ``_anchor`` of ``url_for``.
    :raises ArgumentsError: if an argument is not valid, as for a request.
    :raises UnknownFigureError: if there is no such figure.
    """
    route = find_route(endpoint)
    given, options = split_values(route, values)
    urls = FigureUrls.of(route, bind_arguments(route, given), options)
    download = {name: options[name] for name in ("_download",) if name in options}
    return urls.of_variant(
        choose_variant(route, options),
        names_format="_format" in options,
        is_download=RESERVED.bind(download).values["_download"],
    )


def build_nearby_url(endpoint: str, **values: Any) -> str:
    """Return the URL of *endpoint*, with values for its variables from the request.

    This is needed if the prefix of the blueprint contains variables, as in
    ``/<language>/plots``.

    :raises BuildError: if there is no value for a variable in the request or in
        *values*.
    """
    given = (request.view_args or {}) if has_request_context() else {}
    for name, value in given.items():
        if current_app.url_map.is_endpoint_expecting(endpoint, name):
            values.setdefault(name, value)
    return url_for(endpoint, **values)


def find_route(endpoint: str) -> FigureRoute:
    """Return the figure route *endpoint*, where ``.walk`` is in the current blueprint.

    :raises UnknownFigureError: if there is no such figure.
    """
    check_name(endpoint)
    if endpoint.startswith(".") and has_request_context():
        blueprint = request.blueprint
        endpoint = f"{blueprint}{endpoint}" if blueprint else endpoint[1:]
    return current_state().route(endpoint)


def split_values(
    route: FigureRoute, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split *values* into arguments of the figure function and options.

    The options always contain ``_inject``.

    :raises ArgumentsError: for an unknown option or an invalid ``_inject``.
    """
    options = {name: value for name, value in values.items() if name.startswith("_")}
    for name, value in options.items():
        if name not in WORDS:
            raise refuse_unknown(name, value, WORDS)
    given = {k: v for k, v in values.items() if k not in options}
    return given, {**options, "_inject": route.check_inject(options.get("_inject", {}))}


def bind_arguments(route: FigureRoute, given: Mapping[str, Any]) -> Arguments:
    """Return the arguments of *route* from the values of a call.

    Missing ones may be added by the ``url_defaults`` functions of the app, as for
    ``url_for``.

    :raises ArgumentsError: with a fault for each invalid argument.
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


def read_picture(
    route: FigureRoute, values: Mapping[str, Any], *, reads_words: bool = False
) -> Picture:
    """Return the picture of *route* for the *values* that were passed to a call.

    :param values: arguments and options, as for :func:`figure_url`.
    :param reads_words: whether a render also reads the alternative text.
    :raises ArgumentsError: with a fault for each invalid argument.
    :raises ConfigError: if there is no such format.
    """
    given, options = split_values(route, values)
    arguments = bind_arguments(route, given)
    variant = choose_variant(route, options)
    if reads_words:
        variant = variant.with_words()
    return route.picture(arguments, variant, options["_inject"])


def refuse_unknown(name: str, value: object, known: Sequence[str]) -> ArgumentsError:
    """Return the error for an argument *name* that is not among *known*."""
    fault = ArgumentFault(
        name,
        cut(str(value)),
        NO_SUCH_ARGUMENT,
        ", ".join(known),
        nearest(name, known),
    )
    return ArgumentsError([fault.suggest_reserved(WORDS)])


@dataclass(frozen=True)
class FigureUrls:
    """The URLs of one figure with the same arguments, for all variants."""

    route: FigureRoute
    arguments: Arguments
    #: The data's version, or empty; the same in all URLs.
    version: str = ""
    #: Lifetime of a signed URL in seconds; ``None`` for no expiry.
    expires_in_s: float | None = None
    #: Options of ``url_for``.
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, route: FigureRoute, arguments: Arguments, options: Mapping[str, Any]
    ) -> Self:
        """Return the URLs with *arguments* and *options* of :func:`figure_url`."""
        return cls(
            route,
            arguments,
            _compute_version(route, arguments, options.get("_inject", {})),
            _read_lifetime(route, options),
            {name: options[name] for name in _URL_FOR_OPTIONS if name in options},
        )

    def of_variant(
        self, variant: Variant, *, names_format: bool = True, is_download: bool = False
    ) -> str:
        """Return the URL of the picture in *variant*.

        :param names_format: whether the URL has the format as its extension;
            without it, the browser's ``Accept`` chooses the format.
        """
        format = variant.format.name if names_format else ""
        reserved = {}
        if variant.scale != 1:
            reserved["_scale"] = f"{variant.scale:g}"
        if variant.width_px is not None:
            reserved["_width"] = str(variant.width_px)
        if variant.theme is not Theme.LIGHT:
            reserved["_theme"] = variant.theme.value
        if self.version:
            reserved["_v"] = self.version
        if is_download:
            reserved["_download"] = "1"
        if self.route.options.signed:
            reserved["_sig"] = self._sign(format, reserved)
        return self._join(format, reserved)

    def _join(self, format: str, reserved: Mapping[str, str]) -> str:
        """Return the URL with *reserved*, whose values need no quotes."""
        path, anchor = self._extended if format else self._plain
        pairs = [f"{name}={text}" for name, text in reserved.items()]
        query = "&".join(filter(None, [self._query, *pairs]))
        return f"{path}{format}{'?' if query else ''}{query}{anchor}"

    @cached_property
    def _plain(self) -> tuple[str, str]:
        """The parts of the URL without a format, before and after the query."""
        return self._build()

    @cached_property
    def _extended(self) -> tuple[str, str]:
        """The parts of a URL with a format, before the format and after the query."""
        path, anchor = self._build(_format=ALT_FORMAT.name)
        return path.removesuffix(ALT_FORMAT.name), anchor

    def _build(self, **path: Any) -> tuple[str, str]:
        for name in self.route.path_names:
            value = self.arguments.values[name]
            path[name] = value.value if isinstance(value, Enum) else value
        url, hash, anchor = url_for(
            self.route.endpoint, **path, **self.extra
        ).partition("#")
        # The app's url_defaults may add a query.
        return url.partition("?")[0], hash + anchor

    @cached_property
    def _query(self) -> str:
        """The query with the arguments that the path does not contain."""
        in_path = {*self.route.rule_defaults, *self.route.path_names}
        query = self.arguments.query
        given = {name: query[name] for name in query if name not in in_path}
        return urlencode(given, doseq=True, safe=_AS_IT_IS)

    @cached_property
    def _external(self) -> FigureUrls:
        """The absolute URLs, which a signature covers."""
        return replace(self, extra={"_external": True})

    def _sign(self, format: str, reserved: Mapping[str, str]) -> str:
        return UrlSigner(app_ctx.app).sign(
            self.route.endpoint,
            self._external._join(format, reserved),
            self.arguments,
            RESERVED.bind(reserved),
            self.expires_in_s,
        )


def _read_lifetime(route: FigureRoute, options: Mapping[str, Any]) -> float | None:
    """Return the lifetime of a signed URL in seconds, or ``None`` for no expiry.

    :raises ArgumentsError: if ``_expires_in`` is not a finite number above 0, or if
        the route is not signed.
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


def _compute_version(
    route: FigureRoute, arguments: Arguments, inject: Mapping[str, object]
) -> str:
    try:
        return route.version_of(arguments, inject)
    except Exception:
        # Unreachable data must not break the whole page.
        logger.warning(
            "Cannot compute the version of %s.", route.endpoint, exc_info=True
        )
        return ""
