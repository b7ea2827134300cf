"""Memory during 10,000 renders in workers, and 2,000 without a garbage collector.

The web process passes 10,000 pictures to two workers, which are replaced after 1,000
renders each. Its memory after the first 500 is compared with that at the end: resident
(RSS) and unshared (USS). Target: less than 10 MB more, and no more threads or file
descriptors. The workers' memory is reported.

Then a new process renders 2,000 pictures itself, with its garbage collector disabled by
the app. Target: less than 50 MB more.

The program reads /proc, so it requires Linux.

    python -m benchmarks.pool_memory [--count 10000] [--rounds 1]
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from flask import Flask, Response

from benchmarks._pairs import Result, create_parser, print_table
from benchmarks.memory import (
    MB,
    count_open_files,
    plot_with_figure,
    plot_with_pyplot,
    read_resident_bytes,
)
from flask_mplstream import FigureBlueprint
from flask_mplstream.web.app_state import AppState

WARM, WORKERS, CLIENTS = 500, 2, 4
INLINE = 2000

plots = FigureBlueprint("plots", __name__, max_age=0, formats=["png", "svg", "jpg"])
plots.figure_route("/figure", timeout=60.0)(plot_with_figure)
plots.figure_route("/pyplot", timeout=60.0)(plot_with_pyplot)


@plots.figure_route("/worker")
def worker() -> Response:
    """Return the resident memory of the rendering process."""
    return Response(f"{os.getpid()} {read_resident_bytes()}")


def create_app(workers: int) -> Flask:
    """Create the app; with 0 *workers* it renders in this process."""
    app = Flask(__name__)
    app.config["MPLSTREAM_WORKERS"] = workers
    app.register_blueprint(plots)
    return app


def read_unshared_bytes() -> int:
    """Return the memory that this process does not share (USS)."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return 1024 * sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", text, re.M)))


def render(app: Flask, numbers: range) -> None:
    """Render a picture for each of *numbers*, in every format, by several threads."""

    def ask(number: int) -> None:
        name = ("figure", "pyplot")[number % 2]
        format = ("png", "svg", "jpg", "png")[number % 4]
        answer = app.test_client().get(f"/{name}.{format}?seed={number}")
        if answer.status_code != 200:
            raise RuntimeError(f"{name}.{format}: {answer.status}")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, numbers))


def read_worker_sizes(app: Flask) -> dict[str, int]:
    """Return the resident memory of each worker that answers, by process number."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = pool.map(lambda _: app.test_client().get("/worker").text, range(40))
        return {pid: int(size) for pid, size in map(str.split, answers)}


def read_state() -> tuple[int, int, int, int]:
    """Return RSS, USS, threads and file descriptors of this process."""
    gc.collect()
    return (
        read_resident_bytes(),
        read_unshared_bytes(),
        threading.active_count(),
        count_open_files(),
    )


def measure_workers(count: int) -> list[Result]:
    """Pass *count* pictures to workers; return the growth after the first 500."""
    app = create_app(WORKERS)
    warm = min(WARM, count // 2)
    try:
        render(app, range(warm))
        before, first = read_state(), read_worker_sizes(app)
        for start in range(warm, count, 1000):
            render(app, range(start, min(start + 1000, count)))
            rss, uss, *_ = read_state()
            print(f"  to {start + 1000:,}: RSS {rss / MB:.1f}, USS {uss / MB:.1f} MB")
        # A worker that is being replaced keeps its threads for a moment.
        time.sleep(2)
        after, last = read_state(), read_worker_sizes(app)
    finally:
        AppState.of(app).stop()
    rss, uss, threads, files = (b - a for a, b in zip(before, after, strict=True))
    return [
        Result("MB more, RSS", rss / MB, 10, ".1f"),
        Result("MB more, USS", uss / MB, 10, ".1f"),
        Result("more threads", threads, 0, "d"),
        Result("more file descriptors", files, 0, "d"),
        Result("MB of the web process", after[0] / MB, form=".1f"),
        Result("MB of the largest worker, then", max(first.values()) / MB, form=".1f"),
        Result("MB of the largest worker, now", max(last.values()) / MB, form=".1f"),
    ]


def measure_growth_without_collector() -> float:
    """Return the growth in bytes over 2,000 renders here without a collector."""
    gc.disable()
    app = create_app(0)
    render(app, range(CLIENTS))
    before = read_resident_bytes()
    render(app, range(INLINE))
    return read_resident_bytes() - before


def measure_inline() -> list[Result]:
    """Run :func:`measure_growth_without_collector` in a new process."""
    command = [sys.executable, "-m", "benchmarks.pool_memory", "--inline"]
    ended = subprocess.run(command, check=True, capture_output=True, timeout=3600)
    return [Result("MB more, gc off", json.loads(ended.stdout) / MB, 50, ".1f")]


def main() -> None:
    """Run and print."""
    arguments = create_parser(__doc__)
    arguments.add_argument("--count", type=int, default=10_000, help="in a round")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument(
        "--inline",
        action="store_true",
        help="print only the growth in the web process, in bytes",
    )
    options = arguments.parse_args()
    if options.inline:
        print(measure_growth_without_collector())
        return
    for _ in range(options.rounds):
        began = time.perf_counter()
        results = measure_workers(options.count)
        seconds = time.perf_counter() - began
        print_table(f"{options.count:,} renders in workers, {seconds:.0f} s", results)
        print_table(f"{INLINE:,} renders in the web process", measure_inline())


if __name__ == "__main__":
    main()
