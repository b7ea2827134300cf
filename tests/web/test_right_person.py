"""The right person: no user gets another user's picture or cookie.

Each test tries an attack. Each user's picture has a separate color, so that its pixels
identify the user.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import sys
import time
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, wraps
from http.client import HTTPConnection
from pathlib import Path
from threading import Barrier
from types import ModuleType
from typing import Any, TypeVar
from uuid import uuid4

import numpy as np
import pytest
from flask import Flask, Response, abort, g, render_template_string, request, session
from flask.sessions import SecureCookieSessionInterface
from flask.testing import FlaskClient
from flask_login import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
)
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from pydantic import SecretStr
from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import TestResponse

from flask_mplstream import ConfigError, FigureBlueprint, figure_url
from flask_mplstream.web.app_state import AppState
from tests.support.doubles import Clock, Counter, SilentSessions
from tests.support.pictures import pixels
from tests.support.servers import Server, find_free_port, find_program

pytestmark = pytest.mark.slow

Serve = Callable[..., FlaskClient]
T = TypeVar("T")
U = TypeVar("U")

#: Distant colors, which identify the user in a lossy format, too.
COLORS = {
    "alice": (230, 40, 40),
    "bob": (40, 230, 40),
    "carol": (40, 40, 230),
    "dave": (230, 230, 40),
    "erin": (40, 230, 230),
}
#: The users whose session cookie is sent again with every response.
PERMANENT = ("bob", "erin")
FORMATS = ("png", "webp", "avif", "jpg", "svg", "pdf")
#: Seconds to wait for events without a time limit, on a busy machine.
PATIENCE_S = 20.0


# --- The owner of a picture and of a cookie --------------------------------


def badge(user: str, n: int = 1) -> Figure:
    """Draw a sheet in the user's color."""
    red, green, blue = COLORS[user]
    color = (red / 255, green / 255, blue / 255)
    return Figure(figsize=(0.2 * n, 0.2), facecolor=color)


def walk(n: int = 1) -> Figure:
    """Draw a picture that belongs to no user."""
    return badge("alice", n)


def fails(status: int) -> Figure:
    """Fail with *status*."""
    if status == 500:
        raise LookupError("no data")
    abort(status)


@cache
def find_owner(body: bytes) -> str:
    """Return the user with the color of every pixel of *body*."""
    colors = _read_colors(body)
    for user, color in COLORS.items():
        if np.abs(colors - np.array(color)).max() < 30:
            return user
    raise AssertionError(f"a picture of no user: {body[:80]!r}")


def _read_colors(body: bytes) -> np.ndarray[Any, Any]:
    """Return the colors in *body*, shape ``(n, 3)``, from 0 to 255."""
    if body.startswith(b"<?xml"):
        filled = re.findall(rb"fill: #([0-9a-f]{6})", body)
        return np.array([list(bytes.fromhex(text.decode())) for text in filled])
    if body.startswith(b"%PDF"):
        streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", body, re.S)
        drawn = b"\n".join(map(zlib.decompress, streams))
        filled = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) rg", drawn)
        return np.array([[float(part) * 255 for part in found] for found in filled])
    return pixels(body)[..., :3].reshape(-1, 3).astype(int)


def read_user(app: Flask, cookie: str) -> str | None:
    """Return the user in the session of a ``Set-Cookie`` of *app*."""
    name, _, value = cookie.partition(";")[0].partition("=")
    assert name == "session"
    serializer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert serializer is not None
    user: str | None = serializer.loads(value).get("user")
    return user


def assert_private(response: TestResponse) -> None:
    """Check that no shared cache stores it, and that browsers revalidate it."""
    assert not FORBIDDEN.search(response.headers["Cache-Control"])
    is_fresh = "max-age" in response.headers["Cache-Control"]
    assert not is_fresh or response.cache_control.immutable or has_cookie(response)
    if response.status_code in (200, 206, 304):
        assert response.cache_control.private
        assert "Cookie" in response.headers["Vary"]
        return
    assert response.cache_control.no_store
    assert not (response.mimetype or "").startswith("image/")


def has_cookie(response: TestResponse) -> bool:
    """Return whether a cookie alone makes the response private."""
    return "Set-Cookie" in response.headers


#: They let a shared cache keep a response to a login (RFC 9111 section 3.5).
FORBIDDEN = re.compile(r"\b(public|s-maxage|must-revalidate|proxy-revalidate)\b")


# --- The app ---------------------------------------------------------------


def the_user() -> str:
    """Return the logged-in user, for ``inject``."""
    if "user" not in session:
        abort(401)
    return str(session["user"])


def with_login(view: Callable[..., Any]) -> Callable[..., Any]:
    """Require a session."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        the_user()
        return view(*args, **kwargs)

    return guarded


def with_proxy_user(view: Callable[..., Any]) -> Callable[..., Any]:
    """Require the header that a proxy with a login sets."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if "X-Forwarded-User" not in request.headers:
            abort(401)
        return view(*args, **kwargs)

    return guarded


def with_password(view: Callable[..., Any]) -> Callable[..., Any]:
    """Require the password."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        given = request.authorization
        if given is None or given.password != "open sesame":
            return Response(status=401, headers={"WWW-Authenticate": "Basic"})
        return view(*args, **kwargs)

    return guarded


def add_logins(app: Flask) -> Flask:
    """Add ``/login/<user>`` and ``/logout`` to *app*."""

    @app.get("/login/<user>")
    def login(user: str) -> str:
        session.clear()
        session["user"] = user
        session.permanent = user in PERMANENT
        return user

    @app.get("/logout")
    def logout() -> str:
        session.clear()
        return ""

    return app


def make_site() -> Flask:
    """Return the app under attack, here and in gunicorn."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = "not secret"
    app.config.from_prefixed_env()
    if app.config.get("SILENT_SESSIONS"):
        app.session_interface = SilentSessions()
    # Its hook reads the session after each view.
    LoginManager(app).user_loader(lambda name: None)
    plots = FigureBlueprint("plots", __name__, url_prefix="/plots", max_age=60)

    def serve(name: str, function: Callable[..., Figure], **options: Any) -> None:
        endpoint = name.partition("/")[0]
        plots.figure_route(f"/{name}", endpoint=endpoint, **options)(function)

    mine = {"user": the_user}
    serve("mine", badge, inject=mine, stale_while_revalidate=30)
    serve("dated", badge, inject=mine, version=lambda user: user)
    serve("walk", walk)
    serve("brief", walk, max_age=1)
    serve("members", walk, decorators=[with_login])
    serve("staff", walk, decorators=[with_proxy_user])
    serve("gated", walk, decorators=[with_password])
    serve("vault", walk, decorators=[with_password], private=True)
    serve("dated-members", walk, decorators=[with_login], version=lambda: 1)
    serve("fails/<int:status>", fails, error_backoff=0.0, stale_if_error=0)

    @app.get("/where")
    def where() -> str:
        return figure_url("plots.dated")

    @app.post("/invalidate")
    def invalidate() -> str:
        plots.invalidate()
        return ""

    @app.after_request
    def stamp(response: Response) -> Response:
        # Two responses with one stamp show that a cache has stored it.
        response.headers["X-Stamp"] = uuid4().hex
        return response

    app.register_blueprint(plots)
    return add_logins(app)


def logged_in(app: Flask, user: str) -> FlaskClient:
    client = app.test_client()
    client.get(f"/login/{user}")
    return client


# --- Interleavings --------------------------------------------------------


@dataclass
class Browser:
    """A browser, in which users log in one after the other."""

    client: FlaskClient
    user: str | None = None

    def log_in(self, user: str | None) -> None:
        self.client.get(f"/login/{user}" if user else "/logout")
        self.user = user


@dataclass
class Ask:
    """One request."""

    url: str
    method: str
    accept: dict[str, str]
    conditions: dict[str, str]


