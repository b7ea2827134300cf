"""Hostile requests: clean responses, no kept memory, no broken picture.

Most tests stub renders; the last ones draw. A failure shows a request that can be
repeated.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import tracemalloc
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from enum import Enum
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode
from wsgiref.validate import validator

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.colors import is_color_like
from matplotlib.figure import Figure
from PIL import Image
from pydantic import AfterValidator, Field

from example_app import create_app
from flask_mplstream import ArgumentsError, FigureBlueprint
from flask_mplstream.cache.memory import MemoryCache
from flask_mplstream.cache.store import EPOCH
from flask_mplstream.parameters.function_signature import Parameters
from flask_mplstream.parameters.json_schema import MAX_VALUE_LENGTH
from flask_mplstream.rendered_image import RenderedImage
from flask_mplstream.web import request_reading
from flask_mplstream.web.app_state import AppState
from flask_mplstream.web.figure_route import FigureRoute, Picture
from tests.support.fuzzing import (
    BODY,
    Answer,
    Fuzz,
    Request,
    find_fault,
    make_hostile_text,
    send,
    targets,
)

pytestmark = [pytest.mark.slow, pytest.mark.sweep]

SEED = 20240229
#: Requests of the flood; a run without ``--sweep`` sends a part of them.
REQUESTS, SHARE = 100_000, 0.04
CACHE_BYTES = 2**20
ETAG = f'"{blake2b(BODY, digest_size=16).hexdigest()}"'

Note = Callable[[str, Picture], object]


@contextmanager
def stub_renders(note: Note = lambda *_: None) -> Iterator[None]:
    """Stub renders with ``BODY``; *note* gets the route of each."""

    def render(
        self: FigureRoute, picture: Picture, *_: object, **__: object
    ) -> RenderedImage:
        note(self.endpoint, picture)
        picture.arguments.copy()  # The arguments that a figure function would get.
        return RenderedImage(BODY, picture.variant.format, 10, 10, (("draw", 0.0),))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FigureRoute, "_render", render)
        patch.setattr(FigureRoute, "_encode", render)
        yield


def dashboard(**config: Any) -> Flask:
    """Return the example app. Its errors are raised."""
    common = {"PROPAGATE_EXCEPTIONS": True, "SECRET_KEY": "not told"}
    return create_app({**common, **config})


def backend_of(app: Flask) -> MemoryCache:
    backend = AppState.of(app).pictures(None).store.backend
    assert isinstance(backend, MemoryCache)
    return backend


def try_request(
    app: Flask, request: Request, *, is_figure: bool
) -> tuple[str, Answer | None]:
    """Return a fault of the response to *request*, if any, and the response."""
    try:
        answer = send(app, request)
        return find_fault(request, answer, is_figure=is_figure), answer
    except Exception as error:
        return f"raised {error!r}", None


def resident_bytes() -> int | None:
    """Return this process's resident memory, or ``None`` if unknown."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # Freed memory is not in use.
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, AttributeError, TypeError):
        return None
    return pages * 4096


@dataclass
class Flood:
    """The results of many requests."""

    requests: int
    cache_bytes: int
    complaints: list[str] = field(default_factory=list)
    #: How often each status was a figure's, by GET or HEAD, or else Flask's own.
    statuses: Counter[str] = field(default_factory=Counter)
    #: How often each URL path of a figure got a picture, and a problem.
    pictures: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    renders: int = 0
    largest_cache_bytes: int = 0
    entries: int = 0
    grown_blocks: int = 0
    grown_bytes: int | None = None

    @property
    def warm_up(self) -> int:
        """Send requests before memory is measured."""
        return self.requests // 2

    @property
    def often(self) -> int:
        """The count above which a result is frequent."""
        return self.requests // 250

    def note(self, request: Request, answer: Answer, *, is_figure: bool) -> None:
        if not is_figure or request.method not in ("GET", "HEAD"):
            self.statuses[f"{answer.status} of Flask's"] += 1
            return
        self.statuses[str(answer.status)] += 1
        counts = self.problems if answer.status >= 400 else self.pictures
        counts[request.path] += 1

    def count_render(self, *_: object) -> None:
        self.renders += 1


@pytest.fixture(scope="module")
def share(request: pytest.FixtureRequest) -> float:
    """Return the share of the whole search in this run."""
    return 1.0 if request.config.getoption("--sweep") else SHARE


