"""A figure's picture, title and alternative text in the pages of the gallery.

Flask side: it builds URLs. A page builds and draws no figures, so facts that require
the figure, such as its size, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ..formats import ImageFormat
from ..html.alt_choice import choose_alt
from ..html.figure_tag import figure
from ..web.figure_route import FigureRoute

#: ``sizes`` of the picture in a figure's page, and its widths in pixels.
PICTURE_SIZES = "(min-width: 60rem) 52rem, 100vw"
PICTURE_WIDTHS_PX = (480, 640, 800, 960, 1280, 1920)
#: ``sizes`` and widths of a thumbnail.
THUMBNAIL_SIZES = "(min-width: 44rem) 24rem, 92vw"
THUMBNAIL_WIDTHS_PX = (320, 400, 480, 640, 800, 960)


def write_title(route: FigureRoute) -> str:
    """Return the name of *route* as a heading."""
    name = route.endpoint.rpartition(".")[2].strip("_").replace("_", " ")
    return name[:1].upper() + name[1:]


def choose_format(route: FigureRoute) -> ImageFormat | None:
    """Return a raster format of *route*, else SVG, else ``None``."""
    formats = [f for f in route.options.formats if f.is_raster or f.name == "svg"]
    return next((f for f in formats if f.is_raster), next(iter(formats), None))


def list_needed(route: FigureRoute) -> list[str]:
    """Return the names of parameters without a default, which a URL must contain."""
    fixed = route.rule_defaults
    return [p.name for p in route.parameters if p.is_required and p.name not in fixed]


def write_thumbnail(route: FigureRoute, *, is_first: bool) -> Markup | None:
    """Return the picture of *route* with its default arguments.

    :param is_first: whether the picture is the first in the index.
    :return: ``None`` if an argument is required or no format is for browsers.
    """
    if list_needed(route):
        return None
    return _write_picture(
        route,
        {},
        alt_="",  # The link beside it names the figure.
        sizes_=THUMBNAIL_SIZES,
        widths_=list(THUMBNAIL_WIDTHS_PX),
        loading_="eager" if is_first else "lazy",
        fetchpriority_="high" if is_first else None,
    )


def write_page_picture(
    route: FigureRoute, arguments: Mapping[str, Any]
) -> Markup | None:
    """Return the picture for the page of *route*; ``None`` without a browser format."""
    return _write_picture(
        route,
        arguments,
        alt_=choose_alt(route),
        sizes_=PICTURE_SIZES,
        widths_=list(PICTURE_WIDTHS_PX),
        loading_="eager",
        fetchpriority_="high",
    )


def _write_picture(
    route: FigureRoute, arguments: Mapping[str, Any], **words: Any
) -> Markup | None:
    """Return markup with a light and a dark picture in a choice of formats."""
    first, format = route.options.formats[0], choose_format(route)
    if format is None:
        return None
    # Without a name, figure() would show the first format, which may be a document.
    named = {} if first.is_raster else {"_format": format.name}
    size = {"width_": None, "height_": None}
    return figure(route.endpoint, **arguments, **named, **size, theme_="auto", **words)
