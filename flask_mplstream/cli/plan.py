"""The list of pictures that ``warm`` and ``freeze`` make.

Flask side. The whole list is checked before the first render.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from ..errors import MplStreamError
from ..web.app_state import AppState, current_state
from ..web.figure_route import FigureRoute
from .exit_codes import as_usage
from .grid import axes_of
from .plan_entry import Looks, PlanEntry
from .plan_file import entries_in
from .task import Job

#: Maximum number of faults in one error message.
MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Chosen:
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

    def jobs(
        self,
        admit: Callable[[FigureRoute], None],
        looks: Looks,
    ) -> list[Job]:
        """Return the pictures, without duplicates.

        :param admit: raises for a route that the command cannot render.
        :param looks: the variants if the options name none.
        :raises click.UsageError: with all faults, up to :data:`MAX_FAULTS`.
        """
        with as_usage():
            state = current_state()
            entries = self._entries(state)
        named = Looks(self.formats, self.scales, self.widths, self.themes)
        looks = named.over(looks)
        found: dict[str, Job] = {}
        faults: list[str] = []
        for entry in entries:
            try:
                jobs = list(entry.jobs(state, looks, admit))
                found |= {job.picture.key: job for job in jobs}
            except (MplStreamError, click.ClickException) as error:
                faults += self._fault(entry, error)
        if faults:
            raise click.UsageError("\n".join(faults[:MAX_FAULTS]))
        return list(found.values())

    def _fault(self, entry: PlanEntry, error: Exception) -> list[str]:
        """Return the message about *entry*; with ``--all``, only print it."""
        if self.every:
            click.echo(f"{entry.figure}: left out. {error}", err=True)
            return []
        return [f"{entry.place}: {error}" if entry.place else str(error)]

    def _entries(self, state: AppState) -> list[PlanEntry]:
        if [bool(self.endpoint), self.every, bool(self.files)].count(True) != 1:
            raise click.UsageError("Name a figure, or say --all or --from FILE.")
        if self.grid and not self.endpoint:
            raise click.UsageError("--grid is for one figure: name it.")
        if self.every:
            return [PlanEntry(endpoint) for endpoint in state.routes]
        if self.files:
            return [entry for file in self.files for entry in entries_in(file)]
        assert self.endpoint is not None
        route = state.route(self.endpoint)
        return [PlanEntry(self.endpoint, axes_of(route, self.arguments, self.grid))]