@dataclass
class Known:
    """Values from responses to any user, which all users may try."""

    etags: list[str] = field(default_factory=lambda: ['"unknown"'])
    versions: list[str] = field(default_factory=lambda: ["x"])
    #: The response to each user's plain GET, until the next invalidation.
    plain: dict[tuple[str | None, str, str], TestResponse] = field(default_factory=dict)


class Crowd:
    """Several browsers on one app; every response is checked.

    :param seed: seed of the random choices.
    """

    def __init__(self, app: Flask, clock: Clock, known: Known, seed: int) -> None:
        self._app, self._clock, self._known = app, clock, known
        self._random = random.Random(seed)
        self._browsers = [Browser(app.test_client()) for _ in range(3)]
        for browser in self._browsers:
            browser.log_in(self._random.choice([*COLORS]))

    def step(self) -> None:
        """Change something, then send a request."""
        browser = self._random.choice(self._browsers)
        match self._random.randrange(200):
            case 0:
                self._app.test_client().post("/invalidate")
                self._known.plain.clear()
            case 1:
                self._clock.now += 1e6
            case 2 | 3:
                self._clock.now += self._random.choice([1, 61, 75])
            case event if event < 30:
                browser.log_in(self._random.choice([*COLORS, None]))
            case event if event < 50 and browser.user:
                where = browser.client.get("/where").text
                self._known.versions.append(where.partition("_v=")[2])
        self._judge(browser, self._any_ask())

    def _any_ask(self) -> Ask:
        choice, chance = self._random.choice, self._random.random
        path = choice(["/plots/mine", "/plots/dated"])
        path += f".{choice(FORMATS)}" if chance() < 0.6 else ""
        query = [f"_scale={choice([1, 2])}"]
        query += [f"_v={choice(self._known.versions)}"] if chance() < 0.3 else []
        query += ["_download=1"] if chance() < 0.2 else []
        query += [f"user={choice([*COLORS])}"] if chance() < 0.1 else []
        accept = choice(["", "*/*", "image/webp", "image/svg+xml", "text/plain"])
        return Ask(
            f"{path}?{'&'.join(query)}",
            choice(["GET", "GET", "HEAD"]),
            {"Accept": accept} if accept else {},
            self._any_conditions(),
        )

    def _any_conditions(self) -> dict[str, str]:
        etags = self._known.etags
        count = self._random.choice([1, 5, len(etags)])
        tags = ", ".join(self._random.choices(etags, k=count))
        conditions = {
            "If-None-Match": self._random.choice([tags, tags, "*"]),
            "If-Match": self._random.choice([tags, "*"]),
            "Range": self._random.choice(["bytes=0-99", "bytes=20-", "bytes=-9"]),
            "If-Range": self._random.choice(etags),
        }
        names = self._random.sample([*conditions], self._random.choice([0, 1, 1, 2]))
        return {name: conditions[name] for name in names}

    def _judge(self, browser: Browser, ask: Ask) -> None:
        given = browser.client.open(
            ask.url, method=ask.method, headers=ask.accept | ask.conditions
        )
        own = self._ask_plainly(browser, ask)
        assert_private(given)
        for cookie in given.headers.getlist("Set-Cookie"):
            assert read_user(self._app, cookie) == browser.user
        if own.status_code != 200:
            assert given.status_code == own.status_code
            return
        self._judge_picture(ask, given, own)

    def _ask_plainly(self, browser: Browser, ask: Ask) -> TestResponse:
        """Return the user's own picture, requested without conditions."""
        asked = browser.user, ask.url, ask.accept.get("Accept", "")
        if asked not in self._known.plain:
            own = self._known.plain[asked] = browser.client.get(
                ask.url, headers=ask.accept
            )
            if "." not in ask.url and asked[2] == "text/plain":
                assert own.status_code == 406
            elif "user=" in ask.url:
                assert own.status_code == 400
            elif browser.user is None:
                assert own.status_code == 401
            else:
                assert own.status_code == 200
                assert find_owner(own.data) == browser.user
                if own.headers["ETag"] not in self._known.etags:
                    self._known.etags.append(own.headers["ETag"])
        return self._known.plain[asked]

    def _judge_picture(self, ask: Ask, given: TestResponse, own: TestResponse) -> None:
        etag, sent = own.headers["ETag"], ask.conditions
        if given.status_code in (200, 206, 304):
            assert given.headers["ETag"] == etag
        match given.status_code:
            case 200 if ask.method == "GET":
                assert given.data == own.data
            case 200:
                assert given.data == b""
                assert given.headers["Content-Length"] == str(len(own.data))
            case 206:
                first, last = map(
                    int, re.findall(r"\d+", given.headers["Content-Range"])[:2]
                )
                assert given.data == own.data[first : last + 1]
                assert sent.get("If-Range", etag) == etag
            case 304:
                assert given.data == b""
                assert sent["If-None-Match"] == "*" or etag in sent["If-None-Match"]
            case 412:
                assert etag not in sent["If-Match"]
            case status:
                raise AssertionError(f"{status} {given.text}")


@pytest.fixture(scope="module")
def interleavings(request: pytest.FixtureRequest) -> int:
    """Return the number of searches; a thousand are complete."""
    return 1000 if request.config.getoption("--sweep") else 50


@pytest.mark.sweep
def test_any_interleaving_gives_each_user_their_picture(
    interleavings: int, clock: Clock
) -> None:
    """Users try logins, tags and versions of others, ranges and time."""
    app, known = make_site(), Known()
    for seed in range(interleavings):
        crowd = Crowd(app, clock, known, seed)
        for _ in range(6):
            try:
                crowd.step()
            except AssertionError as error:
                error.add_note(f"with the seed {seed}")
                raise
    AppState.of(app).pictures(None).background.join()


# --- At the same time ------------------------------------------------------


def call_at_once(call: Callable[[T], U], items: Sequence[T]) -> list[U]:
    """Return what *call* returns for each of *items*, in separate threads."""
    with ThreadPoolExecutor(len(items)) as pool:
        return list(pool.map(call, items))


