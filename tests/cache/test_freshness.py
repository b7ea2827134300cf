"""Fresh, stale, expired: the rules, and a request for each with a manual clock."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from cachelib import SimpleCache
from flask import Response, abort
from flask.testing import FlaskClient
from matplotlib.figure import Figure

from flask_mplstream import FigureBlueprint
from flask_mplstream.cache.entry import Entry
from flask_mplstream.cache.freshness import JITTER, Freshness, Lifetime
from flask_mplstream.cache.lookup import Pictures, Wanted
from flask_mplstream.cache.store import Store
from flask_mplstream.formats import FORMATS
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.rendered_image import RenderedImage
from flask_mplstream.rendering.figure_lock import gate
from tests.support.doubles import Clock, Counter

Serve = Callable[..., FlaskClient]
FIRST, LAST = "0000", "ffff"


@pytest.mark.parametrize(
    ("age_s", "key", "expected"),
    [
        pytest.param(0, FIRST, Freshness.FRESH, id="new"),
        pytest.param(99, FIRST, Freshness.FRESH, id="no-jitter"),
        pytest.param(94, LAST, Freshness.FRESH, id="before-the-jitter"),
        pytest.param(96, LAST, Freshness.REVALIDATE, id="in-the-jitter"),
        pytest.param(100, FIRST, Freshness.REVALIDATE, id="stale"),
        pytest.param(109, LAST, Freshness.REVALIDATE, id="still-stale"),
        pytest.param(110, FIRST, Freshness.ON_ERROR, id="on-error"),
        pytest.param(149, FIRST, Freshness.ON_ERROR, id="still-on-error"),
        pytest.param(150, FIRST, Freshness.EXPIRED, id="expired"),
    ],
)
def test_the_permitted_use_follows_from_the_age(
    age_s: float, key: str, expected: Freshness
) -> None:
    """``max_age`` is 100; stale use ends at 110, and at 150 on errors."""
    assert Lifetime(100, 10, 50).assess(age_s, key) is expected


def test_the_jitter_shortens_by_a_little() -> None:
    """No picture is sent as fresh after ``max_age``."""
    lifetime = Lifetime(100)
    assert JITTER <= 0.1
    for key in ("0000", "1234", "abcd", "ffff"):
        assert lifetime.assess(100 * (1 - JITTER) - 0.1, key) is Freshness.FRESH
        assert lifetime.assess(100, key) is Freshness.EXPIRED


@pytest.mark.parametrize(
    ("lifetime", "stored_s"),
    [
        pytest.param(Lifetime(60), 60, id="plain"),
        pytest.param(Lifetime(60, 30, 10), 90, id="the-longer-window"),
        pytest.param(Lifetime(0, 0, 86_400), 0, id="nothing-is-kept"),
        pytest.param(Lifetime(0, 30), 30, id="always-stale"),
    ],
)
def test_an_entry_is_stored_until_its_last_permitted_use(
    lifetime: Lifetime, stored_s: int
) -> None:
    """The store's timeout covers the stale windows."""
    assert lifetime.stored_s == stored_s


class Walk:
    """A figure function whose next results the test sets."""

    def __init__(self, renders: Counter) -> None:
        self.renders = renders
        self.error: BaseException | Callable[[], Any] | None = None

    def __call__(self) -> Any:
        self.renders(None)
        if isinstance(self.error, BaseException):
            raise self.error
        if self.error is not None:
            return self.error()
        return Figure(figsize=(1 + len(self.renders), 1))


@pytest.fixture
def walk(renders: Counter) -> Walk:
    return Walk(renders)


@pytest.fixture
def client(plots: FigureBlueprint, serve: Serve, walk: Walk) -> FlaskClient:
    """``/plots/walk``: fresh until 60, stale until 90, on errors until 160."""

    @plots.figure_route(
        "/walk", max_age=60, stale_while_revalidate=30, stale_if_error=130
    )
    def figure() -> Figure:
        drawn: Figure = walk()
        return drawn

    return serve(PROPAGATE_EXCEPTIONS=False)


def pictures(client: FlaskClient) -> Pictures:
    found: Pictures = client.application.extensions["mplstream"].pictures(None)
    return found


def test_a_stale_picture_is_sent_at_once_and_renewed(
    client: FlaskClient, clock: Clock, renders: Counter
) -> None:
    """One render in the background gives the next request a new picture."""
    old = client.get("/plots/walk")
    clock.now += 70
    with gate():  # The render in the background does not end meanwhile.
        stale = [client.get("/plots/walk") for _ in range(3)]
    pictures(client).background.join()
    new = client.get("/plots/walk")
    assert [response.data for response in stale] == [old.data] * 3
    assert stale[0].headers["Cache-Status"] == "flask-mplstream; hit; ttl=-10"
    assert (
        stale[0].headers["Cache-Control"]
        == "max-age=0, stale-while-revalidate=20, stale-if-error=120"
    )
    assert new.data != old.data
    assert len(renders) == 2


def test_a_render_in_the_background_sees_no_request(
    plots: FigureBlueprint, serve: Serve, clock: Clock
) -> None:
    """The render has the app and its arguments, like any render."""
    from flask import current_app, has_request_context

    seen: list[tuple[str, bool, str]] = []

    @plots.figure_route("/seen", max_age=60, stale_while_revalidate=60)
    def figure(name: str = "a") -> Figure:
        thread = threading.current_thread().name
        seen.append((current_app.name, has_request_context(), thread))
        return Figure(figsize=(1, 1))

    client = serve()
    client.get("/plots/seen?name=b")
    clock.now += 70
    client.get("/plots/seen?name=b")
    pictures(client).background.join()
    app = client.application.name
    assert [entry[:2] for entry in seen] == [(app, False), (app, False)]
    assert seen[1][2] == "mplstream-background"


