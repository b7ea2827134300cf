"""``page_formats`` and ``page_densities``: the files that a page offers browsers."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure
from flask_mplstream.formats import FORMATS, PAGE_FORMATS, choose_page_formats
from tests.support.markup import read_attributes, read_elements

Serve = Callable[..., FlaskClient]


def small() -> Figure:
    """A small figure."""
    return Figure(figsize=(2, 1))


def create_app(
    options: dict[str, Any], blueprint: Any = None, config: Any = None
) -> Flask:
    """Return an app with one figure route, ``plots.small``."""
    plots = FigureBlueprint("plots", __name__, **blueprint or {})
    plots.figure_route("/small", **options)(small)
    app = Flask(__name__)
    app.config.update(config or {})
    app.register_blueprint(plots)
    return app


def write_page(app: Flask, **values: Any) -> str:
    """Return the markup of the figure in a page."""
    with app.test_request_context():
        return str(figure("plots.small", **values))


def list_urls(markup: str) -> list[str]:
    """Return the different URLs of pictures in *markup*, in order."""
    return list(dict.fromkeys(re.findall(r"/small[^ ,\"]*", unescape(markup))))


@pytest.mark.parametrize(
    ("offered", "wanted", "expected"),
    [
        pytest.param("png webp avif jpg svg", "webp png", "webp png", id="default"),
        pytest.param("png webp avif jpg svg", "png", "png", id="one"),
        pytest.param("png webp avif", "webp", "webp", id="one-compact"),
        pytest.param(
            "png webp avif", "png webp avif", "avif webp png", id="best-first"
        ),
        pytest.param("webp png", "avif webp png", "webp png", id="not-offered"),
        pytest.param("jpg webp", "webp png", "webp jpg", id="jpeg-for-png"),
        pytest.param("png", "webp jpg", "png", id="png-for-jpeg"),
        pytest.param("jpg png webp", "webp png", "webp png", id="png-as-wanted"),
        pytest.param("avif", "webp png", "avif", id="nothing-else"),
        pytest.param("webp png", "avif", "webp png", id="none-of-them"),
        pytest.param("svg png", "webp png", "svg", id="shapes-first"),
        pytest.param("pdf png", "webp png", "pdf", id="document-first"),
    ],
)
def test_a_page_offers_the_wanted_formats_that_the_route_has(
    offered: str, wanted: str, expected: str
) -> None:
    """Browsers try them from the first; the last is for all."""
    have, want = ([FORMATS[n] for n in names.split()] for names in (offered, wanted))
    assert " ".join(map(str, choose_page_formats(have, want))) == expected


def test_every_pixel_format_has_a_place_in_a_page() -> None:
    """Otherwise a route with it as its only format would have no markup."""
    rasters = {name for name, format in FORMATS.items() if format.is_raster}
    assert rasters == {*PAGE_FORMATS}


@pytest.mark.parametrize(
    ("route", "blueprint", "config", "expected"),
    [
        pytest.param({}, {}, {}, "webp png", id="default"),
        pytest.param(
            {}, {}, {"MPLSTREAM_PAGE_FORMATS": ["avif", "png"]}, "avif png", id="config"
        ),
        pytest.param(
            {},
            {"page_formats": ["png"]},
            {"MPLSTREAM_PAGE_FORMATS": ["avif", "png"]},
            "png",
            id="blueprint",
        ),
        pytest.param(
            {"page_formats": [".AVIF", "jpeg"]},
            {"page_formats": ["png"]},
            {},
            "avif jpg",
            id="route",
        ),
    ],
)
def test_the_option_chooses_the_sources(
    route: Any, blueprint: Any, config: Any, expected: str
) -> None:
    """The last format is that of the ``<img>``."""
    app = create_app(route, blueprint, config)
    elements = read_elements(write_page(app))
    types = [str(found["type"]) for tag, found in elements if tag == "source"]
    src = str(read_attributes(write_page(app))["src"])
    last = src.rpartition(".")[2] if "." in src else "png"  # The route's first.
    compact = [name.removeprefix("image/") for name in types]
    assert " ".join([*compact, last]) == expected


def test_other_formats_are_still_served() -> None:
    """Only ``formats`` limits the URLs."""
    client = create_app({"page_formats": ["png"], "page_densities": [1]}).test_client()
    for url, kind in {
        "/small.avif": "image/avif",
        "/small.png?_scale=3": "image/png",
    }.items():
        response = client.get(url)
        assert (response.status_code, response.mimetype) == (200, kind)


@pytest.mark.parametrize(
    ("densities", "src", "srcset"),
    [
        pytest.param([1], "/small", None, id="one"),
        pytest.param(1, "/small", None, id="a-number"),
        pytest.param([2], "/small?_scale=2", "/small?_scale=2 2x", id="only-dense"),
        pytest.param(
            [3, 1, 1.5],
            "/small",
            "/small 1x, /small?_scale=1.5 1.5x, /small?_scale=3 3x",
            id="ascending",
        ),
        pytest.param(
            {"page_densities": [1, 4], "max_pixels": 100_000},
            "/small",
            None,
            id="too-large",
        ),
    ],
)
def test_the_densities_are_those_of_the_option(
    densities: Any, src: str, srcset: str | None
) -> None:
    """Without a ``1x``, the smallest is also for browsers that ignore ``srcset``."""
    is_dict = isinstance(densities, dict)
    options = densities if is_dict else {"page_densities": densities}
    shown = read_attributes(
        write_page(create_app({"page_formats": ["png"], **options}))
    )
    assert (shown["src"], shown.get("srcset")) == (src, srcset)
    assert (shown["width"], shown["height"]) == ("200", "100")


def test_a_width_has_the_densities_of_the_option() -> None:
    """Densities whose widths are the same step share the smaller one's name."""
    options = {"page_formats": ["png"], "page_densities": [1, 1.5, 2, 3]}
    shown = read_attributes(write_page(create_app(options), _width=2560))
    assert shown["srcset"] == "/small?_width=2560 1x, /small?_width=3840 1.5x"