def test_two_users_on_one_url_are_two_renders(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Two renders run at once, and no user gets the other's picture."""
    both = Barrier(2, timeout=PATIENCE_S)

    def load(user: str) -> str:
        both.wait()  # The barrier breaks unless two renders run at once.
        return user

    @plots.figure_route("/mine", inject={"user": the_user}, load=load)
    def mine(data: str, user: str) -> Figure:
        assert data == user
        return badge(user)

    app = add_logins(serve().application)
    clients = [logged_in(app, user) for user in ("alice", "bob")]
    answers = call_at_once(lambda client: client.get("/plots/mine.png"), clients)
    assert [find_owner(answer.data) for answer in answers] == ["alice", "bob"]


@dataclass
class Account:
    """An account with a number."""

    id: int


class TenantAccount(Account):
    """An account with state outside its dataclass fields."""

    def __init__(self, id: int, user: str) -> None:
        super().__init__(id)
        self.user = user


def test_two_tenants_with_one_number_share_no_picture(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """An injected value that the key cannot hold is an error."""

    def account() -> TenantAccount:
        return TenantAccount(1, request.headers["X-User"])

    @plots.figure_route("/mine", inject={"account": account})
    def mine(account: TenantAccount) -> Figure:
        return badge(account.user)

    @plots.figure_route("/newest", version=lambda: TenantAccount(1, "alice"))
    def newest() -> Figure:
        return badge("alice")

    client = serve(TESTING=True)
    for path, source in (("mine", "inject"), ("newest", "version")):
        with pytest.raises(ConfigError, match=f"{source}.* 'user'.* the object's id"):
            client.get(f"/plots/{path}.png", headers={"X-User": "alice"})


def test_a_render_gets_the_list_of_its_key(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The figure function gets a copy, even if it runs late."""
    shared = ["alice"]

    def load(users: list[str]) -> None:
        shared[0] = "bob"  # Another request may do so.

    @plots.figure_route("/ours", inject={"users": lambda: shared}, load=load)
    def ours(data: None, users: list[str]) -> Figure:
        return badge(users[0])

    client = serve(TESTING=True)
    assert find_owner(client.get("/plots/ours.png").data) == "alice"


def test_a_crowd_of_users_on_one_url(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Forty simultaneous requests of five users are five renders."""
    users = [*COLORS] * 8
    start = Barrier(len(users), timeout=PATIENCE_S)

    def user() -> str:
        start.wait()
        return the_user()

    def load(user: str) -> None:
        time.sleep(0.05)  # The other requests arrive during this render.

    @plots.figure_route("/mine", inject={"user": user}, load=load)
    def mine(data: None, user: str) -> Figure:
        renders(user)
        return badge(user)

    app = add_logins(serve().application)
    clients = [logged_in(app, user) for user in users]
    answers = call_at_once(lambda client: client.get("/plots/mine.png"), clients)
    assert [find_owner(answer.data) for answer in answers] == users
    assert sorted(renders.calls) == sorted(COLORS)
    assert any("collapsed" in answer.headers["Cache-Status"] for answer in answers)


# --- State between requests ------------------------------------------------


def test_a_hook_changes_one_response_only(plots: FigureBlueprint, serve: Serve) -> None:
    """A header on one user's hit is not on the next user's."""

    plots.figure_route("/walk")(walk)
    app = serve().application

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers.add("X-User", request.args.get("_v", ""))
        response.headers["Vary"] = "X-User"
        response.set_cookie("user", request.args.get("_v", ""))
        return response

    for number in range(4):
        response = app.test_client().get(f"/plots/walk?_v={number}")
        assert response.headers.getlist("X-User") == [f"{number}"]
        (cookie,) = response.headers.getlist("Set-Cookie")
        assert cookie.startswith(f"user={number};")


def test_a_shared_error_has_no_cookie(plots: FigureBlueprint, serve: Serve) -> None:
    """A header on the leader's error is not on the next user's."""

    @plots.figure_route("/busy", error_backoff=60.0)
    def busy() -> Figure:
        abort(503, response=Response("busy", 503))

    app = add_logins(serve().application)
    # Flask's documentation shows this handler for errors as JSON.
    app.register_error_handler(HTTPException, lambda error: error.get_response())
    for user in PERMANENT:
        response = logged_in(app, user).get("/plots/busy")
        assert response.status_code == 503
        cookies = response.headers.getlist("Set-Cookie")
        assert [read_user(app, cookie) for cookie in cookies] == [user]


@pytest.mark.parametrize(
    "is_open",
    [
        pytest.param(False, id="clean"),
        pytest.param(
            True,
            id="one-is-open",
        ),
    ],
)
def test_pyplot_starts_empty_for_each_user(
    plots: FigureBlueprint, serve: Serve, is_open: bool
) -> None:
    """``gcf()`` never returns another user's figure."""
    found: list[list[str]] = []

    @plots.figure_route("/mine", inject={"user": the_user})
    def mine(user: str) -> Figure:
        plt.figure(7)
        plt.plot([1, 2], label=user)
        found.append([str(line.get_label()) for line in plt.gca().lines])
        plt.figure()  # A second figure, which is not returned.
        if user == "alice":
            raise LookupError("too late")
        return plt.figure(7)

    app = add_logins(serve(PROPAGATE_EXCEPTIONS=False).application)
    try:
        if is_open:
            plt.figure(7)  # Other code of the app left it open.
        for user in ("alice", "bob", "carol"):
            logged_in(app, user).get("/plots/mine.png")
        assert found == [["alice"], ["bob"], ["carol"]]
    finally:
        plt.close("all")


# --- Different keys --------------------------------------------------------


class Masked(str):
    """A text that is hidden in logs."""

    def __repr__(self) -> str:
        return "'***'"


def test_a_masked_value_is_part_of_the_key(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A value that is hidden in logs still selects the picture."""

    @plots.figure_route("/mine", inject={"user": lambda: Masked(the_user())})
    def mine(user: str) -> Figure:
        return badge(str(user))

    app = add_logins(serve().application)
    for user in COLORS:
        assert find_owner(logged_in(app, user).get("/plots/mine.png").data) == user


def test_a_secret_in_the_url_is_refused_or_part_of_the_key(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Two tokens never share a picture."""
    try:

        @plots.figure_route("/mine")
        def mine(token: SecretStr) -> Figure:
            return badge(token.get_secret_value())

        client = serve()
    except ConfigError:
        return
    for user in COLORS:
        assert find_owner(client.get(f"/plots/mine.png?token={user}").data) == user


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(1, "1", id="number-text"),
        pytest.param(1, True, id="number-bool"),
        pytest.param(None, "None", id="none-text"),
        pytest.param(["a", "b"], ["a', 'b"], id="quotes"),
        pytest.param(("a", "bc"), ("ab", "c"), id="joints"),
        pytest.param({"a": "b"}, {"a=b": ""}, id="mapping"),
        pytest.param("\u00e9", "e\u0301", id="composed"),
        pytest.param("\udc80", "\\udc80", id="surrogate"),
        pytest.param("alice", "Alice", id="case"),
        pytest.param("alice", "alice ", id="space"),
        pytest.param("alice", "alice\0", id="nul"),
    ],
)
def test_users_with_similar_names_share_no_picture(
    plots: FigureBlueprint, serve: Serve, renders: Counter, one: object, other: object
) -> None:
    """No chosen name gives access to another user's picture."""
    who = [one, other]

    @plots.figure_route("/mine", inject={"user": lambda: who.pop(0)})
    def mine(user: Any) -> Figure:
        renders(user)
        return Figure(figsize=(len(renders), 1))

    client = serve()
    assert client.get("/plots/mine.png").data != client.get("/plots/mine.png").data
    assert renders.calls == [one, other]


def test_a_private_picture_has_no_date_validator(clock: Clock) -> None:
    """Another user's ``Last-Modified`` gives no 304."""
    app = make_site()
    bob = logged_in(app, "bob")
    bob.get("/plots/mine.png")
    clock.now += 10
    logged_in(app, "alice").get("/plots/mine.png")
    theirs = http_date(clock.now)
    response = bob.get("/plots/mine.png", headers={"If-Modified-Since": theirs})
    assert response.status_code == 200
    assert find_owner(response.data) == "bob"


def test_arguments_outside_the_url_are_private_or_refused(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A preprocessor adds the user, so a shared cache sees one URL for all."""

    @plots.url_value_preprocessor
    def add_user(endpoint: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        values["user"] = request.headers["X-User"]

    @plots.figure_route("/mine")
    def mine(user: str) -> Figure:
        return badge(user)

    client = serve(PROPAGATE_EXCEPTIONS=False)
    response = client.get("/plots/mine.png", headers={"X-User": "alice"})
    assert response.status_code != 200 or response.cache_control.private


# --- One Redis behind several apps -----------------------------------------

SHOP = """
from flask import abort, session
from flask_mplstream import ConfigError, FigureBlueprint
from matplotlib.figure import Figure

COLOR, ENDPOINT, LOOK = {color!r}, {endpoint!r}, {savefig!r}

def load(n):
    return {loaded}

def user():
    return session["user"] if "user" in session else abort(401)

plots = FigureBlueprint({blueprint!r}, __name__, url_prefix="/plots")

@plots.figure_route("/sales", endpoint=ENDPOINT, load=load, savefig=LOOK)
def sales(data, n: int = 1) -> Figure:
    return Figure(figsize=(0.2 * data, 0.2), facecolor={facecolor})

@plots.figure_route("/mine", inject={{"user": user}})
def mine(user: int) -> Figure:
    return Figure(figsize=(0.2, 0.2), facecolor=COLOR)

def draw(n: int = 1) -> Figure:
    return Figure(figsize=(0.2, 0.2), facecolor=COLOR)

plots.figure_route("/open", endpoint="open", private=True)(draw)
plots.figure_route("/signed", endpoint="signed", signed=True)(draw)
plots.figure_route("/let-in", endpoint="let_in", decorators=[lambda view: view])(draw)
plots.figure_route("/versioned", endpoint="versioned", private=True, version=load)(draw)

guarded = FigureBlueprint("guarded", __name__)
guarded.before_request(lambda: None)
guarded.figure_route("/guarded", endpoint="draw")(draw)
plots.register_blueprint(guarded)
"""

SAME = {
    "color": "#e62828",
    "loaded": "n",
    "blueprint": "plots",
    "endpoint": "sales",
    "savefig": {},
    "facecolor": "COLOR",
}


@dataclass
class Shop:
    """One of two apps, each with a separate module ``shop``."""

    folder: Path
    redis_port: int
    name: str

    def open(
        self, *, prefix: str = "", secrets: Sequence[str | None] = (), **changes: Any
    ) -> FlaskClient:
        """Return the app, with *secrets* set in turn after a first request."""
        folder = self.folder / self.name
        folder.mkdir()
        source = folder / "shop.py"
        source.write_text(SHOP.format(**SAME | {"color": self.color} | changes))
        app = Flask(self.name)
        app.config.update(
            SECRET_KEY=None if secrets else f"of {self.name}",
            CACHE_TYPE="RedisCache",
            CACHE_REDIS_PORT=self.redis_port,
            CACHE_KEY_PREFIX=f"{self.folder.name}:{prefix}",
        )
        app.register_blueprint(_module("shop", source).plots)

        @app.get("/login/<int:user>")
        def login(user: int) -> str:
            session["user"] = user
            return ""

        client = app.test_client()
        for secret in secrets:
            app.config["SECRET_KEY"] = secret
            assert client.get("/plots/open.png", query_string={"n": 7}).data
        return client

    @property
    def color(self) -> str:
        """Return the color of the shop's data."""
        return {"north": "#e62828", "south": "#28e628"}[self.name]

    @property
    def owner(self) -> str:
        """Return the user with that color."""
        return {"north": "alice", "south": "bob"}[self.name]


def _module(name: str, source: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shops(tmp_path: Path, redis_port: int) -> tuple[Shop, Shop]:
    """Return two apps on one Redis, with equal modules and different data."""
    return Shop(tmp_path, redis_port, "north"), Shop(tmp_path, redis_port, "south")


def test_apps_with_equal_code_share_public_pictures(shops: tuple[Shop, Shop]) -> None:
    """With one Redis and one prefix, nothing else separates processes."""
    north, south = (shop.open() for shop in shops)
    assert find_owner(north.get("/plots/sales.png").data) == "alice"
    response = south.get("/plots/sales.png")
    assert find_owner(response.data) == "alice"
    assert "hit" in response.headers["Cache-Status"]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"prefix": "south:"}, id="CACHE_KEY_PREFIX"),
        pytest.param({"facecolor": "COLOR.lower()"}, id="figure-function"),
        pytest.param({"loaded": "n + 0"}, id="load"),
        pytest.param({"blueprint": "diagrams"}, id="blueprint"),
        pytest.param({"endpoint": "turnover"}, id="endpoint"),
        pytest.param({"savefig": {"pad_inches": 0}}, id="savefig"),
    ],
)
def test_different_apps_share_no_picture(
    shops: tuple[Shop, Shop], changes: dict[str, Any]
) -> None:
    """Each gets its own picture for the same URL on the same Redis."""
    north, south = shops[0].open(), shops[1].open(**changes)
    for _ in range(2):
        for shop, client in zip(shops, (north, south), strict=True):
            assert find_owner(client.get("/plots/sales.png").data) == shop.owner


