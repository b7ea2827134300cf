"""The views of the gallery: an index for each blueprint, a page for each figure.

Flask side. Each view reads the request, builds the page and sends it with a
Content-Security-Policy that allows only scripts and styles of the same origin.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from http import HTTPStatus
from typing import Any

from flask import Response, abort, current_app, jsonify, redirect, request
from flask.globals import app_ctx
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import MethodNotAllowed

from ..html.assets import asset_url
from ..html.form_controls import Kind
from ..html.jinja_environment import page_html
from ..html.parameter_form import FORM, read_form
from ..web.app_state import current_state
from ..web.figure_route import FigureRoute
from ..web.json_documents import format_document, make_document_response
from ..web.openapi import make_openapi_document
from ..web.urls import build_nearby_url
from .cards import sections_for
from .catalog import Shelf
from .figure_page import FigurePage

#: Allows scripts, styles and pictures of the same origin; forbids inline scripts.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)

#: Methods that a gallery accepts if it is on.
ALLOWED = ("GET", "HEAD", "OPTIONS")

View = Callable[..., ResponseReturnValue]


def index_view(shelf: Shelf) -> View:
    """Return the view for the index of *shelf*."""
    return _guard(shelf, shelf.decorators, partial(_index, shelf))


def page_view(shelf: Shelf, route: FigureRoute) -> View:
    """Return the view for the page of *route*, a figure of *shelf*."""
    return _guard(shelf, route.options.decorators, partial(_page, shelf, route))


def openapi_view(shelf: Shelf) -> View:
    """Return the view for the OpenAPI document of *shelf*."""
    return _guard(shelf, shelf.decorators, partial(_openapi, shelf))


def _guard(shelf: Shelf, decorators: Any, view: View) -> View:
    """Wrap *view* in *decorators*; respond with 404 while the gallery is off."""

    def shown(**_path: Any) -> ResponseReturnValue:
        return view()

    decorated: View = shown
    for decorator in decorators:
        decorated = decorator(decorated)

    @wraps(decorated)
    def guarded(**path: Any) -> ResponseReturnValue:
        if not shelf.is_open:
            abort(HTTPStatus.NOT_FOUND)
        if request.method == "OPTIONS":
            return Response(headers={"Allow": ", ".join(ALLOWED)})
        if request.method not in ALLOWED:
            raise MethodNotAllowed(ALLOWED)
        return decorated(**path)

    return guarded


def _index(shelf: Shelf) -> Response:
    query = request.args.get("q", "").strip()
    sections = sections_for(shelf)
    cards = [card for section in sections for card in section.cards]
    return _html(
        shelf,
        "index.html",
        app_name=current_app.name,
        query=query,
        sections=sections,
        count=len(cards),
        matching=sum(card.matches(query) for card in cards),
    )


def _openapi(shelf: Shelf) -> Response:
    document = make_openapi_document(
        app_ctx.app,
        shelf.blueprint,
        root=request.script_root,
        may_tell=partial(shelf.may_tell, shelf),
    )
    return make_document_response(
        request, format_document(document), "application/json"
    )


def _page(shelf: Shelf, route: FigureRoute) -> ResponseReturnValue:
    url = build_nearby_url(shelf.page(route))
    form = read_form(
        route.parameters,
        route.rule_defaults,
        request.environ.get("QUERY_STRING", ""),
        ignore_unknown=current_state().settings.unknown_args == "ignore",
    )
    page = FigurePage.of(route, url, form)
    if _wants_json():
        # Always 200: an invalid form has a state too, and browsers log every error
        # status in the console during typing.
        return _secure(jsonify(page.state()))
    if form.was_sent and page.links is not None:
        return _secure(redirect(page.links.page, HTTPStatus.SEE_OTHER))
    response = _html(shelf, "figure.html", page=page, form_field=FORM)
    if page.is_faulty:
        response.status_code = HTTPStatus.BAD_REQUEST
    return response


def _wants_json() -> bool:
    types = ("text/html", "application/json")
    return request.accept_mimetypes.best_match(types) == types[1]


def _html(shelf: Shelf, template: str, **values: Any) -> Response:
    html = page_html(
        template,
        asset=partial(asset_url, blueprint=shelf.blueprint),
        index=build_nearby_url(shelf.index),
        openapi=build_nearby_url(shelf.openapi),
        shelf=shelf,
        Kind=Kind,
        **values,
    )
    return _secure(current_app.make_response(html))


def _secure(response: Any) -> Response:
    answer: Response = current_app.make_response(response)
    answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["Cache-Control"] = "private, no-cache"
    answer.vary.update(("Accept", "Cookie", "Authorization"))
    return answer
