"""The test kit for users: recorded renders, decoded pictures, no cache."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from PIL import UnidentifiedImageError

from flask_mplstream import FigureBlueprint, figure_image, render
from flask_mplstream.testing import NO_CACHE, decode_picture, record_renders
from tests.support.doubles import Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def red(plots: FigureBlueprint, renders: Counter) -> Callable[..., Figure]:
    @plots.figure_route("/red")
    def red(width: int = 2) -> Figure:
        renders(width)
        if width > 9:
            raise ValueError("too wide")
        return Figure(figsize=(width, 1), facecolor="red")

    return red


def test_renders_are_recorded_in_the_block_only(serve: Serve) -> None:
    """A hit, another app's render and a render after the block add nothing."""
    client, other = serve(), Flask(__name__)
    with record_renders(client.application) as renders, record_renders(other) as none:
        for _ in range(2):
            client.get("/plots/red")
        assert renders == ["plots.red"]
    client.get("/plots/red?width=3")
    assert (renders, none) == (["plots.red"], [])


@pytest.mark.parametrize("format", ["png", "webp", "avif"])
def test_a_response_is_decoded(serve: Serve, format: str) -> None:
    """The shape is height, width and RGBA, for each lossless raster format."""
    pixels = decode_picture(serve().get(f"/plots/red.{format}"))
    assert pixels.shape == (100, 200, 4)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels[50, 50].astype(int) - [255, 0, 0, 255]).max() <= 3


def test_an_image_is_decoded(serve: Serve, red: Callable[..., Figure]) -> None:
    """Images of ``figure_image()`` and ``render()`` equal the response."""
    client = serve()
    with client.application.app_context():
        image = figure_image("plots.red")
    expected = decode_picture(client.get("/plots/red"))
    assert np.array_equal(decode_picture(image), expected)
    assert np.array_equal(decode_picture(render(red)), expected)


def test_a_failure_is_an_assertion_with_the_reason(serve: Serve) -> None:
    """The status and the problem are in pytest's report."""
    with pytest.raises(AssertionError, match=r"400 BAD REQUEST: .*width"):
        decode_picture(serve().get("/plots/red?width=x"))


def test_an_svg_is_not_decoded(serve: Serve) -> None:
    """Pillow raises for a format that it does not know."""
    with pytest.raises(UnidentifiedImageError):
        decode_picture(serve().get("/plots/red.svg"))


@pytest.mark.parametrize(("width", "status"), [(2, 200), (10, 500)])
def test_without_a_cache_each_request_renders(
    serve: Serve, renders: Counter, width: int, status: int
) -> None:
    """Neither a picture nor an error is kept."""
    client = serve(**NO_CACHE)
    for _ in range(2):
        assert client.get(f"/plots/red?width={width}").status_code == status
    assert renders.calls == [width, width]
