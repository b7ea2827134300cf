"""Rendered images: Matplotlib's pixels, repeatable bytes, limits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from flask_mplstream import ConfigError, ImageTooLargeError, render
from tests.support.pictures import BUILDERS, lines, pixels

pytestmark = pytest.mark.slow

OPTIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "dpi": {"dpi": 130},
    "figure-dpi": {"dpi": "figure"},
    "facecolor": {"facecolor": (0.95, 0.95, 0.95), "edgecolor": "red"},
    "tight": {"bbox_inches": "tight", "pad_inches": 0.3},
    "bbox": {"bbox_inches": Bbox.from_extents(0.5, 0.5, 2, 2)},
    "transparent": {"transparent": True},
    "pillow": {"pil_kwargs": {"compress_level": 9}, "metadata": {"Author": "me"}},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Draw one figure with each option and each figure with one; all in a sweep."""
    if "option" in metafunc.fixturenames:
        pairs = [
            (figure, option)
            for figure in BUILDERS
            for option in OPTIONS
            if figure == "plain"
            or option == "tight"
            or metafunc.config.getoption("--sweep")
        ]
        metafunc.parametrize(("figure", "option"), pairs)


@pytest.mark.sweep
def test_a_png_has_the_pixels_of_savefig(figure: str, option: str) -> None:
    """Decoded, it equals ``Figure.savefig`` with the same options, pixel for pixel."""
    build, options = BUILDERS[figure], OPTIONS[option]
    expected = BytesIO()
    with mpl.rc_context():
        build().savefig(expected, format="png", **options)
    image = render(build, savefig=options)
    drawn = pixels(image.body)
    np.testing.assert_array_equal(drawn, pixels(expected.getvalue()))
    assert drawn.shape[:2] == (image.height_px, image.width_px)


@pytest.mark.parametrize(
    ("name", "mode", "is_lossless"),
    [
        pytest.param("png", "RGB", True, id="png"),
        pytest.param("webp", "RGB", True, id="webp-lossless-by-default"),
        pytest.param("avif", "RGB", False, id="avif"),
        pytest.param("jpg", "RGB", False, id="jpg"),
    ],
)
def test_every_format_shows_the_same_picture(
    name: str, mode: str, is_lossless: bool
) -> None:
    """Opaque pictures lose their alpha channel and nothing else."""
    image = render(lines, name)
    decoded = Image.open(BytesIO(image.body))
    assert decoded.mode == mode
    difference = np.abs(
        pixels(image.body).astype(int) - pixels(render(lines).body).astype(int)
    )
    assert difference.mean() < (1e-9 if is_lossless else 3)


def test_a_transparent_jpeg_is_put_on_white() -> None:
    """JPEG has no alpha; savefig puts it on white as well."""
    image = render(lines, "jpg", savefig={"transparent": True})
    assert (pixels(image.body)[0, 0, :3] > 250).all()


REPEATED = ("png", "svg", "pdf")
PROGRAM = f"""
from hashlib import sha256
from flask_mplstream import render
from tests.support.pictures import lines
for name in {REPEATED}:
    print(sha256(render(lines, name).body).hexdigest())
"""


@cache
def digests_in_process(hash_seed: str) -> list[str]:
    """Return the digest of each format as a new process renders it."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONHASHSEED": hash_seed, "MPLBACKEND": "agg"},
        capture_output=True,
        check=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", REPEATED)
def test_bytes_repeat_in_every_process(name: str) -> None:
    """Equal figures give equal bytes, and so equal ETags, with any hash seed."""
    at = REPEATED.index(name)
    digests = {digests_in_process(seed)[at] for seed in ("1", "2")}
    assert digests == {sha256(render(lines, name).body).hexdigest()}


def test_a_png_has_no_software_chunk() -> None:
    """The Software chunk would change the bytes with each Matplotlib."""
    assert Image.open(BytesIO(render(lines).body)).info.keys() == {"dpi"}


def test_each_format_gets_the_metadata_that_it_supports() -> None:
    """One route's metadata suits all its formats."""
    savefig = {"metadata": {"Title": "Sales", "Author": "me", "Nonsense": None}}
    png = Image.open(BytesIO(render(lines, savefig=savefig).body))
    assert png.info["Title"] == "Sales"
    assert b"Sales" in render(lines, "svg", savefig=savefig).body
    assert b"Sales" in render(lines, "pdf", savefig=savefig).body
    assert render(lines, "jpg", savefig=savefig).body