@pytest.mark.parametrize(
    ("densities", "widest"),
    [
        pytest.param([1], "320w", id="1"),
        pytest.param([1, 2], "400w", id="2"),
        pytest.param([1, 3], "640w", id="3"),
    ],
)
def test_sizes_offers_widths_up_to_the_largest_density(
    densities: list[int], widest: str
) -> None:
    """The figure is 200 pixels wide."""
    app = create_app({"page_formats": ["png"], "page_densities": densities})
    shown = read_attributes(write_page(app, sizes="100vw"))
    last = str(shown.get("srcset") or f"{shown['src']} 320w").split(", ")[-1]
    assert last.endswith(f" {widest}")


def test_a_figure_of_unknown_size_is_offered_for_dense_screens() -> None:
    """Larger densities might exceed the limits."""
    app = create_app({"page_formats": ["png"], "page_densities": [1, 2, 3]})
    shown = read_attributes(write_page(app, alt="", width=None, height=None))
    assert shown["srcset"] == "/small 1x, /small?_scale=2 2x"


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="default"),
        pytest.param({"page_formats": ["png"], "page_densities": [2]}, id="one-file"),
        pytest.param(
            {"page_formats": ["avif", "png"], "page_densities": [1, 1.5]}, id="other"
        ),
        pytest.param({"formats": ["svg", "png"]}, id="shapes"),
        pytest.param({"dark_style": True, "page_formats": ["webp"]}, id="dark"),
    ],
)
def test_warm_renders_the_files_of_the_page(options: dict[str, Any]) -> None:
    """Each picture of the page is in the cache, and no other picture is."""
    app = create_app(options)
    runner = app.test_cli_runner()
    result = runner.invoke(args=["figures", "warm", "plots.small"])
    assert result.exit_code == 0, result.output
    client = app.test_client()
    urls = list_urls(write_page(app))
    statuses = [client.get(url).headers["Cache-Status"] for url in urls]
    assert all("; hit" in status for status in statuses), statuses
    pictures = [line for line in result.stdout.splitlines() if " txt " not in line]
    assert len(pictures) == len(urls)
