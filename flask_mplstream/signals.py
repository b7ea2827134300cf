"""Blinker signals about figures, like Flask's own signals.

Flask side; imports nothing from the package. The sender is the app, not a proxy.
Receivers run synchronously, in the thread that did the work, with an app context. For
renders there is no request context, because they run in another thread.
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
    doc="""A figure route has answered, whatever the answer is.

    :param figure: the route's endpoint, ``"plots.walk"`` for example.
    :param status: the HTTP status, an ``int``.
    :param cache: where the picture came from, as ``Cache-Status`` tells it: ``"hit"``,
        ``"uri-miss"``, ``"stale"`` (it was too old, and rendered), ``"bypass"``
        (nothing is kept), ``"collapsed"`` (another request rendered it), or
        ``"stale-if-error"`` (rendering failed: the last good one). ``None`` where no
        picture is sent.
    :param body_bytes: bytes of the body; 0 for a 304 and for ``HEAD``.

    What ``before_request`` or a decorator answers by itself comes to no figure route.
    What ``after_request`` does to the answer comes later.
    """,
)

figure_rendered = _signals.signal(
    "figure-rendered",
    doc="""A picture was rendered: for a request, a template or the background.

    Sent in the web process, also where a worker or an executor rendered.

    :param figure: the route's endpoint.
    :param arguments: what the figure function got, by name: what ``inject`` gave is
        among it.
    :param variant: its ``format``, ``scale``, ``width_px`` and ``theme``.
    :param image: the :class:`RenderedImage`; its ``timings_s`` are the seconds that
        each step took: ``load``, ``wait``, ``build``, ``layout``, ``draw``,
        ``encode``.
    """,
)

figure_failed = _signals.signal(
    "figure-failed",
    doc="""A render failed, or was ended because it took too long.

    An answer of the figure function's own, such as ``abort(404)``, is no failure, nor
    is a render for which there was no room, nor one whose URL asks for what cannot be
    had: a picture that is too large, or text that is no mathtext.
    :data:`figure_served` tells of those by their status.

    :param figure: the route's endpoint.
    :param arguments: what the figure function got, by name.
    :param variant: the ``format``, ``scale``, ``width_px`` and ``theme`` that were
        asked for.
    :param exception: what was raised.
    """,
)

render_began = _signals.signal(
    "render-began",
    doc="""A render was admitted: it waits for its turn from now on, or runs.

    As many as began and did not end are pending in this process. What a figure
    function renders besides is part of its own render.

    :param figure: the route's endpoint.
    """,
)

render_ended = _signals.signal(
    "render-ended",
    doc="""A render that began is over, whatever came of it.

    :param figure: the route's endpoint.
    """,
)

worker_killed = _signals.signal(
    "worker-killed",
    doc="""A worker process was lost; another takes its place.

    One that is replaced after ``MPLSTREAM_WORKER_RENDERS``, or at the end, is not.

    :param reason: ``"timeout"`` (its render took longer than ``timeout``), ``"died"``
        (it ended by itself, or something else killed it, such as the kernel for want
        of memory), or ``"start"`` (it was not ready after a minute).
    """,
)


def tell(signal: NamedSignal, app: Flask, **told: Any) -> None:
    """Call the receivers of *signal* for *app*.

    An exception in a receiver is logged; it stops neither the other receivers nor the
    response.
    """
    if not signal.receivers or signal.is_muted:
        return
    with nullcontext() if has_app_context() else app.app_context():
        for receiver in signal.receivers_for(app):
            try:
                app.ensure_sync(receiver)(app, **told)
            except Exception:
                logger.exception("A receiver of %s failed: %r", signal.name, receiver)
