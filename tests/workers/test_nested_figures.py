"""Figure functions that request another figure do not deadlock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_data_uri, figure_url, render

Serve = Callable[..., FlaskClient]
#: Seconds after which a wait counts as a deadlock.
TOO_LONG_S = 25.0


@pytest.fixture(autouse=True)
def figures(plots: FigureBlueprint) -> None:
    """Serve an inner figure, and three figures that request it during a render."""

    @plots.figure_route("/inner", timeout=30)
    def inner(wait: bool = False) -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/outer", timeout=30)
    def outer() -> Figure:
        time.sleep(0.2)
        figure_data_uri("plots.inner")
        return Figure(figsize=(1, 1))

    @plots.figure_route("/uncached", timeout=3, max_age=0)
    def uncached() -> Figure:
        return outer()

    @plots.figure_route("/async", timeout=30)
    async def coroutine() -> Figure:
        render(lambda: Figure(figsize=(1, 1)))
        return outer()

    @plots.figure_route("/mistaken")
    def mistaken() -> Figure:
        figure_url("plots.inner", wait="sideways")
        return Figure(figsize=(1, 1))


def together(app: Flask, *urls: str) -> list[tuple[int, float]]:
    """Return status and seconds of each request, started shortly after one another."""
    answers: dict[str, tuple[int, float]] = {}

    def ask(url: str) -> None:
        began = time.monotonic()
        status = app.test_client().get(url).status_code
        answers[url] = status, time.monotonic() - began

    threads = [threading.Thread(target=ask, args=[url]) for url in urls]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join(60)
    return [answers[url] for url in urls]


@pytest.mark.parametrize("kind", ["SimpleCache", "FileSystemCache", None])
@pytest.mark.parametrize("outer", ["outer", "uncached", "async"])
def test_a_holder_of_the_gate_waits_for_no_other_render(
    serve: Serve, tmp_path: Path, outer: str, kind: str | None
) -> None:
    """Another thread renders the inner figure and waits for the gate."""
    config = {"CACHE_TYPE": kind, "CACHE_DIR": str(tmp_path)} if kind else {}
    app = serve(**config).application
    answers = together(app, f"/plots/{outer}", "/plots/inner")
    assert [status for status, _ in answers] == [200, 200]
    assert max(seconds for _, seconds in answers) < TOO_LONG_S


def test_a_render_in_a_view_waits_for_no_other_render(serve: Serve) -> None:
    """``render()`` in a view of the app holds the gate."""
    app = serve().application

    def build() -> Figure:
        time.sleep(0.2)
        figure_data_uri("plots.inner")
        return Figure(figsize=(1, 1))

    @app.get("/plain")
    def plain() -> bytes:
        return render(build).body

    answers = together(app, "/plain", "/plots/inner")
    assert [status for status, _ in answers] == [200, 200]
    assert max(seconds for _, seconds in answers) < TOO_LONG_S


def test_a_wrong_argument_in_a_figure_function_is_a_500(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """The client gave no wrong argument."""
    assert serve().get("/plots/mistaken").status_code == 500
    assert "InnerFigureError" in caplog.text
    assert "sideways" in caplog.text
