"""Worker processes against the web process: throughput, latency, cold start.

The same app renders in two workers and in the web process, in turns. Test clients send
the requests through WSGI. A result is the median over the rounds of the comparison
*within* a round.

* 60 different heavy figures, requested by 4 threads: time of two workers divided by
  that of the web process. Target: 1 / 1.7, so 1.7 times the throughput. Two workers
  need two cores without other load, so besides wall-clock time there is an estimate
  for two free cores from the processor time of all processes.
* A small figure, one at a time: the additional time of a worker. Target: 8 ms.
* The first picture of a new process, requested at once or a second after the first
  page, with and without ``MPLSTREAM_PRELOAD``. No target.

    python -m benchmarks.pool [--rounds 7]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from flask import Flask, Response
from matplotlib.figure import Figure

from benchmarks._figures import grid_constrained
from benchmarks._pairs import Result, print_table, read_rounds
from flask_mplstream import FigureBlueprint, start_workers
from flask_mplstream.web.app_state import AppState

WORKERS, CLIENTS = 2, 4
HEAVY, SMALL = 60, 100
#: Largest time of two workers, for 1.7 times the throughput.
SHORTEST = 0.588
#: Seconds between a page and its picture; a browser needs some.
PAUSES_S = (0.0, 1.0)

plots = FigureBlueprint("plots", __name__, max_age=0, formats=["png"])
_numbers = count()


@plots.figure_route("/heavy", timeout=60.0)
def heavy(n: int = 0) -> Figure:
    """Draw four kinds of axes with a different title for each *n*."""
    figure = grid_constrained()
    figure.suptitle(f"Four views, {n}")
    return figure


@plots.figure_route("/small", timeout=60.0)
def small(n: int = 0) -> Figure:
    """Plot three points, 200 x 150 pixels."""
    figure = Figure(figsize=(2, 1.5))
    figure.subplots().plot([n, n + 2, n + 1])
    return figure


@plots.figure_route("/clock")
def clock() -> Response:
    """Return the processor time of the rendering process after a short pause."""
    time.sleep(0.05)
    return Response(f"{os.getpid()} {time.process_time()}")


def create_app(workers: int, **config: Any) -> Flask:
    """Create the app; with 0 *workers* it renders in this process."""
    app = Flask(__name__)
    app.config.from_mapping({"MPLSTREAM_WORKERS": workers, **config})
    app.register_blueprint(plots)
    app.add_url_rule("/page", view_func=lambda: "a page")
    return app


@contextmanager
def run_contenders() -> Iterator[dict[str, Flask]]:
    """Yield both forms of the app after each has rendered."""
    apps = {"workers": create_app(WORKERS), "inline": create_app(0)}
    start_workers(apps["workers"])
    try:
        for app in apps.values():
            measure_wall_s(app, ["/heavy"] * CLIENTS)
        yield apps
    finally:
        AppState.of(apps["workers"]).stop()


def request_picture(app: Flask, path: str) -> None:
    """Request a new picture."""
    answer = app.test_client().get(f"{path}?n={next(_numbers)}")
    if answer.status_code != 200:
        raise RuntimeError(f"{path}: {answer.status}")


def measure_wall_s(app: Flask, paths: Iterable[str]) -> float:
    """Return the seconds for all *paths*, requested by several threads."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda path: request_picture(app, path), paths))
    return time.perf_counter() - began


def order_contenders(apps: dict[str, Flask], number: int) -> list[tuple[str, Flask]]:
    """Return the contenders, in reverse order in every other round."""
    return list(apps.items())[:: 1 if number % 2 else -1]


