"""The view of a figure route, which turns a request into a response.

Flask side. It reads the URL, gets the picture from
:mod:`flask_mplstream.web.figure_route` and adds the headers.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, NamedTuple

from flask import Flask, Request, Response, after_this_request, current_app, request
from flask.ctx import RequestContext
from flask.globals import app_ctx, request_ctx
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..cache.lookup import Served, Wanted
from ..forks import cached_property
from ..http.cache_control import Policy, UrlVersion
from ..http.cache_status import CacheStatus
from ..http.conditional_requests import evaluate_request, has_copy
from ..http.headers import (
    Headers,
    Presentation,
    format_content_range,
    make_age_headers,
    make_picture_headers,
    make_validator_headers,
)
from ..http.problem_details import (
    Problem,
    find_problem,
    make_not_acceptable,
    make_precondition_failed,
    make_problem_headers,
    make_range_not_satisfiable,
)
from ..http.query_string import make_sibling_url
from ..http.words import make_words_headers
from ..signals import figure_served, send_signal
from .error_handlers import call_error_handler, report_app_error
from .error_responses import make_error_body
from .extension_converter import Respelled
from .figure_route import FigureRoute, Version
from .json_documents import (
    SCHEMA_NAME,
    SCHEMA_TYPE,
    format_document,
    make_document_response,
)
from .private_responses import (
    PictureResponse,
    ReadyHeaders,
    is_for_one,
    make_private,
    response_class,
)
from .request_reading import PictureRequest, RequestReader


class Shown(NamedTuple):
    """How to present a picture at a URL, and the version in it."""

    presentation: Presentation
    #: Whether the response depends on the user.
    is_private: bool
    version: UrlVersion
    #: Seconds until the URL expires; ``None`` for never.
    ends_in_s: int | None


class FigureView:
    """The view of one figure route.

    :param ignore_unknown: whether to ignore unknown arguments in a URL. This has no
        effect on a signed route, which always rejects them.
    """

    def __init__(self, app: Flask, route: FigureRoute, *, ignore_unknown: bool) -> None:
        self._route = route
        self._reader = RequestReader(app, route, ignore_unknown=ignore_unknown)
        self._response_class = response_class(app)
        self._app = app
        self._is_decorated = bool(route.options.decorators)

    @cached_property
    def _policies(self) -> Mapping[bool, Policy]:
        """The policies for public and for private responses."""
        options = self._route.options
        public = Policy(
            options.max_age,
            resource_policy=options.resource_policy or "same-origin",
            stale_while_revalidate=options.stale_while_revalidate,
            stale_if_error=options.stale_if_error,
        )
        return {False: public, True: replace(public, is_private=True)}

    @cached_property
    def _is_private(self) -> bool:
        # Final at the first request, so it can be cached.
        return self._route.is_private

    @cached_property
    def _may_get_values(self) -> bool:
        """Whether a preprocessor or a decorator may change the values in the URL."""
        names = (None, *request.blueprints)
        preprocessors = self._app.url_value_preprocessors
        return self._is_decorated or any(preprocessors.get(name) for name in names)

    def view(self, _format: str | None = None, **path: Any) -> ResponseReturnValue:
        """Answer the current request."""
        if figure_served.receivers:
            after_this_request(self._send_signal)
        context: RequestContext = request_ctx._get_current_object()  # type: ignore[attr-defined]  # The proxy has it.
        asked_by = context.request
        if isinstance(_format, Respelled):
            return self._redirect(asked_by, _format)
        if _format == SCHEMA_NAME:
            return make_document_response(asked_by, self._schema, SCHEMA_TYPE)
        asked = None
        try:
            asked = self._reader.read(asked_by, _format, path)
            if asked is None:
                problem = make_not_acceptable(self._route.options.formats)
                return self._refuse(asked_by, problem, [("Vary", "Accept")])
            return self._answer(context, asked, path)
        except HTTPException as error:
            after_this_request(_forbid_storing)  # From abort() in the user's code.
            if error.response is None:
                raise
            # Followers share the response. Copy it, as a session may add a cookie.
            sent = error.get_response()
            return Response(sent.get_data(), sent.status, [*sent.headers])
        except Exception as error:
            found = find_problem(error)
            if found is None:
                return self._fail(asked_by, asked, error)
            return self._refuse(asked_by, found)

    def _redirect(self, request: Request, format: Respelled) -> Response:
        """Redirect to the URL that has the canonical name of *format*."""
        query = request.environ.get("QUERY_STRING", "")
        path = f"{request.script_root}{request.path}"
        location = make_sibling_url(path, format.written, format, query)
        headers = [
            ("Location", location),
            ("Content-Type", "text/plain"),
            ("Content-Length", "0"),
            ("Cache-Control", "no-cache"),
        ]
        return self._response_class(
            (), HTTPStatus.PERMANENT_REDIRECT, ReadyHeaders(headers)
        )

    @cached_property
    def _schema(self) -> str:
        """The JSON Schema of the query's arguments."""
        route = self._route
        return format_document(route.parameters.json_schema(route.rule_names))

    def _answer(
        self, context: RequestContext, asked: PictureRequest, path: Mapping[str, Any]
    ) -> Response:
        request, ends_in_s = context.request, asked.ends_in_s
        wanted, version = self._route.wanted(asked.picture)
        is_private = (
            self._is_private
            or is_for_one(context)
            or bool(path and not self._is_in_url(context, path))
        )
        url_version = UrlVersion.ABSENT
        if asked.version and version is not None:
            url_version = self._compare(asked.version, version, is_private)
        shown = Shown(asked.presentation, is_private, url_version, ends_in_s)
        pictures = self._route.pictures()
        if wanted.etag is not None and "HTTP_IF_NONE_MATCH" in request.environ:
            # The version determines the ETag, so a 304 needs no lookup and no render.
            etag = wanted.etag(pictures.store.generation(wanted.names))
            if has_copy(request.environ, etag):
                return self._send_304(etag, shown)
        return self._respond(request, self._get(request, wanted, shown), shown)

    def _get(self, request: Request, wanted: Wanted, shown: Shown) -> Served:
        """Return the picture, with its words if the response has them."""
        pictures, environ = self._route.pictures(), request.environ
        if not shown.presentation.has_words:
            return pictures.get(wanted)
        if "HTTP_IF_NONE_MATCH" in environ:
            # A 304 has no words, so do not render for them.
            fresh = pictures.find_fresh(wanted)
            if fresh and has_copy(environ, fresh.entry.etag):
                return fresh
        return pictures.get(replace(wanted, needs_words=True))

    def _is_in_url(self, context: RequestContext, path: Mapping[str, Any]) -> bool:
        """Return whether all values in *path* come from the URL.

        A preprocessor or a decorator may have added a value that depends on the user.
        """
        if not path.keys() <= self._route.rule_names:
            return False
        if not self._may_get_values:
            return True
        assert context.url_adapter is not None
        _, said = context.url_adapter.match()
        return path.items() <= said.items()

    def _compare(self, named: str, version: Version, is_private: bool) -> UrlVersion:
        """Compare the version in the URL with the current one."""
        if is_private and not self._route.has_urls_of_users:
            return UrlVersion.ABSENT
        is_current = named == self._route.url_version(version)
        return UrlVersion.CURRENT if is_current else UrlVersion.OUTDATED

    def _send_304(self, etag: str, shown: Shown) -> Response:
        """Return a 304 for a picture that may not be in the store."""
        policy = self._policies[shown.is_private]
        headers = make_validator_headers(etag, policy, shown.presentation)
        status = CacheStatus(policy.max_age)
        headers += make_age_headers(
            policy, 0, status, shown.version, url_ends_in_s=shown.ends_in_s
        )
        return self._make_response((), 304, headers, shown, status)

    def _make_response(
        self,
        blocks: tuple[bytes, ...],
        status: int,
        headers: Headers,
        shown: Shown,
        cache_status: CacheStatus,
    ) -> Response:
        response = self._response_class.ready(
            blocks, status, ReadyHeaders(headers), cache_status
        )
        if shown.is_private:
            response.is_private = True
        elif self._is_decorated:
            after_this_request(_check_privacy_again)
        return response

    def _respond(self, request: Request, served: Served, shown: Shown) -> Response:
        entry, body = served.entry, served.entry.image.body
        blocks: tuple[bytes, ...]
        outcome = evaluate_request(
            request.environ,
            etag=entry.etag,
            stored_at=None if shown.is_private else entry.stored_at,
            length=len(body),
        )
        match status := outcome.status:
            case 412:
                return self._refuse(request, make_precondition_failed(entry.etag))
            case 416:
                unsatisfied = format_content_range(None, len(body))
                problem = make_range_not_satisfiable(len(body))
                return self._refuse(request, problem, [unsatisfied])
        blocks, headers = (body,), self._find_headers(served, shown, status)
        if status == 304:
            blocks = ()
        elif status == 206:
            blocks = (body[outcome.start : outcome.stop],)
            length = ("Content-Length", str(len(blocks[0])))
            headers = [*headers, format_content_range(outcome, len(body)), length]
        return self._make_response(blocks, status, headers, shown, served.status)

    def _find_headers(self, served: Served, shown: Shown, status: int) -> Headers:
        """Return the headers of a picture, which are reused for a second for a hit."""
        if served.status.fwd is not None or shown.ends_in_s is not None:
            return self._make_headers(served, shown, status)
        recent, key = served.entry.headers, (shown, status)
        headers = recent.find(key, served.age_s)
        if headers is None:
            headers = self._make_headers(served, shown, status)
            recent.keep(key, served.age_s, headers)
        return headers

    def _make_headers(self, served: Served, shown: Shown, status: int) -> Headers:
        image, presentation = served.entry.image, shown.presentation
        policy = self._policies[shown.is_private]
        # The times of an earlier render are for developers only.
        has_timings = served.status.fwd is not None or current_app.debug
        headers = make_validator_headers(served.entry.etag, policy, presentation)
        headers += make_age_headers(
            policy,
            served.age_s,
            served.status,
            shown.version,
            timings_s=image.timings_s if has_timings else (),
            url_ends_in_s=shown.ends_in_s,
        )
        if status != 304:
            headers += make_picture_headers(
                image, served.entry.stored_at, policy, presentation
            )
        if status == 200:
            headers.append(("Content-Length", str(len(image.body))))
            # Without words, a stored picture stands in for a failed render.
            if presentation.has_words and image.words is not None:
                headers += make_words_headers(image.alt)
        return headers

    def _refuse(
        self,
        request: Request,
        problem: Problem,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        """Return an error response, with a picture if the page requests an image."""
        body, mimetype = make_error_body(request, problem, self._route)
        own = make_problem_headers(problem, mimetype)
        return self._response_class(body, problem.status, [*own, *headers])

    def _send_signal(self, response: Response) -> Response:
        """Send ``figure_served`` for *response*, which may be an error."""
        sent = None if request.method == "HEAD" else response.content_length
        status = getattr(response, "cache_status", None)  # Not in an app's own class.
        send_signal(
            figure_served,
            self._app,
            figure=self._route.endpoint,
            status=response.status_code,
            cache=status and status.word,
            body_bytes=sent or 0,
        )
        return response

    def _fail(
        self, request: Request, asked: PictureRequest | None, error: Exception
    ) -> ResponseReturnValue:
        """Return the response for an *error* of the app itself.

        Call it inside the ``except`` block that caught *error*.
        """
        app = app_ctx.app
        after_this_request(_forbid_storing)
        after_this_request(_collect_figure)
        answer = call_error_handler(app, request, error)
        if answer is not None:
            return answer
        given = asked.picture.arguments.values if asked else {}
        problem = report_app_error(app, error, self._route.endpoint, given)
        return self._refuse(request, problem)


def _check_privacy_again(response: Response) -> Response:
    """Make *response* private if a decorator used the session after the view."""
    if isinstance(response, PictureResponse) and is_for_one(request_ctx):
        response.is_private = True  # The app's hooks run later.
        make_private(response)
    return response


def _collect_figure(response: Response) -> Response:
    """Free the figure of a failed render with the garbage collector.

    The error referred to the figure until now, so the figure is no longer in generation
    0. Without this, an idle process would not free its data.
    """
    gc.collect(1)
    return response


def _forbid_storing(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
