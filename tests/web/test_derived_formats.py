"""WebP, AVIF and JPEG are encoded from the PNG of the same draw."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from flask import request
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import (
    FigureBlueprint,
    figure_failed,
    figure_image,
    figure_rendered,
    render,
    render_began,
    render_ended,
)
from flask_mplstream.limits import pixel_memory
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.limits.pixel_memory import BYTES_PER_PIXEL, PixelRoom
from flask_mplstream.rendering import encode as encoding
from flask_mplstream.rendering.figure_lock import gate
from flask_mplstream.testing import NO_CACHE, record_renders
from flask_mplstream.web.app_state import AppState
from flask_mplstream.workers.dispatch import Renders
from tests.support.doubles import Clock, Counter
from tests.support.pictures import pixels
from tests.support.processes import wait_until
from tests.support.runners import Counted

Serve = Callable[..., FlaskClient]
DERIVED = ["webp", "avif", "jpg"]


def draw_walk(n: int = 3) -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot(np.sin(np.arange(n)))
    return figure


@pytest.fixture
def walk(plots: FigureBlueprint, renders: Counter) -> Counter:
    """``/plots/walk``: fresh until 60, stale until 90, on errors until 160.

    Its figures have a width that counts the draws.
    """

    @plots.figure_route(
        "/walk",
        max_age=60,
        stale_while_revalidate=30,
        stale_if_error=100,
        timeout=20,
        tags=["walks"],
        keep=0,  # One call for each draw.
    )
    def walk(n: int = 3) -> Figure:
        renders(n)
        figure = draw_walk(n)
        figure.set_figwidth(len(renders))
        return figure

    return renders


def serve_failing(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> tuple[FlaskClient, list[Exception]]:
    """Serve ``/plots/sick``, which raises the listed errors once each."""
    errors: list[Exception] = []

    @plots.figure_route("/sick", max_age=60, stale_if_error=100)
    def sick() -> Figure:
        renders()
        if errors:
            raise errors[0]
        return Figure(figsize=(1, 1))

    return serve(PROPAGATE_EXCEPTIONS=False), errors


def join_background(client: FlaskClient) -> None:
    AppState.of(client.application).pictures(None).background.join()


def read_steps(answer: Any) -> list[str]:
    """Return the names of the steps in ``Server-Timing``."""
    return [
        part.partition(";")[0] for part in answer.headers["Server-Timing"].split(", ")
    ]


@pytest.mark.parametrize("first", ["png", *DERIVED])
def test_all_formats_of_one_size_are_one_draw(
    serve: Serve, walk: Counter, first: str
) -> None:
    """Another size, theme or argument is another draw."""
    client = serve()
    answers = [client.get(f"/plots/walk.{name}") for name in (first, "png", *DERIVED)]
    assert {answer.status_code for answer in answers} == {200}
    assert len(walk) == 1
    for query in ("_scale=2", "_width=500", "n=4"):
        client.get(f"/plots/walk.webp?{query}")
        client.get(f"/plots/walk.png?{query}")
    assert len(walk) == 4


@pytest.mark.parametrize(
    "savefig",
    [
        pytest.param({}, id="opaque"),
        pytest.param({"transparent": True}, id="transparent"),
        pytest.param({"facecolor": (0, 0, 1, 0.5)}, id="translucent"),
        pytest.param({"dpi": 101.5, "bbox_inches": "tight"}, id="dpi"),
        pytest.param({"metadata": {"Title": "A"}}, id="metadata"),
        pytest.param({"pil_kwargs": {"quality": 40}}, id="quality"),
        pytest.param({"pil_kwargs": {"dpi": (50, 50)}}, id="another-dpi"),
    ],
)
@pytest.mark.parametrize("name", DERIVED)
def test_the_bytes_are_those_of_a_draw(
    plots: FigureBlueprint, serve: Serve, name: str, savefig: dict[str, Any]
) -> None:
    """Pixels, transparency, dpi and encoder options are the same."""
    plots.figure_route("/walk", savefig=savefig)(draw_walk)
    client = serve()
    with record_renders(client.application) as drawn:
        client.get("/plots/walk.png")
        answer = client.get(f"/plots/walk.{name}")
    assert answer.data == render(draw_walk, name, savefig=savefig).body
    assert drawn == ["plots.draw_walk"]


def test_a_png_without_dpi_is_enough(plots: FigureBlueprint, serve: Serve) -> None:
    """Pillow writes none if ``dpi`` is ``None``."""
    savefig = {"pil_kwargs": {"dpi": None}}
    plots.figure_route("/walk", savefig=savefig)(draw_walk)
    answer = serve().get("/plots/walk.webp")
    assert answer.data == render(draw_walk, "webp", savefig=savefig).body


def test_a_lossless_webp_has_the_pixels_of_the_png(serve: Serve, walk: Counter) -> None:
    """Both were drawn once."""
    client = serve()
    webp, png = (client.get(f"/plots/walk.{name}").data for name in ("webp", "png"))
    np.testing.assert_array_equal(pixels(webp), pixels(png))
    assert len(walk) == 1


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"formats": ["webp", "svg"]}, id="no-png"),
        pytest.param(
            {"savefig": {"pil_kwargs": {"transparency": (255, 255, 255)}}},
            id="png-of-other-pixels",
        ),
        pytest.param({"max_age": 0}, id="nothing-kept"),
        pytest.param({"max_age": 0, "stale_while_revalidate": 9}, id="always-stale"),
    ],
)
def test_without_a_stored_png_the_figure_is_drawn(
    plots: FigureBlueprint, serve: Serve, options: dict[str, Any]
) -> None:
    """``Server-Timing`` has the steps of a draw."""
    plots.figure_route("/walk", **options)(draw_walk)
    client = serve()
    with record_renders(client.application) as drawn:
        assert "draw" in read_steps(client.get("/plots/walk.webp"))
    assert len(drawn) == 1


def test_a_null_cache_draws_once_for_each_request(serve: Serve, walk: Counter) -> None:
    """No PNG is encoded first."""
    client = serve(**NO_CACHE)
    for name in ("webp", "png"):
        assert "draw" in read_steps(client.get(f"/plots/walk.{name}"))
    assert len(walk) == 2


def test_signals_and_timing_separate_draws_from_encodes(
    serve: Serve, walk: Counter
) -> None:
    """The one draw is a PNG's; a derived format has the step ``encode`` only."""
    client = serve()
    sent: list[Any] = []

    def record(_: object, **values: Any) -> None:
        sent.append(values.get("variant") and str(values["variant"]))

    signals = (figure_rendered, render_began, render_ended)
    for signal in signals:
        signal.connect(record, client.application)
    answers = [client.get(f"/plots/walk.{name}") for name in DERIVED]
    assert sent == [None, None, "png 1x"]
    assert [read_steps(answer) for answer in answers] == [["encode"]] * 3
    assert {answer.headers["Cache-Status"] for answer in answers} == {
        "flask-mplstream; fwd=uri-miss; stored"
    }