def test_two_blueprints_share_no_picture(tmp_path: Path) -> None:
    """The endpoint is part of the key."""
    app = Flask(__name__)
    app.config.update(CACHE_TYPE="FileSystemCache", CACHE_DIR=str(tmp_path))
    calls: list[int] = []

    def draw(n: int = 1) -> Figure:
        calls.append(n)
        return badge([*COLORS][len(calls)])

    for name in ("first", "second"):
        plots = FigureBlueprint(name, __name__, url_prefix=f"/{name}")
        plots.figure_route("/draw")(draw)
        plots.figure_route("/draw-again", endpoint="again")(draw)
        app.register_blueprint(plots)
    client = app.test_client()
    paths = [
        f"/{name}/draw{more}.png"
        for name in ("first", "second")
        for more in ("", "-again")
    ]
    bodies = {client.get(path).data for path in paths * 2}
    assert len(bodies) == len(calls) == len(paths)


def test_a_session_is_invalid_in_another_app(shops: tuple[Shop, Shop]) -> None:
    """With another ``SECRET_KEY`` the cookie gives no access and no hit."""
    north, south = (shop.open() for shop in shops)
    north.get("/login/7")
    cookie = north.get_cookie("session")
    etag = north.get("/plots/mine.png").headers["ETag"]
    assert cookie is not None
    south.set_cookie("session", cookie.value)
    for method in ("GET", "HEAD"):
        response = south.open(
            "/plots/mine.png", method=method, headers={"If-None-Match": etag}
        )
        assert response.status_code == 401


def test_users_of_two_apps_share_nothing_in_redis(shops: tuple[Shop, Shop]) -> None:
    """User 7 of one app and user 8 of another have separate pictures."""
    north, south = (shop.open() for shop in shops)
    north.get("/login/7")
    south.get("/login/8")
    assert find_owner(north.get("/plots/mine.png").data) == "alice"
    assert find_owner(south.get("/plots/mine.png").data) == "bob"


def test_one_number_in_two_apps_is_two_users(shops: tuple[Shop, Shop]) -> None:
    """Apps with another ``SECRET_KEY`` have separate users."""
    for shop in shops:
        client = shop.open()
        client.get("/login/7")
        assert find_owner(client.get("/plots/mine.png").data) == shop.owner


@pytest.mark.parametrize(
    "secrets",
    [
        pytest.param([["north"], ["south"]], id="set-after-registration"),
        pytest.param([[None], [None]], id="never-set"),
        pytest.param([["north"], [None]], id="set-in-one"),
        pytest.param([["", "north"], ["", "south"]], id="set-after-a-request"),
        pytest.param([["dev", "north"], ["dev", "south"]], id="changed"),
    ],
)
def test_apps_share_no_private_picture_whenever_their_keys_are_set(
    shops: tuple[Shop, Shop], secrets: list[list[str | None]]
) -> None:
    """The owner is read at each use; without a secret nothing is shared."""
    clients = [
        shop.open(secrets=given) for shop, given in zip(shops, secrets, strict=True)
    ]
    for name in ("open", "let_in", "versioned", "signed", "guarded.draw"):
        for shop, client in zip(shops, clients, strict=True):
            app = client.application
            if name == "signed" and not app.secret_key:
                continue  # Nothing can be signed.
            with app.test_request_context():
                url = figure_url(f"plots.{name}", n=7, _format="png")
            assert find_owner(client.get(url).data) == shop.owner


def test_processes_of_one_app_share_its_private_pictures(
    shops: tuple[Shop, Shop],
) -> None:
    """It does not matter when each process sets the secret."""
    for shop, is_hit in zip(shops, (False, True), strict=True):
        client = shop.open(secrets=["ours"])
        status = client.get("/plots/let-in.png").headers["Cache-Status"]
        assert ("hit" in status) is is_hit


# --- Cookies ---------------------------------------------------------------


def before(app: Flask) -> None:
    @app.before_request
    def touch() -> None:
        session["visits"] = session.get("visits", 0) + 1


