"""Preconditions and ranges of RFC 9110, checked by a second implementation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from flask import Response, abort
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.http.conditional_requests import Conditions, Outcome, evaluate
from tests.support.http_oracle import (
    Verdict,
    asctime_date,
    imf_fixdate,
    judge,
    rfc850_date,
)

MADE = datetime(2024, 2, 29, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SAME, EARLIER, LATER = map(imf_fixdate, (MADE, MADE - SECOND, MADE + SECOND))
LENGTH = 100
WHOLE, UNCHANGED, FAILED, BEYOND = map(Verdict, (200, 304, 412, 416))


def part(start: int, stop: int) -> Verdict:
    return Verdict(206, start, stop)


def verdict(outcome: Outcome) -> Verdict:
    return Verdict(outcome.status, outcome.start, outcome.stop)


def answer(*, etag: str = '"now"', **conditions: Any) -> Verdict:
    """Return the outcome for a picture of 100 bytes from ``MADE``."""
    asked = Conditions(**conditions)
    return verdict(evaluate(asked, etag=etag, last_modified=MADE, length=LENGTH))


Table = list[Any]


def row(id: str, expected: Verdict, **conditions: Any) -> Any:
    return pytest.param(conditions, expected, id=id)


#: The rows of RELIABILITY.md 2.2 about this module, by their numbers.
WERKZEUG: Table = [
    row("1-range+inm-match", UNCHANGED, range="bytes=0-9", if_none_match='"now"'),
    row("3-head+range", WHOLE, method="HEAD", range="bytes=0-9"),
    row("4-if-range-weak", WHOLE, range="bytes=0-9", if_range='W/"now"'),
    row(
        "4-if-range-weak-on-weak",
        WHOLE,
        etag='W/"now"',
        range="bytes=0-9",
        if_range='W/"now"',
    ),
    row("5-if-range-later-date", WHOLE, range="bytes=0-9", if_range=LATER),
    row("6-if-match-any", WHOLE, if_match="*"),
    row("7-unmodified-since-old", FAILED, if_unmodified_since=EARLIER),
    row("8-if-match+inm", UNCHANGED, if_match='"now"', if_none_match='"now"'),
    row("9-suffix-too-long", part(0, 100), range="bytes=-500"),
    row("10-unknown-unit", WHOLE, range="items=0-5"),
    row("11-several-ranges", WHOLE, range="bytes=0-1,5-6"),
    row("11-no-numbers", WHOLE, range="bytes=abc"),
    row("11-backwards", WHOLE, range="bytes=9-3"),
    row("12-unquoted-tag", WHOLE, if_none_match="now"),
]

ORDER: Table = [
    row("no-conditions", WHOLE),
    row("if-match-first", FAILED, if_match='"old"', if_none_match='"now"'),
    row("if-match-hides-ius", WHOLE, if_match='"now"', if_unmodified_since=EARLIER),
    row("ius-before-inm", FAILED, if_unmodified_since=EARLIER, if_none_match='"now"'),
    row("ius-before-ims", FAILED, if_unmodified_since=EARLIER, if_modified_since=SAME),
    row("inm-hides-ims", WHOLE, if_none_match='"old"', if_modified_since=SAME),
    row("empty-inm-hides-ims", WHOLE, if_none_match="", if_modified_since=SAME),
    row("ims-before-range", UNCHANGED, if_modified_since=SAME, range="bytes=0-9"),
    row("if-match-before-range", FAILED, if_match='"old"', range="bytes=0-9"),
    row("true-ones-then-range", part(0, 10), if_match='"now"', range="bytes=0-9"),
    row("412-before-416", FAILED, if_match='"old"', range="bytes=100-"),
]

IF_MATCH: Table = [
    row("same", WHOLE, if_match='"now"'),
    row("in-list", WHOLE, if_match='"old", "now"'),
    row("other", FAILED, if_match='"old"'),
    row("weak-never", FAILED, if_match='W/"now"'),
    row("weak-on-weak-never", FAILED, etag='W/"now"', if_match='W/"now"'),
    row("any-on-weak", WHOLE, etag='W/"now"', if_match="*"),
    row("any-padded", WHOLE, if_match=" *\t"),
    row("empty", FAILED, if_match=""),
    row("garbage", FAILED, if_match="now"),
    row("head", FAILED, method="HEAD", if_match='"old"'),
    row("tag-is-a-star", FAILED, if_match='"*"'),
]

IF_UNMODIFIED_SINCE: Table = [
    row("same", WHOLE, if_unmodified_since=SAME),
    row("later", WHOLE, if_unmodified_since=LATER),
    row("head", FAILED, method="HEAD", if_unmodified_since=EARLIER),
    row("no-date", WHOLE, if_unmodified_since="yesterday"),
]

IF_NONE_MATCH: Table = [
    row("same", UNCHANGED, if_none_match='"now"'),
    row("weak", UNCHANGED, if_none_match='W/"now"'),
    row("strong-on-weak", UNCHANGED, etag='W/"now"', if_none_match='"now"'),
    row("in-list", UNCHANGED, if_none_match='"a", W/"b" ,"now"'),
    row("empty-elements", UNCHANGED, if_none_match=', ,"now",'),
    row("any", UNCHANGED, if_none_match="*"),
    row("any-in-a-list-is-no-tag", WHOLE, if_none_match='*, "old"'),
    row("other", WHOLE, if_none_match='"old"'),
    row("case-matters", WHOLE, if_none_match='"NOW"'),
    row("small-w", WHOLE, if_none_match='w/"now"'),
    row("unclosed", WHOLE, if_none_match='"now'),
    row("no-comma", WHOLE, if_none_match='"old" "now"'),
    row("garbage-before", UNCHANGED, if_none_match='old, "now"'),
    row("part-of-a-tag", WHOLE, if_none_match='"old,now"'),
    row("comma-in-the-tag", UNCHANGED, etag='"a,b"', if_none_match='"c", "a,b"'),
    row("empty-tag", UNCHANGED, etag='""', if_none_match='""'),
    row("obs-text", UNCHANGED, etag='"\xe9"', if_none_match='"\xe9"'),
    row("head", UNCHANGED, method="HEAD", if_none_match='"now"'),
    row("post", FAILED, method="POST", if_none_match='"now"'),
    row("post-any", FAILED, method="POST", if_none_match="*"),
]

IF_MODIFIED_SINCE: Table = [
    row("same", UNCHANGED, if_modified_since=SAME),
    row("earlier", WHOLE, if_modified_since=EARLIER),
    row("later", UNCHANGED, if_modified_since=LATER),
    row("rfc850", UNCHANGED, if_modified_since=rfc850_date(MADE)),
    row("asctime", UNCHANGED, if_modified_since=asctime_date(MADE)),
    row("head", UNCHANGED, method="HEAD", if_modified_since=SAME),
    row("not-for-post", WHOLE, method="POST", if_modified_since=SAME),
    row("method-case-matters", WHOLE, method="get", if_modified_since=SAME),
]

RANGE: Table = [
    row("first-bytes", part(0, 10), range="bytes=0-9"),
    row("one-byte", part(99, 100), range="bytes=99-99"),
    row("open", part(40, 100), range="bytes=40-"),
    row("whole", part(0, 100), range="bytes=0-"),
    row("behind-the-end", part(40, 100), range="bytes=40-999"),
    row("suffix", part(90, 100), range="bytes=-10"),
    row("suffix-of-all", part(0, 100), range="bytes=-100"),
    row("unit-in-any-case", part(0, 10), range="BYTES=0-9"),
    row("starts-at-the-end", BEYOND, range="bytes=100-"),
    row("starts-behind-the-end", BEYOND, range="bytes=100-200"),
    row("suffix-of-none", BEYOND, range="bytes=-0"),
    row("neither-number", WHOLE, range="bytes=-"),
    row("empty", WHOLE, range=""),
    row("unit-only", WHOLE, range="bytes"),
    row("no-unit", WHOLE, range="=0-9"),
    row("sign", WHOLE, range="bytes=+1-9"),
    row("three-numbers", WHOLE, range="bytes=1-2-3"),
    row("space-inside", WHOLE, range="bytes=0 - 9"),
    row("space-around-equals", WHOLE, range="bytes = 0-9"),
    row("18-digits", part(0, 100), range=f"bytes=0-{'9' * 18}"),
    row("18-digits-behind-the-end", BEYOND, range=f"bytes={'9' * 18}-"),
    row("19-digits", WHOLE, range=f"bytes=0-{'9' * 19}"),
    row("a-million-digits", WHOLE, range=f"bytes={'9' * 1_000_000}-"),
    row("not-for-post", WHOLE, method="POST", range="bytes=0-9"),
    row("416-not-for-head", WHOLE, method="HEAD", range="bytes=100-"),
]

IF_RANGE: Table = [
    row("same-tag", part(0, 10), range="bytes=0-9", if_range='"now"'),
    row("other-tag", WHOLE, range="bytes=0-9", if_range='"old"'),
    row("strong-on-weak", WHOLE, etag='W/"now"', range="bytes=0-9", if_range='"now"'),
    row("same-date", part(0, 10), range="bytes=0-9", if_range=SAME),
    row("earlier-date", WHOLE, range="bytes=0-9", if_range=EARLIER),
    row("no-list", WHOLE, range="bytes=0-9", if_range='"now", "old"'),
    row("no-wildcard", WHOLE, range="bytes=0-9", if_range="*"),
    row("garbage", WHOLE, range="bytes=0-9", if_range="now"),
    row("empty", WHOLE, range="bytes=0-9", if_range=""),
    row("without-range", WHOLE, if_range='"now"'),
    row("false-hides-416", WHOLE, range="bytes=100-", if_range='"old"'),
    row("true-keeps-416", BEYOND, range="bytes=100-", if_range='"now"'),
]


@pytest.mark.parametrize(("conditions", "expected"), WERKZEUG)
def test_requests_that_werkzeug_evaluates_wrongly(
    conditions: Any, expected: Verdict
) -> None:
    """The outcome follows the RFC, unlike that of Werkzeug 3.1.9."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), ORDER)
