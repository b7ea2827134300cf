"""A pool of worker processes under kills, hangs, overload and bombs.

All tests share a server, whose processes are read from /proc, see
:mod:`tests.support.fleet`.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import ge, sub
from pathlib import Path
from statistics import quantiles

import pytest

from tests.apps.fleet_figures import ENDLESS_S
from tests.support.fleet import (
    GONE_S,
    LONGEST_S,
    POOL,
    WHOLE_S,
    Answer,
    Fleet,
    Numbers,
    assert_whole,
    gunicorn,
    scale_limit,
    wait_until,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="requires /proc"),
]

#: Requests that may wait for a worker.
ROOM = 6
MB = 2**20


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Run one web process with many threads and a pool of two."""
    with gunicorn(
        tmp_path_factory.mktemp("fleet"),
        *("--worker-class", "gthread", "--threads", "24"),
        MPLSTREAM_WORKERS=POOL,
        MPLSTREAM_WORKER_BYTES=512 * MB,
        MPLSTREAM_MAX_PENDING=ROOM,
    ) as running:
        assert_whole(running, Numbers(iter(range(10**6, 2 * 10**6))))
        yield running


@pytest.fixture(scope="module")
def numbers() -> Numbers:
    return Numbers(iter(range(10**6)))


def test_a_killed_worker_costs_one_retry(fleet: Fleet, numbers: Numbers) -> None:
    """Other requests do not wait, and the worker is replaced."""
    victim, other = numbers.take(2)
    [web] = fleet.webs()
    with ThreadPoolExecutor(POOL) as pool:
        answers = [
            pool.submit(fleet.ask, f"/slow?seconds=1.5&n={n}") for n in (victim, other)
        ]

        def rendering(n: int) -> list[int]:
            return [r.pid for r in fleet.records("slow") if r.more == str(n)]

        wait_until(lambda: rendering(victim) and rendering(other))
        [killed] = rendering(victim)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: len(rendering(victim)) == 2, WHOLE_S)
        wait_until(lambda: len(fleet.workers(web) - {killed}) == POOL, WHOLE_S)
        assert fleet.ask(f"/slow?seconds=1.5&n={other}").colour == other
        assert [answer.result().colour for answer in answers] == [victim, other]
    assert len(rendering(victim)) == 2
    assert len(rendering(other)) == 1
    assert answers[1].result().seconds < 1.5 + scale_limit(WHOLE_S)


@pytest.mark.parametrize("name", ["forkserver", "resource_tracker"])
def test_a_killed_helper_costs_one_retry(
    fleet: Fleet, numbers: Numbers, name: str
) -> None:
    """The fork server or the reaper gets SIGKILL."""
    [web], asked = fleet.webs(), numbers.take(POOL)
    helpers = [p.pid for p in fleet.left() if p.parent == web and name in p.command]
    before = len(fleet.records("slow"))
    with ThreadPoolExecutor(POOL) as pool:
        answers = [pool.submit(fleet.ask, f"/slow?seconds=1&n={n}") for n in asked]
        wait_until(lambda: len(fleet.records("slow")) == before + POOL)
        os.kill(helpers[0], signal.SIGKILL)
        assert [answer.result().colour for answer in answers] == asked
    for worker in fleet.workers(web):  # The next workers need the helper again.
        os.kill(worker, signal.SIGKILL)
    assert_whole(fleet, numbers)


def holdings(pid: int) -> tuple[int, ...]:
    """Return the numbers of threads and open files of *pid*."""
    return tuple(len(os.listdir(f"/proc/{pid}/{kind}")) for kind in ("task", "fd"))


class Killer:
    """A random killer of a fleet's workers, never of two for one request."""

    def __init__(self, fleet: Fleet, clients: int, seed: int) -> None:
        self._fleet = fleet
        self._random = random.Random(seed)
        [self._web] = fleet.webs()
        #: Responses to each client.
        self.answers = [0] * clients
        self.kills = 0

    def kill(self, times: int, clients: list[Future[None]]) -> None:
        """Kill *times* workers, each after some responses to each of *clients*."""
        while self.kills < times:
            least = [n + self._random.randint(1, 6) for n in self.answers]
            while not all(map(ge, self.answers, least)):
                if any(client.done() for client in clients):
                    return  # It has failed; raise its error.
                time.sleep(0.01)
            time.sleep(self._random.uniform(0, 0.02))
            workers = sorted(self._fleet.workers(self._web))
            with suppress(ProcessLookupError, IndexError):
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self.kills += 1


