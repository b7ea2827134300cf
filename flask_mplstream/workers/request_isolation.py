"""In this process: the thread that asked renders.

Flask side. A figure function sees its arguments and the app, never the
request: it runs in a new, empty context in which only an app context is
pushed. So ``request``, ``session`` and ``current_user`` raise there, and an
input that is not part of the cache key cannot exist.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Context, ContextVar
from typing import TypeVar

from flask import Flask

T = TypeVar("T")

#: Whether this is a render already: what it renders besides is part of it.
is_rendering: ContextVar[bool] = ContextVar("flask_mplstream_rendering", default=False)


def run_without_request(app: Flask | None, function: Callable[[], T]) -> T:
    """What *function* returns where there is *app*, if any, and no request."""

    def run() -> T:
        is_rendering.set(True)
        with nullcontext() if app is None else app.app_context():
            return function()

    return Context().run(run)
