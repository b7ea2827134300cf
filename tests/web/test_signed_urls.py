"""Signed URLs: only URLs that ``figure_url`` made are served."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from flask import Flask, g, render_template_string, url_for
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import ConfigError, FigureBlueprint, figure_url
from flask_mplstream.web import request_reading, signed_urls
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def figures(plots: FigureBlueprint, renders: Counter) -> None:
    """Serve a signed route, one that expires, and one in a tenant's path."""

    def walk(n: int = 5, label: str = "") -> Figure:
        renders(n)
        return Figure(figsize=(1, 1))

    plots.figure_route("/walk", signed=True)(walk)
    plots.figure_route("/brief", endpoint="brief", signed=True, expires_in=100)(walk)
    plots.figure_route("/of/<int:n>", endpoint="of", signed=True)(walk)
    plots.figure_route("/open", endpoint="open")(walk)


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the clock for the time of expiry too."""
    monkeypatch.setattr(signed_urls, "time", clock)
    monkeypatch.setattr(request_reading, "time", clock)
    return clock


def signed(client: FlaskClient, endpoint: str = "plots.walk", **values: Any) -> str:
    with client.application.test_request_context():
        return figure_url(endpoint, **values)


def change_query(url: str, **values: str | None) -> str:
    """Return *url* with other values in its query; ``None`` removes one."""
    parts = urlsplit(url)
    query = {**dict(parse_qsl(parts.query)), **values}
    kept = {name: value for name, value in query.items() if value is not None}
    return parts._replace(query=urlencode(kept)).geturl()


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({}, id="plain"),
        pytest.param({"n": 7, "label": "ä & ?=/%"}, id="arguments"),
        pytest.param({"_format": "svg"}, id="format"),
        pytest.param({"_scale": 2, "_download": True}, id="reserved"),
        pytest.param({"_anchor": "x"}, id="anchor"),
        pytest.param({"_external": True}, id="external"),
        pytest.param({"_expires_in": 60}, id="expires"),
    ],
)
def test_a_signed_url_is_served(serve: Serve, values: dict[str, Any]) -> None:
    """Its arguments and a proxy's spelling do not matter."""
    client = serve()
    url = signed(client, **values)
    assert client.get(url).status_code == 200
    assert client.get(url.replace("_sig", "%5Fsig")).status_code == 200
    assert client.head(url).status_code == 200


def test_a_url_with_a_path_variable_is_served(serve: Serve) -> None:
    """The signature covers the variable as it covers the path."""
    client = serve()
    url = signed(client, "plots.of", n=3)
    assert client.get(url).status_code == 200
    assert client.get(url.replace("/of/3", "/of/4")).status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"n": "8"}, id="argument"),
        pytest.param({"n": None}, id="less"),
        pytest.param({"label": "x"}, id="more"),
        pytest.param({"no": "x"}, id="unknown"),
        pytest.param({"n": "many"}, id="not-accepted"),
        pytest.param({"_scale": "2"}, id="scale"),
        pytest.param({"_download": "1"}, id="download"),
        pytest.param({"_width": "320"}, id="width"),
        pytest.param({"_theme": "dark"}, id="theme"),
        pytest.param({"_sig": None}, id="unsigned"),
        pytest.param({"_sig": ""}, id="empty"),
        pytest.param({"_sig": "."}, id="nothing"),
        pytest.param({"_sig": ".é"}, id="not-ascii"),
        pytest.param({"_sig": "x" * 200}, id="long"),
        pytest.param({"_sig": "9" * 20 + ".abc"}, id="far"),
    ],
)
def test_a_changed_url_is_refused(
    serve: Serve, renders: Counter, change: dict[str, str | None]
) -> None:
    """It gets a 403 without a reason, and nothing is rendered or stored."""
    client = serve(MPLSTREAM_UNKNOWN_ARGS="ignore")
    answer = client.get(change_query(signed(client, n=7), **change))
    assert answer.status_code == 403
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["detail"] == signed_urls.NOT_SIGNED
    assert not renders.calls


def test_the_version_may_change(serve: Serve, renders: Counter) -> None:
    """A page's script changes it to reload the same picture."""
    client = serve()
    url = signed(client, n=7)
    bodies = {client.get(u).data for u in (url, change_query(url, _v="1"))}
    assert len(bodies) == len(renders) == 1


