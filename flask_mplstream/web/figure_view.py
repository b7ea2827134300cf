"""One figure route's view: from a request to a response.

Flask side. It reads the URL, gets the picture from
:mod:`flask_mplstream.web.figure_route` and adds the headers.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from http import HTTPStatus
from time import time
from typing import Any, NamedTuple
from uuid import UUID

from flask import (
    Flask,
    Request,
    Response,
    after_this_request,
    current_app,
    request,
)
from flask.ctx import RequestContext
from flask.globals import app_ctx, request_ctx
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..cache.lookup import Served
from ..errors import ArgumentFault, ArgumentsError, SignatureError
from ..formats import (
    ALT_FORMAT,
    ImageFormat,
    Theme,
    Variant,
    find_format,
)
from ..http.cache_status import CacheStatus
from ..http.conditional_requests import answer_to, has_copy
from ..http.headers import (
    Headers,
    Policy,
    Presentation,
    UrlVersion,
    content_range,
    file_stem,
    picture_headers,
    validator_headers,
)
from ..http.problem_details import (
    Problem,
    not_acceptable,
    precondition_failed,
    problem_headers,
    problem_of,
    range_not_satisfiable,
)
from ..http.query_string import explain_unknown, negotiate, parse_query, sibling
from ..http.words import words_headers
from ..parameters.function_signature import Parameters
from ..parameters.reserved import RESERVED, VARIANT_WORDS
from ..signals import figure_served, send_signal
from .error_handlers import call_error_handler, report_app_error
from .error_responses import make_error_body
from .extension_converter import Respelled
from .figure_route import FigureRoute, Picture, Version
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
from .signed_urls import EXPIRED, NOT_SIGNED, Place, UrlSigner

#: Parsed URLs that each route remembers.
REMEMBERED_URLS = 512
#: Characters of a query and ``Accept`` together; longer ones are not remembered.
LONGEST_REMEMBERED = 512
#: Types of path values with a complete ``repr``; URLs with others are not remembered.
_SHOWN_WHOLE = (str, int, float, UUID)


def named_variant(
    route: FigureRoute, options: Mapping[str, Any], word: str = "_format"
) -> Variant:
    """Return the variant of *route* that *options* name.

    :param options: ``_format``, ``_scale``, ``_width`` and ``_theme``; other names
        are ignored.
    :param word: the argument's name for the format, for the error.
    :raises ArgumentsError: if the route does not offer the variant.
    :raises ConfigError: if there is no such format.
    """
    formats = route.options.formats
    name = options.get("_format")
    format = formats[0] if name is None else find_format(name)
    if format not in (*formats, ALT_FORMAT):
        accepted = ", ".join(format.name for format in formats)
        reason = f"{route.endpoint} is not offered in this format."
        hint = f"Add {format.name!r} to its formats."
        fault = ArgumentFault(word, format.name, reason, accepted, hint=hint)
        raise ArgumentsError([fault])
    named = {name: options[name] for name in VARIANT_WORDS if name in options}
    return _variant(route, format, RESERVED.bind(named).values)


def _variant(
    route: FigureRoute, format: ImageFormat, reserved: Mapping[str, Any]
) -> Variant:
    _check_size(route, reserved)
    scale, width_px = reserved["_scale"], reserved["_width"]
    if width_px is not None and scale != 1:
        reason = "A picture has either a width or a scale."
        # Omit the value: it is a step of the ladder, not the given width.
        fault = ArgumentFault("_width", None, reason, "_width or _scale")
        raise ArgumentsError([fault])
    return Variant(format, scale, width_px, reserved["_theme"])


def _check_size(route: FigureRoute, reserved: Mapping[str, Any]) -> None:
    """Reject a scale or a width above the limits of *route*.

    :raises ArgumentsError: with the accepted scales or widths.
    """
    scale, width_px, options = reserved["_scale"], reserved["_width"], route.options
    faults = []
    if scale > options.max_scale:
        accepted = ", ".join(f"{step:g}" for step in options.scales)
        reason = "The picture is not offered at this scale."
        faults.append(ArgumentFault("_scale", f"{scale:g}", reason, accepted))
    if width_px is not None and width_px > options.max_width:
        reason = "The picture is not offered in this width."
        # Omit the value: it is a step of the ladder, not the given width.
        accepted = f"1 to {options.max_width}"
        faults.append(ArgumentFault("_width", None, reason, accepted))
    if faults:
        raise ArgumentsError(faults)


@dataclass(frozen=True, slots=True)
class Asked:
    """The meaning of a URL: a picture, and how to present it."""

    picture: Picture
    presentation: Presentation
    #: The data's version in the URL, or an empty text.
    version: str
    #: Unix time at which a signed URL expires; ``None`` for never.
    expires_at: int | None = None

    @property
    def ends_in_s(self) -> int | None:
        """Seconds until the URL expires; ``None`` for never.

        :raises SignatureError: if it has expired.
        """
        if self.expires_at is None:
            return None
        ends_in_s = math.ceil(self.expires_at - time())
        if ends_in_s <= 0:
            raise SignatureError(EXPIRED)
        return ends_in_s


class _Path:
    """The values from a URL's converters, hashable and compared by ``repr``.

    ``==`` does not separate 0.0 from -0.0, or noon in London from one o'clock in
    Berlin; a list has no hash.
    """

    __slots__ = ("_text", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self._text = repr(values)

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Path) and self._text == other._text


class Shown(NamedTuple):
    """The presentation of a picture under one URL, with its version."""

    presentation: Presentation
    #: Whether the response depends on the user.
    is_private: bool
    version: UrlVersion
    #: Seconds until the URL expires; ``None`` for never.
    ends_in_s: int | None


class FigureView:
    """The view of one figure route.

    :param ignore_unknown: whether unknown arguments in a URL are ignored; without
        effect on a signed route, which rejects them.
    """

    def __init__(self, app: Flask, route: FigureRoute, *, ignore_unknown: bool) -> None:
        self._route = route
        self._signer = UrlSigner(app) if route.options.signed else None
        self._ignore_unknown = ignore_unknown and self._signer is None
        self._asked = lru_cache(REMEMBERED_URLS)(self._read_url)
        self._response = response_class(app)
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
        """Whether a preprocessor or decorator may change the URL's values."""
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
        environ, signer = asked_by.environ, self._signer
        asked = None
        try:
            query = environ.get("QUERY_STRING", "")
            accept = None if _format else environ.get("HTTP_ACCEPT")
            is_odd = len(query) + len(accept or "") > LONGEST_REMEMBERED or (
                path and any(type(v) not in _SHOWN_WHOLE for v in path.values())
            )
            asked = (self._read_url if is_odd else self._asked)(
                query,
                accept,
                _format,
                _Path(path) if path else None,
                signer.place_of(self._route.endpoint, asked_by) if signer else None,
            )
            if asked is None:
                problem = not_acceptable(self._route.options.formats)
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
            found = problem_of(error)
            if found is None:
                return self._fail(asked_by, asked, error)
            return self._refuse(asked_by, found)

    def _redirect(self, request: Request, format: Respelled) -> Response:
        """Redirect to the URL with the canonical name of *format*."""
        query = request.environ.get("QUERY_STRING", "")
        path = f"{request.script_root}{request.path}"
        location = sibling(path, format.written, format, query)
        headers = [
            ("Location", location),
            ("Content-Type", "text/plain"),
            ("Content-Length", "0"),
            ("Cache-Control", "no-cache"),
        ]
        return self._response((), HTTPStatus.PERMANENT_REDIRECT, ReadyHeaders(headers))

    @cached_property
    def _schema(self) -> str:
        """The JSON Schema of the query's arguments."""
        route = self._route
        return format_document(route.parameters.json_schema(route.rule_names))

    def _read_url(
        self,
        query_string: str,
        accept: str | None,
        format_name: str | None,
        path: _Path | None,
        place: Place | None,
    ) -> Asked | None:
        route = self._route
        if format_name:
            format = find_format(format_name)
        elif chosen := negotiate(accept, route.options.formats):
            format = chosen
        else:
            return None
        own: list[tuple[str, str]] = []
        reserved: list[tuple[str, str]] = []
        for pair in parse_query(query_string):
            (reserved if pair[0].startswith("_") else own).append(pair)
        read = partial(Parameters.parse, ignore_unknown=self._ignore_unknown)
        expires_at = None
        try:
            extra = read(RESERVED, reserved)
            arguments = read(route.parameters, own, path.values if path else {})
            variant = _variant(route, format, extra.values)
        except ArgumentsError as error:
            if self._signer:  # Do not reveal which arguments exist.
                raise SignatureError(NOT_SIGNED) from None
            faults = list(map(explain_unknown, error.faults))
            raise ArgumentsError(faults) from None
        if self._signer:
            assert place is not None
            expires_at = self._signer.check(place, arguments, extra)
        picture = route.picture(arguments, variant)
        presentation = Presentation(
            stem=_file_stem(route.name, picture),
            is_negotiated=format_name is None,
            is_download=extra.values["_download"],
        )
        return Asked(picture, presentation, extra.values["_v"], expires_at)

    def _answer(
        self, context: RequestContext, asked: Asked, path: Mapping[str, Any]
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
        return self._respond(request, pictures.get(wanted), shown)

    def _is_in_url(self, context: RequestContext, path: Mapping[str, Any]) -> bool:
        """Return whether all values of *path* come from the URL.

        A preprocessor or a decorator may have inserted a value of the user.
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
        """Return a 304 for a picture that may be missing from the store."""
        policy = self._policies[shown.is_private]
        headers = validator_headers(etag, policy, shown.presentation)
        status = CacheStatus(policy.max_age)
        headers += policy.age_headers(
            0, status, shown.version, url_ends_in_s=shown.ends_in_s
        )
        return self._picture_response((), 304, headers, shown, status)

    def _picture_response(
        self,
        blocks: tuple[bytes, ...],
        status: int,
        headers: Headers,
        shown: Shown,
        cache_status: CacheStatus,
    ) -> Response:
        response = self._response.ready(
            blocks, status, ReadyHeaders(headers), cache_status
        )
        if shown.is_private:
            response.is_private = True
        elif self._is_decorated:
            after_this_request(_look_again)
        return response

    def _respond(self, request: Request, served: Served, shown: Shown) -> Response:
        entry, body = served.entry, served.entry.image.body
        outcome = answer_to(
            request.environ,
            etag=entry.etag,
            stored_at=None if shown.is_private else entry.stored_at,
            length=len(body),
        )
        match status := outcome.status:
            case 412:
                return self._refuse(request, precondition_failed(entry.etag))
            case 416:
                unsatisfied = content_range(None, len(body))
                problem = range_not_satisfiable(len(body))
                return self._refuse(request, problem, [unsatisfied])
        headers = self._headers(served, shown, status)
        match status:
            case 304:
                return self._picture_response((), 304, headers, shown, served.status)
            case 206:
                part = body[outcome.start : outcome.stop]
                headers = [
                    *headers,
                    content_range(outcome, len(body)),
                    ("Content-Length", str(len(part))),
                ]
                return self._picture_response(
                    (part,), 206, headers, shown, served.status
                )
        if "HTTP_MPLSTREAM_WORDS" in request.environ:
            words = words_headers(request.environ, entry.image.alt)
            headers = [*headers, *words]
        return self._picture_response((body,), 200, headers, shown, served.status)

    def _headers(self, served: Served, shown: Shown, status: int) -> Headers:
        """Return the headers of a picture; those of a hit are reused for a second."""
        if served.status.fwd is not None or shown.ends_in_s is not None:
            return self._new_headers(served, shown, status)
        make = partial(self._new_headers, served, shown, status)
        return served.entry.headers.get((shown, status), served.age_s, make)

    def _new_headers(self, served: Served, shown: Shown, status: int) -> Headers:
        image, presentation = served.entry.image, shown.presentation
        policy = self._policies[shown.is_private]
        # The times of an earlier render are for developers only.
        shows_timings = served.status.fwd is not None or current_app.debug
        headers = validator_headers(served.entry.etag, policy, presentation)
        headers += policy.age_headers(
            served.age_s,
            served.status,
            shown.version,
            timings_s=image.timings_s if shows_timings else (),
            url_ends_in_s=shown.ends_in_s,
        )
        if status != 304:
            headers += picture_headers(
                image, served.entry.stored_at, policy, presentation
            )
        if status == 200:
            headers.append(("Content-Length", str(len(image.body))))
        return headers

    def _refuse(
        self,
        request: Request,
        problem: Problem,
        headers: Sequence[tuple[str, str]] = (),
    ) -> Response:
        """Return an error response, with a picture if the page requests an image."""
        body, mimetype = make_error_body(request, problem, self._route)
        own = problem_headers(problem, mimetype)
        return self._response(body, problem.status, [*own, *headers])

    def _send_signal(self, response: Response) -> Response:
        """Send ``figure_served`` for *response*, even one from an error handler."""
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
        self, request: Request, asked: Asked | None, error: Exception
    ) -> ResponseReturnValue:
        """Return the response for the app's own *error*.

        Call it in the ``except`` block of *error*.
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


def _file_stem(name: str, picture: Picture) -> str:
    words = [name]
    for argument, text in picture.arguments.query.items():
        words += [argument, *([text] if isinstance(text, str) else text)]
    variant = picture.variant
    words += [f"{variant.scale:g}x"] if variant.scale != 1 else []
    words += [f"{variant.width_px}w"] if variant.width_px else []
    words += ["dark"] if variant.theme is Theme.DARK else []
    return file_stem(*words)


def _look_again(response: Response) -> Response:
    """Make *response* private if a decorator used the session after the view."""
    if isinstance(response, PictureResponse) and is_for_one(request_ctx):
        response.is_private = True  # The app's hooks run later.
        make_private(response)
    return response


def _collect_figure(response: Response) -> Response:
    """Free the figure of a failed render, which only the garbage collector can do.

    The error referred to the figure until now, so it has left generation 0. Without
    this, an idle process would keep its data.
    """
    gc.collect(1)
    return response


def _forbid_storing(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
