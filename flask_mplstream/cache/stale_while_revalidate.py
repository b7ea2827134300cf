"""Renders in the background, in a thread that only exists while there is work.

Cache layer. A single thread is enough, because Matplotlib only draws one figure at a
time, so several threads would have to wait for each other.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

from ..forks import call_in_child

logger = logging.getLogger("flask_mplstream")

#: Maximum number of waiting jobs; further stale pictures are renewed later.
MAX_WAITING = 1000
#: Seconds that an exiting process waits for the running job.
STOP_TIMEOUT_S = 10.0

_all: WeakSet[Background] = WeakSet()


class Background:
    """A queue of jobs that are run one after the other in a background thread."""

    def __init__(self) -> None:
        self._reset()
        _all.add(self)
        call_in_child(self._reset)  # A child lacks its parent's threads.

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards the rest
        self._jobs: deque[tuple[str, Callable[[], object]]] = deque()
        self._names: set[str] = set()
        self._thread: threading.Thread | None = None
        self._is_stopped = False

    def submit(self, name: str, job: Callable[[], object]) -> bool:
        """Add *job* to the queue unless there is already a job called *name*.

        :return: whether the job will run.
        """
        with self._lock:
            is_full = len(self._jobs) >= MAX_WAITING
            if self._is_stopped or is_full or name in self._names:
                return False
            if self._thread is None and not self._start():
                return False
            self._names.add(name)
            self._jobs.append((name, job))
            return True

    def _start(self) -> bool:
        """Start the thread, which waits for the lock. Return whether it worked."""
        # A daemon, because a hanging render must not keep the process alive.
        thread = threading.Thread(
            target=self._work, name="mplstream-background", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:
            logger.warning("Cannot start a thread to renew pictures.", exc_info=True)
            return False
        self._thread = thread
        return True

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._thread = None
                    return
                name, job = self._jobs.popleft()
            try:
                job()
            except Exception:
                logger.warning("Cannot renew %s.", name, exc_info=True)
            finally:
                with self._lock:
                    self._names.discard(name)

    def join(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Wait up to *timeout_s* seconds until there are no more jobs."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    def stop(self) -> None:
        """Reject new jobs, discard waiting ones, and finish the current one."""
        with self._lock:
            self._is_stopped = True
            self._jobs.clear()
        self.join()


def _stop_all() -> None:
    for background in list(_all):
        background.stop()


atexit.register(_stop_all)
