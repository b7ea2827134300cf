"""The gallery over HTTP: access, content and forms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial, wraps
from html import unescape
from html.parser import HTMLParser
from http import HTTPMethod
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from flask import Blueprint, Flask, abort, render_template_string, request
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ConfigError, FigureBlueprint
from flask_mplstream.http.headers import STEPS
from tests.apps.gallery_figures import create_app
from tests.apps.gallery_figures import shown as every_kind
from tests.support.paths import PACKAGE

View = Callable[..., Any]
JSON = {"Accept": "application/json"}
PAGE = "/shown/_gallery/every_kind"


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    """Return a client of an app with figures of every kind."""
    return create_app().test_client()


def blueprint(name: str = "plots", **options: Any) -> FigureBlueprint:
    """Return a client of an app with a figure ``walk``."""
    made = FigureBlueprint(name, __name__, url_prefix=f"/{name}", **options)

    @made.figure_route("/walk")
    def walk(n: int = 200) -> Figure:
        """A random walk."""
        return Figure(figsize=(2, 1))

    return made


def serve(*blueprints: Blueprint, **config: Any) -> FlaskClient:
    app = Flask(__name__)
    app.config.update(SECRET_KEY="not secret", **config)
    for made in blueprints:
        app.register_blueprint(made)
    return app.test_client()


def is_served(client: FlaskClient, url: str) -> bool:
    with client.get(url) as response:  # The response is a file, so close it.
        return response.status_code == 200


def test_the_page_of_a_partial_has_the_docstring_of_its_function() -> None:
    """It is not that of ``functools.partial``."""

    def walk(n: int, seed: int = 0) -> Figure:
        """A random walk.

        Its steps are normal.
        """
        return Figure(figsize=(2, 1))

    plots = FigureBlueprint("plots", __name__, gallery=True)
    plots.figure_route("/walk", endpoint="walk")(partial(walk, 5))
    page = serve(plots).get("/_gallery/walk").text
    assert "Its steps are normal." in page
    assert "partial application" not in page


class Elements(HTMLParser):
    """Every start tag of a page with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str, **wanted: str) -> Iterator[dict[str, str | None]]:
        for found, attributes in self.found:
            if found == tag and wanted.items() <= attributes.items():
                yield attributes

    def one(self, tag: str, **wanted: str) -> dict[str, str | None]:
        (attributes,) = self.all(tag, **wanted)
        return attributes


# Access -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gallery", "debug", "status"),
    [
        pytest.param(None, False, 404, id="default"),
        pytest.param(None, True, 200, id="default-in-debug"),
        pytest.param(True, False, 200, id="on"),
        pytest.param(False, True, 404, id="off-in-debug"),
    ],
)
def test_debug_mode_or_the_option_opens_the_gallery(
    gallery: bool | None, debug: bool, status: int
) -> None:
    """Debug mode may be set after the registration, as in ``app.run``."""
    client = serve(blueprint(gallery=gallery))
    client.application.debug = debug
    for path in ("/plots/_gallery/", "/plots/_gallery/walk"):
        assert client.get(path).status_code == status


def test_an_invalid_gallery_option_raises() -> None:
    """The error names the accepted values."""
    with pytest.raises(ConfigError, match=r"gallery=…\) is 'debug'\. Choose True"):
        blueprint(gallery="debug")


