"""The cost of rendering a picture elsewhere: time, and bytes on the way.

The same app runs four times: it renders in the web process, in two workers
(``MPLSTREAM_WORKERS``), on a ``ProcessPoolExecutor`` of two, and on a Dask cluster of
two worker processes. All are on this machine, so the network is the loopback. With
``max_age=0`` every request renders. There is a small figure and a heavy one with four
panels and 5,000 points.

Latency is one request at a time. Throughput is 40 different heavy pictures requested by
4 threads. The clock is the wall clock, as other processes do the work. Every round has
each contender once, in alternating order, and a ratio is the median over the rounds of
the ratio to the web process *within* a round. The best round is the one that other
programs disturbed least.

    python -m benchmarks.executors [--rounds 25] [--storms 5]
"""

from __future__ import annotations

import gc
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from flask import Flask
from matplotlib.figure import Figure

from benchmarks._pairs import Result, Times, create_parser, median_ratio, print_table
from flask_mplstream import FigureBlueprint
from flask_mplstream.formats import FORMATS, Variant
from flask_mplstream.web.app_state import AppState
from flask_mplstream.workers import ipc
from tests.support.dask_cluster import load_recipe, run_cluster

PICTURES, CLIENTS = 40, 4
INLINE = "web process"

plots = FigureBlueprint("plots", __name__, formats=["png"], max_age=0, timeout=60)


@plots.figure_route("/small")
def small(n: int = 0) -> Figure:
    """Draw one line of 50 points, 300 x 200 pixels."""
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot(np.random.default_rng(n).normal(size=50).cumsum())
    return figure


@plots.figure_route("/heavy")
def heavy(n: int = 0) -> Figure:
    """Draw four panels, 5,000 points and a layout engine, 800 x 600 pixels."""
    rng = np.random.default_rng(n)
    figure = Figure(figsize=(8, 6), layout="constrained")
    axs = figure.subplots(2, 2)
    x, y, colors = rng.random((3, 5_000))
    axs[0, 0].scatter(x, y, s=4, c=colors, alpha=0.5)
    axs[0, 1].hist(rng.normal(size=50_000), bins=60, edgecolor="white")
    shown = axs[1, 0].imshow(rng.random((200, 200)).cumsum(0), cmap="terrain")
    figure.colorbar(shown, ax=axs[1, 0])
    axs[1, 1].plot(rng.normal(size=(1000, 3)).cumsum(0))
    figure.suptitle(f"Heavy figure {n}")
    return figure


def create_two_processes() -> Executor:
    """Return the standard library's pool, set up as in docs/executors.md."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["flask_mplstream.workers.ipc"])
    return ProcessPoolExecutor(2, context)


@contextmanager
def run_app(**config: Any) -> Iterator[Flask]:
    """Yield the app with *config*, and stop it afterwards."""
    app = Flask(__name__)
    app.config.from_mapping(config)
    app.register_blueprint(plots)
    try:
        yield app
    finally:
        AppState.of(app).stop()


@contextmanager
def run_contenders() -> Iterator[dict[str, Flask]]:
    """Yield the four apps after all their processes have rendered."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(run_cluster(folder, "--nanny", "--nanny"))
        dask = load_recipe(cluster)
        stack.callback(lambda: [client.close() for client in dask["clients"]])
        settings: dict[str, dict[str, Any]] = {
            INLINE: {},
            "MPLSTREAM_WORKERS=2": {"MPLSTREAM_WORKERS": 2},
            "ProcessPoolExecutor": {"MPLSTREAM_EXECUTOR": create_two_processes},
            "Dask, 2 workers": {"MPLSTREAM_EXECUTOR": dask["executor"]},
        }
        apps = {
            name: stack.enter_context(run_app(**config))
            for name, config in settings.items()
        }
        for app in apps.values():
            AppState.of(app).renders().start()
        dask["clients"][0].wait_for_workers(2)
        for app in apps.values():
            request_storm(app, "small", 0)
        yield apps


def request(app: Flask, url: str) -> int:
    """Return the length of the picture at *url* after a render."""
    answer = app.test_client().get(url)
    if answer.status_code != 200:
        raise SystemExit(f"{url} is {answer.status}: {answer.text}")
    return len(answer.data)


def request_picture(figure: str, app: Flask, n: int) -> int:
    """Request picture *n* of *figure*."""
    return request(app, f"/{figure}?n={n}")


def request_storm(app: Flask, figure: str, first: int) -> None:
    """Request all pictures with all clients, and wait for the last one."""
    urls = [f"/{figure}?n={first + number}" for number in range(PICTURES)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        list(threads.map(lambda url: request(app, url), urls))


def time_by_clock(
    apps: Mapping[str, Flask], rounds: int, call: Callable[[Flask, int], object]
) -> Times:
    """Return the wall-clock seconds of *call* with each app in each round."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(rounds + 1):
        gc.collect()
        for name in list(apps)[:: 1 if number % 2 else -1]:
            started = time.perf_counter()
            call(apps[name], number)
            if number:
                times[name].append(time.perf_counter() - started)
    return times


def measure_bytes(function: Callable[..., Figure]) -> tuple[int, int, int]:
    """Return the bytes of a job, of its result and of the picture."""
    app = Flask(__name__)
    app.register_blueprint(plots)
    route = AppState.of(app).route(f"plots.{function.__name__}")
    payload = ipc.pack(None, route.recipe, {"n": 7}, Variant(FORMATS["png"]))
    result = ipc.run_payload(payload)
    return len(payload), len(result), len(ipc.unpack(result).body)


def print_report(title: str, times: Times, scale: float, unit: str) -> None:
    """Print the medians, the best rounds, and the ratios to the web process."""
    results = []
    for name in times:
        results.append(Result(f"{name}, {unit}", median(times[name]) * scale))
        results.append(Result("  best round", min(times[name]) * scale))
        if name != INLINE:
            ratio = median_ratio(times, name, INLINE)
            results.append(Result("  to the web process", ratio))
    print_table(title, results)


def main() -> None:
    """Measure and print."""
    options = create_parser(__doc__)
    options.add_argument(
        "--rounds", type=int, default=25, help="rounds of single requests"
    )
    options.add_argument("--storms", type=int, default=5, help="rounds of all pictures")
    chosen = options.parse_args()
    for function in (small, heavy):
        payload, result, body = measure_bytes(function)
        print(
            f"{function.__name__}: {payload} bytes there, {result} back, of which "
            f"{body} are the picture"
        )
    with run_contenders() as apps:
        for figure in ("small", "heavy"):
            print_report(
                f"A {figure} picture, one at a time, {chosen.rounds} rounds",
                time_by_clock(
                    apps,
                    chosen.rounds,
                    partial(request_picture, figure),
                ),
                1e3,
                "ms",
            )
        print_report(
            f"{PICTURES} heavy pictures, {CLIENTS} clients, {chosen.storms} rounds",
            time_by_clock(
                apps, chosen.storms, lambda app, n: request_storm(app, "heavy", n * 100)
            ),
            1,
            "s",
        )


if __name__ == "__main__":
    # Other processes import the figures by name, and __main__ has no such name there.
    from benchmarks.executors import main as imported_main

    imported_main()
