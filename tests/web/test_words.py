"""Words on request: which renders read the alternative text, and who receives it."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import unquote

import pytest
from flask import Flask, session
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import (
    FigureBlueprint,
    RenderedImage,
    figure,
    figure_data_uri,
    figure_image,
    figure_rendered,
    render,
)
from flask_mplstream.description.generated_alt import describe
from flask_mplstream.formats import FORMATS, Variant
from flask_mplstream.rendering import pipeline
from tests.apps.worker_figures import create_app
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]

#: The request header that selects the words.
ASKS = {"Mplstream-Words": "?1"}
#: Formats whose content has no words.
SILENT = [name for name in FORMATS if name not in ("svg", "txt")]

#: The docstring of a figure for workers.
WORKER_WORDS = "A picture that takes *seconds*, or until the file *until* exists."


class Weather:
    """The figure's data."""

    title = "Rain"
    is_down = False


@pytest.fixture
def weather() -> Weather:
    return Weather()


@pytest.fixture
def descriptions(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Count the figures whose words are read."""
    counter = Counter()

    def count(figure: Figure, name: str = "", returned: object = None) -> str:
        counter(figure.get_suptitle())
        return describe(figure, name, returned)

    monkeypatch.setattr(pipeline, "describe", count)
    return counter


@pytest.fixture
def plots() -> FigureBlueprint:
    """Return a blueprint whose figures are not kept: each draw is a call."""
    return FigureBlueprint("plots", __name__, url_prefix="/plots", keep=0)


@pytest.fixture(autouse=True)
def routes(plots: FigureBlueprint, renders: Counter, weather: Weather) -> None:
    def draw(n: int = 1) -> Figure:
        """The weather."""
        renders(n)
        if weather.is_down:
            raise OSError("no data")
        drawn = Figure(figsize=(1, 1))
        drawn.suptitle(weather.title)
        return drawn

    stale: dict[str, Any] = {"stale_while_revalidate": 0, "stale_if_error": 0}
    plots.figure_route(
        "/sky", endpoint="sky", max_age=60, formats=list(FORMATS), **stale
    )(draw)
    plots.figure_route("/said", endpoint="said", alt="Mine")(draw)
    plots.figure_route("/none", endpoint="none", alt="")(draw)
    plots.figure_route("/live", endpoint="live", max_age=0, **stale)(draw)
    plots.figure_route("/mine", endpoint="mine", inject={"n": lambda: session["n"]})(
        draw
    )


def read_words(response: Any) -> str | None:
    """Return the text of the header ``Mplstream-Alt``; ``None`` without it."""
    value = response.headers.get("Mplstream-Alt")
    return value and unquote(value.removeprefix('%"').removesuffix('"'))


def read_status(response: Any) -> str:
    """Return the value of ``Cache-Status`` without the name of the cache."""
    return str(response.headers["Cache-Status"].partition("; ")[2])


# --- Who reads them ------------------------------------------------------------------


@pytest.mark.parametrize("name", SILENT)
def test_a_picture_does_not_read_the_words(
    serve: Serve, descriptions: Counter, name: str
) -> None:
    """The words of a format whose content has none are not needed."""
    response = serve().get(f"/plots/sky.{name}")
    assert response.status_code == 200
    assert read_words(response) is None
    assert len(descriptions) == 0


@pytest.mark.parametrize("name", ["svg", "txt"])
def test_content_with_words_reads_them(
    serve: Serve, descriptions: Counter, name: str
) -> None:
    """An SVG's title and the text itself come from the figure."""
    response = serve().get(f"/plots/sky.{name}")
    assert "Rain." in response.text
    assert descriptions.calls == ["Rain"]


@pytest.mark.parametrize("name", FORMATS)
def test_words_come_with_the_picture_on_request(
    serve: Serve, renders: Counter, descriptions: Counter, name: str
) -> None:
    """One render gives both; a second request gets both from the cache."""
    client = serve()
    first = client.get(f"/plots/sky.{name}", headers=ASKS)
    second = client.get(f"/plots/sky.{name}", headers=ASKS)
    assert read_words(first) == read_words(second) == "Rain."
    assert first.data == second.data
    assert (len(renders), len(descriptions)) == (1, 1)


@pytest.mark.parametrize("value", ["?0", "1", "true", ""])
def test_only_true_selects_the_words(
    serve: Serve, descriptions: Counter, value: str
) -> None:
    """The header is a Boolean (RFC 9651 section 3.3.6)."""
    response = serve().get("/plots/sky", headers={"Mplstream-Words": value})
    assert read_words(response) is None
    assert len(descriptions) == 0


def test_render_reads_the_words(descriptions: Counter) -> None:
    """Its image always has them."""
    drawn = Figure()
    drawn.suptitle("Snow")
    for name in FORMATS:
        assert render(drawn, name).alt == "Snow."
    assert len(descriptions) == len(FORMATS)


@pytest.mark.parametrize(("path", "words"), [("said", "Mine"), ("none", "")])
def test_words_of_the_route_are_always_known(
    serve: Serve, renders: Counter, descriptions: Counter, path: str, words: str
) -> None:
    """They cost nothing, so a picture from the cache has them, even for decoration."""
    client = serve()
    client.get(f"/plots/{path}")
    assert read_words(client.get(f"/plots/{path}", headers=ASKS)) == words
    assert (len(renders), len(descriptions)) == (1, 0)


def test_a_page_reads_the_words_once(
    serve: Serve, renders: Counter, descriptions: Counter
) -> None:
    """The page's text is that of ``.txt``; its pictures read none."""
    client = serve()
    with client.application.test_request_context():
        assert 'alt="Rain."' in figure("plots.sky")
    for url in ("sky.png", "sky.webp", "sky?_scale=2"):
        client.get(f"/plots/{url}")
    assert (len(renders), len(descriptions)) == (3, 1)


def test_receivers_of_a_render_see_whether_it_read_the_words(serve: Serve) -> None:
    """The signal has the image, and the variant says what was read."""
    client, seen = serve(), []

    def see(_: object, variant: Variant, image: RenderedImage, **__: Any) -> None:
        seen.append((variant.reads_words, image.alt))

    with figure_rendered.connected_to(see, client.application):
        client.get("/plots/sky")
        client.get("/plots/sky?n=2", headers=ASKS)
    assert seen == [(False, ""), (True, "Rain.")]


# --- Pictures in the cache -----------------------------------------------------------


@pytest.mark.parametrize("name", ["png", "webp", "pdf"])
def test_a_stored_picture_without_words_is_rendered_with_them(
    serve: Serve, renders: Counter, weather: Weather, name: str
) -> None:
    """The words belong to the bytes of the response, not to older data."""
    client = serve()
    assert client.get("/plots/sky.txt").text == "Rain."
    client.get(f"/plots/sky.{name}")
    weather.title = "Sun"
    response = client.get(f"/plots/sky.{name}", headers=ASKS)
    assert read_words(response) == "Sun."
    assert read_status(response) == "fwd=request; stored"
    plain = client.get(f"/plots/sky.{name}")
    assert plain.data == response.data
    assert "hit" in read_status(plain)
    assert len(renders) == 3


def test_the_words_change_neither_picture_nor_identity(serve: Serve) -> None:
    """The response has the same bytes, tag and ``Vary``, so any cache may keep it."""
    client = serve()
    spoken = client.get("/plots/sky", headers=ASKS)
    silent = client.get("/plots/sky")
    assert read_words(silent) is None
    assert spoken.data == silent.data
    for name in ("ETag", "Vary", "Last-Modified", "Content-Length"):
        assert spoken.headers[name] == silent.headers[name]
    assert "hit" in read_status(silent)


def test_a_client_that_has_the_picture_gets_no_words(
    serve: Serve, renders: Counter, descriptions: Counter
) -> None:
    """A 304 renders nothing."""
    client = serve()
    etag = client.get("/plots/sky").headers["ETag"]
    response = client.get("/plots/sky", headers={**ASKS, "If-None-Match": etag})
    assert response.status_code == 304
    assert read_words(response) is None
    assert (len(renders), len(descriptions)) == (1, 0)
    other = client.head("/plots/sky", headers={**ASKS, "If-None-Match": '"older"'})
    assert (other.status_code, read_words(other)) == (200, "Rain.")
    assert (len(renders), len(descriptions)) == (2, 1)


def test_a_stored_picture_is_sent_if_its_words_cannot_be_read(
    serve: Serve, weather: Weather, clock: Clock
) -> None:
    """It has no words then, not even empty ones; an expired one is not sent."""
    client = serve(MPLSTREAM_ERROR_BACKOFF=0)
    picture = client.get("/plots/sky").data
    weather.is_down = True
    response = client.get("/plots/sky", headers=ASKS)
    assert (response.status_code, response.data) == (200, picture)
    assert read_words(response) is None
    assert "fwd-status=500" in read_status(response)
    clock.now += 61
    assert client.get("/plots/sky", headers=ASKS).status_code == 500


def test_words_are_stored_outside_the_process(
    serve: Serve, renders: Counter, tmp_path: Path
) -> None:
    """A stored picture says whether its words were read."""
    client = serve(
        CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path), MPLSTREAM_FAST_BYTES=0
    )
    for _ in range(2):
        assert read_words(client.get("/plots/sky")) is None
    for _ in range(2):
        assert read_words(client.get("/plots/sky", headers=ASKS)) == "Rain."
    assert len(renders) == 2


