"""One figure route on one app: request -> key -> cache -> render -> response.

Flask side. A :class:`FigureRoute` is made when a blueprint is registered, with
its options resolved; it is read-only from then on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from http import HTTPStatus
from time import perf_counter
from time import time as clock
from typing import Annotated, Any

from flask import Flask, Request, Response, after_this_request, request
from pydantic import AfterValidator, Field
from werkzeug.exceptions import abort
from werkzeug.wrappers import Response as BaseResponse

from . import http
from .cache.key import digest, fingerprint
from .cache.lookup import Served, look_up
from .cache.store import Store
from .errors import MplStreamError
from .image import SCALES, RenderedImage, Variant, image_format
from .parameters import Arguments, Parameters
from .render import render_variant
from .render.message import message_image
from .responses import ReadyHeaders, response_class
from .settings import RouteOptions
from .workers.inline import run_without_request

#: Exact URLs whose parsing is remembered, for each route.
REMEMBERED_URLS = 512
#: What every key of ours begins with in a store that is shared with others.
KEY_PREFIX = "mplstream:"


def _known_scale(scale: float) -> float:
    if scale not in SCALES:
        raise ValueError("there is no such scale")
    return scale


def _reserved(
    _scale: Annotated[
        float, AfterValidator(_known_scale), Field(json_schema_extra={"enum": SCALES})
    ] = 1.0,
    _download: bool = False,
) -> None:
    """The arguments that every figure route takes besides the figure function's."""


