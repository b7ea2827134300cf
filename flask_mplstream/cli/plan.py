"""The list of pictures that ``warm`` and ``freeze`` render.

Flask side. The whole list is checked before the first render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from ..errors import MplStreamError
from ..parameters.canonical import Arguments
from ..web.app_state import AppState, current_state
from ..web.figure_route import FigureRoute
from .grid import Grid, combine, parse_texts, read_grid
from .plan_file import read_plan
from .task import Task
from .variants import Defaults, Variants

#: Maximum number of faults in one error message.
MAX_SHOWN_FAULTS = 20


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """A figure with its arguments and variants, as written in a plan."""

    figure: str
    grid: Grid
    variants: Variants
    #: Returns the arguments of one combination of *grid*.
    read: Callable[[FigureRoute, Mapping[str, Any]], Arguments] = parse_texts
    #: The entry's position, for errors: ``warm.json, entry 2: ``.
    place: str = ""

    def tasks(self, route: FigureRoute, defaults: Defaults) -> Iterator[Task]:
        """Yield the entry's pictures.

        :raises MplStreamError: if an argument or a variant is not accepted.
        :raises click.UsageError: if there are too many combinations.
        """
        is_optional = self.variants.are_of_page(defaults)
        variants = self.variants.list_for(route, defaults)
        for values in combine(self.grid):
            arguments = self.read(route, values)
            for variant in variants:
                yield Task(route, route.picture(arguments, variant), is_optional)


class Selection(Variants):
    """The options of a command line that select pictures and their variants."""

    endpoint: str | None
    arguments: tuple[str, ...]
    grid: tuple[str, ...]
    every: bool
    files: tuple[str, ...]

    def plan(
        self, admit: Callable[[FigureRoute], None], defaults: Defaults
    ) -> list[Task]:
        """Return the pictures, without duplicates.

        :param admit: raises for a route that the command cannot render.
        :raises click.UsageError: with all faults, up to :data:`MAX_SHOWN_FAULTS`.
        """
        state = current_state()
        found: dict[str, Task] = {}
        faults: list[str] = []
        for entry in list(self._entries(state)):
            try:
                route = state.route(entry.figure)
                admit(route)
                tasks = list(entry.tasks(route, defaults))
                found |= {task.picture.key: task for task in tasks}
            except (MplStreamError, click.ClickException) as error:
                if self.every:
                    click.echo(f"{entry.figure}: left out. {error}", err=True)
                else:
                    faults.append(f"{entry.place}{error}")
        if faults:
            raise click.UsageError("\n".join(faults[:MAX_SHOWN_FAULTS]))
        return list(found.values())

    def _entries(self, state: AppState) -> Iterator[PlanEntry]:
        if [bool(self.endpoint), self.every, bool(self.files)].count(True) != 1:
            raise click.UsageError("Name a figure, or use --all or --from FILE.")
        if self.grid and not self.endpoint:
            raise click.UsageError("--grid requires the name of a figure.")
        if self.endpoint:
            grid = read_grid(state.route(self.endpoint), self.arguments, self.grid)
            yield PlanEntry(self.endpoint, grid, self)
        for endpoint in state.routes if self.every else ():
            yield PlanEntry(endpoint, {}, self)
        for file in self.files:
            for number, listed in enumerate(read_plan(file), 1):
                yield PlanEntry(
                    listed.figure,
                    listed.arguments,
                    listed.override(self),
                    FigureRoute.bind,
                    f"{file}, entry {number}: ",
                )
