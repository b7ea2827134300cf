"""The response that a picture is sent as, private or public.

Flask side. Its headers are final when it is made, so that Werkzeug need neither
check each of them again nor look for locations and lengths to correct: more
than half of what a plain ``Response`` costs (benchmarks/hit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, Response, has_request_context
from flask.globals import request_ctx
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.http import HTTP_STATUS_CODES

from ..http.headers import PERSONAL, PRIVATE

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.ctx import RequestContext

T = TypeVar("T")

_Items = list[tuple[str, str]]
_Wsgi = tuple[Iterable[bytes], str, _Items]


class WatchedRequest(Request):
    """A request that notes whether the app read a cookie."""

    were_cookies_read = False

    @property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies of the request."""
        # Flask opens the session before it knows the rule.
        if self.url_rule is not None:
            self.were_cookies_read = True
        return super().cookies


class ReadyHeaders(Headers):
    """Headers from a list of pairs that is known to be right."""

    def __init__(self, items: _Items) -> None:
        # What Headers keeps; tests/web/test_serving.py holds it to that.
        self._list = items.copy()
        self._items = items

    def to_wsgi_list(self) -> _Items:
        """Return the pairs, for the server."""
        return self._list

    @property
    def are_untouched(self) -> bool:
        """Whether no hook and no session has changed them."""
        return self._list == self._items

    def began_with(self, control: str) -> bool:
        """Whether *control* was ``Cache-Control`` from the beginning."""
        return ("Cache-Control", control) in self._items


#: Of a picture.
_STATUSES = {
    code: f"{code} {HTTP_STATUS_CODES[code].upper()}"  # As Werkzeug writes them.
    for code in (200, 206, 304)
}


class PictureResponse(Response):
    """A response with one block of bytes, whose headers are complete."""

    # A 304 has no body and so no type.
    default_mimetype = None
    #: Whether it depends on a person, by its content or by who may get it.
    is_private = False
    _has_callbacks = False

    @classmethod
    def ready(
        cls, blocks: tuple[bytes, ...], status: int, headers: ReadyHeaders
    ) -> PictureResponse:
        """Return a response without the checks of what is known to be right."""
        if cls.__init__ is not Response.__init__:
            return cls(blocks, status, headers)  # The app has checks of its own.
        response = cls.__new__(cls)
        # What Response keeps; tests/web/test_serving.py holds it to that.
        response.direct_passthrough, response._on_close = False, []
        response.headers, response.response = headers, blocks
        response._status, response._status_code = _STATUSES[status], status
        return response

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call *func* when the response has been sent."""
        self._has_callbacks = True
        return super().call_on_close(func)

    def get_wsgi_response(self, environ: WSGIEnvironment) -> _Wsgi:
        """Return body, status and headers for the server.

        Cookies are written after every ``after_request`` hook, so this is the
        first place that knows them all.
        """
        headers = self.headers
        if not (isinstance(headers, ReadyHeaders) and headers.are_untouched):
            self._keep_from_others()
        return self.get_app_iter(environ), self.status, headers.to_wsgi_list()

    def _keep_from_others(self) -> None:
        """Correct ``Cache-Control`` and ``Vary`` after hooks and the session."""
        said = self.headers.get("Cache-Control", "")
        if "no-store" in said:
            return
        if self.is_private:
            if not self._is_for_one_browser(said):
                make_private(self)
        elif "Set-Cookie" in self.headers:
            # The picture is public, the cookie is not.
            self.cache_control.private = True
            self.cache_control.public = False
            self.vary.add("Cookie")
        elif "private" not in said and "cookie" in self.vary:
            if has_request_context() and _is_session_read(request_ctx):
                # After the view, by a hook: neither the picture nor access to it
                # depends on that. Werkzeug removes names in lower case only.
                self.vary.discard("cookie")
            else:
                make_private(self)

    def _is_for_one_browser(self, control: str) -> bool:
        """Whether ``Cache-Control`` lets a browser show a picture to its user only."""
        if control == PERSONAL:  # Not by a hook, which knows nothing of the URL.
            headers = self.headers
            return isinstance(headers, ReadyHeaders) and headers.began_with(control)
        said = {part.strip().lower() for part in control.split(",")}
        return {"private", "no-cache"} <= said and "public" not in said

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """The blocks as they are, where nobody waits for the end."""
        if self._has_callbacks or not isinstance(self.response, tuple):
            return super().get_app_iter(environ)
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response


def make_private(response: Response) -> None:
    """Let only browsers keep *response*, and ask again each time."""
    response.headers["Cache-Control"] = PRIVATE
    response.vary.update(("Cookie", "Authorization"))


def is_for_one(context: RequestContext) -> bool:
    """Return whether the app may know the user of the request by now.

    It does if a session or a cookie was read, or the server or a header names a user.
    """
    request, environ = context.request, context.request.environ
    return (
        _is_session_read(context)
        or getattr(request, "were_cookies_read", False)
        or "HTTP_AUTHORIZATION" in environ
        or bool(environ.get("REMOTE_USER"))
    )


def _is_session_read(context: RequestContext) -> bool:
    # Not by the public attribute, which counts as reading it. A session that does not
    # say counts as read.
    session = getattr(context, "_session", None)
    return getattr(session, "accessed", True)


def response_class(app: Flask) -> type[PictureResponse]:
    """The class for *app*, which may have a response class of its own."""
    return _with(PictureResponse, app.response_class)


def watch_cookies(app: Flask) -> None:
    """Have each request to *app* note whether the app read a cookie."""
    app.request_class = _with(WatchedRequest, app.request_class)


def _with(ours: type[T], apps: type[Any]) -> type[T]:
    """Return *ours*, on top of a class *apps* that the app made."""
    return ours if issubclass(ours, apps) else type(ours.__name__, (ours, apps), {})
