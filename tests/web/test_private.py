"""Private and public pictures: a browser's cache for its user, or any cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import wraps
from inspect import signature
from typing import Any

import pytest
from flask import Blueprint, Flask, Request, Response, abort, request, session
from flask.testing import FlaskClient
from flask_login import LoginManager, UserMixin, login_required
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint, figure_url
from flask_mplstream.web.app_state import AppState
from tests.support.doubles import Clock, SilentSessions

PRIVATE = "private, no-cache"
YEAR = "max-age=31536000, immutable"

View = Callable[..., Any]


def walk(n: int = 1) -> Figure:
    return Figure(figsize=(n, 1))


def of_user(user: str, n: int = 1) -> Figure:
    return Figure(figsize=(len(user), n))


def the_user() -> str:
    """Return the name of the logged-in user."""
    return str(session["user"]) if "user" in session else abort(401)


def guard(check: Callable[[], object]) -> Callable[[View], View]:
    """Return a decorator that calls *check* before the view."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return view(*args, **kwargs)

        return checked

    return decorate


def check_nothing() -> None:
    """Check nothing."""


def read_session() -> None:
    session.get("user")


def read_cookie() -> None:
    request.cookies.get("token")


def read_header() -> None:
    request.headers.get("X-Token")


def read_afterwards(view: View) -> View:
    """Read the session after the view."""

    @wraps(view)
    def read_after(**values: Any) -> Any:
        answer = view(**values)
        read_session()
        return answer

    return read_after


@dataclass
class Site:
    """An app with one figure at ``/plots/walk``, with a test's options."""

    #: Options of the route, the blueprint and the app.
    route: dict[str, Any] = field(default_factory=dict)
    blueprint: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    #: ``before_request`` functions of the blueprint, its parent and the app.
    on_blueprint: Callable[[], Any] | None = None
    on_parent: Callable[[], Any] | None = None
    on_app: Callable[[], Any] | None = None
    after: Callable[[Response], Response] | None = None
    preprocess: Callable[[Any, Any], None] | None = None
    function: Callable[..., Figure] = walk
    rule: str = "/walk"

    def app(self) -> Flask:
        app = Flask(__name__)
        app.config.update({"SECRET_KEY": "not secret"} | self.config)
        plots = FigureBlueprint(
            "plots", __name__, max_age=60, stale_while_revalidate=30, **self.blueprint
        )
        plots.figure_route(self.rule, endpoint="walk", **self.route)(self.function)
        parent = Blueprint("site", __name__, url_prefix="/plots")
        parent.register_blueprint(plots)
        if self.on_blueprint:
            plots.before_request(self.on_blueprint)
        if self.on_parent:
            parent.before_request(self.on_parent)
        if self.preprocess:
            plots.url_value_preprocessor(self.preprocess)
        app.register_blueprint(parent)
        # An app may do so after the registration of figures.
        if self.on_app:
            app.before_request(self.on_app)
        if self.after:
            app.after_request(self.after)

        @app.get("/login/<user>")
        def login(user: str) -> str:
            session["user"] = user
            return ""

        return app

    def client(self) -> FlaskClient:
        client = self.app().test_client()
        client.get("/login/alice")
        return client


def read_path(client: FlaskClient, who: str = "alice", /, **values: Any) -> str:
    """Return the figure's URL in a page of *who*."""
    with client.application.test_request_context():
        session["user"] = who
        return figure_url("site.plots.walk", **values)


