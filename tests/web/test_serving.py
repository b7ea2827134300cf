"""Serving: the picture, the number of renders, and the headers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from threading import Semaphore
from typing import Any

import http_sf
import pytest
from flask import Flask, Response, abort, g, request, session
from flask.testing import FlaskClient
from flask_caching import Cache
from matplotlib.figure import Figure
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound

from flask_mplstream import ConfigError, FigureBlueprint, ImageTooLargeError
from flask_mplstream.cache import single_flight
from flask_mplstream.http.headers import HIT_TIMING
from flask_mplstream.testing import record_renders
from flask_mplstream.web.private_responses import PictureResponse, ReadyHeaders
from flask_mplstream.web.request_reading import LONGEST_REMEMBERED
from tests.support.doubles import Clock, Counter
from tests.support.pictures import pixels

Serve = Callable[..., FlaskClient]


@pytest.fixture
def walk(plots: FigureBlueprint, renders: Counter) -> None:
    """Serve a figure at ``/plots/walk`` that counts its renders."""

    @plots.figure_route("/walk", max_age=60)
    def walk(n: int = 2, seed: int = 0) -> Figure:
        """A random walk."""
        renders(n, seed)
        return Figure(figsize=(n, 1))


def cache_status(response: Any) -> tuple[Any, dict[str, Any]]:
    """Return the one member of ``Cache-Status``: the name and the parameters."""
    parsed: Any = http_sf.parse(
        response.headers["Cache-Status"].encode(), tltype="list"
    )
    ((name, parameters),) = parsed
    return str(name), parameters


pytestmark = pytest.mark.usefixtures("walk")


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("?n=3&seed=0", id="same"),
        pytest.param("?seed=0&n=3", id="order"),
        pytest.param("?n=03", id="spelling-and-default"),
        pytest.param(".png?n=3", id="extension"),
        pytest.param("?n=3&_scale=1", id="scale-1"),
        pytest.param("?n=3&_download=1", id="download"),
    ],
)
def test_one_picture_is_rendered_once(
    serve: Serve, renders: Counter, second: str
) -> None:
    """All URLs of a picture have one key."""
    client = serve()
    first = client.get("/plots/walk?n=3")
    again = client.get(f"/plots/walk{second}")
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.data == again.data
    assert renders.calls == [(3, 0)]
    assert cache_status(first)[1] == {"fwd": "uri-miss", "stored": True}
    assert cache_status(again)[1]["hit"] is True


@pytest.mark.parametrize(
    "second",
    [
        pytest.param("?n=4", id="argument"),
        pytest.param(".svg?n=3", id="format"),
        pytest.param("?n=3&_scale=2", id="scale"),
    ],
)
def test_another_picture_is_rendered_again(serve: Serve, second: str) -> None:
    """Arguments, format and scale are part of the key."""
    client = serve()
    with record_renders(client.application) as renders:
        first = client.get("/plots/walk?n=3").data
        assert first != client.get(f"/plots/walk{second}").data
    assert len(renders) == 2


def test_shapes_have_no_scale(serve: Serve, renders: Counter) -> None:
    """SVG is sharp at any size: every scale is the same picture."""
    client = serve()
    assert (
        client.get("/plots/walk.svg").data
        == client.get("/plots/walk.svg?_scale=2").data
    )
    assert len(renders) == 1


def test_scale_multiplies_the_pixels(serve: Serve) -> None:
    """``_scale=2`` has twice the pixels each way, for dense screens."""
    client = serve()
    assert pixels(client.get("/plots/walk?n=2").data).shape == (100, 200, 4)
    assert pixels(client.get("/plots/walk?n=2&_scale=2").data).shape == (200, 400, 4)
    assert client.get("/plots/walk?_scale=7").status_code == 400


def test_a_picture_has_all_its_headers(serve: Serve) -> None:
    """A 200 can be stored, revalidated, saved and embedded safely."""
    response = serve().get("/plots/walk?n=3")
    headers = dict(response.headers)
    etag = headers.pop("ETag")
    assert etag.startswith('"')
    assert headers.pop("Server-Timing").startswith('wait;desc="wait for a turn";dur=')
    assert headers.pop("Last-Modified").endswith("GMT")
    assert headers == {
        "Accept-Ranges": "bytes",
        "Cache-Control": "max-age=60, stale-if-error=86400",
        "Cache-Status": "flask-mplstream; fwd=uri-miss; stored",
        "Content-Disposition": "inline; filename=walk-n-3.png",
        "Content-Length": str(len(response.data)),
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Type": "image/png",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Vary": "Accept",
        "X-Content-Type-Options": "nosniff",
    }


def test_a_named_format_does_not_vary(serve: Serve) -> None:
    """With an extension, ``Accept`` selects nothing."""
    client = serve()
    response = client.get("/plots/walk.png", headers={"Accept": "text/html"})
    assert response.status_code == 200
    assert "Vary" not in response.headers


def test_a_304_has_the_required_headers_only(serve: Serve, renders: Counter) -> None:
    """A 304 has the headers of RFC 9110 section 15.4.5 and a cache status; no body."""
    client = serve()
    first = client.get("/plots/walk")
    again = client.get("/plots/walk", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    assert set(again.headers.keys()) == {
        *("ETag", "Vary", "Cache-Control", "Cache-Status", "Server-Timing")
    }
    assert again.headers["ETag"] == first.headers["ETag"]
    assert len(renders) == 1


def test_head_is_get_without_the_body(serve: Serve) -> None:
    """HEAD has GET's headers, except those of the render."""
    client = serve()
    client.get("/plots/walk")
    get, head = client.get("/plots/walk"), client.head("/plots/walk")
    assert head.data == b""
    assert dict(head.headers) == dict(get.headers)


