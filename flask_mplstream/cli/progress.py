"""Renders of many pictures at once, and the report of their progress.

Flask side. The report is a bar on a terminal, elsewhere a line for each picture.
"""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from time import perf_counter

import click
from flask.globals import app_ctx

from ..cache.lookup import Served
from ..errors import ArgumentsError
from ..formats import RenderedImage
from ..web.app_state import current_state
from .exit_codes import failure
from .task import Job

#: Shortest wait that is shown, in seconds.
SHOWN_WAIT_S = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one picture."""

    job: Job
    served: Served | None = None
    #: The error message, if the render failed.
    failure: str = ""
    #: Whether it is too large for the route, so that ``figure()`` does not offer it.
    is_left_out: bool = False

    @property
    def state(self) -> str:
        """The word of the summary under which it is counted."""
        if self.served is None:
            return "left out" if self.is_left_out else "failed"
        return "in the cache" if self.served.fwd is None else "rendered"

    def __str__(self) -> str:
        if self.served is None:
            return f"{self.job}: left out, too large" * self.is_left_out or self.failure
        if self.served.fwd is None:
            return f"{self.job}: in the cache"
        steps = dict(self.served.entry.image.timings_s)
        waited_s = steps.pop("wait", 0.0)
        took = f"{sum(steps.values()) * 1000:.0f} ms"
        if waited_s > SHOWN_WAIT_S:
            took += f" after {waited_s:.1f} s of waiting"
        is_kept = self.served.is_stored or self.served.is_collapsed
        return f"{self.job}: {took}{'' if is_kept else ', not kept'}"


def run(
    jobs: Sequence[Job],
    *,
    threads: int | None,
    fail_fast: bool,
    keep: Callable[[Job, RenderedImage], object] | None = None,
) -> None:
    """Make the pictures of *jobs*, and report the progress.

    :param threads: renders at once; ``None`` for the number of workers.
    :param fail_fast: whether the first failure ends the run.
    :param keep: called with each picture, one after the other.
    :raises click.ClickException: at the end, if a picture failed.
    """
    began = perf_counter()
    counts: Counter[str] = Counter()
    with closing(_outcomes(jobs, _threads(threads), fail_fast)) as outcomes:
        for outcome in _show_progress(outcomes, len(jobs)):
            counts[outcome.state] += 1
            if outcome.served is not None and keep is not None:
                keep(outcome.job, outcome.served.entry.image)
    click.echo(
        f"{_summary(counts, len(jobs))}, {perf_counter() - began:.1f} s.", err=True
    )
    if failed := counts["failed"]:
        raise click.ClickException(f"{failed} of {len(jobs)} pictures failed.")


def _threads(asked: int | None) -> int:
    """Return the number of renders at once, at most the app's slots and queue."""
    settings = current_state().settings
    slots = 0 if settings.executor else max(settings.workers, 1)
    return min(asked or settings.workers or 1, slots + settings.max_pending)


def _summary(counts: Counter[str], asked: int) -> str:
    states = ("rendered", "in the cache", "failed")
    told = [f"{counts[state]} {state}" for state in states]
    told += [f"{counts['left out']} left out"] if counts["left out"] else []
    untried = asked - counts.total()
    return ", ".join([*told, *([f"{untried} not tried"] if untried else [])])


def _show_progress(outcomes: Iterable[Outcome], count: int) -> Iterator[Outcome]:
    """Yield *outcomes*, each shown when it comes; failures are shown below the bar."""
    if not sys.stdout.isatty():
        for outcome in outcomes:
            click.echo(str(outcome), err=bool(outcome.failure))
            yield outcome
        return
    failures: list[str] = []
    with click.progressbar(outcomes, length=count, label="Pictures") as bar:
        for outcome in bar:
            failures += [outcome.failure] if outcome.failure else []
            yield outcome
    for text in failures:
        click.echo(text, err=True)


def _is_size(error: Exception) -> bool:
    """Return whether *error* is a picture that is too large because of its scale."""
    faults = error.faults if isinstance(error, ArgumentsError) else ()
    return [fault.name for fault in faults] == ["_scale"]


def _outcomes(
    jobs: Sequence[Job], threads: int, fail_fast: bool
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of *jobs* in their order, each as soon as it is known."""
    app = app_ctx.app
    is_over = Event()

    def made(job: Job) -> Outcome | None:
        if is_over.is_set():
            return None
        with app.app_context():
            try:
                return Outcome(job, job.fetch())
            except Exception as error:
                if job.is_usual and _is_size(error):
                    return Outcome(job, is_left_out=True)
                if fail_fast:
                    is_over.set()
                return Outcome(job, failure=failure(job, error))

    if threads == 1:
        # In the main thread, Ctrl-C also interrupts the current render.
        yield from filter(None, map(made, jobs))
        return
    # One thread for each render at once; it only waits for a worker.
    pool = ThreadPoolExecutor(threads)
    try:
        waiting = deque(pool.submit(made, job) for job in jobs)
        while waiting:
            outcome = waiting.popleft().result()
            if outcome is not None:
                yield outcome
    finally:
        is_over.set()
        pool.shutdown(cancel_futures=True)
