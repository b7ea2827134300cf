"""The list of pictures that ``warm`` and ``freeze`` render.

Flask side. The whole list is checked before the first render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import click

from ..errors import MplStreamError
from ..formats import ALT_FORMAT, DENSITIES, ImageFormat, Theme, Variant, page_formats
from ..parameters.function_signature import Arguments
from ..web.app_state import AppState, current_state
from ..web.figure_route import FigureRoute
from ..web.figure_view import named_variant
from .grid import Grid, combine, parse_texts, read_grid
from .plan_file import read_plan
from .task import Task

#: Maximum number of faults in one error message.
MAX_SHOWN_FAULTS = 20
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
    pictures = [format for format in route.options.formats if not format.is_text]
    return [ALT_FORMAT, *page_formats(pictures)]


@dataclass(frozen=True, slots=True)
class Variants:
    """The variants of each picture; an empty field means its default."""

    formats: Sequence[str] = ()
    scales: Sequence[float] = ()
    widths: Sequence[int] = ()
    themes: Sequence[str] = ()
    #: Returns the default formats of a route.
    choose_formats: Callable[[FigureRoute], Sequence[ImageFormat]] = choose_first
    #: Whether the default is the variants that ``figure()`` offers, if all are empty.
    is_for_pages: bool = False

    def override(self, other: Variants) -> Variants:
        """Return *other* with the fields that are set here.

        Scales and widths count as one field. The defaults are those of *other*.
        """
        sizes = self if self.scales or self.widths else other
        return replace(
            other,
            formats=self.formats or other.formats,
            scales=sizes.scales,
            widths=sizes.widths,
            themes=self.themes or other.themes,
        )

    @property
    def is_page_set(self) -> bool:
        """Whether the variants are those that ``figure()`` offers."""
        named = (*self.formats, *self.scales, *self.widths, *self.themes)
        return self.is_for_pages and not named

    def list_for(self, route: FigureRoute) -> list[Variant]:
        """Return the variants of *route*, without duplicates.

        :raises ArgumentsError: if *route* does not offer one.
        :raises ConfigError: if there is no such format.
        """
        choose = choose_for_page if self.is_page_set else self.choose_formats
        steps = DENSITIES if self.is_page_set else USUAL_SCALES
        offered = [step for step in steps if step <= route.options.max_scale]
        scales = self.scales or (() if self.widths else offered)
        sizes: list[dict[str, float]] = [{"_scale": scale} for scale in scales]
        sizes += [{"_width": width} for width in self.widths]
        return list(
            dict.fromkeys(  # A vector format has the same variant at every scale.
                named_variant(route, {"_format": format, "_theme": theme, **size})
                for format in self.formats or map(str, choose(route))
                for theme in self.themes or _list_themes(route)
                for size in sizes
            )
        )


def _list_themes(route: FigureRoute) -> list[str]:
    has_dark = route.options.dark_style is not False
    return [theme.value for theme in Theme if has_dark or theme is Theme.LIGHT]


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A figure with its arguments and variants, as written in a plan."""

    figure: str
    grid: Grid = field(default_factory=dict)
    #: Returns the arguments of one combination of *grid*.
    read: Callable[[FigureRoute, Mapping[str, Any]], Arguments] = parse_texts
    variants: Variants = field(default_factory=Variants)
    #: The entry's position, for errors: ``warm.json, entry 2``.
    place: str = ""

    def tasks(
        self, state: AppState, variants: Variants, admit: Callable[[FigureRoute], None]
    ) -> Iterator[Task]:
        """Yield the entry's pictures.

        :param variants: the variants that the entry does not specify.
        :param admit: raises for a route that the command cannot render.
        :raises MplStreamError: if the route, an argument or a variant is not accepted.
        :raises click.ClickException: if there are too many combinations, or from
            *admit*.
        """
        route = state.route(self.figure)
        admit(route)
        chosen = self.variants.override(variants)
        listed = chosen.list_for(route)
        for values in combine(self.grid):
            arguments = self.read(route, values)
            for variant in listed:
                picture = route.picture(arguments, variant)
                yield Task(route, picture, is_optional=chosen.is_page_set)


@dataclass(frozen=True, slots=True)
class Selection:
    """The options of a command line that select pictures."""

    endpoint: str | None
    arguments: Sequence[str]
    grid: Sequence[str]
    every: bool
    files: Sequence[str]
    formats: Sequence[str]
    scales: Sequence[float]
    widths: Sequence[int]
    themes: Sequence[str]

    def plan(
        self, admit: Callable[[FigureRoute], None], defaults: Variants
    ) -> list[Task]:
        """Return the pictures, without duplicates.

        :param admit: raises for a route that the command cannot render.
        :param defaults: the variants that the options do not specify.
        :raises click.UsageError: with all faults, up to :data:`MAX_SHOWN_FAULTS`.
        """
        state = current_state()
        entries = list(self._entries(state))
        named = Variants(self.formats, self.scales, self.widths, self.themes)
        variants = named.override(defaults)
        found: dict[str, Task] = {}
        faults: list[str] = []
        for entry in entries:
            try:
                tasks = list(entry.tasks(state, variants, admit))
                found |= {task.picture.key: task for task in tasks}
            except (MplStreamError, click.ClickException) as error:
                if self.every:
                    click.echo(f"{entry.figure}: left out. {error}", err=True)
                else:
                    faults.append(": ".join(filter(None, (entry.place, str(error)))))
        if faults:
            raise click.UsageError("\n".join(faults[:MAX_SHOWN_FAULTS]))
        return list(found.values())

    def _entries(self, state: AppState) -> Iterator[PlanEntry]:
        if [bool(self.endpoint), self.every, bool(self.files)].count(True) != 1:
            raise click.UsageError("Name a figure, or use --all or --from FILE.")
        if self.grid and not self.endpoint:
            raise click.UsageError("--grid requires the name of a figure.")
        if self.endpoint:
            route = state.route(self.endpoint)
            yield PlanEntry(self.endpoint, read_grid(route, self.arguments, self.grid))
        for endpoint in state.routes if self.every else ():
            yield PlanEntry(endpoint)
        for file in self.files:
            for number, written in enumerate(read_plan(file), 1):
                named = Variants(
                    written.formats, written.scales, written.widths, written.themes
                )
                place = f"{file}, entry {number}"
                yield PlanEntry(
                    written.figure, written.arguments, FigureRoute.bind, named, place
                )