def test_a_range_is_a_part_of_the_stored_bytes(serve: Serve) -> None:
    """A 206 has the requested bytes and their range."""
    client = serve()
    whole = client.get("/plots/walk")
    part = client.get("/plots/walk", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206
    assert part.data == whole.data[10:20]
    assert part.headers["Content-Range"] == f"bytes 10-19/{len(whole.data)}"
    assert part.headers["Content-Length"] == "10"
    beyond = client.get("/plots/walk", headers={"Range": "bytes=9999999-"})
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole.data)}"


def test_a_failed_precondition_carries_no_picture(serve: Serve) -> None:
    """A 412 is a problem, not the image."""
    response = serve().get("/plots/walk", headers={"If-Match": '"other"'})
    assert response.status_code == 412
    assert response.mimetype == "application/problem+json"


def test_other_methods_are_not_allowed(serve: Serve) -> None:
    """A 405 has ``Allow``, and OPTIONS has the same."""
    client = serve()
    refused = client.post("/plots/walk")
    assert refused.status_code == 405
    assert {*refused.headers["Allow"].split(", ")} == {"GET", "HEAD", "OPTIONS"}
    assert client.options("/plots/walk").status_code == 200


def test_a_download_has_a_good_file_name(serve: Serve) -> None:
    """The name identifies the picture and has its format's extension."""
    response = serve().get("/plots/walk.svg?n=3&seed=5&_download=1")
    assert (
        response.headers["Content-Disposition"]
        == "attachment; filename=walk-n-3-seed-5.svg"
    )


@pytest.mark.parametrize(
    ("extension", "policy"),
    [
        pytest.param("png", "default-src 'none'; sandbox", id="png"),
        pytest.param(
            "svg",
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
            id="svg",
        ),
        pytest.param("pdf", None, id="pdf-viewers-need-none"),
    ],
)
def test_a_picture_opened_directly_runs_nothing(
    serve: Serve, extension: str, policy: str | None
) -> None:
    """The policy runs no script and keeps an SVG's colors."""
    response = serve().get(f"/plots/walk.{extension}")
    assert response.headers.get("Content-Security-Policy") == policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_max_age_counts_down(serve: Serve, clock: Clock, renders: Counter) -> None:
    """The browser keeps a picture no longer than the store does."""
    client = serve()
    client.get("/plots/walk")
    clock.now += 20.5
    response = client.get("/plots/walk")
    assert response.cache_control.max_age == 40
    assert cache_status(response)[1] == {"hit": True, "ttl": 40}
    clock.now += 39.5
    response = client.get("/plots/walk")
    assert response.cache_control.max_age == 60
    assert len(renders) == 2