@pytest.mark.parametrize("ending", ["", ".svg"])
def test_another_path_is_refused(serve: Serve, ending: str) -> None:
    """Another figure or format requires a separate signature."""
    client = serve()
    query = urlsplit(signed(client, _format="png")).query
    assert client.get(f"/plots/walk{ending}?{query}").status_code == 403
    assert client.get(f"/plots/brief{ending}?{query}").status_code == 403


def test_a_url_of_url_for_is_not_signed(serve: Serve) -> None:
    """It is refused; unsigned routes are open."""
    client = serve()
    with client.application.test_request_context():
        assert client.get(url_for("plots.walk")).status_code == 403
    assert client.get("/plots/open").status_code == 200


def test_old_keys_are_accepted_while_they_are_listed(serve: Serve) -> None:
    """``SECRET_KEY_FALLBACKS`` verify, and the new key signs."""
    client = serve()
    app = client.application
    old = signed(client)
    app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["not secret"])
    new = signed(client, n=6)
    assert [client.get(url).status_code for url in (old, new)] == [200, 200]
    app.config["SECRET_KEY_FALLBACKS"] = []
    # Spelled in another way, as an exact URL that was checked is remembered.
    assert client.get(change_query(old, _download="0")).status_code == 403
    assert client.get(new).status_code == 200


def test_without_a_secret_signing_is_an_error(serve: Serve) -> None:
    """The error names the setting."""
    client = serve()
    client.application.secret_key = None
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        signed(client)
    assert client.get("/plots/walk?_sig=.x").status_code == 500


def test_a_url_expires(serve: Serve, clock: Clock) -> None:
    """No browser or proxy may keep its picture longer."""
    client = serve()
    url = signed(client, "plots.brief")
    first = client.get(url)
    clock.now += 89
    last = client.get(url)
    clock.now += 12
    gone = client.get(url)
    assert [r.status_code for r in (first, last, gone)] == [200, 200, 403]
    assert gone.headers["Cache-Control"] == "no-store"
    assert re.fullmatch(r"max-age=(9\d|100)", first.headers["Cache-Control"])
    assert re.fullmatch(r"max-age=\d\d?", last.headers["Cache-Control"])
    etag = {"If-None-Match": first.headers["ETag"]}
    clock.now -= 12
    assert client.get(url, headers=etag).headers["Cache-Control"].startswith("max-age=")
    clock.now += 12
    assert client.get(url, headers=etag).status_code == 403


def test_the_expiry_of_a_call_has_precedence(serve: Serve, clock: Clock) -> None:
    """``_expires_in`` replaces the route's ``expires_in``."""
    client = serve()
    long, short = (signed(client, "plots.brief", _expires_in=s) for s in (1000, 5))
    clock.now += 50
    assert [client.get(url).status_code for url in (long, short)] == [200, 403]


def test_a_url_stays_the_same_for_a_while(serve: Serve, clock: Clock) -> None:
    """Browsers could not cache a new URL in each page."""
    client = serve()
    urls = set()
    for _ in range(100):
        urls.add(signed(client, "plots.brief"))
        clock.now += 1
    assert len(urls) <= 11


def test_the_time_of_expiry_is_signed(serve: Serve, clock: Clock) -> None:
    """A client cannot extend it."""
    client = serve()
    url = signed(client, "plots.brief")
    sig = dict(parse_qsl(urlsplit(url).query))["_sig"]
    expires, _, signature = sig.partition(".")
    for other in (f"{int(expires) + 1}.{signature}", f".{signature}"):
        assert client.get(change_query(url, _sig=other)).status_code == 403


def test_figure_signs_every_size(serve: Serve) -> None:
    """``src`` and every URL of every ``srcset`` is signed."""
    client = serve()
    with client.application.test_request_context():
        html = render_template_string("{{ figure('plots.walk', n=3) }}")
    urls = re.findall(r"/plots/walk[^\s\"]+", html.replace("&amp;", "&"))
    assert len(urls) == 1 + 2 * 2
    assert all(client.get(url).status_code == 200 for url in urls)


@pytest.mark.parametrize("root", ["", "/app"])
def test_a_url_is_valid_behind_a_prefix(serve: Serve, root: str) -> None:
    """A request or a command makes it, and ``SCRIPT_NAME`` is in it."""
    client = serve(APPLICATION_ROOT=root or "/", SERVER_NAME="localhost")
    app = client.application
    with app.app_context():
        outside = figure_url("plots.walk", n=3, _external=False)
    with app.test_request_context(environ_overrides={"SCRIPT_NAME": root}):
        inside = figure_url("plots.walk", n=3)
    for url in (outside, inside):
        assert url.startswith(f"{root}/plots/walk")
        below = url.removeprefix(root)
        environ = {"SCRIPT_NAME": root}
        assert client.get(below, environ_overrides=environ).status_code == 200


