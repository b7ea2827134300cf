"""Metrics: correct counts over all processes, and a bounded number of series."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple
from weakref import ref

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from matplotlib.figure import Figure
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from flask_mplstream import ConfigError, FigureBlueprint, figure_served
from flask_mplstream.cache import single_flight
from flask_mplstream.integrations.prometheus import export_metrics
from tests.apps.worker_figures import plots as worker_plots
from tests.apps.worker_figures import stop_workers
from tests.support.doubles import Clock
from tests.support.paths import ROOT
from tests.support.processes import wait_until
from tests.support.servers import Gunicorn

PATIENCE_S = 60.0

Serve = Callable[..., FlaskClient]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_in(text: str) -> Samples:
    """Return each value by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Metrics(NamedTuple):
    """The metrics of an app."""

    client: FlaskClient

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the series *name*, or ``None`` if it is missing."""
        text = self.client.get("/metrics").text
        return samples_in(text).get((f"mplstream_{name}", frozenset(labels.items())))

    def requests(self, status: int, cache: str, figure: str = "plots.walk") -> float:
        """Return the number of responses with this status and cache word."""
        labels = {"figure": figure, "status": str(status), "cache": cache}
        return self.value("requests_total", **labels) or 0.0


@pytest.fixture
def metrics(plots: FigureBlueprint, serve: Serve) -> Metrics:
    """Serve an app that exports metrics, with a figure that can fail."""

    @plots.figure_route("/walk", max_age=60, stale_if_error=600, error_backoff=0)
    def walk(n: int = 0, fails: str = "") -> Figure:
        if fails and os.path.exists(fails):
            raise ValueError("no data")
        return Figure(figsize=(1, 1))

    client = serve()
    export_metrics(client.application)
    return Metrics(client)


def test_answers_are_counted_by_status_and_cache(metrics: Metrics) -> None:
    """A miss, two hits, a 304 and a 400 are counted separately."""
    first = metrics.client.get("/plots/walk")
    for _ in range(2):
        metrics.client.get("/plots/walk")
    etag = first.headers["ETag"]
    metrics.client.get("/plots/walk", headers={"If-None-Match": etag})
    metrics.client.get("/plots/walk?n=x")
    assert metrics.requests(200, "uri-miss") == 1
    assert metrics.requests(200, "hit") == 2
    assert metrics.requests(304, "hit") == 1
    assert metrics.requests(400, "none") == 1


def test_sent_bytes_are_counted(metrics: Metrics) -> None:
    """A picture's bytes count twice; a 304 and a HEAD count nothing."""
    first = metrics.client.get("/plots/walk")
    metrics.client.get("/plots/walk")
    metrics.client.head("/plots/walk")
    metrics.client.get("/plots/walk", headers={"If-None-Match": "*"})
    told = metrics.value("response_bytes_total", figure="plots.walk")
    assert told == 2 * len(first.data)


def test_a_failure_and_an_older_picture_are_counted(
    plots: FigureBlueprint, clock: Clock, metrics: Metrics, tmp_path: Path
) -> None:
    """A failure counts as 500 without a picture, else as ``stale-if-error``."""
    switch = tmp_path / "fails"
    url = f"/plots/walk?fails={switch}"
    metrics.client.get(url)
    switch.touch()
    clock.now += 100
    assert metrics.client.get(url).status_code == 200
    assert metrics.client.get(f"{url}&n=1").status_code == 500
    assert metrics.requests(200, "stale-if-error") == 1
    assert metrics.requests(500, "none") == 1
    assert metrics.value("render_failures_total", figure="plots.walk") == 2
    assert metrics.value("render_seconds_count", figure="plots.walk") == 1


def test_renders_are_timed(metrics: Metrics) -> None:
    """Each render counts once, in buckets from 5 ms to a minute; hits do not count."""
    for url in ("/plots/walk", "/plots/walk", "/plots/walk?n=1"):
        metrics.client.get(url)
    walk = {"figure": "plots.walk"}
    assert metrics.value("render_seconds_count", **walk) == 2
    assert metrics.value("render_seconds_bucket", **walk, le="0.005") is not None
    assert metrics.value("render_seconds_bucket", **walk, le="60.0") == 2
    seconds = metrics.value("render_seconds_sum", **walk)
    assert seconds
    steps = [
        metrics.value("render_step_seconds_total", **walk, step=step) or 0.0
        for step in ("build", "keep", "draw", "encode")
    ]
    assert sum(steps) == pytest.approx(seconds)
    assert metrics.value("render_step_seconds_total", **walk, step="wait") is not None