def add_user(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    assert values is not None
    values["user"] = request.headers.get("X-User", "alice")


def replace_me(_endpoint: str | None, values: dict[str, Any] | None) -> None:
    assert values is not None
    if values["user"] == "me":
        values["user"] = request.headers.get("X-User", "alice")


MINE = {"inject": {"user": the_user}}
AUTHORIZED = {"Authorization": "Bearer x"}
SITES = [
    pytest.param(Site(MINE, function=of_user), {}, id="inject"),
    pytest.param(Site({"private": True}), {}, id="private"),
    pytest.param(Site({"decorators": [guard(check_nothing)]}), {}, id="decorators"),
    pytest.param(Site(blueprint={"private": True}), {}, id="private-blueprint"),
    pytest.param(Site(config={"MPLSTREAM_PRIVATE": True}), {}, id="private-app"),
    pytest.param(Site(on_blueprint=read_header), {}, id="guard-of-the-blueprint"),
    pytest.param(Site(on_parent=read_header), {}, id="guard-of-its-parent"),
    pytest.param(Site(on_app=read_session), {}, id="session-before"),
    pytest.param(Site(on_app=read_cookie), {}, id="cookie-before"),
    pytest.param(Site({"version": read_session}), {}, id="session-in-version"),
    pytest.param(
        Site({"decorators": [guard(read_session)], "private": False}),
        {},
        id="session-in-a-decorator",
    ),
    pytest.param(Site(), AUTHORIZED, id="Authorization"),
    pytest.param(
        Site(function=of_user, preprocess=add_user), {}, id="value-added-to-the-url"
    ),
    pytest.param(
        Site(function=of_user, preprocess=replace_me, rule="/of/<user>/walk"),
        {},
        id="value-changed-in-the-url",
    ),
]


def url_in(site: Site) -> str:
    return "/plots/of/me/walk" if "<user>" in site.rule else "/plots/walk"


@pytest.mark.parametrize("silent", [False, True], ids=["stock", "silent"])
@pytest.mark.parametrize(("site", "headers"), SITES)
def test_a_picture_that_depends_on_a_user_is_private_and_revalidated(
    site: Site, headers: Mapping[str, str], silent: bool
) -> None:
    """It holds for each status, miss and hit, and any session interface."""
    client = site.client()
    if silent:
        client.application.session_interface = SilentSessions()
    url = url_in(site)
    first = client.get(url, headers=headers)
    etag = first.headers["ETag"]
    answers = [
        first,
        client.get(url, headers=headers),
        client.head(url, headers=headers),
        client.get(url, headers={**headers, "If-None-Match": etag}),
        client.get(url, headers={**headers, "Range": "bytes=0-9"}),
    ]
    assert [r.status_code for r in answers] == [200, 200, 200, 304, 206]
    for answer in answers:
        assert answer.headers["Cache-Control"] == PRIVATE
        assert "Cookie" in answer.headers["Vary"]
        assert "Authorization" in answer.headers["Vary"]
        assert "Last-Modified" not in answer.headers


@pytest.mark.parametrize(("site", "headers"), SITES)
@pytest.mark.parametrize("version", [1, 2])
def test_a_versioned_url_is_kept_only_if_it_identifies_the_user(
    site: Site, headers: Mapping[str, str], version: int
) -> None:
    """Otherwise the browser revalidates the picture."""
    current, read = {"of": 1}, site.route.get("version", check_nothing)

    def version_of() -> int:
        read()
        return current["of"]

    site = replace(site, route={**site.route, "version": version_of})
    client = site.client()
    url = read_path(client, **({"user": "me"} if site.preprocess else {}))
    if site.preprocess is add_user:
        url = url.replace("user=me&", "")  # It is set by another server.
    current["of"] = version
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    is_personal = bool(site.route.get("inject")) and version == 1
    expected = f"private, {YEAR}" if is_personal else PRIVATE
    assert answer.headers["Cache-Control"] == expected


@pytest.fixture
def versioned() -> FlaskClient:
    """Serve a user's figure with a version."""
    route = {**MINE, "version": lambda: 1}
    return Site(route, function=of_user).client()


def test_another_users_url_is_revalidated(versioned: FlaskClient) -> None:
    """A browser may not keep it for this user."""
    mine, theirs = (read_path(versioned, user) for user in ("alice", "bob"))
    assert mine != theirs
    assert versioned.get(mine).headers["Cache-Control"] == f"private, {YEAR}"
    for url in (theirs, "/plots/walk?_v=1", "/plots/walk"):
        assert versioned.get(url).headers["Cache-Control"] == PRIVATE


def test_another_apps_url_is_revalidated(versioned: FlaskClient) -> None:
    """The version is an HMAC with the app's secret."""
    config = {"SECRET_KEY": "another"}
    route = {**MINE, "version": lambda: 1}
    other = Site(route, function=of_user, config=config).client()
    assert other.get(read_path(versioned)).headers["Cache-Control"] == PRIVATE


def test_a_url_of_an_old_secret_is_revalidated(versioned: FlaskClient) -> None:
    """``SECRET_KEY_FALLBACKS`` open sessions only; pages get a new URL."""
    old = read_path(versioned)
    versioned.application.config.update(
        SECRET_KEY="new", SECRET_KEY_FALLBACKS=["not secret"]
    )
    assert versioned.get(old).headers["Cache-Control"] == PRIVATE
    new = read_path(versioned)
    assert versioned.get(new).headers["Cache-Control"] == f"private, {YEAR}"


def test_without_a_secret_no_url_identifies_a_user() -> None:
    """Each picture is revalidated."""
    inject = {"user": lambda: request.headers.get("X-User", "alice")}
    site = Site(
        {"inject": inject, "version": lambda: 1},
        function=of_user,
        config={"SECRET_KEY": None},
    )
    client = site.app().test_client()
    with client.application.test_request_context():
        url = figure_url("site.plots.walk")
    assert client.get(url).headers["Cache-Control"] == PRIVATE


def test_arguments_that_a_preprocessor_adds_are_in_the_version() -> None:
    """Users may have equal injected values."""
    site = Site(
        {"inject": {"n": lambda: 1}, "version": lambda: 1},
        function=of_user,
        preprocess=add_user,
    )
    client = site.app().test_client()
    app = client.application
    with app.test_request_context():
        route = AppState.of(app).routes["site.plots.walk"]
        urls = [route.version_of(route.bind({"user": u})) for u in ("alice", "bob")]
    mine = client.get(f"/plots/walk?_v={urls[0]}")
    theirs = client.get(f"/plots/walk?_v={urls[1]}")
    assert mine.headers["Cache-Control"] == f"private, {YEAR}"
    assert theirs.headers["Cache-Control"] == PRIVATE


def test_a_public_version_is_kept_by_all_caches() -> None:
    """Nothing in it depends on a user."""
    client = Site({"version": lambda: 1}).client()
    answer = client.get(read_path(client))
    assert answer.headers["Cache-Control"] == YEAR
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    ("route", "function", "expected"),
    [
        pytest.param({}, walk, "no-cache", id="public"),
        pytest.param(MINE, of_user, PRIVATE, id="private"),
    ],
)
def test_an_older_picture_is_not_kept_as_the_current_one(
    route: dict[str, Any], function: View, expected: str, clock: Clock
) -> None:
    """It is sent under the current version's URL if a render fails."""
    broken: list[bool] = []

    def draw(**values: Any) -> Figure:
        if broken:
            raise LookupError("no data")
        return Figure(figsize=(1, 1))

    vars(draw)["__signature__"] = signature(function)
    site = Site({**route, "version": lambda: 1}, function=draw)
    client = site.client()
    url = read_path(client)
    assert YEAR in client.get(url).headers["Cache-Control"]
    broken.append(True)
    clock.now += 100
    answer = client.get(url)
    assert "fwd-status=500" in answer.headers["Cache-Status"]
    assert answer.headers["Cache-Control"] == expected


