"""Blinker signals about figures, like Flask's own signals.

Flask side. This module doesn't import anything from the package. The app itself is the
sender, not a proxy. Receivers run synchronously in the thread that did the work, with
an app context. During a render, there is no request context, because it runs in another
thread.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

from blinker import NamedSignal, Namespace
from flask import Flask, has_app_context

logger = logging.getLogger("flask_mplstream")

_signals = Namespace()

figure_served = _signals.signal(
    "figure-served",
    doc="""A figure route has responded, with any status.

    It is not sent for a response of ``before_request`` or of a decorator, and is sent
    before ``after_request`` changes the response.

    :param figure: the route's endpoint, such as ``"plots.walk"``.
    :param status: the HTTP status, an ``int``.
    :param cache: the source of the picture, in the words of ``Cache-Status``:
        ``"hit"``, ``"uri-miss"``, ``"stale"`` (too old, and rendered again),
        ``"bypass"`` (nothing is kept), ``"collapsed"`` (rendered for another request)
        or ``"stale-if-error"`` (the last good one, as rendering failed). ``None`` for
        a response without a picture.
    :param body_bytes: bytes of the body; 0 for a 304 and for ``HEAD``.
    """,
)

figure_rendered = _signals.signal(
    "figure-rendered",
    doc="""A picture was rendered: for a request, a template or in the background.

    It is sent in the web process, even if a worker or an executor rendered. It is not
    sent for a picture in another format that is encoded from a stored PNG.

    :param figure: the route's endpoint.
    :param arguments: the figure function's arguments by name, including the values of
        ``inject``.
    :param variant: its ``format``, ``scale``, ``width_px`` and ``theme``.
    :param image: the :class:`RenderedImage`; its ``timings_s`` are the seconds of each
        step: ``load``, ``wait``, ``build``, ``keep``, ``copy``, ``layout``, ``draw``,
        ``encode``.
    """,
)

data_loaded = _signals.signal(
    "data-loaded",
    doc="""A route's ``load`` has returned the data of a picture.

    It is sent with :data:`figure_rendered`, unless the picture shows data that another
    variant of it has loaded.

    :param figure: the route's endpoint.
    :param arguments: the figure function's arguments by name.
    :param variant: its ``format``, ``scale``, ``width_px`` and ``theme``.
    :param seconds: the time that it took.
    """,
)

figure_built = _signals.signal(
    "figure-built",
    doc="""A figure function was called, and its figure was drawn.

    It is sent with :data:`figure_rendered`, unless the picture was drawn from the kept
    figure of another variant.

    :param figure: the route's endpoint.
    :param arguments: the figure function's arguments by name.
    :param variant: its ``format``, ``scale``, ``width_px`` and ``theme``.
    :param seconds: the time that it took.
    """,
)

figure_failed = _signals.signal(
    "figure-failed",
    doc="""A render or an encode failed, or was ended because it took too long.

    It is not sent for a response of the figure function, such as ``abort(404)``, for a
    render that was not admitted, or for a URL that requests a picture over the limit
    or text that is not mathtext. :data:`figure_served` reports those by their status.

    :param figure: the route's endpoint.
    :param arguments: the figure function's arguments by name.
    :param variant: the requested ``format``, ``scale``, ``width_px`` and ``theme``.
    :param exception: the error.
    """,
)

render_began = _signals.signal(
    "render-began",
    doc="""A render was admitted: it runs or waits for its turn.

    Renders that began and have not ended are pending in this process. Pictures that a
    figure function requests are part of its render. An encode of a stored PNG is no
    render.

    :param figure: the route's endpoint.
    """,
)

render_ended = _signals.signal(
    "render-ended",
    doc="""A render that began has ended, with any result.

    :param figure: the route's endpoint.
    """,
)

worker_killed = _signals.signal(
    "worker-killed",
    doc="""A worker process was lost, and another one replaces it.

    It is not sent for a worker that is replaced after ``MPLSTREAM_WORKER_RENDERS``, or
    at shutdown.

    :param reason: ``"timeout"`` (its render took longer than ``timeout``), ``"died"``
        (it exited, or was killed, such as by the kernel when memory was low) or
        ``"start"`` (it was not ready after a minute).
    """,
)


def send_signal(signal: NamedSignal, app: Flask, **values: Any) -> None:
    """Call the receivers of *signal* for *app*.

    If a receiver raises an exception, it is logged, but it doesn't affect the response
    or the other receivers.
    """
    if not signal.receivers or signal.is_muted:
        return
    with nullcontext() if has_app_context() else app.app_context():
        for receiver in signal.receivers_for(app):
            try:
                app.ensure_sync(receiver)(app, **values)
            except Exception:
                logger.exception("A receiver of %s failed: %r", signal.name, receiver)