def test_simultaneous_formats_are_one_draw(serve: Serve, walk: Counter) -> None:
    """The second format waits for the PNG of the first."""
    client = serve()
    flights = AppState.of(client.application).pictures(None)._flights
    with ThreadPoolExecutor(3) as threads:
        with gate():
            answers = [
                threads.submit(
                    client.application.test_client().get, f"/plots/walk.{name}"
                )
                for name in DERIVED
            ]
            wait_until(lambda: flights._followers == 2)
        assert {answer.result().status_code for answer in answers} == {200}
    assert len(walk) == 1


def test_the_age_is_that_of_the_png(serve: Serve, walk: Counter, clock: Clock) -> None:
    """A picture encoded later becomes stale with its PNG."""
    client = serve()
    png = client.get("/plots/walk.png")
    clock.now += 40
    missed, hit = (client.get("/plots/walk.webp") for _ in range(2))
    for webp in (missed, hit):
        assert webp.headers["Cache-Control"].startswith("max-age=20,")
        assert webp.headers["Last-Modified"] == png.headers["Last-Modified"]
    assert hit.headers["Cache-Status"] == "flask-mplstream; hit; ttl=20"
    assert len(walk) == 1


@pytest.mark.parametrize("name", ["webp", "png"])
def test_a_renewal_takes_a_fresh_png(
    serve: Serve, walk: Counter, clock: Clock, name: str
) -> None:
    """One draw in the background renews both formats."""
    client = serve()
    old = [client.get(f"/plots/walk.{name}").data for name in ("webp", "png")]
    clock.now += 70
    client.get(f"/plots/walk.{name}")
    join_background(client)
    clock.now += 1
    assert len(walk) == 2
    stale = [client.get(f"/plots/walk.{name}").data for name in ("webp", "png")]
    join_background(client)
    new = [client.get(f"/plots/walk.{name}") for name in ("webp", "png")]
    assert len(walk) == 2
    if name == "webp":
        assert stale == [answer.data for answer in new]
    for before, answer in zip(old, new, strict=True):
        assert pixels(before).shape == (200, 100, 4)
        assert pixels(answer.data).shape == (200, 200, 4)
        assert answer.headers["Cache-Status"] == "flask-mplstream; hit; ttl=59"