def test_pending_renders_and_collapsed_requests_are_counted(
    plots: FigureBlueprint, serve: Serve
) -> None:
    """A running and a waiting render count as pending; a follower does not."""
    began, go_on = threading.Event(), threading.Event()

    @plots.figure_route("/slow")
    def slow(n: int = 0) -> Figure:
        began.set()
        go_on.wait(PATIENCE_S)
        return Figure(figsize=(1, 1))

    app = serve().application
    export_metrics(app)
    metrics = Metrics(app.test_client())

    def pending() -> float:
        return metrics.value("renders_pending", figure="plots.slow") or 0.0

    with ThreadPoolExecutor(3) as threads:
        try:
            paths = ["/plots/slow?n=1", "/plots/slow?n=2", "/plots/slow?n=1"]
            asked = [
                threads.submit(lambda p: app.test_client().get(p), p) for p in paths
            ]
            began.wait(PATIENCE_S)
            wait_until(lambda: pending() == 2)
            wait_until(lambda: waits_for_another(app))
            assert pending() == 2
        finally:
            go_on.set()
        assert [answer.result().status_code for answer in asked] == [200] * 3
    assert pending() == 0
    assert metrics.requests(200, "uri-miss", "plots.slow") == 2
    assert metrics.requests(200, "collapsed", "plots.slow") == 1


def waits_for_another(app: Flask) -> bool:
    """Return whether a request waits for another one's render."""
    pictures = app.extensions["mplstream"].pictures(None)
    return bool(pictures._flights._followers)


@pytest.mark.slow
def test_killed_workers_are_counted_by_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker timed out, and one render killed two."""
    # A busy machine may need longer to kill a worker, and the request would get 503.
    monkeypatch.setattr(single_flight, "GRACE_S", 20)
    app = Flask(__name__)
    app.config.from_mapping(MPLSTREAM_WORKERS=1, MPLSTREAM_TIMEOUT=60)
    app.register_blueprint(worker_plots)
    export_metrics(app)
    metrics = Metrics(app.test_client())
    metrics.client.get("/plots/grey")
    for path, name in (("hang", "pids"), ("dies", "renders")):
        metrics.client.get(f"/plots/{path}", query_string={name: tmp_path / path})
    stop_workers(app)
    assert metrics.value("workers_killed_total", reason="timeout") == 1
    assert metrics.value("workers_killed_total", reason="died") == 2
    assert metrics.requests(504, "none", "plots.hang") == 1
    assert metrics.value("render_failures_total", figure="plots.hang") == 1
    assert metrics.value("render_seconds_count", figure="plots.one_colour") == 1


def test_a_client_cannot_create_series(metrics: Metrics) -> None:
    """Labels are endpoints and fixed words, for any URL."""
    metrics.client.get("/plots/walk?n=1")
    metrics.client.get("/plots/walk?bad=1")
    before = len(samples_in(metrics.client.get("/metrics").text))
    for n in range(2, 20):
        metrics.client.get(f"/plots/walk?n={n}")
        metrics.client.get(f"/plots/walk?bad={n}")
        metrics.client.get(f"/plots/nothing{n}")
    assert len(samples_in(metrics.client.get("/metrics").text)) == before


def test_the_metrics_are_not_kept(metrics: Metrics) -> None:
    """The response is not cached and has the requested text format."""
    plain = metrics.client.get("/metrics")
    assert plain.headers["Cache-Control"] == "no-store"
    assert plain.mimetype == "text/plain"
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    openly = metrics.client.get("/metrics", headers=wanted)
    assert openly.mimetype == "application/openmetrics-text"
    families: Any = openmetrics.text_string_to_metric_families
    assert [*families(openly.text)]


def test_two_apps_count_for_themselves(plots: FigureBlueprint, serve: Serve) -> None:
    """Each app has a separate registry."""

    @plots.figure_route("/walk")
    def walk() -> Figure:
        return Figure(figsize=(1, 1))

    one, two = Metrics(serve()), Metrics(serve())
    for metrics in (one, two):
        export_metrics(metrics.client.application)
    one.client.get("/plots/walk")
    assert (one.requests(200, "uri-miss"), two.requests(200, "uri-miss")) == (1, 0)


def test_a_second_call_is_refused(metrics: Metrics) -> None:
    """A second call would count everything twice."""
    with pytest.raises(ConfigError, match="already called for the app"):
        export_metrics(metrics.client.application, path="/other")


def test_a_registry_of_two_apps_is_refused() -> None:
    """The second app gets no route with the counts of the first."""
    registry, other = CollectorRegistry(), Flask("other")
    export_metrics(Flask("one"), registry=registry)
    with pytest.raises(ConfigError, match="separate registry"):
        export_metrics(other, registry=registry)
    assert other.test_client().get("/metrics").status_code == 404


def test_the_app_may_pass_its_registry() -> None:
    """A registry may have other metrics, and ``path=None`` adds no route."""
    app, registry = Flask(__name__), CollectorRegistry()
    Counter("visits", "Visits.", registry=registry).inc()
    assert export_metrics(app, registry=registry, path=None) is registry
    assert app.test_client().get("/metrics").status_code == 404
    other = Flask("other")
    assert export_metrics(other, path="/inner/metrics") is not registry
    assert other.test_client().get("/inner/metrics").status_code == 200


def test_a_deleted_app_receives_no_signals() -> None:
    """Signals keep no reference to the app or its metrics."""
    others = set(figure_served.receivers)
    app = Flask(__name__)
    export_metrics(app)
    gone = ref(app)
    assert figure_served.has_receivers_for(app)
    del app
    gc.collect()
    assert gone() is None
    assert set(figure_served.receivers) <= others


@pytest.mark.slow
def test_the_missing_extra_is_named() -> None:
    """The error names the extra; the rest of the package works without it."""
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import flask_mplstream\n"
        "import flask_mplstream.integrations.prometheus\n"
    )
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    told = result.stderr.splitlines()[-1]
    assert told.startswith("ImportError: ")
    assert "pip install 'flask-mplstream[metrics]'" in told


def figures() -> Flask:
    """Create the app of two server processes."""
    app = Flask(__name__)
    plots = FigureBlueprint("plots", __name__)

    @plots.figure_route("/walk")
    def walk(n: int = 0, wait_for: str = "") -> Figure:
        while wait_for and not os.path.exists(wait_for):
            time.sleep(0.01)
        return Figure(figsize=(1, 1))

    @app.after_request
    def name_process(response: Response) -> Response:
        response.headers["X-Process"] = str(os.getpid())
        return response

    app.register_blueprint(plots)
    export_metrics(app)
    return app


#: The configuration in docs/metrics.md.
HOOK = """
from prometheus_client.multiprocess import mark_process_dead