def test_order(conditions: Any, expected: Verdict) -> None:
    """Preconditions are evaluated in the order of section 13.2.2, Range last."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), IF_MATCH)
def test_if_match(conditions: Any, expected: Verdict) -> None:
    """If-Match compares strongly, ``*`` is always true, false is 412 (13.1.1)."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), IF_UNMODIFIED_SINCE)
def test_if_unmodified_since(conditions: Any, expected: Verdict) -> None:
    """If-Unmodified-Since is 412 if the picture is newer (13.1.4)."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), IF_NONE_MATCH)
def test_if_none_match(conditions: Any, expected: Verdict) -> None:
    """If-None-Match compares weakly: 304 for GET and HEAD, else 412 (13.1.2)."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), IF_MODIFIED_SINCE)
def test_if_modified_since(conditions: Any, expected: Verdict) -> None:
    """If-Modified-Since is 304 if the picture is not newer (13.1.3)."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), RANGE)
def test_range(conditions: Any, expected: Verdict) -> None:
    """One valid byte range is 206 or 416, anything else is ignored (14.2)."""
    assert answer(**conditions) == expected


@pytest.mark.parametrize(("conditions", "expected"), IF_RANGE)
def test_if_range(conditions: Any, expected: Verdict) -> None:
    """If-Range keeps the range only for the same strong validator (13.1.5)."""
    assert answer(**conditions) == expected


#: Dates at which the picture is unchanged, or invalid dates.
NO_DATES = [
    pytest.param("", id="empty"),
    pytest.param("0", id="zero"),
    pytest.param("1709208000", id="unix-time"),
    pytest.param("2024-02-29T12:00:00Z", id="iso"),
    pytest.param(SAME.lower(), id="lower-case"),
    pytest.param(SAME.replace("GMT", "+0000"), id="zone-as-number"),
    pytest.param(SAME.replace("GMT", "EST"), id="other-zone"),
    pytest.param(SAME.removesuffix(" GMT"), id="no-zone"),
    pytest.param(SAME.replace(":00 GMT", " GMT"), id="no-seconds"),
    pytest.param(SAME.replace("2024", "24"), id="two-digit-year"),
    pytest.param(SAME.replace("29 Feb", "30 Feb"), id="no-such-day"),
    pytest.param(SAME.replace("12:", "25:"), id="no-such-hour"),
    pytest.param(f"{SAME}, {SAME}", id="two-dates"),
    pytest.param(SAME.replace("GMT", "+" + "9" * 20), id="zone-out-of-range"),
    pytest.param(SAME.replace("2024", "9" * 20), id="year-out-of-range"),
]


@pytest.mark.parametrize("text", NO_DATES)
def test_invalid_dates_are_ignored(text: str) -> None:
    """A date in none of the formats of section 5.6.7 MUST be ignored (13.1.3)."""
    assert answer(if_modified_since=text) == WHOLE
    assert answer(if_unmodified_since=text) == WHOLE
    assert answer(range="bytes=0-9", if_range=text) == WHOLE


def test_two_digit_years_far_ahead_are_past() -> None:
    """A year more than 50 years ahead is one of the last century (5.6.7)."""
    ahead = MADE.replace(year=datetime.now(UTC).year + 60, day=1)
    assert answer(if_unmodified_since=rfc850_date(ahead)) == FAILED


#: A strong tag after a server has compressed the body.
COMPRESSED = [
    pytest.param('"now-gzip"', id="apache"),
    pytest.param('"now-br"', id="apache-brotli"),
    pytest.param('"now--gzip"', id="jetty"),
    pytest.param('"now;gzip"', id="semicolon"),
    pytest.param('"now;br"', id="litespeed"),
    pytest.param('"now:gzip"', id="flask-compress"),
    pytest.param('W/"now-gzip"', id="weak"),
    pytest.param('"old", "now-gzip"', id="in-list"),
]


@pytest.mark.parametrize("tag", COMPRESSED)
def test_the_tag_of_a_compressed_copy_revalidates_it(tag: str) -> None:
    """A suffix from a server counts in neither If-Match nor If-Range."""
    assert answer(if_none_match=tag) == UNCHANGED
    assert answer(if_match=tag) == FAILED
    assert answer(range="bytes=0-9", if_range=tag) == WHOLE


@pytest.mark.parametrize(
    "tag",
    ['"old-gzip"', '"now-x"', '"nowgzip"', '"-gzip"', '"now-gzip-br"', "now-gzip"],
)
def test_another_suffix_is_another_tag(tag: str) -> None:
    """Only the suffix of an encoding, at the end of the current tag, is ignored."""
    assert answer(if_none_match=tag) == WHOLE


@pytest.mark.parametrize("headers", [{"If-None-Match": "*"}, {"Range": "bytes=0-9"}])
def test_errors_ignore_preconditions(
    plots: FigureBlueprint,
    serve: Callable[..., FlaskClient],
    headers: dict[str, str],
) -> None:
    """No condition changes an error (13.2.1)."""

    @plots.figure_route("/broken")
    def broken(x: int = 1) -> Figure:
        raise ZeroDivisionError(x)

    client = serve()
    assert client.get("/plots/broken", headers=headers).status_code == 500
    assert client.get("/plots/broken?x=no", headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        pytest.param(abort, 404, id="abort"),
        pytest.param(lambda _: Response("gone", 410), 410, id="response"),
        pytest.param(lambda _: 1 / 0, 500, id="exception"),
    ],
)
@pytest.mark.parametrize(
    "field", ["If-None-Match", "If-Match", "If-Unmodified-Since", "If-Modified-Since"]
)
def test_an_error_of_a_versioned_route_ignores_preconditions(
    plots: FigureBlueprint,
    serve: Callable[..., FlaskClient],
    missing: Callable[[int], Any],
    status: int,
    field: str,
) -> None:
    """``*`` does not match a known tag without a picture (13.2.1)."""

    @plots.figure_route("/of", version=lambda: 1, error_backoff=0)
    def of(n: int = 1) -> Any:
        return missing(404) if n > 1 else Figure(figsize=(1, 1))

    client = serve(PROPAGATE_EXCEPTIONS=False)
    value = SAME if field.endswith("Since") else "*"
    for method in ("GET", "HEAD"):
        answered = client.open("/plots/of?n=2", method=method, headers={field: value})
        assert answered.status_code == status
    known = client.get("/plots/of", headers={"If-None-Match": "*"})
    assert known.status_code == 304


# --- The second opinion ------------------------------------------------------

# For speed, a request takes few draws: related choices are drawn as one, from their
# product.

ETAGS = st.sampled_from(['"now"', 'W/"now"', '"a,b"', '""', '"\xe9"'])
MOMENTS = st.integers(788918400, 2208988800).map(
    lambda s: datetime.fromtimestamp(s, UTC)
)
LENGTHS = st.sampled_from([1, 2, 10, 1000]) | st.integers(1, 10**7)
METHODS = st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "get"])
FIELDS = (
    "if_match",
    "if_unmodified_since",
    "if_none_match",
    "if_modified_since",
    "range",
    "if_range",
)
#: The fields of a request: any of the 64 sets, and often only those of ranges.
SENT = st.sampled_from(
    [tuple(c) for n in range(7) for c in combinations(FIELDS, n)]
    + [("range",), ("range", "if_range")] * 30
)
#: White space around a field, mostly none.
PADDED = st.sampled_from(["{}"] * 6 + [" {}", "{}\t", "\t {} "])
ANYTHING = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]))

#: List members: the current tag weak or strong, other tags and garbage.
GOOD = ["{}", "W/{}", '"old"', 'W/"old"', '"new"'] * 3
BAD = ["now", '"now', 'now"', "w/{}", "W/now", "'now'", '"n ow"', "*", "", "W/", "{}x"]
MEMBERS = st.lists(st.sampled_from(GOOD + BAD), max_size=4)
GAPS = st.sampled_from([", ", ",", " ,", "\t,\t", ",,", " "])
ANY = st.sampled_from(["*"])


def tag_lists(etag: str) -> st.SearchStrategy[str]:
    """Draw ``*`` or a list that likely has the current tag, its twin and garbage."""
    opaque = etag.removeprefix("W/")
    lists = st.builds(str.join, GAPS, MEMBERS).map(
        lambda text: text.replace("{}", opaque)
    )
    return lists | lists | lists | lists | ANY | ANYTHING


#: Seconds from Last-Modified, mostly none or one; a format; a corruption.
DATES = st.sampled_from(
    [
        (seconds, write, spoil)
        for spoil in [("", "")] * 12
        + [(" ", ""), (":", "."), ("0", "x"), ("GMT", "UTC")]
        for seconds in (0, 0, 0, 1, -1, 86_400, -86_400, 10**8)
        for write in (imf_fixdate, rfc850_date, asctime_date)
    ]
)


def dates(last_modified: datetime) -> st.SearchStrategy[str]:
    """Draw a date near *last_modified* in one of the three formats, seldom garbage."""

    def write(choice: tuple[int, Callable[[datetime], str], tuple[str, str]]) -> str:
        seconds, write, spoil = choice
        text = write(last_modified + timedelta(seconds=seconds))
        return text.replace(*spoil, 1) if spoil[0] else text

    return DATES.map(write)


UNITS = st.sampled_from(
    ["bytes="] * 12 + ["Bytes=", "BYTES=", "byte=", "items=", "bytes", "bytes =", "="]
)
SPECS = st.sampled_from(["{}-{}"] * 8 + ["{}-", "-{}", "{}-{},{}-", "{}", "{}--{}"])


def ranges(length: int) -> st.SearchStrategy[str]:
    """Draw mostly one byte range that begins or ends around *length*."""
    near = [length - 1, length, length + 1]
    number = st.sampled_from(["", "0", "1", "00", *map(str, near), "9" * 18, "9" * 19])
    return st.builds(
        lambda unit, spec, *numbers: unit + spec.format(*numbers),
        *(UNITS, SPECS, number, number, number),
    )


#: The conditions, and the picture's facts that ``evaluate`` gets.
Request = tuple[Conditions, dict[str, Any]]


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Draw a likely request: preconditions, a range, or both."""
    etag, made, length = draw(ETAGS), draw(MOMENTS), draw(LENGTHS)
    values = {
        "if_match": tag_lists(etag),
        "if_unmodified_since": dates(made),
        "if_none_match": tag_lists(etag),
        "if_modified_since": dates(made),
        "range": ranges(length),
        "if_range": st.sampled_from([etag, f"W/{etag}", '"old"', "*"]) | dates(made),
    }
    padded = draw(PADDED)
    fields = {name: padded.format(draw(values[name])) for name in draw(SENT)}
    picture = {"etag": etag, "last_modified": made, "length": length}
    return Conditions(draw(METHODS), **fields), picture


@pytest.mark.slow
@pytest.mark.sweep
@settings(max_examples=10 * settings().max_examples)
@given(requests())
def test_two_implementations_agree(request_: Request) -> None:
    """``evaluate`` agrees with the oracle's table for any likely request."""
    conditions, picture = request_
    assert verdict(evaluate(conditions, **picture)) == judge(conditions, **picture)


@given(requests())
def test_a_part_is_inside_the_picture(request_: Request) -> None:
    """A 206 has at least one byte and none after the end."""
    conditions, picture = request_
    outcome = evaluate(conditions, **picture)
    if outcome.status == 206:
        assert outcome.stop is not None
        assert 0 <= outcome.start < outcome.stop <= picture["length"]