@pytest.mark.sweep
def test_workers_killed_at_random_lose_no_request(
    fleet: Fleet, numbers: Numbers, is_sweep: bool
) -> None:
    """Every picture is right despite 30 kills in 500 renders for four clients.

    Without ``--sweep``, it is a sixth of them. The web process keeps no thread and no
    pipe of a dead worker.
    """
    kills, renders = (30, 500) if is_sweep else (5, 84)
    killer = Killer(fleet, clients=4, seed=5)
    [web] = fleet.webs()
    held = holdings(web)

    def client(number: int) -> None:
        for n in numbers_of[number]:
            if killer.kills == kills and killer.answers[number] >= renders / 4:
                return
            assert fleet.ask(f"/quick?n={n}").colour == n
            killer.answers[number] += 1

    numbers_of = [numbers.take(1000) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(client, number) for number in range(4)]
        killer.kill(kills, clients)
        for done in clients:
            done.result()
    assert killer.kills == kills
    assert sum(killer.answers) >= renders
    assert_whole(fleet, numbers)
    wait_until(lambda: max(map(sub, holdings(web), held)) < 10, GONE_S)


def test_one_hanging_render_of_fifty_fails_alone(
    fleet: Fleet, numbers: Numbers
) -> None:
    """It is killed with its child processes, and the worker is replaced."""
    [fatal] = numbers.take(1)
    with ThreadPoolExecutor(1) as pool:
        hung = pool.submit(fleet.ask, f"/hang?n={fatal}")
        wait_until(lambda: fleet.records("hang"))
        fifty = numbers.take(50)
        answers = fleet.ask_all(f"/quick?n={n}" for n in fifty)
        assert [answer.colour for answer in answers] == fifty
        answer = hung.result()
    assert answer.status == 504
    assert answer.seconds < ENDLESS_S + scale_limit(1)
    [record] = fleet.records("hang")
    ended = {record.pid, int(record.more)}
    wait_until(lambda: not ended & {p.pid for p in fleet.left()}, GONE_S)
    assert_whole(fleet, numbers)


def test_a_fatal_figure_kills_two_workers(fleet: Fleet, numbers: Numbers) -> None:
    """The pool replaces them."""
    assert fleet.ask("/die").status == 500
    assert_whole(fleet, numbers)


# --- Overload -------------------------------------------------------------


def render_s(answers: Iterable[Answer]) -> float:
    """Return the seconds in which workers rendered *answers*, from their headers."""
    steps = [
        step
        for answer in answers
        if answer.status == 200
        for step in answer.headers["Server-Timing"].split(", ")
    ]
    assert steps
    return sum(
        float(step.rpartition("=")[2]) / 1000
        for step in steps
        if not step.startswith("wait;")
    )


def processor_s(pid: int) -> float:
    """Return the processor seconds of *pid* so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Load:
    """Phases of one kind: the responses and their costs."""

    fleet: Fleet
    numbers: Numbers
    phase_s: float
    answers: list[Answer] = field(default_factory=list)
    hits: list[Answer] = field(default_factory=list)
    seconds: float = 0
    web_s: float = 0

    @contextmanager
    def phase(self) -> Iterator[None]:
        """Add the time of the block."""
        [web] = self.fleet.webs()
        began, web_began = time.monotonic(), processor_s(web)
        yield
        self.seconds += time.monotonic() - began
        self.web_s += processor_s(web) - web_began

    def ask(self) -> Answer:
        """Request a new picture."""
        answer = self.fleet.ask(f"/busy?n={self.numbers.take(1)[0]}")
        self.answers.append(answer)
        return answer

    def fill(self) -> None:
        """Request as many pictures at a time as the pool accepts."""
        until = time.monotonic() + self.phase_s

        def client(_: int) -> None:
            while time.monotonic() < until:
                self.ask()

        with self.phase(), ThreadPoolExecutor(POOL + 2) as pool:
            list(pool.map(client, range(POOL + 2)))

    def overfill(self, per_second: float) -> None:
        """Request *per_second* new pictures a second, and sometimes a stored one."""
        with self.phase(), ThreadPoolExecutor(20) as pool:
            began = time.monotonic()
            for number in range(int(per_second * self.phase_s)):
                time.sleep(max(began + number / per_second - time.monotonic(), 0))
                if number % 5 == 0:
                    pool.submit(lambda: self.hits.append(self.fleet.ask("/quick?n=0")))
                pool.submit(self.ask)

    @property
    def pictures(self) -> int:
        """The number of new pictures."""
        return sum(answer.status == 200 for answer in self.answers)

    @property
    def use(self) -> float:
        """The share of the workers' time that was spent on sent pictures."""
        return render_s(self.answers) / (POOL * self.seconds)

    @property
    def web_cost_s(self) -> float:
        """The web process's processor time for each response."""
        return self.web_s / len(self.answers + self.hits)