def test_a_live_picture_has_words_of_its_own_render(
    serve: Serve, renders: Counter, weather: Weather
) -> None:
    """Without a cache, each request is answered from one render."""
    client = serve()
    for weather.title in ("Rain", "Sun"):
        response = client.get("/plots/live", headers=ASKS)
        assert read_words(response) == f"{weather.title}."
    assert len(renders) == 2


def test_a_request_for_words_does_not_follow_a_render_without(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Both requests are answered, each with what it asked for."""
    began, may_end = Event(), Event()

    @plots.figure_route("/slow")
    def slow() -> Figure:
        """Slow."""
        began.set()
        assert may_end.wait(10)
        return Figure(figsize=(1, 1))

    app = serve().application
    with ThreadPoolExecutor(2) as pool:
        silent = pool.submit(app.test_client().get, "/plots/slow")
        assert began.wait(10)
        spoken = pool.submit(app.test_client().get, "/plots/slow", headers=ASKS)
        may_end.set()
        assert read_words(silent.result(10)) is None
        assert read_words(spoken.result(10)) == "Slow."


@pytest.mark.parametrize(("headers", "words"), [({}, None), (ASKS, WORKER_WORDS)])
def test_a_worker_reads_the_words_on_request(
    descriptions: Counter, headers: dict[str, str], words: str | None
) -> None:
    """The request for them travels with the job, and they with its result."""
    with ThreadPoolExecutor(1) as executor:
        client = create_app(MPLSTREAM_EXECUTOR=executor).test_client()
        response = client.get("/plots/slow?seconds=0", headers=headers)
    assert read_words(response) == words
    assert len(descriptions) == len(headers)


# --- Images in Python ----------------------------------------------------------------


@pytest.fixture
def app(serve: Serve) -> Flask:
    return serve().application


def test_an_image_is_rendered_with_its_words(
    app: Flask, renders: Counter, descriptions: Counter
) -> None:
    """``figure_image()`` has them from the same figure; a data URI needs none."""
    with app.app_context():
        assert figure_data_uri("plots.sky", n=2)
        assert len(descriptions) == 0
        image = figure_image("plots.sky")
        assert image.alt == "Rain."
    assert renders.calls == [2, 1]


def test_the_words_of_a_stored_image_are_read_when_needed(
    app: Flask, renders: Counter, descriptions: Counter
) -> None:
    """The image is that of the cache; its words come from ``.txt``."""
    body = app.test_client().get("/plots/sky").data
    with app.app_context():
        image = figure_image("plots.sky")
        assert image.body == body
        assert (len(renders), len(descriptions)) == (1, 0)
        assert image.alt == "Rain."
        assert pickle.loads(pickle.dumps(image)).alt == "Rain."
    assert (len(renders), len(descriptions)) == (2, 1)
    assert hash(image)


@pytest.mark.parametrize("has_context", [True, False])
def test_words_that_cannot_be_read_are_those_of_the_docstring(
    app: Flask, weather: Weather, has_context: bool
) -> None:
    """The text of an image is never empty, and never an error."""
    app.test_client().get("/plots/sky")
    with app.app_context():
        image = figure_image("plots.sky")
        weather.is_down = has_context
        if has_context:
            assert image.alt == "The weather."
    if not has_context:
        assert image.alt == "The weather."


def test_late_words_belong_to_the_user_of_the_image(
    app: Flask, renders: Counter
) -> None:
    """They are read with the injected values of the picture."""
    with app.test_request_context():
        session["n"] = 1
        figure_data_uri("plots.mine")
        image = figure_image("plots.mine")
    with app.test_request_context():
        session["n"] = 2
        assert image.alt == "Rain."
    assert renders.calls == [1, 1]
