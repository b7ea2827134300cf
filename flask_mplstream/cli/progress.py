"""Renders of many pictures at once, and the report of their progress.

Flask side. The report is a bar on a terminal, otherwise a line for each picture.
"""

from __future__ import annotations

import sys
from collections import Counter
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
from ..rendered_image import RenderedImage
from ..web.app_state import current_state
from ..web.warm_report import fetch_ahead
from .failures import format_failure
from .task import Task

#: Shortest wait that is shown, in seconds.
SHOWN_WAIT_S = 0.1


@dataclass(frozen=True, slots=True)
class TaskResult:
    """The result of one picture."""

    task: Task
    #: ``None`` without a picture.
    served: Served | None = None
    #: The error message; empty if the picture is too large to be offered by
    #: ``figure()``, which is no failure.
    failure: str = ""

    @property
    def state(self) -> str:
        """The word under which the summary counts it."""
        if self.served is None:
            return "failed" if self.failure else "left out"
        return "in the cache" if self.served.status.fwd is None else "rendered"

    def __str__(self) -> str:
        if self.served is None:
            return self.failure or f"{self.task}: left out, too large"
        if self.served.status.fwd is None:
            return f"{self.task}: in the cache"
        steps = dict(self.served.entry.image.timings_s)
        waited_s = steps.pop("wait", 0.0)
        took = f"{sum(steps.values()) * 1000:.0f} ms"
        if waited_s > SHOWN_WAIT_S:
            took += f" after waiting {waited_s:.1f} s"
        is_kept = self.served.status.is_stored or self.served.status.is_collapsed
        return f"{self.task}: {took}{'' if is_kept else ', not stored'}"


def run_tasks(
    tasks: Sequence[Task],
    *,
    threads: int | None,
    fail_fast: bool,
    keep: Callable[[Task, RenderedImage], object] = lambda _task, _image: None,
) -> None:
    """Render the pictures of *tasks*, and report the progress.

    :param threads: simultaneous renders; ``None`` for the number of workers.
    :param fail_fast: whether the first failure ends the run.
    :param keep: called with each picture, one after the other.
    :raises click.ClickException: at the end, if a picture failed.
    """
    began = perf_counter()
    counts: Counter[str] = Counter()
    with closing(_run(tasks, _count_threads(threads), fail_fast)) as results:
        for result in _show_progress(results, len(tasks)):
            counts[result.state] += 1
            if result.served is not None:
                keep(result.task, result.served.entry.image)
    took_s = perf_counter() - began
    click.echo(f"{_summarize(counts, len(tasks))}, {took_s:.1f} s.", err=True)
    if failed := counts["failed"]:
        raise click.ClickException(f"{failed} of {len(tasks)} pictures failed.")


def _count_threads(requested: int | None) -> int:
    """Return the number of simultaneous renders, at most the app's slots and queue."""
    settings = current_state().settings
    slots = 0 if settings.executor else max(settings.workers, 1)
    return min(requested or settings.workers or 1, slots + settings.max_pending)


def _summarize(counts: Counter[str], total: int) -> str:
    counts = counts + Counter({"not tried": total - counts.total()})
    always = ("rendered", "in the cache", "failed")
    seldom = (state for state in ("left out", "not tried") if counts[state])
    return ", ".join(f"{counts[state]} {state}" for state in (*always, *seldom))


def _show_progress(results: Iterable[TaskResult], count: int) -> Iterator[TaskResult]:
    """Yield and show *results*; on a terminal, failures are shown below the bar."""
    if not sys.stdout.isatty():
        for result in results:
            click.echo(str(result), err=bool(result.failure))
            yield result
        return
    failures: list[str] = []
    with click.progressbar(results, length=count, label="Pictures") as bar:
        for result in bar:
            failures += [result.failure] if result.failure else []
            yield result
    for text in failures:
        click.echo(text, err=True)


def _run(
    tasks: Sequence[Task], threads: int, fail_fast: bool
) -> Generator[TaskResult, None, None]:
    """Yield the results of *tasks* in their order, each as soon as it is known."""
    app = app_ctx.app
    is_over = Event()

    def fetch(task: Task) -> TaskResult | None:
        if is_over.is_set():
            return None
        with app.app_context():
            try:
                return TaskResult(task, fetch_ahead(task.route, task.picture))
            except Exception as error:
                if task.is_optional and _is_too_large(error):
                    return TaskResult(task)
                if fail_fast:
                    is_over.set()
                return TaskResult(task, failure=format_failure(task, error))

    if threads == 1:
        # In the main thread, Ctrl-C also interrupts the current render.
        yield from filter(None, map(fetch, tasks))
        return
    # One thread for each simultaneous render; it only waits for a worker.
    with ThreadPoolExecutor(threads) as pool:
        try:
            yield from filter(None, pool.map(fetch, tasks))
        finally:
            is_over.set()


def _is_too_large(error: Exception) -> bool:
    """Return whether *error* is a picture that is too large because of its scale."""
    faults = error.faults if isinstance(error, ArgumentsError) else ()
    return [fault.name for fault in faults] == ["_scale"]
