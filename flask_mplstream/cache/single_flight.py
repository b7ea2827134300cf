"""Let concurrent callers share one render for each key.

Cache layer. This module uses values and threads. It doesn't know about Flask,
Matplotlib, the store or freshness. Each render runs in its own thread, so that no
caller has to wait longer than its deadline. If the render takes longer, this thread
finishes the flight, and the picture is still stored. Followers get the value of the
leader or a copy of its error. Both are forgotten when the flight ends, except that an
error is remembered during its ``error_backoff``.
"""

from __future__ import annotations

import atexit
import logging
import math
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from types import FrameType
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from ..errors import (
    MAX_LOG_LINE,
    BudgetError,
    OverloadedError,
    RemoteError,
    RenderTimeoutError,
)
from ..forks import call_in_child
from ..limits.deadline import Deadline
from ..limits.render_stage import RenderStage, enter, is_nested
from .error_copy import copy_error

T = TypeVar("T")
#: The steps that make a picture. The generator yields its render, a slow call, and is
#: sent the result. It may end in another thread than it began in.
Production = Generator[Callable[[], Any], Any, T]

logger = logging.getLogger("flask_mplstream")

#: Maximum number of remembered errors.
MAX_ERRORS = 256
#: Seconds after the deadline in which a render can still raise its own error.
GRACE_S = 0.4
#: Age of a flight, in seconds, at which followers over the limit are rejected.
PATIENCE_S = 1.0
#: Seconds that an exiting process waits for renders without callers.
STOP_TIMEOUT_S = 5.0

_threads: WeakSet[threading.Thread] = WeakSet()


