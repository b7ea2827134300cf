"""The figures in the gallery of an app, grouped by blueprint.

Flask side. The catalog is in ``app.extensions``; registering a blueprint fills it,
and requests only read it.
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

    #: Full name of the blueprint, the prefix of its endpoints.
    blueprint: str
    #: Whether the gallery is on; ``None`` for debug mode only.
    gallery: bool | None
    #: Decorators of its figures' views, such as a login check.
    decorators: Sequence[Decorator]
    figures: list[FigureRoute] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether the gallery is on now; debug mode may change after registration."""
        return current_app.debug if self.gallery is None else self.gallery

    @property
    def index(self) -> str:
        """The endpoint of the index."""
        return f"{self.blueprint}._gallery"

    @property
    def openapi(self) -> str:
        """The endpoint of the OpenAPI document."""
        return f"{self.blueprint}._openapi"

    def page(self, figure: FigureRoute) -> str:
        """Return the endpoint of the page of *figure*."""
        return f"{self.index}_{figure.endpoint.rpartition('.')[2]}"

    @property
    def guards(self) -> list[object]:
        """All guards: decorators, and hooks of the blueprint and its parents."""
        parts = self.blueprint.split(".")
        outer = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
        hooks = current_app.before_request_funcs
        return [*self.decorators, *(hook for name in outer for hook in hooks[name])]

    def may_show(self, other: Shelf, figure: FigureRoute) -> bool:
        """Return whether the index may show details of *figure*, listed in *other*.

        It may if each guard of the figure also guards the index.
        """
        guards = self.guards
        return all(
            guard in guards for guard in (*other.guards, *figure.options.decorators)
        )


def shelves_of(app: App) -> dict[str, Shelf]:
    """Return the shelves of *app* by full blueprint name."""
    shelves: dict[str, Shelf] = app.extensions.setdefault(EXTENSION, {})
    return shelves