@pytest.fixture(scope="module")
def flood(share: float) -> Flood:
    """Send the whole flood once to the example app with a small cache."""
    flood = Flood(round(REQUESTS * share), int(CACHE_BYTES * share))
    with pytest.MonkeyPatch.context() as patch:
        # All bounded memories must be full long before the end.
        patch.setattr(
            request_reading,
            "REMEMBERED_URLS",
            round(request_reading.REMEMBERED_URLS * share),
        )
        app = dashboard(MPLSTREAM_CACHE_BYTES=flood.cache_bytes)
    fuzz = Fuzz(SEED, targets(app), ETAG)
    paths = {path for target in targets(app) for path in target.paths}
    backend = backend_of(app)
    blocks, resident = 0, None
    with stub_renders(flood.count_render):
        for number in range(flood.requests):
            if number == flood.warm_up:
                resident, blocks = resident_bytes(), sys.getallocatedblocks()
            request = fuzz.next_request()
            # Werkzeug merges leading slashes.
            is_figure = f"/{request.path.lstrip('/')}" in paths
            wrong, answer = try_request(app, request, is_figure=is_figure)
            if wrong:
                flood.complaints.append(
                    f"seed {SEED}, no. {number}: {wrong}\n{request}"
                )
            if answer is not None:
                flood.note(request, answer, is_figure=is_figure)
            size_bytes = backend.size_bytes
            flood.largest_cache_bytes = max(flood.largest_cache_bytes, size_bytes)
    flood.entries = len(backend._items)
    now_resident = resident_bytes()
    flood.grown_blocks = sys.getallocatedblocks() - blocks
    if resident is not None and now_resident is not None:
        flood.grown_bytes = now_resident - resident
    return flood


def test_every_response_is_clean(flood: Flood) -> None:
    """There is no 5xx and no exception; headers and problems are well-formed."""
    shortest = min(flood.complaints, key=len, default="")
    assert not shortest, f"{len(flood.complaints)} such, the shortest: {shortest}"


def test_the_flood_reaches_every_rule_and_status(flood: Flood) -> None:
    """Each rule sends pictures and problems, and each status is frequent."""
    paths = {path for target in targets(dashboard()) for path in target.paths}
    assert len(paths) == 5 * (1 + 7 + 1)
    assert min(flood.pictures[path] for path in paths) > flood.often
    assert min(flood.problems[path] for path in paths) > flood.often
    own = ["200", "206", "304", "400", "406", "412", "416"]
    others = ["200 of Flask's", "404 of Flask's", "405 of Flask's"]
    assert min(flood.statuses[status] for status in (*own, *others)) > flood.often


def test_the_cache_stays_within_its_limit(flood: Flood) -> None:
    """It was full, evicted most entries, and never exceeded the limit."""
    assert flood.cache_bytes * 0.9 < flood.largest_cache_bytes <= flood.cache_bytes
    assert flood.renders > 5 * flood.entries


def test_memory_stays_flat(flood: Flood) -> None:
    """The requests leave less than 5 MB and few objects."""
    # With coverage, its records also use blocks.
    if flood.requests == REQUESTS:
        assert flood.grown_blocks < (flood.requests - flood.warm_up) / 10
    if flood.grown_bytes is not None:
        assert flood.grown_bytes < 5_000_000


def test_long_headers_are_not_kept() -> None:
    """Only short URLs are remembered; some servers accept any length."""
    app = dashboard(MPLSTREAM_CACHE_BYTES=CACHE_BYTES)
    tracemalloc.start()
    try:
        with stub_renders():
            for number in range(200):
                headers = {"HTTP_ACCEPT": f"image/png;a={number:060000}"}
                request = Request("/plots/scatter", headers=headers)
                assert send(app, request).status == 200
        assert tracemalloc.get_traced_memory()[0] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unknown", ["error", "ignore"])
def test_each_picture_has_one_entry(unknown: str, share: float) -> None:
    """Order, spelling, ``_v``, ``_download`` and unknown names add none."""
    renders: Counter[object] = Counter()

    def note(endpoint: str, picture: Picture) -> None:
        # Count the function's values, not their canonical text.
        values = tuple(picture.arguments.values.items())
        renders[endpoint, values, picture.variant] += 1

    app = dashboard(MPLSTREAM_UNKNOWN_ARGS=unknown, MPLSTREAM_CACHE_BYTES=2**30)
    # One figure shows the number of sent pictures, so each is different.
    lasting = [target for target in targets(app) if target.endpoint != "plots.answers"]
    fuzz = Fuzz(SEED, lasting, ETAG)
    answers = []
    with stub_renders(note):
        for _ in range(round(50_000 * share)):
            answers.append(send(app, replace(fuzz.next_request(), method="GET")))
    assert set(renders.values()) == {1}
    assert len(backend_of(app)._items.keys() - {EPOCH}) == len(renders)
    # A third of the accepted requests repeat a picture under another URL.
    accepted = [answer for answer in answers if answer.status == 200]
    hits = ["; hit" in str(answer.headers) for answer in accepted]
    assert sum(hits) > len(hits) / 3


