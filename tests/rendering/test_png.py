"""PNG files made from pixels, read back by Pillow."""

from __future__ import annotations

import tracemalloc
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from flask_mplstream import render
from flask_mplstream.rendering import png
from flask_mplstream.rendering.png import is_opaque, write_png

Pixels = NDArray[np.uint8]
SIDES = st.integers(1, 40)
OPAQUE_GRAY = np.full((30, 20, 4), (90, 90, 90, 255), np.uint8)


def read(body: bytes) -> Image.Image:
    image = Image.open(BytesIO(body))
    image.load()
    return image


def filters(body: bytes) -> set[int]:
    """Return the filter types of the rows of an RGB picture."""
    image = read(body)
    start = body.index(b"IDAT") + 4
    rows = np.frombuffer(zlib.decompressobj().decompress(body[start:]), np.uint8)
    return {*map(int, rows.reshape(image.height, 1 + 3 * image.width)[:, 0])}


@given(st.data(), SIDES, SIDES)
def test_pixels_survive(data: st.DataObject, height: int, width: int) -> None:
    """Pillow reads the same pixels, whatever their size and alpha."""
    rgba = data.draw(arrays(np.uint8, (height, width, 4)))
    image = read(write_png(rgba, dpi=100))
    assert np.array_equal(np.asarray(image.convert("RGBA")), rgba)
    assert image.mode == ("RGB" if (rgba[..., 3] == 255).all() else "RGBA")


@pytest.mark.parametrize("height", [255, 256, 257, 513])
@pytest.mark.parametrize("is_noise", [True, False])
def test_strips_meet_without_a_seam(height: int, is_noise: bool) -> None:
    """Each strip continues the one above, with either filter."""
    rgba = np.full((height, 8, 4), 255, np.uint8)
    rgba[..., :3] = np.arange(height)[:, None, None] % 251
    if is_noise:
        rgba[..., :3] = np.random.default_rng(2).integers(0, 2, (height, 8, 3))
    body = write_png(rgba, dpi=100)
    assert filters(body) == {0 if is_noise else 2}
    assert np.array_equal(np.asarray(read(body).convert("RGBA")), rgba)


def test_a_large_picture_takes_little_more_memory_than_its_pixels() -> None:
    """The rows are filtered and compressed in strips."""
    rgba = np.full((4000, 1000, 4), 255, np.uint8)
    tracemalloc.start()
    try:
        write_png(rgba, dpi=100)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < rgba.nbytes / 2


@pytest.mark.parametrize("alpha", [0, 127, 254])
def test_one_translucent_pixel_keeps_the_alpha_channel(alpha: int) -> None:
    """The last pixel of a picture decides as well as the first."""
    for place in (0, -1):
        rgba = OPAQUE_GRAY.copy()
        assert is_opaque(rgba)
        rgba[place, place, 3] = alpha
        assert not is_opaque(rgba)
        assert read(write_png(rgba, dpi=100)).mode == "RGBA"


@pytest.mark.parametrize(
    ("rgba", "filter_type"),
    [
        pytest.param(np.indices((64, 64)).sum(0), 2, id="gradient"),
        pytest.param(
            np.random.default_rng(0).integers(0, 2, 4096).reshape(64, 64), 0, id="noise"
        ),
    ],
)
def test_the_filter_with_fewer_bytes_is_used(
    rgba: NDArray[Any], filter_type: int
) -> None:
    """Rows like the row above are stored as differences."""
    picture = np.full((64, 64, 4), 255, np.uint8)
    picture[..., :3] = rgba[..., None] * [1, 2, 3]
    assert filters(write_png(picture, dpi=100)) == {filter_type}


@pytest.mark.parametrize("dpi", [72, 100, 192.5])
def test_dpi_and_text_are_stored(dpi: float) -> None:
    """Pillow reads the resolution and the chunks."""
    body = write_png(OPAQUE_GRAY, dpi=dpi, chunks=[(b"tEXt", b"Author\0somebody")])
    information: dict[Any, Any] = read(body).info
    assert information["dpi"] == pytest.approx((dpi, dpi), abs=0.02)
    assert information["Author"] == "somebody"


def test_without_zlib_ng_the_pixels_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library compresses on platforms without a wheel."""
    rgba = np.random.default_rng(1).integers(0, 255, (50, 60, 4)).astype(np.uint8)
    monkeypatch.setattr(png, "zlib", zlib)
    image = read(write_png(rgba, dpi=100))
    assert np.array_equal(np.asarray(image), rgba)


@pytest.mark.parametrize("options", [{"optimize": True}, {"compress_level": 0}])
def test_pillows_options_are_used(options: dict[str, Any]) -> None:
    """``pil_kwargs`` selects Pillow's encoder; the pixels stay equal."""

    def build() -> Figure:
        return Figure(figsize=(2, 1), facecolor="0.3")

    ours = render(build, "png").body
    pillows = render(build, "png", savefig={"pil_kwargs": options}).body
    assert ours != pillows
    assert (len(pillows) > len(ours)) == (options == {"compress_level": 0})
    assert np.array_equal(np.asarray(read(ours)), np.asarray(read(pillows)))
