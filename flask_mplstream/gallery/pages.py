"""What the pages of the gallery show: cards of the index, and one figure's page.

Flask side, as it makes URLs. It reads nothing of the request.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import urlencode

from flask import current_app
from markupsafe import Markup
from werkzeug.routing import BuildError

from ..image import ALT_FORMAT, ImageFormat, Theme, Variant
from ..parameters import Arguments
from ..route import FigureRoute, summary_of
from ..templating import figure
from ..urls import FigureUrls, url_near
from .forms import Form
from .shelves import Shelf, shelves_of
from .snippets import jinja_line, markdown_line

#: What ``Server-Timing`` tells of a render, and how to say it.
STEPS: Mapping[str, str] = {
    "load": "Load",
    "wait": "Wait",
    "build": "Build",
    "layout": "Layout",
    "draw": "Draw",
    "encode": "Encode",
}
#: How wide the picture of a page is at most, and the pictures for it.
PICTURE_SIZES = "(min-width: 60rem) 60rem, 100vw"
PICTURE_WIDTHS_PX = (480, 640, 800, 960, 1280, 1920)
#: The same for a thumbnail.
THUMBNAIL_SIZES = "(min-width: 44rem) 24rem, 92vw"
THUMBNAIL_WIDTHS_PX = (320, 400, 480, 640, 800, 960)


def title_of(route: FigureRoute) -> str:
    """The name of *route* for a heading."""
    name = route.endpoint.rpartition(".")[2].strip("_").replace("_", " ")
    return name[:1].upper() + name[1:]


def shown_format(route: FigureRoute) -> ImageFormat | None:
    """The format of *route* that every browser shows; ``None`` where it has none."""
    formats = [f for f in route.options.formats if f.is_raster or f.name == "svg"]
    return next((f for f in formats if f.is_raster), next(iter(formats), None))


def _shown(route: FigureRoute, arguments: Mapping[str, Any], **words: Any) -> Markup:
    """The picture of *route*, light and dark, in formats that browsers choose from.

    Its size is not asked for: the figure would have to be built before the page.
    """
    first, format = route.options.formats[0], shown_format(route)
    # A document comes first: it says of no picture that it may be chosen instead.
    named = {} if format is None or first.is_raster else {"_format": format.name}
    size = {"width_": None, "height_": None}
    return figure(route.endpoint, **arguments, **named, **size, theme_="auto", **words)


@dataclass(frozen=True, slots=True)
class Card:
    """A figure in the index."""

    route: FigureRoute
    url: str
    #: Whether no more than its name may be told: it has a door of its own.
    is_closed: bool
    thumbnail: Markup | None
    #: Whether it is what the search looks for.
    is_shown: bool = True

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.route)

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return "" if self.is_closed else summary_of(self.route.function)

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of the figure function."""
        return () if self.is_closed else self.route.parameters.names

    @property
    def needed(self) -> list[str]:
        """The parameters that a URL must give."""
        return needed(self.route)

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


def sections_for(own: Shelf, query: str) -> list[Section]:
    """What the index of *own* shows of the whole app.

    :param query: words to look for; the other cards are there, but hidden.
    """
    sections, shown = [], 0
    for shelf in shelves_of(current_app).values():
        if not shelf.is_open:
            continue
        cards = []
        for route in shelf.figures:
            try:
                card = _card(own, shelf, route, is_first=not shown)
            except BuildError:
                continue  # Its URL has variables that are not known here.
            cards.append(replace(card, is_shown=card.matches(query)))
            shown += 1
        if cards:
            sections.append(Section(shelf.blueprint, cards))
    return sections


def _card(own: Shelf, shelf: Shelf, route: FigureRoute, *, is_first: bool) -> Card:
    is_closed = not own.may_tell(shelf, route)
    thumbnail = None if is_closed else _thumbnail(route, is_first)
    return Card(route, url_near(shelf.page(route)), is_closed, thumbnail)


def _thumbnail(route: FigureRoute, is_first: bool) -> Markup | None:
    if shown_format(route) is None or needed(route):
        return None
    return _shown(
        route,
        {},
        sizes_=THUMBNAIL_SIZES,
        widths_=list(THUMBNAIL_WIDTHS_PX),
        loading_="eager" if is_first else "lazy",
        fetchpriority_="high" if is_first else None,
        alt_="",  # The link beside it says what it is.
    )


def needed(route: FigureRoute) -> list[str]:
    """The parameters of *route* without a default, which a URL must give."""
    fixed = route.rule_defaults
    return [p.name for p in route.parameters if p.is_required and p.name not in fixed]


@dataclass(frozen=True, slots=True)
class Links:
    """Every URL and line of a figure with its arguments."""

    #: Of the page itself.
    page: str
    #: Theme -> width -> URL of the picture; empty where a page can show none.
    pictures: Mapping[str, Mapping[str, str]]
    #: Format -> URL.
    downloads: Mapping[str, str]
    #: Of what the picture shows, in words.
    words: str
    #: Name -> what to copy.
    snippets: Mapping[str, str]


