"""The markup that ``figure()`` adds to the ``<img>``."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_login import login_required
from markupsafe import Markup
from matplotlib.figure import Figure

from flask_mplstream import (
    DARK_STYLE,
    ArgumentsError,
    FigureBlueprint,
    figure,
    figure_script,
    figure_url,
)
from tests.support.doubles import Counter
from tests.support.markup import read_attributes, read_elements

Serve = Callable[..., FlaskClient]


@pytest.fixture
def app(plots: FigureBlueprint, serve: Serve, renders: Counter) -> Flask:
    @plots.figure_route("/walk", formats=["png", "avif", "webp", "svg", "csv"])
    def walk(n: int = 200) -> Figure:
        """A random walk."""
        renders(n)
        return Figure(figsize=(6.4, 3.2))

    @plots.figure_route("/night", formats=["png", "webp"], dark_style=True)
    def night() -> Figure:
        """Stars."""
        return Figure(figsize=(4, 2))

    @plots.figure_route(
        "/shapes",
        formats=["svg", "png"],
        dark_style=[DARK_STYLE, {"figure.facecolor": "#1b1b1b"}],
    )
    def shapes() -> Figure:
        return Figure(figsize=(4, 2))

    @plots.figure_route("/large", formats=["png"], max_pixels=1_000_000)
    def large() -> Figure:
        return Figure(figsize=(8, 6))

    @plots.figure_route("/caption", formats=["png"])
    def titled(caption: str = "none", theme: str = "x") -> Figure:
        return Figure(figsize=(1, 1))

    return serve().application


DARK = "screen and (prefers-color-scheme: dark)"


def sources(markup: str) -> list[dict[str, str | None]]:
    return [found for tag, found in read_elements(markup) if tag == "source"]


def test_browsers_choose_among_formats(app: Flask) -> None:
    """WebP comes before the fallback PNG, each in two densities."""
    with app.test_request_context():
        shown = figure("plots.walk", n=5)
    assert [tag for tag, _ in read_elements(shown)] == ["picture", "source", "img"]
    [webp] = sources(shown)
    assert webp["type"] == "image/webp"
    assert webp["srcset"] == "/plots/walk.webp?n=5 1x, /plots/walk.webp?n=5&_scale=2 2x"
    assert read_attributes(shown)["src"] == "/plots/walk.png?n=5"


@pytest.mark.parametrize("values", [{}, {"theme": "dark"}, {"sizes": "100vw"}])
def test_urls_in_a_picture_name_their_format(
    app: Flask, values: dict[str, Any]
) -> None:
    """A cache that ignores ``Vary`` would send one browser's format to all."""
    with app.test_request_context():
        for endpoint in ("plots.walk", "plots.night"):
            image = read_attributes(figure(endpoint, **values))
            urls = [u.split()[0] for u in (image["srcset"] or "").split(", ")]
            assert all(".png" in str(url) for url in [image["src"], *urls])
    # An image alone has the canonical URL, which the route's first format answers.
    with app.test_request_context():
        assert read_attributes(figure("plots.large"))["src"] == "/plots/large"


