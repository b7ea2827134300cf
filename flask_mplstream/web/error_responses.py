"""Create the body of an error, as a problem document or a picture.

Flask side. An error picture is sent for an ``<img>``. It has the size and theme of the
picture that it replaces and contains a message for readers. The reasons are given in
the document, and in debug mode also in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Request, current_app

from ..errors import ArgumentsError
from ..formats import Theme
from ..http.problem_details import PROBLEM_TYPE, Problem
from ..http.query_string import parse_query
from ..parameters.reserved import RESERVED, VARIANT_WORDS
from ..rendering.error_image import Message, draw_message
from .figure_route import FigureRoute

_LATER = "Try again later."
_DEFAULT = Message("This picture cannot be shown.", _LATER, "No picture")
#: Messages for the page's readers, by status.
MESSAGES: Mapping[HTTPStatus, Message] = {
    HTTPStatus.BAD_REQUEST: replace(
        _DEFAULT, advice="Its address has a value that is not accepted."
    ),
    HTTPStatus.FORBIDDEN: replace(
        _DEFAULT, advice="Its link is not valid here, or has expired.\nReload the page."
    ),
    HTTPStatus.NOT_ACCEPTABLE: replace(
        _DEFAULT, advice="This browser does not accept its format."
    ),
    HTTPStatus.TOO_MANY_REQUESTS: Message(
        "This picture has to wait.",
        "There were many requests from here.\nTry again in a minute.",
        "Try later",
    ),
    HTTPStatus.INTERNAL_SERVER_ERROR: Message(
        "This picture cannot be drawn.", _LATER, "No picture"
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: Message(
        "This picture is not ready yet.", "Try again in a moment.", "Not ready"
    ),
    HTTPStatus.GATEWAY_TIMEOUT: Message(
        "This picture takes too long to draw.", _LATER, "Too slow"
    ),
}


def make_error_body(
    request: Request, problem: Problem, route: FigureRoute
) -> tuple[bytes, str]:
    """Return the body for *problem* and the media type of the body."""
    if request.headers.get("Sec-Fetch-Dest") != "image":
        return problem.body(quote(request.path)), PROBLEM_TYPE
    look = _read_look(request.environ.get("QUERY_STRING", ""))
    message = MESSAGES.get(problem.status, _DEFAULT)
    if current_app.debug:
        message = replace(message, details=problem.detail)
    width, height = route.natural_size.read()
    scale = look.get("_scale", 1.0)
    if "_width" in look:
        width, height, scale = look["_width"], height * look["_width"] / width, 1.0
    body = draw_message(
        message,
        (round(width * scale), round(height * scale)),
        scale=scale,
        is_dark=look.get("_theme") is Theme.DARK,
    )
    return body, "image/png"


def _read_look(query: str) -> dict[str, Any]:
    """Return ``_scale``, ``_width`` and ``_theme`` from *query* if they are valid."""
    look: dict[str, Any] = {}
    with suppress(ArgumentsError):
        for name, text in parse_query(query):
            if name in VARIANT_WORDS:
                with suppress(ArgumentsError):
                    look[name] = RESERVED.parse([(name, text)]).values[name]
    return {name: value for name, value in look.items() if value is not None}
