"""Hosts, subdomains and ``url_defaults``: the places of figures and their URLs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, g, render_template_string
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import (
    ConfigError,
    FigureBlueprint,
    figure,
    figure_data_uri,
    figure_url,
)
from tests.support.doubles import Counter
from tests.support.messages import assert_short
from tests.support.servers import find_free_port, serve_in_threads

PAGE = """<!doctype html><link rel="icon" href="data:,">
{{ figure('plots.walk', refresh=1, n=2) }}"""
if TYPE_CHECKING:
    from playwright.sync_api import Browser

WWW, PLOTS = "http://www.example.test", "http://plots.example.test"


def walk(n: int = 1) -> Figure:
    return Figure(figsize=(n, 1))


def make(
    *,
    blueprint: dict[str, Any] | None = None,
    route: dict[str, Any] | None = None,
    server_name: str = "example.test",
    **app_options: Any,
) -> Flask:
    """Return an app with a page on ``www`` and a figure at the given place."""
    app = Flask(__name__, **app_options)
    app.config["SERVER_NAME"] = server_name
    plots = FigureBlueprint("plots", __name__, **(blueprint or {}))
    plots.figure_route("/walk", **(route or {}))(walk)
    app.register_blueprint(plots)

    def page() -> str:
        return render_template_string(PAGE)

    if app.url_map.host_matching:
        app.add_url_rule("/", "page", page, host=f"www.{server_name}")
    else:
        app.add_url_rule("/", "page", page, subdomain="www")
    return app


SUBDOMAINS: dict[str, Any] = {"subdomain_matching": True}
HOSTS: dict[str, Any] = {"host_matching": True, "static_host": "www.example.test"}
PLACES = [
    pytest.param({"blueprint": {"subdomain": "plots"}, **SUBDOMAINS}, id="blueprint-s"),
    pytest.param({"route": {"subdomain": "plots"}, **SUBDOMAINS}, id="route-subdomain"),
    pytest.param(
        {
            "blueprint": {"subdomain": "other"},
            "route": {"subdomain": "plots"},
            **SUBDOMAINS,
        },
        id="route-over-blueprint-subdomain",
    ),
    pytest.param(
        {"blueprint": {"host": "plots.example.test"}, **HOSTS}, id="blueprint-host"
    ),
    pytest.param({"route": {"host": "plots.example.test"}, **HOSTS}, id="route-host"),
    pytest.param(
        {
            "blueprint": {"host": "other.example.test"},
            "route": {"host": "plots.example.test"},
            **HOSTS,
        },
        id="route-over-blueprint-host",
    ),
]


@pytest.mark.parametrize("options", PLACES)
def test_a_figure_is_served_only_at_its_place(options: dict[str, Any]) -> None:
    """Other hosts have neither its plain URL nor its formats."""
    client = make(**options).test_client()
    for path in ("/walk", "/walk.svg"):
        assert client.get(path, base_url=PLOTS).status_code == 200
        assert client.get(path, base_url=WWW).status_code == 404


@pytest.mark.parametrize("options", PLACES)
def test_a_page_on_another_host_may_embed_the_picture(options: dict[str, Any]) -> None:
    """Browsers block a picture of another origin that is ``same-origin``."""
    client = make(**options).test_client()
    answer = client.get("/walk.png", base_url=PLOTS)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-site"


@pytest.mark.parametrize("options", PLACES)
def test_a_page_has_the_pictures_host_and_its_own_script(
    options: dict[str, Any],
) -> None:
    """A script of another origin would require CORS and an entry in the policy."""
    client = make(**options).test_client()
    html = client.get("/", base_url=WWW).text
    urls = re.findall(r'(?:src|srcset)="([^" ]+)', html)
    pictures = [url for url in urls if "/walk" in url]
    (script,) = (url for url in urls if "mplstream.js" in url)
    assert pictures
    assert all(url.startswith(f"{PLOTS}/walk") for url in pictures)
    for url in pictures:
        assert client.get(url).status_code == 200
    assert script.startswith("/")
    assert client.get(script, base_url=WWW).mimetype == "text/javascript"


@pytest.mark.parametrize("options", PLACES)
def test_a_page_on_the_same_host_has_relative_urls(options: dict[str, Any]) -> None:
    """A host in the URL is not needed."""
    app = make(**options)
    with app.test_request_context("/walk", base_url=PLOTS):
        assert figure_url("plots.walk", n=2) == "/walk?n=2"


@pytest.mark.parametrize(
    ("base_url", "script"),
    [
        pytest.param(WWW, "/_static/mplstream.js", id="subdomain"),
        pytest.param("http://example.test", "/_static/mplstream.js", id="bare"),
        pytest.param("http://a.b.example.test", "/_static/mplstream.js", id="two-deep"),
    ],
)
def test_every_page_has_the_script_from_its_own_host(
    base_url: str, script: str
) -> None:
    """This holds for any subdomain."""
    app = make(blueprint={"subdomain": "plots"}, **SUBDOMAINS)
    with app.test_request_context("/", base_url=base_url):
        assert f'src="{script}?' in figure("plots.walk", refresh=5)
    assert app.test_client().get(script, base_url=base_url).status_code == 200


@pytest.mark.parametrize("options", PLACES)
def test_a_signed_url_is_valid_on_its_host(options: dict[str, Any]) -> None:
    """A page on another host gets a URL with the host."""
    route = {**options.get("route", {}), "signed": True}
    app = make(**{**options, "route": route})
    app.secret_key = "not secret"
    with app.test_request_context("/", base_url=WWW):
        url = figure_url("plots.walk", n=2)
    assert url.startswith(f"{PLOTS}/walk?")
    assert app.test_client().get(url).status_code == 200


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, "same-origin", id="one-host"),
        pytest.param(
            {"route": {"resource_policy": "cross-origin"}}, "cross-origin", id="chosen"
        ),
        pytest.param(
            {"blueprint": {"resource_policy": "same-origin"}, **SUBDOMAINS},
            "same-origin",
            id="chosen-though-subdomains",
        ),
    ],
)
def test_the_default_resource_policy_follows_the_app(
    given: dict[str, Any], expected: str
) -> None:
    """An app with one host allows no other site, and the option has precedence."""
    client = make(**given).test_client()
    answer = client.get("/walk.png", base_url="http://example.test")
    assert answer.headers["Cross-Origin-Resource-Policy"] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"route": {"host": "plots.example.test"}},
            r"host=…\).*does not match hosts\. .*host_matching=True",
            id="host",
        ),
        pytest.param(
            {"blueprint": {"host": "plots.example.test"}},
            r"does not match hosts\. .*host_matching=True",
            id="host-of-the-blueprint",
        ),
        pytest.param(
            {"route": {"subdomain": "plots"}},
            r"subdomain=…\).*does not match subdomains\. .*subdomain_matching=True",
            id="subdomain",
        ),
        pytest.param(
            {"blueprint": {"subdomain": "plots"}},
            r"does not match subdomains\. .*SERVER_NAME",
            id="subdomain-of-the-blueprint",
        ),
        pytest.param(HOSTS, r"host=…\).*is missing.*on the blueprint", id="no-host"),
    ],
)
def test_a_place_that_no_request_reaches_is_an_error(
    options: dict[str, Any], message: str
) -> None:
    """Flask itself answers 404 without a message."""
    with pytest.raises(ConfigError, match=message) as caught:
        make(**options)
    assert_short(caught)


@pytest.mark.parametrize("given", [5, b"plots", "https://plots.example.test"])
def test_an_invalid_host_is_refused(given: Any) -> None:
    """The call that sets it raises the error."""
    plots = FigureBlueprint("plots", __name__)
    for place in ("host", "subdomain"):
        with pytest.raises(ConfigError, match=f"The {place} of /walk is") as caught:
            plots.figure_route("/walk", **{place: given})
        assert_short(caught)
    with pytest.raises(ConfigError, match="The host of the blueprint is"):
        FigureBlueprint("others", __name__, host=given)


def test_a_host_may_be_given_at_the_registration() -> None:
    """``url_prefix`` and ``subdomain`` work the same way."""
    app = Flask(__name__, **HOSTS)
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/walk")(walk)
    app.register_blueprint(plots, host="plots.example.test")
    assert app.test_client().get("/walk", base_url=PLOTS).status_code == 200


def test_a_variable_of_the_subdomain_is_an_argument(renders: Counter) -> None:
    """``subdomain="<shop>"`` reaches a function that has the parameter."""
    app = Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.test"
    plots = FigureBlueprint("plots", __name__)

    @plots.figure_route("/sales", subdomain="<shop>")
    def sales(shop: str, n: int = 1) -> Figure:
        renders(shop, n)
        return walk(n)

    app.register_blueprint(plots)
    with app.test_request_context("/", base_url=WWW):
        url = figure_url("plots.sales", shop="tea", n=2)
    assert url == "http://tea.example.test/sales?n=2"
    assert app.test_client().get(url).status_code == 200
    assert renders.calls == [("tea", 2)]


def test_the_gallery_is_on_the_blueprints_host() -> None:
    """So are the files that its pages load."""
    app = Flask(__name__, **HOSTS)
    plots = FigureBlueprint("plots", __name__, host="plots.example.test", gallery=True)
    plots.figure_route("/walk")(walk)
    app.register_blueprint(plots)
    client = app.test_client()
    page = client.get("/_gallery/", base_url=PLOTS)
    assert page.status_code == 200
    for url in re.findall(r'(?:src|href)="(/[^"]+)', page.text):
        assert client.get(url, base_url=PLOTS).status_code == 200
    assert client.get("/_gallery/", base_url=WWW).status_code == 404


@pytest.mark.keeps_threads
@pytest.mark.parametrize("kind", ["subdomain", "host"])
def test_a_browser_shows_and_refreshes_the_picture_of_another_host(
    browser: Browser, complaints: list[str], kind: str
) -> None:
    """The policy blocks neither the picture, its script nor its replacement."""
    from tests.support.browsing import launch, list_images, look_through, open_page

    port = find_free_port()
    name = f"example.test:{port}"
    options = (
        {"route": {"subdomain": "plots", "max_age": 0}, **SUBDOMAINS}
        if kind == "subdomain"
        else {"route": {"host": f"plots.{name}", "max_age": 0}, **HOSTS}
    )
    app = make(server_name=name, **options)
    rules = "--host-resolver-rules=MAP * 127.0.0.1"
    placed = launch(browser.browser_type, rules)
    try:
        with serve_in_threads(app, port), open_page(placed, complaints) as page:
            page.goto(f"http://www.{name}/")
            look_through(page)
            (first,) = list_images(page)
            assert first.url.startswith(f"http://plots.{name}/walk")
            page.wait_for_function(
                "url => document.images[0].currentSrc !== url", arg=first.url
            )
            look_through(page)
    finally:
        placed.close()
    assert complaints == []


# --- url_defaults --------------------------------------------------------------


@pytest.fixture
def translated(renders: Counter) -> FlaskClient:
    """Return an app that adds its language to every URL."""
    app = Flask(__name__)
    app.secret_key = "not secret"
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

    @plots.figure_route("/plain")
    def plain(n: int = 1) -> Figure:
        renders("plain", n)
        return walk(n)

    @plots.figure_route("/signed", signed=True)
    def signed(n: int = 1) -> Figure:
        return walk(n)

    @plots.figure_route("/labels")
    def labels(lang: str = "en", n: int = 1) -> Figure:
        renders(lang, n)
        return walk(n)

    @plots.figure_route("/<lang>/inside")
    def inside(lang: str, n: int = 1) -> Figure:
        renders(lang, n)
        return walk(n)

    @app.before_request
    def choose() -> None:
        g.lang = "de"

    @app.url_defaults
    def add(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", g.lang)

    app.register_blueprint(plots)
    return app.test_client()


@pytest.mark.parametrize(
    ("endpoint", "values", "url"),
    [
        pytest.param("plots.plain", {"n": 2}, "/plots/plain?n=2", id="not-a-parameter"),
        pytest.param("plots.plain", {}, "/plots/plain", id="nothing-else"),
        pytest.param(
            "plots.plain",
            {"n": 2, "_format": "svg", "_anchor": "a"},
            "/plots/plain.svg?n=2#a",
            id="anchor",
        ),
        pytest.param("plots.labels", {}, "/plots/labels?lang=de", id="parameter"),
        pytest.param("plots.labels", {"lang": "en"}, "/plots/labels", id="given"),
        pytest.param(
            "plots.labels", {"lang": "fr"}, "/plots/labels?lang=fr", id="given-other"
        ),
        pytest.param("plots.inside", {"n": 2}, "/plots/de/inside?n=2", id="path"),
        pytest.param("plots.inside", {"lang": "fr"}, "/plots/fr/inside", id="in-path"),
    ],
)
def test_a_figure_url_has_only_the_figures_arguments(
    translated: FlaskClient, endpoint: str, values: dict[str, Any], url: str
) -> None:
    """A value of ``url_defaults`` is one if the function has the parameter."""
    app = translated.application
    with app.test_request_context("/"):
        app.preprocess_request()
        assert figure_url(endpoint, **values) == url
    assert translated.get(url).status_code == 200


def test_values_that_the_app_adds_are_not_signed(
    translated: FlaskClient,
) -> None:
    """A signed URL without them is valid."""
    app = translated.application
    with app.test_request_context("/"):
        app.preprocess_request()
        url = figure_url("plots.signed", n=2)
    assert "lang" not in url
    assert translated.get(url).status_code == 200


def test_values_that_the_app_adds_are_in_a_templates_picture(
    translated: FlaskClient, renders: Counter
) -> None:
    """Size, text and ``data:`` URI are those of the picture at the URL."""
    app = translated.application
    with app.test_request_context("/"):
        app.preprocess_request()
        figure("plots.labels")
        figure_data_uri("plots.labels")
    assert set(renders.calls) == {("de", 1)}


def label(text: str = "") -> Figure:
    return walk()


@pytest.mark.parametrize("text", ["a b", "ä&=#?+%2", "1,2;3/4:5@", "'\"<>", "x" * 200])
def test_a_query_is_quoted_as_by_flask(text: str) -> None:
    """The URL returns the text unchanged."""
    app = Flask(__name__)
    plots = FigureBlueprint("plots", __name__)
    plots.figure_route("/x")(label)
    app.register_blueprint(plots)
    with app.test_request_context():
        url = figure_url("plots.label", text=text)
        assert url == app.url_for("plots.label", text=text)
    assert app.test_client().get(url).status_code == 200