def with_key(view: View) -> View:
    """Return a decorator that requires the header ``Key``."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if request.args.get("key") is None and request.headers.get("Key") is None:
            abort(401)
        return view(*args, **kwargs)

    return guarded


@pytest.mark.parametrize("path", ["/plots/_gallery/", "/plots/_gallery/walk"])
def test_decorators_guard_the_gallery(path: str) -> None:
    """A client without access to the pictures has no access to their pages."""
    client = serve(blueprint(gallery=True, decorators=[with_key]))
    assert client.get(path).status_code == 401
    assert client.get(path, headers={"Key": "1"}).status_code == 200


def test_a_closed_gallery_hides_its_guard() -> None:
    """The response is 404, not 401."""
    client = serve(blueprint(decorators=[with_key]))
    assert client.get("/plots/_gallery/").status_code == 404


METHODS = [method for method in HTTPMethod if method != "CONNECT"]


@pytest.mark.parametrize("path", ["", "walk", "openapi.json"])
@pytest.mark.parametrize("method", METHODS)
def test_a_closed_gallery_is_a_404_for_every_method(method: str, path: str) -> None:
    """The response equals that of an unknown URL."""
    client = serve(blueprint())
    asked = client.open(f"/plots/_gallery/{path}", method=method)
    nothing = client.open("/plots/_gallery/nothing", method=method)
    assert (asked.status_code, asked.data) == (nothing.status_code, nothing.data)
    assert "Allow" not in asked.headers


@pytest.mark.parametrize("path", ["", "walk", "openapi.json"])
def test_an_open_gallery_lists_its_methods(path: str) -> None:
    """``OPTIONS`` and a 405 have the same ``Allow``."""
    client = serve(blueprint(gallery=True))
    url = f"/plots/_gallery/{path}"
    options, refused = client.options(url), client.post(url)
    assert (options.status_code, refused.status_code) == (200, 405)
    for answer in (options, refused):
        assert set(answer.allow) == {"GET", "HEAD", "OPTIONS"}


def test_a_figures_decorators_guard_its_page() -> None:
    """The index shows only the figure's name."""
    plots = blueprint(gallery=True)

    @plots.figure_route("/secret", decorators=[with_key])
    def secret(salary: int = 0) -> Figure:
        """The salaries of all employees."""
        return Figure(figsize=(1, 1))

    client = serve(plots)
    assert client.get("/plots/_gallery/secret").status_code == 401
    index = client.get("/plots/_gallery/").text
    assert "/plots/_gallery/secret" in index
    assert "employees" not in index
    assert "salary" not in index
    assert "/plots/secret" not in index
    found = client.get("/plots/_gallery/", query_string={"q": "employees"}).text
    assert "0 of 2 figures" in found


def test_an_open_index_hides_the_figures_behind_another_blueprints_login() -> None:
    """A blueprint's ``before_request`` is a guard, too."""
    hidden = blueprint("hidden", gallery=True)
    hidden.before_request(lambda: None)
    client = serve(blueprint(gallery=True), hidden)
    assert "/hidden/walk" not in client.get("/plots/_gallery/").text
    assert "/hidden/walk" in client.get("/hidden/_gallery/").text


