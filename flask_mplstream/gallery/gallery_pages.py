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
from ..html.jinja_environment import render_page
from ..html.parameter_form import FORM, read_form
from ..http.headers import STEPS
from ..web.app_state import current_state
from ..web.figure_route import FigureRoute
from ..web.json_documents import format_document, make_document_response
from ..web.openapi import make_openapi_document
from ..web.urls import build_nearby_url
from .cards import list_sections
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


def make_index_view(shelf: Shelf) -> View:
    """Return the view for the index of *shelf*."""
    return _guard(shelf, shelf.decorators, partial(_show_index, shelf))


def make_page_view(shelf: Shelf, route: FigureRoute) -> View:
    """Return the view for the page of *route*, a figure of *shelf*."""
    return _guard(shelf, route.options.decorators, partial(_show_page, shelf, route))


def make_openapi_view(shelf: Shelf) -> View:
    """Return the view for the OpenAPI document of *shelf*."""
    return _guard(shelf, shelf.decorators, partial(_show_openapi, shelf))


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


def _show_index(shelf: Shelf) -> Response:
    query = request.args.get("q", "").strip()
    sections = list_sections(shelf)
    cards = [card for section in sections for card in section.cards]
    return _send_html(
        shelf,
        "index.html",
        app_name=current_app.name,
        query=query,
        sections=sections,
        count=len(cards),
        matching=sum(card.matches(query) for card in cards),
    )


def _show_openapi(shelf: Shelf) -> Response:
    document = make_openapi_document(
        app_ctx.app,
        shelf.blueprint,
        root=request.script_root,
        may_tell=partial(shelf.may_show, shelf),
    )
    return make_document_response(
        request, format_document(document), "application/json"
    )


def _show_page(shelf: Shelf, route: FigureRoute) -> ResponseReturnValue:
    url = build_nearby_url(shelf.page(route))
    form = read_form(
        route.parameters,
        route.rule_defaults,
        request.environ.get("QUERY_STRING", ""),
        ignore_unknown=current_state().settings.unknown_args == "ignore",
    )
    page = FigurePage.of(route, url, form)
    types = ("text/html", "application/json")
    if request.accept_mimetypes.best_match(types) == types[1]:
        # Always 200: an invalid form has a state too, and browsers log every error
        # status in the console during typing.
        return _secure(jsonify(page.state()))
    if form.was_sent and page.links is not None:
        return _secure(redirect(page.links.page, HTTPStatus.SEE_OTHER))
    response = _send_html(shelf, "figure.html", page=page, form_field=FORM, steps=STEPS)
    if page.is_faulty:
        response.status_code = HTTPStatus.BAD_REQUEST
    return response


def _send_html(shelf: Shelf, template: str, **values: Any) -> Response:
    html = render_page(
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
