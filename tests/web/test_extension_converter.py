"""Extensions with another spelling than in canonical URLs."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask, abort, url_for
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_url
from tests.support.doubles import Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, renders: Counter) -> FlaskClient:
    @plots.figure_route("/walk", formats=["png", "jpg", "svg"])
    def walk(n: int = 1, name: str = "") -> Figure:
        renders(n, name)
        return Figure(figsize=(n, 1))

    @plots.figure_route("/of/<name>/")
    def named(name: str) -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/signed", signed=True)
    def signed(n: int = 1) -> Figure:
        return Figure(figsize=(n, 1))

    return serve()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        pytest.param("walk.jpeg", "walk.jpg", id="jpeg"),
        pytest.param("walk.jpe", "walk.jpg", id="jpe"),
        pytest.param("walk.PNG", "walk.png", id="PNG"),
        pytest.param("walk.JPG", "walk.jpg", id="JPG"),
        pytest.param("walk.JPEG", "walk.jpg", id="JPEG"),
        pytest.param("walk.Svg", "walk.svg", id="Svg"),
        pytest.param("walk.TXT", "walk.txt", id="words"),
        pytest.param("walk.Schema.JSON", "walk.schema.json", id="schema"),
        pytest.param("walk.PNG?n=2&_scale=2", "walk.png?n=2&_scale=2", id="query"),
        pytest.param(
            "walk.PNG?name=%C3%A4+b%26%3D%23%0D%0A",
            "walk.png?name=%C3%A4+b%26%3D%23%0D%0A",
            id="quoted-query",
        ),
        pytest.param("of/a%20b%25.PNG", "of/a%20b%25.png", id="quoted-path"),
        pytest.param("of/a:b.PNG", "of/a%3Ab.png", id="colon"),
        pytest.param("of/C%C3%A4t.PNG.PNG", "of/C%C3%A4t.PNG.png", id="twice"),
    ],
)
def test_another_spelling_redirects_to_the_canonical_url(
    client: FlaskClient, renders: Counter, method: str, url: str, canonical: str
) -> None:
    """The 308 keeps the query and renders nothing."""
    answer = client.open(f"/plots/{url}", method=method)
    assert answer.status_code == 308
    assert answer.data == b""
    assert answer.content_length == 0
    assert urljoin(f"/plots/{url}", answer.location) == f"/plots/{canonical}"
    assert not renders.calls
    assert client.get(f"/plots/{canonical}").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("walk.webp", id="not-offered"),
        pytest.param("walk.WEBP", id="not-offered-in-capitals"),
        pytest.param("walk.gif", id="not-known"),
        pytest.param("walk.jpegs", id="longer"),
        pytest.param("walk.PNG/x", id="below"),
        pytest.param("walkxPNG", id="no-dot"),
    ],
)
def test_a_format_that_is_not_offered_is_a_404(client: FlaskClient, url: str) -> None:
    """The spelling does not matter."""
    assert client.get(f"/plots/{url}").status_code == 404


def test_a_redirect_keeps_a_signature_valid(client: FlaskClient) -> None:
    """The signature covers the canonical path."""
    with client.application.test_request_context():
        url = figure_url("plots.signed", n=2, _format="png")
    respelled = url.replace(".png", ".PNG")
    answer = client.get(respelled, follow_redirects=True)
    assert answer.status_code == 200
    assert f"{urlsplit(answer.request.url).path}" == "/plots/signed.png"
    assert client.get("/plots/signed.PNG?n=3", follow_redirects=True).status_code == 403


@pytest.mark.parametrize(
    "path",
    ["//evil.test/x.PNG", "///evil.test/x.PNG", "/\\evil.test/x.PNG", "/x:y.PNG"],
)
def test_no_spelling_redirects_to_another_host(path: str) -> None:
    """A rule that accepts any path does not redirect elsewhere."""
    app = Flask(__name__)
    app.url_map.merge_slashes = False
    plots = FigureBlueprint("plots", __name__)

    @plots.figure_route("/<path:name>")
    def named(name: str) -> Figure:
        return Figure(figsize=(1, 1))

    app.register_blueprint(plots)
    answer = app.test_client().get("/", environ_overrides={"PATH_INFO": path})
    assert answer.status_code == 308
    base = f"http://localhost{path}"
    assert urlsplit(urljoin(base, answer.location)).netloc == "localhost"
    assert not answer.location.startswith(("//", "/\\"))


def test_url_for_makes_canonical_urls(client: FlaskClient) -> None:
    """It accepts aliases, and refuses formats that are not offered."""
    with client.application.test_request_context():
        for name in ("jpeg", "JPG", "jpg"):
            assert url_for("plots.walk", _format=name) == "/plots/walk.jpg"
        with pytest.raises(ValueError, match="'gif' is not offered, only png"):
            url_for("plots.walk", _format="gif")


def test_a_redirect_keeps_the_mount(client: FlaskClient) -> None:
    """``SCRIPT_NAME`` is in the location."""
    answer = client.get("/plots/walk.PNG", environ_overrides={"SCRIPT_NAME": "/a b"})
    assert answer.location == "/a%20b/plots/walk.png"


def test_a_decorator_runs_before_the_redirect() -> None:
    """A route behind a login does not reveal its formats."""
    plots = FigureBlueprint("plots", __name__)

    @plots.figure_route("/walk", decorators=[lambda view: lambda **_: abort(401)])
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    app = Flask(__name__)
    app.register_blueprint(plots)
    assert app.test_client().get("/walk.PNG").status_code == 401
