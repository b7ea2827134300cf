"""Hostile requests from a seed, sent by bare WSGI, and checks of the responses.

Queries are derived from the figures' signatures, so many are valid and most others
almost. Random noise would never pass the first check.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from random import Random
from typing import Any
from urllib.parse import quote, quote_plus

from flask import Flask

from flask_mplstream.formats import ALT_FORMAT
from flask_mplstream.http.problem_details import PROBLEM_TYPE
from flask_mplstream.parameters.function_signature import Parameters
from flask_mplstream.parameters.reserved import RESERVED
from flask_mplstream.parameters.value_parsing import Parameter
from flask_mplstream.web.app_state import AppState

#: Texts that have broken programs.
TEXTS = (
    *("", " ", "\t", "0", "-0", "+0", "-1", "00000007", "7.0", "7.5", "1_0", "0x1F"),
    *("1e3", "1e999", "-1e999", "1e-999", "nan", "NaN", "-nan", "inf", "-Infinity"),
    *("9" * 19, "-" + "9" * 40, "9" * 300, "9" * 5000, f"0.{'0' * 400}1", "1/0", "1,5"),
    *("true", "TRUE", "null", "None", "undefined", "[object Object]", "\u221e", "\xbd"),
    *("\u0663", "\uff17", "\u2167", "1999-02-30", "0000-00-00", "10000-01-01", "--"),
    *("2024-02-29T24:00:00", "2024-01-01T00:00:00+99:99", "-9999999999999", "25:61"),
    *("2024-01-01 00:00:00.0000000001", "P1DT12H", "1700000000", "1e18", "12:00:60"),
    *("\0", "a\0b", "\r\nSet-Cookie: a=b", "\r\n\r\n<html>", "\n", "\x1b[31m", "\x7f"),
    *("\u2028", "\u202e", "\u200b", "\ufeff", "\ufffe", "\uffff", "\U0010ffff", "\x85"),
    *("\ud800", "\udfff", "\ud83d", "\udcff", "a\ud800b", "e" + "\u0301" * 60, "\xad"),
    *("\U0001f469\u200d\U0001f467", "\ufdfa", "\u0130", "\xdf", "\u212a", "\u65e5.png"),
    *("\u0645\u0631\u062d\u0628\u0627", "\uff8a\uff9f", "\xa0", "\xe9" * 300),
    *("\U0001f47e" * 257, "".join(map(chr, range(32))), "\\", "\\u0000", '"', "'", "`"),
    *("$\\foo$", "$^$", "$$", "$x_1_2$", "$" + "{" * 60, "$\\frac{1}{2}$", "$", "\\$"),
    *("%", "%%", "%s%s%n", "%(a)s", "{}", "{0.__class__}", "{!r:>9999}", "${7*7}"),
    *("{{7*7}}", "{% raw %}", "<%= 1 %>", "`id`", "$(id)", "; id", "| id", "&", "#"),
    *("../../etc/passwd", "..\\..\\x", "/etc/passwd", "file:///etc/passwd", "C:\\"),
    *("..", ".", "//evil.example/", "http://evil.example/", "javascript:alert(1)"),
    *("' OR 1=1 --", '"; DROP TABLE x; --', "1 UNION SELECT NULL", "*)(uid=*", "$ne"),
    *("<script>alert(1)</script>", "<svg onload=alert(1)>", "]]>", "<!--", "-->"),
    *('<!DOCTYPE x [<!ENTITY a "b">]>', "&a;", "<?xml version='1.0'?>", '" onx="'),
    *("a" * 255, "a" * 256, "a" * 257, "a" * 9000, "(" * 500, "a,b", "a;b", "a=b&c"),
)

#: Undeclared names, and names with a meaning in some language or framework.
NAMES = (
    *("_", "__", "_scale", "_download", "_v", "_format", "_theme", "_width", "_sig"),
    *("_expires", "_Scale", "__proto__", "__class__", "__init__", "constructor"),
    *("self", "cls", "function", "path", "kwargs", "format", "scale", "endpoint"),
    *("", " ", "a[]", "a[0]", "a[b][c]", "a.b", "a b", "\0", "\r\n", "\ud800"),
    *("utm_source", "terrain", "SEED", "seed ", "s\u0435ed", "%00", "<b>", "$x$"),
    *("x" * 300, "x" * 9000, "__proto__[x]", "(query)", "values", "load", "\u65e5"),
)

#: Pieces of a query that are not UTF-8, escapes or pairs.
PIECES = (
    *(b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"),
    *(b"\xfe\xff\0a", b"\0", b"\r\n", b"%", b"%0", b"%zz", b"%u0041", b"%25%30"),
    *(b"%C0%AF", b"%ED%A0%80", b"%FF", b"%00", b"%0d%0a", b"+", b"%2B", b"=", b"&"),
    *(b"&&", b";", b"==", b"&=", b"=&=", b"#", b"?", b"\xef\xbb\xbf", b"\x1b", b" "),
)

#: Pieces of mathtext, combined at random.
MATHTEXT = (
    *("$", "\\$", "\\", "{", "}", "^", "_", "'", "x", "1", " ", "\n", "&", "%"),
    *("\\frac", "\\foo", "\\sqrt", "\\mathrm", "\\mathcal{", "\\left(", "\\right)"),
    *("\\sum", "\\alpha", "\\text", "\\overline", "[", "]", "\\rm", "\\hspace", "#"),
)
#: Ranges with critical code points: ends of blocks, surrogates, controls.
_BLOCKS = ((0, 0x300), (0, 0x11000), (0xD800, 0xE000), (0xFFF0, 0x10000), (0, 0x110000))

EXTENSIONS = (
    *("gif", "PNG", "png.", "svgz", "jpeg", "html", "", "png/", "png%00", "p\xffg"),
    *("png\0", "png\r\nA: b", "..", "png.svg", "_format", "any(png)"),
)
GARBAGE_PATHS = (
    *("/plots", "/plots/", "/static/%00"),
    *("/plots/../plots/scatter", "/plots/./scatter", "/plots/scatter/", "/favicon.ico"),
    *("/plots/scatter\0", "/plots/scatter\r\nA: b", "/plots/\xff\xfe", "/static/"),
    *("/plots/scatter;a=b", "/plots/scatter%2Epng", "/%", "/static/../__init__.py"),
    *("/plots/\xed\xa0\x80", "/plots/" + "a" * 9000, "/plots/scatter.png/..", "/\\"),
)

DATES = (
    *("Thu, 29 Feb 2024 12:00:00 GMT", "Thursday, 29-Feb-24 12:00:00 GMT"),
    *("Thu Feb 29 12:00:00 2024", "Fri, 31 Dec 9999 23:59:59 GMT", "0", "-1", ""),
    *("Mon, 99 Foo 0000 99:99:99 GMT", "Thu, 30 Feb 2024 12:00:00 GMT", "now"),
    *("Thu Jan  0 00:00:00 0000", "Sun, 06-Nov-00 08:49:37 GMT"),
)
RANGES = (
    *("bytes=0-9", "bytes=5-", "bytes=-5", "bytes=0-", "bytes=-0", "bytes=9-3"),
    *("bytes=999999-", "bytes=0-0,5-9", "items=0-5", "BYTES=0-1", "bytes = 0-1"),
    *(f"bytes={'9' * 18}-", f"bytes={'9' * 400}-", "bytes=a-b", "bytes=-", "bytes="),
    *("bytes=" + "0-1," * 2000, "bytes=--1", "bytes=+1-2", "bytes=0x1-2", "\xb2"),
)
ACCEPTS = (
    *("*/*", "image/*", "image/png", "image/svg+xml", "image/webp,*/*;q=0.1"),
    *("image/avif,image/apng,image/svg+xml,image/*,*/*;q=0.8", "text/html", "image"),
    *("image/png;q=0", "*/*;q=0", "image/png;q=nan", "image/png;q=1e999", "*"),
    *("image/png;q=-1", "image/png;q=", "image/png;q=1;q=0", ";", ",", ",,,,", "/"),
    *('image/png;a="\\', f'image/png;a="{"b" * 400}', "image/*;q=0.5," * 500),
    *("a/b," * 3000, "*/png", "application/pdf", "IMAGE/PNG", "image/png\t;\tq=1"),
)
DESTINATIONS = ("document", "empty", "iframe", "Image", "image, image", "")

#: A server's largest limit for a request line, in characters.
LONGEST = 65_536
#: The body of every picture in the tests.
BODY = bytes(range(100))


@dataclass(frozen=True)
class Request:
    """A request, which its ``repr`` can repeat."""

    path: str
    query: str = ""
    method: str = "GET"
    #: Values by their names in a WSGI environment.
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A response as the server gets it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the value of a header that occurs at most once."""
        found = [value for key, value in self.headers if key.lower() == name]
        assert len(found) < 2, f"{name} occurs twice: {found}"
        return found[0] if found else None


