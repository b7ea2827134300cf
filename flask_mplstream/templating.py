"""Figures in templates: ``figure()`` and what belongs to it.

Flask side. A wrong argument is an error when the template is rendered, not a
broken picture in the page. A figure's size and alternative text are read from the
figure itself, which is built once for them where nobody has asked for it yet.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from flask import current_app, g
from markupsafe import Markup
from pydantic import Field
from werkzeug.datastructures import MultiDict

from . import markup
from .assets import asset_url
from .errors import ArgumentFault, ArgumentsError
from .image import (
    SCALES,
    WIDTHS_PX,
    ImageFormat,
    RenderedImage,
    Theme,
    Variant,
    page_formats,
    snapped_width,
)
from .inlining import inline_svg
from .parameters import Arguments, Parameters
from .route import FigureRoute, summary_of
from .urls import FigureUrls, figure_url, route_named, split, unknown_argument
from .view import named_variant

logger = logging.getLogger("flask_mplstream")

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

#: Densities of screens that there is a picture for.
_DENSITIES = (1, 2, 3)
#: Widths where a figure's own is not known, and times its own where it is.
_USUAL_WIDTHS_PX = (320, 480, 640, 960, 1280, 1920)
_WIDEST_DENSITY = 3


def _words(
    inline: bool = False,
    downloads: Sequence[str] = (),
    refresh: Annotated[float, Field(ge=1, le=86_400)] | None = None,
    theme: Literal["auto", "light", "dark"] | None = None,
    widths: Sequence[Annotated[int, Field(ge=1, le=WIDTHS_PX[-1])]] = (),
) -> None:
    """What ``figure()`` takes besides arguments, attributes and ``caption``."""


_WORDS = Parameters(_words)


def figure(endpoint: str, /, **values: Any) -> Markup:
    """Finished markup of a figure: an ``<img>``, or a ``<picture>`` around it.

    Browsers choose among AVIF, WebP and PNG, as far as the route offers them, and
    among densities. ``alt``, ``width`` and ``height`` are read from the figure; where
    all three are given, nothing is rendered for the page.

    :param values: as for :func:`figure_url`, and

        * HTML attributes of the ``<img>``: ``class_``, ``data_id``,
          ``loading="eager"``, ``fetchpriority="high"``. A trailing ``_`` always means
          one of these, or of the words below, and no argument of the figure function;
        * ``sizes="(max-width: 40rem) 100vw, 40rem"``: pictures by width, not density;
          ``widths=[320, 640]`` chooses them, snapped as ``_width`` is;
        * ``theme``: ``"light"``, ``"dark"`` or ``"auto"``, which is both and the
          default where the route has a ``dark_style``;
        * ``caption="…"``: a ``<figure>`` with a ``<figcaption>``;
        * ``downloads=True``, or a list of formats: links under the picture, which stay
          light;
        * ``refresh=5``: seconds after which the picture is asked for again, by a small
          script, and replaced where it has changed;
        * ``inline=True``: the SVG itself in the page, reduced to what Matplotlib draws.
          Its links can be followed, and with ``svg.fonttype: none`` its text selected.

    :raises ArgumentsError: naming what is wrong, as a request would.
    :raises UnknownFigureError: where there is no such figure.
    """
    call = _Call.of(endpoint, values)
    shown = _inlined(call) if call.words["inline"] else _image(call)
    links = _downloads(call)
    if call.caption is not None or links:
        shown = markup.framed(shown, call.caption, links, call.name)
    if call.needs_script:
        shown += figure_script(blueprint=call.route.blueprint)
    return shown


def figure_script(*, nonce: str | None = None, blueprint: str | None = None) -> Markup:
    """The ``<script>`` for ``refresh`` and for pages with a ``data-theme``.

    ``figure()`` adds it by itself where it is needed, once in a page. Call it in the
    page's head where figures stand in cached fragments, or for a *nonce*.

    :param nonce: for a Content-Security-Policy that asks for one.
    :param blueprint: name of the figure blueprint to load it from; by default the
        app's first.
    """
    if g.get("_mplstream_has_script"):
        return Markup("")
    g._mplstream_has_script = True
    src = asset_url("mplstream.js", blueprint)
    attributes = {"type": "module", "src": src, "nonce": nonce}
    return markup.tag("script", attributes) + Markup("</script>")


def figure_data_uri(endpoint: str, /, **values: Any) -> str:
    """A figure as a ``data:`` URI, for e-mail and other pages without a server.

    :param values: the figure function's arguments, ``_format``, ``_scale``,
        ``_width`` and ``_theme``.
    """
    route = route_named(endpoint)
    given, options = split(values)
    picture = route.picture(route.bind(given), named_variant(route, options))
    return route.fetch(picture).entry.image.data_uri()


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
    route = route_named(endpoint)
    read = route.parameters.parse(pairs, route.rule_defaults, ignore_unknown=True)
    return read.copy()


#: What templates find under these names.
GLOBALS: Mapping[str, Callable[..., object]] = {
    "figure": figure,
    "figure_arguments": figure_arguments,
    "figure_data_uri": figure_data_uri,
    "figure_script": figure_script,
    "figure_url": figure_url,
}


@dataclass(frozen=True)
class _Call:
    """What a template asked ``figure()`` for."""

    route: FigureRoute
    arguments: Arguments
    #: Names with ``_`` in front, as for ``figure_url``.
    options: Mapping[str, Any]
    #: Values of :data:`_WORDS`.
    words: Mapping[str, Any]
    caption: str | None
    #: HTML attributes.
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, endpoint: str, values: dict[str, Any]) -> _Call:
        """What *values* mean for the figure *endpoint*; an argument's name is first."""
        route = route_named(endpoint)
        rest = dict(values)
        words = {word.name: rest.pop(name) for word, name in _named(route, rest)}
        caption = rest.pop(
            "caption_" if "caption" in route.parameters else "caption", None
        )
        if words.get("downloads") is True:
            words["downloads"] = [format.name for format in route.options.formats]
        arguments, attributes = _attributes(route, rest)
        given, options = split(arguments)
        read = _WORDS.bind(words).values
        return cls(route, route.bind(given), options, read, caption, attributes)

    @cached_property
    def variant(self) -> Variant:
        """The one that the call names, or the route's first."""
        return named_variant(self.route, self.options)

    @cached_property
    def urls(self) -> FigureUrls:
        """The URLs of the figure."""
        return FigureUrls.of(self.route, self.arguments, self.options)

    @property
    def theme(self) -> str:
        """``light``, ``dark`` or ``auto``."""
        if "_theme" in self.options:
            return self.variant.theme.value
        has_dark = self.route.options.dark_style is not False
        return self.words["theme"] or ("auto" if has_dark else "light")

    @property
    def needs_script(self) -> bool:
        """Whether something in the markup is for the script."""
        is_image = not self.words["inline"]
        return is_image and (self.theme == "auto" or bool(self.words["refresh"]))

    @property
    def name(self) -> str:
        """What to call the figure in a few words."""
        name = summary_of(self.route.function) or _spoken(self.route)
        return name.removesuffix(".")

    @cached_property
    def described(self) -> RenderedImage | None:
        """The figure's text and size, where the call leaves them open."""
        known = {name for name in ("alt", "width", "height") if name in self.attributes}
        if self.route.options.alt is not None:
            known.add("alt")
        return None if len(known) == 3 else _described(self.route, self.arguments)

    @property
    def alt(self) -> str:
        """The alternative text."""
        route, described = self.route, self.described
        if "alt" in self.attributes:
            return str(self.attributes["alt"])
        if route.options.alt is not None:
            return route.options.alt
        text = (described and described.alt) or summary_of(route.function)
        if not text and current_app.debug:
            logger.warning(
                "The figure %s has no alternative text but its name. Give it a title, "
                "its function a docstring, or figure() an alt=….",
                route.endpoint,
            )
        return text or _spoken(route)

    @property
    def size_px(self) -> dict[str, Any]:
        """``width`` and ``height`` in the page, in CSS pixels, as far as known.

        Where the call has one of them, the other keeps the figure's proportions.
        """
        given = {n: v for n, v in self.attributes.items() if n in ("width", "height")}
        if self.described is None:
            return given
        width, height = self.described.width_px, self.described.height_px
        match given:
            case {"width": _, "height": _}:
                return given
            case {"width": int(shown)}:
                return {"width": shown, "height": round(height * shown / width)}
            case {"height": int(shown)}:
                return {"width": round(width * shown / height), "height": shown}
        shown = self.variant.width_px or width
        return {"width": shown, "height": round(height * shown / width), **given}