def test_a_failed_render_sends_the_last_good_picture(
    client: FlaskClient, clock: Clock, walk: Walk
) -> None:
    """``Cache-Status`` reports it; after ``stale_if_error`` the error is sent."""
    good = client.get("/plots/walk")
    walk.error = LookupError("no data")
    clock.now += 100
    fallback = client.get("/plots/walk")
    assert (fallback.status_code, fallback.data) == (200, good.data)
    status = "flask-mplstream; fwd=stale; fwd-status=500"
    assert fallback.headers["Cache-Status"] == status
    assert fallback.headers["Cache-Control"] == "no-cache"
    clock.now += 100
    assert client.get("/plots/walk").status_code == 500


@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(lambda: abort(404), 404, id="not-found"),
        pytest.param(lambda: Response("no", 403), 403, id="forbidden"),
        pytest.param(lambda: abort(503), 200, id="unavailable"),
        pytest.param(lambda: Response("no", 502), 200, id="bad-gateway"),
        pytest.param(lambda: None, 200, id="no-figure"),
    ],
)
def test_a_404_is_no_failure(
    client: FlaskClient, clock: Clock, walk: Walk, error: Any, status: int
) -> None:
    """A 404 is the function's answer; a 5xx is a failure."""
    client.get("/plots/walk")
    walk.error = error
    clock.now += 100
    assert client.get("/plots/walk").status_code == status


def test_a_failing_function_is_not_called_again_at_once(
    client: FlaskClient, clock: Clock, walk: Walk, renders: Counter
) -> None:
    """It is called once per ``error_backoff``, even without a stale picture."""
    walk.error = LookupError("no data")
    for _ in range(3):
        assert client.get("/plots/walk").status_code == 500
    assert len(renders) == 1
    clock.now += 1
    walk.error = None
    good = client.get("/plots/walk")
    assert good.status_code == 200
    walk.error = LookupError("no data")
    clock.now += 100
    for _ in range(3):
        assert client.get("/plots/walk").data == good.data
    assert len(renders) == 3


def test_a_background_failure_is_logged_and_not_repeated_at_once(
    client: FlaskClient,
    clock: Clock,
    walk: Walk,
    renders: Counter,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The stale picture is still sent."""
    client.get("/plots/walk")
    walk.error = LookupError("no data")
    clock.now += 70
    for _ in range(3):
        assert client.get("/plots/walk").status_code == 200
        pictures(client).background.join()
    assert len(renders) == 2
    assert caplog.text.count("Cannot renew") == 1


def test_ten_requests_are_one_render(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> None:
    """The nine followers have ``collapsed`` in ``Cache-Status``."""
    client, together = serve_slow(plots, serve, renders)
    with ThreadPoolExecutor(10) as pool:
        answers = [
            pool.submit(client.application.test_client().get, "/plots/slow")
            for _ in range(10)
        ]
        together.set()
        responses = [answer.result(30) for answer in answers]
    assert len({response.data for response in responses}) == 1
    assert len(renders) == 1
    statuses = [response.headers["Cache-Status"] for response in responses]
    assert sum("collapsed" in s or "hit" in s for s in statuses) == 9
    assert any("; stored; collapsed" in s for s in statuses)


def serve_slow(
    plots: FigureBlueprint, serve: Serve, renders: Counter
) -> tuple[FlaskClient, threading.Event]:
    together = threading.Event()

    @plots.figure_route("/slow", timeout=20)
    def slow() -> Figure:
        renders(None)
        together.wait(10)
        threading.Event().wait(0.3)  # Long enough for all ten to come.
        return Figure(figsize=(1, 1))

    return serve(), together


def test_a_follower_that_waits_too_long_gets_retry_after(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """The follower gets a 503; the leader's render is stored."""
    began, go = threading.Event(), threading.Event()

    @plots.figure_route("/slow", timeout=0.05)
    def slow() -> Figure:
        began.set()
        go.wait(10)
        return Figure(figsize=(1, 1))

    client = serve()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(client.application.test_client().get, "/plots/slow")
        began.wait(10)
        refused = client.get("/plots/slow")
        go.set()
        assert leader.result(30).status_code == 200
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["Cache-Control"] == "no-store"
    assert client.get("/plots/slow").status_code == 200


@pytest.mark.parametrize(
    ("took_s", "is_replaced"),
    [
        pytest.param(60, False, id="suspended"),
        pytest.param(1, True, id="in-time"),
    ],
)
def test_a_newer_picture_is_not_replaced_after_a_suspension(
    clock: Clock, took_s: float, is_replaced: bool
) -> None:
    """A process that lost its lease sends the next leader's newer picture."""
    pictures = Pictures(Store(SimpleCache()), clock)
    newer = RenderedImage(b"newer", FORMATS["png"], 1, 1)

    def render(
        deadline: Deadline, payer: object, generation: str | None
    ) -> RenderedImage:
        clock.now += took_s
        pictures.store.write("0123", Entry.of(newer, clock.now), 600)
        clock.now += 1
        return RenderedImage(b"older", FORMATS["png"], 1, 1)

    wanted = Wanted("0123", (), render, Lifetime(600), 10, 0, lambda error: True)
    served = pictures.get(wanted)
    found = pictures.store.read("0123", ()).entry
    assert found is not None
    expected = b"older" if is_replaced else b"newer"
    assert served.entry.image.body == found.image.body == expected