def after(app: Flask) -> None:
    @app.after_request
    def touch(response: Response) -> Response:
        session["visits"] = session.get("visits", 0) + 1
        return response


def permanent(app: Flask) -> None:
    @app.before_request
    def stay() -> None:
        session.permanent = True


COOKIES = [pytest.param(call, id=call.__name__) for call in (before, after, permanent)]
RANGE = {"Range": "bytes=0-9"}


@pytest.mark.parametrize("set_cookie", COOKIES)
@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        pytest.param("/plots/walk", "GET", {}, 200, id="GET"),
        pytest.param("/plots/walk", "HEAD", {}, 200, id="HEAD"),
        pytest.param("/plots/walk", "GET", {"If-None-Match": "*"}, 304, id="304"),
        pytest.param("/plots/walk", "GET", RANGE, 206, id="206"),
        pytest.param("/plots/mine", "GET", {}, 200, id="injected"),
        pytest.param("/plots/dated", "GET", {}, 200, id="versioned"),
    ],
)
def test_a_cookie_is_sent_to_its_user_only(
    set_cookie: Callable[[Flask], None],
    path: str,
    method: str,
    headers: dict[str, str],
    status: int,
) -> None:
    """It is never with a public picture, and never on the next hit."""
    app = make_site()
    set_cookie(app)
    for user in COLORS:
        client = logged_in(app, user)
        response = client.open(path, method=method, headers=headers)
        assert response.status_code == status
        assert_private(response)
        cookies = response.headers.getlist("Set-Cookie")
        assert [read_user(app, cookie) for cookie in cookies] == [user]


def test_a_hit_has_no_cookie_of_the_first_user() -> None:
    """The stored picture has none."""
    app = make_site()
    first = logged_in(app, PERMANENT[0]).get("/plots/walk")
    assert "Set-Cookie" in first.headers
    visitor = app.test_client().get("/plots/walk")
    assert visitor.data == first.data
    assert visitor.headers["Cache-Status"].startswith("flask-mplstream; hit")
    assert "Set-Cookie" not in visitor.headers
    assert not visitor.cache_control.private


# Flask-Login calls functions that later versions of Python deprecate.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_remember_cookie_is_not_stored(plots: FigureBlueprint, serve: Serve) -> None:
    """Flask-Login sends it again with every picture."""
    options: Any = {"decorators": [login_required]}

    @plots.figure_route("/ours", **options)
    def ours() -> Figure:
        return badge("carol")

    @plots.figure_route("/mine", inject={"user": lambda: current_user.id}, **options)
    def mine(user: str) -> Figure:
        return badge(user)

    class User(UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    app = serve(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True).application
    LoginManager(app).user_loader(User)

    @app.get("/login/<user>")
    def login(user: str) -> str:
        login_user(User(user), remember=True)
        return ""

    for user in COLORS:
        client = logged_in(app, user)
        client.delete_cookie(
            "session"
        )  # The session is restored from the remember cookie.
        for path, owner in (("ours", "carol"), ("mine", user)):
            response = client.get(f"/plots/{path}.png")
            assert find_owner(response.data) == owner
            assert_private(response)
            cookies = response.headers.getlist("Set-Cookie")
            remembered = [c for c in cookies if c.startswith("remember_token=")]
            assert len(remembered) == 1
            assert remembered[0].startswith(f"remember_token={user}|")
        assert app.test_client().get("/plots/ours.png").status_code == 401


# --- Passwords -------------------------------------------------------------

PASSWORD = ("alice", "open sesame")


@pytest.mark.parametrize("path", ["/plots/gated", "/plots/gated.png", "/plots/vault"])
@pytest.mark.parametrize("auth", [None, ("alice", "open barley")], ids=["no", "wrong"])
@pytest.mark.parametrize(
    ("method", "header"),
    [
        pytest.param("GET", None, id="GET"),
        pytest.param("HEAD", None, id="HEAD"),
        pytest.param("GET", "If-None-Match", id="If-None-Match"),
        pytest.param("HEAD", "If-None-Match", id="HEAD-If-None-Match"),
        pytest.param("GET", "If-Match", id="If-Match"),
        pytest.param("GET", "If-Modified-Since", id="If-Modified-Since"),
        pytest.param("GET", "Range", id="Range"),
    ],
)
def test_a_hit_requires_the_password(
    path: str, auth: tuple[str, str] | None, method: str, header: str | None
) -> None:
    """Without it there is no picture, 304, 206 or length."""
    client = make_site().test_client()
    kept = client.get(path, auth=PASSWORD)
    assert find_owner(kept.data) == "alice"
    known = {
        "If-None-Match": kept.headers["ETag"],
        "If-Match": kept.headers["ETag"],
        "If-Modified-Since": http_date(time.time() + 3600),
        "Range": "bytes=0-",
    }
    headers = {header: known[header]} if header else {}
    refused = client.open(path, method=method, headers=headers, auth=auth)
    assert refused.status_code == 401
    assert refused.data == b""
    assert refused.headers["Content-Length"] == "0"
    assert not {"ETag", "Last-Modified", "Cache-Status"} & set(refused.headers.keys())
    assert client.open(path, headers=headers, auth=PASSWORD).status_code < 400


@pytest.mark.parametrize("path", ["walk", "gated", "vault", "mine", "dated", "brief"])
def test_no_shared_cache_may_store_a_response_to_a_password(path: str) -> None:
    """There is no ``public``, ``s-maxage`` or ``must-revalidate`` (RFC 9111, 3.5)."""
    client = logged_in(make_site(), "carol")
    url = f"/plots/{path}"
    for method in ("GET", "HEAD"):
        for headers in ({}, {"If-None-Match": "*"}, RANGE, {"If-Match": '"x"'}):
            answer = client.open(url, method=method, headers=headers, auth=PASSWORD)
            assert answer.status_code in (200, 206, 304, 412)
            assert not FORBIDDEN.search(answer.headers["Cache-Control"])
    for bad in ("?x=1", "?_scale=9", ".png?_v=" + 99 * "x"):
        answer = client.get(url + bad, auth=PASSWORD)
        assert answer.cache_control.no_store


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "headers", [{}, {"If-None-Match": "*"}, RANGE], ids=["plain", "known", "range"]
)
def test_a_picture_for_a_password_is_private_without_a_session(
    plots: FigureBlueprint, serve: Serve, method: str, headers: dict[str, str]
) -> None:
    """A password can also identify a user, so browsers revalidate."""

    def user() -> str:
        assert request.authorization is not None
        return str(request.authorization.username)

    plots.figure_route("/mine", inject={"user": user})(badge)
    client = serve()
    for name in COLORS:
        response = client.open(
            "/plots/mine", method=method, headers=headers, auth=(name, "x")
        )
        assert response.status_code < 400
        assert_private(response)
        assert "Authorization" in response.headers["Vary"]
        whole = client.get("/plots/mine", auth=(name, "x"))
        assert find_owner(whole.data) == name


def test_a_response_to_a_password_is_private() -> None:
    """Some proxies ignore RFC 9111, section 3.5."""
    response = make_site().test_client().get("/plots/gated", auth=PASSWORD)
    assert response.cache_control.private


def test_a_response_to_a_login_is_private() -> None:
    """Some CDNs ignore ``Vary: Cookie``."""
    response = logged_in(make_site(), "alice").get("/plots/members")
    assert response.cache_control.private


# --- Headers that a stranger chooses ---------------------------------------

