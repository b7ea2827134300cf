"""The index of the gallery: a card for each figure, grouped by blueprint.

Flask side: it builds URLs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import current_app
from markupsafe import Markup
from werkzeug.routing import BuildError

from ..parameters.callables import summarize
from ..web.figure_route import FigureRoute
from ..web.urls import build_nearby_url
from .catalog import Shelf, shelves_of
from .thumbnails import list_needed, write_thumbnail, write_title


@dataclass(frozen=True, slots=True)
class Card:
    """The entry of a figure in the index."""

    route: FigureRoute
    #: URL of the figure's page.
    url: str
    #: Whether the figure has a guard that the index lacks: only its name is shown.
    is_closed: bool
    thumbnail: Markup | None

    @property
    def title(self) -> str:
        """The heading."""
        return write_title(self.route)

    @property
    def summary(self) -> str:
        """The first line of the docstring."""
        return "" if self.is_closed else summarize(self.route.function)

    @property
    def names(self) -> list[str]:
        """The parameters of the figure."""
        return [] if self.is_closed else [p.name for p in self.route.parameters]

    @property
    def needed(self) -> list[str]:
        """The parameters that a URL must contain."""
        return list_needed(self.route)

    @property
    def text(self) -> str:
        """The text that a search covers, in lower case."""
        doc = "" if self.is_closed else self.route.function.__doc__ or ""
        parts = (self.title, self.route.endpoint, " ".join(doc.split()), *self.names)
        return " ".join(parts).lower()

    def matches(self, query: str) -> bool:
        """Return whether the text contains every word of *query*."""
        return all(word in self.text for word in query.lower().split())


@dataclass(frozen=True, slots=True)
class Section:
    """The cards of one blueprint."""

    name: str
    cards: Sequence[Card]

    def matches(self, query: str) -> bool:
        """Return whether a card matches *query*."""
        return any(card.matches(query) for card in self.cards)


def list_sections(own: Shelf) -> list[Section]:
    """Return the sections of the index of *own*, which covers all blueprints."""
    shelves = [s for s in shelves_of(current_app).values() if s.is_open]
    first = next((figure for shelf in shelves for figure in shelf.figures), None)
    sections = [Section(s.blueprint, list(_list_cards(own, s, first))) for s in shelves]
    return [section for section in sections if section.cards]


def _list_cards(own: Shelf, shelf: Shelf, first: FigureRoute | None) -> Iterator[Card]:
    for route in shelf.figures:
        is_closed, thumbnail = not own.may_show(shelf, route), None
        try:
            url = build_nearby_url(shelf.page(route))
            if not is_closed:
                thumbnail = write_thumbnail(route, is_first=route is first)
        except BuildError:
            continue  # A variable of the URL is unknown here.
        yield Card(route, url, is_closed, thumbnail)
