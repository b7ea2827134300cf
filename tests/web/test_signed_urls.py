"""Signed URLs: what ``figure_url`` made is served, and nothing else."""

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
from flask_mplstream.web import figure_view, signed_urls
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]


@pytest.fixture(autouse=True)
def figures(plots: FigureBlueprint, renders: Counter) -> None:
    """A signed route, one that expires, and one in a tenant's path."""

    def walk(n: int = 5, label: str = "") -> Figure:
        renders(n)
        return Figure(figsize=(1, 1))

    plots.figure_route("/walk", signed=True)(walk)
    plots.figure_route("/brief", endpoint="brief", signed=True, expires_in=100)(walk)
    plots.figure_route("/of/<int:n>", endpoint="of", signed=True)(walk)
    plots.figure_route("/open", endpoint="open")(walk)


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in hand for the time of expiry as well."""
    monkeypatch.setattr(signed_urls, "time", clock)
    monkeypatch.setattr(figure_view, "time", clock)
    return clock


def signed(client: FlaskClient, endpoint: str = "plots.walk", **values: Any) -> str:
    with client.application.test_request_context():
        return figure_url(endpoint, **values)


def changed(url: str, **values: str | None) -> str:
    """*url* with other values in its query; ``None`` takes one away."""
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
    """Whatever it says, and however a proxy spells it."""
    client = serve()
    url = signed(client, **values)
    assert client.get(url).status_code == 200
    assert client.get(url.replace("_sig", "%5Fsig")).status_code == 200
    assert client.head(url).status_code == 200


def test_a_url_of_a_path_is_served(serve: Serve) -> None:
    """A variable in the rule is under the signature as the path is."""
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
    """403 without a reason, nothing rendered, nothing kept."""
    client = serve(MPLSTREAM_UNKNOWN_ARGS="ignore")
    answer = client.get(changed(signed(client, n=7), **change))
    assert answer.status_code == 403
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json is not None
    assert answer.json["detail"] == signed_urls.NOT_SIGNED
    assert not renders.calls


def test_the_version_may_change(serve: Serve, renders: Counter) -> None:
    """A script in the page reloads a picture by it; it is the same picture."""
    client = serve()
    url = signed(client, n=7)
    bodies = {client.get(u).data for u in (url, changed(url, _v="1"))}
    assert len(bodies) == len(renders) == 1


@pytest.mark.parametrize("ending", ["", ".svg"])
def test_another_path_is_refused(serve: Serve, ending: str) -> None:
    """Another figure, another format: each wants a signature of its own."""
    client = serve()
    query = urlsplit(signed(client, _format="png")).query
    assert client.get(f"/plots/walk{ending}?{query}").status_code == 403
    assert client.get(f"/plots/brief{ending}?{query}").status_code == 403


def test_flask_s_own_url_is_not_signed(serve: Serve) -> None:
    """``url_for`` gives a URL that is refused; other routes are open."""
    client = serve()
    with client.application.test_request_context():
        assert client.get(url_for("plots.walk")).status_code == 403
    assert client.get("/plots/open").status_code == 200


def test_old_keys_are_accepted_while_they_are_listed(serve: Serve) -> None:
    """``SECRET_KEY_FALLBACKS``, as for sessions; the new key signs."""
    client = serve()
    app = client.application
    old = signed(client)
    app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["not secret"])
    new = signed(client, n=6)
    assert [client.get(url).status_code for url in (old, new)] == [200, 200]
    app.config["SECRET_KEY_FALLBACKS"] = []
    # Spelled in another way, as an exact URL that was checked is remembered.
    assert client.get(changed(old, _download="0")).status_code == 403
    assert client.get(new).status_code == 200


def test_without_a_secret_there_are_no_signed_urls(serve: Serve) -> None:
    """The error names the setting."""
    client = serve()
    client.application.secret_key = None
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        signed(client)
    assert client.get("/plots/walk?_sig=.x").status_code == 500


def test_a_url_expires(serve: Serve, clock: Clock) -> None:
    """And no browser or proxy may keep its picture for longer."""
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


def test_the_expiry_of_a_call_comes_first(serve: Serve, clock: Clock) -> None:
    """``_expires_in`` of one URL over the route's ``expires_in``."""
    client = serve()
    long, short = (signed(client, "plots.brief", _expires_in=s) for s in (1000, 5))
    clock.now += 50
    assert [client.get(url).status_code for url in (long, short)] == [200, 403]