def test_an_age_of_0_stores_nothing(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """``max_age=0`` renders for each request, and browsers revalidate."""

    @plots.figure_route("/now", max_age=0)
    def now() -> Figure:
        renders(None)
        return Figure(figsize=(1, 1))

    client = serve()
    for _ in range(2):
        response = client.get("/plots/now")
        assert response.headers["Cache-Control"] == "no-cache"
        assert cache_status(response)[1] == {"fwd": "bypass"}
    assert len(renders) == 2


def test_a_bad_argument_is_a_problem(serve: Serve, renders: Counter) -> None:
    """A 400 names argument, value, accepted values and the nearest name."""
    response = serve().get("/plots/walk?n=b&sed=1")
    assert response.status_code == 400
    assert response.mimetype == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    problem = response.get_json(force=True)
    assert problem["status"] == 400
    assert problem["instance"] == "/plots/walk"
    assert problem["errors"][0] == {
        "name": "sed",
        "value": "1",
        "reason": "There is no such argument.",
        "accepted": "n, seed",
        "nearest": "seed",
    }
    assert problem["errors"][1]["name"] == "n"
    assert not renders.calls


def test_a_page_gets_its_problem_as_a_picture(serve: Serve) -> None:
    """An ``<img>`` shows the error, with the same status."""
    response = serve().get("/plots/walk?n=b", headers={"Sec-Fetch-Dest": "image"})
    assert response.status_code == 400
    assert response.mimetype == "image/png"
    assert response.headers["Cache-Control"] == "no-store"
    picture = pixels(response.data)
    assert picture.shape[1] == 640
    assert len({tuple(color) for color in picture.reshape(-1, 4)}) > 10


def test_unknown_arguments_can_be_ignored(serve: Serve, renders: Counter) -> None:
    """With ``MPLSTREAM_UNKNOWN_ARGS = "ignore"`` they add no picture."""
    client = serve(MPLSTREAM_UNKNOWN_ARGS="ignore")
    assert client.get("/plots/walk?utm_source=x&_zz=1").status_code == 200
    assert client.get("/plots/walk?utm_source=y").status_code == 200
    assert len(renders) == 1


def test_no_acceptable_format_is_406(serve: Serve, renders: Counter) -> None:
    """The problem lists the offered types, and varies by ``Accept`` too."""
    response = serve().get("/plots/walk", headers={"Accept": "text/plain"})
    assert response.status_code == 406
    assert response.headers["Vary"] == "Accept"
    assert "image/png" in response.get_json(force=True)["available"]
    assert not renders.calls


@pytest.mark.parametrize(
    ("length", "remembered"),
    [
        pytest.param(LONGEST_REMEMBERED, 1, id="as-long-as-can-be"),
        pytest.param(LONGEST_REMEMBERED + 1, 0, id="too-long"),
    ],
)
def test_a_long_query_is_served_and_not_remembered(
    serve: Serve, renders: Counter, length: int, remembered: int
) -> None:
    """The memory per URL is bounded, whatever clients request."""
    client = serve(MPLSTREAM_UNKNOWN_ARGS="ignore")
    query = "n=3&utm=".ljust(length, "x")
    for _ in range(2):
        assert client.get(f"/plots/walk?{query}").status_code == 200
    assert renders.calls == [(3, 0)]
    view: Any = client.application.view_functions["plots.walk"]
    assert view.__self__._reader._remember_url.cache_info().currsize == remembered


def test_a_request_with_invalid_bytes_gets_a_response(serve: Serve) -> None:
    """A query string that is not UTF-8 is a 400, not an exception."""
    client = serve()
    hostile = {"QUERY_STRING": "n=\xff&%ff=%00"}
    response = client.get("/plots/walk", environ_overrides=hostile)
    assert response.status_code == 400
    assert client.get("/plots/walk", query_string="n=1&" * 2000).status_code == 400
    assert client.get("/plots/walk", query_string="n=1&" * 201).status_code == 400


def fails() -> Figure:
    raise LookupError("no data")


def aborts() -> Figure:
    abort(404, "nothing to see")


def answers() -> Response:
    return Response("busy", 503, {"Retry-After": "5"})


@pytest.mark.parametrize(
    ("function", "status"),
    [
        pytest.param(fails, 500, id="exception"),
        pytest.param(aborts, 404, id="abort"),
        pytest.param(answers, 503, id="response"),
    ],
)
def test_an_error_is_never_stored(
    plots: FigureBlueprint, serve: Serve, function: Callable[[], Figure], status: int
) -> None:
    """Flask handles it, the next request renders again, and no cache stores it."""
    calls = []

    @plots.figure_route("/bad", error_backoff=0)
    def bad() -> Figure:
        calls.append(1)
        return function()

    client = serve(PROPAGATE_EXCEPTIONS=False)
    for _ in range(2):
        response = client.get("/plots/bad")
        assert response.status_code == status
        assert response.headers["Cache-Control"] == "no-store"
    assert len(calls) == 2


@pytest.mark.parametrize("passes", [False, True], ids=["stream", "file"])
def test_a_streamed_response_reaches_all_followers(
    plots: FigureBlueprint,
    serve: Serve,
    monkeypatch: pytest.MonkeyPatch,
    passes: bool,
) -> None:
    """A stream can be read once, so it is read before it is shared."""
    waiting = Semaphore(0)

    class Watched(Future[Any]):
        def exception(self, timeout: float | None = None) -> BaseException | None:
            waiting.release()
            return super().exception(timeout)

    monkeypatch.setattr(single_flight, "Future", Watched)

    @plots.figure_route("/streamed")
    def streamed() -> Response:
        for _ in range(3):  # The leader waits as well, for its own render.
            assert waiting.acquire(timeout=10)
        return Response(iter([b"some ", b"text"]), direct_passthrough=passes)

    app = serve().application
    with ThreadPoolExecutor(3) as pool:
        asked = [
            pool.submit(app.test_client().get, "/plots/streamed") for _ in range(3)
        ]
        bodies = [response.result(10).data for response in asked]
    assert bodies == [b"some text"] * 3


def test_an_exception_reaches_the_apps_own_handlers(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Exceptions of the figure function are not wrapped."""
    plots.figure_route("/bad")(fails)
    client = serve()

    @client.application.errorhandler(LookupError)
    def handle(error: LookupError) -> tuple[str, int]:
        return f"handled {error}", 502

    response = client.get("/plots/bad")
    assert (response.status_code, response.text) == (502, "handled no data")


def test_a_figure_function_sees_the_app_and_never_the_request(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """No value outside the key can be read, so no picture reaches another user."""
    seen: dict[str, object] = {}
    readers: dict[str, Callable[[], object]] = {
        "request": lambda: request.args,
        "session": lambda: session.get("x"),
        "g": lambda: g.user,
    }

    @plots.figure_route("/blind")
    def blind() -> Figure:
        seen["app"] = current_app_name()
        for name, read in readers.items():
            try:
                seen[name] = read()
            except (RuntimeError, AttributeError) as error:
                seen[name] = type(error).__name__
        return Figure(figsize=(1, 1))

    client = serve()

    @client.application.before_request
    def set_user() -> None:
        g.user = "alice"

    client.get("/plots/blind")
    assert seen == {
        "app": client.application.name,
        "request": "RuntimeError",
        "session": "RuntimeError",
        "g": "AttributeError",
    }


def current_app_name() -> str:
    from flask import current_app

    return current_app.name


def test_load_runs_outside_the_gate(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """Two slow loads run at the same time; the result is the first argument."""
    from threading import Barrier

    both = Barrier(2, timeout=10)

    def load(n: int) -> list[int]:
        both.wait()  # Breaks unless two loads are under way together.
        return [n, n]

    @plots.figure_route("/loaded", load=load)
    def loaded(data: list[int], n: int) -> Figure:
        renders(data, n)
        return Figure(figsize=(n, 1))

    client = serve()
    with ThreadPoolExecutor(2) as pool:
        urls = ["/plots/loaded?n=1", "/plots/loaded?n=2"]
        answers = list(pool.map(client.application.test_client().get, urls))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(renders.calls) == [([1, 1], 1), ([2, 2], 2)]
    assert client.get("/plots/loaded?n=1&data=3").status_code == 400


def test_a_loader_takes_the_arguments_it_names(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """It need not name every argument, and its time is reported."""

    @plots.figure_route("/some", load=lambda n: n, version=lambda: 3)
    def some(data: int, n: int = 2, seed: int = 0) -> Figure:
        return Figure(figsize=(data, 1))

    response = serve().get("/plots/some?n=3")
    assert pixels(response.data).shape == (100, 300, 4)
    assert response.headers["Server-Timing"].startswith('load;desc="load data";dur=')


def test_the_version_is_part_of_the_key(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """New data is a new picture; the old one is a hit when it returns."""
    version = {"of": 1}

    @plots.figure_route("/data", version=lambda n: (version["of"], n))
    def data(n: int = 1) -> Figure:
        renders(version["of"])
        return Figure(figsize=(version["of"], 1))

    client = serve()
    for number in (1, 1, 2, 2, 1):
        version["of"] = number
        client.get("/plots/data")
    assert renders.calls == [1, 2]


def test_a_version_that_names_a_memory_address_is_rejected(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """Its text differs between processes, so it cannot be part of a key."""

    @plots.figure_route("/data", version=lambda: object())
    def data() -> Figure:
        return Figure()

    with pytest.raises(ConfigError, match=r"version of .*data gave <class 'object'>"):
        serve(TESTING=True).get("/plots/data")


@pytest.fixture
def private_client(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> FlaskClient:
    """Return a client with a figure of the user who is logged in."""

    @plots.figure_route("/mine", inject={"user": lambda: session["user"]})
    def mine(user: str, n: int = 1) -> Figure:
        renders(user)
        return Figure(figsize=(len(user), n))

    client = serve()

    @client.application.get("/login/<user>")
    def login(user: str) -> str:
        session["user"] = user
        return user

    return client


def test_an_injected_value_is_part_of_the_key(
    private_client: FlaskClient, renders: Counter
) -> None:
    """Each user gets a separate picture, from one render each."""
    bodies: dict[str, bytes] = {}
    for user in ("al", "barbara", "al"):
        private_client.get(f"/login/{user}")
        response = private_client.get("/plots/mine")
        assert bodies.setdefault(user, response.data) == response.data
    assert bodies["al"] != bodies["barbara"]
    assert renders.calls == ["al", "barbara"]


def test_an_injected_value_makes_the_response_private(
    private_client: FlaskClient,
) -> None:
    """No shared cache stores it, and another login revalidates it."""
    private_client.get("/login/al")
    response = private_client.get("/plots/mine")
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Cookie" in response.headers["Vary"]
    url = "/plots/mine?user=barbara"
    assert private_client.get(url).status_code == 400


def test_private_marks_the_response(plots: FigureBlueprint, serve: Serve) -> None:
    """``private=True`` alone excludes shared caches."""
    plots.figure_route("/mine", private=True)(lambda_figure)
    response = serve().get("/plots/lambda_figure")
    assert response.status_code == 404
    response = serve().get("/plots/mine")
    assert response.headers["Cache-Control"] == "private, no-cache"


def lambda_figure() -> Figure:
    return Figure(figsize=(1, 1))


def test_a_picture_with_a_cookie_is_private(serve: Serve) -> None:
    """A cookie that is set last still excludes shared caches."""
    client = serve()
    touched = [True, False]

    @client.application.after_request
    def touch(response: Response) -> Response:
        if touched.pop(0):
            session["seen"] = True
        return response

    response = client.get("/plots/walk")
    assert "Set-Cookie" in response.headers
    assert response.cache_control.private
    assert response.cache_control.max_age == 60
    assert "Cookie" in response.headers["Vary"]
    assert "private" not in client.get("/plots/walk").headers["Cache-Control"]


def test_decorators_run_on_hits_as_well(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """``decorators`` wrap the whole view, so a hit needs the login too."""

    def login_required(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if "user" not in request.args:
                abort(401)
            return view(*args, **kwargs)

        return guarded

    @plots.figure_route("/guarded", decorators=[login_required])
    def guarded(user: str = "") -> Figure:
        renders(user)
        return Figure(figsize=(1, 1))

    client = serve()
    assert client.get("/plots/guarded?user=").status_code == 200
    assert client.get("/plots/guarded").status_code == 401
    assert len(renders) == 1


class BrokenCache:
    """A backend with a server that is gone."""

    def get_many(self, *keys: str) -> Any:
        raise ConnectionError("gone")

    def set(self, key: str, value: Any, timeout: int) -> Any:
        raise ConnectionError("gone")


@pytest.mark.parametrize(("fast_bytes", "rendered"), [(0, 2), (2**20, 1)])
def test_a_failing_cache_costs_a_render_and_no_request(
    serve: Serve,
    renders: Counter,
    caplog: pytest.LogCaptureFixture,
    fast_bytes: int,
    rendered: int,
) -> None:
    """It is logged once, and the picture is sent, from a fast layer if any."""
    client = serve(MPLSTREAM_FAST_BYTES=fast_bytes)
    client.application.extensions["cache"] = {"broken": BrokenCache()}
    with caplog.at_level(logging.WARNING, "flask_mplstream"):
        for _ in range(2):
            response = client.get("/plots/walk")
            assert response.status_code == 200
    assert len(renders) == rendered
    assert caplog.text.count("The cache is down; continuing without it.") == 1
    client.application.extensions["mplstream"].pictures(None).store.breaker.stop()


def test_a_null_cache_does_not_report_stored(serve: Serve) -> None:
    """``Cache-Status`` has no ``stored`` if the next request renders again."""
    client = serve(CACHE_TYPE="NullCache", CACHE_NO_NULL_WARNING=True)
    assert cache_status(client.get("/plots/walk"))[1] == {"fwd": "uri-miss"}


def test_the_apps_own_cache_is_used(serve: Serve, renders: Counter) -> None:
    """A Flask-Caching ``Cache`` set up after the blueprint is found at first use."""
    client = serve(CACHE_TYPE="SimpleCache", MPLSTREAM_FAST_BYTES=0)
    cache = Cache(client.application)
    client.get("/plots/walk")
    client.get("/plots/walk")
    assert len(renders) == 1
    cache.clear()
    client.get("/plots/walk")
    assert len(renders) == 2


def test_a_cache_is_made_from_the_apps_settings(serve: Serve) -> None:
    """``CACHE_TYPE`` alone is enough; without it the embedded store is used."""
    client = serve(CACHE_TYPE="SimpleCache")
    client.get("/plots/walk")
    (backend,) = client.application.extensions["cache"].values()
    assert type(backend).__name__ == "SimpleCache"
    client = serve(MPLSTREAM_CACHE_BYTES=12345)
    client.get("/plots/walk")
    (backend,) = client.application.extensions["cache"].values()
    assert type(backend).__name__ == "MemoryCache"
    assert backend.max_bytes == 12345


def test_several_caches_need_a_choice() -> None:
    """The error requires a choice of the cache for figures."""

    def app_with(plots: FigureBlueprint) -> Flask:
        app = Flask(__name__)
        plots.figure_route("/one")(lambda_figure)
        app.register_blueprint(plots)
        return app

    config = {"CACHE_TYPE": "SimpleCache"}
    app = app_with(FigureBlueprint("plots", __name__))
    for _ in range(2):
        Cache(app, config=config)
    app.testing = True
    with pytest.raises(ConfigError, match="has 2 Flask-Caching caches"):
        app.test_client().get("/one")

    chosen = Cache(config=config)
    app = app_with(FigureBlueprint("plots", __name__, cache=chosen))
    app.testing = True
    with pytest.raises(ConfigError, match=r"forget cache\.init_app"):
        app.test_client().get("/one")
    chosen.init_app(app)
    Cache(app, config=config)
    assert app.test_client().get("/one").status_code == 200


def test_two_limits_are_two_problems(plots: FigureBlueprint, serve: Serve) -> None:
    """A picture that the app makes too large is an error that names the limit."""

    @plots.figure_route("/wide", max_pixels=1000)
    def wide() -> Figure:
        return Figure(figsize=(1, 1))

    @plots.figure_route("/heavy", max_bytes=100)
    def heavy() -> Figure:
        return Figure(figsize=(1, 1))

    client = serve(DEBUG=True)
    assert "max_pixels" in client.get("/plots/wide").text
    assert "max_bytes" in client.get("/plots/heavy").text
    assert client.get("/plots/wide").status_code == 500
    assert issubclass(ImageTooLargeError, ValueError)


def test_an_app_may_have_another_response_class(serve: Serve) -> None:
    """Pictures are responses of that class as well."""

    class Mine(Response):
        pass

    client = serve()
    client.application.response_class = Mine
    assert client.get("/plots/walk").status_code == 200


def test_a_hook_may_change_the_body(serve: Serve) -> None:
    """The body from an ``after_request`` hook, such as gzip, is sent."""
    client = serve()

    @client.application.after_request
    def compress(response: Response) -> Response:
        response.set_data(b"squeezed")
        response.headers["Content-Encoding"] = "x"
        return response

    response = client.get("/plots/walk")
    assert response.data == b"squeezed"
    assert response.headers["Content-Length"] == "8"


def test_not_found_is_werkzeugs(serve: Serve) -> None:
    """An extension that is not offered is Werkzeug's 404."""
    client = serve()
    assert client.get("/plots/walk.gif").status_code == NotFound.code


def test_ready_headers_equal_those_of_werkzeug() -> None:
    """The shortcut gives the same headers, in a separate list."""
    items = [("ETag", '"a"'), ("Vary", "Accept"), ("Vary", "Cookie")]
    ready, plain = ReadyHeaders(items), Headers(items)
    assert list(ready) == list(plain)
    assert Headers(ready) == plain
    assert ready.getlist("vary") == ["Accept", "Cookie"]
    ready["ETag"] = '"b"'
    ready.add("Set-Cookie", "a=b")
    assert len(items) == 3
    assert items[0] == ("ETag", '"a"')
    assert ready.to_wsgi_list() == ready._list == [*ready.items()]


@pytest.mark.parametrize("status", [200, 206, 304])
def test_a_ready_response_equals_that_of_flask(status: int) -> None:
    """The shortcut leaves no attribute out."""
    headers = ReadyHeaders([("ETag", '"a"'), ("Content-Type", "image/png")])
    ready = PictureResponse.ready((b"picture",), status, headers)
    assert vars(ready) == vars(PictureResponse((b"picture",), status, headers))


def test_a_response_class_of_the_app_makes_its_response(plots: FigureBlueprint) -> None:
    """Its ``__init__`` runs for each response."""

    class OwnResponse(Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.headers["X-Own"] = "yes"

    app = Flask(__name__)
    app.response_class = OwnResponse
    app.register_blueprint(plots)
    for _ in range(2):
        assert app.test_client().get("/plots/walk").headers["X-Own"] == "yes"


def test_callbacks_run_when_the_response_is_closed(serve: Serve) -> None:
    """``call_on_close`` of a hook is called."""
    client = serve()
    closed: list[bool] = []

    @client.application.after_request
    def watch(response: Response) -> Response:
        response.call_on_close(lambda: closed.append(True))
        return response

    client.get("/plots/walk").close()
    assert closed == [True]


def test_a_hit_has_the_times_of_its_render_in_debug_mode(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """They have separate names, because this response did not take them."""

    @plots.figure_route("/small", keep=0)
    def small() -> Figure:
        return Figure(figsize=(1, 1))

    client = serve()
    client.get("/plots/small.png")
    assert client.get("/plots/small.png").headers["Server-Timing"] == HIT_TIMING
    client.application.debug = True
    client.get("/plots/small.svg")
    steps = client.get("/plots/small.svg").headers["Server-Timing"].split(", ")
    names = [step.partition(";")[0] for step in steps]
    assert names == ["cache", "was-wait", "was-build", "was-draw", "was-encode"]
