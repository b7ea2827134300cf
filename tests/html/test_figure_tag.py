"""Figures in templates: markup, canonical URLs, data URIs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from flask import Flask, render_template_string, request, session
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import (
    ArgumentsError,
    FigureBlueprint,
    UnknownFigureError,
    figure,
    figure_arguments,
    figure_data_uri,
    figure_url,
)
from tests.support.doubles import Counter
from tests.support.markup import read_attributes

Serve = Callable[..., FlaskClient]


@pytest.fixture
def app(plots: FigureBlueprint, serve: Serve, renders: Counter) -> Flask:
    @plots.figure_route("/walk")
    def walk(
        n: int = 200,
        tags: list[str] = ["a"],
        start: date | None = None,
    ) -> Figure:
        """A random walk.

        Not part of the alternative text.
        """
        renders(n)
        return Figure(figsize=(2, 1))

    @plots.figure_route("/sales/<int:year>", formats=["svg", "png"], alt="The sales")
    def sales(year: int, title: str = "") -> Figure:
        return Figure(figsize=(2, 1))

    @plots.figure_route("/mine", inject={"user": lambda: session["user"]})
    def my_own_figure(user: str) -> Figure:
        return Figure(figsize=(1, 1))

    return serve().application


@pytest.mark.parametrize(
    ("endpoint", "values", "url"),
    [
        pytest.param("plots.walk", {}, "/plots/walk", id="defaults"),
        pytest.param("plots.walk", {"n": 200}, "/plots/walk", id="given-default"),
        pytest.param("plots.walk", {"n": 500}, "/plots/walk?n=500", id="other"),
        pytest.param(
            "plots.walk",
            {"start": date(2024, 1, 2), "tags": ["b", "a"], "n": "5"},
            "/plots/walk?n=5&tags=b&tags=a&start=2024-01-02",
            id="in-the-order-of-the-signature",
        ),
        pytest.param("plots.walk", {"tags": []}, "/plots/walk?tags=", id="no-tags"),
        pytest.param(
            "plots.walk", {"_format": "SVG"}, "/plots/walk.svg", id="extension"
        ),
        pytest.param("plots.walk", {"_scale": 2}, "/plots/walk?_scale=2", id="scale"),
        pytest.param("plots.walk", {"_scale": 1}, "/plots/walk", id="scale-1"),
        pytest.param(
            "plots.walk",
            {"_format": "pdf", "_download": True},
            "/plots/walk.pdf?_download=1",
            id="download",
        ),
        pytest.param(
            "plots.sales", {"year": 2024}, "/plots/sales/2024", id="converter"
        ),
        pytest.param(
            "plots.sales",
            {"year": 2024, "title": "a&b"},
            "/plots/sales/2024?title=a%26b",
            id="quoted",
        ),
        pytest.param(
            "plots.walk",
            {"_external": True},
            "http://localhost/plots/walk",
            id="external",
        ),
        pytest.param("plots.walk", {"_anchor": "x"}, "/plots/walk#x", id="anchor"),
    ],
)
def test_the_url_is_canonical(
    app: Flask, endpoint: str, values: dict[str, Any], url: str
) -> None:
    """It names only values that differ from the defaults, and serves a picture."""
    with app.test_request_context():
        assert figure_url(endpoint, **values) == url
    assert app.test_client().get(url.partition("#")[0]).status_code == 200


@pytest.mark.parametrize(
    ("endpoint", "values", "message"),
    [
        pytest.param("plots.walk", {"n": "b"}, "n = 'b'.*an integer", id="type"),
        pytest.param("plots.walk", {"nn": 1}, "Did you mean 'n'", id="name"),
        pytest.param("plots.walk", {"_scael": 1}, "Did you mean '_scale'", id="option"),
        pytest.param("plots.walk", {"_scale": 7}, r"one of 0\.5", id="scale"),
        pytest.param("plots.sales", {}, "year: It is missing", id="missing"),
        pytest.param(
            "plots.sales",
            {"year": 1, "_format": "pdf"},
            r"in this format \(accepted: svg, png\)\. Add 'pdf' to its formats\.",
            id="format",
        ),
    ],
)
def test_a_wrong_argument_is_an_error_in_the_template(
    app: Flask, endpoint: str, values: dict[str, Any], message: str
) -> None:
    """The error is raised when the page is rendered, not when a browser loads it."""
    with app.test_request_context():
        for function in (figure_url, figure, figure_data_uri):
            with pytest.raises(ArgumentsError, match=message):
                function(endpoint, **values)


def test_an_unknown_figure_raises(app: Flask) -> None:
    """The error suggests the nearest known name."""
    message = r"Did you mean 'plots\.walk'"
    with app.test_request_context(), pytest.raises(UnknownFigureError, match=message):
        figure_url("plots.wlak")


def test_an_app_without_figures_raises() -> None:
    """The error asks the question that solves it."""
    message = "Did you forget"
    with (
        Flask(__name__).app_context(),
        pytest.raises(UnknownFigureError, match=message),
    ):
        figure_url("plots.walk")


def test_a_leading_dot_means_this_blueprint(app: Flask) -> None:
    """It works as for ``url_for``."""
    with app.test_request_context("/plots/walk"):
        assert figure_url(".walk") == "/plots/walk"
    with app.test_request_context("/nowhere"), pytest.raises(UnknownFigureError):
        figure_url(".walk")


def test_a_figure_is_an_image_in_two_densities(app: Flask) -> None:
    """The tag has a text and a size, and loads lazily."""
    with app.test_request_context():
        assert read_attributes(figure("plots.walk", n=500)) == {
            "src": "/plots/walk.png?n=500",
            "srcset": "/plots/walk.png?n=500 1x, /plots/walk.png?n=500&_scale=2 2x",
            "alt": "A random walk.",
            "width": "200",
            "height": "100",
            "loading": "lazy",
            "decoding": "async",
        }


@pytest.mark.parametrize(
    ("title", "first"),
    [
        pytest.param("a,", "title=a%2C", id="one"),
        pytest.param("a,,", "title=a,%2C", id="two"),
        pytest.param("a,b", "title=a,b", id="inside"),
    ],
)
def test_a_comma_does_not_end_an_entry_of_srcset(
    app: Flask, title: str, first: str
) -> None:
    """A comma at the end of a URL is quoted; browsers would cut it off."""
    with app.test_request_context():
        found = read_attributes(
            figure("plots.sales", year=1, title=title, _format="png")
        )
    assert found["srcset"] == (
        f"/plots/sales/1.png?{first} 1x, /plots/sales/1.png?title={title}&_scale=2 2x"
    )
    assert found["src"] == f"/plots/sales/1.png?title={title}"


def test_shapes_need_no_srcset(app: Flask) -> None:
    """SVG scales without loss, and a given ``_scale`` is the only one."""
    with app.test_request_context():
        assert "srcset" not in figure("plots.sales", year=2024)
        assert "srcset" not in read_attributes(figure("plots.walk", _scale=3))


def test_width_and_height_are_always_set(app: Flask, renders: Counter) -> None:
    """The figure is built once to read them."""
    with app.test_request_context():
        known = read_attributes(figure("plots.walk"))
        assert (known["width"], known["height"]) == ("200", "100")
        dense = read_attributes(figure("plots.walk", _scale=2))
        assert (dense["width"], dense["height"]) == ("200", "100")
        assert renders.calls == [200]
        given = read_attributes(figure("plots.walk", width=50, height=None))
        assert given["width"] == "50"
        assert "height" not in given


@pytest.mark.parametrize(
    ("given", "size"),
    [
        pytest.param({"width": 50}, ("50", "25"), id="width"),
        pytest.param({"height": 50}, ("100", "50"), id="height"),
        pytest.param({"width": 50, "height": 10}, ("50", "10"), id="both"),
        pytest.param({"width": "50"}, ("50", "25"), id="text"),
        pytest.param({"width": 50.0}, ("50.0", "25"), id="float"),
        pytest.param({"width": "50%"}, ("50%", None), id="no-number"),
    ],
)
def test_the_other_side_keeps_the_proportions(
    app: Flask, given: dict[str, Any], size: tuple[str, str | None]
) -> None:
    """A given width does not distort the picture."""
    with app.test_request_context():
        shown = read_attributes(figure("plots.walk", **given))
    assert (shown.get("width"), shown.get("height")) == size


def test_a_complete_call_renders_nothing(app: Flask, renders: Counter) -> None:
    """The call has a size, and a text from the call or the route."""
    with app.test_request_context():
        figure("plots.walk", width=200, height=100, alt="A walk")
        figure("plots.sales", year=1, width=200, height=100)
    assert not renders.calls


def test_a_failed_description_is_not_an_error(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    """The page omits the size if an injected value is unavailable."""
    with app.test_request_context():
        shown = read_attributes(figure("plots.my_own_figure"))
    assert shown["alt"] == "my own figure"
    assert "width" not in shown
    assert "Cannot describe plots.my_own_figure" in caplog.text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        pytest.param({"class_": "wide"}, {"class": "wide"}, id="class"),
        pytest.param({"data_id": 3}, {"data-id": "3"}, id="data"),
        pytest.param({"aria_hidden": "true"}, {"aria-hidden": "true"}, id="aria"),
        pytest.param({"hx_get": "/x"}, {"hx-get": "/x"}, id="htmx"),
        pytest.param({"loading": "eager"}, {"loading": "eager"}, id="over-default"),
        pytest.param({"alt": ""}, {"alt": ""}, id="decorative"),
        pytest.param({"alt": '"><script>'}, {"alt": '"><script>'}, id="escaped"),
        pytest.param({"ismap": True}, {"ismap": ""}, id="true"),
        pytest.param({"title_": "<b>"}, {"title": "<b>"}, id="always-attribute"),
    ],
)
def test_html_attributes_are_escaped(
    app: Flask, given: dict[str, Any], shown: dict[str, str | None]
) -> None:
    """Attributes are separated from arguments, and their values contain no markup."""
    with app.test_request_context():
        found = read_attributes(figure("plots.walk", **given))
    assert shown.items() <= found.items()


@pytest.mark.parametrize("inline", [False, True], ids=["img", "svg"])
@pytest.mark.parametrize(
    "name",
    [
        *("vmn", "onse", "datas", "xlim", "voltage", "arial"),
        *("onload", "onclick", "onerror_"),
    ],
)
def test_a_name_that_resembles_an_attribute_raises(
    app: Flask, name: str, inline: bool
) -> None:
    """The error reports a misspelled parameter; event handlers are rejected."""
    with (
        app.test_request_context(),
        pytest.raises(ArgumentsError, match=f"{name} = .*no such argument"),
    ):
        figure("plots.walk", **{name: "alert(1)", "inline": inline})


def test_a_parameter_takes_precedence_over_an_attribute(app: Flask) -> None:
    """``title`` is the parameter, and ``title_`` is the attribute."""
    with app.test_request_context():
        found = read_attributes(figure("plots.sales", year=1, title="A", title_="B"))
    assert found["src"] == "/plots/sales/1?title=A"
    assert found["title"] == "B"
    assert found["alt"] == "The sales"


def test_templates_find_the_functions(app: Flask) -> None:
    """Jinja templates and imported macros can call them."""
    template = (
        "{{ figure('plots.walk', n=5, alt='<A>') }}"
        "{{ figure_url('plots.walk', n=5) }}{{ url_for('plots.walk', n=5) }}"
    )
    with app.test_request_context():
        page = render_template_string(template)
    assert 'alt="&lt;A&gt;"' in page
    assert page.endswith("/plots/walk?n=5/plots/walk?n=5")


def test_figure_arguments_reads_a_pages_query(app: Flask) -> None:
    """The arguments are typed and include defaults; other names are ignored."""
    with app.test_request_context("/?n=5&tags=&start=&year=7"):
        read = figure_arguments("plots.walk", request.args)
        assert read == {"n": 5, "tags": [], "start": None}
        assert figure_url("plots.walk", **read) == "/plots/walk?n=5&tags="
    with app.test_request_context("/?n=b"), pytest.raises(ArgumentsError, match="n = "):
        figure_arguments("plots.walk", request.args)


def test_figure_arguments_returns_copies(app: Flask) -> None:
    """Changing a list affects neither the default nor the next call."""
    with app.test_request_context("/"):
        figure_arguments("plots.walk", request.args)["tags"].append("mine")
        assert figure_arguments("plots.walk", request.args)["tags"] == ["a"]


def test_a_data_uri_comes_from_the_cache(app: Flask, renders: Counter) -> None:
    """It has the bytes of the URL, and one render serves both calls."""
    with app.app_context():
        uri = figure_data_uri("plots.walk", n=5, _format="webp")
        assert figure_data_uri("plots.walk", n=5, _format="webp") == uri
    assert uri.startswith("data:image/webp;base64,")
    assert renders.calls == [5]


def test_an_inline_figure_is_an_svg_element(app: Flask, renders: Counter) -> None:
    """It comes from the cache and has a name and a size."""
    with app.test_request_context():
        markup = render_template_string(
            "{{ figure('plots.walk', n=5, inline=True, class_='wide') }}"
        )
        found = read_attributes(markup[: markup.index(">") + 1], "svg")
        assert found["role"] == "img"
        assert found["aria-label"] == "A random walk."
        assert (found["width"], found["height"]) == ("200", "100")
        assert found["class"] == "wide"
        figure("plots.walk", n=5, inline=True)
    assert renders.calls == [5]
    assert app.test_client().get("/plots/walk.svg?n=5").status_code == 200
    assert renders.calls == [5]


def test_two_inline_figures_share_no_id(app: Flask) -> None:
    """Numbering starts again with each page."""

    def ids(markup: str) -> set[str]:
        return set(re.findall(r' id="([^"]+)"', markup))

    template = "{{ figure('plots.walk', inline=True) }}"
    with app.test_request_context():
        one, two = (render_template_string(template) for _ in range(2))
    with app.test_request_context():
        again = render_template_string(template)
    assert ids(one)
    assert not ids(one) & ids(two)
    assert again == one


def test_attributes_of_an_inline_figure(app: Flask) -> None:
    """``alt`` becomes the name, and ``True`` and ``None`` add or omit an attribute."""
    template = (
        "{{ figure('plots.walk', inline=True, alt='A \"walk\"', hidden=True, "
        "id=None, width=50, data_a='<b>') }}"
    )
    with app.test_request_context():
        found = read_attributes(
            render_template_string(template).partition(">")[0] + ">", "svg"
        )
    assert found["aria-label"] == 'A "walk"'
    assert found["hidden"] == ""
    assert found["width"] == "50"
    assert found["data-a"] == "<b>"
    assert "id" not in found


def test_only_svg_can_be_inline(app: Flask) -> None:
    """Another format raises, as does a route without SVG."""
    with app.test_request_context():
        with pytest.raises(ArgumentsError, match="svg"):
            figure("plots.walk", inline=True, _format="png")
        figure("plots.sales", year=2024, inline=True)
    blueprint = FigureBlueprint("pixels", __name__, formats=["png"])
    blueprint.figure_route("/only", endpoint="only")(lambda: Figure(figsize=(1, 1)))
    app = Flask(__name__)
    app.register_blueprint(blueprint)
    with (
        app.test_request_context(),
        pytest.raises(ArgumentsError, match="not offered in this format"),
    ):
        figure("pixels.only", inline=True)


def test_a_parameter_named_inline_takes_precedence(plots: FigureBlueprint) -> None:
    """``inline_`` is the keyword."""

    @plots.figure_route("/traced")
    def traced(inline: bool = False) -> Figure:
        return Figure(figsize=(1, 1))

    app = Flask(__name__)
    app.register_blueprint(plots)
    with app.test_request_context():
        assert "?inline=true" in figure("plots.traced", inline=True)
        assert "<svg" in figure("plots.traced", inline_=True)


def test_an_inline_figure_uses_inject(app: Flask) -> None:
    """``inject`` runs in the page's request."""
    with app.test_request_context():
        session["user"] = "anna"
        assert "<svg" in figure("plots.my_own_figure", inline=True)