def child_exit(server, worker):
    mark_process_dead(worker.pid)
"""


class Served(NamedTuple):
    """The response of one process."""

    process: int
    text: str


def ask(connection: HTTPConnection, path: str) -> Served:
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode("latin-1")
    return Served(int(response.headers["X-Process"]), body)


def connect_to_both(port: int, stack: ExitStack) -> dict[int, HTTPConnection]:
    """Return one persistent connection to each of two processes."""
    found: dict[int, HTTPConnection] = {}
    deadline = time.monotonic() + PATIENCE_S
    while len(found) < 2:
        assert time.monotonic() < deadline, f"only {list(found)} answer"
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        stack.callback(connection.close)
        found.setdefault(ask(connection, "/nothing").process, connection)
    return found


@pytest.fixture
def gunicorn_port(tmp_path: Path) -> Iterator[int]:
    """Run a gunicorn with two processes and shared counts."""
    counts, hooks = tmp_path / "counts", tmp_path / "hooks.py"
    counts.mkdir()
    hooks.write_text(HOOK)
    options = ["--config", str(hooks), "--threads", "4", "--workers", "2"]
    options += ["--keep-alive", "30", "--graceful-timeout", "1"]
    app, environment = (
        f"{__name__}:figures()",
        {"PROMETHEUS_MULTIPROC_DIR": str(counts)},
    )
    with Gunicorn(app, *options, environment=environment) as server:
        yield server.port


WALK = ("figure", "plots.walk")
MISSES = (
    "mplstream_requests_total",
    frozenset({WALK, ("status", "200"), ("cache", "uri-miss")}),
)
RENDERS = ("mplstream_render_seconds_count", frozenset({WALK}))
PENDING = ("mplstream_renders_pending", frozenset({WALK}))


@pytest.mark.slow
def test_two_processes_count_together(gunicorn_port: int, tmp_path: Path) -> None:
    """Each process reports the sum; a killed one's pending renders are removed."""
    with ExitStack() as stack:
        both = connect_to_both(gunicorn_port, stack)
        (killed, here), (_, there) = both.items()
        for n, connection in enumerate([here, there, here, there]):
            ask(connection, f"/walk?n={n}")
        for connection in (here, there):
            told = samples_in(ask(connection, "/metrics").text)
            assert (told[MISSES], told[RENDERS], told[PENDING]) == (4, 4, 0)

        def pending() -> float:
            return samples_in(ask(there, "/metrics").text)[PENDING]

        here.request("GET", f"/walk?wait_for={tmp_path / 'never'}")
        wait_until(lambda: pending() == 1)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: pending() == 0)
        assert samples_in(ask(there, "/metrics").text)[MISSES] == 4
