"""All URLs of a figure with given arguments, and snippets that embed it elsewhere.

Flask side: it builds URLs.
"""

from __future__ import annotations

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
from .snippets import jinja_line, markdown_line
from .thumbnails import PICTURE_WIDTHS_PX, shown_format


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


def links_of(route: FigureRoute, page: str, arguments: Arguments) -> Links:
    """Return the links of *route* with *arguments*.

    :param page: URL of the gallery page without a query.
    """
    urls = FigureUrls.of(route, arguments, {})
    query = urlencode(without_fixed(route, arguments.query), doseq=True)
    downloads = {
        format.name: urls.of_variant(Variant(format), is_download=True)
        for format in route.options.formats
    }
    return Links(
        f"{page}?{query}" if query else page,
        _pictures(route, urls),
        downloads,
        urls.of_variant(Variant(ALT_FORMAT)),
        _snippets(route, arguments, urls),
    )


def without_fixed(route: FigureRoute, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return *given* without the arguments that the rule of *route* sets."""
    return {n: v for n, v in given.items() if n not in route.rule_defaults}


def _pictures(route: FigureRoute, urls: FigureUrls) -> dict[str, dict[str, str]]:
    format = shown_format(route)
    if format is None:
        return {}
    return {
        theme.value: {
            str(width_px): urls.of_variant(
                Variant(format, width_px=width_px, theme=theme),
                # Otherwise the browser chooses, perhaps AVIF or WebP.
                names_format=not route.options.formats[0].is_raster,
            )
            for width_px in _widths_px(route)
        }
        for theme in Theme
    }


def _widths_px(route: FigureRoute) -> list[int]:
    widest = route.options.max_width
    return [px for px in PICTURE_WIDTHS_PX if px <= widest] or [widest]


def _snippets(
    route: FigureRoute, arguments: Arguments, urls: FigureUrls
) -> dict[str, str]:
    alt, plain = choose_alt(route), Variant(route.options.formats[0])
    outside = FigureUrls.of(route, arguments, {"_external": True})
    values = without_fixed(route, arguments.values)
    # Without the size, which is unknown until the figure is built.
    markup = figure(route.endpoint, **values, alt_=alt, width_=None, height_=None)
    return {
        "url": urls.of_variant(plain, names_format=False),
        "jinja": jinja_line(route.endpoint, route.parameters, arguments),
        "html": str(markup),
        "markdown": markdown_line(alt, outside.of_variant(plain, names_format=False)),
    }
