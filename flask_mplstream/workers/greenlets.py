"""Detect gevent and eventlet, which run all requests in a single thread.

Flask side. Imports neither.
"""

from __future__ import annotations

import logging
import math
import sys

logger = logging.getLogger("flask_mplstream")

#: Default number of followers at once if each holds a thread of the server.
USUAL_FOLLOWERS = 6


def find_greenlet_library() -> str | None:
    """Return the name of the library that has replaced threads, if any."""
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return None


def choose_max_followers() -> float:
    """Return the default limit for followers, which is none for greenlets."""
    return USUAL_FOLLOWERS if find_greenlet_library() is None else math.inf


def warn_of_greenlets() -> None:
    """If threads are greenlets, warn that a render blocks all other requests."""
    library = find_greenlet_library()
    if library is not None:
        logger.warning(
            "With %s, a render in the web process blocks all other requests, and no "
            "timeout stops it. Set MPLSTREAM_WORKERS to render in other processes.",
            library,
        )
