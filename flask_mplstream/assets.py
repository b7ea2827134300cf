"""The package's own scripts and styles, served from the app itself.

Flask side. No CDN and no build step: a page with a strict Content-Security-Policy
needs nothing but ``'self'``.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from pathlib import Path

from flask import Response, request, send_from_directory

from .errors import UnknownFigureError
from .state import current_state
from .urls import url_near

_FOLDER = Path(__file__).parent / "static"
#: The endpoint of a figure blueprint that serves them.
ENDPOINT = "_static"
_YEAR_S = 31_536_000


def asset_url(filename: str, blueprint: str | None = None) -> str:
    """The URL of *filename*, which changes with what is in it.

    :param blueprint: name of the figure blueprint that serves it; by default the
        app's first.
    :raises UnknownFigureError: where the app has no figure.
    """
    if blueprint is None:
        routes = current_state().routes.values()
        blueprint = next((route.blueprint for route in routes), None)
    if blueprint is None:
        raise UnknownFigureError(
            "There is no figure route, and so no blueprint that serves the script."
        )
    endpoint = f"{blueprint}.{ENDPOINT}"
    return url_near(endpoint, filename=filename, v=_version(filename))


def send_asset(filename: str, **_prefix: object) -> Response:
    """*filename* of the package, or 404, whatever stands in the blueprint's prefix."""
    response = send_from_directory(_FOLDER, filename, etag=True)
    # Another version's URL, while servers are replaced, must not keep this content.
    if request.args.get("v") == _version(filename):
        response.cache_control.max_age = _YEAR_S
        response.cache_control.immutable = True
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def _version(filename: str) -> str:
    return blake2b((_FOLDER / filename).read_bytes(), digest_size=6).hexdigest()