@pytest.mark.sweep
def test_an_overload_is_refused(
    fleet: Fleet,
    numbers: Numbers,
    is_sweep: bool,
    record_property: Callable[[str, object], None],
) -> None:
    """Hits are served, and the workers render as much as without the overload.

    Pictures per second depend on the machine's other load. This compares the workers'
    time and the web process's processor time, as a refusal is cheaper than a picture.
    """
    fleet.ask("/quick?n=0")
    # The phases take turns, so that other load affects all of them.
    phase_s = 10 if is_sweep else 0.8
    full, over = Load(fleet, numbers, phase_s), Load(fleet, numbers, phase_s)
    for _ in range(3):
        full.fill()
        over.overfill(4 * full.pictures / full.seconds)
    assert {answer.status for answer in full.answers} == {200}
    assert {answer.status for answer in over.answers} == {200, 503}
    refused = [answer for answer in over.answers if answer.status == 503]
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert {hit.status for hit in over.hits} == {200}
    numbers_seen = {
        "capacity": full.pictures / full.seconds,
        "goodput": over.pictures / over.seconds,
        "capacity_use": full.use,
        "goodput_use": over.use,
        "capacity_web_ms": full.web_cost_s * 1000,
        "overload_web_ms": over.web_cost_s * 1000,
        "hits_p99_s": quantiles([hit.seconds for hit in over.hits], n=100)[-1],
        "refusals_p99_s": quantiles([answer.seconds for answer in refused], n=100)[-1],
    }
    for name, value in numbers_seen.items():
        record_property(name, value)
        print(f"{name} {value:.3f}")
    assert numbers_seen["hits_p99_s"] < scale_limit(1)
    assert over.use >= 0.7 * full.use
    assert over.web_cost_s < full.web_cost_s
    assert_whole(fleet, numbers)


def test_a_request_that_has_waited_long_is_refused(
    fleet: Fleet, numbers: Numbers
) -> None:
    """Its render would be killed, and other requests need the worker."""
    [web] = fleet.webs()
    workers, until = fleet.workers(web), time.monotonic() + 4

    def client(_: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while time.monotonic() < until:
            status = fleet.ask(f"/patient?n={numbers.take(1)[0]}").status
            statuses[status] += 1
            time.sleep(0 if status == 200 else 0.3)
        return statuses

    with ThreadPoolExecutor(12) as pool:
        statuses = sum(pool.map(client, range(12)), Counter[int]())
    assert set(statuses) == {200, 503}
    assert statuses[200] == len(fleet.records("patient"))
    assert fleet.workers(web) == workers


# --- Bombs ----------------------------------------------------------------


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("bomb", "statuses"),
    [
        pytest.param("points", {500, 504}, id="10^7-points"),
        pytest.param("bins", {500, 504}, id="10^5-bins"),
        pytest.param("ticks", {500, 504}, id="10^7-ticks"),
        pytest.param("subplots", {504}, id="60x60-subplots"),
        pytest.param("title", {500, 504}, id="10^6-characters"),
        pytest.param("pixels", {500}, id="10^10-pixels"),
    ],
)
def test_an_expensive_render_does_not_affect_the_web_process(
    fleet: Fleet, numbers: Numbers, bomb: str, statuses: set[int]
) -> None:
    """It is refused, out of memory or killed."""
    [web], [n] = fleet.webs(), numbers.take(1)
    before = resident_bytes(web)
    answer = fleet.ask(f"/bomb/{bomb}")
    assert answer.status in statuses, answer.body
    assert answer.seconds < ENDLESS_S + scale_limit(1)
    assert bomb != "pixels" or answer.seconds < scale_limit(1)
    assert resident_bytes(web) - before < 16 * MB
    after = fleet.ask(f"/quick?n={n}")
    assert after.colour == n
    assert after.seconds < scale_limit(LONGEST_S)
