"""200 simultaneous requests for one cold key, beside Flask-Caching's ``@cached``.

gunicorn has 4 workers of 8 threads, on Redis and on FileSystemCache. Each round has a
single cold request, a storm on a new key, the same storm on the now stored key, which
shows the cost of 200 requests without a render, and a storm on the other app. The
picture takes a query of ``--query-ms``, slept, and draws 50 points. Clients are threads
of this process, which shares the processors with the server. Their connections are new.

Targets: 1 render in each round, 200 equal responses; wall time <= 1.5 x the single
request + 100 ms, as the median over the rounds of the excess over 1.5 x.

    python -m benchmarks.storm [--rounds 20] [--query-ms 100]
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import median, quantiles
from threading import Barrier

from benchmarks._pairs import Result, create_parser, print_table
from tests.support.servers import Gunicorn, RedisServer

REQUESTS = 200
OURS, THEIRS = "figure_route", "@cached"


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one request, with the times of both."""

    status: int
    body: bytes
    sent_at: float
    had_at: float

    @property
    def seconds(self) -> float:
        """Seconds from the request to the response."""
        return self.had_at - self.sent_at


@dataclass(frozen=True, slots=True)
class Server:
    """A running gunicorn and the file that counts its renders."""

    port: int
    counted: Path

    def renders(self) -> int:
        """Return the number of renders so far."""
        return self.counted.stat().st_size if self.counted.exists() else 0

    def request(self, key: str, start: Barrier | None = None) -> Answer:
        """Send one request on a new connection, once all threads are at *start*."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            if start is not None:
                start.wait()
            sent_at = time.perf_counter()
            connection.request("GET", f"/picture?key={key}")
            response = connection.getresponse()
            body = response.read()
            return Answer(response.status, body, sent_at, time.perf_counter())

    def storm(self, key: str, pool: ThreadPoolExecutor) -> list[Answer]:
        """Send all requests at once."""
        start = Barrier(REQUESTS)
        return list(pool.map(lambda _: self.request(key, start), range(REQUESTS)))


@contextmanager
def gunicorn(
    app: str, folder: Path, cache: Mapping[str, str], *, workers: int = 4
) -> Iterator[Server]:
    """Run *app* of benchmarks/_storm_app.py on *cache*, with 8 threads a worker."""
    counted = folder / f"{app}.renders"
    options = ("--workers", str(workers), "--threads", "8")
    environment = {"FLASK_RENDERS": str(counted), **cache}
    with Gunicorn(
        f"benchmarks._storm_app:{app}()", *options, environment=environment
    ) as running:
        yield Server(running.port, counted)


def measure_wall_s(answers: list[Answer]) -> float:
    """Return the seconds from the first request to the last response."""
    started = min(answer.sent_at for answer in answers)
    return max(answer.had_at for answer in answers) - started


@dataclass(slots=True)
class Side:
    """The rounds of one contender."""

    walls_s: list[float]
    seconds: list[float]
    renders: Counter[int]
    #: Storms with unequal bytes, and responses other than 200.
    unequal: int = 0
    not_200: int = 0

    def add(self, answers: list[Answer], renders: int) -> None:
        """Add the responses of one storm."""
        self.walls_s.append(measure_wall_s(answers))
        self.seconds += [answer.seconds for answer in answers]
        self.renders[renders] += 1
        self.unequal += len({answer.body for answer in answers}) > 1
        self.not_200 += sum(answer.status != 200 for answer in answers)


def wait_for_workers(target: Server, pool: ThreadPoolExecutor) -> None:
    """Send requests until each worker has answered some."""
    for number in range(3):
        target.storm(f"warm{number}", pool)


def run_contenders(
    servers: Mapping[str, Server], rounds: int
) -> tuple[dict[str, Side], dict[str, list[float]]]:
    """Run both contenders in turns.

    :return: the rounds of each, and wall times of single requests and of hits.
    """
    sides = {name: Side([], [], Counter()) for name in servers}
    beside: dict[str, list[float]] = defaultdict(list)
    ours = servers[OURS]
    with ThreadPoolExecutor(REQUESTS) as pool:
        for target in servers.values():
            wait_for_workers(target, pool)
        for number in range(rounds):
            beside["lone"].append(ours.request(f"lone{number}").seconds)
            for name in list(servers)[:: 1 if number % 2 else -1]:
                before = servers[name].renders()
                answers = servers[name].storm(f"cold{number}", pool)
                sides[name].add(answers, servers[name].renders() - before)
            beside["hits"].append(measure_wall_s(ours.storm(f"cold{number}", pool)))
    return sides, beside


def print_report(
    title: str, sides: Mapping[str, Side], beside: Mapping[str, list[float]]
) -> None:
    """Print the measurements of one backend."""
    side, lone_s = sides[OURS], beside["lone"]
    over_s = [
        wall - 1.5 * lone for wall, lone in zip(side.walls_s, lone_s, strict=True)
    ]
    print_table(
        title,
        [
            Result("most renders in a round", max(side.renders), 1, "d"),
            Result("fewest renders in a round", min(side.renders), form="d"),
            Result("rounds with unequal bytes", side.unequal, 0, "d"),
            Result("answers other than 200", side.not_200, 0, "d"),
            Result("wall over 1.5 lone, ms", median(over_s) * 1e3, 100, ".0f"),
            Result("the largest of those", max(over_s) * 1e3, form=".0f"),
            Result("lone request, ms", median(lone_s) * 1e3, form=".0f"),
            Result("wall of a storm, ms", median(side.walls_s) * 1e3, form=".0f"),
            Result("wall of 200 hits, ms", median(beside["hits"]) * 1e3, form=".0f"),
        ],
    )
    for name, side in sides.items():
        percent = quantiles(side.seconds, n=100)
        renders = median(side.renders.elements())
        print(
            f"  {name:<13} renders {renders:g} ({min(side.renders)} to "
            f"{max(side.renders)}), p50 {percent[49] * 1e3:.0f} ms, p99 "
            f"{percent[98] * 1e3:.0f} ms, unequal in {side.unequal} rounds, "
            f"{side.not_200} not 200"
        )


def main() -> None:
    """Measure and print."""
    options = create_parser(__doc__)
    options.add_argument("--rounds", type=int, default=20)
    options.add_argument(
        "--query-ms", type=int, default=100, help="duration of the query"
    )
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        backends = {
            "Redis": {
                "FLASK_CACHE_TYPE": "RedisCache",
                "FLASK_CACHE_REDIS_PORT": str(stack.enter_context(RedisServer()).port),
            },
            "FileSystemCache": {
                "FLASK_CACHE_TYPE": "FileSystemCache",
                "FLASK_CACHE_DIR": str(folder / "cache"),
            },
        }
        for title, cache in backends.items():
            cache["FLASK_QUERY_S"] = str(chosen.query_ms / 1e3)
            with (
                gunicorn("create_figure_app", folder, cache) as ours,
                gunicorn("create_cached_app", folder, cache) as theirs,
            ):
                sides, beside = run_contenders(
                    {OURS: ours, THEIRS: theirs}, chosen.rounds
                )
            print_report(
                f"{title}, {REQUESTS} requests for one cold key, "
                f"{chosen.rounds} rounds",
                sides,
                beside,
            )
            for counted in folder.glob("*.renders"):
                counted.unlink()


if __name__ == "__main__":
    main()
