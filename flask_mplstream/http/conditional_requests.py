"""Preconditions and ranges in the order of RFC 9110 section 13.2.2.

Werkzeug deviates from this order in a dozen cases; for example, a range overrides
a 304. Section numbers refer to RFC 9110.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, Self

from werkzeug.http import (
    parse_date,
)


class Conditions(NamedTuple):
    """The conditional and range headers of a request, unparsed."""

    method: str = "GET"
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None
    range: str | None = None
    if_range: str | None = None

    @classmethod
    def from_environ(cls, environ: Mapping[str, Any]) -> Self:
        """Read the headers from a WSGI environment."""
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
    """The status of a response; for a 206, also its bytes, excluding *stop*."""

    status: int
    start: int = 0
    stop: int | None = None


OK = Outcome(200)
NOT_MODIFIED = Outcome(304)
PRECONDITION_FAILED = Outcome(412)
RANGE_NOT_SATISFIABLE = Outcome(416)


def evaluate(
    conditions: Conditions, *, etag: str, last_modified: datetime, length: int
) -> Outcome:
    """Evaluate preconditions and range of a request (section 13.2.2).

    Only for a request that would otherwise get a 200: other responses ignore
    preconditions (section 13.2.1).

    :param etag: current entity tag, quoted, with ``W/`` if weak.
    :param last_modified: time of the representation, in whole seconds, with a time
        zone.
    :param length: size of the whole representation in bytes.
    """
    is_read = conditions.method in ("GET", "HEAD")
    if conditions.if_match is not None:
        if not _matches(conditions.if_match, etag, weak=False):
            return PRECONDITION_FAILED
    elif (
        until := _parse_http_date(conditions.if_unmodified_since)
    ) and last_modified > until:
        return PRECONDITION_FAILED
    if conditions.if_none_match is not None:
        if _matches(conditions.if_none_match, etag, weak=True):
            return NOT_MODIFIED if is_read else PRECONDITION_FAILED
    elif (
        is_read
        and (since := _parse_http_date(conditions.if_modified_since))
        and last_modified <= since
    ):
        return NOT_MODIFIED
    if conditions.range is None or conditions.method != "GET":
        return OK
    if not _range_applies(conditions.if_range, etag, last_modified):
        return OK
    return _evaluate_range(conditions.range, length)


_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{5,8}, \d\d-[A-Z][a-z]{2}-\d\d \d\d:\d\d:\d\d GMT"
    r"|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}",
    re.ASCII,
)


def _parse_http_date(field: str | None) -> datetime | None:
    """Parse a date in a format of section 5.6.7; ignore any other, as required."""
    text = (field or "").strip(" \t")
    return parse_date(text) if _HTTP_DATE.fullmatch(text) else None


_CONDITION_KEYS = frozenset(
    (
        *("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE"),
        *("HTTP_IF_UNMODIFIED_SINCE", "HTTP_RANGE", "HTTP_IF_RANGE"),
    )
)


_BEFORE_IF_NONE_MATCH = frozenset(("HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE"))


def evaluate_request(
    environ: Mapping[str, Any], *, etag: str, stored_at: float | None, length: int
) -> Outcome:
    """Call :func:`evaluate` for a GET or HEAD, with shortcuts for two common cases.

    The shortcuts: no conditional headers, and an ``If-None-Match`` equal to *etag*.

    :param stored_at: Unix time of the render; ``None`` to ignore dates, because each
        user has a different picture.
    """
    given = environ.keys()
    if given.isdisjoint(_CONDITION_KEYS):
        return OK
    is_usual = given.isdisjoint(_BEFORE_IF_NONE_MATCH)
    if is_usual and environ.get("HTTP_IF_NONE_MATCH") == etag:
        return NOT_MODIFIED
    conditions = Conditions.from_environ(environ)
    if stored_at is None:
        conditions, modified = conditions._replace(if_unmodified_since=None), _NEVER
    else:
        modified = datetime.fromtimestamp(int(stored_at), UTC)  # HTTP's resolution.
    return evaluate(conditions, etag=etag, last_modified=modified, length=length)


#: Later than any date in a request.
_NEVER = datetime.max.replace(tzinfo=UTC)


def has_copy(environ: Mapping[str, Any], etag: str) -> bool:
    """Return whether ``If-None-Match`` lists *etag* and the response is a 304.

    For an entity tag that is known before the render: a client that lists it has
    received the picture before. ``*`` does not count, because the render may fail.
    """
    conditions = Conditions.from_environ(environ)
    if conditions.if_none_match is None or conditions.if_none_match.strip() == "*":
        return False
    past = datetime.min.replace(tzinfo=UTC)
    return evaluate(conditions, etag=etag, last_modified=past, length=0) is NOT_MODIFIED


_ETAG = re.compile(r'(?:^|,)[ \t]*((?:W/)?"[\x21\x23-\x7e\x80-\xff]*")[ \t]*(?=,|$)')

#: Suffixes that servers add to the entity tag of a compressed body: ``-gzip`` (Apache,
#: Caddy), ``--gzip`` (Jetty), ``;gzip`` (LiteSpeed) and ``:gzip`` (Flask-Compress).
_OF_AN_ENCODING = re.compile(r'(?:--?|;|:)(?:gzip|gz|br|zstd|deflate)(?="$)')


def _matches(field: str, etag: str, *, weak: bool) -> bool:
    """Return whether *field*, a list of entity tags or ``*``, matches *etag*.

    Strong or *weak* comparison as in section 8.8.3.2; the weak one also matches
    the tag of a compressed copy.
    """
    if field.strip() == "*" or (field == etag and weak):
        return True
    if not weak:
        return not etag.startswith("W/") and etag in _ETAG.findall(field)
    opaque = etag.removeprefix("W/")
    tags = [tag.removeprefix("W/") for tag in _ETAG.findall(field)]
    return any(opaque in (tag, _OF_AN_ENCODING.sub("", tag)) for tag in tags)


def _range_applies(if_range: str | None, etag: str, last_modified: datetime) -> bool:
    """Return whether ``If-Range`` matches, by strong comparison (section 13.1.5)."""
    if if_range is None:
        return True
    validator = if_range.strip()
    if '"' in validator:
        return validator == etag and not etag.startswith("W/")
    return _parse_http_date(validator) == last_modified


_BYTES = re.compile(r"[ \t]*bytes=(\d{0,18})-(\d{0,18})[ \t]*", re.I | re.A)


def _evaluate_range(field: str, length: int) -> Outcome:
    """Evaluate a single byte range (section 14.1.2); ignore any other, as allowed."""
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
    return Outcome(206, start, stop)
