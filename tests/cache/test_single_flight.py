"""One flight per key: concurrent callers share one production."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

import pytest

from flask_mplstream import MplStreamError
from flask_mplstream.cache import single_flight
from flask_mplstream.cache.backend_breaker import Breaker
from flask_mplstream.cache.single_flight import MAX_ERRORS, Flights, Production
from flask_mplstream.cache.stale_while_revalidate import Background
from flask_mplstream.errors import RemoteError, RenderTimeoutError
from flask_mplstream.limits.deadline import Deadline
from flask_mplstream.limits.render_stage import (
    RenderStage,
    enter,
    is_in_figure,
    is_nested,
)
from tests.support.processes import wait_until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flights(clock: Clock) -> Flights[str]:
    return Flights(clock)


def fly(
    flights: Flights[str],
    produce: Callable[[], str],
    key: str = "a",
    timeout_s: float = 10,
    backoff_s: float = 0,
) -> tuple[str, bool]:
    def production() -> Production[str]:
        made: str = yield produce
        return made

    return flights.fly(
        key,
        production,
        deadline=Deadline(timeout_s),
        backoff_s=lambda error: backoff_s,
    )


def wait_for_followers(flights: Flights[str], count: int) -> None:
    wait_until(lambda: flights._followers == count)


def wait_for_landing(flights: Flights[str]) -> None:
    """Wait for flights that every caller has left, and for their threads."""
    wait_until(lambda: not flights._flights)
    for thread in list(single_flight._threads):
        thread.join(10)


class Held:
    """A production that waits for a release and counts its calls."""

    def __init__(self, result: str | BaseException = "made") -> None:
        self.began, self.go = threading.Event(), threading.Event()
        self.calls = 0
        self._result = result

    def __call__(self) -> str:
        self.calls += 1
        self.began.set()
        assert self.go.wait(10)
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result


def test_followers_share_the_leaders_value(flights: Flights[str]) -> None:
    """Of ten callers, one produces and nine report that they waited."""
    held = Held()
    with ThreadPoolExecutor(10) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        followers = [pool.submit(fly, flights, held) for _ in range(9)]
        wait_for_followers(flights, 9)
        held.go.set()
        assert leader.result(10) == ("made", False)
        assert [f.result(10)[0] for f in followers] == ["made"] * 9
    assert held.calls == 1


def test_the_key_is_forgotten_when_the_flight_ends(flights: Flights[str]) -> None:
    """A later caller begins a new flight."""
    values = iter("ab")
    assert fly(flights, lambda: next(values)) == ("a", False)
    assert fly(flights, lambda: next(values)) == ("b", False)


def test_followers_share_the_leaders_error(flights: Flights[str]) -> None:
    """No follower repeats a call that has just failed."""
    held = Held(LookupError("no data"))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        follower = pool.submit(fly, flights, lambda: "other")
        assert flights.is_busy_or_failed("a")
        wait_for_followers(flights, 1)
        held.go.set()
        for asked in (leader, follower):
            with pytest.raises(LookupError, match="no data"):
                asked.result(10)


def test_other_keys_do_not_wait(flights: Flights[str]) -> None:
    """A slow picture delays no other picture."""
    held = Held()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(fly, flights, held)
        held.began.wait(10)
        assert fly(flights, lambda: "quick", key="b") == ("quick", False)
        held.go.set()
        slow.result(10)


def test_a_follower_waits_no_longer_than_its_timeout(flights: Flights[str]) -> None:
    """The follower gets our error; the leader continues."""
    held = Held()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        with pytest.raises(RenderTimeoutError, match=r"0\.01 s\.") as caught:
            fly(flights, held, timeout_s=0.01)
        assert isinstance(caught.value, MplStreamError)
        held.go.set()
        assert leader.result(10) == ("made", False)


def test_a_value_at_the_last_moment_is_no_timeout(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the leader ends at the follower's timeout, both get the value."""

    class LastMoment(Future[str]):
        """A future that is ready right after the first timeout."""

        def exception(self, timeout: float | None = None) -> BaseException | None:
            try:
                return super().exception(timeout)
            except TimeoutError:
                held.go.set()
                leader.result(10)
                raise

    monkeypatch.setattr(single_flight, "Future", LastMoment)
    held = Held()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        assert fly(flights, held, timeout_s=0.01) == ("made", True)


