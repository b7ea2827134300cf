"""HTTP as functions of values: negotiation, preconditions, headers, problems.

The only place with header names, status codes and query strings. It decides on
strings and returns values; it knows neither the ``request`` proxy nor Flask,
neither Matplotlib nor the cache. Section numbers are RFC 9110's unless another
RFC is named.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, quote

from werkzeug.http import (
    dump_options_header,
    http_date,
    parse_accept_header,
    parse_date,
)

from .errors import (
    ArgumentFault,
    ArgumentsError,
    ImageTooLargeError,
    MplStreamError,
    RenderTimeoutError,
)
from .image import ImageFormat, RenderedImage

#: Name of this cache in ``Cache-Status``.
CACHE_NAME = "flask-mplstream"
#: Characters of a query string, and of an ``Accept`` header, that are read.
MAX_HEADER_LENGTH = 8192
#: Arguments that a query string may have.
MAX_ARGUMENTS = 200

Headers = list[tuple[str, str]]

# --- The request ----------------------------------------------------------


def parse_query(query_string: str) -> list[tuple[str, str]]:
    """Names and texts of a WSGI ``QUERY_STRING``, percent-decoded.

    Bytes that are no UTF-8 become U+FFFD instead of an exception.

    :raises ArgumentsError: where it is too long to read.
    """
    if len(query_string) > MAX_HEADER_LENGTH:
        raise _too_long(f"at most {MAX_HEADER_LENGTH} characters in all")
    text = query_string.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError:
        raise _too_long(f"at most {MAX_ARGUMENTS} arguments") from None


def _too_long(accepted: str) -> ArgumentsError:
    fault = ArgumentFault("(query)", None, "The query string is too long.", accepted)
    return ArgumentsError([fault])


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """The one of *formats* that an ``Accept`` header prefers (section 12.5.1).

    The most specific range decides a format's quality, the highest quality
    wins, and ties go to the order of *formats*. A wildcard stands for pixels:
    SVG and PDF are chosen only where they are named, or where the route names
    one of them first.

    :param accept: the header's value; ``None``, and one too long to be a
        browser's, accepts anything.
    :return: ``None`` where nothing is acceptable.
    """
    if not accept or not accept.strip() or len(accept) > MAX_HEADER_LENGTH:
        return formats[0]
    qualities = {
        value.partition(";")[0].strip().lower(): quality
        for value, quality in reversed(list(parse_accept_header(accept)))
    }
    if not qualities:
        return formats[0]
    best, best_quality = None, 0.0
    for format in formats:
        quality = _quality(format, qualities, is_default=format is formats[0])
        if quality > best_quality:
            best, best_quality = format, quality
    return best


def _quality(
    format: ImageFormat, qualities: Mapping[str, float], *, is_default: bool
) -> float:
    if format.mimetype in qualities:
        return qualities[format.mimetype]
    if format.is_vector and not is_default:
        return 0.0
    family = format.mimetype.partition("/")[0]
    return qualities.get(f"{family}/*", qualities.get("*/*", 0.0))


# --- Preconditions and ranges ---------------------------------------------


class Conditions(NamedTuple):
    """The conditional and range headers of a request, as they were sent."""

    method: str = "GET"
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None
    range: str | None = None
    if_range: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Read them from a WSGI environment."""
        get = environ.get
        return cls(
            method=environ["REQUEST_METHOD"],
            if_match=get("HTTP_IF_MATCH"),
            if_none_match=get("HTTP_IF_NONE_MATCH"),
            if_modified_since=get("HTTP_IF_MODIFIED_SINCE"),
            if_unmodified_since=get("HTTP_IF_UNMODIFIED_SINCE"),
            range=get("HTTP_RANGE"),
            if_range=get("HTTP_IF_RANGE"),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to send instead of the plain 200: a status and, for 206, which bytes."""

    status: HTTPStatus
    start: int = 0
    stop: int | None = None


OK = Outcome(HTTPStatus.OK)
NOT_MODIFIED = Outcome(HTTPStatus.NOT_MODIFIED)
PRECONDITION_FAILED = Outcome(HTTPStatus.PRECONDITION_FAILED)
RANGE_NOT_SATISFIABLE = Outcome(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)


def evaluate(
    conditions: Conditions, *, etag: str, last_modified: datetime, length: int
) -> Outcome:
    """Decide the answer to a request whose plain answer is 200 (section 13.2.2).

    Never call it for another status: section 13.2.1 has errors ignore
    preconditions.

    :param etag: the current entity tag, quoted, with ``W/`` where weak.
    :param last_modified: when it was made, to the second, with a time zone.
    :param length: bytes of the whole representation.
    """
    if conditions.if_match is not None:
        if not _matches(conditions.if_match, etag, weak=False):
            return PRECONDITION_FAILED
    elif (until := _date(conditions.if_unmodified_since)) and last_modified > until:
        return PRECONDITION_FAILED
    if conditions.if_none_match is not None:
        if _matches(conditions.if_none_match, etag, weak=True):
            return _not_modified(conditions.method)
    elif (
        conditions.method in ("GET", "HEAD")
        and (since := _date(conditions.if_modified_since))
        and last_modified <= since
    ):
        return NOT_MODIFIED
    if conditions.range is None or conditions.method != "GET":
        return OK
    if not _range_applies(conditions.if_range, etag, last_modified):
        return OK
    return _range(conditions.range, length)


def _not_modified(method: str) -> Outcome:
    return NOT_MODIFIED if method in ("GET", "HEAD") else PRECONDITION_FAILED


_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}",
    re.ASCII,
)


def _date(field: str | None) -> datetime | None:
    """One of the three formats of section 5.6.7; anything else MUST be ignored."""
    text = (field or "").strip(" \t")
    return parse_date(text) if _HTTP_DATE.fullmatch(text) else None


_CONDITION_KEYS = frozenset(
    (
        *("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"),
        *("HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE", "HTTP_IF_RANGE"),
    )
)


_BEFORE_IF_NONE_MATCH = frozenset(("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"))


def answer_to(
    environ: Mapping[str, Any], *, etag: str, stored_at: float, length: int
) -> Outcome:
    """:func:`evaluate` for a GET or HEAD, short for the two usual requests.

    :param stored_at: Unix time at which the picture was made.
    """
    given = environ.keys()
    if given.isdisjoint(_CONDITION_KEYS):
        return OK
    is_usual = given.isdisjoint(_BEFORE_IF_NONE_MATCH)
    if is_usual and environ.get("HTTP_IF_NONE_MATCH") == etag:
        return NOT_MODIFIED
    return evaluate(
        Conditions.from_environ(environ),
        etag=etag,
        last_modified=utc(stored_at),
        length=length,
    )


def has_copy(environ: Mapping[str, Any], etag: str) -> bool:
    """Whether ``If-None-Match`` alone makes the answer a 304.

    For an entity tag that is known before there is a picture.
    """
    conditions = Conditions.from_environ(environ)
    if conditions.if_none_match is None:
        return False
    past = datetime.min.replace(tzinfo=UTC)
    return evaluate(conditions, etag=etag, last_modified=past, length=0) is NOT_MODIFIED


_ETAG = re.compile(r'(?:^|,)[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')


def _matches(field: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags, or ``*``, has *etag* (section 8.8.3.2)."""
    if field.strip() == "*" or (field == etag and weak):
        return True
    if not weak:
        return not etag.startswith("W/") and etag in _ETAG.findall(field)
    opaque = etag.removeprefix("W/")
    return any(tag.removeprefix("W/") == opaque for tag in _ETAG.findall(field))


def _range_applies(if_range: str | None, etag: str, last_modified: datetime) -> bool:
    """Whether ``If-Range`` allows a part (section 13.1.5): strong and equal."""
    if if_range is None:
        return True
    validator = if_range.strip()
    if '"' in validator:
        return validator == etag and not etag.startswith("W/")
    return _date(validator) == last_modified


_BYTES = re.compile(r"[ \t]*bytes=(\d{0,18})-(\d{0,18})[ \t]*", re.I | re.A)


def _range(field: str, length: int) -> Outcome:
    """A single byte range (section 14.1.2); anything else is ignored, as it may be."""
    match = _BYTES.fullmatch(field)
    if match is None or match.groups() == ("", ""):
        return OK
    first, last = match.groups()
    if not first:
        start, stop = max(length - int(last), 0), length
    else:
        start, stop = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < start:
            return OK
    if start >= length:
        return RANGE_NOT_SATISFIABLE
    return Outcome(HTTPStatus.PARTIAL_CONTENT, start, stop)


# --- The response ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Presentation:
    """How one URL shows a picture; the same picture may be shown several ways."""

    #: Name without extension for saving the picture.
    stem: str
    #: Whether ``Accept`` chose the format.
    is_negotiated: bool = False
    #: Whether the browser shall save it instead of showing it.
    is_download: bool = False


class Freshness(Enum):
    """What a URL says of how long its picture stays the same."""

    #: Nothing: as long as ``max_age``.
    BY_AGE = "by age"
    #: It names the data's current version: for ever (RFC 8246).
    IMMUTABLE = "immutable"
    #: It names another version: the current picture is sent, to be asked for
    #: again soon.
    OUTDATED = "outdated"

    @classmethod
    def of(cls, named: str, current: str) -> Freshness:
        """From the version that the URL names and the current one."""
        if not named or not current:
            return cls.BY_AGE
        return cls.IMMUTABLE if named == current else cls.OUTDATED


YEAR_S = 31_536_000
#: Seconds that the picture of an outdated version URL may be kept.
OUTDATED_S = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may keep a picture, for how long, and who may embed it."""

    #: Seconds that a picture is fresh.
    max_age: int
    is_private: bool = False
    resource_policy: str = "same-origin"
    #: Seconds after ``max_age`` (RFC 5861).
    stale_while_revalidate: int = 0
    stale_if_error: int = 0

    def cache_control(self, age: int) -> str:
        """``Cache-Control`` of a picture that is *age* seconds old."""
        return self._whose(*self._freshness(age))

    def _freshness(self, age: int) -> Iterator[str]:
        over = max(age - self.max_age, 0)
        remaining, window = max(self.max_age - age, 0), self.stale_while_revalidate
        if not remaining and over >= window:
            yield "no-cache"
            return
        yield f"max-age={remaining}"
        if window:
            yield f"stale-while-revalidate={window - over}"
        if self.stale_if_error > over:
            yield f"stale-if-error={self.stale_if_error - over}"

    def age_headers(
        self,
        age_s: int,
        freshness: Freshness,
        *,
        fwd: str | None = None,
        is_stored: bool = False,
        is_collapsed: bool = False,
        is_fallback: bool = False,
        timings_s: Sequence[tuple[str, float]] = (),
    ) -> Headers:
        """How long a picture may be kept, how it was come by, what that took."""
        match freshness:
            case Freshness.BY_AGE:
                control = self.cache_control(age_s)
            case Freshness.IMMUTABLE:
                control = self._whose(f"max-age={YEAR_S}", "immutable")
            case Freshness.OUTDATED:
                remaining = min(max(self.max_age - age_s, 0), OUTDATED_S)
                control = self._whose(f"max-age={remaining}")
        status = cache_status(
            fwd=fwd,
            fwd_status=500 if is_fallback else None,
            is_stored=is_stored,
            is_collapsed=is_collapsed,
            ttl_s=None if fwd else self.max_age - age_s,
        )
        timing = HIT_TIMING if fwd is None or is_fallback else server_timing(timings_s)
        return [
            ("Cache-Control", control),
            ("Cache-Status", status),
            ("Server-Timing", timing),
        ]

    def _whose(self, *directives: str) -> str:
        return ", ".join(["private"] * self.is_private + list(directives))


#: Nothing in the picture may run, load or submit when it is opened directly.
_POLICY_PIXELS = "default-src 'none'; sandbox"
#: SVG colours by style attributes and embeds pixels as data: URIs.
_POLICY_SVG = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def _content_security_policy(format: ImageFormat) -> str | None:
    if format.name == "pdf":
        return None  # Browsers refuse to show a sandboxed PDF at all.
    return _POLICY_SVG if format.is_vector else _POLICY_PIXELS


def validator_headers(etag: str, policy: Policy, presentation: Presentation) -> Headers:
    """What a 200, 206 and 304 share (section 15.4.5), ``Cache-Control`` aside."""
    headers = [("ETag", etag)]
    # A private picture is another one for another login in the same browser.
    vary = ["Accept"] if presentation.is_negotiated else []
    vary += ["Cookie", "Authorization"] if policy.is_private else []
    if vary:
        headers.append(("Vary", ", ".join(vary)))
    return headers


def picture_headers(
    image: RenderedImage,
    last_modified: datetime,
    policy: Policy,
    presentation: Presentation,
) -> Headers:
    """What describes a picture and never changes while it is kept."""
    disposition = "attachment" if presentation.is_download else "inline"
    headers = [
        ("Content-Type", image.mimetype),
        ("Last-Modified", http_date(last_modified)),
        ("Accept-Ranges", "bytes"),
        (
            "Content-Disposition",
            content_disposition(disposition, presentation.stem, image.format),
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", policy.resource_policy),
    ]
    security = _content_security_policy(image.format)
    return [*headers, ("Content-Security-Policy", security)] if security else headers


_UNSAFE_IN_NAME = re.compile(r"[^\w.-]+")


def file_stem(*words: str) -> str:
    """A file name without extension from *words*: 1-80 letters, digits, ``._-``."""
    stem = _UNSAFE_IN_NAME.sub("-", "-".join(filter(None, words)))[:80].strip(".-_")
    return stem or "figure"


def content_disposition(disposition: str, stem: str, format: ImageFormat) -> str:
    """``Content-Disposition`` (RFC 6266), with ``filename*`` as needed (RFC 8187)."""
    name = f"{stem}.{format.name}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return dump_options_header(disposition, {"filename": name})
    safe = f"{file_stem(plain.rpartition('.')[0])}.{format.name}"
    extended = f"UTF-8''{quote(name, safe='')}"
    return dump_options_header(disposition, {"filename": safe, "filename*": extended})


def cache_status(
    *,
    fwd: str | None = None,
    fwd_status: int | None = None,
    is_stored: bool = False,
    is_collapsed: bool = False,
    ttl_s: int | None = None,
) -> str:
    """``Cache-Status`` (RFC 9211): a hit, or why the render ran (*fwd*)."""
    parts = [CACHE_NAME, f"fwd={fwd}" if fwd else "hit"]
    parts += [f"fwd-status={fwd_status}"] if fwd_status else []
    parts += ["stored"] if is_stored else []
    parts += ["collapsed"] if is_collapsed else []
    parts += [f"ttl={ttl_s}"] if ttl_s is not None else []
    return "; ".join(parts)


_STEPS = {
    "load": "load data",
    "wait": "wait for the gate",
    "build": "figure function",
    "draw": "layout and draw",
    "encode": "encode",
}


def server_timing(timings_s: Sequence[tuple[str, float]]) -> str:
    """``Server-Timing`` of a render's steps, in milliseconds."""
    return ", ".join(
        f'{step};desc="{_STEPS[step]}";dur={seconds * 1e3:.1f}'
        for step, seconds in timings_s
    )


HIT_TIMING = 'cache;desc="hit";dur=0'


def utc(timestamp: float) -> datetime:
    """A Unix time as HTTP has it: in UTC and to the second."""
    return datetime.fromtimestamp(int(timestamp), UTC)


# --- Problems -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as RFC 9457 has it."""

    status: HTTPStatus
    detail: str
    #: Further members, such as ``errors``.
    members: Mapping[str, Any] = field(default_factory=dict)

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
    ImageTooLargeError: HTTPStatus.BAD_REQUEST,
    RenderTimeoutError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def problem_of(error: MplStreamError) -> Problem | None:
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
        }
        for fault in faults
    ]
    return Problem(status, str(error), {"errors": members} if members else {})


#: Seconds after which a picture that was not ready may be asked for again.
RETRY_AFTER_S = 1


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


def content_range(part: Outcome | None, length: int) -> tuple[str, str]:
    """``Content-Range`` of a 206, or of a 416 where *part* is none (section 14.4)."""
    if part is None:
        return "Content-Range", f"bytes */{length}"
    return "Content-Range", f"bytes {part.start}-{(part.stop or length) - 1}/{length}"


def problem_headers(status: HTTPStatus, mimetype: str) -> Headers:
    """What is sent with every problem: nobody keeps it."""
    retry = [("Retry-After", str(RETRY_AFTER_S))]
    return [
        *(retry if status is HTTPStatus.SERVICE_UNAVAILABLE else []),
        ("Content-Type", mimetype),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", _POLICY_PIXELS),
    ]


PROBLEM_TYPE = "application/problem+json"