def _named(route: FigureRoute, values: Mapping[str, Any]) -> Iterator[tuple[Any, str]]:
    """The words that are in *values*, and their names there."""
    for word in _WORDS:
        for name in (word.name, f"{word.name}_"):
            if name in values and name not in route.parameters:
                yield word, name


def _spoken(route: FigureRoute) -> str:
    return route.function.__name__.replace("_", " ")


def _described(route: FigureRoute, arguments: Arguments) -> RenderedImage | None:
    try:
        return route.described(arguments)
    except Exception:
        # The picture will say what is wrong; it must not cost the page. inject and
        # version are the app's, and may need a login or a database.
        logger.warning("Cannot describe %s.", route.endpoint, exc_info=True)
        return None


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
            words = [word.name for word in _WORDS]
            usual = ["alt", "class_", "id", "loading", "caption", *words]
            raise unknown_argument(name, value, [*known, *usual])
    return arguments, attributes


def _image(call: _Call) -> Markup:
    *preferred, last = _formats(call)
    theme = Theme.DARK if call.theme == "dark" else Theme.LIGHT
    sources = [_source(call, format, theme) for format in preferred]
    if call.theme == "auto":
        dark = [_source(call, f, Theme.DARK) for f in (*preferred, last)]
        sources += [replace(source, is_for_dark=True) for source in dark]
    names_format = not _is_canonical(call, last)
    fallback = _source(call, last, theme, names_format=names_format)
    shown = {
        "alt": call.alt,
        **call.size_px,
        "loading": "lazy",
        "decoding": "async",
        "data-mplstream-refresh": _number(call.words["refresh"]),
    }
    one = _one_of(call, last, theme)
    src = call.urls.of_variant(one, names_format=names_format)
    srcset = fallback.srcset if len(fallback.candidates) > 1 else None
    return markup.picture(src, srcset, sources, {**shown, **call.attributes})


