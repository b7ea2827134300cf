"""Figures in templates: ``figure()`` and related functions.

Flask side. If an argument is wrong, an error is raised while the template is rendered,
instead of leaving a broken picture on the page.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import current_app, g
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from ..formats import ALT_FORMAT, ImageFormat, Theme, Variant
from ..parameters.function_signature import Parameters
from ..rendered_image import RenderedImage
from ..web.figure_route import FigureRoute, Picture
from ..web.request_reading import choose_variant
from ..web.urls import FigureUrls, figure_url, find_route, read_picture
from .alt_choice import add_words, choose_alt, has_words, name_figure
from .assets import asset_url
from .inline_svg import inline_svg
from .picture import (
    Source,
    frame_picture,
    join_srcset,
    order_sources,
    plain_attributes,
    write_picture,
    write_tag,
)
from .picture_sizes import choose_size, choose_widths, list_candidates
from .tag_arguments import TagArguments, take_keywords

logger = logging.getLogger("flask_mplstream")

#: Attributes of an ``<img>`` that an ``<svg>`` does not have.
_ONLY_OF_IMG = frozenset(
    (
        *("alt", "crossorigin", "decoding", "fetchpriority", "ismap", "loading"),
        *("referrerpolicy", "sizes", "usemap"),
    )
)


def figure(endpoint: str, /, **values: Any) -> Markup:
    """Return the markup of a figure: an ``<img>``, alone or in a ``<picture>``.

    Browsers choose among the route's ``page_formats`` and ``page_densities``. ``alt``,
    ``width`` and ``height`` are read from the figure. If you pass all three, the figure
    isn't needed to send the page.

    :param values: as for :func:`figure_url`, and

        * HTML attributes of the ``<img>``: ``class_``, ``data_id``,
          ``loading="eager"``. Parameters of the figure function take precedence; a
          name with an added ``_`` is the attribute or the keyword below;
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
    tag = TagArguments.read(endpoint, values)
    urls = FigureUrls.of(tag.route, tag.arguments, tag.options)
    is_inline = tag.keywords.inline
    shown = _write_inline(tag) if is_inline else _write_image(tag, urls)
    downloads = _list_downloads(tag, urls)
    if tag.caption is not None or downloads:
        name = name_figure(tag.route)
        shown = frame_picture(shown, tag.caption, downloads, name)
    if not is_inline and (tag.follows_page or tag.keywords.refresh):
        shown += str(figure_script(blueprint=tag.route.blueprint))
    return _trust(shown)


def figure_script(*, nonce: str | None = None, blueprint: str | None = None) -> Markup:
    """Return the ``<script>`` for ``refresh`` and for pages with a ``data-theme``.

    ``figure()`` adds it to the page once if it is needed. Call this function in the
    head of the page if you cache fragments that contain figures, or to set a *nonce*.
    If it is called again on the same page, it returns an empty string.

    :param nonce: the nonce, if the Content-Security-Policy of the page requires one.
    :param blueprint: name of the figure blueprint that serves the script; by default
        the app's first.
    """
    if g.get("_mplstream_has_script"):
        return Markup("")
    g._mplstream_has_script = True
    src = asset_url("mplstream.js", blueprint)
    attributes = {"type": "module", "src": src, "nonce": nonce}
    return _trust(f"{write_tag('script', attributes)}</script>")


def _trust(markup: str) -> Markup:
    return Markup(markup)  # noqa: S704 - each value in it is escaped  # nosec B704


def figure_image(endpoint: str, /, **values: Any) -> RenderedImage:
    """Return the image that the figure's URL serves, from the cache if possible.

    This requires an app context, as in a view, a job or another figure function. ::

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
    :raises Exception: if the figure function raises an error, and the URL would return
        an error as well.
    """
    route = find_route(endpoint)
    image, picture = _fetch_image(route, values, reads_words=True)
    return add_words(route, picture, image)


def _fetch_image(
    route: FigureRoute, values: Mapping[str, Any], *, reads_words: bool
) -> tuple[RenderedImage, Picture]:
    keywords, rest = take_keywords(route, ["strict"], values)
    strict = _IMAGE_KEYWORDS.bind(keywords).values["strict"]
    picture = read_picture(route, rest, reads_words=reads_words)
    return route.fetch(picture, strict=strict).entry.image, picture


def _image_keywords(strict: bool = False) -> None:
    """Declare the keywords of ``figure_image()`` and their types."""


_IMAGE_KEYWORDS = Parameters(_image_keywords)


def figure_data_uri(endpoint: str, /, **values: Any) -> str:
    """Return a figure as a ``data:`` URI, for pages that don't need a server.

    :param values: as for :func:`figure_image`.
    """
    image, _ = _fetch_image(find_route(endpoint), values, reads_words=False)
    return image.data_uri()