@pytest.mark.parametrize("expires_in", [None, 60.0])
def test_a_signed_url_of_a_private_picture_is_revalidated(
    expires_in: float | None,
) -> None:
    """The signature does not identify the user."""
    options = {"signed": True, **({"expires_in": expires_in} if expires_in else {})}
    site = Site({**MINE, **options}, function=of_user)
    client = site.client()
    url = read_path(client)
    assert client.get(url).headers["Cache-Control"] == PRIVATE
    etag = client.get(url).headers["ETag"]
    again = client.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.headers["Cache-Control"]) == (304, PRIVATE)


def test_a_url_that_expires_is_not_kept_for_a_year() -> None:
    """The user's own version does not change that."""
    options = {"signed": True, "expires_in": 60.0, "version": lambda: 1}
    client = Site({**MINE, **options}, function=of_user).client()
    assert client.get(read_path(client)).headers["Cache-Control"] == PRIVATE


def test_remote_user_makes_a_picture_private() -> None:
    """Servers with their own login set ``REMOTE_USER``."""
    client = Site().client()
    known = client.get("/plots/walk", environ_overrides={"REMOTE_USER": "alice"})
    unknown = client.get("/plots/walk", environ_overrides={"REMOTE_USER": ""})
    assert known.headers["Cache-Control"] == PRIVATE
    assert "private" not in unknown.headers["Cache-Control"]