def test_a_picture_of_two_themes_names_its_only_format(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """It is a ``<picture>``, too; its sources differ by theme."""

    @plots.figure_route("/dusk", formats=["png", "svg"], dark_style=True)
    def dusk() -> Figure:
        """The evening."""
        return Figure(figsize=(4, 2))

    with serve().application.test_request_context():
        shown = figure("plots.dusk")
    assert [found["type"] for found in sources(shown)] == ["image/png"]
    urls = re.findall(r"/plots/dusk[^ ,\"]*", shown)
    assert len(urls) == 5
    assert all(url.startswith("/plots/dusk.png") for url in urls)


def test_a_given_format_is_the_only_one(app: Flask) -> None:
    """There are no sources."""
    with app.test_request_context():
        assert not sources(figure("plots.walk", _format="webp"))


@pytest.mark.slow
def test_every_url_in_the_markup_is_served(app: Flask) -> None:
    """This covers all formats, densities, widths and themes."""
    client = app.test_client()
    with app.test_request_context():
        markup = figure("plots.walk", sizes="100vw", downloads=True)
        markup += figure("plots.night", _width=320) + figure("plots.shapes")
    urls = set()
    for tag, found in read_elements(markup):
        if tag == "script":
            continue  # The package, not the figure, sets it.
        urls |= {found[name] for name in ("src", "href") if found.get(name)}
        urls |= {
            entry.split()[0]
            for entry in (found.get("srcset") or "").split(", ")
            if entry
        }
    assert len(urls) > 20
    assert {client.get(url or "").status_code for url in urls} == {200}


def test_widths_by_sizes(app: Flask) -> None:
    """``sizes`` offers the steps up to twice the figure's width."""
    with app.test_request_context():
        shown = figure("plots.walk", sizes="(max-width: 40rem) 100vw, 40rem")
    [webp] = sources(shown)
    widths = [320, 400, 480, 640, 800, 960, 1280]
    expected = ", ".join(f"/plots/walk.webp?_width={w} {w}w" for w in widths)
    assert webp["srcset"] == expected
    assert (
        webp["sizes"]
        == read_attributes(shown)["sizes"]
        == "(max-width: 40rem) 100vw, 40rem"
    )


def test_given_widths_are_snapped(app: Flask) -> None:
    """Two pages whose widths differ by a pixel share their pictures."""
    with app.test_request_context():
        for widths in ([300, 650], [310, 655, 640.0 + 1]):
            shown = read_attributes(figure("plots.walk", sizes="50vw", widths=widths))
            assert shown["srcset"] == (
                "/plots/walk.png?_width=320 320w, /plots/walk.png?_width=800 800w"
            )


def test_a_width_is_the_width_in_the_page(app: Flask) -> None:
    """The height keeps the proportions, and denser screens get more pixels."""
    with app.test_request_context():
        shown = read_attributes(figure("plots.walk", _width=320))
    assert (shown["width"], shown["height"]) == ("320", "160")
    assert shown["srcset"] == (
        "/plots/walk.png?_width=320 1x, /plots/walk.png?_width=640 2x"
    )


def test_pictures_over_the_limit_are_not_offered(app: Flask) -> None:
    """``max_pixels`` bounds densities and widths."""
    with app.test_request_context():
        assert "srcset" not in read_attributes(figure("plots.large"))
        shown = read_attributes(figure("plots.large", sizes="100vw"))
    assert shown["srcset"] is not None
    assert shown["srcset"].endswith("960w")


def test_dark_pages_get_dark_pictures(app: Flask) -> None:
    """The dark sources of every format precede the light ones."""
    with app.test_request_context():
        shown = figure("plots.night")
    dark_webp, dark_png, webp = sources(shown)
    assert dark_webp["media"] == dark_png["media"] == DARK
    assert dark_png["srcset"] == (
        "/plots/night.png?_theme=dark 1x, /plots/night.png?_scale=2&_theme=dark 2x"
    )
    assert "media" not in webp
    assert read_attributes(shown)["src"] == "/plots/night.png"
    assert "mplstream.js" in shown


@pytest.mark.parametrize(
    ("endpoint", "values", "src", "media"),
    [
        pytest.param(
            "plots.night", {"theme": "light"}, "/plots/night.png", [None], id="light"
        ),
        pytest.param(
            "plots.night",
            {"theme": "dark"},
            "/plots/night.png?_theme=dark",
            ["print", "print", None],
            id="dark",
        ),
        pytest.param(
            "plots.night",
            {"_theme": "dark"},
            "/plots/night.png?_theme=dark",
            [None],
            id="as-for-a-url",
        ),
        pytest.param("plots.walk", {}, "/plots/walk.png", [None], id="none-by-default"),
        pytest.param(
            "plots.shapes",
            {},
            "/plots/shapes.svg",
            [DARK],
            id="shapes",
        ),
    ],
)
def test_a_theme_can_be_chosen(
    app: Flask, endpoint: str, values: dict[str, Any], src: str, media: list[str | None]
) -> None:
    """``theme`` selects one, and ``dark_style`` makes both the default."""
    with app.test_request_context():
        shown = figure(endpoint, **values)
    assert read_attributes(shown)["src"] == src
    assert [source.get("media") for source in sources(shown)] == media


def test_a_caption_and_downloads_make_a_figure(app: Flask) -> None:
    """Each link names the figure and the format, and saves the light picture."""
    with app.test_request_context():
        shown = figure(
            "plots.night", theme="dark", caption="<Stars>", downloads=["png", "webp"]
        )
    assert shown.startswith('<figure class="mplstream-figure"><picture>')
    assert shown.endswith("<figcaption>&lt;Stars&gt;</figcaption></figure>")
    links = [found for tag, found in read_elements(shown) if tag == "a"]
    assert links[0] == {
        "href": "/plots/night.png?_download=1",
        "download": None,
        "aria-label": "Stars as PNG",
    }
    assert links[1]["href"] == "/plots/night.webp?_download=1"


def test_all_formats_can_be_downloaded(app: Flask) -> None:
    """``downloads=True`` includes data formats."""
    with app.test_request_context():
        shown = figure("plots.walk", downloads=True)
    hrefs = [found["href"] for tag, found in read_elements(shown) if tag == "a"]
    assert [str(href).split("?")[0].rpartition(".")[2] for href in hrefs] == [
        *("png", "avif", "webp", "svg", "csv")
    ]


def test_a_refreshed_picture_adds_its_script(app: Flask) -> None:
    """A page gets it once, and the URLs name their format."""
    with app.test_request_context():
        one, two = (figure("plots.walk", n=n, refresh=5) for n in (1, 2))
    assert read_attributes(one)["data-mplstream-refresh"] == "5"
    assert str(read_attributes(one)["src"]).startswith("/plots/walk.png?")
    assert read_attributes(one, "script")["type"] == "module"
    assert "<script" not in two
    src = str(read_attributes(one, "script")["src"])
    script = app.test_client().get(src)
    assert script.mimetype == "text/javascript"
    assert "immutable" in script.headers["Cache-Control"]
    script.close()


def test_the_script_can_be_in_the_head(app: Flask) -> None:
    """It accepts a nonce, and no figure adds it again."""
    with app.test_request_context():
        script = read_attributes(figure_script(nonce="abc"), "script")
        assert script["nonce"] == "abc"
        assert "<script" not in figure("plots.walk", refresh=5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"theme": "drak"}, "theme = 'drak'.*one of auto, light", id="theme"
        ),
        pytest.param({"refresh": 0}, "refresh = '0'", id="refresh"),
        pytest.param({"refresh": 5, "inline": True}, "part of the page", id="inline"),
        pytest.param(
            {"downloads": ["pdf"]}, "not offered in this format", id="formats"
        ),
        pytest.param({"widths": [0]}, "widths", id="widths"),
        pytest.param({"_width": 9999}, "_width = '9999'", id="width"),
        pytest.param({"_width": 320, "_scale": 2}, "either a width or a", id="both"),
        pytest.param({"_theme": "sepia"}, "one of light, dark", id="option"),
        pytest.param({"_format": "txt"}, "This format is not a picture", id="text"),
        pytest.param({"widths": [320]}, "no effect without sizes", id="no-sizes"),
        pytest.param({"captoin": "x"}, "Did you mean 'caption'", id="word"),
    ],
)
def test_a_wrong_keyword_is_an_error_in_the_template(
    app: Flask, values: dict[str, Any], message: str
) -> None:
    """The error names the value and the accepted ones."""
    with app.test_request_context(), pytest.raises(ArgumentsError, match=message):
        figure("plots.walk", **values)


