"""A second implementation of conditional requests, from RFC 9110 alone.

It shares no code with :mod:`flask_mplstream.http` and has a different structure: small
parsers, and one ordered table of (condition, outcome) rows. The first true condition
determines the outcome. Simplicity matters more than speed.

If the RFC leaves a choice, this module makes these: several ranges, invalid ranges,
unknown units and numbers of more than 18 digits are ignored (section 14.2: a server MAY
ignore Range); a list member that is not an entity tag matches nothing; an If-Range date
is strong if it equals Last-Modified.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from flask_mplstream.http.conditional_requests import Conditions

OWS = " \t"
DIGITS = frozenset("0123456789")
#: etagc, section 8.8.3: any visible octet except the double quote, and obs-text.
ETAGC = frozenset(map(chr, [0x21, *range(0x23, 0x7F), *range(0x80, 0x100)]))
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_YEAR = "JanFebMarAprMayJunJulAugSepOctNovDec"
MONTHS = [_YEAR[start : start + 3] for start in range(0, 36, 3)]


class Verdict(NamedTuple):
    """A status and, for 206, the first byte and the one after the last."""

    status: int
    start: int = 0
    stop: int | None = None


class Tag(NamedTuple):
    """An entity tag, section 8.8.3."""

    opaque: str
    is_weak: bool


class Span(NamedTuple):
    """``first-last``, ``first-`` or ``-last``, section 14.1.1."""

    first: int | None
    last: int | None


# --- Dates, section 5.6.7 ----------------------------------------------------


def imf_fixdate(moment: datetime) -> str:
    """Return ``Sun, 06 Nov 1994 08:49:37 GMT``, the only format that is sent."""
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1]
    return f"{day}, {moment:%d} {month} {moment.year:04} {moment:%H:%M:%S} GMT"


def rfc850_date(moment: datetime) -> str:
    """Return ``Sunday, 06-Nov-94 08:49:37 GMT``, obsolete."""
    day, month = DAYS[moment.weekday()], MONTHS[moment.month - 1]
    return f"{day}, {moment:%d}-{month}-{moment.year % 100:02} {moment:%H:%M:%S} GMT"


def asctime_date(moment: datetime) -> str:
    """Return ``Sun Nov  6 08:49:37 1994``, obsolete."""
    day, month = DAYS[moment.weekday()][:3], MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day:2} {moment:%H:%M:%S} {moment.year:04}"


def full_year(two_digits: int) -> int:
    """Return the year; more than 50 years ahead means the century before."""
    today = datetime.now(UTC).year
    year = today - today % 100 + two_digits
    return year - 100 if year > today + 50 else year


def at(year: int, month: str, day: str, clock: str) -> datetime:
    """Return the moment in UTC; *clock* is ``08:49:37``, *month* ``Nov``."""
    hour, minute, second = map(int, clock.split(":"))
    number = MONTHS.index(month) + 1
    return datetime(year, number, int(day), hour, minute, second, tzinfo=UTC)


def read_imf_fixdate(text: str) -> datetime:
    """Read ``Sun, 06 Nov 1994 08:49:37 GMT``."""
    _, day, month, year, clock, _ = text.split(" ")
    return at(int(year), month, day, clock)


def read_rfc850_date(text: str) -> datetime:
    """Read ``Sunday, 06-Nov-94 08:49:37 GMT``."""
    _, date, clock, _ = text.split(" ")
    day, month, year = date.split("-")
    return at(full_year(int(year)), month, day, clock)


def read_asctime_date(text: str) -> datetime:
    """Read ``Sun Nov  6 08:49:37 1994``."""
    _, month, day, clock, year = text.replace("  ", " ").split(" ")
    return at(int(year), month, day, clock)


DATE_FORMATS: tuple[
    tuple[Callable[[str], datetime], Callable[[datetime], str]], ...
] = (
    (read_imf_fixdate, imf_fixdate),
    (read_rfc850_date, rfc850_date),
    (read_asctime_date, asctime_date),
)


def parse_date(field: str | None) -> datetime | None:
    """Return the moment, or ``None`` unless writing it again gives the same text."""
    text = (field or "").strip(OWS)
    for read, write in DATE_FORMATS:
        try:
            moment = read(text)
        except ValueError:
            continue
        if write(moment) == text:
            return moment
    return None


# --- Entity tags -------------------------------------------------------------


def scan_tag(text: str) -> tuple[Tag, str] | None:
    """Return the entity tag at the start of *text*, and the rest."""
    is_weak = text.startswith("W/")
    rest = text[2:] if is_weak else text
    if not rest.startswith('"'):
        return None
    end = 1
    while end < len(rest) and rest[end] in ETAGC:
        end += 1
    if rest[end : end + 1] != '"':
        return None
    return Tag(rest[1:end], is_weak), rest[end + 1 :]


def parse_tag(text: str) -> Tag | None:
    """Return the entity tag, or ``None`` if *text* is anything else."""
    found = scan_tag(text.strip(OWS))
    return found[0] if found and not found[1] else None


def parse_tags(field: str) -> list[Tag]:
    """Return the members that are entity tags; skip a bad one up to its comma."""
    tags, rest = [], field
    while rest:
        found = scan_tag(rest.lstrip(OWS))
        if found and found[1].lstrip(OWS)[:1] in ("", ","):
            tags.append(found[0])
            rest = found[1]
        rest = rest.partition(",")[2]
    return tags


def strongly(one: Tag, other: Tag) -> bool:
    """Compare strongly (section 8.8.3.2): equal, and neither is weak."""
    return one == other and not one.is_weak


def weakly(one: Tag, other: Tag) -> bool:
    """Compare weakly (section 8.8.3.2): equal, weak or not."""
    return one.opaque == other.opaque


# --- Ranges, section 14.1 ----------------------------------------------------


def parse_span(field: str) -> Span | None:
    """Return the only valid byte range, or ``None`` if the field is to be ignored."""
    unit, equals, spec = field.strip(OWS).partition("=")
    first, dash, last = spec.partition("-")
    numbers_ok = all(DIGITS.issuperset(n) and len(n) <= 18 for n in (first, last))
    if unit.lower() != "bytes" or not equals or not dash or not numbers_ok:
        return None
    if not first and not last:
        return None
    span = Span(int(first) if first else None, int(last) if last else None)
    if span.first is not None and span.last is not None and span.last < span.first:
        return None
    return span


# --- The table, section 13.2.2 -----------------------------------------------


@dataclass(frozen=True)
class Case:
    """A request and its picture."""

    asked: Conditions
    etag: str
    last_modified: datetime
    length: int

    @property
    def reads(self) -> bool:
        """Whether the method is GET or HEAD."""
        return self.asked.method in ("GET", "HEAD")

    def lists(self, field: str, same: Callable[[Tag, Tag], bool]) -> bool:
        """Return whether *field* is ``*`` or lists the picture's tag by *same*."""
        current = parse_tag(self.etag)
        assert current is not None, f"{self.etag!r} is not an entity tag"
        return field.strip(OWS) == "*" or any(
            same(tag, current) for tag in parse_tags(field)
        )

    def if_match_fails(self) -> bool:
        """Return whether If-Match is false (section 13.1.1)."""
        field = self.asked.if_match
        return field is not None and not self.lists(field, strongly)

    def if_unmodified_since_fails(self) -> bool:
        """Return whether If-Unmodified-Since applies and is false (section 13.1.4)."""
        if self.asked.if_match is not None:
            return False
        since = parse_date(self.asked.if_unmodified_since)
        return since is not None and self.last_modified > since

    def if_none_match_fails(self) -> bool:
        """Return whether If-None-Match is false (section 13.1.2)."""
        field = self.asked.if_none_match
        return field is not None and self.lists(field, weakly)

    def if_modified_since_fails(self) -> bool:
        """Return whether If-Modified-Since applies and is false (section 13.1.3)."""
        if self.asked.if_none_match is not None or not self.reads:
            return False
        since = parse_date(self.asked.if_modified_since)
        return since is not None and self.last_modified <= since

    def if_range_fails(self) -> bool:
        """Return whether If-Range is false (section 13.1.5)."""
        field = self.asked.if_range
        if field is None:
            return False
        given, current = parse_tag(field), parse_tag(self.etag)
        if given is not None and current is not None:
            return not strongly(given, current)
        return parse_date(field) != self.last_modified

    @property
    def span(self) -> Span | None:
        """The requested byte range, or ``None`` if it is to be ignored."""
        return parse_span(self.asked.range or "")

    def unsatisfiable(self) -> bool:
        """Return whether the range starts after the end or is the last zero bytes.

        See section 14.1.2.
        """
        if self.span is None:
            return False
        if self.span.first is None:
            return self.span.last == 0
        return self.span.first >= self.length

    def part(self) -> Verdict:
        """Return the 206 for the requested range (section 15.3.7)."""
        assert self.span is not None
        first, last = self.span
        if first is None:
            return Verdict(206, max(self.length - (last or 0), 0), self.length)
        stop = self.length if last is None else min(last + 1, self.length)
        return Verdict(206, first, stop)


