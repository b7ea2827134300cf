"""A circuit breaker for a cache backend that is down.

Cache layer. When a backend goes down, one request has to wait for an operation to fail.
Later requests don't have to wait, because a background thread checks whether the
backend is available again.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
import time
from collections.abc import Callable

from ..forks import call_in_child

logger = logging.getLogger("flask_mplstream")

#: Seconds between probes of a backend that is down.
RETRY_S = 1.0
#: Minimum seconds between log lines about outages.
LOG_S = 60.0
#: Names of client errors that mean that the server did not answer: redis-py's and the
#: built-in ones, then pylibmc's, which have no common base class.
_OUTAGES = frozenset(
    {
        *("ConnectionError", "TimeoutError"),
        *("ServerDown", "ServerDead", "HostLookupError", "NoServers"),
        "UnknownReadFailure",
    }
)


def is_outage(error: BaseException | None) -> bool:
    """Return whether *error* means that the backend is down and didn't just refuse."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return not names.isdisjoint(_OUTAGES)


def quote_error(error: BaseException | None) -> str:
    """Return *error* as one line of printable text."""
    return f"{type(error).__name__}: {str(error)!r}"


class Breaker:
    """A circuit breaker, open while a backend is down.

    :param probe: a function that uses the backend and fails while it is down.
    """

    def __init__(self, probe: Callable[[], object]) -> None:
        self._probe = probe
        #: Number of outages so far.
        self.trips = 0
        self._logged_at = -math.inf
        self._reset()
        call_in_child(self._reset)  # A child lacks its parent's threads.

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _thread
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    @property
    def is_open(self) -> bool:
        """Whether to skip the backend."""
        return self._thread is not None

    def trip(self) -> None:
        """Open the breaker while the error of a failed operation is handled."""
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
                return  # No thread can probe: each request tries the backend.
            self._thread = thread

    def _log(self, error: BaseException | None) -> bool:
        """Log an outage at most every :data:`LOG_S` seconds; return whether it was."""
        now = time.monotonic()
        if now - self._logged_at < LOG_S:
            return False
        self._logged_at = now
        logger.warning(
            "The cache is down; continuing without it. Outage %d of this process: %s",
            *(self.trips, quote_error(error)),
        )
        return True

    def _look(self, is_logged: bool) -> None:
        while not self._stopped.wait(RETRY_S):
            if self._answers():
                if is_logged:
                    logger.warning("The cache answers again.")
                break
        with self._lock:
            self._thread = None

    def _answers(self) -> bool:
        try:
            self._probe()
        except Exception as error:
            return not is_outage(error)  # A refusal is an answer.
        return True

    def stop(self) -> None:
        """Stop the thread that checks the backend, and wait until it has ended."""
        thread = self._thread
        self._stopped.set()
        if thread is not None:
            thread.join()
        self._stopped.clear()
