"""The context of a figure function: an app context without a request.

Flask side. A figure function sees its arguments and the app, never the request, so no
input is missing from the cache key. It runs in the calling thread in an empty
``contextvars`` context: ``request``, ``session`` and ``current_user`` raise there.
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
    """Return the result of *function*, run without a request.

    :param app: the app of the context that is pushed; ``None`` for no context.
    """

    def run() -> T:
        render_stage.set(RenderStage.FIGURE)
        with nullcontext() if app is None else app.app_context():
            return function()

    return Context().run(run)
