"""The package's scripts and styles, served by the app.

Flask side. There is no CDN and no build step, and a strict Content-Security-Policy
needs only ``'self'``.
"""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from flask import (
    Response,
    abort,
    current_app,
    has_request_context,
    request,
    send_file,
)

from ..errors import UnknownFigureError
from ..http.cache_control import YEAR_S
from ..web.app_state import current_state
from ..web.urls import build_nearby_url

_FOLDER = Path(__file__).parent.parent / "static"
#: Endpoint for these files, within a figure blueprint.
ENDPOINT = "_static"
#: URL variable for the host or subdomain of the page that loads a file. A script of
#: the same origin needs no CORS and no host in a Content-Security-Policy.
PAGE_PLACE = "_mplstream_place"


def asset_url(filename: str, blueprint: str | None = None) -> str:
    """Return the URL of *filename*, with a hash of the file's content.

    :param blueprint: name of the figure blueprint that serves the file; by default
        the app's first.
    :raises UnknownFigureError: if the app has no figures.
    """
    if blueprint is None:
        routes = current_state().routes.values()
        blueprint = next((route.blueprint for route in routes), None)
    if blueprint is None:
        raise UnknownFigureError(
            f"No blueprint serves {filename!r}, because the app has no figure route. "
            f"Did you forget to register a FigureBlueprint?"
        )
    endpoint = f"{blueprint}.{ENDPOINT}"
    return build_nearby_url(
        endpoint, filename=filename, v=_load(filename).version, **_read_page_place()
    )


def _read_page_place() -> dict[str, str]:
    """Return :data:`PAGE_PLACE` and its value for the current request, if any."""
    if not has_request_context():
        return {}
    if current_app.url_map.host_matching:
        return {PAGE_PLACE: request.host}
    adapter = current_app.create_url_adapter(request)
    subdomain = adapter.subdomain if adapter else None
    return {PAGE_PLACE: subdomain} if subdomain else {}


def send_asset(filename: str, **_prefix: object) -> Response:
    """Send *filename* of the package, or a 404; ignore variables of the prefix."""
    if filename not in _list_names():
        abort(404)
    asset = _load(filename)
    is_zipped = bool(request.accept_encodings["gzip"])
    # During a deployment, the URL may name another version: do not store this one.
    is_named = request.args.get("v") == asset.version
    response = send_file(
        BytesIO(asset.zipped if is_zipped else asset.body),
        download_name=filename,
        # Each encoding is a representation with a separate ETag (RFC 9110, 8.8.3.3).
        etag=asset.version + ("-gzip" if is_zipped else ""),
        max_age=YEAR_S if is_named else 0,
    )
    response.cache_control.immutable = is_named
    if is_zipped:
        response.content_encoding = "gzip"
    response.vary.add("Accept-Encoding")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@cache
def _list_names() -> frozenset[str]:
    return frozenset(path.name for path in _FOLDER.iterdir())


class _Asset(NamedTuple):
    body: bytes
    zipped: bytes
    version: str


@cache
def _load(filename: str) -> _Asset:
    body = (_FOLDER / filename).read_bytes()
    # No timestamp, so that all processes send the same bytes for an ETag.
    zipped = gzip.compress(body, mtime=0)
    return _Asset(body, zipped, blake2b(body, digest_size=6).hexdigest())
