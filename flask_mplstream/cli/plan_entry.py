"""One entry of a plan: a figure with its arguments and variants.

Flask side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..formats import ALT_FORMAT, DENSITIES, ImageFormat, Theme, Variant, page_formats
from ..parameters.function_signature import Arguments
from ..web.app_state import AppState
from ..web.figure_route import FigureRoute
from ..web.figure_view import named_variant
from .grid import Axes, from_texts, points
from .task import Job

#: Default scales, for most screens.
PAGE_SCALES = (1.0, 2.0)


def first_format(route: FigureRoute) -> list[ImageFormat]:
    """Return the route's default format."""
    return [route.options.formats[0]]


def first_and_data(route: FigureRoute) -> list[ImageFormat]:
    """Return the default format and the text formats, such as CSV."""
    first, *others = route.options.formats
    return [first, *(format for format in others if format.is_text)]


def formats_of_a_page(route: FigureRoute) -> list[ImageFormat]:
    """Return the formats that ``figure()`` uses: the alternative text, then images."""
    pictures = [format for format in route.options.formats if not format.is_text]
    return [ALT_FORMAT, *page_formats(pictures)]


@dataclass(frozen=True, slots=True)
class Looks:
    """The variants of each picture; an empty field means its default."""

    formats: Sequence[str] = ()
    scales: Sequence[Any] = ()
    widths: Sequence[Any] = ()
    themes: Sequence[str] = ()
    #: The default formats of a route.
    usual: Callable[[FigureRoute], Sequence[ImageFormat]] = first_format
    #: Whether the default is the variants that ``figure()`` offers, if all are empty.
    is_for_pages: bool = False

    def over(self, other: Looks) -> Looks:
        """Return these looks with their empty fields, and all defaults, from *other*.

        Scales and widths count as one field.
        """
        sizes = self if self.scales or self.widths else other
        return Looks(
            self.formats or other.formats,
            sizes.scales,
            sizes.widths,
            self.themes or other.themes,
            other.usual,
            other.is_for_pages,
        )

    @property
    def is_of_a_page(self) -> bool:
        """Whether the variants are those that ``figure()`` offers."""
        named = (*self.formats, *self.scales, *self.widths, *self.themes)
        return self.is_for_pages and not named

    def of(self, route: FigureRoute) -> list[Variant]:
        """Return the variants of *route*, without duplicates.

        :raises ArgumentsError: if *route* does not offer one.
        :raises ConfigError: if there is no such format.
        """
        widths = [{"_width": width} for width in self.widths]
        usual = formats_of_a_page if self.is_of_a_page else self.usual
        steps = DENSITIES if self.is_of_a_page else PAGE_SCALES
        offered = [step for step in steps if step <= route.options.max_scale]
        scales = self.scales or (() if widths else offered)
        sizes = [*({"_scale": scale} for scale in scales), *widths]
        return list(
            dict.fromkeys(  # A vector format has the same variant at every scale.
                named_variant(route, {"_format": format, "_theme": theme, **size})
                for format in self.formats or map(str, usual(route))
                for theme in self.themes or _page_themes(route)
                for size in sizes
            )
        )


def _page_themes(route: FigureRoute) -> list[str]:
    has_dark = route.options.dark_style is not False
    themes = (Theme.LIGHT, Theme.DARK) if has_dark else (Theme.LIGHT,)
    return [theme.value for theme in themes]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A figure with its arguments and variants, as written in a plan."""

    figure: str
    axes: Axes = field(default_factory=dict)
    #: Parses one combination of *axes*.
    read: Callable[[FigureRoute, Mapping[str, Any]], Arguments] = from_texts
    looks: Looks = field(default_factory=Looks)
    #: The entry's position, for errors: ``warm.json, entry 2``.
    place: str = ""

    def jobs(
        self, state: AppState, looks: Looks, admit: Callable[[FigureRoute], None]
    ) -> Iterator[Job]:
        """Yield the entry's pictures.

        :param looks: the formats, sizes and themes that the entry does not specify.
        :param admit: raises for a route that the command cannot render.
        :raises MplStreamError: if the route, an argument or a variant is not accepted.
        :raises click.ClickException: if there are too many combinations, or from
            *admit*.
        """
        route = state.route(self.figure)
        admit(route)
        wanted = self.looks.over(looks)
        variants = wanted.of(route)
        for point in points(self.axes):
            arguments = self.read(route, point)
            for variant in variants:
                picture = route.picture(arguments, variant)
                yield Job(route, picture, is_usual=wanted.is_of_a_page)