# --- Options -----------------------------------------------------------------

GUARD = {"decorators": [guard(check_nothing)]}


@pytest.mark.parametrize(
    ("site", "is_private"),
    [
        pytest.param(Site(), False, id="open"),
        pytest.param(Site({**GUARD, "private": False}), False, id="route-route"),
        pytest.param(Site({"private": False}, GUARD), False, id="route-blueprint"),
        pytest.param(
            Site({"private": False}, {"private": True}),
            False,
            id="route-over-blueprint",
        ),
        pytest.param(Site(GUARD, {"private": False}), True, id="blueprint-route"),
        pytest.param(
            Site(blueprint={**GUARD, "private": False}), False, id="blueprint-blueprint"
        ),
        pytest.param(
            Site(GUARD, config={"MPLSTREAM_PRIVATE": False}), True, id="app-route"
        ),
        pytest.param(
            Site(blueprint=GUARD, config={"MPLSTREAM_PRIVATE": False}),
            True,
            id="app-blueprint",
        ),
        pytest.param(
            Site(blueprint={"private": False}, config={"MPLSTREAM_PRIVATE": True}),
            False,
            id="blueprint-over-app",
        ),
        pytest.param(
            Site({"private": False}, on_blueprint=check_nothing),
            False,
            id="route-guard",
        ),
        pytest.param(
            Site(blueprint={"private": False}, on_parent=check_nothing),
            False,
            id="blueprint-guard",
        ),
        pytest.param(
            Site(on_blueprint=check_nothing, config={"MPLSTREAM_PRIVATE": False}),
            True,
            id="app-guard",
        ),
        pytest.param(
            Site({"decorators": []}, GUARD), False, id="no-decorators-after-all"
        ),
        pytest.param(
            Site({**MINE, "private": False}, function=of_user), True, id="inject-always"
        ),
    ],
)
def test_private_false_covers_its_layer_and_wider_ones(
    site: Site, is_private: bool
) -> None:
    """A narrower layer's guard still makes the picture private."""
    answer = site.client().get("/plots/walk")
    assert answer.status_code == 200
    assert ("private" in answer.headers["Cache-Control"]) is is_private


def test_a_decorator_that_reads_the_session_afterwards_counts() -> None:
    """``private=False`` does not promise that the session is unread."""

    def count(view: View) -> View:
        @wraps(view)
        def counted(*args: Any, **kwargs: Any) -> Any:
            answer = view(*args, **kwargs)
            read_session()
            return answer

        return counted

    client = Site({"decorators": [count], "private": False}).client()
    for headers in ({}, {"If-None-Match": "*"}):
        answer = client.get("/plots/walk", headers=headers)
        assert answer.headers["Cache-Control"] == PRIVATE


# --- After the view ----------------------------------------------------------


def after_reading(response: Response) -> Response:
    read_session()
    return response


