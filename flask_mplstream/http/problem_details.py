"""Errors as RFC 9457 has them, and the one table from an error to its status."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from ..errors import (
    ArgumentsError,
    BudgetError,
    MplStreamError,
    OverloadedError,
    RenderTimeoutError,
    SignatureError,
    SlowRenderError,
)
from ..formats import ImageFormat
from .headers import POLICY_PIXELS, Headers


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as RFC 9457 has it."""

    status: HTTPStatus
    detail: str
    #: Further members, such as ``errors``.
    members: Mapping[str, Any] = field(default_factory=dict)
    #: Seconds after which it may be tried again (RFC 9110 section 10.2.3).
    retry_after_s: int | None = None

    @property
    def title(self) -> str:
        """The status in words."""
        return self.status.phrase

    def body(self, instance: str) -> bytes:
        """The JSON document; *instance* is the URL's path."""
        document = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status.value,
            "detail": self.detail,
            "instance": instance,
            **self.members,
        }
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


#: The one table from an error of ours to a status; most specific first.
STATUS_OF: Mapping[type[MplStreamError], HTTPStatus] = {
    ArgumentsError: HTTPStatus.BAD_REQUEST,
    SignatureError: HTTPStatus.FORBIDDEN,
    SlowRenderError: HTTPStatus.GATEWAY_TIMEOUT,
    RenderTimeoutError: HTTPStatus.SERVICE_UNAVAILABLE,
    BudgetError: HTTPStatus.TOO_MANY_REQUESTS,
    OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem_of(error: Exception) -> Problem | None:
    """The problem that *error* is for a client; ``None`` where it is the app's own."""
    status = next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), None)
    if status is None:
        return None
    faults = error.faults if isinstance(error, ArgumentsError) else ()
    members = [
        {
            "name": fault.name,
            "value": fault.value,
            "reason": fault.reason,
            "accepted": fault.accepted,
            **({"nearest": fault.nearest} if fault.nearest else {}),
            **({"hint": fault.hint} if fault.hint else {}),
        }
        for fault in faults
    ]
    retry_after_s = RETRY_AFTER_S if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    if isinstance(error, BudgetError):
        retry_after_s = error.retry_after_s
    return Problem(
        status, str(error), {"errors": members} if members else {}, retry_after_s
    )


#: Seconds after which a picture that was not ready may be asked for again.
RETRY_AFTER_S = 1


def fault(detail: str = "The picture cannot be drawn.") -> Problem:
    """The problem that something is wrong with the app.

    :param detail: what, where the client may know.
    """
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def not_acceptable(formats: Sequence[ImageFormat]) -> Problem:
    """The problem that no format on offer is acceptable (section 15.5.7)."""
    mimetypes = [format.mimetype for format in formats]
    return Problem(
        HTTPStatus.NOT_ACCEPTABLE,
        f"The Accept header allows none of: {', '.join(mimetypes)}.",
        {"available": mimetypes},
    )


def precondition_failed(etag: str) -> Problem:
    """The problem that the picture is not the one asked for (section 15.5.13)."""
    return Problem(
        HTTPStatus.PRECONDITION_FAILED,
        f"The picture is another one than asked for: its ETag is {etag}.",
    )


def range_not_satisfiable(length: int) -> Problem:
    """The problem that a range begins behind the end (section 15.5.17)."""
    return Problem(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"The picture has {length} bytes."
    )


def problem_headers(problem: Problem, mimetype: str) -> Headers:
    """What is sent with every problem: nobody keeps it."""
    retry = problem.retry_after_s
    headers = [] if retry is None else [("Retry-After", str(retry))]
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE and retry is not None:
        # The page's script can read this header of an image, and no other one.
        timing = f'mplstream-retry;desc="Retry-After";dur={retry * 1000}'
        headers.append(("Server-Timing", timing))
    return [
        *headers,
        ("Content-Type", mimetype),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", POLICY_PIXELS),
    ]


PROBLEM_TYPE = "application/problem+json"
