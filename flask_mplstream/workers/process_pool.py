"""A pool of worker processes, each of which can be killed individually.

Flask side. Each worker is a pebble pool with a single process. If a killed process
leaves a half-written pipe or a locked lock behind, this is discarded together with its
pool and doesn't affect other workers.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TypeVar
from weakref import WeakSet, finalize

from pebble import ProcessPool

from ..errors import (
    ConfigError,
    MplStreamError,
    OverloadedError,
    SlowRenderError,
    WorkerDiedError,
)
from ..limits.deadline import Deadline
from . import ipc
from .process_group import KeptContext, limit_memory, settle, start_context
from .reaper import reaper
from .request_isolation import run_without_request

logger = logging.getLogger("flask_mplstream")

T = TypeVar("T")

#: Fraction of a request's time after which its render no longer begins: many renders
#: would need more than the rest, and their workers would be killed for no result. The
#: wait for a worker that is starting may last longer, as no other request can use it.
LATEST_START = 0.5
#: The fix if workers are busy or starting.
MORE_WORKERS = (
    "Raise MPLSTREAM_WORKERS or timeout, or start the workers before the first request "
    "(MPLSTREAM_PRELOAD)."
)
#: Seconds of a start that do not count against the deadlines of waiting pictures.
#: Together with the default ``timeout`` they are less than gunicorn's 30 seconds.
FREE_START_S = 15.0
#: Seconds after which a process that is still starting is replaced.
LONGEST_START_S = 60.0
#: Seconds between two checks for a task that was lost with its process.
PULSE_S = 0.5

_all_pools: WeakSet[Pool] = WeakSet()


@dataclass(frozen=True, slots=True)
class Startup:
    """What a worker has to do before its first render."""

    #: Address space of the renders, beyond that of the imports and the app.
    memory_bytes: int
    #: ``MPLSTREAM_APP``.
    app_name: str | None
    #: Modules with figure functions.
    modules: tuple[str, ...]

    def __call__(self) -> None:
        """Prepare this worker. This is its first task.

        All other errors during the imports are ignored, because the first render
        reports them.

        :raises ConfigError: if ``MPLSTREAM_APP`` is wrong.
        """
        try:
            run_without_request(None, self._import)
        except ConfigError as error:
            raise ConfigError(str(error)) from None  # A cause may not be picklable.
        except (Exception, SystemExit):
            return
        finally:
            limit_memory(self.memory_bytes)

    def _import(self) -> None:
        # A worker that ended here, by sys.exit() in a module, could not report it.
        for module in self.modules:
            with suppress(Exception, SystemExit):
                import_module(module)
        if self.app_name is not None:
            ipc.load_app(self.app_name)


class StartClock:
    """A monotonic clock that stops while workers are starting and none is ready.

    Nothing can be rendered during this time, so it doesn't count toward any deadline.
    The clock stops for at most :data:`FREE_START_S` seconds at a time.

    :param is_up: a function that returns whether a worker is ready.
    """

    def __init__(self, is_up: Callable[[], bool]) -> None:
        self._is_up = is_up
        self._lock = threading.Lock()  # guards _stopped_s and _stopped_at
        self._stopped_s = 0.0
        self._stopped_at: float | None = None

    def __call__(self) -> float:
        """Return the time in seconds."""
        with self._lock:
            return time.monotonic() - self._stopped_s - self._current_stop_s

    @property
    def _current_stop_s(self) -> float:
        if self._stopped_at is None:
            return 0.0
        return min(time.monotonic() - self._stopped_at, FREE_START_S)

    def stop(self) -> None:
        """Stop because a worker is starting, unless another worker is ready."""
        with self._lock:
            if self._stopped_at is None and not self._is_up():
                self._stopped_at = time.monotonic()

    def resume(self) -> None:
        """Resume because a worker has started or has failed to start."""
        with self._lock:
            self._stopped_s += self._current_stop_s
            self._stopped_at = None


class _Background:
    """Threads for work that no request has to wait for."""

    def __init__(self) -> None:
        self._threads: WeakSet[threading.Thread] = WeakSet()

    def start(self, name: str, call: Callable[[], object]) -> bool:
        """Start a thread that runs *call*.

        :return: ``False`` if the system can't start another thread.
        """
        thread = threading.Thread(target=call, name=f"mplstream-{name}")
        try:
            thread.start()
        except RuntimeError:
            return False
        self._threads.add(thread)
        return True

    def join(self) -> None:
        """Wait until all other threads have ended, including any that they start."""
        here = threading.current_thread()
        while alive := [t for t in self._threads if t.is_alive() and t is not here]:
            for thread in alive:
                thread.join()


@dataclass(frozen=True, slots=True)
class _Process:
    """A pebble pool of one process."""

    pool: ProcessPool
    context: KeptContext
    #: Done when the process is ready; its exception is a wrong ``MPLSTREAM_APP``.
    ready: Future[None]
    #: ``time.monotonic()`` at the start.
    began: float

    def wait_for(self, task: Future[T], deadline: Deadline) -> T:
        """Return the result of *task*.

        Pebble loses a task if its process exits with 0, or if it is scheduled just when
        the pool notices that its process has ended.

        :raises TimeoutError: at the deadline.
        :raises BrokenExecutor: if the process ended without a result.
        """
        has_ended = False
        while True:
            try:
                return task.result(min(deadline.remaining_s, PULSE_S))
            except TimeoutError:
                if deadline.has_passed:
                    raise
                if has_ended:
                    raise BrokenExecutor("The task was lost.") from None
            has_ended = self.context.has_ended

    def stop(self) -> None:
        """Kill the process with its process group."""
        self.pool.stop()
        self.context.kill()


class _Worker:
    """A worker that has one process and is used by one caller at a time."""

    def __init__(
        self,
        startup: Startup,
        max_renders: int,
        on_killed: Callable[[str], object],
        background: _Background,
        clock: StartClock,
    ) -> None:
        self._startup = startup
        self._max_renders = max_renders
        self._on_killed = on_killed
        self._background = background
        self._clock = clock
        self._process: _Process | None = None
        self._job: Future[bytes] | None = None
        #: End of a late render (``time.monotonic()``); its request has had an error.
        self._late_until: float | None = None
        self._renders = 0
        self._is_stopped = False

    @property
    def is_starting(self) -> bool:
        """Whether there is no process, or the process isn't ready yet."""
        return self._process is None or not self._process.ready.done()

    @property
    def is_late(self) -> bool:
        """Whether it is still rendering for a request that already got an error."""
        return self._late_until is not None

    @property
    def is_worn(self) -> bool:
        """Whether it needs a new process before it can render again."""
        is_used_up = bool(self._max_renders) and self._renders >= self._max_renders
        return self._process is None or is_used_up

    def start(self) -> _Process:
        """Return the process. Start one if there is none or if it has ended."""
        if self._process is None or not self._process.pool.active:
            self.kill()
            clock = self._clock
            clock.stop()
            try:
                self._process = self._new_process()
            except BaseException:
                clock.resume()
                raise
            self._process.ready.add_done_callback(lambda _: clock.resume())
            self._renders = 0
        return self._process

    def _new_process(self) -> _Process:
        began = time.monotonic()
        context = KeptContext(start_context())
        pool = ProcessPool(1, initializer=settle, context=context)
        ready = pool.schedule(self._startup)
        context.watch()
        return _Process(pool, context, ready, began)

    def report(self) -> None:
        """Log a wrong ``MPLSTREAM_APP`` as soon as the process detects it."""
        if self._process is not None:
            self._process.ready.add_done_callback(_log_wrong_app)

    def run(self, payload: bytes, deadline: Deadline, due_s: float) -> bytes:
        """Return the result of *payload*.

        :param due_s: the number of seconds that the render may take even if it begins
            late.
        :raises ConfigError: if ``MPLSTREAM_APP`` is wrong.
        :raises OverloadedError: if the process starts too late or the pool is stopped.
        :raises SlowRenderError: if the render was killed at the deadline.
        :raises WorkerDiedError: if the process ends by itself or can't be started.
        """
        try:
            process = self._start_process()
            self._wait_for_start(process, deadline)
            self._renders += 1
            return self._render_in(process, payload, deadline, due_s)
        except MplStreamError:
            raise
        except CancelledError:
            raise _stop_error() from None
        except Exception as error:
            # Errors of the figure function arrive as bytes, so this is an error of
            # the process or its pipe.
            self._lose("died")
            code = getattr(error, "exitcode", None)
            raise WorkerDiedError(
                f"The render's worker process ended"
                f"{'' if code is None else f' with exit code {code}'}."
            ) from error
        except BaseException:
            self.kill()  # This thread is being interrupted: the result has no reader.
            raise

    def _start_process(self) -> _Process:
        try:
            process = self.start()
        except Exception as error:
            raise WorkerDiedError(
                f"Cannot start a worker process: {error.__cause__ or error}."
            ) from error
        if self._is_stopped:
            self.kill()  # stop() ran before this process existed.
            raise _stop_error()
        return process

    def _wait_for_start(self, process: _Process, deadline: Deadline) -> None:
        try:
            process.wait_for(process.ready, deadline)
        except TimeoutError:
            # Let it go on starting, so that a later request finds it ready.
            if time.monotonic() - process.began > LONGEST_START_S:
                self._lose("start")
            raise OverloadedError(
                "A worker is still starting.", fix=MORE_WORKERS
            ) from None
        except ConfigError as error:
            # A new error for each request: a raise adds frames to the traceback.
            raise ConfigError(str(error)) from None
        except BrokenExecutor as error:
            self._lose("died")
            raise WorkerDiedError(
                "A worker process ended during its start. See its error in the "
                "server's error output."
            ) from error

    def _render_in(
        self, process: _Process, payload: bytes, deadline: Deadline, due_s: float
    ) -> bytes:
        remaining_s = deadline.remaining_s
        self._job = process.pool.schedule(ipc.run_payload, [payload])
        try:
            return process.wait_for(self._job, deadline)
        except TimeoutError:
            if remaining_s < due_s:
                self._late_until = time.monotonic() + due_s - remaining_s
                raise OverloadedError(
                    f"A worker was ready only {remaining_s:.1f} seconds before the "
                    f"deadline."
                ) from None
            self._lose("timeout")
            raise SlowRenderError(
                f"The render took more than {remaining_s:.1f} seconds and was stopped."
            ) from None

    def finish(self) -> None:
        """Give a late render as much time as any other, and then kill the process.

        Otherwise, a worker that started late would be killed at its first picture, and
        the next one would start late as well.
        """
        if self._late_until is None or self._job is None:
            return
        try:
            self._job.result(max(self._late_until - time.monotonic(), 0))
        except TimeoutError:
            self._lose("timeout")
        except Exception:
            self._lose("died")
        self._late_until = None

    def stop(self) -> ProcessPool | None:
        """Kill the process like :meth:`_end`, even if it hasn't started yet."""
        self._is_stopped = True
        return self._end()

    def kill(self) -> None:
        """Kill the process, and join the threads of its pool in the background."""
        if pool := self._end():
            self._background.start("end", pool.join)

    def abandon(self) -> None:
        """Kill the process for the garbage collector, without a lock or a thread.

        The garbage collector may run at any point, with any lock of this process held.
        """
        self._is_stopped = True
        process, self._process = self._process, None
        if process is not None:
            with suppress(RuntimeError):
                process.pool.schedule(int)  # Wakes pebble's thread that awaits tasks.
            process.stop()

    def _end(self) -> ProcessPool | None:
        """Kill the process and cancel its tasks.

        :return: the pebble pool of the process, which the caller must join.
        """
        process, self._process = self._process, None
        if process is None:
            return None
        process.stop()
        for future in (process.ready, self._job):
            if future is not None:
                future.cancel()
        return process.pool

    def _lose(self, reason: str) -> None:
        if self._process is not None:  # Otherwise it was ended on purpose.
            self.kill()
            self._on_killed(reason)


