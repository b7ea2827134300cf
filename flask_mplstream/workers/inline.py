"""In the web process: the thread that asked renders.

Flask side. A figure function sees its arguments and the app, never the
request: it runs in a new, empty context in which only an app context is
pushed. So ``request``, ``session`` and ``current_user`` raise there, and an
input that is not part of the cache key cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import TypeVar

from flask import Flask

T = TypeVar("T")


def run_without_request(app: Flask, function: Callable[[], T]) -> T:
    """What *function* returns where there is *app* and no request."""

    def run() -> T:
        with app.app_context():
            return function()

    return Context().run(run)
