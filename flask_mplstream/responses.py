"""The response that a picture is sent as.

Flask side. Its headers are final when it is made, so that Werkzeug need neither
check each of them again nor look for locations and lengths to correct: more
than half of what a plain ``Response`` costs (benchmarks/hit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from werkzeug.datastructures import Headers

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_Items = list[tuple[str, str]]
_Wsgi = tuple[Iterable[bytes], str, _Items]


class ReadyHeaders(Headers):
    """Headers from a list of pairs that is known to be right."""

    def __init__(self, items: _Items) -> None:
        # What Headers keeps; tests/test_serving.py holds it to that.
        self._list = items.copy()
        self._items = items

    @property
    def are_untouched(self) -> bool:
        """Whether no hook and no session has changed them."""
        return self._list == self._items


class PictureResponse(Response):
    """A response with one block of bytes, whose headers are complete."""

    # A 304 has no body and so no type.
    default_mimetype = None
    _has_callbacks = False

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call *func* when the response has been sent."""
        self._has_callbacks = True
        return super().call_on_close(func)

    def get_wsgi_response(self, environ: WSGIEnvironment) -> _Wsgi:
        """The body, the status and the headers for the server.

        Cookies are written after every ``after_request`` hook, so this is the
        first place that knows them all: a picture sent with one is for one
        browser, and no shared cache may replay the cookie to another.
        """
        if self._may_be_for_one(environ) and self._is_for_one(environ):
            self.cache_control.private = True
            self.cache_control.public = False
            self.vary.add("Cookie")
        return self.get_app_iter(environ), self.status, self.headers.to_wsgi_list()

    def _may_be_for_one(self, environ: WSGIEnvironment) -> bool:
        """Whether to look closer: most pictures leave as they were made."""
        headers = self.headers
        is_made = isinstance(headers, ReadyHeaders) and headers.are_untouched
        return not is_made or "HTTP_AUTHORIZATION" in environ

    def _is_for_one(self, environ: WSGIEnvironment) -> bool:
        """Whether a cookie is set, or a login or a session may have opened the door.

        Flask names the cookie in ``Vary`` where a session was read.
        """
        if "Set-Cookie" in self.headers:
            return True
        if "private" in self.headers.get("Cache-Control", ""):
            return False  # It says so already.
        vary = self.headers.get("Vary", "")
        return "HTTP_AUTHORIZATION" in environ or "cookie" in vary.lower()

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """The blocks as they are, where nobody waits for the end."""
        if self._has_callbacks or not isinstance(self.response, tuple):
            return super().get_app_iter(environ)
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response


def response_class(app: Flask) -> type[PictureResponse]:
    """The class for *app*, which may have a response class of its own."""
    if issubclass(PictureResponse, app.response_class):
        return PictureResponse
    return type("PictureResponse", (PictureResponse, app.response_class), {})