def test_both_become_stale_at_once(
    plots: FigureBlueprint,
    serve: Serve,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their jitter is the same: a renewal never encodes the PNG that it had."""
    plots.figure_route("/walk", max_age=60)(draw_walk)
    client, encodes, derive = serve(), Counter(), Renders.derive
    urls = [f"/plots/walk.webp?n={n}" for n in range(4, 20)]
    for url in urls:
        client.get(url)

    def count(*args: Any) -> Any:
        encodes()
        return derive(*args)

    monkeypatch.setattr(Renders, "derive", count)
    clock.now += 58.5  # In the jitter, which is renewed in the background.
    with record_renders(client.application) as draws:
        for url in urls:
            client.get(url)
        join_background(client)
    assert 0 < len(draws) < len(urls)
    assert len(encodes) == len(draws)


def test_a_failed_renewal_is_logged_once(
    plots: FigureBlueprint,
    serve: Serve,
    renders: Counter,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """During ``error_backoff``, the stale picture is sent without another try."""

    @plots.figure_route("/sick", max_age=60, stale_while_revalidate=30)
    def sick() -> Figure:
        renders()
        if len(renders) > 1:
            raise LookupError("no data")
        return Figure(figsize=(1, 1))

    client = serve()
    client.get("/plots/sick.webp")
    clock.now += 70
    for _ in range(3):
        assert client.get("/plots/sick.webp").status_code == 200
        join_background(client)
    assert len(renders) == 2
    assert caplog.text.count("Cannot renew") == 1


def test_the_newest_version_is_the_one_read_last(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """A slow PNG of an older version does not make its WebP the newest."""
    widths, asked = [1], []

    def load() -> int:
        width = widths[0]
        clock.now += 1
        if width == 1:
            widths[0] = 2
            with ThreadPoolExecutor(1) as threads:
                asked.append(threads.submit(client.application.test_client().get, url))
        clock.now += 1
        return width

    @plots.figure_route(
        "/dated", load=load, version=lambda: widths[0], stale_if_error=100, timeout=20
    )
    def dated(width: int) -> Figure:
        return Figure(figsize=(width, 1))

    url = "/plots/dated.webp"
    client = serve()
    older = client.get(url)
    newer = asked[0].result()
    assert [pixels(a.data).shape[1] for a in (older, newer)] == [100, 200]
    widths[0] = -1  # Matplotlib refuses it.
    fallback = client.get(url)
    assert fallback.headers["Cache-Status"].endswith("fwd=stale; fwd-status=500")
    assert fallback.data == newer.data


def test_a_miss_takes_no_stale_png(serve: Serve, walk: Counter, clock: Clock) -> None:
    """A PNG that may be sent while it is renewed is drawn again."""
    client = serve()
    client.get("/plots/walk.png")
    clock.now += 70
    assert pixels(client.get("/plots/walk.webp").data).shape == (200, 200, 4)
    assert client.get("/plots/walk.png").headers["Cache-Status"].endswith("hit; ttl=60")
    assert len(walk) == 2


@pytest.mark.parametrize("step", ["draw", "encode"])
def test_an_invalidation_meanwhile_is_not_lost(
    serve: Serve,
    plots: FigureBlueprint,
    walk: Counter,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The picture of the old PNG is not stored under the new generation."""
    client, render_step = serve(), "render" if step == "draw" else "derive"
    run = getattr(Renders, render_step)

    def invalidate_after(*args: Any) -> Any:
        monkeypatch.undo()
        image = run(*args)
        with client.application.app_context():
            plots.invalidate("walk")
        return image

    monkeypatch.setattr(Renders, render_step, invalidate_after)
    old = client.get("/plots/walk.webp")
    new = client.get("/plots/walk.webp")
    assert pixels(old.data).shape == (200, 100, 4)
    assert pixels(new.data).shape == (200, 200, 4)
    assert new.headers["Cache-Status"] == "flask-mplstream; fwd=uri-miss; stored"


@pytest.mark.parametrize("query", ["", "?n=5"])
def test_a_png_over_max_bytes_does_not_prevent_others(
    plots: FigureBlueprint, serve: Serve, renders: Counter, query: str
) -> None:
    """The others are drawn, without another try of the PNG."""

    @plots.figure_route("/noise", max_bytes=60_000, error_backoff=0, keep=0)
    def noise(n: int = 3) -> Figure:
        renders(n)
        figure = Figure(figsize=(2, 2))
        figure.figimage(np.random.default_rng(n).random((200, 200, 3)))
        return figure

    client = serve(PROPAGATE_EXCEPTIONS=False)
    jpg, avif = (client.get(f"/plots/noise.{name}{query}") for name in ("jpg", "avif"))
    assert (jpg.status_code, avif.status_code) == (200, 200)
    assert "draw" in read_steps(jpg)
    assert len(renders) == 3
    png, webp = (client.get(f"/plots/noise.{name}{query}") for name in ("png", "webp"))
    expected = 400 if query else 500
    assert (png.status_code, webp.status_code) == (expected, expected)


@pytest.mark.parametrize("query", ["", "?n=5"])
def test_a_derived_format_over_max_bytes_is_an_error(
    plots: FigureBlueprint, serve: Serve, query: str
) -> None:
    """The error is that of a draw: a 400 if the URL's arguments are the cause."""
    png, jpg = (len(render(draw_walk, name).body) for name in ("png", "jpg"))
    assert png < jpg
    plots.figure_route("/walk", max_bytes=(png + jpg) // 2)(draw_walk)
    client = serve(PROPAGATE_EXCEPTIONS=False)
    failed: list[Any] = []

    def record(_: object, **values: Any) -> None:
        failed.append(str(values["variant"]))

    figure_failed.connect(record, client.application)
    assert client.get(f"/plots/walk.png{query}").status_code == 200
    assert client.get(f"/plots/walk.jpg{query}").status_code == (400 if query else 500)
    assert failed == ([] if query else ["jpg 1x"])


def test_a_failure_of_the_png_is_one_of_the_derived_format(
    plots: FigureBlueprint, serve: Serve, renders: Counter, clock: Clock
) -> None:
    """It is remembered for ``error_backoff``, and covered by ``stale_if_error``."""
    client, errors = serve_failing(plots, serve, renders)
    errors.append(LookupError("no data"))
    answers = [client.get(f"/plots/sick.{name}") for name in ("webp", "webp", "png")]
    assert {answer.status_code for answer in answers} == {500}
    assert len(renders) == 1
    errors.clear()
    clock.now += 2
    good = client.get("/plots/sick.webp")
    errors.append(LookupError("no data"))
    clock.now += 100
    stale = client.get("/plots/sick.webp")
    assert stale.data == good.data
    assert stale.headers["Cache-Status"].endswith("fwd=stale; fwd-status=500")


def test_an_encode_counts_as_pending(
    plots: FigureBlueprint, serve: Serve, walk: Counter
) -> None:
    """A full queue refuses it."""
    go = threading.Event()

    @plots.figure_route("/slow", timeout=20)
    def slow() -> Figure:
        assert go.wait(20)
        return Figure(figsize=(1, 1))

    client = serve(MPLSTREAM_MAX_PENDING=0)
    client.get("/plots/walk.png")
    admission = AppState.of(client.application).renders()._admission
    with ThreadPoolExecutor(1) as threads:
        held = threads.submit(client.application.test_client().get, "/plots/slow")
        wait_until(lambda: admission._count == 1)
        refused = client.get("/plots/walk.webp")
        go.set()
        assert held.result().status_code == 200
    assert refused.status_code == 503
    assert client.get("/plots/walk.webp").status_code == 200
    assert len(walk) == 1


@pytest.mark.keeps_threads  # The limits package clears its memory in a thread.
def test_an_encode_is_charged_to_the_budget(
    serve: Serve, walk: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A draw and two encodes of a quarter of a second use up 0.7 seconds."""
    monkeypatch.setattr(Deadline, "worked_s", 0.25)
    client = serve(MPLSTREAM_CLIENT_BUDGET=0.7, MPLSTREAM_CLIENT=lambda: request.method)
    statuses = [client.get(f"/plots/walk.{name}").status_code for name in DERIVED]
    assert statuses == [200, 200, 429]
    assert len(walk) == 1


def test_an_encode_is_charged_without_the_draw_of_its_png() -> None:
    """The deadline is the same, and its steps are new."""
    now = [0.0]
    deadline = Deadline(10, lambda: now[0])
    deadline.begin("draw")
    now[0] = 3.0
    other = deadline.without_steps()
    other.begin("encode")
    now[0] = 4.0
    assert (other.remaining_s, other.worked_s) == (6, 1)
    assert deadline.worked_s == 4


def test_an_encode_has_the_rest_of_the_time(
    plots: FigureBlueprint, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late one is a 503, and is stored when it ends."""
    plots.figure_route("/walk", timeout=0.2)(draw_walk)
    client = serve()
    client.get("/plots/walk.png")
    go, encode = threading.Event(), encoding.encode

    def encode_later(*args: Any, **options: Any) -> bytes:
        assert go.wait(20)
        return encode(*args, **options)

    monkeypatch.setattr(encoding, "encode", encode_later)
    late = client.get("/plots/walk.webp")
    go.set()
    assert late.status_code == 503
    wait_until(lambda: client.get("/plots/walk.webp").status_code == 200)


def test_an_encode_holds_memory(
    serve: Serve, walk: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives the memory back."""
    room = PixelRoom()
    monkeypatch.setattr(pixel_memory, "pixel_room", room)
    client, held, encode = serve(), [], encoding.encode
    client.get("/plots/walk.png")

    def look(*args: Any, **options: Any) -> bytes:
        held.append(room._held_bytes)
        return encode(*args, **options)

    monkeypatch.setattr(encoding, "encode", look)
    client.get("/plots/walk.webp")
    assert held == [100 * 200 * BYTES_PER_PIXEL["webp"]]
    assert room._held_bytes == 0


def test_an_encode_runs_on_the_executor(plots: FigureBlueprint, serve: Serve) -> None:
    """The draw and the encode are one job each."""
    plots.figure_route("/walk", timeout=20)(draw_walk)
    with Counted(1) as executor:
        answer = serve(MPLSTREAM_EXECUTOR=executor).get("/plots/walk.webp")
    assert answer.data == render(draw_walk, "webp").body
    assert read_steps(answer) == ["wait", "encode"]
    assert executor.submitted == 2


def test_a_figure_in_a_figure_is_derived(
    plots: FigureBlueprint, serve: Serve, walk: Counter
) -> None:
    """It waits for no other caller and needs no place in the queue."""

    @plots.figure_route("/outer", timeout=20)
    def outer() -> Figure:
        for name in ("webp", "jpg"):
            assert figure_image("plots.walk", _format=name).format.name == name
        return Figure(figsize=(1, 1))

    client = serve(MPLSTREAM_MAX_PENDING=0)
    assert client.get("/plots/outer.webp").status_code == 200
    assert len(walk) == 1


def test_each_user_has_a_separate_png(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Injected values and the version are those of the derived format."""
    versions = ["a"]

    @plots.figure_route(
        "/own",
        inject={"width": lambda: int(request.headers["X-Width"])},
        version=lambda: versions[0],
    )
    def own(width: int) -> Figure:
        renders(width)
        return Figure(figsize=(width, 1))

    client = serve()

    def get(name: str, width: int) -> int:
        headers = {"X-Width": str(width)}
        answer = client.get(f"/plots/own.{name}", headers=headers)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["Vary"] == "Cookie, Authorization"
        return int(pixels(answer.data).shape[1])

    for name in ("webp", "png", "jpg"):
        assert [get(name, width) for width in (1, 2)] == [100, 200]
    assert renders.calls == [1, 2]
    versions[0] = "b"
    assert [get(name, 1) for name in ("webp", "png")] == [100, 100]
    assert renders.calls == [1, 2, 1]


def test_words_are_those_of_the_png(serve: Serve, walk: Counter) -> None:
    """A request for words reads those of the master, which is drawn once more."""
    client, headers = serve(), {"Mplstream-Words": "?1"}
    assert "Mplstream-Alt" not in client.get("/plots/walk.webp").headers
    said = [
        client.get(f"/plots/walk.{name}", headers=headers).headers["Mplstream-Alt"]
        for name in ("webp", "png", "jpg", "webp")
    ]
    assert len(set(said)) == 1
    assert len(walk) == 2
