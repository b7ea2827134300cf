"""Keeping away from a backend that is down, and coming back to it.

Cache layer: threads and a clock. A request that finds the backend down pays for
one failed operation; those after it pay nothing. Whether it is back is found
out in the background, so that no request pays for that either.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from weakref import WeakSet

from ..forks import call_in_child

logger = logging.getLogger("flask_mplstream")

#: Seconds between looks for a backend that is down.
RETRY_S = 1.0
#: Seconds in which a backend that comes and goes is logged once.
LOG_S = 60.0
#: Names of the errors of clients whose server did not answer. redis-py's and
#: the builtins, then pylibmc's, which have no base class for it.
_OUTAGES = frozenset(
    {
        *("ConnectionError", "TimeoutError"),
        *("ServerDown", "ServerDead", "HostLookupError", "NoServers"),
        "UnknownReadFailure",
    }
)

_all: WeakSet[Breaker] = WeakSet()


def is_outage(error: BaseException | None) -> bool:
    """Whether the backend did not answer, as opposed to refusing (Redis: full)."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint(_OUTAGES)


def describe(error: BaseException | None) -> str:
    """Return *error* as one line of printable text."""
    return f"{type(error).__name__}: {str(error)!r}"


class Breaker:
    """Open while a backend is down.

    :param probe: an operation on the backend that fails while it is down.
    """

    def __init__(self, probe: Callable[[], object]) -> None:
        self._probe = probe
        #: How often the backend went down.
        self.trips = 0
        self._logged_at = -math.inf
        #: Called when the backend is back.
        self.on_back: Callable[[], object] = lambda: None
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _thread
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether to keep away."""
        return self._thread is not None

    def trip(self) -> None:
        """Keep away from now on, after an operation that failed."""
        with self._lock:
            if self._thread is not None:
                return
            self.trips += 1
            is_logged = self._log(sys.exc_info()[1])
            thread = threading.Thread(
                target=self._look,
                args=(is_logged,),
                name="mplstream-breaker",
                daemon=True,
            )
            try:
                thread.start()
            except RuntimeError:
                return  # No thread to find out when it is back: ask again each time.
            self._thread = thread

    def _log(self, error: BaseException | None) -> bool:
        """Log that the backend is down; rarely if it comes and goes."""
        now = time.monotonic()
        if now - self._logged_at < LOG_S:
            return False
        self._logged_at = now
        logger.warning(
            "The cache is down; going on without. Outage %d of this process: %s",
            *(self.trips, describe(error)),
        )
        return True

    def _look(self, is_logged: bool) -> None:
        while not self._stopped.wait(RETRY_S):
            if self._answers():
                if is_logged:
                    logger.warning("The cache is back.")
                break
        with self._lock:
            self._thread = None
        # Afterwards, for what was left undone as the breaker was still open.
        with suppress(Exception):
            self.on_back()

    def _answers(self) -> bool:
        try:
            self._probe()
        except Exception as error:
            return not is_outage(error)  # A refusal is an answer.
        return True

    def stop(self) -> None:
        """End the thread, if there is one."""
        thread = self._thread
        self._stopped.set()
        if thread is not None:
            thread.join()
        self._stopped.clear()


def _reset_all() -> None:
    """After a fork: the thread of the parent does not live here."""
    for breaker in _all:
        breaker._reset()


call_in_child(_reset_all)