def _is_canonical(call: _Call, format: ImageFormat) -> bool:
    """Whether the URL that leaves the format to negotiation gives *format*.

    A script that looks for a newer picture accepts other formats than an ``<img>``.
    """
    is_first = format is call.route.options.formats[0]
    return is_first and "_format" not in call.options and not call.words["refresh"]


def _formats(call: _Call) -> list[ImageFormat]:
    """What browsers may choose from, best first; the last is for all of them."""
    first = call.variant.format
    if first.is_text:
        fault = ArgumentFault("_format", first.name, "It is no picture.", "png, svg, …")
        raise ArgumentsError([fault])
    if "_format" in call.options:
        return [first]
    return page_formats(call.route.options.formats)


def _source(
    call: _Call, format: ImageFormat, theme: Theme, *, names_format: bool = True
) -> markup.Source:
    candidates = [
        markup.Candidate(
            call.urls.of_variant(variant, names_format=names_format), descriptor
        )
        for variant, descriptor in _sizes(call, format, theme)
    ]
    return markup.Source(format, candidates)


def _one_of(call: _Call, format: ImageFormat, theme: Theme) -> Variant:
    """The picture for browsers that do not choose."""
    return Variant(format, call.variant.scale, call.variant.width_px, theme)


def _sizes(call: _Call, format: ImageFormat, theme: Theme) -> list[tuple[Variant, str]]:
    """The variants that differ in size alone, each with its descriptor."""
    one = _one_of(call, format, theme)
    if not format.is_raster or one.scale != 1:
        return [(one, "")]
    if "sizes" in call.attributes:
        widths = {px: f"{px}w" for px in _widths(call)}
    elif one.width_px is not None:
        steps = {d: snapped_width(one.width_px * d) for d in _DENSITIES}
        widths = {px: f"{d}x" for d, px in reversed(steps.items())}
    else:
        scales = [d for d in _DENSITIES if d in SCALES and _fits(call, d)]
        return [(Variant(format, d, theme=theme), f"{d}x") for d in scales or [1]]
    return [
        (Variant(format, width_px=px, theme=theme), descriptor)
        for px, descriptor in sorted(widths.items())
    ]


def _widths(call: _Call) -> Sequence[int]:
    """Widths for ``sizes``, ascending."""
    if call.words["widths"]:
        return sorted({snapped_width(px) for px in call.words["widths"]})
    if call.described is None:
        return _USUAL_WIDTHS_PX
    own = call.described.width_px
    widest = snapped_width(own * _WIDEST_DENSITY)
    usual = [px for px in WIDTHS_PX if _USUAL_WIDTHS_PX[0] <= px <= widest]
    return [px for px in usual if _fits(call, px / own)] or [snapped_width(own)]


def _fits(call: _Call, scale: float) -> bool:
    """Whether the picture may have that many pixels."""
    if call.described is None:
        return True
    pixels = call.described.width_px * call.described.height_px * scale**2
    return pixels <= call.route.options.max_pixels


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _downloads(call: _Call) -> list[markup.Download]:
    variants = [
        named_variant(call.route, {"_format": name}) for name in call.words["downloads"]
    ]
    return [
        markup.Download(variant.format, call.urls.of_variant(variant, is_download=True))
        for variant in variants
    ]


def _inlined(call: _Call) -> Markup:
    if call.words["refresh"]:
        reason = "An inline figure is part of the page."
        fault = ArgumentFault("refresh", str(call.words["refresh"]), reason, "nothing")
        raise ArgumentsError([fault])
    theme = "dark" if call.theme == "dark" else "light"
    options = {"_format": "svg", **call.options, "_theme": theme}
    variant = named_variant(call.route, options)
    if variant.format.name != "svg":
        fault = ArgumentFault("_format", variant.format.name, "It is inline.", "svg")
        raise ArgumentsError([fault])
    picture = call.route.picture(call.arguments, variant)
    image = call.route.fetch(picture).entry.image
    # The same figure may stand in a page twice, and ids only once.
    number = g._mplstream_inlined = g.get("_mplstream_inlined", 0) + 1
    alt = call.attributes.get("alt", image.alt or call.alt)
    spoken = {"role": "img", "aria-label": alt} if alt else {"aria-hidden": "true"}
    attributes = {k: v for k, v in call.attributes.items() if k != "alt"}
    shown = {
        "width": image.width_px,
        "height": image.height_px,
        **spoken,
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
