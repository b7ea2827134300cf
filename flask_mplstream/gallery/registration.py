"""The gallery's URLs: an index, an OpenAPI document, a page for each figure.

Flask side. Only the blueprint imports it.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPMethod

from flask.blueprints import BlueprintSetupState

from ..web.figure_route import FigureRoute
from .catalog import Decorator, Shelf, shelves_of
from .gallery_pages import View, make_index_view, make_openapi_view, make_page_view


def open_gallery(
    state: BlueprintSetupState,
    blueprint: str,
    *,
    gallery: bool | None,
    decorators: Sequence[Decorator],
) -> None:
    """Add the index and the OpenAPI document of *blueprint* during its registration.

    :param blueprint: full name of the blueprint.
    :param gallery: whether the gallery is on; ``None`` for debug mode only.
    :param decorators: decorators of both views.
    """
    shelf = Shelf(blueprint, gallery, decorators)
    shelves_of(state.app)[blueprint] = shelf
    _add(state, "/_gallery/", "_gallery", make_index_view(shelf))
    _add(state, "/_gallery/openapi.json", "_openapi", make_openapi_view(shelf))


def add_page(state: BlueprintSetupState, blueprint: str, figure: FigureRoute) -> None:
    """Add the page of *figure* to the gallery of *blueprint*."""
    shelf = shelves_of(state.app)[blueprint]
    shelf.figures.append(figure)
    name = figure.endpoint.rpartition(".")[2]
    _add(state, f"/_gallery/{name}", f"_gallery_{name}", make_page_view(shelf, figure))


def _add(state: BlueprintSetupState, rule: str, endpoint: str, view: View) -> None:
    """Add a rule for all methods; the view rejects the others with a 405.

    A 405 from Flask would reveal the URL of a gallery that is off.
    """
    state.add_url_rule(
        rule,
        endpoint,
        view,
        methods=list(HTTPMethod),
        provide_automatic_options=False,
    )
