"""Figures in templates: ``figure()`` and related functions.

Flask side. A wrong argument raises when the template is rendered, instead of leaving
a broken picture in the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flask import g
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from ..errors import ArgumentFault, ArgumentsError
from ..formats import ImageFormat, Theme
from ..parameters.function_signature import Parameters
from ..rendered_image import RenderedImage
from ..web.figure_view import named_variant
from ..web.urls import figure_url, find_route, read_picture
from . import picture as markup
from .alt_choice import name_figure
from .assets import asset_url
from .inline_svg import inline_svg
from .tag_arguments import Embedding, take_words

#: Attributes of an ``<img>`` that an ``<svg>`` does not have.
_OF_AN_IMG = frozenset(
    (
        *("alt", "crossorigin", "decoding", "fetchpriority", "ismap", "loading"),
        *("referrerpolicy", "sizes", "usemap"),
    )
)


def figure(endpoint: str, /, **values: Any) -> Markup:
    """Return the markup of a figure: an ``<img>``, alone or in a ``<picture>``.

    Browsers choose a density, and AVIF, WebP or PNG if the route offers them.
    ``alt``, ``width`` and ``height`` are read from the figure; if all three are
    given, the page does not render it.

    :param values: as for :func:`figure_url`, and

        * HTML attributes of the ``<img>``: ``class_``, ``data_id``,
          ``loading="eager"``, ``fetchpriority="high"``. A name with a trailing ``_``
          is always an attribute or a keyword below, never an argument of the figure
          function;
        * ``sizes="(max-width: 40rem) 100vw, 40rem"``: candidates by width instead of
          density; ``widths=[320, 640]`` selects their widths in pixels, snapped like
          ``_width``;
        * ``theme``: ``"light"``, ``"dark"`` or ``"auto"`` (both), by default
          ``"auto"`` if the route has a ``dark_style``, else ``"light"``;
        * ``caption="…"``: a ``<figure>`` with a ``<figcaption>``;
        * ``downloads=True``, or a list of formats: links under the picture that save
          its light variant;
        * ``refresh=5``: seconds between checks for a changed picture, from 1 to
          86,400; a small script makes them and replaces the picture;
        * ``inline=True``: the SVG itself in the page, reduced to the elements that
          Matplotlib draws. Its links work, and with ``svg.fonttype: none`` its text
          can be selected.

    :raises ArgumentsError: naming each wrong argument, as for a request.
    :raises UnknownFigureError: if there is no such figure.
    """
    asked = Embedding.of(endpoint, values)
    shown = _inline(asked) if asked.words["inline"] else _image(asked)
    links = _downloads(asked)
    if asked.caption is not None or links:
        shown = markup.framed(shown, asked.caption, links, name_figure(asked.route))
    if asked.needs_script:
        shown += figure_script(blueprint=asked.route.blueprint)
    return shown


def figure_script(*, nonce: str | None = None, blueprint: str | None = None) -> Markup:
    """Return the ``<script>`` for ``refresh`` and for pages with a ``data-theme``.

    ``figure()`` adds it once per page if needed. Call this function in the page's head
    if figures are in cached fragments, or to set a *nonce*. A second call in the same
    page returns an empty string.

    :param nonce: nonce of the page's Content-Security-Policy, if it requires one.
    :param blueprint: name of the figure blueprint that serves the script; by default
        the app's first.
    """
    if g.get("_mplstream_has_script"):
        return Markup("")
    g._mplstream_has_script = True
    src = asset_url("mplstream.js", blueprint)
    attributes = {"type": "module", "src": src, "nonce": nonce}
    return markup.tag("script", attributes) + Markup("</script>")


def figure_image(endpoint: str, /, **values: Any) -> RenderedImage:
    """Return the image that the figure's URL serves, from the cache if possible.

    Requires an app context: a view, a job or another figure function has one. ::

        image = figure_image("plots.sales", _inject={"user_id": user.id})
        message.add_alternative(f'<img src="{image.cid_url}">', subtype="html")
        image.attach_to(message)

    :param values: the figure function's arguments; ``_format``, ``_scale``,
        ``_width`` and ``_theme``, by default as for the plain URL;
        ``_inject={"user_id": 2}``, values that ``inject`` otherwise reads from the
        request; ``strict=True`` to refuse a stale picture, default ``False``. If the
        figure function has a parameter ``strict``, that name sets the parameter, and
        ``strict_`` is the keyword.
    :raises ArgumentsError: naming each wrong argument, as for a request.
    :raises UnknownFigureError: if there is no such figure.
    :raises Exception: the error of the figure function, if the URL would respond
        with an error.
    """
    route = find_route(endpoint)
    words, rest = take_words(route, ["strict"], values)
    strict = _IMAGE_WORDS.bind(words).values["strict"]
    return route.fetch(read_picture(route, rest), strict=strict).entry.image


def _image_words(strict: bool = False) -> None:
    """Declare the keywords of ``figure_image()`` and their types."""


_IMAGE_WORDS = Parameters(_image_words)


def figure_data_uri(endpoint: str, /, **values: Any) -> str:
    """Return a figure as a ``data:`` URI, for pages without a server.

    :param values: as for :func:`figure_image`.
    """
    return figure_image(endpoint, **values).data_uri()


def figure_arguments(endpoint: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Read a figure's arguments from the query of a page.

    For a page with a form for the figure: ``figure(endpoint,
    **figure_arguments(endpoint, request.args))``. Other names in the query are
    ignored; they may belong to another figure.

    :param query: ``request.args`` of the page, or a dict of strings or lists of
        strings.
    :return: all arguments of the figure function, validated, with defaults.
    :raises ArgumentsError: with a fault for each invalid argument.
    """
    pairs = list(MultiDict(query).items(multi=True))
    route = find_route(endpoint)
    read = route.parameters.parse(pairs, route.rule_defaults, ignore_unknown=True)
    return read.copy()


