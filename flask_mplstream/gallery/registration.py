"""Register the gallery's URLs: an index, an OpenAPI document, a page for each figure.

Flask side. Only the blueprint imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPMethod

from flask.blueprints import BlueprintSetupState

from ..web.figure_route import FigureRoute
from .catalog import Decorator, Shelf, shelves_of
from .gallery_pages import View, index_view, openapi_view, page_view


def open_gallery(
    state: BlueprintSetupState,
    blueprint: str,
    *,
    gallery: bool | None,
    decorators: Sequence[Decorator],
) -> None:
    """Give *blueprint*, which is being registered, the index of a gallery.

    Beside it stands the OpenAPI document of the blueprint's figures.

    :param blueprint: its full name.
    :param gallery: whether it is there; ``None`` for in debug mode only.
    :param decorators: what stands before it.
    """
    shelf = Shelf(blueprint, gallery, decorators)
    shelves_of(state.app)[blueprint] = shelf
    _add(state, "/_gallery/", "_gallery", index_view(shelf))
    _add(state, "/_gallery/openapi.json", "_openapi", openapi_view(shelf))


def add_page(state: BlueprintSetupState, blueprint: str, figure: FigureRoute) -> None:
    """Give *figure* of *blueprint* a page in its gallery."""
    shelf = shelves_of(state.app)[blueprint]
    shelf.figures.append(figure)
    name = figure.endpoint.rpartition(".")[2]
    _add(state, f"/_gallery/{name}", f"_gallery_{name}", page_view(shelf, figure))


def _add(state: BlueprintSetupState, rule: str, endpoint: str, view: View) -> None:
    """A rule for each method: the view refuses those that are not allowed.

    Flask's own answer would tell that there is something where a gallery is closed.
    """
    state.add_url_rule(
        rule,
        endpoint,
        view,
        methods=list(HTTPMethod),
        provide_automatic_options=False,
    )