def test_a_parameter_takes_precedence_over_a_keyword(app: Flask) -> None:
    """The name with a trailing ``_`` is the keyword."""
    with app.test_request_context():
        shown = figure("plots.titled", caption="a", caption_="b", theme_="dark")
    assert read_attributes(shown)["src"] == "/plots/caption.png?caption=a&_theme=dark"
    assert "<figcaption>b</figcaption>" in shown


@pytest.mark.parametrize(
    ("values", "spoken"),
    [
        pytest.param({}, {"role": "img", "aria-label": "A random walk."}, id="own"),
        pytest.param({"alt": "X"}, {"role": "img", "aria-label": "X"}, id="given"),
        pytest.param({"alt": ""}, {"aria-hidden": "true"}, id="decorative"),
    ],
)
def test_an_inline_figure_has_one_name(
    app: Flask, values: dict[str, Any], spoken: Mapping[str, str]
) -> None:
    """A decorative figure has none."""
    with app.test_request_context():
        found = read_attributes(figure("plots.walk", inline=True, **values), "svg")
    names = ("role", "aria-label", "aria-hidden")
    assert {name: found[name] for name in names if name in found} == spoken


def test_an_inline_figure_can_be_dark(app: Flask) -> None:
    """Without a theme it is light, because one SVG cannot have both."""
    with app.test_request_context():
        light, dark, also_dark = (
            figure("plots.shapes", inline=True, **theme)
            for theme in ({}, {"theme": "dark"}, {"_theme": "dark"})
        )
    # The color of the figure's patch, the first fill.
    fills = [re.findall(r'<path[^>]* fill="([^"]+)"', svg)[0] for svg in (light, dark)]
    assert fills == ["#ffffff", "#1b1b1b"]
    assert 'fill="#1b1b1b"' in also_dark
    assert "script" not in light


