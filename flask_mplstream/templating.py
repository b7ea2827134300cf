"""Figures in templates: ``figure()``, ``figure_url()``, ``figure_data_uri()``.

Flask side. A wrong argument is an error when the template is rendered, not a
broken picture in the page. Names that begin with ``_`` are for the package and
for ``url_for``; the others are the figure function's.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any

from flask import current_app, g, has_request_context, request, url_for
from markupsafe import Markup, escape
from werkzeug.datastructures import MultiDict

from .errors import ArgumentFault, ArgumentsError, nearest
from .inlining import inline_svg
from .parameters import Arguments
from .route import FigureRoute, Picture
from .signing import UrlSigner
from .state import current_state
from .view import RESERVED, named_variant

logger = logging.getLogger("flask_mplstream")

#: What ``url_for`` itself understands.
_URL_FOR_OPTIONS = ("_external", "_scheme", "_anchor")

#: Attributes of ``<img>``, besides ``data-*``, ``aria-*`` and the like.
_ATTRIBUTES = frozenset(
    (
        *("alt", "class", "crossorigin", "decoding", "dir", "draggable"),
        *("fetchpriority", "height", "hidden", "id", "ismap", "itemprop", "lang"),
        *("loading", "part", "referrerpolicy", "role", "sizes", "slot", "style"),
        *("tabindex", "title", "translate", "usemap", "width"),
    )
)
_ATTRIBUTE_FAMILIES = re.compile(r"(data|aria|hx|x|v)-[a-z][a-z0-9:.-]*")


def figure_url(endpoint: str, /, **values: Any) -> str:
    """The canonical URL of a figure: only what differs from the defaults.

    :param endpoint: the route's name as for ``url_for``: ``plots.walk``, or
        ``.walk`` inside the blueprint.
    :param values: the figure function's arguments; ``_format="svg"``,
        ``_scale=2``, ``_download=True``, ``_expires_in=600`` (seconds, of a
        signed URL); ``url_for``'s ``_external``,
        ``_scheme`` and ``_anchor``.
    :raises ArgumentsError: naming what is wrong, as a request would.
    :raises UnknownFigureError: where there is no such figure.
    """
    route = _route(endpoint)
    return _url(route, *_split(values))


def figure(endpoint: str, /, **values: Any) -> Markup:
    """A finished ``<img>`` of a figure, sharp on dense screens.

    ``alt`` comes from the argument, the route's option or the docstring's first
    line. ``width`` and ``height`` are there once the picture has been rendered,
    so that the page does not jump.

    ``inline=True`` puts the SVG itself into the page instead: its text can be
    selected and its links followed. It is reduced to what Matplotlib draws, and
    rendered before the page is sent.

    :param values: as for :func:`figure_url`, and HTML attributes: ``class_``,
        ``data_id``, ``loading``. A trailing ``_`` always means an attribute.
    """
    route = _route(endpoint)
    if "inline" not in route.parameters and values.pop("inline", False):
        return _inlined(route, values)
    arguments, attributes = _attributes(route, values)
    given, options = _split(arguments)
    src = _url(route, given, options)
    shown: dict[str, Any] = {"src": src}
    if named_variant(route, options).format.is_raster and "_scale" not in options:
        dense = _url(route, given, {**options, "_scale": 2})
        # A comma at the end of a URL would be read as the end of its entry.
        one, two = (re.sub(",$", "%2C", url) for url in (src, dense))
        shown["srcset"] = f"{one} 1x, {two} 2x"
    shown |= {"alt": _alt(route), **_size(route, given, options), "loading": "lazy"}
    return Markup("<img{}>").format(Markup("").join(_html(shown | attributes)))


def _inlined(route: FigureRoute, values: Mapping[str, Any]) -> Markup:
    arguments, attributes = _attributes(route, values)
    given, options = _split(arguments)
    picture = _picture(route, given, {"_format": "svg", **options})
    image = route.fetch(picture).entry.image
    if image.format.name != "svg":
        fault = ArgumentFault("_format", image.format.name, "It is inline.", "svg")
        raise ArgumentsError([fault])
    # The same figure may stand in a page twice, and ids only once.
    number = g._mplstream_inlined = g.get("_mplstream_inlined", 0) + 1
    shown: dict[str, Any] = {
        "width": image.width_px,
        "height": image.height_px,
        "role": "img",
        "aria-label": attributes.pop("alt", _alt(route)),
        **attributes,
    }
    svg = inline_svg(
        image.body,
        f"m{picture.key[:8]}-{number}-",
        attributes={
            name: "" if value is True else str(value)
            for name, value in shown.items()
            if value is not None and value is not False
        },
    )
    # Written anew by inline_svg from a list of what may stand in a page.
    return Markup(svg)  # noqa: S704  # nosec B704


def figure_data_uri(endpoint: str, /, **values: Any) -> str:
    """A figure as a ``data:`` URI, for e-mail and other pages without a server.

    :param values: the figure function's arguments, ``_format`` and ``_scale``.
    """
    route = _route(endpoint)
    given, options = _split(values)
    return route.fetch(_picture(route, given, options)).entry.image.data_uri()


def figure_arguments(endpoint: str, query: MultiDict[str, str]) -> dict[str, Any]:
    """A figure's arguments as a page's own query has them, typed and checked.

    For pages whose forms hold the controls of a figure: ``figure(endpoint,
    **figure_arguments(endpoint, request.args))``. Names that the figure does
    not take are left alone, as they may be another figure's.

    :param query: ``request.args`` of the page.
    :return: every argument of the figure function, defaults included.
    :raises ArgumentsError: with a fault for each that is not accepted.
    """
    pairs = list(query.items(multi=True))
    route = _route(endpoint)
    read = route.parameters.parse(pairs, route.rule_defaults, ignore_unknown=True)
    return read.copy()


#: What templates find under these names.
GLOBALS: Mapping[str, Callable[..., object]] = {
    "figure": figure,
    "figure_arguments": figure_arguments,
    "figure_data_uri": figure_data_uri,
    "figure_url": figure_url,
}


def _route(endpoint: str) -> FigureRoute:
    if endpoint.startswith(".") and has_request_context():
        blueprint = request.blueprint
        endpoint = f"{blueprint}{endpoint}" if blueprint else endpoint[1:]
    return current_state().route(endpoint)


def _split(
    values: Mapping[str, Any],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """*values* as the figure function's and the package's, each checked by name."""
    options = {name: value for name, value in values.items() if name.startswith("_")}
    known = [parameter.name for parameter in RESERVED if parameter.name != "_sig"]
    known += ["_format", "_expires_in", *_URL_FOR_OPTIONS]
    for name, value in options.items():
        if name not in known:
            raise _unknown(name, value, known)
    return {k: v for k, v in values.items() if k not in options}, options


def _unknown(name: str, value: object, known: list[str]) -> ArgumentsError:
    fault = ArgumentFault(
        name,
        str(value),
        "There is no such argument.",
        ", ".join(known),
        nearest(name, known),
    )
    return ArgumentsError([fault])


def _picture(
    route: FigureRoute, given: Mapping[str, Any], options: Mapping[str, Any]
) -> Picture:
    return route.picture(route.bind(given), named_variant(route, options))


def _url(
    route: FigureRoute, given: Mapping[str, Any], options: Mapping[str, Any]
) -> str:
    arguments = route.bind(given)
    variant = named_variant(route, options)
    query: dict[str, Any] = {
        name: texts
        for name, texts in arguments.query.items()
        if name not in route.rule_defaults  # The rule says it already.
    }
    for name in route.path_names:
        value = arguments.values[name]
        query[name] = value.value if isinstance(value, Enum) else value
    if "_format" in options:
        query["_format"] = variant.format.name
    if variant.scale != 1:
        query["_scale"] = f"{variant.scale:g}"
    if version := _version(route, arguments):
        query["_v"] = version
    if options.get("_download"):
        query["_download"] = "1"
    if route.options.signed:
        query["_sig"] = _signature(route, arguments, query, options)
    query |= {name: options[name] for name in _URL_FOR_OPTIONS if name in options}
    return url_for(route.endpoint, **query)


def _signature(
    route: FigureRoute,
    arguments: Arguments,
    query: Mapping[str, Any],
    options: Mapping[str, Any],
) -> str:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    reserved = {name: query[name] for name in query if name in RESERVED}
    return UrlSigner(app).sign(
        url_for(route.endpoint, **query),
        arguments,
        RESERVED.bind(reserved),
        options.get("_expires_in", route.options.expires_in),
    )


def _version(route: FigureRoute, arguments: Arguments) -> str:
    try:
        return route.version_of(arguments)
    except Exception:
        # Data that cannot be reached must cost one picture, not the page.
        logger.warning("Cannot tell the version of %s.", route.endpoint, exc_info=True)
        return ""


def _attributes(
    route: FigureRoute, values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """*values* as arguments and HTML attributes; a parameter's name comes first."""
    arguments, attributes = {}, {}
    for name, value in values.items():
        attribute = name.rstrip("_").replace("_", "-")
        if name in route.parameters or name.startswith("_"):
            arguments[name] = value
        elif attribute in _ATTRIBUTES or _ATTRIBUTE_FAMILIES.fullmatch(attribute):
            attributes[attribute] = value
        else:
            known = [parameter.name for parameter in route.parameters]
            raise _unknown(name, value, [*known, "alt", "class_", "id", "loading"])
    return arguments, attributes


def _alt(route: FigureRoute) -> str:
    if route.options.alt is not None:
        return route.options.alt
    lines = (route.function.__doc__ or "").strip().splitlines()
    return lines[0] if lines else route.function.__name__.replace("_", " ")


def _size(
    route: FigureRoute, given: Mapping[str, Any], options: Mapping[str, Any]
) -> dict[str, int]:
    try:
        size_px = route.size_px(_picture(route, given, {**options, "_scale": 1}))
    except Exception:
        # A hint for the browser must not cost the page: inject and version are
        # the app's, and may need a login or a database.
        logger.warning("Cannot tell the size of %s.", route.endpoint, exc_info=True)
        return {}
    return dict(zip(("width", "height"), size_px, strict=True)) if size_px else {}


def _html(attributes: Mapping[str, Any]) -> Iterator[Markup]:
    for name, value in attributes.items():
        if value is True:
            yield Markup(" {}").format(name)
        elif value is not None and value is not False:
            yield Markup(' {}="{}"').format(name, escape(value))
