"""Response times while 50 pictures that expired together are rendered again.

One gunicorn worker with 8 threads, so that renders and requests share a process, on the
embedded store, on Redis and on FileSystemCache. Eight clients request 50 keys in turn,
``--rate`` requests a second in total, each on a persistent connection. Hits are
measured for two seconds. Then the app's clock moves past the ``max_age`` of all keys at
once, and the clients continue until one second after the last render.

A request's time counts from its due time, so a slow request does not hide the delay of
those behind it. The app is measured as it is and with ``gc.freeze()`` after loading. A
full garbage collection stops all threads for longer than a render: it visits every
imported object, and figures trigger it.

Targets: no request slower than 5 x a hit's median + 50 ms; 50 renders.

    python -m benchmarks.expiry [--rounds 3] [--rate 200]
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from http.client import HTTPConnection
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from threading import Event

from benchmarks._pairs import Result, create_parser, print_table
from benchmarks.storm import Server, gunicorn
from tests.support.servers import RedisServer

KEYS, CLIENTS = 50, 8
HITS_S, AFTER_S, LONGEST_S = 2.0, 1.0, 60.0


def send_requests(
    number: int, port: int, rate: float, stopped: Event
) -> list[tuple[float, bool]]:
    """Send requests on schedule until *stopped*; return seconds and success of each."""
    outcomes: list[tuple[float, bool]] = []
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        began, turn = time.perf_counter() + number / rate, 0
        while not stopped.is_set():
            due = began + turn * CLIENTS / rate
            time.sleep(max(due - time.perf_counter(), 0))
            key = (turn * CLIENTS + number) % KEYS
            connection.request("GET", f"/picture?key={key}")
            response = connection.getresponse()
            is_right = response.status == 200 and response.read() > b""
            outcomes.append((time.perf_counter() - due, is_right))
            turn += 1
    return outcomes


def measure_requests(
    target: Server, rate: float, meanwhile: Callable[[], object]
) -> tuple[list[float], int]:
    """Return the seconds of requests during *meanwhile*, and the number of failures."""
    stopped = Event()
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [
            pool.submit(send_requests, number, target.port, rate, stopped)
            for number in range(CLIENTS)
        ]
        try:
            meanwhile()
        finally:
            stopped.set()
        outcomes = [one for future in clients for one in future.result()]
    return [seconds for seconds, _ in outcomes], sum(
        not is_right for _, is_right in outcomes
    )


def wait_for_renewal(target: Server) -> None:
    """Move the clock, and wait until every key has been rendered again."""
    wanted, began = target.renders() + KEYS, time.perf_counter()
    with closing(HTTPConnection("127.0.0.1", target.port, timeout=60)) as connection:
        connection.request("POST", "/expire")
        connection.getresponse().read()
    while target.renders() < wanted and time.perf_counter() - began < LONGEST_S:
        time.sleep(0.05)
    print(f"  all rendered again after {time.perf_counter() - began:.1f} s")
    time.sleep(AFTER_S)


def run(title: str, target: Server, rounds: int, rate: float) -> None:
    """Measure one backend and print the results."""
    for key in range(KEYS):
        target.request(str(key))
    renders: Counter[int] = Counter()
    slowest, limits, failed, stale_s = [], [], 0, []
    for _ in range(rounds):
        hits, wrong = measure_requests(target, rate, partial(time.sleep, HITS_S))
        before = target.renders()
        seconds, more_wrong = measure_requests(
            target, rate, partial(wait_for_renewal, target)
        )
        renders[target.renders() - before] += 1
        slowest.append(max(seconds))
        limits.append(5 * median(hits) + 0.05)
        stale_s += seconds
        failed += wrong + more_wrong
        print(
            f"  hits: median {median(hits) * 1e3:.1f} ms, slowest "
            f"{max(hits) * 1e3:.0f}; around the expiry: slowest "
            f"{max(seconds) * 1e3:.0f} ms of {len(seconds)}"
        )
    percent = quantiles(stale_s, n=100)
    print_table(
        f"{title}, {KEYS} keys expire at once, {rate:g} requests a second, "
        f"{rounds} rounds",
        [
            Result("slowest request, ms", max(slowest) * 1e3, min(limits) * 1e3, ".0f"),
            Result("p99, ms", percent[98] * 1e3, form=".0f"),
            Result("median, ms", percent[49] * 1e3, form=".1f"),
            Result("most renders", max(renders), KEYS, "d"),
            Result("fewest renders", min(renders), form="d"),
            Result("failed requests", failed, 0, "d"),
        ],
    )


def main() -> None:
    """Measure and print."""
    options = create_parser(__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--rate", type=float, default=200, help="requests a second")
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backends: dict[str, dict[str, str]] = {
            "Embedded store": {},
            "Redis": {
                "FLASK_CACHE_TYPE": "RedisCache",
                "FLASK_CACHE_REDIS_PORT": str(stack.enter_context(RedisServer()).port),
            },
            "FileSystemCache": {"FLASK_CACHE_TYPE": "FileSystemCache"},
        }
        for (backend, cache), freeze in product(backends.items(), ("0", "1")):
            title = f"{backend}{', gc.freeze()' * int(freeze)}"
            print(f"\n{title}")
            own = {
                **cache,
                "FLASK_FREEZE": freeze,
                # The previous app's clock was ahead, so its pictures must not be used.
                "FLASK_CACHE_KEY_PREFIX": f"{freeze}:",
                "FLASK_CACHE_DIR": str(folder / freeze),
            }
            with gunicorn("create_expiring_app", folder, own, workers=1) as target:
                run(title, target, chosen.rounds, chosen.rate)


if __name__ == "__main__":
    main()