@pytest.mark.parametrize("path", ["/shown/_gallery/", PAGE, f"{PAGE}?n=1"])
def test_a_page_may_load_only_the_packages_files(
    client: FlaskClient, path: str
) -> None:
    """The policy forbids inline scripts, other origins and frames."""
    response = client.get(path)
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {part.split()[0] for part in policy.split("; ")} == {
        *("default-src", "script-src", "style-src", "img-src", "connect-src"),
        *("form-action", "base-uri", "frame-ancestors"),
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "private, no-cache"
    elements = Elements(response.text)
    assert all("style" not in attributes for _, attributes in elements.found)
    scripts = [attributes["src"] for attributes in elements.all("script")]
    assert len(scripts) >= 3
    for url in scripts:
        assert url is not None
        assert url.startswith("/shown/_static/")
        assert is_served(client, url)


def test_responses_to_scripts_and_forms_are_private(
    client: FlaskClient,
) -> None:
    """They have the headers of the page."""
    for options in ({"headers": JSON}, {"query_string": "_form=1&pair=1&pair=2"}):
        response = client.get(PAGE, **options)
        assert response.headers["Cache-Control"] == "private, no-cache"
        assert "Accept" in response.headers["Vary"]


# The index --------------------------------------------------------------------


def test_the_index_shows_the_whole_app() -> None:
    """Each index has a section for every blueprint."""
    client = serve(blueprint("a", gallery=True), blueprint("b", gallery=True))
    for path in ("/a/_gallery/", "/b/_gallery/"):
        page = client.get(path).text
        assert "/a/_gallery/walk" in page
        assert "/b/_gallery/walk" in page
        assert len(list(Elements(page).all("section"))) == 2


def test_the_index_omits_blueprints_without_a_gallery() -> None:
    """This includes blueprints with a gallery in debug mode only."""
    others = [blueprint("b"), blueprint("c", gallery=False)]
    client = serve(blueprint("a", gallery=True), *others)
    assert "1 figure<" in client.get("/a/_gallery/").text


def test_nested_blueprints_have_separate_galleries() -> None:
    """Each has its full prefix and its full name."""
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    outer.register_blueprint(blueprint(gallery=True))
    client = serve(outer)
    page = client.get("/outer/plots/_gallery/").text
    assert "/outer/plots/_gallery/walk" in page
    assert "outer.plots" in page
    state = client.get("/outer/plots/_gallery/walk?n=3", headers=JSON).json
    assert state is not None
    assert state["page"] == "/outer/plots/_gallery/walk?n=3"
    assert state["snippets"]["jinja"] == "{{ figure('outer.plots.walk', n=3) }}"


def test_a_prefix_with_a_variable_is_kept() -> None:
    """Every link of a page keeps the language."""
    plots = FigureBlueprint("plots", __name__, url_prefix="/<lang>", gallery=True)

    @plots.figure_route("/walk")
    def walk(lang: str, n: int = 200) -> Figure:
        return Figure(figsize=(2, 1))

    client = serve(plots)
    assert "/fr/_gallery/walk" in client.get("/fr/_gallery/").text
    page = Elements(client.get("/fr/_gallery/walk?lang=en").text)
    assert page.one("form")["action"] == "/fr/_gallery/walk"
    for script in page.all("script"):
        assert is_served(client, script["src"] or "")


def test_the_index_omits_figures_without_a_url() -> None:
    """The value of a variable in the prefix is unknown."""
    french = FigureBlueprint("french", __name__, url_prefix="/<lang>", gallery=True)

    @french.figure_route("/walk")
    def walk(lang: str) -> Figure:
        return Figure(figsize=(2, 1))

    client = serve(blueprint(gallery=True), french)
    assert "1 figure<" in client.get("/plots/_gallery/").text
    assert "2 figures<" in client.get("/fr/_gallery/").text


def test_thumbnails_have_two_themes_and_several_widths(client: FlaskClient) -> None:
    """The first loads eagerly, the others lazily."""
    page = Elements(client.get("/shown/_gallery/").text)
    (dark, *_) = page.all("source")
    assert "_theme=dark" in (dark["srcset"] or "")
    images = list(page.all("img"))
    assert [image["loading"] for image in images] == ["eager"]
    assert "_width=320 320w" in (images[0]["srcset"] or "")
    for image in images:
        assert image["alt"] == ""  # The link beside it names it.


def test_a_card_names_required_arguments(client: FlaskClient) -> None:
    """The text replaces the thumbnail, which would be an error."""
    page = client.get("/shown/_gallery/").text
    assert "Enter year to see the figure." in page
    assert "Available as a download only." in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param("sales", ["sales"], id="name"),
        pytest.param("SOLD", ["sales"], id="docstring"),
        pytest.param("region", ["sales"], id="parameter"),
        pytest.param("year sold", ["sales"], id="all-words"),
        pytest.param("year alpha", [], id="not-one-figure"),
        pytest.param("", ["every_kind", "sales", "broken", "file"], id="nothing"),
    ],
)
def test_the_search_works_without_a_script(
    client: FlaskClient, query: str, names: list[str]
) -> None:
    """It covers names, docstrings and parameters, and counts the matches."""
    page = client.get("/shown/_gallery/", query_string={"q": query}).text
    cards = re.findall(r'<li class="card"([^>]*)>.*?href="([^"]*)"', page, re.S)
    found = [url for attributes, url in cards if not attributes.endswith(" hidden")]
    assert found == [f"/shown/_gallery/{name}" for name in names]
    assert (f"{len(names)} of 4 figures" if query else "4 figures") in page