def test_debug_mode_warns_of_a_picture_without_a_text(
    plots: FigureBlueprint, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the figure nor its docstring has a text."""
    plots.figure_route("/bare", endpoint="bare")(bare_figure)
    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        assert read_attributes(figure("plots.bare"))["alt"] == "bare figure"
        assert not caplog.records
        app.debug = True
        with caplog.at_level(logging.WARNING):
            figure("plots.bare")
            assert "plots.bare has no alternative text" in caplog.text
            caplog.clear()
            figure("plots.bare", alt="")  # The figure is decorative.
            assert not caplog.records


def secret_figure(user: int = 0) -> Figure:
    """A private docstring."""
    figure = Figure(figsize=(2, 1))
    figure.suptitle(f"The secret of {user}")
    return figure


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"decorators": [login_required]}, id="login"),
        pytest.param({"inject": {"user": lambda: 7}}, id="inject"),
        pytest.param({"private": True}, id="private"),
    ],
)
def test_a_page_hides_the_text_of_a_private_figure(
    plots: FigureBlueprint, options: dict[str, Any]
) -> None:
    """The page may be cached or public; only the figure's URL serves the text."""
    plots.figure_route("/secret", endpoint="secret", **options)(secret_figure)
    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        shown = read_attributes(figure("plots.secret"))
        assert shown["alt"] == "A private docstring."
        assert shown["width"] == "200"
        assert read_attributes(figure("plots.secret", alt="Mine"))["alt"] == "Mine"


def test_a_page_shows_the_text_of_a_public_figure(plots: FigureBlueprint) -> None:
    """The text is read from the figure."""
    plots.figure_route("/open", endpoint="open")(secret_figure)
    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        assert "The secret of 0" in figure("plots.open")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        pytest.param({"alt": Markup("a &amp; <b>")}, "a & <b>", id="markup"),
        pytest.param({"alt": Markup('The "best"')}, 'The "best"', id="quotes"),
        pytest.param({"alt": None}, "A random walk.", id="none"),
        pytest.param({"alt": 5}, "5", id="number"),
    ],
)
@pytest.mark.parametrize("inline", [False, True], ids=["img", "svg"])
def test_a_value_is_one_attribute(
    app: Flask, values: dict[str, Any], shown: str, inline: bool
) -> None:
    """Text that a template escaped is not escaped again."""
    with app.test_request_context():
        markup = figure("plots.walk", inline=inline, **values)
    tag, name = ("svg", "aria-label") if inline else ("img", "alt")
    assert read_attributes(markup, tag)[name] == shown