@pytest.mark.parametrize("name", ["svg", "pdf", "png"])
def test_every_format_has_the_size_of_its_png(name: str) -> None:
    """``width`` and ``height`` of an ``<img>`` are the same in every format."""
    for savefig in ({}, {"bbox_inches": "tight"}):
        png = render(lines, savefig=savefig)
        image = render(lines, name, savefig=savefig)
        assert abs(image.width_px - png.width_px) <= 1
        assert abs(image.height_px - png.height_px) <= 1


def test_a_style_reaches_the_function_and_the_drawing() -> None:
    """A name, a dict or a list of both applies to one render only."""
    dark = pixels(render(lines, style="dark_background").body)
    assert tuple(dark[0, 0]) == (0, 0, 0, 255)
    mixed: list[Any] = ["dark_background", {"figure.facecolor": "#010203"}]
    assert tuple(pixels(render(lines, style=mixed).body)[0, 0]) == (1, 2, 3, 255)
    assert tuple(pixels(render(lines).body)[0, 0]) == (255, 255, 255, 255)


@pytest.mark.parametrize(
    ("build", "options"),
    [
        pytest.param(lambda: Figure(figsize=(200, 200)), {}, id="figsize"),
        pytest.param(lambda: Figure(figsize=(170, 1)), {}, id="one-side"),
        pytest.param(lambda: Figure(), {"savefig": {"dpi": 1e5}}, id="dpi"),
        pytest.param(lambda: Figure(), {"savefig": {"dpi": 1e308}}, id="overflow"),
        pytest.param(lambda: Figure(), {"scale": 1e4}, id="scale"),
        pytest.param(lambda: Figure(), {"max_pixels": 100}, id="max-pixels"),
        pytest.param(
            lambda: far_away(), {"savefig": {"bbox_inches": "tight"}}, id="tight-box"
        ),
    ],
)
@pytest.mark.parametrize("name", ["png", "webp"])
def test_too_many_pixels_are_refused_before_the_draw(
    build: Callable[[], Figure], options: dict[str, Any], name: str
) -> None:
    """The limit is checked before memory is allocated."""
    with pytest.raises(ImageTooLargeError, match="pixels"):
        render(build, name, **options)


def far_away() -> Figure:
    """Draw a figure with a tight bounding box of 900 inches."""
    figure = Figure()
    figure.text(0, 0, "left")
    figure.text(140, 0, "right")
    return figure


@pytest.mark.parametrize("name", ["svg", "pdf"])
def test_a_giant_document_is_refused(name: str) -> None:
    """Rasterized artists in an SVG take as much memory as a PNG."""
    with pytest.raises(ImageTooLargeError, match="pixels"):
        render(lambda: Figure(figsize=(400, 400)), name)


@pytest.mark.parametrize("name", ["png", "webp", "avif", "jpg", "svg", "pdf"])
def test_too_many_bytes_are_refused(name: str) -> None:
    """The writer stops at the limit."""
    with pytest.raises(ImageTooLargeError, match="max_bytes"):
        render(lines, name, max_bytes=500)


def test_an_unknown_format_is_named() -> None:
    """The error lists the known formats."""
    with pytest.raises(ConfigError, match=r"'pmg' is not an image format.*'png'"):
        render(lines, "pmg")


def test_a_data_uri_is_the_whole_picture() -> None:
    """The URI has all bytes, for e-mail."""
    image = render(lines)
    head, _, data = image.data_uri().partition(",")
    assert head == "data:image/png;base64"
    import base64

    assert base64.b64decode(data) == image.body


@pytest.mark.parametrize("style", ["default", ["default", {"lines.linewidth": 3}]])
def test_a_style_does_not_make_ids_random(style: Any) -> None:
    """Equal figures give equal bytes, also in Matplotlib's style without a salt."""

    def build() -> Figure:
        figure = Figure()
        figure.subplots().plot([1, 2], marker="o")
        return figure

    assert len({render(build, "svg", style=style).body for _ in range(3)}) == 1


def test_an_unknown_style_is_named() -> None:
    """The error suggests the nearest style."""
    with pytest.raises(ConfigError, match=r"'ggplo' is neither .* mean 'ggplot'\?"):
        render(lines, style="ggplo")
