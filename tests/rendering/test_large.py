"""Large pictures: the accepted sizes and the limit on memory."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import render_template_string
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ArgumentsError, ConfigError, FigureBlueprint, figure_url
from flask_mplstream.errors import OverloadedError
from flask_mplstream.formats import FORMATS, Variant
from flask_mplstream.limits import pixel_memory
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.limits.pixel_memory import PixelRoom, Room
from flask_mplstream.rendering import encode as encoding
from flask_mplstream.rendering.pipeline import Limits, render_variant
from flask_mplstream.rendering.styles import Look
from flask_mplstream.web.openapi import make_openapi_document
from tests.support.pictures import pixels
from tests.support.processes import wait_until

Serve = Callable[..., FlaskClient]

# --- Memory ---------------------------------------------------------------


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> PixelRoom:
    """Room for one AVIF of 640 x 480 pixels and a small one."""
    made = PixelRoom(640 * 480 * 38 * 3 // 2)
    monkeypatch.setattr(pixel_memory, "pixel_room", made)
    return made


class Encoder:
    """Encode after a wait, and count the concurrent encoders."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.most, self.calls = 0, 0, 0
        self.go = threading.Event()
        self._lock = threading.Lock()
        encode = encoding.encode

        def encode_later(*args: Any, **options: Any) -> bytes:
            with self._lock:
                self.now, self.calls = self.now + 1, self.calls + 1
                self.most = max(self.most, self.now)
            self.go.wait(20)
            body = encode(*args, **options)
            with self._lock:
                self.now -= 1
            return body

        monkeypatch.setattr(encoding, "encode", encode_later)


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    return Encoder(monkeypatch)


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    @plots.figure_route("/large", timeout=20, formats=["avif"])
    def large(n: int = 0) -> Figure:
        return Figure(figsize=(6.4, 4.8), facecolor=f"#0000{n:02x}")

    @plots.figure_route("/small", timeout=20)
    def small() -> Figure:
        return Figure(figsize=(1, 1))

    return serve()


def test_large_pictures_are_encoded_one_after_the_other(
    client: FlaskClient, room: PixelRoom, encoder: Encoder
) -> None:
    """All succeed, a small one in the meantime, and the memory is given back."""
    ask = client.application.test_client().get
    encoder.go.set()
    with ThreadPoolExecutor(9) as threads:
        urls = [f"/plots/large.avif?n={n}" for n in range(8)]
        answers = list(threads.map(ask, [*urls, "/plots/small.png"]))
    assert {answer.status_code for answer in answers} == {200}
    assert encoder.most <= 2
    assert room._held_bytes == 0


def test_a_small_picture_does_not_wait_for_the_memory_of_large_ones(
    client: FlaskClient, room: PixelRoom, encoder: Encoder
) -> None:
    """One large picture is encoded and one waits outside the gate."""
    ask = client.application.test_client().get
    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(ask, "/plots/large.avif?n=1")
        wait_until(lambda: encoder.now == 1)
        second = threads.submit(ask, "/plots/large.avif?n=2")
        small = threads.submit(ask, "/plots/small.png")
        wait_until(lambda: encoder.now == 2)
        encoder.go.set()
        answers = [asked.result().status_code for asked in (first, second, small)]
    assert answers == [200] * 3
    assert encoder.calls == 3


def test_a_figure_of_unusual_size_waits_for_more_memory(
    room: PixelRoom, encoder: Encoder
) -> None:
    """Its size is known after the build, and two such figures exceed the room."""

    def draw() -> None:
        render_variant(
            lambda: Figure(figsize=(6.4, 7)),
            Variant(FORMATS["avif"], 1),
            source="draw",
            look=Look(None, {}),
            limits=Limits(),
        )

    with ThreadPoolExecutor(2) as threads:
        drawn = [threads.submit(draw) for _ in range(2)]
        wait_until(lambda: encoder.now)
        time.sleep(0.2)
        assert encoder.calls == 1
        encoder.go.set()
        for job in drawn:
            job.result(20)
    assert room._held_bytes == 0


def test_a_picture_over_the_whole_room_is_rendered_alone(room: PixelRoom) -> None:
    """It does not wait for room that can never be free."""
    held = Room(Variant(FORMATS["avif"], 4), Deadline(0.1))
    held.wait()
    assert held.take()
    other = Room(Variant(FORMATS["png"], 1), Deadline(0.01))
    with pytest.raises(OverloadedError, match="took all memory"):
        other.wait()
    assert not other.take()
    held.give_back()
    other.wait()
    assert other.take()
    other.give_back()


def test_a_picture_in_a_picture_does_not_wait_for_its_memory(room: PixelRoom) -> None:
    """Waiting would be a deadlock with the outer picture."""
    outer = Room(Variant(FORMATS["avif"], 4), Deadline(0.01))
    outer.wait()
    assert outer.take()
    inner = Room(Variant(FORMATS["avif"], 4), Deadline(0.01), is_nested=True)
    inner.wait()
    assert inner.take()
    inner.grow_to(1000)
    for one in (inner, outer):
        one.give_back()
    assert room._held_bytes == 0


def test_a_failed_render_holds_no_memory(room: PixelRoom) -> None:
    """Memory is given back after any exception."""

    def fail() -> Figure:
        raise LookupError

    look = Look(None, {})
    variant = Variant(FORMATS["avif"], 1)
    with pytest.raises(LookupError):
        render_variant(fail, variant, source="fail", look=look, limits=Limits())
    assert room._held_bytes == 0