def test_the_responses_are_valid_wsgi(share: float) -> None:
    """The standard library's validator of PEP 3333 finds no fault."""
    app = dashboard()
    judged, fuzz = validator(app), Fuzz(SEED, targets(app), ETAG)
    with stub_renders():
        for _ in range(round(15_000 * share)):
            send(judged, fuzz.next_request())


def test_the_page_accepts_the_same_queries(share: float) -> None:
    """The dashboard names the arguments that it ignores."""
    app = dashboard()
    fuzz = Fuzz(SEED, targets(app), ETAG)
    for _ in range(round(1000 * share)):
        request = replace(fuzz.next_request(), path="/", method="GET")
        # Werkzeug decodes invalid UTF-8 in request.args.
        request = replace(request, query=quote(request.query, safe="%&=;+"))
        assert send(app, request).status in (200, 400), request


class Unit(Enum):
    METRE = "m"
    FOOT = "ft"


def kinds(
    count: int = 1,
    ratio: float = 0.5,
    log: bool = False,
    title: str = "A title",
    day: date = date(2024, 2, 29),
    moment: datetime | None = None,
    clock: time | None = None,
    unit: Unit = Unit.METRE,
    side: Literal["left", "right", 3] = "left",
    numbers: list[int] = [1],
    words: set[str] = set(),
    code: Annotated[str, Field(pattern=r"^[a-z]{2}\d*$")] = "ab",
    maybe: int | None = None,
    maybe_numbers: list[int] | None = None,
    wild: Annotated[float, Field(allow_inf_nan=True)] = 0.0,
) -> Figure:
    """Accept a parameter of every kind."""
    raise AssertionError("It is never drawn.")


def version(count: int = 1) -> Figure:
    """Draw data with a version, which is in the ``ETag``."""
    raise AssertionError("It is never drawn.")


def secret(text: str = "") -> Figure:
    """Draw for signed URLs only."""
    raise AssertionError("It is never drawn.")


def named(name: str, year: int) -> Figure:
    """Draw arguments of the path."""
    raise AssertionError("It is never drawn.")


@pytest.fixture(scope="module")
def own_app() -> Flask:
    """Return an app with a figure route of each kind."""
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/kinds")(kinds)
    plots.figure_route("/version", version=lambda count: count % 3)(version)
    plots.figure_route("/secret", signed=True)(secret)
    plots.figure_route("/named/<name>/<int:year>")(named)
    app = Flask(__name__)
    app.config.update(SECRET_KEY="not told", PROPAGATE_EXCEPTIONS=True)
    app.register_blueprint(plots)
    return app


KINDS = Parameters(kinds)

integers = st.integers().map(str)
floats = st.floats(allow_nan=False, allow_infinity=False).map(repr)
dates = st.dates().map(str)
zones = st.integers(-1439, 1439).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=st.none() | zones).map(datetime.isoformat)
#: Texts that each parameter of ``kinds`` mostly accepts.
GOOD_TEXTS: dict[str, st.SearchStrategy[str]] = {
    "count": integers,
    "ratio": floats,
    "log": st.sampled_from(["true", "0", "On", "no"]),
    "title": st.text(max_size=20),
    "day": dates,
    "moment": moments | dates,
    "clock": st.times().map(time.isoformat),
    "unit": st.sampled_from(["m", "ft"]),
    "side": st.sampled_from(["left", "right", "3"]),
    "numbers": integers,
    "words": st.text(max_size=20),
    "code": st.from_regex(r"\A[a-z]{2}\d*\Z"),
    "maybe": integers | st.just(""),
    "maybe_numbers": integers | st.just(""),
    "wild": st.floats().map(repr),
}
NAMES = st.sampled_from(list(GOOD_TEXTS))

