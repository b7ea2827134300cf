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
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from weakref import WeakSet

from pebble import ProcessPool

from ..errors import OverloadedError, SlowRenderError, WorkerDiedError
from . import transport
from .process import KeptContext, limit_memory, settle, start_context

logger = logging.getLogger("flask_mplstream")

#: Part of a request's time after which its render is not begun any more: it
#: would only be killed.
LATEST_START = 0.9

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
        for module in self.modules:
            with suppress(Exception):
                import_module(module)
        if self.app_name is not None:
            with suppress(Exception):
                transport.app_named(self.app_name)
        limit_memory(self.memory_bytes)


class _Worker:
    """One process, and the next one where that has died."""

    def __init__(self, make: Callable[[KeptContext], ProcessPool]) -> None:
        self._make = make
        self._running: tuple[ProcessPool, KeptContext] | None = None

    def start(self) -> ProcessPool:
        """The process, started where there is none that lives."""
        if self._running is not None and not self._running[0].active:
            self._replace()
        if self._running is None:
            context = KeptContext(start_context())
            self._running = self._make(context), context
        pool = self._running[0]
        _ = pool.active  # Asking starts it.
        return pool

    def run(self, payload: bytes, timeout_s: float) -> bytes:
        """What comes back for *payload*.

        :raises SlowRenderError: after *timeout_s*; the process is killed.
        :raises WorkerDiedError: where the process ended by itself.
        """
        try:
            return self.start().schedule(transport.run, [payload]).result(timeout_s)
        except TimeoutError:
            self._replace()
            raise SlowRenderError(
                f"The picture took longer than {timeout_s:.1f} seconds; its render "
                f"was ended."
            ) from None
        except Exception as error:
            # What the figure function raises comes back as bytes: this is the
            # process, or the pipe to it.
            self._replace()
            code = getattr(error, "exitcode", None)
            raise WorkerDiedError(
                f"The process that rendered the picture ended"
                f"{'' if code is None else f' with exit code {code}'}."
            ) from error
        except BaseException:
            self._replace()  # Who waits is being stopped: nobody wants the rest.
            raise

    def end(self) -> ProcessPool | None:
        """Kill the process with all that it started.

        :return: what tended it, whose threads end soon.
        """
        if self._running is None:
            return None
        (pool, context), self._running = self._running, None
        pool.stop()  # type: ignore[no-untyped-call]
        context.kill()
        return pool

    def _replace(self) -> None:
        """Kill the process; the next render has another."""
        pool = self.end()
        if pool is not None:
            # Waiting until its threads have ended is not the request's.
            threading.Thread(target=pool.join, name="worker's end").start()


class Pool:
    """Runs payloads in *size* worker processes, started at first use.

    :param max_renders: renders after which a worker is replaced; 0 for never.
    """

    def __init__(self, size: int, startup: Startup, *, max_renders: int) -> None:
        def make(context: KeptContext) -> ProcessPool:
            return ProcessPool(1, max_renders, startup, (), context)

        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._workers = [_Worker(make) for _ in range(size)]
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
        for worker in idle:
            worker.start()
            self._idle.put(worker)

    def run(self, payload: bytes, timeout_s: float) -> bytes:
        """What comes back for *payload*, from a worker that lived.

        :raises OverloadedError: where none is free in *timeout_s*.
        :raises SlowRenderError: where the render takes longer than what is left.
        :raises WorkerDiedError: where two workers died of it.
        """
        deadline = time.monotonic() + timeout_s
        worker = self._free(timeout_s * LATEST_START)
        try:
            try:
                return worker.run(payload, deadline - time.monotonic())
            except WorkerDiedError:
                if self._is_stopped:
                    raise
                logger.warning("A worker died; rendering once more.", exc_info=True)
                return worker.run(payload, deadline - time.monotonic())
        finally:
            self._idle.put(worker)

    def _free(self, timeout_s: float) -> _Worker:
        try:
            return self._idle.get(timeout=timeout_s)
        except queue.Empty:
            raise OverloadedError(
                f"No worker was free for {timeout_s:.1f} seconds."
            ) from None

    def stop(self) -> None:
        """Kill all workers."""
        if self._pid != os.getpid():
            return  # Those of the parent are the parent's.
        self._is_stopped = True
        for pool in [worker.end() for worker in self._workers]:
            if pool is not None:
                pool.join()


@atexit.register
def _stop_all() -> None:
    for pool in _all_pools:
        pool.stop()
