"""A pool of worker processes, each of which can be killed alone.

Flask side. Every worker is a pebble pool of one: what a killed process leaves
half written in a pipe, or locked, is thrown away with it and touches no other.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from weakref import WeakSet

from pebble import ProcessPool

from ..errors import OverloadedError, SlowRenderError, WorkerDiedError
from . import transport
from .inline import run_without_request
from .process import KeptContext, limit_memory, settle, start_context
from .reaper import reaper

logger = logging.getLogger("flask_mplstream")

#: Part of a request's time after which its render is not begun any more: what is
#: left would be too short for many, and their workers killed for nothing.
LATEST_START = 0.5
#: What an operator can do if workers are busy or starting.
MORE_WORKERS = (
    "Raise MPLSTREAM_WORKERS or timeout, or start the workers before the first request "
    "(MPLSTREAM_PRELOAD)."
)
#: Seconds after which a process that still starts is started anew.
LONGEST_START_S = 60.0

_all_pools: WeakSet[Pool] = WeakSet()


@dataclass(frozen=True, slots=True)
class Startup:
    """What a worker has before its first render."""

    #: Address space beyond what all this takes.
    memory_bytes: int
    #: ``MPLSTREAM_APP``.
    app_name: str | None
    #: Modules with figure functions.
    modules: tuple[str, ...]

    def __call__(self) -> None:
        """Begin a worker's life; what fails here is told by its first render."""
        settle()
        run_without_request(None, self._import)
        limit_memory(self.memory_bytes)

    def _import(self) -> None:
        for module in self.modules:
            with suppress(Exception):
                import_module(module)
        if self.app_name is not None:
            with suppress(Exception):
                transport.app_named(self.app_name)


@dataclass(frozen=True, slots=True)
class _Process:
    """A pebble pool of one process."""

    pool: ProcessPool
    context: KeptContext
    #: Done when the process takes renders.
    ready: Future[None]
    began: float


class _Worker:
    """One process at a time. Whoever takes the worker has it alone."""

    def __init__(
        self, startup: Startup, max_renders: int, on_killed: Callable[[str], object]
    ) -> None:
        self._startup = startup
        self._max_renders = max_renders
        self._on_killed = on_killed
        self._process: _Process | None = None
        self._renders = 0
        self._is_stopped = False

    @property
    def is_worn(self) -> bool:
        """Whether it wants a new process before it renders again."""
        is_used_up = bool(self._max_renders) and self._renders >= self._max_renders
        return self._process is None or is_used_up

    def start(self) -> _Process:
        """The process, started where there is none that lives."""
        if self._process is None or not self._process.pool.active:
            self.kill()
            context = KeptContext(start_context())
            pool = ProcessPool(1, initializer=self._startup, context=context)
            ready = pool.schedule(_ready)
            context.watch()
            self._process = _Process(pool, context, ready, time.monotonic())
            self._renders = 0
        return self._process

    def run(self, payload: bytes, latest_start: float, deadline: float) -> bytes:
        """What comes back for *payload*.

        :param latest_start: by the monotonic clock, as is the next.
        :param deadline: when to be done.
        :raises OverloadedError: where the process is starting until *latest_start*, or
            was stopped before.
        :raises SlowRenderError: where the render lasts until *deadline*; it is killed.
        :raises WorkerDiedError: where the process ended by itself.
        """
        try:
            process = self.start()
            if self._is_stopped:
                self.kill()  # It was not there yet to be ended.
                raise OverloadedError("The workers were stopped.")
            self._wait_for_start(process, latest_start)
            self._renders += 1
            return self._rendered(process, payload, deadline)
        except (OverloadedError, SlowRenderError):
            raise
        except Exception as error:
            # What the figure function raises comes back as bytes: this is the
            # process, or the pipe to it.
            self._lose("died")
            code = getattr(error, "exitcode", None)
            raise WorkerDiedError(
                f"The process that rendered the picture ended"
                f"{'' if code is None else f' with exit code {code}'}."
            ) from error
        except BaseException:
            self.kill()  # Who waits is being stopped: nobody wants the rest.
            raise

    def _wait_for_start(self, process: _Process, latest_start: float) -> None:
        try:
            process.ready.result(max(latest_start - time.monotonic(), 0))
        except TimeoutError:
            # It goes on starting for the next one, or nobody would ever have it.
            if time.monotonic() - process.began > LONGEST_START_S:
                self._lose("start")
            raise OverloadedError(
                "A worker is still starting.", fix=MORE_WORKERS
            ) from None

    def _rendered(self, process: _Process, payload: bytes, deadline: float) -> bytes:
        remaining_s = max(deadline - time.monotonic(), 0)
        try:
            return process.pool.schedule(transport.run, [payload]).result(remaining_s)
        except TimeoutError:
            self._lose("timeout")
            raise SlowRenderError(
                f"The picture took longer than {remaining_s:.1f} seconds; its render "
                f"was ended."
            ) from None

    def end(self) -> ProcessPool | None:
        """Kill the process with all that it started.

        :return: what tended it, whose threads end soon.
        """
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.pool.stop()  # type: ignore[no-untyped-call]
        process.context.kill()
        return process.pool

    def stop(self) -> ProcessPool | None:
        """As :meth:`end`, and for good: what is started from now on ends at once."""
        self._is_stopped = True
        return self.end()

    def _lose(self, reason: str) -> None:
        if self._process is not None:  # Else it was ended on purpose meanwhile.
            self.kill()
            self._on_killed(reason)

    def kill(self) -> None:
        """As :meth:`end`, without waiting for the threads that tended it."""
        tended = self.end()
        if tended is not None:
            with suppress(RuntimeError):  # No thread to be had to wait for them.
                threading.Thread(target=tended.join, name="mplstream-end").start()


