"""The gallery: an index of all figures, and a page with controls for each.

Flask side. A blueprint registers it; nothing else imports it.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask.blueprints import BlueprintSetupState

from ..route import FigureRoute
from .shelves import Decorator, Shelf, shelves_of
from .views import index_view, openapi_view, page_view

__all__ = ["add_page", "open_gallery"]


def open_gallery(
    state: BlueprintSetupState,
    blueprint: str,
    *,
    gallery: bool | None,
    decorators: Sequence[Decorator],
) -> None:
    """Give *blueprint*, which is being registered, the index of a gallery
    and the OpenAPI document of its figures.

    :param blueprint: its full name.
    :param gallery: whether it is there; ``None`` for in debug mode only.
    :param decorators: what stands before it.
    """
    shelf = Shelf(blueprint, gallery, decorators)
    shelves_of(state.app)[blueprint] = shelf
    state.add_url_rule("/_gallery/", "_gallery", index_view(shelf), methods=["GET"])
    view = openapi_view(shelf)
    state.add_url_rule("/_gallery/openapi.json", "_openapi", view, methods=["GET"])


def add_page(state: BlueprintSetupState, blueprint: str, figure: FigureRoute) -> None:
    """Give *figure* of *blueprint* a page in its gallery."""
    shelf = shelves_of(state.app)[blueprint]
    shelf.figures.append(figure)
    name = figure.endpoint.rpartition(".")[2]
    view = page_view(shelf, figure)
    state.add_url_rule(f"/_gallery/{name}", f"_gallery_{name}", view, methods=["GET"])