EVIL = "evil.example"
POISON = {
    "Host": {"Host": EVIL},
    "X-Forwarded-Host": {"X-Forwarded-Host": EVIL},
    "X-Forwarded-Prefix": {"X-Forwarded-Prefix": f"/{EVIL}"},
    "X-Forwarded-Proto": {"X-Forwarded-Proto": EVIL},
    "X-Forwarded-For": {"X-Forwarded-For": EVIL},
    "Forwarded": {"Forwarded": f"host={EVIL};proto=https"},
    "X-Original-URL": {"X-Original-URL": f"/{EVIL}", "X-Rewrite-URL": f"/{EVIL}"},
    "Cookie": {"Cookie": f"session={EVIL}; user={EVIL}"},
    "User-Agent": {"User-Agent": EVIL},
    "Accept-Language": {"Accept-Language": f"de, {EVIL}"},
    "Referer": {"Referer": f"https://{EVIL}/", "Origin": f"https://{EVIL}"},
}


@pytest.mark.parametrize("extension", ["png", "svg"])
@pytest.mark.parametrize("is_proxied", [False, True], ids=["plain", "ProxyFix"])
@pytest.mark.parametrize("headers", [pytest.param(v, id=k) for k, v in POISON.items()])
def test_request_headers_leave_nothing_in_a_picture(
    headers: dict[str, str], is_proxied: bool, extension: str, tmp_path: Path
) -> None:
    """Body, headers and stored entry do not depend on them."""

    def app(folder: str) -> Flask:
        made = Flask(__name__)
        stored = str(tmp_path / folder)
        made.config.update(CACHE_TYPE="FileSystemCache", CACHE_DIR=stored)
        plots = FigureBlueprint("plots", __name__, url_prefix="/plots")

        plots.figure_route("/walk")(walk)
        made.register_blueprint(plots)
        if is_proxied:
            fixed = ProxyFix(made.wsgi_app, x_host=1, x_prefix=1, x_proto=1)
            vars(made)["wsgi_app"] = fixed
        return made

    def said(response: TestResponse) -> tuple[bytes, dict[str, str]]:
        assert response.status_code == 200
        kept = {k: v for k, v in response.headers.items() if k not in CHANGING}
        return response.data, kept

    url = f"/plots/walk.{extension}?n=2"
    honest = said(app("honest").test_client().get(url))
    poisoned = app("poisoned").test_client()
    first = poisoned.get(url, headers=headers)
    assert said(first) == said(poisoned.get(url)) == honest
    assert EVIL not in str(first.headers)
    kept = [path.read_bytes() for path in (tmp_path / "poisoned").iterdir()]
    assert any(honest[0] in stored for stored in kept)
    assert not [stored for stored in kept if EVIL.encode() in stored]
    assert not [stored for stored in kept if b"localhost" in stored]


#: Headers about the transfer, not about the content.
CHANGING = ("Cache-Status", "Server-Timing", "Last-Modified")


def test_a_problem_names_no_host(serve: Serve, plots: FigureBlueprint) -> None:
    """Its ``instance`` is the path only."""
    plots.figure_route("/walk")(walk)
    for headers in POISON.values():
        response = serve().get("/plots/walk?n=x", headers=headers)
        assert response.status_code == 400
        assert EVIL not in response.text + str(response.headers)


# --- Figure functions cannot read the request ------------------------------

request_user: ContextVar[str] = ContextVar("request_user", default="nobody")

READERS: dict[str, Callable[[], object]] = {
    "request": lambda: request.headers["X-User"],
    "session": lambda: session["user"],
    "g": lambda: g.user,
    "current_user": lambda: current_user.id,
    "a ContextVar": request_user.get,
}
BLIND = {
    "request": "RuntimeError",
    "session": "RuntimeError",
    "g": "AttributeError",
    "current_user": "AttributeError",
    "a ContextVar": "nobody",
}


def read_request() -> dict[str, object]:
    """Return everything about the request that is readable here."""
    found: dict[str, object] = {}
    for name, read in READERS.items():
        try:
            found[name] = read()
        except (AttributeError, RuntimeError) as error:
            found[name] = type(error).__name__
    return found


@dataclass
class Spy:
    """A figure route that tries to read the request in each of its callables."""

    app: Flask
    looks: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        LoginManager(self.app).user_loader(lambda name: None)
        self.app.config["SECRET_KEY"] = "not secret"
        plots = FigureBlueprint(
            "plots", __name__, max_age=60, stale_while_revalidate=60
        )

        def load() -> None:
            time.sleep(0.05)  # Requests that arrive meanwhile wait for it.
            self.looks.append(read_request())

        @plots.figure_route("/walk", load=load)
        def walk(data: None) -> Figure:
            self.looks.append(read_request())
            return badge("alice")

        @plots.figure_route("/later", load=load)
        async def later(data: None) -> Figure:
            self.looks.append(read_request())
            return badge("alice")

        self.app.register_blueprint(plots)
        add_logins(self.app)

        @self.app.before_request
        def remember() -> None:
            g.user = g._login_user = UserMixin()
            g.user.id = session.get("user")
            request_user.set("somebody")
            if "user" in session:
                # Without this, the test could not fail.
                assert not set(read_request().values()) & {*BLIND.values()}

        @self.app.get("/page")
        def page() -> str:
            return render_template_string("{{ figure_data_uri('plots.walk') }}")

    def client(self, user: str) -> FlaskClient:
        client = logged_in(self.app, user)
        client.environ_base["HTTP_X_USER"] = user
        return client


# asgiref's executor ends its thread when it is garbage-collected.
LATER = pytest.param("/later", marks=pytest.mark.keeps_threads)


@pytest.fixture
def spy() -> Spy:
    return Spy(Flask(__name__))


@pytest.mark.parametrize("path", ["/walk", LATER, "/page"])
def test_a_figure_function_cannot_read_the_request(spy: Spy, path: str) -> None:
    """Figure function and ``load``, sync or async, from a URL or a template."""
    assert spy.client("alice").get(path).status_code == 200
    assert spy.looks == [BLIND] * 2


@pytest.mark.parametrize("path", ["/walk", LATER])
def test_a_coalesced_render_cannot_read_the_request(spy: Spy, path: str) -> None:
    """It sees neither the leader's nor a follower's request."""
    clients = [spy.client(user) for user in COLORS]
    answers = call_at_once(lambda client: client.get(path), clients)
    assert {answer.status_code for answer in answers} == {200}
    assert any("collapsed" in answer.headers["Cache-Status"] for answer in answers)
    assert spy.looks == [BLIND] * 2


@pytest.mark.parametrize("path", ["/walk", LATER])
def test_a_renewal_cannot_read_the_request(spy: Spy, path: str, clock: Clock) -> None:
    """It does not see the request that found a stale picture."""
    spy.client("alice").get(path)
    clock.now += 61
    assert spy.client("bob").get(path).status_code == 200
    AppState.of(spy.app).pictures(None).background.join()
    assert spy.looks == [BLIND] * 4


# --- Behind nginx, in front of gunicorn ------------------------------------

NGINX = """
{user}
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_cache_path {folder}/cache keys_zone=pictures:1m use_temp_path=off;
    proxy_cache pictures;
    # The default names the origin, and so would let both servers share.
    proxy_cache_key $server_port$request_uri;
    proxy_cache_revalidate on;
    proxy_set_header Host $http_host;
    add_header X-Cache-Status $upstream_cache_status always;
    add_header X-Upstream-Status $upstream_status always;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
    # As careless as can be: only what the answer itself forbids is not stored.
    server {{
        listen 127.0.0.1:{careless};
        proxy_cache_valid any 10m;
        location / {{ proxy_pass http://127.0.0.1:{origin}; }}
    }}
}}
"""


@dataclass(frozen=True)
class Answer:
    """A response from the network."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cache(self) -> str:
        """nginx's cache status: ``HIT``, ``MISS`` and so on."""
        return self.headers["X-Cache-Status"]

    @property
    def stamp(self) -> str:
        """A value that all copies of one response have in common."""
        return self.headers["X-Stamp"]


