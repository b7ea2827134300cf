"""The index of the gallery: a card for each figure, blueprint by blueprint.

Flask side, as it makes URLs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask import current_app
from markupsafe import Markup
from werkzeug.routing import BuildError

from ..web.figure_route import FigureRoute, summary_of
from ..web.urls import url_near
from .catalog import Shelf, shelves_of
from .thumbnails import needed_names, thumbnail_of, title_of


@dataclass(frozen=True, slots=True)
class Card:
    """A figure in the index."""

    route: FigureRoute
    #: Of its page.
    url: str
    #: Whether no more than its name may be told: it has a door of its own.
    is_closed: bool
    thumbnail: Markup | None

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.route)

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return "" if self.is_closed else summary_of(self.route.function)

    @property
    def names(self) -> list[str]:
        """The parameters that a URL may give."""
        return [] if self.is_closed else [p.name for p in self.route.parameters]

    @property
    def needed(self) -> list[str]:
        """The parameters that a URL must give."""
        return needed_names(self.route)

    @property
    def text(self) -> str:
        """What a search looks through."""
        doc = "" if self.is_closed else self.route.function.__doc__ or ""
        parts = (self.title, self.route.endpoint, " ".join(doc.split()), *self.names)
        return " ".join(parts).lower()

    def matches(self, query: str) -> bool:
        """Whether it has every word of *query*."""
        return all(word in self.text for word in query.lower().split())


@dataclass(frozen=True, slots=True)
class Section:
    """The figures of one blueprint in the index."""

    name: str
    cards: Sequence[Card]

    def matches(self, query: str) -> bool:
        """Whether one of its figures has every word of *query*."""
        return any(card.matches(query) for card in self.cards)


def sections_for(own: Shelf) -> list[Section]:
    """What the index of *own* shows of the whole app."""
    shelves = [s for s in shelves_of(current_app).values() if s.is_open]
    first = next((figure for shelf in shelves for figure in shelf.figures), None)
    sections = [Section(s.blueprint, list(_cards(own, s, first))) for s in shelves]
    return [section for section in sections if section.cards]


def _cards(own: Shelf, shelf: Shelf, first: FigureRoute | None) -> Iterator[Card]:
    for route in shelf.figures:
        is_closed, thumbnail = not own.may_tell(shelf, route), None
        try:
            url = url_near(shelf.page(route))
            if not is_closed:
                thumbnail = thumbnail_of(route, is_first=route is first)
        except BuildError:
            continue  # Its URL has variables that are not known here.
        yield Card(route, url, is_closed, thumbnail)