def figure_arguments(endpoint: str, query: Mapping[str, Any]) -> dict[str, Any]:
    """Read the arguments of a figure from the query string of a page.

    For a page with a form for the figure: ``figure(endpoint,
    **figure_arguments(endpoint, request.args))``. Other names in the query string are
    ignored, because they may belong to another figure.

    :param query: the ``request.args`` of the page, or a dict of strings or lists of
        strings.
    :return: all arguments of the figure function as validated values, including the
        defaults.
    :raises ArgumentsError: if an argument is not valid, with a fault for each one.
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


def _write_image(tag: TagArguments, urls: FigureUrls) -> str:
    described, names_format = _describe(tag), _needs_extension(tag)
    candidates = _list_candidates(tag, described)
    # Without a density of 1, browsers that ignore srcset get the smallest other one.
    plain = tag.variant if "sizes" in tag.attributes else candidates[0][0]
    fallback = replace(plain, format=tag.formats[-1])
    size = choose_size(tag.attributes, described, tag.variant.width_px)
    img = {
        "alt": _choose_alt(tag, described),
        **size,
        "loading": "lazy",
        "decoding": "async",
        **_list_refresh_data(tag, urls, has_size=len(size) == 2),
        **tag.attributes,
    }
    return write_picture(
        urls.of_variant(fallback, names_format=names_format),
        _list_sources(tag, urls, candidates, names_format=names_format),
        img,
    )


def _list_candidates(
    tag: TagArguments, described: RenderedImage | None
) -> list[tuple[Variant, str]]:
    """Return the sizes in which the page offers the picture, as variants."""
    options = tag.route.options
    widths_px: Sequence[int] = ()
    if "sizes" in tag.attributes:
        widths_px = choose_widths(tag.keywords.widths, described, options)
    return list_candidates(tag.variant, described, options, widths_px)


def _list_sources(
    tag: TagArguments,
    urls: FigureUrls,
    candidates: Sequence[tuple[Variant, str]],
    *,
    names_format: bool,
) -> list[Source]:
    def write_srcset(format: ImageFormat, theme: Theme) -> str:
        return join_srcset(
            (
                urls.of_variant(
                    Variant(format, size.scale, size.width_px, theme),
                    names_format=names_format,
                ),
                descriptor,
            )
            for size, descriptor in candidates
        )

    theme, has_both = tag.variant.theme, tag.has_both_themes
    return order_sources(tag.formats, theme, write_srcset, has_both_themes=has_both)


def _needs_extension(tag: TagArguments) -> bool:
    """Return whether the URLs should contain the format.

    They should in a ``<picture>``, because a cache that ignores ``Vary`` would send the
    format of one browser to all others. They also should with ``refresh``, because the
    script sends a different ``Accept`` header than an ``<img>`` does.
    """
    formats = tag.formats
    has_choice = len(formats) > 1 or tag.has_both_themes
    is_first = formats[-1] is tag.route.options.formats[0]
    is_named = tag.options.get("_format") is not None
    return has_choice or is_named or not is_first or bool(tag.keywords.refresh)


def _describe(tag: TagArguments) -> RenderedImage | None:
    """Return the text and size of the figure if one of them wasn't passed.

    :return: ``None`` if they aren't needed, or if the figure can't be described.
    """
    known = {"alt", "width", "height"} & tag.attributes.keys()
    if tag.route.options.alt is not None:
        known.add("alt")
    if len(known) == 3:
        return None
    try:
        return tag.route.describe(tag.arguments, tag.options["_inject"])
    except Exception:
        # Any exception: inject and version are the app's code and may require a
        # login or a database. The picture shows the error; the page survives.
        logger.warning("Cannot describe %s.", tag.route.endpoint, exc_info=True)
        return None


def _reads_alt(tag: TagArguments) -> bool:
    """Return whether the alternative text is read from the figure.

    The text of a private figure is only available at its URL, because the page may be
    public or cached.
    """
    is_given = "alt" in tag.attributes or tag.route.options.alt is not None
    return not (is_given or tag.route.is_private)


def _choose_alt(tag: TagArguments, described: RenderedImage | None) -> str:
    if "alt" in tag.attributes:
        given: str = tag.attributes["alt"]
        return given
    generated = described.alt if described and _reads_alt(tag) else ""
    if not generated and current_app.debug and not has_words(tag.route):
        logger.warning(
            "The figure %s has no alternative text but its name. Give it a title, "
            "its function a docstring, or figure() an alt=….",
            tag.route.endpoint,
        )
    return choose_alt(tag.route, generated)


def _list_refresh_data(
    tag: TagArguments, urls: FigureUrls, *, has_size: bool
) -> dict[str, str | None]:
    """Return data attributes for the script: the interval, text and size to update."""
    if not tag.keywords.refresh:
        return {}
    own = [side for side in ("width", "height") if side not in tag.attributes]
    sides = "both" if len(own) == 2 else "".join(own)
    alt = urls.of_variant(Variant(ALT_FORMAT)) if _reads_alt(tag) else None
    return {
        "data-mplstream-refresh": f"{tag.keywords.refresh:g}",
        "data-mplstream-alt": alt,
        "data-mplstream-sides": sides if sides and has_size else None,
    }


def _list_downloads(tag: TagArguments, urls: FigureUrls) -> dict[str, str]:
    """Return a download URL for each format, by the format's name."""
    names = tag.keywords.downloads
    variants = [
        choose_variant(tag.route, {"_format": name}, "downloads") for name in names
    ]
    return {v.format.name: urls.of_variant(v, is_download=True) for v in variants}


def _write_inline(tag: TagArguments) -> str:
    picture = tag.route.picture(tag.arguments, tag.variant, tag.options["_inject"])
    image = tag.route.fetch(picture).entry.image
    # A page may show a figure twice, but must not repeat an id.
    number = g._mplstream_inlined = g.get("_mplstream_inlined", 0) + 1
    alt = tag.attributes.get("alt", image.alt)
    name = {"role": "img", "aria-label": alt} if alt else {"aria-hidden": "true"}
    shown = {
        "width": image.width_px,
        "height": image.height_px,
        **name,
        **{k: v for k, v in tag.attributes.items() if k not in _ONLY_OF_IMG},
    }
    prefix = f"m{picture.key[:8]}-{number}-"
    return inline_svg(image.body, prefix, attributes=plain_attributes(shown))
