"""Who may keep a picture: a browser for its user, or everybody's proxy."""

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
    """Who is logged in."""
    return str(session["user"]) if "user" in session else abort(401)


def guarded(check: Callable[[], object]) -> Callable[[View], View]:
    """A decorator that calls *check* in front of the view."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            check()
            return view(*args, **kwargs)

        return checked

    return decorate


def nothing() -> None:
    """Check nothing that can be seen from outside."""


def read_session() -> None:
    session.get("user")


def read_cookie() -> None:
    request.cookies.get("token")


def read_header() -> None:
    request.headers.get("X-Token")


def reading_afterwards(view: View) -> View:
    """A decorator that finds out who it is once there is a picture."""

    @wraps(view)
    def read_after(**values: Any) -> Any:
        answer = view(**values)
        read_session()
        return answer

    return read_after


@dataclass
class Site:
    """An app with one figure at ``/plots/walk``, put together as a test wants it."""

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
        # After the figures were registered, as an app may do it.
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


def path_of(client: FlaskClient, who: str = "alice", /, **values: Any) -> str:
    """What a page of *who* has as the URL of the figure."""
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
    pytest.param(Site({"decorators": [guarded(nothing)]}), {}, id="decorators"),
    pytest.param(Site(blueprint={"private": True}), {}, id="private-blueprint"),
    pytest.param(Site(config={"MPLSTREAM_PRIVATE": True}), {}, id="private-app"),
    pytest.param(Site(on_blueprint=read_header), {}, id="guard-of-the-blueprint"),
    pytest.param(Site(on_parent=read_header), {}, id="guard-of-its-parent"),
    pytest.param(Site(on_app=read_session), {}, id="session-before"),
    pytest.param(Site(on_app=read_cookie), {}, id="cookie-before"),
    pytest.param(Site({"version": read_session}), {}, id="session-in-version"),
    pytest.param(
        Site({"decorators": [guarded(read_session)], "private": False}),
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
def test_what_depends_on_a_person_is_private_and_asked_for_again(
    site: Site, headers: Mapping[str, str], silent: bool
) -> None:
    """Each status, miss and hit, whatever the session interface says by itself."""
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
def test_a_version_says_whose_it_is_or_is_asked_for_again(
    site: Site, headers: Mapping[str, str], version: int
) -> None:
    """The current version's URL is kept only if it is one user's."""
    current, read = {"of": 1}, site.route.get("version", nothing)

    def version_of() -> int:
        read()
        return current["of"]

    site = replace(site, route={**site.route, "version": version_of})
    client = site.client()
    url = path_of(client, **({"user": "me"} if site.preprocess else {}))
    if site.preprocess is add_user:
        url = url.replace("user=me&", "")  # That comes from elsewhere.
    current["of"] = version
    answer = client.get(url, headers=headers)
    assert answer.status_code == 200
    is_personal = bool(site.route.get("inject")) and version == 1
    expected = f"private, {YEAR}" if is_personal else PRIVATE
    assert answer.headers["Cache-Control"] == expected


@pytest.fixture
def versioned() -> FlaskClient:
    """A figure of a user, with a version."""
    route = {**MINE, "version": lambda: 1}
    return Site(route, function=of_user).client()


def test_another_users_url_is_asked_for_again(versioned: FlaskClient) -> None:
    """What one user's page names is nothing that a browser may keep for another."""
    mine, theirs = (path_of(versioned, user) for user in ("alice", "bob"))
    assert mine != theirs
    assert versioned.get(mine).headers["Cache-Control"] == f"private, {YEAR}"
    for url in (theirs, "/plots/walk?_v=1", "/plots/walk"):
        assert versioned.get(url).headers["Cache-Control"] == PRIVATE


def test_another_apps_url_is_asked_for_again(versioned: FlaskClient) -> None:
    """The version is an HMAC: only the app's secret makes it."""
    config = {"SECRET_KEY": "another"}
    route = {**MINE, "version": lambda: 1}
    other = Site(route, function=of_user, config=config).client()
    assert other.get(path_of(versioned)).headers["Cache-Control"] == PRIVATE


def test_a_url_of_an_old_secret_is_asked_for_again(versioned: FlaskClient) -> None:
    """``SECRET_KEY_FALLBACKS`` open sessions; pages get a new URL at once."""
    old = path_of(versioned)
    versioned.application.config.update(
        SECRET_KEY="new", SECRET_KEY_FALLBACKS=["not secret"]
    )
    assert versioned.get(old).headers["Cache-Control"] == PRIVATE
    new = path_of(versioned)
    assert versioned.get(new).headers["Cache-Control"] == f"private, {YEAR}"


def test_without_a_secret_no_url_is_a_users() -> None:
    """Nothing could tell one user's from another's."""
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
    """Injected values may be equal where the users are not."""
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