# The page of a figure -----------------------------------------------------------


def test_each_parameter_has_a_control(client: FlaskClient) -> None:
    """The control has the parameter's value, bounds and hint."""
    page = Elements(client.get(f"{PAGE}?n=300&title=%22%3E&grid=false").text)
    number = page.one("input", id="arg-n")
    assert (number["type"], number["value"]) == ("number", "300")
    assert (number["min"], number["max"]) == ("10", "500")
    assert number["aria-describedby"] == "arg-n-hint arg-n-error"
    slider = page.one("input", type="range", value="300")
    assert "name" not in slider  # One of the two is sent.
    assert page.one("input", id="arg-title")["value"] == '">'
    assert "checked" not in page.one("input", id="arg-grid")
    checked = [i["value"] for i in page.all("input", name="marks") if "checked" in i]
    assert checked == ["a", "c"]
    assert len(list(page.all("input", name="levels"))) == 3
    assert len(list(page.all("input", name="pair"))) == 2
    options = [option["value"] for option in page.all("option")]
    assert options == ["red", "green", "blue", "grey", "", "true", "false"]
    labels = {label.get("for") for label in page.all("label")}
    assert {"arg-n", "arg-title", "arg-colour", "arg-when"} <= labels


def test_a_text_of_several_lines_is_a_textarea(client: FlaskClient) -> None:
    """An ``<input>`` would lose the line breaks."""
    page = client.get(PAGE, query_string={"title": "\none\ntwo"}).text
    (text,) = re.findall(
        r"<textarea id=\"arg-title\"[^>]*>\n(.*?)</textarea>", page, re.S
    )
    assert text == "\none\ntwo"


def test_hostile_text_is_escaped(client: FlaskClient) -> None:
    """Neither a docstring nor a value becomes a tag."""
    page = client.get(PAGE, query_string={"title": "</textarea>\n<img src=x>"}).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert "<img src=x>" not in page
    index = client.get("/shown/_gallery/", query_string={"q": '"><img src=x>'}).text
    assert "<img src=x>" not in index


def test_faults_appear_beside_their_fields(client: FlaskClient) -> None:
    """The status is 400, and the fields keep their values."""
    response = client.get(f"{PAGE}?n=1&colour=mauve&start=soon&style=x&marks=z")
    assert response.status_code == 400
    page = Elements(response.text)
    number = page.one("input", id="arg-n")
    assert (number["value"], number["aria-invalid"]) == ("1", "true")
    assert page.one("input", id="arg-start")["value"] == "soon"
    assert "selected" in page.one("option", value="mauve")
    assert page.one("fieldset", role="radiogroup")["aria-invalid"] == "true"
    assert page.one("input", value="z")["aria-invalid"] == "true"
    assert "aria-invalid" not in page.one("input", id="arg-title")
    assert "It is too small." in response.text


def test_an_unknown_argument_replaces_the_picture(
    client: FlaskClient,
) -> None:
    """The message suggests the nearest known name."""
    response = client.get(f"{PAGE}?titel=x")
    assert response.status_code == 400
    text = unescape(response.text)
    assert 'role="alert"' in text
    assert "Did you mean 'title'?" in text


def test_the_page_ignores_unknown_arguments_if_its_picture_does() -> None:
    """``MPLSTREAM_UNKNOWN_ARGS`` applies to both."""
    client = serve(blueprint(gallery=True), MPLSTREAM_UNKNOWN_ARGS="ignore")
    assert client.get("/plots/_gallery/walk?m=1").status_code == 200


