"""All URLs of a figure with given arguments, and snippets that embed it elsewhere.

Flask side: it builds URLs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..formats import ALT_FORMAT, Theme, Variant
from ..html.alt_choice import choose_alt
from ..html.figure_tag import figure
from ..parameters.canonical import Arguments
from ..web.figure_route import FigureRoute
from ..web.urls import FigureUrls
from .thumbnails import PICTURE_WIDTHS_PX, choose_format


@dataclass(frozen=True, slots=True)
class Links:
    """The links and snippets of a figure with given arguments."""

    #: URL of the gallery page.
    page: str
    #: Theme -> width -> URL of the picture; empty if no format is for browsers.
    pictures: Mapping[str, Mapping[str, str]]
    #: Format -> URL.
    downloads: Mapping[str, str]
    #: URL of the alternative text.
    words: str
    #: Name -> text to copy.
    snippets: Mapping[str, str]


def build_links(route: FigureRoute, page: str, arguments: Arguments) -> Links:
    """Return the links of *route* with *arguments*.

    :param page: URL of the gallery page without a query.
    """
    urls = FigureUrls.of(route, arguments, {})
    query = urlencode(drop_fixed(route, arguments.query), doseq=True)
    downloads = {
        format.name: urls.of_variant(Variant(format), is_download=True)
        for format in route.options.formats
    }
    return Links(
        f"{page}?{query}" if query else page,
        _build_pictures(route, urls),
        downloads,
        urls.of_variant(Variant(ALT_FORMAT)),
        _write_snippets(route, arguments, urls),
    )


def drop_fixed(route: FigureRoute, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return *given* without the arguments that the rule of *route* sets."""
    return {n: v for n, v in given.items() if n not in route.rule_defaults}


def _build_pictures(route: FigureRoute, urls: FigureUrls) -> dict[str, dict[str, str]]:
    format = choose_format(route)
    if format is None:
        return {}
    return {
        theme.value: {
            str(width_px): urls.of_variant(
                Variant(format, width_px=width_px, theme=theme),
                # Otherwise the browser chooses, perhaps WebP.
                names_format=not route.options.formats[0].is_raster,
            )
            for width_px in _list_widths_px(route)
        }
        for theme in Theme
    }


def _list_widths_px(route: FigureRoute) -> list[int]:
    widest = route.options.max_width
    return [px for px in PICTURE_WIDTHS_PX if px <= widest] or [widest]


def _write_snippets(
    route: FigureRoute, arguments: Arguments, urls: FigureUrls
) -> dict[str, str]:
    alt, plain = choose_alt(route), Variant(route.options.formats[0])
    outside = FigureUrls.of(route, arguments, {"_external": True})
    values = drop_fixed(route, arguments.values)
    # Without the size, which is unknown until the figure is built.
    markup = figure(route.endpoint, **values, alt_=alt, width_=None, height_=None)
    return {
        "url": urls.of_variant(plain, names_format=False),
        "jinja": _write_jinja(route, arguments),
        "html": str(markup),
        "markdown": _write_markdown(alt, outside.of_variant(plain, names_format=False)),
    }


def _write_jinja(route: FigureRoute, arguments: Arguments) -> str:
    """Return a ``figure()`` call with the arguments that differ from the defaults."""
    given = [repr(route.endpoint)]
    for parameter in route.parameters:
        if parameter.name in arguments.query:
            # The JSON form: a date, for example, becomes a string.
            value = parameter.canonicalize(arguments.values[parameter.name])
            given.append(f"{parameter.name}={value!r}")
    return f"{{{{ figure({', '.join(given)}) }}}}"


def _write_markdown(alt: str, url: str) -> str:
    """Return a Markdown image (https://spec.commonmark.org/0.31.2/#images)."""
    text = re.sub(r"([\\\[\]])", r"\\\1", " ".join(alt.split()))
    target = url.replace("(", "%28").replace(")", "%29")
    return f"![{text}]({target})"
