"""Which figures the gallery of an app shows, blueprint by blueprint.

Flask side. Kept in ``app.extensions``; filled when a blueprint is registered, and
only read from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from flask.sansio.app import App

from ..web.figure_route import FigureRoute

EXTENSION = "mplstream_gallery"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Shelf:
    """The figures of one registered blueprint."""

    #: Its full name, as endpoints begin with it.
    blueprint: str
    #: Whether it has a gallery; ``None`` for in debug mode only.
    gallery: bool | None
    #: What stands before its figures, such as a login.
    decorators: Sequence[Decorator]
    figures: list[FigureRoute] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the gallery is there now, as debug mode may come late."""
        return current_app.debug if self.gallery is None else self.gallery

    @property
    def index(self) -> str:
        """The endpoint of its index."""
        return f"{self.blueprint}._gallery"

    @property
    def openapi(self) -> str:
        """The endpoint of the OpenAPI document of its figures."""
        return f"{self.blueprint}._openapi"

    def page(self, figure: FigureRoute) -> str:
        """The endpoint of the page of *figure*."""
        return f"{self.index}_{figure.endpoint.rpartition('.')[2]}"

    @property
    def doors(self) -> list[object]:
        """All that may keep somebody out."""
        parts = self.blueprint.split(".")
        outer = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        hooks = current_app.before_request_funcs
        return [*self.decorators, *(hook for name in outer for hook in hooks[name])]

    def may_tell(self, other: Shelf, figure: FigureRoute) -> bool:
        """Whether its index may tell of *figure*, which stands on *other*.

        Not where the figure has a door that nobody passed who sees the index.
        """
        doors = self.doors
        return all(door in doors for door in (*other.doors, *figure.options.decorators))


def shelves_of(app: App) -> dict[str, Shelf]:
    """The shelves of *app* by the full name of the blueprint."""
    shelves: dict[str, Shelf] = app.extensions.setdefault(EXTENSION, {})
    return shelves
