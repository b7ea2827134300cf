"""Problem details (RFC 9457), and the only table from an error class to a status.

Section numbers refer to RFC 9110.
"""

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
    """The problem details of an error (RFC 9457)."""

    status: HTTPStatus
    detail: str
    #: Further members, such as ``errors``.
    members: Mapping[str, Any] = field(default_factory=dict)
    #: ``Retry-After`` in seconds (section 10.2.3).
    retry_after_s: int | None = None

    @property
    def title(self) -> str:
        """The reason phrase of the status."""
        return self.status.phrase

    def body(self, instance: str) -> bytes:
        """Return the JSON document; *instance* is the path of the URL."""
        document = {
            "type": "about:blank",
            "title": self.title,
            "status": self.status.value,
            "detail": self.detail,
            "instance": instance,
            **self.members,
        }
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


#: Status of each error class; subclasses come before their bases.
STATUS_OF: Mapping[type[MplStreamError], HTTPStatus] = {
    ArgumentsError: HTTPStatus.BAD_REQUEST,
    SignatureError: HTTPStatus.FORBIDDEN,
    SlowRenderError: HTTPStatus.GATEWAY_TIMEOUT,
    RenderTimeoutError: HTTPStatus.SERVICE_UNAVAILABLE,
    BudgetError: HTTPStatus.TOO_MANY_REQUESTS,
    OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def find_problem(error: Exception) -> Problem | None:
    """Return the problem for *error*; ``None`` for an error of the app."""
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


#: ``Retry-After`` of a 503 in seconds.
RETRY_AFTER_S = 1


def fault(detail: str = "The picture cannot be drawn.") -> Problem:
    """Return a 500.

    :param detail: text for the client, by default without the cause.
    """
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)


def make_not_acceptable(formats: Sequence[ImageFormat]) -> Problem:
    """Return a 406: none of *formats* is acceptable (section 15.5.7)."""
    mimetypes = [format.mimetype for format in formats]
    return Problem(
        HTTPStatus.NOT_ACCEPTABLE,
        f"The Accept header allows none of: {', '.join(mimetypes)}.",
        {"available": mimetypes},
    )


def make_precondition_failed(etag: str) -> Problem:
    """Return a 412: the current *etag* fails a precondition (section 15.5.13)."""
    return Problem(
        HTTPStatus.PRECONDITION_FAILED,
        f"The picture does not meet the request's precondition. Its ETag is {etag}.",
    )


def make_range_not_satisfiable(length: int) -> Problem:
    """Return a 416: the range starts after the last byte (section 15.5.17)."""
    return Problem(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"The picture has {length} bytes."
    )


def make_problem_headers(problem: Problem, mimetype: str) -> Headers:
    """Return the headers of *problem*, which no cache may store."""
    retry = problem.retry_after_s
    headers = [] if retry is None else [("Retry-After", str(retry))]
    if problem.status is HTTPStatus.SERVICE_UNAVAILABLE and retry is not None:
        # The page's script can read no other header of an image.
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