def test_a_public_version_is_kept_by_all() -> None:
    """The counterpart: nothing of a person is in it."""
    client = Site({"version": lambda: 1}).client()
    answer = client.get(path_of(client))
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
    """If a render fails, the last good picture under the current version's URL."""
    broken: list[bool] = []

    def draw(**values: Any) -> Figure:
        if broken:
            raise LookupError("no data")
        return Figure(figsize=(1, 1))

    vars(draw)["__signature__"] = signature(function)
    site = Site({**route, "version": lambda: 1}, function=draw)
    client = site.client()
    url = path_of(client)
    assert YEAR in client.get(url).headers["Cache-Control"]
    broken.append(True)
    clock.now += 100
    answer = client.get(url)
    assert "fwd-status=500" in answer.headers["Cache-Status"]
    assert answer.headers["Cache-Control"] == expected


@pytest.mark.parametrize("expires_in", [None, 60.0])
def test_a_signed_url_of_a_private_picture_is_asked_for_again(
    expires_in: float | None,
) -> None:
    """The signature does not say whose picture it is."""
    options = {"signed": True, **({"expires_in": expires_in} if expires_in else {})}
    site = Site({**MINE, **options}, function=of_user)
    client = site.client()
    url = path_of(client)
    assert client.get(url).headers["Cache-Control"] == PRIVATE
    etag = client.get(url).headers["ETag"]
    again = client.get(url, headers={"If-None-Match": etag})
    assert (again.status_code, again.headers["Cache-Control"]) == (304, PRIVATE)


def test_a_url_that_expires_is_not_kept_for_a_year() -> None:
    """Not even under the user's own version."""
    options = {"signed": True, "expires_in": 60.0, "version": lambda: 1}
    client = Site({**MINE, **options}, function=of_user).client()
    assert client.get(path_of(client)).headers["Cache-Control"] == PRIVATE


def test_a_server_that_knows_the_user_makes_it_private() -> None:
    """``REMOTE_USER`` is set by servers that ask for a password themselves."""
    client = Site().client()
    known = client.get("/plots/walk", environ_overrides={"REMOTE_USER": "alice"})
    unknown = client.get("/plots/walk", environ_overrides={"REMOTE_USER": ""})
    assert known.headers["Cache-Control"] == PRIVATE
    assert "private" not in unknown.headers["Cache-Control"]


# --- What the options say --------------------------------------------------------

GUARD = {"decorators": [guarded(nothing)]}


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
            Site({"private": False}, on_blueprint=nothing), False, id="route-guard"
        ),
        pytest.param(
            Site(blueprint={"private": False}, on_parent=nothing),
            False,
            id="blueprint-guard",
        ),
        pytest.param(
            Site(on_blueprint=nothing, config={"MPLSTREAM_PRIVATE": False}),
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
def test_private_false_speaks_of_its_own_layer_and_wider_ones(
    site: Site, is_private: bool
) -> None:
    """Route over blueprint over app; a guard counts unless its layer says so."""
    answer = site.client().get("/plots/walk")
    assert answer.status_code == 200
    assert ("private" in answer.headers["Cache-Control"]) is is_private


def test_a_decorator_that_reads_the_session_afterwards_is_seen() -> None:
    """``private=False`` is no promise that the session is not read."""

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


# --- What comes after the view ---------------------------------------------------


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
    """Neither picture nor access can depend on it; ``Vary`` keeps what is ours."""
    client = Site(after=after_reading).client()
    answer = client.get(path, headers=headers)
    assert answer.headers["Cache-Control"].startswith("max-age=60")
    assert answer.headers.get("Vary") == (None if ".png" in path else "Accept")


def test_a_public_picture_stays_public_beside_flask_login() -> None:
    """Its hook reads the session after each view; a guarded picture is private."""

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


def test_a_hook_that_says_vary_cookie_makes_it_private() -> None:
    """The app knows more than the package: the session was not read at all."""

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
            Site({"decorators": [reading_afterwards], "private": False}),
            id="session-after-the-view",
        ),
    ],
)
def test_a_hook_opens_no_private_picture(site: Site, said: str) -> None:
    """An app that gives all its responses one ``Cache-Control``, and reads sessions."""

    def say(response: Response) -> Response:
        read_session()
        response.headers["Cache-Control"] = said
        return response

    answer = replace(site, after=say).client().get("/plots/walk")
    assert answer.headers["Cache-Control"] == PRIVATE


def test_a_hook_may_forbid_storing() -> None:
    """What is stricter stays as it is."""

    def say(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-store"
        return response

    site = Site(MINE, function=of_user, after=say)
    assert site.client().get("/plots/walk").headers["Cache-Control"] == "no-store"


def test_a_cookie_of_a_hook_makes_the_response_private() -> None:
    """No proxy gets the cookie; the picture itself is anybody's and stays fresh."""

    def visit(response: Response) -> Response:
        response.set_cookie("visits", "1")
        return response

    answer = Site(after=visit).client().get("/plots/walk")
    assert answer.cache_control.private
    assert answer.cache_control.max_age == 60


def test_an_app_may_have_a_request_class() -> None:
    """Cookies are seen through it as well."""

    class Mine(Request):
        @property
        def token(self) -> str:
            return self.cookies.get("token", "")

    def check() -> None:
        assert isinstance(request, Mine)
        assert isinstance(request.token, str)

    app = Site(on_app=check).app()
    app.request_class = Mine
    AppState(app)  # As a registration after that would do.
    answer = app.test_client().get("/plots/walk")
    assert answer.headers["Cache-Control"] == PRIVATE
