"""Renders on a ``concurrent.futures.Executor``: other machines, or the app's pool.

Flask side.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor
from contextlib import suppress

from ..errors import ConfigError, OverloadedError, SlowRenderError, WorkerDiedError
from . import ipc

logger = logging.getLogger("flask_mplstream")


class OnExecutor:
    """A runner of payloads on an executor.

    :param given: the executor, or a callable that creates one, which is called at
        first use and again if that executor breaks.
    """

    def __init__(self, given: Executor | Callable[[], Executor]) -> None:
        self._given = given
        self._executor: Executor | None = None
        self._lock = threading.Lock()  # guards _executor

    def clock(self) -> float:
        """Return monotonic seconds; an executor does not report its start."""
        return time.monotonic()

    def start(self) -> None:
        """Create the executor now."""
        self._current(threading.TIMEOUT_MAX)

    def run(
        self,
        payload: bytes,
        timeout_s: float,
        on_turn: Callable[[], object] = lambda: None,
    ) -> bytes:
        """Return the result of *payload*.

        :param on_turn: called before the executor gets *payload*, as an executor does
            not report the beginning of the render.
        :raises OverloadedError: if no executor is created in *timeout_s*.
        :raises SlowRenderError: after *timeout_s*.
        :raises WorkerDiedError: if the executor is broken, and its replacement, if
            *given* can create one, is broken too.
        """
        deadline = time.monotonic() + timeout_s
        executor = self._current(timeout_s)
        on_turn()
        try:
            return self._run_on(executor, payload, deadline - time.monotonic())
        except WorkerDiedError:
            if isinstance(self._given, Executor):
                raise
            logger.warning("The executor broke; making another.", exc_info=True)
            executor = self._current(deadline - time.monotonic(), broken=executor)
            return self._run_on(executor, payload, deadline - time.monotonic())

    def _run_on(self, executor: Executor, payload: bytes, timeout_s: float) -> bytes:
        try:
            future = executor.submit(ipc.run, payload)
        except Exception as error:  # Broken, shut down, or its connection closed.
            raise WorkerDiedError(f"The executor takes no render: {error}.") from error
        timeout_s = max(timeout_s, 0.0)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            # An executor cannot kill a render that has begun: it goes on.
            future.cancel()
            raise SlowRenderError(
                f"The picture was not ready after {timeout_s:.1f} seconds."
            ) from None
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerDiedError(
                f"The process that rendered the picture ended: "
                f"{str(error) or 'the executor gave the render up.'}"
            ) from error

    def _current(self, timeout_s: float, broken: Executor | None = None) -> Executor:
        """Return the executor; create one if there is none, or to replace *broken*."""
        timeout_s = max(timeout_s, 0.0)
        if not self._lock.acquire(timeout=timeout_s):
            raise OverloadedError(
                f"The executor was not made in {timeout_s:.1f} seconds.",
                fix="Look at what the callable in MPLSTREAM_EXECUTOR waits for.",
            )
        try:
            if broken is not None and self._executor is broken:
                self._executor = None
                _end(broken)
            if self._executor is None:
                self._executor = self._make_executor()
            return self._executor
        finally:
            self._lock.release()

    def _make_executor(self) -> Executor:
        try:
            made = self._given if isinstance(self._given, Executor) else self._given()
        except Exception as error:
            error.add_note("It comes from the callable in MPLSTREAM_EXECUTOR.")
            raise
        if not isinstance(made, Executor):
            raise ConfigError(
                f"MPLSTREAM_EXECUTOR made {made!r}, which is no "
                f"concurrent.futures.Executor. Of a Dask client it is "
                f"client.get_executor()."
            )
        return made

    def stop(self) -> None:
        """Shut down an executor that the callable created; leave one that was given."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None and not isinstance(self._given, Executor):
            _end(executor)


def _end(executor: Executor) -> None:
    """Shut *executor* down without waiting; ignore errors, as it may be broken."""
    with suppress(Exception):
        try:
            executor.shutdown(wait=False, cancel_futures=True)
        except TypeError:  # Dask's has no cancel_futures: it always cancels.
            executor.shutdown(wait=False)
