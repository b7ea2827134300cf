"""One flight per key: callers that come while a picture is made wait for that one.

Cache layer: values and threads; it knows neither Flask nor Matplotlib, neither
the store nor freshness. The render of a flight has a thread, so that no caller waits
longer than its deadline, whatever the render does; if it ends late, that thread does
the rest, and the picture is stored all the same. Followers get the leader's value or
a copy of its error, and both are forgotten when the flight ends, except for an
error's short ``error_backoff``.
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

from ..errors import BudgetError, OverloadedError, RemoteError, RenderTimeoutError
from ..forks import call_in_child
from ..limits.deadline import Deadline
from .error_copy import copy_error

T = TypeVar("T")
#: The steps that make a picture: it yields its render, as a call that takes long, is
#: sent what that returned, and may end in another thread than it began in.
Production = Generator[Callable[[], Any], Any, T]

logger = logging.getLogger("flask_mplstream")

#: Errors that are remembered at most.
MAX_ERRORS = 256
#: Seconds after the deadline that the leader leaves the render to say what is wrong.
GRACE_S = 0.4
#: Seconds that a flight lasts before followers over the limit are sent away.
PATIENCE_S = 1.0
#: Seconds that the end of the process waits for flights that every caller has left.
STOP_TIMEOUT_S = 5.0
#: Characters of the log line about a failure that no caller waited for.
MAX_LOG_LINE = 1000

_all_flights: WeakSet[Flights[Any]] = WeakSet()
_threads: WeakSet[threading.Thread] = WeakSet()


@dataclass(frozen=True, slots=True)
class _Outcome(Generic[T]):
    """What became of a flight: a value, or an error without data."""

    value: T | None = None
    error: Exception | None = None


@dataclass(eq=False, slots=True)
class _Rendered:
    """What became of the call that a production yielded."""

    done: Future[None] = field(default_factory=lambda: Future())
    value: Any = None
    error: Exception | None = None

    def end(self, production: Production[T]) -> T:
        """Return what *production* makes of it; keep no error, whose frames hold it."""
        error, self.error = self.error, None
        try:
            return _end(production, self.value, error)
        finally:
            del error


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    """A picture that is being made."""

    key: str
    deadline: Deadline
    #: The one that must end before this one begins.
    previous: _Flight[T] | None = None
    has_begun: bool = False
    landed: Future[_Outcome[T]] = field(default_factory=lambda: Future())
    #: The leader's error with its traceback. The leader alone gets it, and takes it
    #: away: its frames hold this flight, which would hold it.
    error: Exception | None = None
    #: Whether the leader has stopped waiting.
    is_abandoned: bool = False

    def wait(self, timeout_s: float) -> bool:
        """Return whether it ends in *timeout_s* seconds."""
        with suppress(TimeoutError):
            self.landed.result(timeout_s)
        return self.landed.done()


class Flights(Generic[T]):
    """The flights of one process.

    :param clock: seconds, for the backoff after an error.
    :param max_followers: followers that may wait at once, as each holds a thread of
        the server; more of them wait only for flights that are quick.
    """

    def __init__(
        self, clock: Callable[[], float], *, max_followers: float = math.inf
    ) -> None:
        self._clock = clock
        self._max_followers = max_followers
        self._reset()
        _all_flights.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _flights, _errors and _followers
        self._flights: dict[str, _Flight[T]] = {}
        # By key, when it happened, for how long it is the answer, and what.
        self._errors: dict[str, tuple[float, float, Exception]] = {}
        self._followers = 0
        self._nested = threading.local()

    def fly(
        self,
        key: str,
        produce: Callable[[], Production[T]],
        *,
        deadline: Deadline,
        backoff_s: Callable[[Exception], float],
        must_begin_later: bool = False,
    ) -> tuple[T, bool]:
        """Return what *produce* makes, called once for all callers with *key*.

        :param deadline: of this caller; of the flight if it begins one.
        :param backoff_s: seconds for which an error of *produce* is the answer
            without calling it again, given the error.
        :param must_begin_later: whether *produce* must not be called before this
            call, so that a flight under way is too old.
        :return: the value, and whether another caller made it.
        :raises RenderTimeoutError: after the deadline; the flight goes on.
        :raises OverloadedError: if too many callers follow.
        """
        if self.is_nested:
            # A figure function asks for a figure. Waiting could be for itself,
            # or for a thread that waits for the gate that it holds.
            return run_here(produce()), False
        while True:
            flight, is_leader = self._join(key, deadline, must_begin_later)
            if is_leader:
                return self._lead(flight, produce, backoff_s), False
            outcome = self._follow(flight, deadline)
            # A used up budget is the leader's alone.
            if not isinstance(outcome.error, BudgetError):
                return _opened(outcome), True

    def fly_here(
        self,
        key: str,
        produce: Callable[[], Production[T]],
        *,
        deadline: Deadline,
        backoff_s: Callable[[Exception], float],
    ) -> T | None:
        """Call *produce* in this thread, if *key* has no flight; wait for nothing."""
        flight, is_leader = self._join(key, deadline, must_begin_later=False)
        if not is_leader:
            return None
        try:
            value = run_here(produce())
        except BaseException as error:
            self._close(flight, error, backoff_s)
        else:
            self._forget(flight, _Outcome(value))
        return self._take(flight)

    def is_busy_or_failed(self, key: str, *, must_begin_later: bool = False) -> bool:
        """Whether *key* is being made here, or an error is still its answer.

        :param must_begin_later: as for :meth:`fly`.
        """
        with self._lock:
            if self._error(key) is not None:
                return True
            flight = self._flights.get(key)
            return flight is not None and not (must_begin_later and flight.has_begun)

    def _error(self, key: str) -> Exception | None:
        since, backoff_s, error = self._errors.get(key, (0.0, 0.0, None))
        # A clock set back does not make a second last until it is there again.
        return error if 0 <= self._clock() - since < backoff_s else None

    def _join(
        self, key: str, deadline: Deadline, must_begin_later: bool
    ) -> tuple[_Flight[T], bool]:
        with self._lock:
            error = self._error(key)
            if error is not None:
                # Each raise adds its frames, and a request in them, to what it raises.
                raise copy_error(error)
            latest = self._flights.get(key)
            if latest is not None and not (must_begin_later and latest.has_begun):
                return latest, False
            flight = self._flights[key] = _Flight(key, deadline, latest)
            return flight, True

    def _lead(
        self,
        flight: _Flight[T],
        produce: Callable[[], Production[T]],
        backoff_s: Callable[[Exception], float],
    ) -> T:
        production = produce()
        rendered = _Rendered()
        try:
            self._begin(flight)
            render = next(production)
        except StopIteration as end:
            self._forget(flight, _Outcome(end.value))
            return self._take(flight)
        except BaseException as error:
            self._close(flight, error, backoff_s)
            if not isinstance(error, Exception):
                raise  # The leader's thread is being stopped.
            return self._take(flight)
        go_on = partial(self._go_on, flight, production, rendered, backoff_s)
        thread = _start(partial(self._render, flight, render, rendered, go_on))
        try:
            self._wait(flight, rendered)
        except BaseException:
            if not flight.is_abandoned:  # Interrupted just as it was ready.
                go_on()
            raise
        if thread is not None:
            thread.join(GRACE_S)  # It has nothing left to do.
        go_on()
        return self._take(flight)

    def _wait(self, flight: _Flight[T], rendered: _Rendered) -> None:
        def wait(seconds: float) -> bool:
            with suppress(TimeoutError):
                rendered.done.result(seconds + GRACE_S)
            return rendered.done.done()

        try:
            flight.deadline.wait(wait)
        finally:
            with self._lock:
                flight.is_abandoned = not rendered.done.done()
        if flight.is_abandoned:
            raise _too_late(flight.deadline, flight.deadline)

    def _render(
        self,
        flight: _Flight[T],
        render: Callable[[], object],
        rendered: _Rendered,
        go_on: Callable[[], None],
    ) -> None:
        """Run *render* in its thread, and what follows if the leader has left."""
        with self.leading():
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

    def _go_on(
        self,
        flight: _Flight[T],
        production: Production[T],
        rendered: _Rendered,
        backoff_s: Callable[[Exception], float],
    ) -> None:
        try:
            value = rendered.end(production)
        except BaseException as error:
            self._close(flight, error, backoff_s)
        else:
            self._forget(flight, _Outcome(value))

    def _close(
        self,
        flight: _Flight[T],
        error: BaseException,
        backoff_s: Callable[[Exception], float],
    ) -> None:
        """End *flight* with the error of its production."""
        if isinstance(error, Exception):
            self._fail(flight, error, backoff_s)
        else:
            self._fail(flight, RenderTimeoutError("The render was interrupted."))

    def _take(self, flight: _Flight[T]) -> T:
        error, flight.error = flight.error, None
        if error is None:
            return _opened(flight.landed.result(0))
        try:
            raise error
        finally:
            del error  # Its traceback has this frame.

    def _follow(self, flight: _Flight[T], deadline: Deadline) -> _Outcome[T]:
        with self._place() as has_place:
            if has_place:
                has_landed = deadline.wait(flight.wait)
            else:
                patience_s = min(
                    PATIENCE_S - flight.deadline.elapsed_s, deadline.lock_timeout_s
                )
                has_landed = flight.wait(max(patience_s, 0.0))
        if has_landed:
            return flight.landed.result()
        if has_place:
            raise _too_late(deadline, flight.deadline)
        raise _crowded(self._max_followers)

    @contextmanager
    def _place(self) -> Iterator[bool]:
        """Wait as one of the followers; whether there is a place for it."""
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

    def _fail(
        self,
        flight: _Flight[T],
        error: Exception,
        backoff_s: Callable[[Exception], float] = lambda _error: 0.0,
    ) -> None:
        outcome: _Outcome[T] = _Outcome(error=copy_error(error))
        if self._forget(flight, outcome, error, backoff_s(error)):
            text = f"{type(error).__name__}: {error}"
            line = " | ".join([text, *getattr(error, "__notes__", ())])
            line = "".join(c if c.isprintable() else " " for c in line)
            logger.error("A render failed after its deadline: %s", line[:MAX_LOG_LINE])

    @property
    def is_nested(self) -> bool:
        """Whether this thread is making a picture already."""
        return getattr(self._nested, "is_leading", False)

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Make a picture: what is requested meanwhile waits for no other thread."""
        was_leading, self._nested.is_leading = self.is_nested, True
        try:
            yield
        finally:
            self._nested.is_leading = was_leading

    def _forget(
        self,
        flight: _Flight[T],
        outcome: _Outcome[T],
        error: Exception | None = None,
        backoff_s: float = 0.0,
    ) -> bool:
        """End *flight*; return whether its leader has stopped waiting."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]
            self._remember(flight.key, outcome.error, backoff_s)
            if not flight.is_abandoned:
                flight.error = error
            flight.landed.set_result(outcome)
            return flight.is_abandoned

    def _remember(self, key: str, error: Exception | None, backoff_s: float) -> None:
        now = self._clock()
        kept = {k: e for k, e in self._errors.items() if now < e[0] + e[1]}
        kept.pop(key, None)
        if error is not None and backoff_s:
            kept = dict(list(kept.items())[1 - MAX_ERRORS :])
            kept[key] = (now, backoff_s, error)
        self._errors = kept


def run_here(production: Production[T]) -> T:
    """Return what *production* makes, all of it in this thread."""
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
    """Return what *production* makes of the *value* or *error* of its render."""
    if isinstance(error, StopIteration):  # A generator cannot pass it on.
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


def _opened(outcome: _Outcome[T]) -> T:
    """The value of *outcome*; raise a copy of its error, as others get it as well."""
    if outcome.error is not None:
        raise copy_error(outcome.error)
    return outcome.value  # type: ignore[return-value]  # It is a success.


def _start(job: Callable[[], None]) -> threading.Thread | None:
    """Run *job* in a thread, or here if there is none to be had."""
    if _is_importing():
        job()
        return None
    # A daemon, as a render that hangs must not keep the process.
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

    Another thread that needs the module waits for its end, and this thread would
    wait for that one.
    """
    frame: FrameType | None = sys._getframe()
    while frame:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _too_late(deadline: Deadline, flight: Deadline) -> RenderTimeoutError:
    return RenderTimeoutError(
        f"The picture was not ready after {deadline.timeout_s:g} s.{flight}"
    )


def _crowded(max_followers: float) -> OverloadedError:
    return OverloadedError(
        f"{max_followers:g} requests wait for pictures that are being rendered. Try "
        f"again in a second.",
        fix="Raise MPLSTREAM_MAX_FOLLOWERS if the server has more threads, or render "
        "the picture ahead with `flask figures warm`.",
    )


def _reset_all() -> None:
    """After a fork: the leaders of the parent do not live here."""
    _threads.clear()  # Python may not know that they have ended.
    for flights in _all_flights:
        flights._reset()


def _join_all() -> None:
    """Wait for what still runs: a daemon that is cut off in C code can crash."""
    until = time.monotonic() + STOP_TIMEOUT_S
    for thread in list(_threads):
        thread.join(max(until - time.monotonic(), 0))


atexit.register(_join_all)
call_in_child(_reset_all)
