"""The response that a picture is sent as.

Flask side. Its headers are final when it is made, so that Werkzeug need not
look for locations to correct and lengths to count in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_Wsgi = tuple[Iterable[bytes], str, list[tuple[str, str]]]


class PictureResponse(Response):
    """A response with one block of bytes, whose headers are complete."""

    # A 304 has no body and so no type.
    default_mimetype = None

    def get_wsgi_response(self, environ: WSGIEnvironment) -> _Wsgi:
        """The body, the status and the headers for the server.

        Cookies are written after every ``after_request`` hook, so this is the
        first place that knows them all: a picture sent with one is for one
        browser, and no shared cache may replay the cookie to another.
        """
        if "Set-Cookie" in self.headers:
            self.cache_control.private = True
            self.cache_control.public = False
            self.vary.add("Cookie")
        return self.get_app_iter(environ), self.status, self.headers.to_wsgi_list()


def response_class(app: Flask) -> type[PictureResponse]:
    """The class for *app*, which may have a response class of its own."""
    if issubclass(PictureResponse, app.response_class):
        return PictureResponse
    return type("PictureResponse", (PictureResponse, app.response_class), {})