def test_a_form_redirects_to_its_canonical_url(client: FlaskClient) -> None:
    """The URL names only values that differ from the defaults."""
    query = "_form=1&n=300&alpha=&even=&title=A+title&colour=red&style=line&start="
    query += "&when=2024-01-02T03:04:00&noon=12:00:00&pair=1&pair=2&marks=c&marks=a"
    response = client.get(f"{PAGE}?{query}&levels=1&levels=2.5&levels=")
    assert response.status_code == 303
    assert response.location == f"{PAGE}?n=300&grid=false"
    assert client.get(response.location).status_code == 200


def test_an_invalid_form_is_shown_again(client: FlaskClient) -> None:
    """The status is 400, and the error is at its field."""
    response = client.get(f"{PAGE}?_form=1&even=3&pair=1&pair=2")
    assert response.status_code == 400
    assert "it is odd" in response.text
    assert Elements(response.text).one("input", id="arg-even")["value"] == "3"


def test_an_incomplete_form_is_shown_again(client: FlaskClient) -> None:
    """An empty query is not an error."""
    first = client.get("/shown/_gallery/sales")
    assert first.status_code == 200
    assert "Enter year to see the figure." in first.text
    assert "required" in Elements(first.text).one("input", id="arg-year")
    sent = client.get("/shown/_gallery/sales?_form=1&year=&region=north")
    assert sent.status_code == 400
    assert "It is missing." in sent.text


def test_variables_of_the_rule_are_controls(client: FlaskClient) -> None:
    """They are in the page's query and in the path of the picture."""
    sent = client.get("/shown/_gallery/sales?_form=1&year=2020&region=south")
    assert sent.location == "/shown/_gallery/sales?year=2020&region=south"
    state = client.get(sent.location, headers=JSON).json
    assert state is not None
    assert state["snippets"]["url"] == "/shown/sales/2020?region=south"
    assert state["pictures"]["dark"]["960"] == (
        "/shown/sales/2020?region=south&_width=960&_theme=dark"
    )


def test_a_value_that_the_converter_rejects_is_a_problem() -> None:
    """A converter may accept fewer values than the annotation."""
    plots = FigureBlueprint("plots", __name__, gallery=True)

    @plots.figure_route("/<any(a, b):name>")
    def letter(name: str) -> Figure:
        return Figure(figsize=(1, 1))

    response = serve(plots).get("/_gallery/letter?name=c")
    assert response.status_code == 400
    assert "No URL of the figure can have these arguments" in response.text


def test_the_state_has_all_links(client: FlaskClient) -> None:
    """The script builds no URLs, snippets or downloads."""
    state = client.get(f"{PAGE}?title=It's&marks=", headers=JSON).json
    assert state is not None
    assert state["errors"] == {}
    assert state["problems"] == []
    for url in (
        *state["downloads"].values(),
        *(u for by_density in state["pictures"].values() for u in by_density.values()),
        state["snippets"]["url"],
        state["page"],
        state["words"],
    ):
        assert client.get(url).status_code == 200, url
    assert set(state["downloads"]) == {"png", "svg", "pdf"}
    assert 'src="/shown/every-kind?' in state["snippets"]["html"]
    target = re.fullmatch(
        r"!\[Every kind of control\.\]\((.*)\)", state["snippets"]["markdown"]
    )
    assert target is not None
    assert urlsplit(target[1]).netloc == "localhost"


def test_the_state_has_the_errors(client: FlaskClient) -> None:
    """They are listed by field, with status 200, so that the console stays silent."""
    response = client.get(f"{PAGE}?n=1&m=2", headers=JSON)
    assert response.status_code == 200
    state = response.json
    assert state is not None
    assert list(state["errors"]) == ["n"]
    assert "There is no such argument" in state["problems"][0]
    assert "pictures" not in state