def test_booleans_are_words_in_aria_attributes(app: Flask) -> None:
    """Other attributes are present or absent."""
    with app.test_request_context():
        shown = read_attributes(
            figure(
                "plots.walk",
                aria_hidden=True,
                draggable=False,
                hidden=False,
                ismap=True,
            )
        )
    assert (shown["aria-hidden"], shown["draggable"]) == ("true", "false")
    assert "hidden" not in shown
    assert shown["ismap"] == ""


def test_shapes_have_no_sizes(app: Flask) -> None:
    """``sizes`` requires widths, and an ``<svg>`` has no ``loading``."""
    with app.test_request_context():
        assert "sizes" not in figure("plots.shapes", sizes="100vw")
        assert "sizes" not in figure("plots.walk", sizes="100vw", _scale=2)
        inline = figure("plots.walk", inline=True, sizes="100vw", loading="eager")
    assert "sizes" not in inline
    assert "loading" not in inline


def test_data_may_be_the_first_format(plots: FigureBlueprint) -> None:
    """The page shows the first format that is a picture."""
    plots.figure_route("/data", endpoint="data", formats=["csv", "png", "webp"])(
        secret_figure
    )
    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        shown = figure("plots.data")
    assert read_attributes(shown)["src"] == "/plots/data.png"
    assert len(sources(shown)) == 1


@pytest.mark.parametrize(
    ("size", "values"),
    [
        pytest.param((80, 1), {}, id="side"),
        pytest.param((6.4, 19.2), {"_width": 1920}, id="width"),
        pytest.param((6.4, 19.2), {"sizes": "9vw", "widths": [640, 3840]}, id="widths"),
        pytest.param((16, 12), {"width": 1, "height": 1, "alt": ""}, id="unknown"),
    ],
)
def test_every_offered_size_is_served(
    plots: FigureBlueprint, size: tuple[float, float], values: dict[str, Any]
) -> None:
    """The ``srcset`` omits sizes over the limits."""

    def large() -> Figure:
        return Figure(figsize=size)

    plots.figure_route("/large", endpoint="large", formats=["png"])(large)
    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        shown = read_attributes(figure("plots.large", **values))
    client = app.test_client()
    entries = str(shown.get("srcset", shown["src"])).split(", ")
    assert {client.get(entry.split()[0]).status_code for entry in entries} == {200}


@pytest.mark.parametrize(
    ("max_pixels", "served", "refused"),
    [
        pytest.param(200 * 100, "_scale=1", "_scale=1.5", id="scale"),
        pytest.param(320 * 160, "_width=320", "_width=400", id="width"),
    ],
)
def test_a_picture_may_have_exactly_the_limit(
    plots: FigureBlueprint, max_pixels: int, served: str, refused: str
) -> None:
    """A picture with exactly ``max_pixels`` is served."""
    route = plots.figure_route("/exact", endpoint="exact", max_pixels=max_pixels)
    route(secret_figure)
    app = Flask(__name__)
    app.register_blueprint(plots)
    client = app.test_client()
    assert client.get(f"/plots/exact?{served}").status_code == 200
    assert client.get(f"/plots/exact?{refused}").status_code == 400


def bare_figure() -> Figure:
    return Figure(figsize=(1, 1))


def test_widths_in_a_url_are_snapped(app: Flask, renders: Counter) -> None:
    """Every width is served, and similar widths share a picture."""
    client = app.test_client()
    answers = [client.get(f"/plots/walk?_width={w}") for w in (701, 800, 799)]
    assert len({answer.headers["ETag"] for answer in answers}) == 1
    assert len(renders) == 1
    assert client.get("/plots/walk?_width=0").status_code == 400
    assert client.get("/plots/walk?_width=800&_scale=2").status_code == 400
    with app.test_request_context():
        assert figure_url("plots.walk", _width=701) == "/plots/walk?_width=800"