good_pair = NAMES.flatmap(lambda name: st.tuples(st.just(name), GOOD_TEXTS[name]))
good_pairs = st.lists(good_pair, max_size=5, unique_by=lambda pair: pair[0])
any_pair = st.tuples(NAMES | st.text(), st.one_of(*GOOD_TEXTS.values()) | st.text())
any_pairs = st.lists(good_pair | any_pair, max_size=5)
latin_1 = st.binary(max_size=300).map(lambda data: data.decode("latin-1"))
queries = st.one_of(
    latin_1,
    good_pairs.map(urlencode),
    any_pairs.map(lambda given: urlencode(given, errors="surrogatepass")),
    st.text(max_size=300).map(
        lambda text: text.encode("utf-8", "surrogatepass").decode("latin-1")
    ),
)
header_values = latin_1 | st.sampled_from(["image", ETAG, "*", "bytes=0-9", "image/*"])
header_names = st.sampled_from(
    [
        *("ACCEPT", "RANGE", "IF_NONE_MATCH", "IF_MODIFIED_SINCE"),
        *("IF_UNMODIFIED_SINCE", "IF_MATCH", "IF_RANGE", "SEC_FETCH_DEST", "COOKIE"),
    ]
)
headers = st.dictionaries(header_names.map("HTTP_{}".format), header_values, max_size=3)
paths = st.sampled_from(
    [
        f"{path}{extension}"
        for path in ("/kinds", "/version", "/secret", "/named/a/1")
        for extension in ("", ".png", ".svg")
    ]
)


@given(path=paths, query=queries, headers=headers, is_head=st.booleans())
def test_any_query_and_header_get_a_response(
    own_app: Flask, path: str, query: str, headers: dict[str, str], is_head: bool
) -> None:
    """The bytes and the kinds of the parameters do not matter."""
    request = Request(path, query, "HEAD" if is_head else "GET", headers)
    with stub_renders():
        wrong, _ = try_request(own_app, request, is_figure=True)
    assert not wrong, request


@given(
    name=st.binary(max_size=300)
    | st.text("a\xe9", min_size=250, max_size=260).map(str.encode),
    year=st.text("0123456789", min_size=1),
)
def test_any_path_gets_a_response(own_app: Flask, name: bytes, year: str) -> None:
    """Values in the path are checked like values in the query."""
    request = Request(f"/named/{name.decode('latin-1')}/{year}")
    is_figure = name != b"" and b"/" not in name
    with stub_renders():
        wrong, answer = try_request(own_app, request, is_figure=is_figure)
    assert not wrong, request
    if is_figure:
        assert answer is not None
        is_short = len(name.decode("utf-8", "replace")) <= MAX_VALUE_LENGTH
        assert answer.status == (200 if is_short else 400), request


@given(query=queries)
def test_no_signature_is_guessed(own_app: Flask, query: str) -> None:
    """The response reveals neither a signed figure nor its arguments."""
    with stub_renders():
        answer = send(own_app, Request("/secret", query))
    assert answer.status in (400, 403)
    assert b"text" not in answer.body


@given(given=good_pairs | any_pairs)
@example(given=[("wild", "-0.0")])
@example(given=[("wild", "nan")])
def test_accepted_arguments_have_one_url(given: list[tuple[str, str]]) -> None:
    """``figure_url`` returns it, and it means the same arguments."""
    try:
        accepted = KINDS.parse(given)
    except ArgumentsError:
        return
    again = KINDS.parse(
        (name, text)
        for name, texts in accepted.query.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    )
    bound = KINDS.bind(accepted.copy())
    for other in (again, bound):
        assert (other.canonical, other.query) == (accepted.canonical, accepted.query)


def a_color(text: str) -> str:
    if not is_color_like(text):
        raise ValueError("it is no colour")
    return text


#: Places of a text; the figure's own texts cost a tenth of those of axes.
Place = Literal["figure", "title", "label", "legend", "annotation", "tick"]
PLACES: tuple[Place, ...] = ("title", "label", "legend", "annotation", "tick")
WIDTH_PX, HEIGHT_PX = 120, 80


def draw(
    text: str = "",
    place: Place = "figure",
    color: Annotated[str, AfterValidator(a_color)] = "k",
    size: Annotated[float, Field(ge=1, le=100)] = 10,
    alpha: Annotated[float, Field(ge=0, le=1)] = 1,
    low: Annotated[float, Field(ge=-1e300, le=1e300)] = 0,
    high: Annotated[float, Field(ge=-1e300, le=1e300)] = 1,
    marker: Literal["", "o", "1", "$x$", "None"] = "",
    line: Literal["-", "--", ":", "None"] = "-",
) -> Figure:
    """Draw a small picture of the arguments."""
    figure = Figure(figsize=(WIDTH_PX / 100, HEIGHT_PX / 100), dpi=100)
    if place == "figure":
        figure.text(0.1, 0.4, text, color=color, size=size, alpha=alpha)
        return figure
    axes = figure.subplots()
    axes.plot([0, 1], [low, high], line, marker=marker, color=color, label=text)
    axes.set_ylim(low, high)
    match place:
        case "title":
            axes.set_title(text, size=size, alpha=alpha)
        case "label":
            axes.set_xlabel(text, size=size, color=color)
        case "legend":
            axes.legend(fontsize=size)
        case "annotation":
            axes.annotate(text, (0, low), size=size, alpha=alpha)
        case "tick":
            axes.set_xticks([0], [text], size=size)
    return figure