@dataclass(frozen=True)
class Client:
    """A client of a port, with or without a cookie."""

    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, headers={**self.headers, **sent})
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def log_in(self, user: str) -> Client:
        """Return this client with the cookie of *user*."""
        cookie = self.ask(f"/login/{user}").headers["Set-Cookie"]
        return Client(self.port, {"Cookie": cookie.partition(";")[0]})

    def ask_until(self, cache: str, path: str, **headers: str) -> Answer:
        """Return the first answer that nginx calls *cache*."""
        deadline = time.monotonic() + PATIENCE_S
        while (answer := self.ask(path, **headers)).cache != cache:
            assert time.monotonic() < deadline, f"{answer.cache} instead of {cache}"
            time.sleep(0.02)
        return answer


@dataclass(frozen=True)
class Stack:
    """A running nginx, in front of a running gunicorn."""

    port: int
    careless: int
    origin: int
    folder: Path

    def create_visitor(self, *, careless: bool = False) -> Client:
        return Client(self.careless if careless else self.port)

    def user(self, name: str, *, careless: bool = False) -> Client:
        known = Client(self.origin).log_in(name)
        return Client(self.create_visitor(careless=careless).port, known.headers)

    def password(self, *, careless: bool = False) -> Client:
        encoded = b64encode(":".join(PASSWORD).encode()).decode()
        headers = {"Authorization": f"Basic {encoded}"}
        return Client(self.create_visitor(careless=careless).port, headers)

    def is_stored(self, body: bytes) -> bool:
        """Return whether nginx has *body* in a file of its cache."""
        files = (self.folder / "cache").iterdir()
        return any(body in path.read_bytes() for path in files)


@contextmanager
def gunicorn(
    port: int, folder: Path, processes: int = 2, **settings: str
) -> Iterator[None]:
    """Serve the site in *processes* with eight threads each."""
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread"]
    command += ["--workers", f"{processes}", "--threads", "8"]
    command += ["--bind", f"127.0.0.1:{port}"]
    place = {"FLASK_CACHE_TYPE": "FileSystemCache", "FLASK_CACHE_DIR": f"{folder}/app"}
    app = f"{__name__}:make_site()"
    with Server(*command, app, port=port, environment=place | settings):
        yield


@contextmanager
def serve_stack(folder: Path, **settings: str) -> Iterator[Stack]:
    """Serve the site with *settings* behind an nginx."""
    program = find_program("nginx")
    found = Stack(find_free_port(), find_free_port(), find_free_port(), folder)
    user = "user root;" if os.geteuid() == 0 else ""
    config = NGINX.format(user=user, **vars(found))
    folder.joinpath("nginx.conf").write_text(config)
    log, prefix = f"{folder}/error.log", f"{folder}/"
    nginx = [program, "-e", log, "-p", prefix, "-c", f"{folder}/nginx.conf"]
    with (
        gunicorn(found.origin, folder, 2, **settings),
        Server(*nginx, port=found.port),
    ):
        yield found


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Serve the site for all tests; each uses its own pictures."""
    with serve_stack(tmp_path_factory.mktemp("stack")) as found:
        yield found


BOTH = pytest.mark.parametrize("careless", [False, True], ids=["plain", "careless"])


@pytest.mark.parametrize("path", ["/plots/mine.png", "/plots/dated.svg"])
@BOTH
def test_nginx_never_stores_a_private_picture(
    stack: Stack, path: str, careless: bool
) -> None:
    """Each user gets their picture from the app, and a visitor gets a 401."""
    stamps = []
    for user in [*COLORS] * 2:
        answer = stack.user(user, careless=careless).ask(path)
        assert answer.status == 200
        assert find_owner(answer.body) == user
        assert answer.cache in ("MISS", "EXPIRED")
        # Do not compare bodies, as a public picture may have the same.
        assert not stack.is_stored(answer.stamp.encode())
        stamps.append(answer.stamp)
        assert stack.create_visitor().ask(path).status == 401
    assert len({*stamps}) == len(stamps)


@BOTH
@pytest.mark.parametrize("path", ["/plots/vault.png", "/plots/members.png"])
def test_nginx_serves_nothing_without_the_login(
    stack: Stack, path: str, careless: bool
) -> None:
    """A stored 200 would give access without a login."""
    visitor = stack.create_visitor(careless=careless)
    known = (
        stack.password(careless=careless)
        if "vault" in path
        else stack.user("carol", careless=careless)
    )
    etags = {known.ask(path).headers["ETag"] for _ in range(3)}
    for etag in etags:
        for headers in ({}, {"If_None_Match": etag}, {"Range": "bytes=0-"}):
            for method in ("GET", "HEAD"):
                assert visitor.ask(path, method, **headers).status == 401


def test_nginx_serves_nothing_without_the_password(stack: Stack) -> None:
    """nginx stores responses to ``Authorization`` unless they are private."""
    known, visitor = stack.password(), stack.create_visitor()
    assert [known.ask("/plots/gated.png").status for _ in range(2)] == [200, 200]
    assert visitor.ask("/plots/gated.png").status == 401


def test_nginx_serves_nothing_without_a_login_of_silent_sessions(
    tmp_path: Path,
) -> None:
    """The session interface adds no ``Vary: Cookie`` to the guarded pictures."""
    with serve_stack(tmp_path, FLASK_SILENT_SESSIONS="true") as found:
        for careless in (False, True):
            known = found.user("alice", careless=careless)
            for path in ("/plots/members.png", "/plots/dated-members.png?_v=1"):
                assert [known.ask(path).status for _ in range(3)] == [200] * 3
                assert found.create_visitor(careless=careless).ask(path).status == 401
        known.ask("/plots/walk.png")
        found.create_visitor(careless=True).ask_until("HIT", "/plots/walk.png")


@BOTH
def test_nginx_serves_nothing_without_the_header_of_a_login(
    stack: Stack, careless: bool
) -> None:
    """The guard reads no session, so only ``decorators`` show that there is one."""
    visitor = stack.create_visitor(careless=careless)
    known = replace(visitor, headers={"X-Forwarded-User": "alice"})
    assert [known.ask("/plots/staff.png").status for _ in range(3)] == [200] * 3
    assert visitor.ask("/plots/staff.png").status == 401


def test_nginx_stores_a_public_picture(stack: Stack) -> None:
    """After the first request, all visitors get the same copy."""
    path = "/plots/walk.png?n=8"  # No user has a picture of this width.
    first = stack.create_visitor().ask(path)
    assert (first.status, first.cache) == (200, "MISS")
    hit = stack.create_visitor().ask_until("HIT", path)
    assert (hit.body, hit.headers["ETag"]) == (first.body, first.headers["ETag"])
    again = stack.user("carol").ask(path)
    assert (again.cache, again.stamp, again.body) == ("HIT", hit.stamp, first.body)
    assert stack.is_stored(first.body)
    assert stack.is_stored(first.stamp.encode()) or stack.is_stored(hit.stamp.encode())


def test_nginx_stores_each_format(stack: Stack) -> None:
    """With ``Vary: Accept``, browsers get WebP if they accept it, else PNG."""
    wanted = {"image/webp": "image/webp", "image/png": "image/png", "*/*": "image/png"}
    for state in ("MISS", "HIT", "HIT"):
        for accept, mimetype in wanted.items():
            answer = stack.create_visitor().ask_until(
                state, "/plots/walk?n=2", Accept=accept
            )
            assert answer.headers["Content-Type"] == mimetype
            assert find_owner(answer.body) == "alice"


def test_nginx_answers_head_from_its_copy(stack: Stack) -> None:
    """HEAD has GET's headers, in any order of the two."""
    path, nobody = "/plots/walk.png?n=3", stack.create_visitor()
    head = nobody.ask(path, "HEAD")
    get = nobody.ask_until("HIT", path)
    assert (head.status, head.body) == (200, b"")
    assert find_owner(get.body) == "alice"
    later = nobody.ask(path, "HEAD")
    assert (later.cache, later.stamp, later.body) == ("HIT", get.stamp, b"")
    for name in ("ETag", "Content-Length", "Content-Type", "Last-Modified"):
        assert head.headers[name] == get.headers[name] == later.headers[name]