def _log_wrong_app(ready: Future[None]) -> None:
    error = None if ready.cancelled() else ready.exception()
    if isinstance(error, ConfigError):
        logger.error("The workers cannot render: %s", error)


def _stop_error() -> OverloadedError:
    return OverloadedError("The workers were stopped.")


class Pool:
    """A runner that starts *size* worker processes when it is first used.

    If the pool is garbage collected, its processes are stopped.

    :param max_renders: the number of renders after which a process is replaced, or 0
        for never.
    :param on_killed: a function that is called with the reason when a process is lost,
        which is ``"timeout"``, ``"died"`` or ``"start"``. It may still be called after
        the pool has been stopped.
    """

    def __init__(
        self,
        size: int,
        startup: Startup,
        *,
        max_renders: int,
        on_killed: Callable[[str], object],
    ) -> None:
        # Last in, first out: the memory of the worker used last is warm.
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._background = _Background()
        workers: list[_Worker] = []
        self.clock = StartClock(lambda: not all(w.is_starting for w in workers))
        for _ in range(size):
            workers.append(
                _Worker(startup, max_renders, on_killed, self._background, self.clock)
            )
            self._idle.put(workers[-1])
        self._workers = workers
        self._pid = os.getpid()
        self._is_stopped = False
        _all_pools.add(self)
        finalize(self, _abandon, self._pid, self._workers).atexit = False

    def start(self) -> None:
        """Start all idle workers, one after the other."""
        idle: list[_Worker] = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        try:
            while idle:
                self._renew(idle.pop())
        finally:
            for worker in idle:  # The rest, if one did not start.
                self._idle.put(worker)
        self._workers[0].report()

    def run(self, payload: bytes, deadline: Deadline) -> bytes:
        """Return the result of *payload*, and try again once if the worker dies.

        :param deadline: a deadline that uses the clock of this pool. Its step becomes
            "the render" when a worker is available.
        :raises OverloadedError: if no worker is available in time.
        :raises SlowRenderError: if the render takes longer than the remaining time.
        :raises WorkerDiedError: if the worker dies in both attempts.
        """
        due_s = deadline.remaining_s * (1 - LATEST_START)
        worker = self._take_worker(deadline, due_s)
        deadline.begin("the render")
        try:
            try:
                return worker.run(payload, deadline, due_s)
            except WorkerDiedError:
                if self._is_stopped:
                    raise
                logger.warning("A worker died; rendering once more.", exc_info=True)
                return worker.run(payload, deadline, due_s)
        finally:
            self._give_back(worker)

    def _take_worker(self, deadline: Deadline, due_s: float) -> _Worker:
        began = time.monotonic()
        for reserved_s in (due_s, 0.0):
            left_s = math.inf
            while left_s:
                left_s = max(deadline.lock_timeout_s - reserved_s, 0)
                with suppress(queue.Empty):
                    return self._idle.get(timeout=left_s)
            if not any(worker.is_starting for worker in self._workers):
                break
        raise OverloadedError(
            f"No worker was free for {time.monotonic() - began:.1f} seconds.",
            fix=MORE_WORKERS,
        )

    def _give_back(self, worker: _Worker) -> None:
        needs_care = worker.is_late or worker.is_worn
        # A background thread does this, so the request does not wait. If there is no
        # thread, the next render does it.
        renew = partial(self._renew_quietly, worker)
        if not needs_care or not self._background.start("worker", renew):
            self._idle.put(worker)

    def _renew_quietly(self, worker: _Worker) -> None:
        try:
            self._renew(worker)
        except Exception:
            text = "Cannot start a worker; the next render tries again."
            logger.warning(text, exc_info=True)

    def _renew(self, worker: _Worker) -> None:
        try:
            worker.finish()
            if worker.is_worn:
                worker.kill()
            if not self._is_stopped:
                worker.start()
        finally:
            self._idle.put(worker)
            if self._is_stopped:
                worker.kill()

    def stop(self) -> None:
        """Kill all workers, and wait for the threads of their pools."""
        if self._pid != os.getpid():
            return  # In a forked child: the workers are the parent's.
        self._is_stopped = True
        for pool in [worker.stop() for worker in self._workers]:
            if pool is not None:
                pool.join()
        self._background.join()


def _abandon(pid: int, workers: list[_Worker]) -> None:
    if pid == os.getpid():
        for worker in workers:
            worker.abandon()


@atexit.register
def _stop_all() -> None:
    for pool in _all_pools:
        pool.stop()
    reaper.stop()
