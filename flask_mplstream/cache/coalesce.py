"""One flight per key: who comes while a picture is made waits for that one.

Cache layer: values and threads; it knows neither Flask nor Matplotlib, neither
the store nor freshness. Followers get the leader's value or its error, and both
are forgotten when the flight ends, but for an error's short ``error_backoff``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Generic, TypeVar
from weakref import WeakSet

from ..errors import RenderTimeoutError
from ..forks import call_in_child

T = TypeVar("T")

#: Errors that are remembered at most.
MAX_ERRORS = 256

_all_flights: WeakSet[Flights[object]] = WeakSet()


class Flights(Generic[T]):
    """The flights of one process.

    :param clock: seconds, for the backoff after an error.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._reset()
        _all_flights.add(self)  # type: ignore[arg-type]  # whatever they carry

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _flights and _errors
        self._flights: dict[str, Future[T]] = {}
        # By key, when it happened, for how long it is the answer, and what.
        self._errors: dict[str, tuple[float, float, Exception]] = {}
        self._nested = threading.local()

    def fly(
        self,
        key: str,
        produce: Callable[[], T],
        *,
        timeout_s: float,
        backoff_s: Callable[[Exception], float],
    ) -> tuple[T, bool]:
        """What *produce* returns, called once however many ask for *key*.

        :param timeout_s: seconds that a follower waits.
        :param backoff_s: seconds for which an error of *produce* is the answer
            without calling it again, given the error.
        :return: the value, and whether another caller made it.
        :raises RenderTimeoutError: where a follower has waited long enough.
        """
        if self.is_nested:
            # A figure function asks for a figure. Waiting could be for itself,
            # or for somebody who waits for the gate that it holds.
            return produce(), False
        flight, is_leader = self._join(key)
        if is_leader:
            return self._lead(key, flight, produce, backoff_s), False
        try:
            return flight.result(timeout_s), True
        except TimeoutError:
            if flight.done():
                # The leader's own TimeoutError, or it was ready just now.
                return flight.result(), True
            raise RenderTimeoutError(
                f"The picture was not ready after {timeout_s:g} seconds of waiting."
            ) from None

    def is_busy_or_failed(self, key: str) -> bool:
        """Whether *key* is being made here, or an error is still its answer."""
        with self._lock:
            return key in self._flights or self._error(key) is not None

    def _error(self, key: str) -> Exception | None:
        since, backoff_s, error = self._errors.get(key, (0.0, 0.0, None))
        # A clock set back does not make a second last until it is there again.
        return error if 0 <= self._clock() - since < backoff_s else None

    def _join(self, key: str) -> tuple[Future[T], bool]:
        with self._lock:
            error = self._error(key)
            if error is not None:
                # Each raise adds its frames, and a request in them, to what it finds.
                raise error.with_traceback(None)
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            return flight, True

    def _lead(
        self,
        key: str,
        flight: Future[T],
        produce: Callable[[], T],
        backoff_s: Callable[[Exception], float],
    ) -> T:
        try:
            with self.leading():
                value = produce()
        except Exception as error:
            self._forget(key, error, backoff_s(error))
            flight.set_exception(error)
            raise
        except BaseException as error:
            # The leader's worker is being stopped. That is nobody else's error:
            # its followers may ask again.
            self._forget(key)
            flight.set_exception(RenderTimeoutError("The render was interrupted."))
            raise error
        self._forget(key)
        flight.set_result(value)
        return value

    @property
    def is_nested(self) -> bool:
        """Whether this thread is making a picture already."""
        return getattr(self._nested, "is_leading", False)

    @contextmanager
    def leading(self) -> Iterator[None]:
        """Make a picture: what is asked for meanwhile waits for nobody."""
        was_leading, self._nested.is_leading = self.is_nested, True
        try:
            yield
        finally:
            self._nested.is_leading = was_leading

    def _forget(
        self, key: str, error: Exception | None = None, backoff_s: float = 0
    ) -> None:
        now = self._clock()
        with self._lock:
            del self._flights[key]
            # An error holds its frames, and with them all data of the render.
            kept = {k: e for k, e in self._errors.items() if now < e[0] + e[1]}
            kept.pop(key, None)
            self._errors = kept
            if error is None or not backoff_s:
                return
            self._errors = dict(list(kept.items())[1 - MAX_ERRORS :])
            self._errors[key] = (now, backoff_s, error)


def _reset_all() -> None:
    """After a fork: the leaders of the parent do not live here."""
    for flights in _all_flights:
        flights._reset()


call_in_child(_reset_all)
