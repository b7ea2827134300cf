"""Error pictures for readers, in the size and theme of the page's picture."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from PIL import Image

from flask_mplstream import FigureBlueprint, OverloadedError, SlowRenderError
from flask_mplstream.http.problem_details import STATUS_OF, fault
from flask_mplstream.rendering.error_image import MAX_KEPT, Message, draw_message
from flask_mplstream.web.error_responses import MESSAGES
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]
IMAGE = {"Sec-Fetch-Dest": "image"}

MESSAGE = Message(
    "This picture is not ready yet.", "Try again in a moment.", "Not ready"
)


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    @plots.figure_route("/wide", error_backoff=0)
    def wide(n: int = 0) -> Figure:
        match n:
            case 1:
                raise OverloadedError("There is no worker.")
            case 2:
                raise SlowRenderError("It took 11 seconds.")
            case 3:
                raise KeyError("secret")
        return Figure(figsize=(8, 2), dpi=100)

    draw_message.cache_clear()
    return serve()


def size_of(body: bytes) -> tuple[int, int]:
    with Image.open(BytesIO(body)) as image:
        return image.size


def page_of(body: bytes) -> list[int]:
    """Return the color of the page beside the text."""
    return [int(v) for v in pixels(body)[3, 3, :3]]


@pytest.mark.parametrize(
    ("query", "size"),
    [
        pytest.param("n=x", (640, 480), id="as-usual"),
        pytest.param("n=x&_scale=2", (1280, 960), id="scale"),
        pytest.param("n=x&_scale=0.5", (320, 240), id="small"),
        pytest.param("n=x&_width=320", (320, 240), id="width"),
        pytest.param("n=x&_width=3840", (3840, 2880), id="widest"),
        pytest.param("n=x&_scale=7", (640, 480), id="no-scale"),
        pytest.param("_width=x&_scale=2", (1280, 960), id="no-width"),
        pytest.param("&".join(f"a{i}=1" for i in range(300)), (640, 480), id="flood"),
    ],
)
def test_an_error_has_the_requested_size(
    client: FlaskClient, query: str, size: tuple[int, int]
) -> None:
    """Every valid part of the query applies, even if others are invalid."""
    answer = client.get(f"/plots/wide?{query}", headers=IMAGE)
    assert (answer.status_code, answer.mimetype) == (400, "image/png")
    assert size_of(answer.data) == size


@pytest.mark.parametrize("query", ["", "?_scale=2", "?_width=320", "?n=0&_width=640"])
def test_an_error_has_the_size_that_the_route_had_last(
    client: FlaskClient, query: str
) -> None:
    """The page does not jump, as the proportions come from the last render."""
    assert client.get("/plots/wide").status_code == 200
    assert client.get(f"/plots/wide{query}").status_code == 200
    small = client.get("/plots/wide?n=x&_width=400", headers=IMAGE)
    assert size_of(small.data) == (400, 100)
    assert size_of(client.get("/plots/wide?n=x", headers=IMAGE).data) == (800, 200)


@pytest.mark.parametrize(
    ("query", "page"),
    [
        pytest.param("?n=x", [255, 255, 255], id="light"),
        pytest.param("?n=x&_theme=dark", [22, 25, 31], id="dark"),
        pytest.param("?n=x&_theme=blue", [255, 255, 255], id="neither"),
    ],
)
def test_an_error_has_the_requested_theme(
    client: FlaskClient, query: str, page: list[int]
) -> None:
    """A dark page shows no white block."""
    assert page_of(client.get(f"/plots/wide{query}", headers=IMAGE).data) == page


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("n=x", 400, id="argument"),
        pytest.param("n=1", 503, id="overload"),
        pytest.param("n=2", 504, id="slow"),
        pytest.param("n=3", 500, id="error"),
    ],
)
@pytest.mark.parametrize("is_debug", [False, True], ids=["in-production", "in-debug"])
def test_an_error_picture_is_for_readers(
    client: FlaskClient, query: str, status: int, is_debug: bool
) -> None:
    """The text depends on the status; details are drawn in debug mode only."""
    client.application.debug = is_debug
    answer = client.get(f"/plots/wide?{query}", headers=IMAGE)
    assert answer.status_code == status
    told = draw_message(MESSAGES[HTTPStatus(status)])
    assert (answer.data == told) is not is_debug


def test_every_status_has_words_for_readers() -> None:
    """The texts are full sentences without operators' terms."""
    statuses = {*STATUS_OF.values(), HTTPStatus.NOT_ACCEPTABLE, fault().status}
    assert statuses <= MESSAGES.keys()
    for message in MESSAGES.values():
        words = f"{message.headline} {message.advice}"
        assert message.headline.endswith(".")
        assert message.advice.endswith(".")
        assert message.short
        for word in ("worker", "render", "server", "queue", "argument", "cache"):
            assert word not in words.lower()


def test_a_flood_of_bad_urls_draws_one_picture(client: FlaskClient) -> None:
    """The differences between the URLs are not in the picture."""
    for number in range(50):
        query = f"nonsense{number}=x&n=x{number}"
        assert client.get(f"/plots/wide?{query}", headers=IMAGE).status_code == 400
    assert draw_message.cache_info().misses == 1


def test_pictures_of_errors_are_bounded() -> None:
    """Their number, size and text are limited."""
    draw_message.cache_clear()
    for number in range(MAX_KEPT + 5):
        draw_message(Message("", details=str(number)), (20, 20))
    assert draw_message.cache_info().currsize == MAX_KEPT
    assert max(size_of(draw_message(MESSAGE, (100_000, 50)))) == 4096
    huge = draw_message(Message("A", details="x " * 1_000_000), (640, 480))
    assert len(huge) < 100_000
    draw_message.cache_clear()


SIZES = [
    *((1, 1), (24, 24), (60, 20), (120, 30), (120, 90), (160, 400), (320, 240)),
    *((390, 292), (640, 480), (1200, 100), (200, 800), (1280, 960), (3840, 2880)),
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("details", ["", "secret/" * 40, "word " * 300])
def test_no_text_is_cut_off(size: tuple[int, int], details: str) -> None:
    """Every size has an empty margin on all sides."""
    message = Message("This picture is not ready yet.", "Try again.", "Wait", details)
    picture = pixels(draw_message(message, size))[..., 0]
    assert picture.shape == (size[1], size[0])
    if min(size) < 20:
        return
    inside = picture[2:-2, 2:-2]
    assert inside.min() < 128, "the picture has no text"
    edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
    assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("size", SIZES[3:], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_text_is_readable_on_a_phone(size: tuple[int, int], scale: float) -> None:
    """At 390 pixels wide, capital letters are at least 6 pixels high."""
    width, height = round(size[0] * scale), round(size[1] * scale)
    picture = pixels(draw_message(MESSAGE, (width, height), scale=scale))
    inked = (picture[3:-3, 3:-3, 0] < 200).any(axis=1)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], inked, [False]))))
    tallest = max(edges[1::2] - edges[::2])
    shown = min(size[0], 390) / width
    assert tallest * shown >= 6


def test_a_dense_screen_gets_the_same_text_sharper() -> None:
    """At twice the scale, the text covers the same share of the picture."""

    def share(**look: Any) -> float:
        return float((pixels(draw_message(MESSAGE, **look))[..., 0] < 128).mean())

    once = share(size_px=(160, 120))
    twice = share(size_px=(320, 240), scale=2.0)
    assert twice == pytest.approx(once, rel=0.3)
