"""30 simultaneous requests for large AVIFs, with hits in between.

gunicorn has one worker of 40 threads. The requests are for a figure of 640 x 480 pixels
as ``.avif?_width=3840``, each with different arguments, and a hit every 20 ms. An AVIF
of that size takes seconds of processor time and 400 MB.

Targets: the process grows by at most 500 MB; no response takes longer than ``timeout``
+ 1 s (a 503 with ``Retry-After`` instead); every hit takes less than 100 ms.

    python -m benchmarks.large [--requests 30] [--timeout 10]
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from benchmarks._pairs import Result, create_parser, print_table
from tests.support.servers import Gunicorn

THREADS = 40
#: Seconds between two hits, and between two readings of the memory.
EVERY_S = 0.02
#: Seconds during which hits are measured without large pictures.
CALM_S = 8


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one request."""

    status: int
    has_retry: bool
    seconds: float


def request(port: int, path: str) -> Answer:
    """Send one request on a new connection."""
    began = time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        has_retry = response.headers["Retry-After"] is not None
        return Answer(response.status, has_retry, time.perf_counter() - began)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of *pid* and its children."""
    pids = [pid, *map(int, _children(pid))]
    return sum(_resident(one) for one in pids)


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


@dataclass(slots=True)
class Watch:
    """Measurements taken while the large pictures are made."""

    most_bytes: int = 0
    hits: list[Answer] = field(default_factory=list)


@contextmanager
def watch_process(port: int, pid: int) -> Iterator[Watch]:
    """Send hits and read the memory until the block ends."""
    watch, stop = Watch(), threading.Event()

    def read_memory() -> None:
        while not stop.wait(EVERY_S):
            watch.most_bytes = max(watch.most_bytes, resident_bytes(pid))

    def hit() -> None:
        while not stop.wait(EVERY_S):
            watch.hits.append(request(port, "/large.png"))

    threads = [threading.Thread(target=target) for target in (read_memory, hit)]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def find_slowest_ms(watch: Watch) -> float:
    """Return the milliseconds of the slowest hit."""
    return max(hit.seconds for hit in watch.hits) * 1e3


def wait_for_settled_bytes(pid: int) -> int:
    """Return the resident memory after all renders have ended."""
    while True:
        before = resident_bytes(pid)
        time.sleep(3)
        if abs(resident_bytes(pid) - before) < 2**20:
            return before


def main() -> None:
    """Measure and print."""
    options = create_parser(__doc__)
    options.add_argument("--requests", type=int, default=30)
    options.add_argument("--timeout", type=float, default=10.0, help="seconds")
    chosen = options.parse_args()
    app = "benchmarks._large_app:create_app()"
    more = ("--threads", str(THREADS), "--timeout", "300")
    environment = {"FLASK_MPLSTREAM_TIMEOUT": str(chosen.timeout)}
    with Gunicorn(app, *more, environment=environment) as running:
        port = running.port
        request(port, "/large.png")
        before = resident_bytes(running.pid)
        with watch_process(port, running.pid) as calm:
            time.sleep(CALM_S)
        with watch_process(port, running.pid) as watch:
            paths = [f"/large.avif?_width=3840&n={n}" for n in range(chosen.requests)]
            with ThreadPoolExecutor(chosen.requests) as pool:
                answers = list(pool.map(lambda path: request(port, path), paths))
        after = wait_for_settled_bytes(running.pid)
    print(f"hits alone: slowest {find_slowest_ms(calm):.0f} ms")
    print_report(
        answers, watch, (watch.most_bytes - before, after - before), chosen.timeout
    )


def print_report(
    answers: list[Answer], watch: Watch, grown: tuple[int, int], timeout_s: float
) -> None:
    """Print the measurements."""
    slowest_s = max(answer.seconds for answer in answers)
    refused = [answer for answer in answers if answer.status != 200]
    print_table(
        f"{len(answers)} requests for AVIFs of 3840 x 2880 pixels",
        [
            Result("memory grows by, MB", grown[0] / 2**20, 500, ".0f"),
            Result("of which stays, MB", grown[1] / 2**20, form=".0f"),
            Result("slowest answer, s", slowest_s, timeout_s + 1, ".2f"),
            Result(
                "refused without Retry-After",
                sum(not r.has_retry for r in refused),
                0,
                "d",
            ),
            Result("slowest hit, ms", find_slowest_ms(watch), 100, ".0f"),
            Result(
                "hit, median, ms",
                median(hit.seconds for hit in watch.hits) * 1e3,
                form=".1f",
            ),
        ],
    )
    print(f"  answers: {dict(Counter(answer.status for answer in answers))}")


if __name__ == "__main__":
    main()
