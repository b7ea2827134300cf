"""The response class for private and public pictures.

Flask side. The headers are final when the response is created, so Werkzeug doesn't have
to check them or correct locations and lengths. This saves more than half the time that
a plain ``Response`` takes (benchmarks/hit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, Response, has_request_context
from flask.globals import request_ctx
from werkzeug.datastructures import Headers, ImmutableMultiDict
from werkzeug.http import HTTP_STATUS_CODES

from ..http.cache_control import PERSONAL, PRIVATE
from ..http.cache_status import CacheStatus

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from flask.ctx import RequestContext

T = TypeVar("T")

_Items = list[tuple[str, str]]
_Wsgi = tuple[Iterable[bytes], str, _Items]


class WatchedRequest(Request):
    """A request that records whether the app read a cookie."""

    were_cookies_read = False

    @property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies of the request."""
        # Ignore Flask's own read: it opens the session before it matches the rule.
        if self.url_rule is not None:
            self.were_cookies_read = True
        return super().cookies


class ReadyHeaders(Headers):
    """Headers from a list of valid pairs that aren't checked again."""

    def __init__(self, items: _Items) -> None:
        # The attribute of Headers; tests/web/test_serving.py checks that.
        self._list = items.copy()
        self._items = items

    def to_wsgi_list(self) -> _Items:
        """Return the pairs for the WSGI server."""
        return self._list

    @property
    def are_untouched(self) -> bool:
        """Whether the headers haven't been changed by a hook or the session."""
        return self._list == self._items

    def began_with(self, control: str) -> bool:
        """Return whether ``Cache-Control`` was *control* originally."""
        return ("Cache-Control", control) in self._items


#: Status lines of a picture's responses, by code.
_STATUSES = {
    code: f"{code} {HTTP_STATUS_CODES[code].upper()}"  # As Werkzeug writes them.
    for code in (200, 206, 304)
}


class PictureResponse(Response):
    """A response that consists of one block of bytes and all its headers."""

    # A 304 has no body and therefore no type.
    default_mimetype = None
    #: Whether its content or the access to it depends on the user.
    is_private = False
    #: The value of ``Cache-Status``; ``None`` if it sends no picture.
    cache_status: CacheStatus | None = None
    _has_callbacks = False

    @classmethod
    def ready(
        cls,
        blocks: tuple[bytes, ...],
        status: int,
        headers: ReadyHeaders,
        cache_status: CacheStatus | None = None,
    ) -> PictureResponse:
        """Return a response without checking the arguments like Werkzeug."""
        if cls.__init__ is not Response.__init__:  # The app's class has an __init__.
            response = cls(blocks, status, headers)
        else:
            response = cls.__new__(cls)
            # The attributes of Response; tests/web/test_serving.py checks that.
            response.direct_passthrough, response._on_close = False, []
            response.headers, response.response = headers, blocks
            response._status, response._status_code = _STATUSES[status], status
        if cache_status is not None:
            response.cache_status = cache_status
        return response

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call *func* after the response is sent."""
        self._has_callbacks = True
        return super().call_on_close(func)

    def get_wsgi_response(self, environ: WSGIEnvironment) -> _Wsgi:
        """Return the body, status and headers for the WSGI server.

        Flask sets the session cookie after all ``after_request`` functions, so the
        headers aren't complete until now.
        """
        headers = self.headers
        if not (isinstance(headers, ReadyHeaders) and headers.are_untouched):
            self._keep_from_others()
        return self.get_app_iter(environ), self.status, headers.to_wsgi_list()

    def _keep_from_others(self) -> None:
        """Correct ``Cache-Control`` and ``Vary`` after the hooks and the session."""
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
                # A hook read it after the view, so neither the picture nor the access
                # to it depends on the session. Werkzeug removes only lowercase names.
                self.vary.discard("cookie")
            else:
                make_private(self)

    def _is_for_one_browser(self, control: str) -> bool:
        """Return whether *control* prevents other users from getting the picture."""
        if control == PERSONAL:  # Not from a hook: it cannot know the URL is personal.
            headers = self.headers
            return isinstance(headers, ReadyHeaders) and headers.began_with(control)
        said = {part.strip().lower() for part in control.split(",")}
        return {"private", "no-cache"} <= said and "public" not in said

    def get_app_iter(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Return the blocks as they are, unless a callback has to run at the end."""
        if self._has_callbacks or not isinstance(self.response, tuple):
            return super().get_app_iter(environ)
        return () if environ["REQUEST_METHOD"] == "HEAD" else self.response


def make_private(response: Response) -> None:
    """Only let browsers store *response*, and let them revalidate it each time."""
    response.headers["Cache-Control"] = PRIVATE
    response.vary.update(("Cookie", "Authorization"))


def is_for_one(context: RequestContext) -> bool:
    """Return whether the app may have identified the user of the request.

    This is the case if the app read the session or a cookie, or if the request contains
    ``Authorization`` or ``REMOTE_USER``.
    """
    request, environ = context.request, context.request.environ
    return (
        _is_session_read(context)
        or getattr(request, "were_cookies_read", False)
        or "HTTP_AUTHORIZATION" in environ
        or bool(environ.get("REMOTE_USER"))
    )


def _is_session_read(context: RequestContext) -> bool:
    # The public attribute would mark the session as read. A session without
    # ``accessed`` counts as read.
    session = getattr(context, "_session", None)
    return getattr(session, "accessed", True)


def response_class(app: Flask) -> type[PictureResponse]:
    """Return the response class for pictures, based on the one that *app* uses."""
    return _with(PictureResponse, app.response_class)


def watch_cookies(app: Flask) -> None:
    """Record whether *app* reads a cookie during each request."""
    app.request_class = _with(WatchedRequest, app.request_class)


def _with(ours: type[T], apps: type[Any]) -> type[T]:
    """Return *ours*, or a subclass of both if *apps* isn't a base class of *ours*."""
    return ours if issubclass(ours, apps) else type(ours.__name__, (ours, apps), {})