Row = tuple[str, Callable[[Case], bool], Callable[[Case], Verdict]]

#: The first true condition determines the verdict.
TABLE: tuple[Row, ...] = (
    ("13.1.1", lambda c: c.if_match_fails(), lambda _: Verdict(412)),
    ("13.1.4", lambda c: c.if_unmodified_since_fails(), lambda _: Verdict(412)),
    ("13.1.2", lambda c: c.if_none_match_fails() and c.reads, lambda _: Verdict(304)),
    ("13.1.2", lambda c: c.if_none_match_fails(), lambda _: Verdict(412)),
    ("13.1.3", lambda c: c.if_modified_since_fails(), lambda _: Verdict(304)),
    ("14.2 GET only", lambda c: c.asked.method != "GET", lambda _: Verdict(200)),
    ("14.2 ignored", lambda c: c.span is None, lambda _: Verdict(200)),
    ("13.1.5", lambda c: c.if_range_fails(), lambda _: Verdict(200)),
    ("15.5.17", lambda c: c.unsatisfiable(), lambda _: Verdict(416)),
    ("15.3.7", lambda _: True, lambda c: c.part()),
)


def judge(
    asked: Conditions, *, etag: str, last_modified: datetime, length: int
) -> Verdict:
    """Return RFC 9110's verdict on a request that is a 200 without conditions."""
    case = Case(asked, etag, last_modified, length)
    return next(outcome(case) for _, holds, outcome in TABLE if holds(case))