Wsgi = Callable[..., Any]


def send(app: Wsgi, request: Request) -> Answer:
    """Call *app* by WSGI, which is faster than a test client."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(
        status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        started.append((status, headers))
        return lambda _: None

    blocks = app(
        {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **request.headers,
        },
        start_response,
    )
    try:
        body = b"".join(blocks)
    finally:
        if hasattr(blocks, "close"):
            blocks.close()
    ((status, headers),) = started
    return Answer(int(status[:3]), headers, body)


@dataclass(frozen=True)
class Target:
    """A figure route: its paths and parameters."""

    endpoint: str
    paths: tuple[str, ...]
    parameters: Parameters


def targets(app: Flask) -> list[Target]:
    """Return every figure route of *app*; none may have variables in its path."""
    found = []
    for endpoint, route in AppState.of(app).routes.items():
        rules = [rule.rule for rule in app.url_map.iter_rules(endpoint)]
        (plain,) = (rule for rule in rules if "<" not in rule)
        assert len(rules) == 2, f"{rules} must be a rule and its extensions"
        names = [format.name for format in (*route.options.formats, ALT_FORMAT)]
        extensions = [f"{plain}.{name}" for name in names]
        found.append(Target(endpoint, (plain, *extensions), route.parameters))
    return found


def make_hostile_text(random: Random) -> str:
    """Return a text for a figure, which may have surrogates."""
    match random.randrange(4):
        case 0:
            return random.choice(TEXTS)[:256]
        case 1:
            pieces = random.choices(MATHTEXT, k=random.randint(1, 12))
            return f"${''.join(pieces)}$"
        case 2:
            blocks = random.choices(_BLOCKS, k=random.randint(1, 20))
            return "".join(chr(random.randrange(*block)) for block in blocks)
    return random.choice(TEXTS)[:100] + random.choice(TEXTS)[:100]


class Fuzz:
    """Requests from a seed, the same ones on every machine.

    :param targets: the figure routes.
    :param etag: the entity tag of every picture.
    """

    def __init__(self, seed: int, targets: Sequence[Target], etag: str) -> None:
        self._random = Random(seed)
        self._targets = targets
        self._etag = etag

    def _is(self, probability: float) -> bool:
        return self._random.random() < probability

    def next_request(self) -> Request:
        """Return the next request."""
        target = self._random.choice(self._targets)
        return Request(
            self._path(target), self.query(target), self._method(), self._headers()
        )

    def _path(self, target: Target) -> str:
        path = self._random.choice(target.paths)
        if self._is(0.95):
            return path
        if self._is(0.5):
            return f"{target.paths[0]}.{self._random.choice(EXTENSIONS)}"
        if self._is(0.5):
            return self._random.choice(GARBAGE_PATHS)
        return "/" + self._noise(20)

    def _method(self) -> str:
        if self._is(0.92):
            return "GET"
        return self._random.choice(("HEAD", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"))

    def query(self, target: Target) -> str:
        """Return a query string in a server's form: bytes decoded as latin-1."""
        if self._is(0.03):
            return self._noise(self._random.choice((1, 9, 300, 9000)))
        query = "&".join(self._pairs(target))
        if self._is(0.25):
            for _ in range(self._random.randint(1, 3)):
                query = self._mutate(query)[:LONGEST]
        return query[:LONGEST]

    def _pairs(self, target: Target) -> list[str]:
        pairs = [
            (parameter.name, text)
            for parameter in (*target.parameters, *RESERVED)
            if self._is(0.4)
            for text in self._texts(parameter)
        ]
        self._random.shuffle(pairs)
        if pairs and self._is(0.3):
            index = self._random.randrange(len(pairs))
            pairs[index] = (pairs[index][0], self._random.choice(TEXTS))
        if self._is(0.2):
            name, text = self._random.choice(NAMES), self._random.choice(TEXTS)
            pairs.insert(self._random.randint(0, len(pairs)), (name, text))
        pairs_in_url = [
            f"{self._spell(name)}={self._spell(text)}" for name, text in pairs
        ]
        if pairs_in_url and self._is(0.02):
            again = self._random.choice(pairs_in_url)
            pairs_in_url += [again] * self._random.choice((1, 150, 2500))
        return pairs_in_url

    def _texts(self, parameter: Parameter) -> list[str]:
        definitions = parameter.schema.get("$defs", {})
        text = self._text(parameter.schema, definitions)
        if not parameter.is_repeated:
            return [text]
        return [
            self._text(parameter.schema, definitions)
            for _ in range(self._random.choice((0, 1, 2, 5, 100)))
        ] or [text, ""]

    def _text(self, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
        """Return a text for a value of *schema*, in one of several spellings."""
        random = self._random
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self._text(random.choice(schema["anyOf"]), definitions)
        if "enum" in schema or "const" in schema:
            return str(random.choice(schema.get("enum", [schema.get("const")])))
        low, high = schema.get("minimum", -(10**6)), schema.get("maximum", 10**6)
        match schema.get("type"), schema.get("format"):
            case "array", _:
                return self._text(schema["items"], definitions)
            case "integer", _:
                number = random.choice((low, high, random.randint(int(low), int(high))))
                shape = random.choice(("{}", "{}", "{:+}", "{:07}", " {} ", "{}.0"))
                return shape.format(number)
            case "number", _:
                number = random.choice((low, high, random.uniform(low, high)))
                return random.choice(("{}", "{:e}", "{:+}", "{:.3f}")).format(number)
            case "boolean", _:
                return random.choice(("true", "false", "1", "0", "on", "OFF", "Yes"))
            case "string", "date":
                return f"{random.randint(1980, 2030)}-{random.randint(1, 12):02}-28"
            case "string", _:
                return random.choice(TEXTS)
        return ""

    def _spell(self, text: str) -> str:
        """Return a spelling of *text* in a URL, which may be incorrect."""
        data = text.encode("utf-8", "surrogatepass")
        match self._random.randrange(12):
            case 0:
                return data.decode("latin-1")
            case 1:
                return f"%{data.hex('%')}" if data else ""
            case 2:
                return quote(quote(data))
            case 3:
                return quote(data, safe="/:?@!$'()*,;[]{}|\\^`\"<>")
            case 4:
                return quote_plus(data)
        return quote(data)

    def _mutate(self, query: str) -> str:
        random = self._random
        start, stop = sorted(random.choices(range(len(query) + 1), k=2))
        match random.randrange(7):
            case 0:
                return query[:start] + query[stop:]
            case 1:
                return query[:stop] + query[start:]
            case 2:
                return query.replace("&", ";")
            case 3:
                return query[:start] + _swap_case(query[start:stop]) + query[stop:]
            case 4:
                return query[:start] + query[start:stop] * 300 + query[stop:]
        piece = random.choice(PIECES).decode("latin-1")
        return query[:start] + piece + query[start:]

    def _noise(self, length: int) -> str:
        return self._random.randbytes(length).decode("latin-1")

    def _headers(self) -> dict[str, str]:
        headers = {
            name: self._header(name) for name in _CHOICES if self._is(_CHANCES[name])
        }
        if self._is(0.004):
            headers["HTTP_SEC_FETCH_DEST"] = "image"
        return headers

    def _header(self, name: str) -> str:
        if self._is(0.05):
            return self._noise(self._random.choice((1, 30, 9000)))
        value = self._random.choice(_CHOICES[name]).replace("ETAG", self._etag)
        if self._is(0.05):
            value = f"{value}, {self._random.choice(TEXTS)}"
        return value.encode("utf-8", "surrogatepass").decode("latin-1")


def _swap_case(text: str) -> str:
    # Swap the case in ASCII only: the result must be bytes, too.
    return text.encode("latin-1").swapcase().decode("latin-1")


_ETAGS = ("ETAG", "ETAG", "W/ETAG", '"other"', "*", '"other", ETAG', '"', 'W/"', "abc")
_CHOICES: Mapping[str, Sequence[str]] = {
    "HTTP_ACCEPT": ACCEPTS,
    "HTTP_RANGE": RANGES,
    "HTTP_IF_NONE_MATCH": _ETAGS,
    "HTTP_IF_MODIFIED_SINCE": DATES,
    "HTTP_IF_UNMODIFIED_SINCE": DATES,
    "HTTP_IF_MATCH": _ETAGS,
    "HTTP_IF_RANGE": (*_ETAGS, *DATES),
    "HTTP_SEC_FETCH_DEST": DESTINATIONS,
    "HTTP_COOKIE": (*TEXTS, *map("session={}".format, TEXTS)),
}
_CHANCES = dict.fromkeys(_CHOICES, 0.1) | {"HTTP_ACCEPT": 0.3, "HTTP_RANGE": 0.2}


#: Field names and values (RFC 9110 sections 5.1 and 5.5), each on a separate line.
_HEADER_LINES = re.compile(
    r"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: "
    r"[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?\n)+"
)
#: Statuses of a figure's URL for GET or HEAD.
PICTURES, PROBLEMS = {200, 206, 304}, {400, 403, 406, 412, 416}
#: Flask's statuses without a view, for another method and for another URL.
OTHER_METHODS, OTHER_URLS = {200, 405}, {200, 308, 404, 405}


def find_fault(request: Request, answer: Answer, *, is_figure: bool) -> str:
    """Return the fault of *answer*, or an empty string."""
    lines = "".join(f"{name}: {value}\n" for name, value in answer.headers)
    if not _HEADER_LINES.fullmatch(lines):
        return f"ill-formed headers {lines!r}"
    if answer.status >= 500:
        return "a 5xx"
    length = answer.header("content-length")
    if request.method == "HEAD" or answer.status == 304:
        if answer.body:
            return "an unexpected body"
    elif length is not None and int(length) != len(answer.body):
        return f"a Content-Length of {length} for {len(answer.body)} bytes"
    if not is_figure or request.method not in ("GET", "HEAD"):
        allowed = OTHER_METHODS if is_figure else OTHER_URLS
        return "" if answer.status in allowed else "a status that Flask never sends"
    if answer.status in PICTURES:
        return _check_picture(answer)
    if answer.status in PROBLEMS:
        return _check_problem(request, answer)
    return "a status that a figure never has"


def _check_picture(answer: Answer) -> str:
    if not answer.header("etag"):
        return "a picture without ETag"
    if answer.status != 304 and answer.header("x-content-type-options") != "nosniff":
        return "a picture without nosniff"
    return ""


def _check_problem(request: Request, answer: Answer) -> str:
    if answer.header("cache-control") != "no-store":
        return "a problem without no-store"
    if answer.header("x-content-type-options") != "nosniff":
        return "a problem without nosniff"
    kind = answer.header("content-type")
    if request.headers.get("HTTP_SEC_FETCH_DEST") == "image":
        is_picture = answer.body.startswith(b"\x89PNG") or request.method == "HEAD"
        return (
            ""
            if kind == "image/png" and is_picture
            else "a problem without its picture"
        )
    if kind != PROBLEM_TYPE:
        return f"a problem of type {kind}"
    if request.method == "HEAD":
        return ""
    problem = json.loads(answer.body, parse_constant=_refuse)
    if problem["status"] != answer.status or not problem["detail"]:
        return "a problem with another status or without detail"
    return ""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
