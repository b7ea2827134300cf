"""Every URL of a figure with its arguments, and the lines that show it elsewhere.

Flask side, as it makes URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..formats import ALT_FORMAT, Theme, Variant
from ..html.figure_tag import figure
from ..parameters.function_signature import Arguments
from ..web.figure_route import FigureRoute
from ..web.urls import FigureUrls
from .snippets import jinja_line, markdown_line
from .thumbnails import PICTURE_WIDTHS_PX, alt_of, shown_format


@dataclass(frozen=True, slots=True)
class Links:
    """Where a figure with its arguments is found."""

    #: Of the page itself.
    page: str
    #: Theme -> width -> URL of the picture; empty where a page can show none.
    pictures: Mapping[str, Mapping[str, str]]
    #: Format -> URL.
    downloads: Mapping[str, str]
    #: Of what the picture shows, in words.
    words: str
    #: Name -> what to copy.
    snippets: Mapping[str, str]


def links_of(route: FigureRoute, page: str, arguments: Arguments) -> Links:
    """The links of *route* with *arguments*.

    :param page: URL of its page without a query.
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
    """*given* without what the rule of *route* says already."""
    return {n: v for n, v in given.items() if n not in route.rule_defaults}


def _pictures(route: FigureRoute, urls: FigureUrls) -> dict[str, dict[str, str]]:
    format = shown_format(route)
    if format is None:
        return {}
    return {
        theme.value: {
            str(width_px): urls.of_variant(
                Variant(format, width_px=width_px, theme=theme),
                # Else the browser chooses: it may have AVIF or WebP.
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
    alt, plain = alt_of(route), Variant(route.options.formats[0])
    outside = FigureUrls.of(route, arguments, {"_external": True})
    values = without_fixed(route, arguments.values)
    # Without its size, for which the figure would have to be built first.
    markup = figure(route.endpoint, **values, alt_=alt, width_=None, height_=None)
    return {
        "url": urls.of_variant(plain, names_format=False),
        "jinja": jinja_line(route.endpoint, route.parameters, arguments),
        "html": str(markup),
        "markdown": markdown_line(alt, outside.of_variant(plain, names_format=False)),
    }