def links_of(route: FigureRoute, page: str, arguments: Arguments, alt: str) -> Links:
    """The links of *route* with *arguments*.

    :param page: URL of its page without a query.
    """
    values = _own(route, arguments.values)
    urls = FigureUrls.of(route, arguments, {})
    outside = FigureUrls.of(route, arguments, {"_external": True})
    first = route.options.formats[0]
    query = urlencode(_own(route, arguments.query), doseq=True)
    # Without its size, for which the figure would have to be built first.
    markup = figure(route.endpoint, **values, alt_=alt, width_=None, height_=None)
    snippets = {
        "url": urls.of_variant(Variant(first), names_format=False),
        "jinja": jinja_line(route.endpoint, route.parameters, arguments),
        "html": str(markup),
        "markdown": markdown_line(
            alt, outside.of_variant(Variant(first), names_format=False)
        ),
    }
    downloads = {
        format.name: urls.of_variant(Variant(format), is_download=True)
        for format in route.options.formats
    }
    return Links(
        f"{page}?{query}" if query else page,
        _pictures(route, urls),
        downloads,
        urls.of_variant(Variant(ALT_FORMAT)),
        snippets,
    )


def _own(route: FigureRoute, given: Mapping[str, Any]) -> dict[str, Any]:
    """*given* without what the rule says already."""
    return {n: v for n, v in given.items() if n not in route.rule_defaults}


def _pictures(route: FigureRoute, urls: FigureUrls) -> dict[str, dict[str, str]]:
    format = shown_format(route)
    if format is None:
        return {}
    return {
        theme.value: {
            str(width): urls.of_variant(
                Variant(format, width_px=width, theme=theme),
                # Else the browser chooses: it may have AVIF or WebP.
                names_format=not route.options.formats[0].is_raster,
            )
            for width in PICTURE_WIDTHS_PX
        }
        for theme in Theme
    }


def alt_of(route: FigureRoute) -> str:
    """What a picture of *route* shows, as far as that is known without drawing it."""
    alt = route.options.alt
    return summary_of(route.function) or title_of(route) if alt is None else alt


def picture_of(route: FigureRoute, arguments: Arguments) -> Markup | None:
    """The picture of the page itself; ``None`` where a page can show none."""
    if shown_format(route) is None:
        return None
    return _shown(
        route,
        _own(route, arguments.values),
        alt_=alt_of(route),
        sizes_=PICTURE_SIZES,
        widths_=list(PICTURE_WIDTHS_PX),
        loading_="eager",
        fetchpriority_="high",
    )


@dataclass(frozen=True, slots=True)
class FigurePage:
    """The page of one figure."""

    route: FigureRoute
    #: Its URL without a query.
    url: str
    form: Form
    #: ``None`` where the arguments are not complete or not accepted.
    links: Links | None
    picture: Markup | None
    #: What is wrong with no field in particular.
    problems: Sequence[str] = ()

    @classmethod
    def of(cls, route: FigureRoute, url: str, form: Form) -> FigurePage:
        """The page of *route* at *url*, as *form* was filled in."""
        problems = [str(fault) for fault in form.faults]
        if form.arguments is None:
            return cls(route, url, form, None, None, problems)
        try:
            links = links_of(route, url, form.arguments, alt_of(route))
            picture = picture_of(route, form.arguments)
        except (BuildError, ValueError) as error:
            # A converter of the rule that takes less than the annotation.
            return cls(
                route, url, form, None, None, [f"There is no URL for it: {error}"]
            )
        return cls(route, url, form, links, picture, problems)

    @property
    def is_faulty(self) -> bool:
        """Whether something is wrong, and not just missing yet."""
        return bool(self.problems) or self.form.is_faulty

    @property
    def title(self) -> str:
        """Its heading."""
        return title_of(self.route)

    @property
    def summary(self) -> str:
        """The docstring's first line."""
        return summary_of(self.route.function)

    @property
    def alt(self) -> str:
        """What the picture shows."""
        return alt_of(self.route)

    @property
    def steps(self) -> Mapping[str, str]:
        """What is timed, in order, in words."""
        return STEPS

    @property
    def injected(self) -> list[str]:
        """The parameters that the app fills in."""
        return list(self.route.options.inject)

    @property
    def doc(self) -> str:
        """The docstring."""
        return inspect.cleandoc(self.route.function.__doc__ or "")

    @property
    def missing(self) -> list[str]:
        """The parameters that must be given and are not."""
        return [f.control.name for f in self.form.fields if f.control.is_required]

    def state(self) -> dict[str, Any]:
        """What the page's script is told of it."""
        errors = {f.control.name: f.error for f in self.form.fields if f.error}
        links = {} if self.links is None else asdict(self.links)
        return {"errors": errors, "problems": list(self.problems), **links}
