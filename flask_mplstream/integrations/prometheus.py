"""Prometheus metrics of figures; requires the extra ``metrics``.

Flask side. The metrics are based on :mod:`flask_mplstream.signals`. A label is an
endpoint, a status or one of a few words, but never an argument, so that clients can't
create new time series.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from flask import Flask, Response, request

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.multiprocess import MultiProcessCollector
except ImportError as error:
    raise ImportError(
        "The metrics require prometheus_client. Install it with "
        "pip install 'flask-mplstream[metrics]'."
    ) from error

from ..errors import ConfigError
from ..rendered_image import RenderedImage
from ..signals import (
    figure_failed,
    figure_rendered,
    figure_served,
    render_began,
    render_ended,
    worker_killed,
)

EXTENSION = "mplstream_metrics"
#: Upper bounds of the histogram in seconds.
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


def export_metrics(
    app: Flask,
    *,
    path: str | None = "/metrics",
    registry: CollectorRegistry | None = None,
) -> CollectorRegistry:
    """Export metrics of the figures of *app* to Prometheus.

    ::

        from flask_mplstream.integrations.prometheus import export_metrics

        export_metrics(app)

    The metrics reveal which figures there are and how they are used, so you should
    block public access to *path*, for example in your proxy.

    If ``PROMETHEUS_MULTIPROC_DIR`` is set, the metrics of all processes of the server,
    and of all apps in them, are added up.

    :param path: the URL path of the metrics. The default is ``/metrics``. If it is
        ``None``, no route is added.
    :param registry: the registry to use. By default, a new one is created for the app.
        Other code usually uses ``prometheus_client.REGISTRY``.
    :return: the registry.
    :raises ConfigError: if the app already exports metrics, or if another app uses the
        same *registry*.
    """
    if EXTENSION in app.extensions:
        raise ConfigError(
            f"export_metrics() was already called for the app {app.name!r}. Call it "
            f"once; it counts all figures of the app."
        )
    if registry is None:
        registry = CollectorRegistry()
    # Signals hold receivers weakly: this reference keeps them alive with the app.
    app.extensions[EXTENSION] = _metrics(app, registry)
    if path is not None:
        app.add_url_rule(path, EXTENSION, lambda: _exposition(registry))
    return registry


def _metrics(app: Flask, registry: CollectorRegistry) -> _Metrics:
    try:
        return _Metrics(app, registry)
    except ValueError as error:
        raise ConfigError(
            f"The registry already has metrics with these names: {error}. Use a "
            f"separate registry for each app, or omit registry=…."
        ) from error


def _exposition(registry: CollectorRegistry) -> Response:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        # The files in this directory have the counts of all processes and registries.
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    encode, mimetype = choose_encoder(request.headers.get("Accept", ""))
    headers = {"Content-Type": mimetype, "Cache-Control": "no-store"}
    return Response(encode(registry), headers=headers)


class _Metrics:
    """The metrics of an app. Their names are public, because dashboards use them."""

    def __init__(self, app: Flask, registry: CollectorRegistry) -> None:
        counter = partial(Counter, registry=registry)
        self._requests = counter(
            "mplstream_requests_total",
            "Responses of figure routes.",
            ["figure", "status", "cache"],
        )
        self._bytes = counter(
            "mplstream_response_bytes_total", "Bytes of response bodies.", ["figure"]
        )
        self._render_seconds = Histogram(
            "mplstream_render_seconds",
            "Seconds of a render, without the wait for its turn.",
            ["figure"],
            buckets=BUCKETS_S,
            registry=registry,
        )
        self._step_seconds = counter(
            "mplstream_render_step_seconds_total",
            "Seconds of all renders by step: load, wait, build, layout, draw, encode.",
            ["figure", "step"],
        )
        self._failures = counter(
            "mplstream_render_failures_total",
            "Renders that failed or timed out.",
            ["figure"],
        )
        self._pending = Gauge(
            "mplstream_renders_pending",
            "Renders that wait or run.",
            ["figure"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._killed = counter(
            "mplstream_workers_killed_total",
            "Worker processes lost.",
            ["reason"],
        )
        self._listen(app)

    def _listen(self, app: Flask) -> None:
        figure_served.connect(self._count_response, app)
        figure_rendered.connect(self._count_render, app)
        figure_failed.connect(self._count_failure, app)
        render_began.connect(self._begin, app)
        render_ended.connect(self._end, app)
        worker_killed.connect(self._count_killed, app)

    def _count_response(
        self, app: Flask, figure: str, status: int, cache: str | None, body_bytes: int
    ) -> None:
        self._requests.labels(figure, status, cache or "none").inc()
        self._bytes.labels(figure).inc(body_bytes)

    def _count_render(
        self, app: Flask, figure: str, image: RenderedImage, **_: Any
    ) -> None:
        steps = dict(image.timings_s)
        for step, seconds in steps.items():
            self._step_seconds.labels(figure, step).inc(seconds)
        steps.pop("wait", None)
        self._render_seconds.labels(figure).observe(sum(steps.values()))

    def _count_failure(self, app: Flask, figure: str, **_: Any) -> None:
        self._failures.labels(figure).inc()

    def _begin(self, app: Flask, figure: str) -> None:
        self._pending.labels(figure).inc()

    def _end(self, app: Flask, figure: str) -> None:
        self._pending.labels(figure).dec()

    def _count_killed(self, app: Flask, reason: str) -> None:
        self._killed.labels(reason).inc()