#: The functions that templates can call.
GLOBALS: Mapping[str, Callable[..., object]] = {
    "figure": figure,
    "figure_arguments": figure_arguments,
    "figure_data_uri": figure_data_uri,
    "figure_script": figure_script,
    "figure_url": figure_url,
}


def _image(asked: Embedding) -> Markup:
    *preferred, last = asked.formats
    theme = Theme.DARK if asked.theme == "dark" else Theme.LIGHT
    sources = [_source(asked, format, theme) for format in preferred]
    if asked.theme == "auto":
        sources = [*_sources(asked, Theme.DARK, markup.DARK_MEDIA), *sources]
    elif theme is Theme.DARK and "_theme" not in asked.options:
        sources = [*_sources(asked, Theme.LIGHT, markup.PAPER_MEDIA), *sources]
    # A URL in a <picture> names its format: a cache that ignores Vary would send the
    # format of one browser to all.
    names_format = bool(sources) or not asked.is_canonical
    fallback = _source(asked, last, theme, names_format=names_format)
    shown = {
        "alt": asked.alt,
        **asked.size,
        "loading": "lazy",
        "decoding": "async",
        **asked.followed,
        **asked.attributes,
    }
    if not fallback.is_by_width:
        shown.pop("sizes", None)
    one = asked.one_of(last, theme)
    src = asked.urls.of_variant(one, names_format=names_format)
    srcset = fallback.srcset if len(fallback.candidates) > 1 else None
    return markup.picture(src, srcset, sources, shown)


def _sources(asked: Embedding, theme: Theme, media: str) -> list[markup.Source]:
    """Return a source for each format, limited to *media*."""
    found = (_source(asked, format, theme) for format in asked.formats)
    return [replace(source, media=media) for source in found]


def _source(
    asked: Embedding, format: ImageFormat, theme: Theme, *, names_format: bool = True
) -> markup.Source:
    candidates = [
        markup.Candidate(
            asked.urls.of_variant(variant, names_format=names_format), descriptor
        )
        for variant, descriptor in asked.sizes(format, theme)
    ]
    return markup.Source(format, candidates)


def _downloads(asked: Embedding) -> list[markup.Download]:
    names = asked.words["downloads"]
    variants = [
        named_variant(asked.route, {"_format": name}, "downloads") for name in names
    ]
    url = asked.urls.of_variant
    return [markup.Download(v.format, url(v, is_download=True)) for v in variants]


def _inline(asked: Embedding) -> Markup:
    options = {"_format": "svg", **asked.options}
    if "_theme" not in options:
        options["_theme"] = "dark" if asked.theme == "dark" else "light"
    variant = named_variant(asked.route, options)
    if variant.format.name != "svg":
        fault = ArgumentFault("_format", variant.format.name, "It is inline.", "svg")
        raise ArgumentsError([fault])
    inject = asked.options["_inject"]
    picture = asked.route.picture(asked.arguments, variant, inject)
    image = asked.route.fetch(picture).entry.image
    # A page may show a figure twice, but must not repeat an id.
    number = g._mplstream_inlined = g.get("_mplstream_inlined", 0) + 1
    alt = asked.attributes.get("alt", image.alt)
    spoken = {"role": "img", "aria-label": alt} if alt else {"aria-hidden": "true"}
    shown = {
        "width": image.width_px,
        "height": image.height_px,
        **spoken,
        **{k: v for k, v in asked.attributes.items() if k not in _OF_AN_IMG},
    }
    svg = inline_svg(
        image.body,
        f"m{picture.key[:8]}-{number}-",
        attributes=markup.plain_attributes(shown),
    )
    return Markup(svg)  # noqa: S704 - inline_svg made it of safe parts  # nosec B704
