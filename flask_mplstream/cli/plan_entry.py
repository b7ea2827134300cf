"""A figure and what varies in it: one line of a plan.

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

#: Scales that are wanted where none is named: for most screens.
PAGE_SCALES = (1.0, 2.0)


def first_format(route: FigureRoute) -> list[ImageFormat]:
    """The one that answers where none is asked for."""
    return [route.options.formats[0]]


def first_and_data(route: FigureRoute) -> list[ImageFormat]:
    """The first one, and the data behind the picture."""
    first, *others = route.options.formats
    return [first, *(format for format in others if format.is_text)]


def formats_of_a_page(route: FigureRoute) -> list[ImageFormat]:
    """Return what ``figure()`` offers browsers, after what it reads for the page."""
    pictures = [format for format in route.options.formats if not format.is_text]
    return [ALT_FORMAT, *page_formats(pictures)]


@dataclass(frozen=True, slots=True)
class Looks:
    """The variants that are wanted of each picture; what is empty has a default."""

    formats: Sequence[str] = ()
    scales: Sequence[Any] = ()
    widths: Sequence[Any] = ()
    themes: Sequence[str] = ()
    #: The formats of a route that are wanted where none is named.
    usual: Callable[[FigureRoute], Sequence[ImageFormat]] = first_format
    #: Whether nothing named at all means what ``figure()`` offers.
    is_for_pages: bool = False

    def over(self, other: Looks) -> Looks:
        """These, and those of *other* where nothing is said here."""
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
        """The variants of *route*, each once.

        :raises ArgumentsError: where *route* does not offer one.
        :raises ConfigError: where there is no such format.
        """
        widths = [{"_width": width} for width in self.widths]
        usual = formats_of_a_page if self.is_of_a_page else self.usual
        steps = DENSITIES if self.is_of_a_page else PAGE_SCALES
        offered = [step for step in steps if step <= route.options.max_scale]
        scales = self.scales or (() if widths else offered)
        sizes = [*({"_scale": scale} for scale in scales), *widths]
        return list(
            dict.fromkeys(  # Shapes have one size.
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
    """A figure and what varies, as it was written down."""

    figure: str
    axes: Axes = field(default_factory=dict)
    #: Reads one combination of *axes*.
    read: Callable[[FigureRoute, Mapping[str, Any]], Arguments] = from_texts
    looks: Looks = field(default_factory=Looks)
    #: Where it was written down, for errors: ``warm.json, entry 2``.
    place: str = ""

    def jobs(
        self, state: AppState, looks: Looks, admit: Callable[[FigureRoute], None]
    ) -> Iterator[Job]:
        """Its pictures.

        :param looks: the variants where it says nothing of them.
        :param admit: refuses a route that the command cannot do.
        :raises MplStreamError: where something is not accepted.
        :raises click.ClickException: likewise.
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