def _ready() -> None:
    """What a process does first."""


class Pool:
    """Runs payloads in *size* worker processes, started at first use.

    :param max_renders: renders after which a process is replaced; 0 for never.
    :param on_killed: told of each process that is lost: ``"timeout"``, ``"died"`` or
        ``"start"``.
    """

    def __init__(
        self,
        size: int,
        startup: Startup,
        *,
        max_renders: int,
        on_killed: Callable[[str], object],
    ) -> None:
        # The one that was used last is the one whose memory is warm.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers = [_Worker(startup, max_renders, on_killed) for _ in range(size)]
        for worker in self._workers:
            self._idle.put(worker)
        self._pid = os.getpid()
        self._is_stopped = False
        _all_pools.add(self)

    def start(self) -> None:
        """Start all workers that are idle now, one after the other."""
        idle: list[_Worker] = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        try:
            while idle:
                self._renew(idle.pop())
        finally:
            for worker in idle:  # Those after one that did not start.
                self._idle.put(worker)

    def run(
        self,
        payload: bytes,
        timeout_s: float,
        on_turn: Callable[[], object] = lambda: None,
    ) -> bytes:
        """What comes back for *payload*, from a worker that lived.

        :param on_turn: called when a worker is free.

        :raises OverloadedError: where none is free in *timeout_s*.
        :raises SlowRenderError: where the render takes longer than what is left.
        :raises WorkerDiedError: where two workers died of it.
        """
        latest_start = time.monotonic() + timeout_s * LATEST_START
        deadline = time.monotonic() + timeout_s
        worker = self._free(timeout_s * LATEST_START)
        on_turn()
        try:
            try:
                return worker.run(payload, latest_start, deadline)
            except WorkerDiedError:
                if self._is_stopped:
                    raise
                logger.warning("A worker died; rendering once more.", exc_info=True)
                return worker.run(payload, deadline, deadline)
        finally:
            self._give_back(worker)

    def _free(self, timeout_s: float) -> _Worker:
        try:
            return self._idle.get(timeout=max(timeout_s, 0))
        except queue.Empty:
            raise OverloadedError(
                f"No worker was free for {timeout_s:.1f} seconds.", fix=MORE_WORKERS
            ) from None

    def _give_back(self, worker: _Worker) -> None:
        if worker.is_worn:
            # A new process takes a while, which is not the request's.
            renewal = threading.Thread(
                target=self._renew, args=[worker], name="mplstream-worker"
            )
            with suppress(RuntimeError):  # No thread to be had: at the next render.
                renewal.start()
                return
        self._idle.put(worker)

    def _renew(self, worker: _Worker) -> None:
        try:
            if worker.is_worn:
                worker.kill()
            if not self._is_stopped:
                worker.start()
        finally:
            self._idle.put(worker)
            if self._is_stopped:
                worker.kill()

    def stop(self) -> None:
        """Kill all workers."""
        if self._pid != os.getpid():
            return  # Those of the parent are the parent's.
        self._is_stopped = True
        for tended in [worker.stop() for worker in self._workers]:
            if tended is not None:
                tended.join()


@atexit.register
def _stop_all() -> None:
    for pool in _all_pools:
        pool.stop()
    reaper.stop()
