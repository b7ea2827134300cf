"""A figure's picture in the pages of the gallery, and what to call it.

Flask side, as it makes URLs. Nothing is built or drawn before a page is sent: what
only the figure itself could tell, such as its size, is not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ..formats import ImageFormat
from ..html.figure_tag import figure
from ..web.figure_route import FigureRoute, summary_of

#: How wide the picture of a page is at most, and the pictures for it.
PICTURE_SIZES = "(min-width: 60rem) 52rem, 100vw"
PICTURE_WIDTHS_PX = (480, 640, 800, 960, 1280, 1920)
#: The same for a thumbnail.
THUMBNAIL_SIZES = "(min-width: 44rem) 24rem, 92vw"
THUMBNAIL_WIDTHS_PX = (320, 400, 480, 640, 800, 960)


def title_of(route: FigureRoute) -> str:
    """The name of *route* for a heading."""
    name = route.endpoint.rpartition(".")[2].strip("_").replace("_", " ")
    return name[:1].upper() + name[1:]


def alt_of(route: FigureRoute) -> str:
    """What a picture of *route* shows, as far as that is known without building it."""
    alt = route.options.alt
    return summary_of(route.function) or title_of(route) if alt is None else alt


def shown_format(route: FigureRoute) -> ImageFormat | None:
    """The format of *route* that every browser shows; ``None`` where it has none."""
    formats = [f for f in route.options.formats if f.is_raster or f.name == "svg"]
    return next((f for f in formats if f.is_raster), next(iter(formats), None))


def needed_names(route: FigureRoute) -> list[str]:
    """The parameters of *route* without a default, which a URL must give."""
    fixed = route.rule_defaults
    return [p.name for p in route.parameters if p.is_required and p.name not in fixed]


def thumbnail_of(route: FigureRoute, *, is_first: bool) -> Markup | None:
    """The picture of *route* with its defaults; ``None`` where there can be none.

    :param is_first: whether it is what a person sees first.
    """
    if needed_names(route):
        return None
    return _picture(
        route,
        {},
        alt_="",  # The link beside it says what it is.
        sizes_=THUMBNAIL_SIZES,
        widths_=list(THUMBNAIL_WIDTHS_PX),
        loading_="eager" if is_first else "lazy",
        fetchpriority_="high" if is_first else None,
    )


def picture_of(route: FigureRoute, arguments: Mapping[str, Any]) -> Markup | None:
    """The picture of *route* for its page; ``None`` where a page can show none."""
    return _picture(
        route,
        arguments,
        alt_=alt_of(route),
        sizes_=PICTURE_SIZES,
        widths_=list(PICTURE_WIDTHS_PX),
        loading_="eager",
        fetchpriority_="high",
    )


def _picture(
    route: FigureRoute, arguments: Mapping[str, Any], **words: Any
) -> Markup | None:
    """Markup with the picture, light and dark, in formats that browsers choose from."""
    first, format = route.options.formats[0], shown_format(route)
    if format is None:
        return None
    # Where a document comes first, it is what is shown unless another is named.
    named = {} if first.is_raster else {"_format": format.name}
    size = {"width_": None, "height_": None}
    return figure(route.endpoint, **arguments, **named, **size, theme_="auto", **words)
