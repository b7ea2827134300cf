"""Header values, query strings and problems, each checked by another parser."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mplstream.errors import (
    ArgumentFault,
    ArgumentsError,
    ConfigError,
    FigureTypeError,
    ImageTooLargeError,
    MplStreamError,
    UnknownFigureError,
)
from flask_mplstream.formats import FORMATS
from flask_mplstream.http.cache_control import Policy
from flask_mplstream.http.cache_status import CacheStatus
from flask_mplstream.http.conditional_requests import Outcome
from flask_mplstream.http.headers import (
    Presentation,
    format_content_disposition,
    format_content_range,
    format_server_timing,
    make_file_stem,
    make_validator_headers,
)
from flask_mplstream.http.problem_details import (
    Problem,
    fault,
    find_problem,
    make_not_acceptable,
    make_precondition_failed,
    make_problem_headers,
    make_range_not_satisfiable,
)
from flask_mplstream.http.query_string import (
    MAX_ARGUMENTS,
    MAX_QUERY_LENGTH,
    parse_query,
)

PNG = FORMATS["png"]

#: Words from a URL and the file name that they make.
STEMS = [
    pytest.param("walk", "walk", id="ascii"),
    pytest.param("walk_2.5x-a", "walk_2.5x-a", id="punctuation"),
    pytest.param("größe", "größe", id="latin-1"),
    pytest.param("日本", "日本", id="japanese"),
    pytest.param("../../etc/passwd", "etc-passwd", id="path"),
    pytest.param("..\\..\\win.ini", "win.ini", id="windows-path"),
    pytest.param("/etc/passwd", "etc-passwd", id="absolute-path"),
    pytest.param(".htaccess", "htaccess", id="hidden"),
    pytest.param('a"b"; filename=c', "a-b-filename-c", id="quotes"),
    pytest.param("a\r\nSet-Cookie: b=1", "a-Set-Cookie-b-1", id="line-break"),
    pytest.param("a\x00\x7f\tb", "a-b", id="controls"),
    pytest.param("a\u202egnp.exe", "a-gnp.exe", id="right-to-left-override"),
    pytest.param("a\ud800b", "a-b", id="lone-surrogate"),
    pytest.param("x" * 300, "x" * 80, id="overlong"),
    pytest.param("日" * 300, "日" * 80, id="overlong-japanese"),
    pytest.param("x" * 79 + "/y", "x" * 79, id="cut-at-a-separator"),
    pytest.param("", "figure", id="empty"),
    pytest.param("../..", "figure", id="nothing-left"),
]


#: RFC 8187, section 3.2.1: a character of ``filename*``, plain or escaped.
EXTENDED = re.compile(r"UTF-8''((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-F]{2})+)")


def parameters(header: str) -> dict[str, str]:
    """Return the parameters of a header as written; ours need no quotes."""
    return dict(part.split("=", 1) for part in header.split("; ")[1:])


def saved_as(header: str) -> str:
    """Return the name that a browser saves: ``filename*`` before ``filename``."""
    found = parameters(header)
    if "filename*" not in found:
        return found["filename"]
    extended = EXTENDED.fullmatch(found["filename*"])
    assert extended, f"{found['filename*']!r} is not valid by RFC 8187"
    return unquote(extended[1], errors="strict")


@pytest.mark.parametrize(("words", "stem"), STEMS)
def test_file_stem(words: str, stem: str) -> None:
    """A file name consists of letters, digits, ``.``, ``_`` and ``-``."""
    assert make_file_stem(words) == stem


def test_file_stem_of_words() -> None:
    """Words are joined by dashes; empty ones are left out."""
    assert make_file_stem("walk", "", "seed", "3") == "walk-seed-3"


@given(st.lists(st.text()))
def test_file_stem_of_any_words(words: list[str]) -> None:
    """Any words give 1-80 safe characters and no hidden file."""
    assert re.fullmatch(r"[^\W_][\w.-]{0,79}", make_file_stem(*words))


@pytest.mark.parametrize("disposition", ["inline", "attachment"])
def test_disposition_of_a_plain_name(disposition: str) -> None:
    """A name in ASCII needs no ``filename*`` (RFC 6266)."""
    header = format_content_disposition(disposition, "walk", PNG)
    assert header == f"{disposition}; filename=walk.png"


@pytest.mark.parametrize(
    ("stem", "plain", "extended"),
    [
        pytest.param("größe", "groe.png", "UTF-8''gr%C3%B6%C3%9Fe.png", id="latin-1"),
        pytest.param("café", "cafe.png", "UTF-8''caf%C3%A9.png", id="accent"),
        pytest.param("日本", "figure.png", "UTF-8''%E6%97%A5%E6%9C%AC.png", id="none"),
        pytest.param("日本2", "2.png", "UTF-8''%E6%97%A5%E6%9C%AC2.png", id="some"),
    ],
)
def test_disposition_of_a_foreign_name(stem: str, plain: str, extended: str) -> None:
    """``filename*`` is the name in UTF-8, ``filename`` an ASCII version."""
    header = format_content_disposition("inline", stem, PNG)
    assert parameters(header) == {"filename": plain, "filename*": extended}


@pytest.mark.parametrize(("words", "stem"), STEMS)
def test_disposition_arrives(words: str, stem: str) -> None:
    """The header is ASCII, and the name is read back."""
    header = format_content_disposition("inline", make_file_stem(words), PNG)
    assert header.isascii()
    assert header.isprintable()
    assert saved_as(header) == f"{stem}.png"


@given(st.text(), st.sampled_from([*FORMATS.values()]))
def test_disposition_of_any_words(words: str, format: Any) -> None:
    """No words break the header or leave the folder of the file."""
    stem = make_file_stem(words)
    header = format_content_disposition("attachment", stem, format)
    assert header.isascii()
    assert header.isprintable()
    assert saved_as(header) == f"{stem}.{format.name}"
    assert re.fullmatch(r"[\w-][\w.-]*", parameters(header)["filename"])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(CacheStatus(), {"hit": True}, id="hit"),
        pytest.param(CacheStatus(ttl_s=42), {"hit": True, "ttl": 42}, id="hit-ttl"),
        pytest.param(CacheStatus(ttl_s=-3), {"hit": True, "ttl": -3}, id="hit-stale"),
        pytest.param(CacheStatus(ttl_s=0), {"hit": True, "ttl": 0}, id="ttl-zero"),
        pytest.param(
            CacheStatus(fwd="uri-miss", is_stored=True),
            {"fwd": http_sf.Token("uri-miss"), "stored": True},
            id="miss",
        ),
        pytest.param(
            CacheStatus(fwd="bypass"), {"fwd": http_sf.Token("bypass")}, id="bypass"
        ),
        pytest.param(
            CacheStatus(fwd="stale", is_stored=True, ttl_s=60),
            {"fwd": http_sf.Token("stale"), "stored": True, "ttl": 60},
            id="stale",
        ),
    ],
)
def test_cache_status(status: CacheStatus, expected: dict[str, Any]) -> None:
    """``Cache-Status`` is a structured list of one cache, hit or forwarded."""
    parsed = http_sf.parse(str(status).encode(), tltype="list")
    assert parsed == [(http_sf.Token("flask-mplstream"), expected)]


def test_server_timing() -> None:
    """Each step is a member with a text and its milliseconds, in order."""
    header = format_server_timing([("build", 0.0012), ("draw", 2.5), ("encode", 0.0)])
    steps: Any = http_sf.parse(header.encode(), tltype="list")
    assert [str(step) for step, _ in steps] == ["build", "draw", "encode"]
    assert [float(told["dur"]) for _, told in steps] == [1.2, 2500.0, 0.0]
    assert all(isinstance(told["desc"], str) for _, told in steps)


@pytest.mark.parametrize(
    ("max_age", "is_private", "age", "expected"),
    [
        pytest.param(60, False, 0, "max-age=60", id="new"),
        pytest.param(60, False, 20, "max-age=40", id="older"),
        pytest.param(60, False, 59, "max-age=1", id="last-second"),
        pytest.param(60, False, 60, "no-cache", id="due"),
        pytest.param(60, False, 99, "no-cache", id="overdue"),
        pytest.param(0, False, 0, "no-cache", id="never-fresh"),
        pytest.param(60, True, 0, "private, no-cache", id="private"),
        pytest.param(60, True, 99, "private, no-cache", id="private-overdue"),
    ],
)
def test_cache_control(max_age: int, is_private: bool, age: int, expected: str) -> None:
    """The client keeps a picture for the rest of its freshness."""
    assert (
        Policy(max_age, is_private, "same-origin").format_cache_control(age) == expected
    )


@pytest.mark.parametrize(
    ("is_negotiated", "is_private", "expected"),
    [
        pytest.param(False, False, None, id="neither"),
        pytest.param(True, False, "Accept", id="negotiated"),
        pytest.param(False, True, "Cookie, Authorization", id="private"),
        pytest.param(True, True, "Accept, Cookie, Authorization", id="both"),
    ],
)
def test_vary(is_negotiated: bool, is_private: bool, expected: str | None) -> None:
    """``Vary`` lists the selecting headers, and is absent otherwise (12.5.5)."""
    policy = Policy(60, is_private, "same-origin")
    headers = dict(
        make_validator_headers('"a"', policy, Presentation("x", is_negotiated))
    )
    assert headers["ETag"] == '"a"'
    assert headers.get("Vary") == expected


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        pytest.param(0, 500, "bytes 0-499/1234", id="first"),
        pytest.param(734, 1234, "bytes 734-1233/1234", id="last"),
        pytest.param(0, 1, "bytes 0-0/1234", id="one-byte"),
    ],
)
def test_content_range(start: int, stop: int, expected: str) -> None:
    """``Content-Range`` names the last byte, not the one after it (14.4)."""
    part = Outcome(HTTPStatus.PARTIAL_CONTENT, start, stop)
    assert format_content_range(part, 1234) == ("Content-Range", expected)


# --- Query strings -----------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        pytest.param("", [], id="empty"),
        pytest.param("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")], id="order"),
        pytest.param("a&b=", [("a", ""), ("b", "")], id="blank"),
        pytest.param("a=+%2B%26%3D", [("a", " +&=")], id="escapes"),
        pytest.param("a=1;b=2", [("a", "1;b=2")], id="semicolon-is-text"),
        pytest.param("%C3%BC=%E6%97%A5", [("ü", "日")], id="utf-8"),
        pytest.param("\xc3\xbc=1", [("ü", "1")], id="raw-utf-8"),
        pytest.param("a=%FFb", [("a", "\ufffdb")], id="escaped-bad-byte"),
        pytest.param("a=\xffb", [("a", "\ufffdb")], id="raw-bad-byte"),
        pytest.param("a=%ED%A0%80", [("a", "\ufffd" * 3)], id="escaped-surrogate"),
        pytest.param("a=%00", [("a", "\x00")], id="nul"),
        pytest.param("a=%zz%", [("a", "%zz%")], id="bad-escape"),
    ],
)
def test_parse_query(query: str, pairs: list[tuple[str, str]]) -> None:
    """Names and texts come in order, decoded; a bad byte is U+FFFD."""
    assert parse_query(query) == pairs


def test_longest_query() -> None:
    """8192 characters and 200 arguments are read."""
    assert parse_query("a=".ljust(MAX_QUERY_LENGTH, "x"))
    assert len(parse_query("&".join(["a=1"] * MAX_ARGUMENTS))) == MAX_ARGUMENTS


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("a=".ljust(MAX_QUERY_LENGTH + 1, "x"), id="characters"),
        pytest.param("&".join(["a=1"] * (MAX_ARGUMENTS + 1)), id="arguments"),
        pytest.param("&" * MAX_ARGUMENTS, id="empty-arguments"),
    ],
)
def test_query_too_long(query: str) -> None:
    """A longer query is a client error, which does not repeat the query."""
    with pytest.raises(ArgumentsError, match="too long") as caught:
        parse_query(query)
    assert [fault.value for fault in caught.value.faults] == [None]


@given(st.text() | st.text("a%&=+;\x00\xff8CF"))
def test_parse_any_query(query: str) -> None:
    """Any query gives texts that UTF-8 can encode."""
    for pair in parse_query(query):
        assert all(isinstance(text.encode(), bytes) for text in pair)


# --- Problems ----------------------------------------------------------------

FAULT = ArgumentFault("n", "zwölf", "Not a number.", "a whole number")


def test_problem_body() -> None:
    """The body has the members of RFC 9457 and those of this problem, in UTF-8."""
    problem = Problem(make_not_acceptable([PNG]).status, "Größe", {"more": [1]})
    assert json.loads(problem.body("/plots/a.png").decode()) == {
        "type": "about:blank",
        "title": "Not Acceptable",
        "status": 406,
        "detail": "Größe",
        "instance": "/plots/a.png",
        "more": [1],
    }


@given(st.text(st.characters()), st.text(st.characters()))
def test_problem_body_of_any_text(detail: str, instance: str) -> None:
    """Hostile text in a URL gives valid JSON, never an exception."""
    body = Problem(make_not_acceptable([PNG]).status, detail, {}).body(instance)
    assert json.loads(body)["status"] == 406


def test_problem_body_with_a_lone_surrogate() -> None:
    """Text that UTF-8 cannot encode does not break the response."""
    body = Problem(make_not_acceptable([PNG]).status, "a\ud800", {}).body("/\udcff")
    assert json.loads(body)["detail"] == "a?"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(ArgumentsError([FAULT]), 400, id="arguments"),
        pytest.param(ImageTooLargeError("9000 pixels"), None, id="too-large"),
        pytest.param(ConfigError("no"), None, id="config"),
        pytest.param(FigureTypeError("no"), None, id="figure-type"),
        pytest.param(UnknownFigureError("no"), None, id="unknown-figure"),
        pytest.param(MplStreamError("no"), None, id="root"),
    ],
)
def test_problem_of(error: MplStreamError, status: int | None) -> None:
    """Errors of the client have a problem; errors of the app have none."""
    problem = find_problem(error)
    assert (problem and problem.status) == status
    assert problem is None or problem.detail == str(error)


def test_problem_of_arguments() -> None:
    """Each fault is a member of ``errors``, with the nearest name if known."""
    near = ArgumentFault("sede", None, "Unknown.", "seed", nearest="seed")
    problem = find_problem(ArgumentsError([FAULT, near]))
    assert problem is not None
    first, second = json.loads(problem.body("/"))["errors"]
    assert first == {
        "name": "n",
        "value": "zwölf",
        "reason": "Not a number.",
        "accepted": "a whole number",
    }
    assert second["nearest"] == "seed"


def test_not_acceptable() -> None:
    """A 406 lists the offered types, in the order of the route (15.5.7)."""
    problem = make_not_acceptable([FORMATS["svg"], PNG])
    assert problem.status == 406
    assert problem.members == {"available": ["image/svg+xml", "image/png"]}


@pytest.mark.parametrize(
    ("problem", "status", "told"),
    [
        pytest.param(make_precondition_failed('"abc"'), 412, '"abc"', id="412"),
        pytest.param(make_range_not_satisfiable(1234), 416, "1234", id="416"),
    ],
)
def test_refusals_are_problems(problem: Problem, status: int, told: str) -> None:
    """A 412 and a 416 are small problems that name the current state."""
    body = json.loads(problem.body("/a"))
    assert body["status"] == status
    assert told in body["detail"]


def test_problem_headers() -> None:
    """A problem is not stored, sniffed or run."""
    headers = dict(make_problem_headers(fault(), "application/problem+json"))
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