def test_a_signature_is_valid_for_one_tenant(renders: Counter) -> None:
    """It covers a variable that only a preprocessor reads."""
    plots = FigureBlueprint("tenant", __name__, url_prefix="/<tenant>")

    @plots.url_value_preprocessor
    def pull(endpoint: str | None, values: dict[str, Any] | None) -> None:
        g.tenant = (values or {}).pop("tenant", None)

    @plots.figure_route("/sales", signed=True)
    def sales() -> Figure:
        return Figure(figsize=(1, 1))

    app = Flask(__name__)
    app.secret_key = "not secret"
    app.register_blueprint(plots)

    @app.url_defaults
    def put(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("tenant", "acme")

    client = app.test_client()
    url = signed(client, "tenant.sales")
    assert client.get(url).status_code == 200
    assert client.get(url.replace("/acme/", "/other/")).status_code == 403


def two_figures(server_name: str) -> Flask:
    """Serve two signed figures at one path, on subdomains ``a`` and ``b``."""
    app = Flask(__name__, subdomain_matching=True)
    app.config.update(SECRET_KEY="not secret", SERVER_NAME=server_name)
    for name in ("a", "b"):
        plots = FigureBlueprint(name, __name__, url_prefix="/plots", subdomain=name)
        plots.figure_route("/walk", signed=True)(walk)
        app.register_blueprint(plots)
    return app


def walk() -> Figure:
    return Figure(figsize=(1, 1))


@pytest.mark.parametrize("made_at", ["a.example.org:8080", "example.org:8080", None])
def test_a_signature_is_valid_on_one_subdomain(made_at: str | None) -> None:
    """The figure with the same path on another subdomain refuses it."""
    app = two_figures("example.org:8080")
    context = app.test_request_context if made_at else app.app_context
    with context(**({"base_url": f"http://{made_at}"} if made_at else {})):
        parts = urlsplit(figure_url("a.walk", _external=True))
    client, url = app.test_client(), f"{parts.path}?{parts.query}"
    for name, status in (("a", 200), ("b", 403)):
        answer = client.get(url, base_url=f"http://{name}.example.org:8080")
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("port", "scheme"),
    [("", "http"), ("", "https"), (":80", "http"), (":443", "https")],
)
def test_a_default_port_is_the_same_host(port: str, scheme: str) -> None:
    """Commands use the port of ``SERVER_NAME``; browsers omit it."""
    app = two_figures(f"example.org{port}")
    with app.app_context():
        parts = urlsplit(figure_url("a.walk", _external=True))
    url, base = f"{parts.path}?{parts.query}", f"{scheme}://A.example.org"
    assert app.test_client().get(url, base_url=base).status_code == 200


def test_a_signature_is_valid_on_any_host_without_matching(
    serve: Serve,
) -> None:
    """Behind a proxy, an app does not know all its names."""
    client = serve()
    url = signed(client, n=3)
    for host in ("one.example", "two.example:8443"):
        assert client.get(url, base_url=f"http://{host}").status_code == 200


def test_a_signature_is_valid_at_one_mount(serve: Serve) -> None:
    """A URL of one mount is invalid at another mount of the app."""
    client = serve()
    with client.application.test_request_context(
        environ_overrides={"SCRIPT_NAME": "/north"}
    ):
        url = figure_url("plots.walk", n=3).removeprefix("/north")
    for root, status in (("/north", 200), ("/south", 403), ("", 403)):
        answer = client.get(url, environ_overrides={"SCRIPT_NAME": root})
        assert answer.status_code == status


def test_a_signature_is_valid_for_one_endpoint() -> None:
    """A figure that moves to another's path does not inherit its URLs."""

    def app_with(name: str) -> Flask:
        app = Flask(__name__)
        app.secret_key = "not secret"
        plots = FigureBlueprint(name, __name__, url_prefix="/plots")
        plots.figure_route("/walk", signed=True)(walk)
        app.register_blueprint(plots)
        return app

    old, new = app_with("old").test_client(), app_with("new").test_client()
    url = signed(old, "old.walk")
    assert [client.get(url).status_code for client in (old, new)] == [200, 403]
