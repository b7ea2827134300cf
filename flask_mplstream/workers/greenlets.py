"""gevent and eventlet: all requests of a process share one thread.

Flask side; it imports neither.
"""

from __future__ import annotations

import logging
import math
import sys

logger = logging.getLogger("flask_mplstream")

#: Followers that may wait at once where each holds a thread of the server.
USUAL_FOLLOWERS = 6


def greenlet_library() -> str | None:
    """Return the name of the library that has replaced threads, if any."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return None


def usual_followers() -> float:
    """Return how many requests may wait for the renders of others by default."""
    return USUAL_FOLLOWERS if greenlet_library() is None else math.inf


def warn_of_greenlets() -> None:
    """Warn that a render in this process stops all its requests."""
    library = greenlet_library()
    if library is not None:
        logger.warning(
            "With %s, a render in the web process stops all its other requests, and "
            "no timeout ends it. Render in processes: set MPLSTREAM_WORKERS.",
            library,
        )