@pytest.mark.parametrize(
    "headers", [{}, {"If-None-Match": "*"}, {"Range": "bytes=0-9"}]
)
@pytest.mark.parametrize("path", ["/plots/walk", "/plots/walk.png"])
def test_a_session_read_after_the_view_leaves_a_picture_public(
    headers: dict[str, str], path: str
) -> None:
    """Neither the picture nor the access can depend on it."""
    client = Site(after=after_reading).client()
    answer = client.get(path, headers=headers)
    assert answer.headers["Cache-Control"].startswith("max-age=60")
    assert answer.headers.get("Vary") == (None if ".png" in path else "Accept")


def test_a_public_picture_stays_public_with_flask_login() -> None:
    """Its hook reads the session after each view."""

    class User(UserMixin):
        id = "alice"

    def logged_in(site: Site) -> FlaskClient:
        app = site.app()
        LoginManager(app).user_loader(lambda name: User())
        client = app.test_client()
        with client.session_transaction() as stored:
            stored["_user_id"] = "alice"
        return client

    answer = logged_in(Site()).get("/plots/walk.png")
    assert "private" not in answer.headers["Cache-Control"]
    assert "Vary" not in answer.headers
    client = logged_in(Site({"decorators": [login_required]}))
    assert client.get("/plots/walk.png").headers["Cache-Control"] == PRIVATE
    assert client.application.test_client().get("/plots/walk").status_code == 401


def test_a_hook_that_adds_vary_cookie_makes_a_picture_private() -> None:
    """The session was not read, but the app may use another cookie."""

    def vary(response: Response) -> Response:
        response.vary.add("Cookie")
        return response

    answer = Site(after=vary).client().get("/plots/walk")
    assert answer.headers["Cache-Control"] == PRIVATE


@pytest.mark.parametrize(
    "said",
    [
        "public, max-age=3600",
        "max-age=3600",
        "private, max-age=3600",
        "private, no-cache, public",
        'private, no-cache="Set-Cookie", max-age=3600',
        f"private, {YEAR}",
        "",
    ],
)
@pytest.mark.parametrize(
    "site",
    [
        pytest.param(Site(MINE, function=of_user), id="inject"),
        pytest.param(Site(on_app=read_session), id="session-before"),
        pytest.param(
            Site({"decorators": [read_afterwards], "private": False}),
            id="session-after-the-view",
        ),
    ],
)
def test_a_hook_cannot_make_a_private_picture_public(site: Site, said: str) -> None:
    """The app sets one ``Cache-Control`` on all responses."""

    def set_cache_control(response: Response) -> Response:
        read_session()
        response.headers["Cache-Control"] = said
        return response

    answer = replace(site, after=set_cache_control).client().get("/plots/walk")
    assert answer.headers["Cache-Control"] == PRIVATE


def test_a_hook_may_forbid_storing() -> None:
    """A stricter ``Cache-Control`` is unchanged."""

    def set_cache_control(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    site = Site(MINE, function=of_user, after=set_cache_control)
    assert site.client().get("/plots/walk").headers["Cache-Control"] == "no-store"


def test_a_cookie_of_a_hook_makes_the_response_private() -> None:
    """No proxy stores the cookie; the picture stays fresh."""

    def visit(response: Response) -> Response:
        response.set_cookie("visits", "1")
        return response

    answer = Site(after=visit).client().get("/plots/walk")
    assert answer.cache_control.private
    assert answer.cache_control.max_age == 60


def test_a_cookie_is_seen_with_the_apps_request_class() -> None:
    """The package's class inherits from it."""

    class Mine(Request):
        @property
        def token(self) -> str:
            return self.cookies.get("token", "")

    def check() -> None:
        assert isinstance(request, Mine)
        assert isinstance(request.token, str)

    app = Site(on_app=check).app()
    app.request_class = Mine
    AppState(app)  # A later registration would have this effect.
    answer = app.test_client().get("/plots/walk")
    assert answer.headers["Cache-Control"] == PRIVATE
