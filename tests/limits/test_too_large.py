"""A picture over a limit is an error of its URL or of its app."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, ImageTooLargeError, figure_image
from flask_mplstream.signals import figure_failed

Serve = Callable[..., FlaskClient]
OPTIONS: dict[str, Any] = {"error_backoff": 0}


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve) -> FlaskClient:
    @plots.figure_route("/lines", max_bytes=30_000, **OPTIONS)
    def lines(n: int = 2, wide: float = 1.0, title: str = "") -> Figure:
        drawn = Figure(figsize=(wide, 1))
        axes = drawn.subplots()
        for number in range(n):
            axes.plot(range(n), [number * i % 7 for i in range(n)])
        return drawn

    @plots.figure_route("/always", max_bytes=200, **OPTIONS)
    def always(n: int = 2) -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/far", savefig={"bbox_inches": "tight"}, **OPTIONS)
    def far(x: float = 900.0) -> Figure:
        drawn = Figure(figsize=(1, 1))
        drawn.text(0.5, 0.5, "near")
        drawn.text(x, 0.5, "astray")
        return drawn

    @plots.figure_route("/medium", max_pixels=40_000, **OPTIONS)
    def medium() -> Figure:
        return Figure(figsize=(2, 1), dpi=100)

    return serve()


@pytest.mark.parametrize(
    ("url", "names"),
    [
        pytest.param("/plots/medium?_scale=2", ["_scale"], id="scale"),
        pytest.param("/plots/medium?_width=640", ["_width"], id="width"),
        pytest.param("/plots/lines.svg?n=60", ["n"], id="argument"),
        pytest.param("/plots/lines?n=3&wide=300", ["n", "wide"], id="arguments"),
        pytest.param("/plots/lines?wide=300&_scale=2", ["wide"], id="not-the-scale"),
        pytest.param("/plots/far?x=500&_width=640", ["x"], id="not-the-width"),
    ],
)
def test_a_picture_too_large_by_its_url_is_a_400(
    client: FlaskClient, url: str, names: list[str]
) -> None:
    """It names each argument that is the cause, and no other."""
    answer = client.get(url)
    assert answer.status_code == 400
    problem = answer.get_json()
    assert [fault["name"] for fault in problem["errors"]] == names
    assert "max_pixels" in problem["detail"] or "max_bytes" in problem["detail"]
    for fault in problem["errors"]:
        assert len(re.findall(r"\.(?= |$)", fault["reason"])) == 1, fault["reason"]
        assert len(re.findall(r"\.(?= |$)", fault["hint"])) == 1, fault["hint"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param("/plots/always.svg", ["max_bytes", "200 bytes"], id="bytes"),
        pytest.param("/plots/far", ["max_pixels", "astray"], id="far-text"),
        pytest.param("/plots/far?_width=640", ["max_pixels", "astray"], id="far-width"),
        pytest.param("/plots/far.txt", ["max_pixels", "astray"], id="far-in-words"),
        pytest.param("/plots/far?x=900", ["max_pixels"], id="the-default-by-name"),
    ],
)
def test_a_picture_too_large_by_its_app_is_a_500(
    client: FlaskClient, url: str, words: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Only the log names the limit and the artist."""
    failed: list[Any] = []

    def record(sender: Any, **event: Any) -> None:
        failed.append(event["exception"])

    with figure_failed.connected_to(record):
        answer = client.get(url)
    assert answer.status_code == 500
    assert answer.get_json()["detail"] == "The picture cannot be drawn."
    (line,) = (r.getMessage() for r in caplog.records if r.levelno == logging.ERROR)
    assert all(word in line for word in words), line
    assert [type(error) for error in failed] == [ImageTooLargeError]


def test_a_picture_within_its_limits_is_served(client: FlaskClient) -> None:
    """The same picture is refused at a larger size."""
    for url in ("/plots/medium", "/plots/lines.svg?n=3", "/plots/far?x=0.5"):
        assert client.get(url).status_code == 200


def test_figure_image_raises_if_the_picture_is_too_large(client: FlaskClient) -> None:
    """The URL of that picture is a 500."""
    with (
        client.application.app_context(),
        pytest.raises(ImageTooLargeError, match="max_pixels"),
    ):
        figure_image("plots.far")
