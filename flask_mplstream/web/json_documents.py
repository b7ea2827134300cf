"""JSON documents about figures, which only change together with the code.

Flask side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Request, Response, current_app

from ..cache.key import digest
from ..http.headers import DOCUMENT_HEADERS

#: The extension in the URL of a figure's JSON Schema.
SCHEMA_NAME = "schema.json"
#: The media type of a JSON Schema.
SCHEMA_TYPE = "application/schema+json"


def format_document(document: Mapping[str, Any]) -> str:
    """Return *document* as indented JSON that ends with a line break."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def make_document_response(request: Request, text: str, mimetype: str) -> Response:
    """Return a response with the document *text*, or a 304."""
    response = current_app.response_class(text, mimetype=mimetype)
    response.set_etag(digest(text))
    response.headers.extend(DOCUMENT_HEADERS)
    response.make_conditional(request)
    return response