RESERVED = Parameters(_reserved, are_reserved=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """Which picture: what a URL, or a call in a template, says of it."""

    arguments: Arguments
    variant: Variant
    #: Key from all that is known before ``version`` and ``inject`` are called.
    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What a URL asks for: a picture, and how to show it."""

    picture: Picture
    presentation: http.Presentation


class FigureRoute:
    """A figure function with its options, under one endpoint of one app.

    :param function: the figure function.
    :param parameters: its signature, read.
    :param options: the options, resolved.
    :param store: gives the app's store, found at first use.
    :param ignore_unknown: whether unknown arguments in a URL are dropped.
    """

    def __init__(
        self,
        app: Flask,
        endpoint: str,
        function: Callable[..., object],
        parameters: Parameters,
        options: RouteOptions,
        store: Callable[[], Store],
        *,
        ignore_unknown: bool,
    ) -> None:
        self.endpoint = endpoint
        self.function = function
        self.parameters = parameters
        self.options = options
        self.policy = http.Policy(
            options.max_age, options.is_private, options.resource_policy
        )
        #: Names that stand in the URL's path, set once the rules are known.
        self.path_names: tuple[str, ...] = ()
        self._app = app
        self._store = store
        self._ignore_unknown = ignore_unknown
        self._source = f"{function.__module__}.{function.__qualname__}"
        self._figure = app.ensure_sync(function)
        self._load = options.load and self._with_its_own(options.load)
        self._version = options.version and self._with_its_own(options.version)
        self._inject = {
            name: app.ensure_sync(call) for name, call in options.inject.items()
        }
        # What changes the picture without being asked for in the URL.
        self._identity = repr(
            (self._source, endpoint, sorted(options.savefig.items()), options.style)
        )
        self._asked = lru_cache(REMEMBERED_URLS)(self._read_url)
        self._response = response_class(app)

    def _with_its_own(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """*call* with those of the figure function's arguments that it takes."""
        run = self._app.ensure_sync(call)
        names = taken_by(call, self.parameters.names)
        return lambda **values: run(**{name: values[name] for name in names})

    # --- Serving ----------------------------------------------------------

    def view(self, _format: str | None = None, **path: Any) -> Response:
        """Answer the current request."""
        asked_by: Request = request._get_current_object()  # type: ignore[attr-defined]
        environ = asked_by.environ
        try:
            asked = self._asked(
                environ.get("QUERY_STRING", ""),
                None if _format else environ.get("HTTP_ACCEPT"),
                _format,
                tuple(path.items()),
            )
            if asked is None:
                problem = http.not_acceptable(self.options.formats)
                return self._refuse(asked_by, problem, [("Vary", "Accept")])
            served = self.fetch(asked.picture)
        except MplStreamError as error:
            found = http.problem_of(error)
            if found is None:
                raise
            return self._refuse(asked_by, found)
        except Exception:
            # An error, an abort() or a Response of the user's own: Flask's to
            # handle, and nobody's to keep.
            after_this_request(_forbid_storing)
            raise
        return self._respond(asked_by, asked, served)

    def _read_url(
        self,
        query_string: str,
        accept: str | None,
        format_name: str | None,
        path: tuple[tuple[str, Any], ...],
    ) -> Asked | None:
        if format_name:
            format = image_format(format_name)
        elif chosen := http.negotiate(accept, self.options.formats):
            format = chosen
        else:
            return None
        own: list[tuple[str, str]] = []
        reserved: list[tuple[str, str]] = []
        for pair in http.parse_query(query_string):
            (reserved if pair[0].startswith("_") else own).append(pair)
        read = partial(Parameters.parse, ignore_unknown=self._ignore_unknown)
        extra = read(RESERVED, reserved).values
        arguments = read(self.parameters, own, dict(path))
        picture = self.picture(arguments, Variant(format, extra["_scale"]))
        presentation = http.Presentation(
            stem=self._file_stem(picture),
            is_negotiated=format_name is None,
            is_download=extra["_download"],
        )
        return Asked(picture, presentation)

    def _file_stem(self, picture: Picture) -> str:
        words = [self.function.__name__]
        for name, text in picture.arguments.query.items():
            words += [name, *([text] if isinstance(text, str) else text)]
        words += [f"{picture.variant.scale:g}x"] if picture.variant.scale != 1 else []
        return http.file_stem(*words)

    def _respond(self, request: Request, asked: Asked, served: Served) -> Response:
        entry, body = served.entry, served.entry.image.body
        outcome = http.OK
        if http.is_conditional(request.environ):
            outcome = http.evaluate(
                http.Conditions.from_environ(request.environ),
                etag=entry.etag,
                last_modified=http.utc(entry.stored_at),
                length=len(body),
            )
        match outcome.status:
            case HTTPStatus.PRECONDITION_FAILED:
                return self._refuse(request, http.precondition_failed(entry.etag))
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                unsatisfied = http.content_range(None, len(body))
                problem = http.range_not_satisfiable(len(body))
                return self._refuse(request, problem, [unsatisfied])
        headers = self._headers(served, asked.presentation, outcome.status)
        match outcome.status:
            case HTTPStatus.NOT_MODIFIED:
                return self._response((), 304, ReadyHeaders(headers))
            case HTTPStatus.PARTIAL_CONTENT:
                part = body[outcome.start : outcome.stop]
                headers = [
                    *headers,
                    http.content_range(outcome, len(body)),
                    ("Content-Length", str(len(part))),
                ]
                return self._response((part,), 206, ReadyHeaders(headers))
        return self._response((body,), 200, ReadyHeaders(headers))

    def _headers(
        self, served: Served, presentation: http.Presentation, status: HTTPStatus
    ) -> http.Headers:
        """The headers of a picture, which for a hit change once in a second."""
        ready = served.entry.ready
        if served.fwd is None:
            age_s, headers = ready.get((presentation, status), (None, []))
            if age_s == served.age_s:
                return headers  # type: ignore[no-any-return]
        headers = self._new_headers(served, presentation, status)
        if served.fwd is None:
            ready[presentation, status] = served.age_s, headers
        return headers

    def _new_headers(
        self, served: Served, presentation: http.Presentation, status: HTTPStatus
    ) -> http.Headers:
        image = served.entry.image
        headers = http.validator_headers(served.entry.etag, self.policy, presentation)
        headers += http.age_headers(
            self.policy,
            served.age_s,
            fwd=served.fwd,
            is_stored=served.is_stored,
            timings_s=image.timings_s,
        )
        if status is not HTTPStatus.NOT_MODIFIED:
            last_modified = http.utc(served.entry.stored_at)
            headers += http.picture_headers(
                image, last_modified, self.policy, presentation
            )
        if status is HTTPStatus.OK:
            headers.append(("Content-Length", str(len(image.body))))
        return headers

    def _refuse(
        self,
        request: Request,
        problem: http.Problem,
        headers: http.Headers = [],  # noqa: B006
    ) -> Response:
        """Say what is wrong, as a picture where the page wants an image."""
        if request.headers.get("Sec-Fetch-Dest") == "image":
            body = message_image(problem.title, problem.detail)
            mimetype = "image/png"
        else:
            body, mimetype = problem.body(request.path), http.PROBLEM_TYPE
        return self._response(
            body, problem.status, [*http.problem_headers(mimetype), *headers]
        )

    # --- Pictures ---------------------------------------------------------

    def picture(self, arguments: Arguments, variant: Variant) -> Picture:
        """The picture of *arguments* in *variant*."""
        shown = f"{variant.format.name} {variant.scale}"
        return Picture(
            arguments, variant, digest(self._identity, arguments.canonical, shown)
        )

    def fetch(self, picture: Picture) -> Served:
        """The picture, from the store or from a render.

        :raises MplStreamError: where it cannot be made.
        """
        injected = {name: call() for name, call in self._inject.items()}
        return look_up(
            self._store(),
            self._key(picture, injected),
            lambda: self._render(picture, injected),
            max_age_s=self.options.max_age,
            clock=clock,
        )

    def size_px(self, picture: Picture) -> tuple[int, int] | None:
        """Width and height of *picture* where it has been rendered, else ``None``."""
        injected = {name: call() for name, call in self._inject.items()}
        entry = self._store().get(self._key(picture, injected))
        if entry is None:
            return None
        return entry.image.width_px, entry.image.height_px

    def _key(self, picture: Picture, injected: Mapping[str, object]) -> str:
        if self._version is None and not injected:
            return KEY_PREFIX + picture.key
        texts = [
            f"{name}={fingerprint(value, f'inject[{name!r}] of {self._source}')}"
            for name, value in injected.items()
        ]
        if self._version is not None:
            version = self._version(**picture.arguments.copy(), **injected)
            texts.append(fingerprint(version, f"version of {self._source}"))
        return KEY_PREFIX + digest(picture.key, *texts)

    def _render(
        self, picture: Picture, injected: Mapping[str, object]
    ) -> RenderedImage:
        return run_without_request(
            self._app,
            lambda: self._load_and_draw(
                {**picture.arguments.copy(), **injected}, picture.variant
            ),
        )

    def _load_and_draw(self, values: dict[str, Any], variant: Variant) -> RenderedImage:
        options = self.options
        # Outside the gate: a slow query holds nobody up.
        began = perf_counter()
        loaded = [self._load(**values)] if self._load else []
        load = [("load", perf_counter() - began)] if self._load else []
        image = render_variant(
            lambda: self._built(*loaded, **values),
            variant,
            source=self._source,
            savefig=options.savefig,
            style=options.style,
            max_pixels=options.max_pixels,
            max_bytes=options.max_bytes,
        )
        return replace(image, timings_s=(*load, *image.timings_s))

    def _built(self, *loaded: object, **values: object) -> object:
        returned = self._figure(*loaded, **values)
        if isinstance(returned, BaseResponse):
            abort(returned)  # The user's own answer: sent as it is, and not kept.
        return returned


def taken_by(call: Callable[..., Any], names: Iterable[str]) -> tuple[str, ...]:
    """Those of *names* that *call* takes: a loader need not name all of them.

    :raises ValueError: for a builtin without a signature.
    """
    parameters = inspect.signature(call).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return tuple(names)
    return tuple(name for name in names if name in parameters)


def _forbid_storing(response: Response) -> Response:
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