@dataclass(eq=False, slots=True)
class _Rendered:
    """The result of the render that a production has yielded."""

    done: Future[None] = field(default_factory=lambda: Future())
    value: Any = None
    error: Exception | None = None

    def end(self, production: Production[T]) -> T:
        """Finish *production* with this result, and drop the error to break a cycle."""
        error, self.error = self.error, None
        try:
            return _end(production, self.value, error)
        finally:
            del error


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    """A production of a picture that several callers share."""

    key: str
    deadline: Deadline
    #: Returns the seconds for which an error is raised again.
    backoff_s: Callable[[Exception], float]
    #: The flight that must end before this one begins.
    previous: _Flight[T] | None = None
    has_begun: bool = False
    #: The value, or a copy of the error without data.
    landed: Future[T] = field(default_factory=lambda: Future())
    #: The leader's error with its traceback. Only the leader gets it, and removes it to
    #: break a reference cycle: the traceback's frames refer to this flight.
    error: Exception | None = None
    #: Whether the leader has stopped waiting.
    is_abandoned: bool = False

    def wait(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s* seconds, and return whether the flight has ended."""
        with suppress(TimeoutError):
            self.landed.exception(timeout_s)
        return self.landed.done()


class Flights(Generic[T]):
    """The flights of one process.

    :param clock: a clock in seconds, for the backoff after an error.
    :param max_followers: the number of followers that may wait at the same time. Each
        of them occupies a thread of the server. Any others only wait until a flight is
        :data:`PATIENCE_S` seconds old.
    """

    def __init__(
        self, clock: Callable[[], float], *, max_followers: float = math.inf
    ) -> None:
        self._clock = clock
        self._max_followers = max_followers
        self._reset()
        call_in_child(self._reset)  # A child lacks its parent's threads.

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _flights, _errors and _followers
        self._flights: dict[str, _Flight[T]] = {}
        # By key: time of the error, seconds for which it is raised again, the error.
        self._errors: dict[str, tuple[float, float, Exception]] = {}
        self._followers = 0

    def fly(
        self,
        key: str,
        produce: Callable[[], Production[T]],
        *,
        deadline: Deadline,
        backoff_s: Callable[[Exception], float],
        must_begin_later: bool = False,
    ) -> tuple[T, bool]:
        """Call *produce* once for all callers with the same *key*.

        :param deadline: the deadline of this caller, and of the flight if it starts
            one.
        :param backoff_s: a function that returns for how many seconds an error is
            raised again without calling *produce*.
        :param must_begin_later: whether a flight that has already begun is too old.
        :return: the value, and whether another caller created it.
        :raises RenderTimeoutError: after the deadline, although the flight continues.
        :raises OverloadedError: if there are too many followers.
        """
        if is_nested():
            # A figure function requests a figure. It could wait for itself, or for a
            # thread that waits for the gate that this one holds.
            return run_here(produce()), False
        while True:
            flight, is_leader = self._join(key, deadline, backoff_s, must_begin_later)
            if is_leader:
                return self._lead(flight, produce()), False
            self._follow(flight, deadline)
            error = flight.landed.exception()
            if not isinstance(error, Exception):
                return flight.landed.result(), True
            # An exhausted budget concerns the leader only.
            if not isinstance(error, BudgetError):
                raise copy_error(error)

    def fly_here(
        self,
        key: str,
        produce: Callable[[], Production[T]],
        *,
        deadline: Deadline,
        backoff_s: Callable[[Exception], float],
    ) -> T | None:
        """Call *produce* in this thread, or return ``None`` if *key* has a flight.

        If *produce* raises an error, it is propagated and remembered for *backoff_s*.
        """
        flight, is_leader = self._join(key, deadline, backoff_s, must_begin_later=False)
        if not is_leader:
            return None
        self._finish(flight, lambda: run_here(produce()))
        return _take_result(flight)

    def is_busy_or_failed(self, key: str, *, must_begin_later: bool = False) -> bool:
        """Return whether *key* has a flight here, or an error to raise again.

        :param must_begin_later: as for :meth:`fly`.
        """
        with self._lock:
            if self._find_error(key) is not None:
                return True
            flight = self._flights.get(key)
            return flight is not None and not (must_begin_later and flight.has_begun)

    def _find_error(self, key: str) -> Exception | None:
        since, backoff_s, error = self._errors.get(key, (0.0, 0.0, None))
        # A clock that is set back must not prolong the error.
        return error if 0 <= self._clock() - since < backoff_s else None

    def _join(
        self,
        key: str,
        deadline: Deadline,
        backoff_s: Callable[[Exception], float],
        must_begin_later: bool,
    ) -> tuple[_Flight[T], bool]:
        with self._lock:
            error = self._find_error(key)
            if error is not None:
                # A copy, because each raise adds frames, which refer to a request.
                raise copy_error(error)
            latest = self._flights.get(key)
            if latest is not None and not (must_begin_later and latest.has_begun):
                return latest, False
            flight = self._flights[key] = _Flight(key, deadline, backoff_s, latest)
            return flight, True

    def _lead(self, flight: _Flight[T], production: Production[T]) -> T:
        rendered = _Rendered()
        try:
            self._begin(flight)
            render = next(production)
        except StopIteration as end:
            self._land(flight, end.value)
            return _take_result(flight)
        except BaseException as error:
            self._fail(flight, error)
            if not isinstance(error, Exception):
                raise  # The leader's thread is being stopped.
            return _take_result(flight)
        go_on = partial(self._finish, flight, partial(rendered.end, production))
        thread = _start(partial(self._render, flight, render, rendered, go_on))
        try:
            self._wait(flight, rendered)
        except BaseException:
            if not flight.is_abandoned:  # Interrupted just after the render ended.
                go_on()
            raise
        if thread is not None:
            thread.join(GRACE_S)  # Its work is done.
        go_on()
        return _take_result(flight)

    def _wait(self, flight: _Flight[T], rendered: _Rendered) -> None:
        def wait(seconds: float) -> bool:
            with suppress(TimeoutError):
                rendered.done.exception(seconds + GRACE_S)
            return rendered.done.done()

        try:
            flight.deadline.wait(wait)
        finally:
            with self._lock:
                flight.is_abandoned = not rendered.done.done()
        if flight.is_abandoned:
            raise _make_timeout_error(flight.deadline, flight.deadline)

    def _render(
        self,
        flight: _Flight[T],
        render: Callable[[], object],
        rendered: _Rendered,
        go_on: Callable[[], None],
    ) -> None:
        """Run *render* in its thread. Finish the flight if the leader gave up."""
        with enter(RenderStage.FLIGHT):
            try:
                rendered.value = render()
            except Exception as error:
                rendered.error = error
            except BaseException as error:  # sys.exit() must not end the server.
                rendered.error = RemoteError(f"{type(error).__name__}: {error}")
        with self._lock:
            is_late = flight.is_abandoned
            if not is_late:
                rendered.done.set_result(None)
        if is_late:
            go_on()

    def _finish(self, flight: _Flight[T], produce: Callable[[], T]) -> None:
        """End *flight* with the result of *produce*."""
        try:
            value = produce()
        except BaseException as error:
            self._fail(flight, error)
        else:
            self._land(flight, value)

    def _follow(self, flight: _Flight[T], deadline: Deadline) -> None:
        """Wait for the end of *flight*."""
        with self._take_place() as has_place:
            if has_place:
                has_landed = deadline.wait(flight.wait)
            else:
                patience_s = min(
                    PATIENCE_S - flight.deadline.elapsed_s, deadline.lock_timeout_s
                )
                has_landed = flight.wait(max(patience_s, 0.0))
        if has_landed:
            return
        if has_place:
            raise _make_timeout_error(deadline, flight.deadline)
        raise OverloadedError(
            f"{self._max_followers:g} requests wait for pictures that are being "
            f"rendered. Try again in a second.",
            fix="Raise MPLSTREAM_MAX_FOLLOWERS if the server has more threads, or "
            "render the picture ahead with `flask figures warm`.",
        )

    @contextmanager
    def _take_place(self) -> Iterator[bool]:
        """Count a follower, and yield whether it is allowed to wait."""
        with self._lock:
            has_place = self._followers < self._max_followers
            self._followers += has_place
        try:
            yield has_place
        finally:
            with self._lock:
                self._followers -= has_place

    def _begin(self, flight: _Flight[T]) -> None:
        previous, flight.previous = flight.previous, None
        if previous is not None:
            flight.deadline.begin("an earlier render")
            flight.deadline.wait(previous.wait)
        with self._lock:
            flight.has_begun = True

    def _fail(self, flight: _Flight[T], error: BaseException) -> None:
        """End *flight* with an error from its production."""
        if isinstance(error, Exception):
            backoff_s = flight.backoff_s(error)
        else:
            error, backoff_s = RenderTimeoutError("The render was interrupted."), 0.0
        shared = copy_error(error)
        with self._lock:
            self._forget(flight)
            self._remember(flight.key, shared, backoff_s)
            if not flight.is_abandoned:
                flight.error = error
            flight.landed.set_exception(shared)
        if flight.is_abandoned:
            text = f"{type(error).__name__}: {error}"
            line = " | ".join([text, *getattr(error, "__notes__", ())])
            line = "".join(c if c.isprintable() else " " for c in line)
            logger.error("A render failed after its deadline: %s", line[:MAX_LOG_LINE])

    def _land(self, flight: _Flight[T], value: T) -> None:
        """End *flight* with *value*."""
        with self._lock:
            self._forget(flight)
            self._remember(flight.key, None, 0.0)
            flight.landed.set_result(value)

    def _forget(self, flight: _Flight[T]) -> None:
        if self._flights.get(flight.key) is flight:
            del self._flights[flight.key]

    def _remember(self, key: str, error: Exception | None, backoff_s: float) -> None:
        now = self._clock()
        kept = {k: e for k, e in self._errors.items() if now < e[0] + e[1]}
        kept.pop(key, None)
        if error is not None and backoff_s:
            kept = dict(list(kept.items())[1 - MAX_ERRORS :])
            kept[key] = (now, backoff_s, error)
        self._errors = kept


def run_here(production: Production[T]) -> T:
    """Run *production* in this thread and return its value."""
    try:
        render = next(production)
    except StopIteration as end:
        made: T = end.value
        return made
    try:
        value = render()
    except Exception as error:
        return _end(production, None, error)
    return _end(production, value, None)


def _end(production: Production[T], value: object, error: Exception | None) -> T:
    """Finish *production* with the *value* or *error* of its render."""
    if isinstance(error, StopIteration):  # A generator cannot raise it.
        production.close()
        raise error
    try:
        if error is not None:
            production.throw(error)
        production.send(value)
    except StopIteration as end:
        made: T = end.value
        return made
    finally:
        del error  # Its traceback has this frame.
    raise RuntimeError("A production renders once.")


def _take_result(flight: _Flight[T]) -> T:
    """Return the value of *flight* to its leader, or raise the original error."""
    error, flight.error = flight.error, None
    try:
        if error is not None:
            raise error
        return flight.landed.result(0)
    finally:
        del error  # Its traceback has this frame.


def _start(job: Callable[[], None]) -> threading.Thread | None:
    """Run *job* in a new thread, or in this one if no thread can be started."""
    if _is_importing():
        job()
        return None
    # A daemon, because a hanging render must not keep the process alive.
    thread = threading.Thread(target=job, name="mplstream-render", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        job()
        return None
    _threads.add(thread)
    return thread


def _is_importing() -> bool:
    """Return whether this thread is importing a module.

    If the render needed this module, its thread would wait for this thread, while this
    thread waits for the render.
    """
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _make_timeout_error(deadline: Deadline, flight: Deadline) -> RenderTimeoutError:
    return RenderTimeoutError(
        f"The picture was not ready after {deadline.timeout_s:g} s.{flight}"
    )


def _join_all() -> None:
    """Wait for renders, because stopping a daemon thread in C code can crash."""
    until = time.monotonic() + STOP_TIMEOUT_S
    for thread in list(_threads):
        thread.join(max(until - time.monotonic(), 0))


atexit.register(_join_all)
call_in_child(lambda: _threads.clear())  # Python may not know that they have ended.