def test_an_avif_has_equal_bytes_with_any_number_of_processors() -> None:
    """The encoder uses one thread, as its bytes depend on the number."""
    from flask_mplstream.rendering.encode import DEFAULTS

    assert DEFAULTS["avif"]["max_threads"] == 1


# --- Offered sizes --------------------------------------------------------


@pytest.fixture
def bounded(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    """Serve a route that offers at most 640 pixels and twice its size."""

    @plots.figure_route("/bounded", max_width=640, max_scale=2)
    def bounded() -> Figure:
        return Figure(figsize=(3, 2))

    return serve()


@pytest.mark.parametrize(
    ("query", "name", "accepted"),
    [
        pytest.param("_width=641", "_width", "1 to 640", id="width"),
        pytest.param("_scale=3", "_scale", "0.5, 1, 1.5, 2", id="scale"),
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".svg", ""])
def test_a_size_that_is_not_offered_is_a_400(
    bounded: FlaskClient, query: str, name: str, accepted: str, suffix: str
) -> None:
    """The error names the offered sizes."""
    answer = bounded.get(f"/plots/bounded{suffix}?{query}")
    assert answer.status_code == 400
    (fault,) = answer.get_json()["errors"]
    assert (fault["name"], fault["accepted"]) == (name, accepted)


@pytest.mark.parametrize(
    ("query", "width"), [("_width=600", 640), ("_width=640", 640), ("_scale=2", 600)]
)
def test_the_largest_size_is_served(
    bounded: FlaskClient, query: str, width: int
) -> None:
    """A size equal to the limit is accepted."""
    assert pixels(bounded.get(f"/plots/bounded.png?{query}").data).shape[1] == width


def test_figure_url_refuses_sizes_over_the_limits(bounded: FlaskClient) -> None:
    """A template fails when it is rendered, not in the browser."""
    with bounded.application.test_request_context():
        with pytest.raises(ArgumentsError, match="1 to 640"):
            figure_url("plots.bounded", _width=800)
        with pytest.raises(ArgumentsError, match=r"0\.5, 1, 1\.5, 2"):
            figure_url("plots.bounded", _scale=4)


@pytest.mark.parametrize(
    "call",
    [
        "figure('plots.bounded')",
        "figure('plots.bounded', width=300, height=200, alt='')",
        "figure('plots.bounded', sizes='100vw')",
        "figure('plots.bounded', sizes='100vw', widths=[320, 1280])",
        "figure('plots.bounded', _width=400)",
    ],
)
def test_a_page_offers_only_served_sizes(bounded: FlaskClient, call: str) -> None:
    """Every URL in the markup gives a picture."""
    with bounded.application.test_request_context():
        markup = render_template_string(f"{{{{ {call} }}}}")
    urls = {word for word in markup.replace('"', " ").split() if "/plots/" in word}
    assert len(urls) > 1 or "widths" in call
    for url in urls:
        assert bounded.get(url.replace("&amp;", "&")).status_code == 200, url


def test_the_openapi_document_names_the_offered_sizes(bounded: FlaskClient) -> None:
    """Only this route has its own sizes; others refer to the common ones."""
    paths = make_openapi_document(bounded.application)["paths"]
    parameters = {
        p["name"]: p["schema"]
        for p in paths["/plots/bounded"]["get"]["parameters"]
        if "name" in p
    }
    assert parameters["_scale"]["enum"] == [0.5, 1, 1.5, 2]
    assert parameters["_width"]["maximum"] == 640


def test_the_gallery_offers_only_served_sizes(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The gallery's own pictures are within the limits."""

    @plots.figure_route("/bounded", max_width=240, max_scale=1)
    def bounded() -> Figure:
        return Figure(figsize=(3, 2))

    client = serve(DEBUG=True)
    for path in ("bounded", ""):
        page = client.get(f"/plots/_gallery/{path}")
        assert page.status_code == 200
        widths = set(re.findall(r"_width=(\d+)", page.text))
        assert widths <= {"240"}


@pytest.mark.parametrize(
    ("option", "value", "accepted"),
    [
        pytest.param("max_width", 1000, "960, 1280", id="between-widths"),
        pytest.param("max_width", 5000, "3840", id="too-wide"),
        pytest.param("max_width", "640", "integer", id="text"),
        pytest.param("max_scale", 0.5, "1, 1.5, 2, 3, 4", id="below-one"),
        pytest.param("max_scale", 5, "1, 1.5, 2, 3, 4", id="too-large"),
    ],
)
def test_a_limit_between_steps_is_refused(
    plots: FigureBlueprint, option: str, value: Any, accepted: str
) -> None:
    """The error occurs at declaration and lists the steps."""
    with pytest.raises(ConfigError, match=accepted) as caught:
        plots.figure_route("/wrong", endpoint="wrong", **{option: value})(Figure)
    assert option in str(caught.value)


def test_the_limits_hold_for_a_whole_app(plots: FigureBlueprint, serve: Serve) -> None:
    """The limits are also settings of the app."""
    plots.figure_route("/plain", endpoint="plain")(lambda: Figure(figsize=(1, 1)))
    client = serve(MPLSTREAM_MAX_WIDTH=320)
    assert client.get("/plots/plain.png?_width=320").status_code == 200
    assert client.get("/plots/plain.png?_width=321").status_code == 400
