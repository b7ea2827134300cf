"""Run figure functions in an app context without a request.

Flask side. A figure function can use its arguments and the app, but not the request, so
that the cache key includes everything that the picture depends on. It runs in the
calling thread with an empty ``contextvars`` context, so ``request``, ``session`` and
``current_user`` raise an error.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from contextvars import Context
from typing import TypeVar

from flask import Flask

from ..limits.render_stage import RenderStage, render_stage

T = TypeVar("T")


def run_without_request(app: Flask | None, function: Callable[[], T]) -> T:
    """Call *function* without a request, and return its result.

    :param app: the app to push a context for, or ``None`` for no context.
    """

    def run() -> T:
        render_stage.set(RenderStage.FIGURE)
        with nullcontext() if app is None else app.app_context():
            return function()

    return Context().run(run)