@pytest.mark.parametrize(
    "query",
    [
        "title=It's+%22{{}}%22+%5C+%0A+%E2%82%AC",
        "colour=grey&style=dots&grid=false&log=true&start=2024-02-29",
        "levels=-1e-7&levels=3&pair=4&pair=5&marks=",
        "when=2024-12-31T23:59:00&noon=08:15:30&least=7&alpha=0.25",
    ],
)
def test_the_jinja_line_gives_the_same_picture(client: FlaskClient, query: str) -> None:
    """The template has the line unchanged."""
    state = client.get(f"{PAGE}?{query}", headers=JSON).json
    assert state is not None
    line = state["snippets"]["jinja"].replace("{{ figure(", "{{ figure_url(")
    with client.application.test_request_context():
        url = unescape(render_template_string(line))
    assert url == state["snippets"]["url"]


def test_the_jinja_line_omits_defaults(client: FlaskClient) -> None:
    """The URL omits them, too."""
    state = client.get(f"{PAGE}?n=300&title=A+title", headers=JSON).json
    assert state is not None
    assert state["snippets"]["jinja"] == "{{ figure('shown.every_kind', n=300) }}"


def test_a_signed_figure_has_signed_links() -> None:
    """The page may have every URL that ``figure_url`` may build."""
    client = serve(blueprint(gallery=True, signed=True))
    state = client.get("/plots/_gallery/walk?n=3", headers=JSON).json
    assert state is not None
    for url in (state["pictures"]["dark"]["960"], state["downloads"]["svg"]):
        assert "_sig=" in url
        assert client.get(url).status_code == 200


def test_injected_parameters_have_no_control() -> None:
    """The page lists their names."""
    plots = FigureBlueprint("plots", __name__, gallery=True)

    @plots.figure_route("/mine", inject={"user": lambda: "ada"})
    def mine(user: str, n: int = 1) -> Figure:
        return Figure(figsize=(1, 1))

    client = serve(plots)
    index = client.get("/_gallery/").text
    assert "<code>n</code>" in index
    assert "user" not in index
    page = client.get("/_gallery/mine").text
    assert "Set by the app: <code>user</code>." in page
    assert not list(Elements(page).all("input", name="user"))
    assert client.get("/_gallery/mine?user=eve").status_code == 400


def test_a_figure_without_parameters_has_a_page(client: FlaskClient) -> None:
    """A figure that browsers cannot show has download links."""
    page = client.get("/shown/_gallery/file").text
    assert "The figure has no arguments." in page
    assert "Browsers cannot show its formats." in page
    assert Elements(page).one("a", href="/shown/file.pdf?_download=1")


def test_every_document_is_well_formed(client: FlaskClient) -> None:
    """Ids are unique in a page, and references to them resolve."""
    for path in ("/shown/_gallery/", PAGE, f"{PAGE}?n=1", "/shown/_gallery/sales"):
        found = Elements(client.get(path).text).found
        ids = [attributes["id"] for _, attributes in found if "id" in attributes]
        assert len(ids) == len(set(ids)), path
        for _, attributes in found:
            for name in ("for", "aria-describedby", "aria-labelledby"):
                for id in (attributes.get(name) or "").split():
                    assert id in ids, (path, id)


def test_the_gallery_reserves_no_names() -> None:
    """A figure may have any name, and a URL that resembles the gallery's."""
    plots = FigureBlueprint("plots", __name__, gallery=True)

    @plots.figure_route("/<path:place>")
    def anything(place: str, size: Literal["s", "m"] = "s") -> Figure:
        return Figure(figsize=(1, 1))

    client = serve(plots)
    assert client.get("/_gallery/other").mimetype == "image/png"
    assert client.get("/_gallery/").mimetype == "text/html"
    assert every_kind.gallery is True


@pytest.mark.parametrize("step", STEPS)
def test_each_step_of_a_render_has_a_color(step: str) -> None:
    """The bar and its legend show it, in light and in dark."""
    style = PACKAGE.joinpath("static", "gallery.css").read_text("utf-8")
    assert f"  --{step}: light-dark(" in style
    assert f'[data-step="{step}"] {{ --step: var(--{step}); }}' in style