def test_a_url_stays_the_same_for_a_while(serve: Serve, clock: Clock) -> None:
    """A new one for each page would never be in the browser's cache."""
    client = serve()
    urls = set()
    for _ in range(100):
        urls.add(signed(client, "plots.brief"))
        clock.now += 1
    assert len(urls) <= 11


def test_the_time_of_expiry_is_signed(serve: Serve, clock: Clock) -> None:
    """It cannot be put off."""
    client = serve()
    url = signed(client, "plots.brief")
    sig = dict(parse_qsl(urlsplit(url).query))["_sig"]
    expires, _, signature = sig.partition(".")
    for other in (f"{int(expires) + 1}.{signature}", f".{signature}"):
        assert client.get(changed(url, _sig=other)).status_code == 403


def test_a_template_s_picture_is_signed_in_every_size(serve: Serve) -> None:
    """``figure()`` signs ``src`` and each of every ``srcset``."""
    client = serve()
    with client.application.test_request_context():
        html = render_template_string("{{ figure('plots.walk', n=3) }}")
    urls = re.findall(r"/plots/walk[^\s\"]+", html.replace("&amp;", "&"))
    assert len(urls) == 1 + 3 * 3
    assert all(client.get(url).status_code == 200 for url in urls)


@pytest.mark.parametrize("root", ["", "/app"])
def test_a_url_holds_behind_a_prefix(serve: Serve, root: str) -> None:
    """Made in a request or in a command, served under ``SCRIPT_NAME``."""
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


def test_a_signature_holds_for_one_tenant(renders: Counter) -> None:
    """A variable that only a preprocessor reads is under the signature too."""
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
    """Two signed figures at one path, on the subdomains ``a`` and ``b``."""
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
def test_a_signature_holds_on_one_subdomain(made_at: str | None) -> None:
    """It is refused for the figure that has the same path on another one."""
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
def test_a_default_port_is_no_other_host(port: str, scheme: str) -> None:
    """A command names the port of ``SERVER_NAME``; browsers leave it out."""
    app = two_figures(f"example.org{port}")
    with app.app_context():
        parts = urlsplit(figure_url("a.walk", _external=True))
    url, base = f"{parts.path}?{parts.query}", f"{scheme}://A.example.org"
    assert app.test_client().get(url, base_url=base).status_code == 200


def test_a_signature_holds_on_any_host_of_an_app_that_matches_none(
    serve: Serve,
) -> None:
    """Behind a proxy an app has names that it does not know."""
    client = serve()
    url = signed(client, n=3)
    for host in ("one.example", "two.example:8443"):
        assert client.get(url, base_url=f"http://{host}").status_code == 200


def test_a_signature_holds_at_one_mount(serve: Serve) -> None:
    """One app, mounted twice: a URL that one mount gives away is its alone."""
    client = serve()
    with client.application.test_request_context(
        environ_overrides={"SCRIPT_NAME": "/north"}
    ):
        url = figure_url("plots.walk", n=3).removeprefix("/north")
    for root, status in (("/north", 200), ("/south", 403), ("", 403)):
        answer = client.get(url, environ_overrides={"SCRIPT_NAME": root})
        assert answer.status_code == status


def test_a_signature_holds_for_one_endpoint() -> None:
    """A figure that is moved to another's path does not inherit its URLs."""

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
