"""The variants of each picture in a plan: formats, sizes and themes.

Flask side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ..formats import ALT_FORMAT, ImageFormat, Theme, Variant
from ..web.figure_route import FigureRoute
from ..web.request_reading import choose_variant

#: Default scales, for most screens.
USUAL_SCALES = (1.0, 2.0)


def choose_first(route: FigureRoute) -> list[ImageFormat]:
    """Return the route's default format."""
    return [route.options.formats[0]]


def choose_first_and_data(route: FigureRoute) -> list[ImageFormat]:
    """Return the default format and the text formats, such as CSV."""
    first, *others = route.options.formats
    return [first, *(format for format in others if format.is_text)]


def choose_for_page(route: FigureRoute) -> list[ImageFormat]:
    """Return the formats that ``figure()`` uses: the alternative text, then images."""
    return [ALT_FORMAT, *route.options.shown_formats]


@dataclass(frozen=True, slots=True)
class Defaults:
    """A command's variants if a plan names none."""

    choose_formats: Callable[[FigureRoute], Sequence[ImageFormat]]
    #: Whether they are those that ``figure()`` offers, if the plan also names no size
    #: and no theme.
    are_for_pages: bool = False


class Variants(BaseModel):
    """The variants of each picture; an empty field means the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    formats: tuple[str, ...] = ()
    scales: tuple[float, ...] = ()
    widths: tuple[int, ...] = ()
    themes: tuple[str, ...] = ()

    def override(self, other: Variants) -> Variants:
        """Return *other* with the fields that are set here.

        Scales and widths count as one field.
        """
        sizes = self if self.scales or self.widths else other
        return Variants(
            formats=self.formats or other.formats,
            scales=sizes.scales,
            widths=sizes.widths,
            themes=self.themes or other.themes,
        )

    def are_of_page(self, defaults: Defaults) -> bool:
        """Return whether they are the variants that ``figure()`` offers."""
        named = (*self.formats, *self.scales, *self.widths, *self.themes)
        return defaults.are_for_pages and not named

    def list_for(self, route: FigureRoute, defaults: Defaults) -> list[Variant]:
        """Return the variants of *route*, without duplicates.

        :raises ArgumentsError: if *route* does not offer one.
        :raises ConfigError: if there is no such format.
        """
        is_page = self.are_of_page(defaults)
        choose = choose_for_page if is_page else defaults.choose_formats
        steps = route.options.page_densities if is_page else USUAL_SCALES
        offered = [step for step in steps if step <= route.options.max_scale]
        scales = self.scales or (() if self.widths else offered)
        sizes: list[dict[str, float]] = [{"_scale": scale} for scale in scales]
        sizes += [{"_width": width} for width in self.widths]
        return list(
            dict.fromkeys(  # A vector format has the same variant at every scale.
                choose_variant(route, {"_format": format, "_theme": theme, **size})
                for format in self.formats or map(str, choose(route))
                for theme in self.themes or _list_themes(route)
                for size in sizes
            )
        )


def _list_themes(route: FigureRoute) -> list[str]:
    has_dark = route.options.dark_style is not False
    return [theme.value for theme in Theme if has_dark or theme is Theme.LIGHT]