def test_a_timeout_in_the_figure_function_is_passed_on(flights: Flights[str]) -> None:
    """A ``TimeoutError`` from a database is not mistaken for ours."""
    held = Held(TimeoutError("the database"))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        follower = pool.submit(fly, flights, held)
        wait_for_followers(flights, 1)
        held.go.set()
        for asked in (leader, follower):
            with pytest.raises(TimeoutError, match="the database"):
                asked.result(10)


def test_a_figure_function_cannot_end_the_server(flights: Flights[str]) -> None:
    """``sys.exit()`` in a figure function is an error for all callers."""
    held = Held(SystemExit(3))
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        follower = pool.submit(fly, flights, held)
        wait_for_followers(flights, 1)
        held.go.set()
        for asked in (leader, follower):
            with pytest.raises(RemoteError, match="SystemExit: 3"):
                asked.result(10)


def test_followers_outlive_a_leader_that_is_stopped(
    flights: Flights[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a leader's thread does not end its followers."""

    class Stopped(Future[str]):
        """A future that interrupts the first caller as it waits."""

        def exception(self, timeout: float | None = None) -> BaseException | None:
            if threading.current_thread() is threading.main_thread():
                raise SystemExit
            return super().exception(timeout)

    monkeypatch.setattr(single_flight, "Future", Stopped)
    held = Held()
    with pytest.raises(SystemExit):
        fly(flights, held)
    held.began.wait(10)
    with ThreadPoolExecutor(1) as pool:
        follower = pool.submit(fly, flights, held)
        wait_for_followers(flights, 1)
        held.go.set()
        assert follower.result(10) == ("made", True)
    wait_for_landing(flights)


def test_an_error_is_raised_again_during_its_backoff(
    flights: Flights[str], clock: Clock
) -> None:
    """A function that keeps failing is called once per backoff."""
    calls: list[float] = []

    def fails() -> str:
        calls.append(clock.now)
        raise LookupError("no data")

    for clock.now in (0, 0.5, 0.99, 1, 1.5):
        with pytest.raises(LookupError):
            fly(flights, fails, backoff_s=1)
    assert calls == [0, 1]
    clock.now = 3
    assert fly(flights, lambda: "well") == ("well", False)
    assert not flights.is_busy_or_failed("a")


def test_remembered_errors_are_bounded(flights: Flights[str]) -> None:
    """A flood of failing arguments does not fill the memory."""

    def fails() -> str:
        raise LookupError

    for number in range(MAX_ERRORS + 50):
        with pytest.raises(LookupError):
            fly(flights, fails, key=str(number), backoff_s=100)
    assert len(flights._errors) == MAX_ERRORS


class Visit:
    """An object in a request's frames, such as its environ."""


def failed_visit(
    flights: Flights[str], key: str = "a", backoff_s: float = 100
) -> tuple[weakref.ref[Visit], int]:
    """Make a request that fails; return its object and the length of the traceback."""
    visit = Visit()

    def fails() -> str:
        raise LookupError("no data")

    try:
        fly(flights, fails, key, backoff_s=backoff_s)
    except LookupError as error:
        return weakref.ref(visit), len(list(walk_tb(error.__traceback__)))
    raise AssertionError("the request did not fail")


def test_the_traceback_of_a_remembered_error_does_not_grow(
    flights: Flights[str],
) -> None:
    """A thousand requests in the backoff do not log a thousand tracebacks each."""
    lengths = [failed_visit(flights)[1] for _ in range(10)]
    assert len(set(lengths[1:])) == 1


def test_a_remembered_error_keeps_no_requests(flights: Flights[str]) -> None:
    """The error's frames refer to no earlier request."""
    visits = [failed_visit(flights)[0] for _ in range(10)]
    gc.collect()
    assert [visit() for visit in visits[:-1]] == [None] * 9


def test_an_expired_error_is_forgotten_with_the_next_flight(
    flights: Flights[str], clock: Clock
) -> None:
    """A later success frees the error's frames and their data."""
    visit, _ = failed_visit(flights, "a", backoff_s=1)
    clock.now = 0.5
    fly(flights, lambda: "well", key="b")
    assert flights.is_busy_or_failed("a")
    clock.now = 1.5
    fly(flights, lambda: "well", key="b")
    gc.collect()
    assert visit() is None


def test_a_picture_within_a_picture_does_not_end_the_outer_one() -> None:
    """A render that contains another one is still nested after it."""
    with enter(RenderStage.FIGURE):
        with enter(RenderStage.FLIGHT):
            pass
        assert is_in_figure()
    assert not is_nested()


def test_a_figure_inside_a_figure_does_not_wait(flights: Flights[str]) -> None:
    """A nested request renders, even if the picture is already being rendered."""
    outer = fly(flights, lambda: fly(flights, lambda: "inner")[0])
    assert outer == ("inner", False)


def test_a_fork_forgets_the_flights_of_the_parent(flights: Flights[str]) -> None:
    """Their leaders do not exist in the child."""
    held = Held()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(fly, flights, held)
        held.began.wait(10)
        pid = os.fork()
        if pid == 0:
            os._exit(0 if fly(flights, lambda: "child")[0] == "child" else 1)
        held.go.set()
        leader.result(10)
    assert os.waitpid(pid, 0)[1] == 0


@contextmanager
def no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make every start of a thread fail."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


# --- Background -----------------------------------------------------------


def test_a_job_runs_once_and_its_thread_ends() -> None:
    """Jobs of one name run once; afterwards there is no thread."""
    background, held = Background(), Held()
    assert background.submit("a", held)
    held.began.wait(10)
    assert not background.submit("a", held)
    done: list[str] = []
    assert background.submit("b", lambda: done.append("b"))
    assert not background.submit("b", lambda: done.append("b"))
    held.go.set()
    background.join()
    assert done == ["b"]
    assert held.calls == 1
    assert background.submit("a", lambda: done.append("a"))
    background.join()
    assert done == ["b", "a"]


def test_a_job_that_fails_is_logged_and_the_next_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The thread survives."""
    background, done = Background(), threading.Event()

    def fails() -> None:
        raise LookupError("no data")

    background.submit("a", fails)
    background.submit("b", done.set)
    assert done.wait(10)
    background.join()
    assert "Cannot renew a." in caplog.text


def test_stopping_drops_waiting_jobs_and_finishes_the_running_one() -> None:
    """A process that exits waits for one render, not for a thousand."""
    background, held = Background(), Held()
    background.submit("a", held)
    held.began.wait(10)
    dropped: list[int] = []
    background.submit("b", lambda: dropped.append(1))
    threading.Timer(0.05, held.go.set).start()
    background.stop()
    assert held.calls == 1
    assert not dropped
    assert not background.submit("c", held)


def test_a_job_without_a_thread_is_rejected_and_accepted_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It neither waits for a thread that did not start nor raises."""
    background, done = Background(), threading.Event()
    with no_threads(monkeypatch):
        assert not background.submit("a", done.set)
    assert background.submit("a", done.set)
    background.join()
    assert done.is_set()


# --- Breaker --------------------------------------------------------------


def test_a_breaker_closes_by_itself(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The breaker probes in the background until an operation works."""
    monkeypatch.setattr("flask_mplstream.cache.backend_breaker.RETRY_S", 0.01)
    looks: list[int] = []
    back = threading.Event()

    def probe() -> Any:
        looks.append(1)
        if len(looks) < 3:
            raise ConnectionError
        back.set()

    breaker = Breaker(probe)
    assert not breaker.is_open
    breaker.trip()
    breaker.trip()
    assert breaker.is_open
    assert back.wait(10)
    breaker.stop()
    assert not breaker.is_open
    assert len(looks) == 3
    assert caplog.text.count("The cache is down") == 1
    assert caplog.text.count("The cache answers again") == 1


def test_a_breaker_can_be_stopped() -> None:
    """Stopping ends its thread and closes it."""
    breaker = Breaker(lambda: 1 / 0)
    breaker.trip()
    breaker.stop()
    assert not breaker.is_open


def test_a_breaker_that_cannot_probe_stays_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a thread to probe the backend, each request tries it."""
    breaker = Breaker(lambda: 1 / 0)
    with no_threads(monkeypatch):
        breaker.trip()
    assert not breaker.is_open
    breaker.trip()
    assert breaker.is_open
    breaker.stop()
