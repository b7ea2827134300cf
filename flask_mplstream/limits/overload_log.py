"""Log the first overload, and then how many there were in each minute.

Values layer. This module doesn't import Flask. If a server is overloaded, its log must
not fill up the disk as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from ..errors import OverloadedError, RenderTimeoutError
from ..forks import make_lock

logger = logging.getLogger("flask_mplstream")

#: Seconds between two lines about one kind of overload.
EVERY_S = 60.0
#: The fix for a picture that was not ready in time.
_FIX = (
    "Make its load or figure function faster, raise its timeout, or render it ahead "
    "with `flask figures warm`."
)


class OverloadLog:
    """A log for overloads, in which those with the same fix are of the same kind.

    :param clock: a monotonic clock in seconds. The default is ``time.monotonic``.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = make_lock(self)  # guards _logged_at and _unlogged
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def log(self, error: OverloadedError | RenderTimeoutError) -> None:
        """Log *error*, or only count it if a similar one was logged a minute ago."""
        fix = getattr(error, "fix", _FIX)
        with self._lock:
            now = self._clock()
            if now - self._logged_at.get(fix, -EVERY_S) < EVERY_S:
                self._unlogged[fix] = self._unlogged.get(fix, 0) + 1
                return
            self._logged_at[fix] = now
            unlogged = self._unlogged.pop(fix, 0)
        more = f" {unlogged} more since the last such message." if unlogged else ""
        logger.warning("Refused a picture: %s %s%s", error, fix, more)