def read_processor_seconds(app: Flask) -> dict[int, float]:
    """Return the processor time so far of this process and of the workers of *app*."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda _: app.test_client().get("/clock").text, range(20))
        texts = dict(map(str.split, answers))
    times = {int(pid): float(seconds) for pid, seconds in texts.items()}
    return times | {os.getpid(): time.process_time()}


@dataclass(frozen=True, slots=True)
class Work:
    """The time of many figures."""

    wall_s: float
    #: On two cores without other load: half of the work, or one process's.
    free_s: float

    @classmethod
    def of(cls, app: Flask) -> Work:
        """Request many heavy figures of *app* and measure."""
        before = read_processor_seconds(app)
        wall_s = measure_wall_s(app, ["/heavy"] * HEAVY)
        worked = [s - before[pid] for pid, s in read_processor_seconds(app).items()]
        return cls(wall_s, max(*worked, sum(worked) / 2))


def measure_throughput(apps: dict[str, Flask], rounds: int) -> list[Result]:
    """Compare the times of many heavy figures in two workers and in this process."""
    walls, frees = [], []
    for number in range(rounds):
        works = {name: Work.of(app) for name, app in order_contenders(apps, number)}
        ours, theirs = works["workers"], works["inline"]
        walls.append(ours.wall_s / theirs.wall_s)
        frees.append(ours.free_s / theirs.free_s)
        print(f"  wall {ours.wall_s:.2f} and inline {theirs.wall_s:.2f} s", end=", ")
        print(f"on free cores {ours.free_s:.2f} and {theirs.free_s:.2f} s")
    return [
        Result(
            "on two free cores, workers / inline", statistics.median(frees), SHORTEST
        ),
        Result("by the wall, workers / inline", statistics.median(walls), SHORTEST),
        Result("  in the best round", min(walls)),
    ]


def measure_latency(apps: dict[str, Flask], rounds: int) -> list[Result]:
    """Measure the additional time of small figures in a worker, one after another."""
    times: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(rounds * SMALL):
        for name, app in order_contenders(apps, number):
            began = time.perf_counter()
            request_picture(app, "/small")
            times[name].append((time.perf_counter() - began) * 1000)
    pairs = zip(times["workers"], times["inline"], strict=True)
    extra = statistics.median(ours - theirs for ours, theirs in pairs)
    return [
        Result("ms longer in a worker", extra, 8.0, ".2f"),
        Result("  ms inline", statistics.median(times["inline"]), form=".2f"),
    ]


def measure_first_picture(workers: int, preload: bool, pause_s: float) -> float:
    """Return the seconds of the first picture in this new process."""
    app = create_app(workers, MPLSTREAM_PRELOAD=preload)
    try:
        app.test_client().get("/page")
        time.sleep(pause_s)
        began = time.perf_counter()
        request_picture(app, "/small")
        return time.perf_counter() - began
    finally:
        AppState.of(app).stop()


def measure_in_new_process(*arguments: object) -> float:
    """Return the result of :func:`measure_first_picture` in a new process."""
    command = [sys.executable, "-m", "benchmarks.pool", json.dumps(arguments)]
    ended = subprocess.run(command, check=True, capture_output=True, timeout=120)
    return float(ended.stdout)


def measure_cold_start(rounds: int) -> list[Result]:
    """Measure the first picture of new processes."""
    cases = {"inline": (0, False), "workers": (2, False), "preloaded": (2, True)}
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for pause_s in PAUSES_S:
            for name, case in cases.items():
                title = f"{name}, {pause_s:g} s after a page"
                times.setdefault(title, []).append(
                    measure_in_new_process(*case, pause_s)
                )
    return [
        Result(title, statistics.median(t), form=".2f") for title, t in times.items()
    ]


def main() -> None:
    """Run and print."""
    if len(sys.argv) == 2 and sys.argv[1].startswith("["):
        print(measure_first_picture(*json.loads(sys.argv[1])))
        return
    rounds = read_rounds(__doc__, 7)
    with run_contenders() as apps:
        print_table(
            f"{HEAVY} heavy figures, {CLIENTS} clients",
            measure_throughput(apps, rounds),
        )
        print_table(f"{rounds * SMALL} small figures", measure_latency(apps, rounds))
    print_table("seconds for the first picture", measure_cold_start(rounds))


if __name__ == "__main__":
    main()