class Drawings:
    """Random queries for :func:`draw`, most of them valid."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def query(self) -> dict[str, str]:
        random = self._random
        query = {"text": make_hostile_text(random)}
        if random.random() < 0.15:
            query["place"] = random.choice(PLACES)
        for name, values in self._values().items():
            if random.random() < 0.15:
                query[name] = random.choice(values)
        return query

    def _values(self) -> dict[str, tuple[str, ...]]:
        number = repr(
            self._random.uniform(-1, 1) * 10 ** self._random.randint(-310, 300)
        )
        return {
            "color": ("r", "#123", "0.5", "none", "C99", "xkcd:red", "", "\0"),
            "size": ("1", "100", "7.5", "12", "30", "nan", "1.0000001"),
            "alpha": ("0", "1", "0.5", "5e-324", "-0.0", "1.0000001"),
            "low": (number, "0", "-0.0", "1", "1e300", "-1e300", "1e16", "5e-324"),
            "high": (number, "0", "-0.0", "1", "1e300", "-1e300", "1e-16", "1e308"),
            "marker": ("", "o", "1", "$x$", "None", "$\\foo$"),
            "line": ("-", "--", ":", "None", "x"),
        }


def complaint_of_drawing(query: dict[str, str], extension: str, answer: Answer) -> str:
    if answer.status == 400:
        blamed = {error["name"] for error in json.loads(answer.body)["errors"]}
        if not blamed <= query.keys():
            return f"{blamed} are not to blame"
        is_plain = "$" not in query["text"] and len(query["text"]) <= MAX_VALUE_LENGTH
        return "the text is good" if "text" in blamed and is_plain else ""
    if answer.status != 200:
        return f"status {answer.status}"
    check = complaint_of_svg if extension == "svg" else complaint_of_png
    try:
        return check(answer.body)
    except Exception as error:
        return f"no {extension}: {error!r}"


def complaint_of_png(body: bytes) -> str:
    with Image.open(BytesIO(body)) as image:
        image.verify()
    with Image.open(BytesIO(body)) as image:
        image.load()
        return "" if image.size == (WIDTH_PX, HEIGHT_PX) else f"of size {image.size}"


def complaint_of_svg(body: bytes) -> str:
    for element in ET.fromstring(body).iter():
        space, _, tag = element.tag.rpartition("}")
        is_known = space.endswith(("2000/svg", "elements/1.1/", "ns#"))
        if tag in ("script", "foreignObject", "a") or not is_known:
            return f"text became <{element.tag}>"
        if any(name.startswith("on") for name in element.attrib):
            return f"text became {element.attrib}"
    return ""


@pytest.mark.filterwarnings(
    "ignore:Glyph .* missing from font:UserWarning",
    "ignore:Attempting to set identical low and high:UserWarning",
)
@pytest.mark.parametrize("extension", ["png", "svg"])
def test_any_value_is_drawn_or_refused(extension: str, share: float) -> None:
    """The response is a readable picture, or a 400 that names the argument."""
    plots, app = FigureBlueprint("plots", __name__), Flask(__name__)
    plots.figure_route("/drawn")(draw)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.register_blueprint(plots)
    drawings, complaints = Drawings(SEED), []
    statuses: Counter[int] = Counter()
    count = round(3000 * share)
    for _ in range(count):
        query = drawings.query()
        request = Request(
            f"/drawn.{extension}", urlencode(query, errors="surrogatepass")
        )
        wrong, answer = try_request(app, request, is_figure=True)
        if answer is not None:
            statuses[answer.status] += 1
            wrong = wrong or complaint_of_drawing(query, extension, answer)
        if wrong:
            complaints.append(f"{wrong}\n{query}")
    shortest = min(complaints, key=len, default="")
    assert not shortest, f"{len(complaints)} such, the shortest: {shortest}"
    assert min(statuses[200], statuses[400]) > count / 5