def test_nginx_answers_ranges_and_conditions_from_its_copy(stack: Stack) -> None:
    """It sends parts of the stored bytes, and a 304 to a client with a copy."""
    path, nobody = "/plots/walk.png?n=4", stack.create_visitor()
    part = nobody.ask(path, Range="bytes=0-9")
    whole = nobody.ask_until("HIT", path)
    assert (part.status, part.body) == (206, whole.body[:10])
    part = nobody.ask(path, Range="bytes=10-", If_Range=whole.headers["ETag"])
    assert (part.status, part.cache, part.body) == (206, "HIT", whole.body[10:])
    same = nobody.ask(path, If_None_Match=whole.headers["ETag"])
    assert (same.status, same.cache, same.body) == (304, "HIT", b"")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/plots/walk?n=x", 400, id="400"),
        pytest.param("/plots/mine", 401, id="401"),
        pytest.param("/plots/fails/404", 404, id="404"),
        pytest.param("/plots/walk?n=5", 406, id="406"),
        pytest.param("/plots/fails/500", 500, id="500"),
        pytest.param("/plots/fails/503", 503, id="503"),
    ],
)
@pytest.mark.parametrize("to", ["document", "image"])
@BOTH
def test_nginx_stores_no_error(
    stack: Stack, path: str, status: int, to: str, careless: bool
) -> None:
    """The next request reaches the app, which may be repaired."""
    nobody, sent = stack.create_visitor(careless=careless), {"Sec_Fetch_Dest": to}
    sent |= {"Accept": "text/plain"} if status == 406 else {}
    answers = [nobody.ask(path, **sent) for _ in range(3)]
    assert {answer.status for answer in answers} == {status}
    assert {answer.cache for answer in answers} == {"MISS"}
    assert len({answer.stamp for answer in answers}) == 3


def test_nginx_revalidates_after_max_age(stack: Stack) -> None:
    """A 304 makes its copy fresh for another second."""
    path, nobody = "/plots/brief.png", stack.create_visitor()
    first = nobody.ask(path)
    time.sleep(1.2)
    again = nobody.ask_until("REVALIDATED", path)
    assert again.headers["X-Upstream-Status"] == "304"
    assert (again.status, again.body) == (200, first.body)
    nobody.ask_until("HIT", path)


def test_nginx_stores_no_cookie(stack: Stack) -> None:
    """A picture with ``Set-Cookie`` is not stored, one without it is."""
    path, nobody = "/plots/walk.png?n=6", stack.create_visitor()
    for user in PERMANENT * 2:
        answer = stack.user(user).ask(path)
        assert read_user(make_site(), answer.headers["Set-Cookie"]) == user
        assert answer.cache == "MISS"
        assert not stack.is_stored(answer.stamp.encode())
    assert "Set-Cookie" not in nobody.ask(path).headers
    nobody.ask_until("HIT", path)
    for user in PERMANENT:
        answer = stack.user(user).ask(path)
        assert answer.cache == "HIT"
        assert "Set-Cookie" not in answer.headers


def test_nginx_stores_no_cookie_of_a_revalidation(stack: Stack) -> None:
    """A 304 with a user's cookie renews the copy only."""
    path, nobody = "/plots/brief.png?n=2", stack.create_visitor()
    nobody.ask(path)
    time.sleep(1.2)
    (user,) = PERMANENT[:1]
    renewed = stack.user(user).ask(path)
    assert renewed.status == 200
    if "Set-Cookie" in renewed.headers:
        assert read_user(make_site(), renewed.headers["Set-Cookie"]) == user
    for _ in range(3):
        answer = nobody.ask(path)
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert not answer.headers["Cache-Control"].startswith("private")


PERSONAL = ("/plots/mine.png", "/plots/mine", "/plots/dated.png", "/plots/dated")
GUARDED = ("/plots/members.png", "/plots/dated-members.png")
OPEN = ("/plots/walk.png?n=7", "/plots/walk?n=7")


class Interleavings:
    """Two users and a visitor on one URL, in any order, through one nginx.

    :param seed: seed of the random choices.
    """

    def __init__(self, stack: Stack, seed: int) -> None:
        self._random = random.Random(seed)
        self._clients = {
            (name, careless): stack.user(name, careless=careless)
            if name
            else stack.create_visitor(careless=careless)
            for name in ("alice", "bob", None)
            for careless in (False, True)
        }
        self._stack = stack
        self._own: dict[tuple[str | None, str], Answer] = {}

    def run(self) -> None:
        """Send the same request as several of the users."""
        url = self._random.choice([*PERSONAL, *GUARDED, *OPEN])
        url += self._random.choice(["", f"{'&' if '?' in url else '?'}_v=1"])
        careless = self._random.random() < 0.5
        users = ["alice", "bob", None]
        for name in self._random.sample(users + users, self._random.randint(3, 4)):
            self._ask(name, url, self._clients[name, careless])

    def _ask(self, name: str | None, url: str, client: Client) -> None:
        own = self._ask_app(name, url)
        known = [answer.headers.get("ETag", '"x"') for answer in self._own.values()]
        choice = self._random.choice
        headers = choice(
            [{}, {}, {"If_None_Match": choice(known)}, {"Range": "bytes=9-99"}]
        )
        answer = client.ask(url, **headers)
        match answer.status:
            case 200:
                assert answer.body == own.body
            case 206:
                assert answer.body == own.body[9:100]
            case 304:
                assert own.headers["ETag"] == headers["If_None_Match"]
            case status:
                assert (status, own.status) == (401, 401)
        assert own.status == 200 or answer.status == 401

    def _ask_app(self, name: str | None, url: str) -> Answer:
        """Return the app's own answer to the user."""
        if (name, url) not in self._own:
            headers = self._clients[name, False].headers
            own = Client(self._stack.origin, headers).ask(url)
            if own.status == 200 and url.partition("?")[0] in PERSONAL:
                assert find_owner(own.body) == name
            self._own[name, url] = own
        return self._own[name, url]


@pytest.mark.sweep
def test_any_interleaving_through_nginx_gives_each_user_their_picture(
    stack: Stack, interleavings: int
) -> None:
    """No user gets another's bytes or 304, and a visitor gets nothing."""
    users = Interleavings(stack, seed=12)
    for _ in range(interleavings):
        users.run()


def assert_each_user_gets_their_picture(port: int, users: Sequence[str]) -> None:
    """Check three requests of each of *users*, all at once."""
    clients = [Client(port).log_in(user) for user in users]
    start = Barrier(len(users), timeout=PATIENCE_S)

    def ask(client: Client) -> list[Answer]:
        start.wait()
        return [client.ask(f"/plots/mine.webp?n={n}") for n in (1, 2, 3)]

    app = make_site()
    for user, answers in zip(users, call_at_once(ask, clients), strict=True):
        assert [find_owner(answer.body) for answer in answers] == [user] * 3
        for answer in answers:
            assert answer.headers["Cache-Control"].startswith("private")
            cookie = answer.headers.get("Set-Cookie")
            assert cookie is None or read_user(app, cookie) == user


def test_a_crowd_at_a_real_server(stack: Stack) -> None:
    """Five users at once on one URL and two processes get their pictures."""
    assert_each_user_gets_their_picture(stack.origin, [*COLORS] * 8)


def test_a_crowd_with_pictures_from_workers(tmp_path: Path) -> None:
    """A worker's picture reaches the request that caused it."""
    port = find_free_port()
    with gunicorn(port, tmp_path, processes=1, FLASK_MPLSTREAM_WORKERS="2"):
        assert_each_user_gets_their_picture(port, [*COLORS] * 4)
