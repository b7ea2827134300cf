"""Run renders on a ``concurrent.futures.Executor``.

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
from ..limits.deadline import Deadline
from . import ipc

logger = logging.getLogger("flask_mplstream")


class FuturesExecutor:
    """A runner of payloads on an executor.

    :param given: the executor, or a callable that creates one. The callable is called
        when the executor is first used, and again if it breaks.
    """

    def __init__(self, given: Executor | Callable[[], Executor]) -> None:
        self._given = given
        self._executor: Executor | None = None
        self._lock = threading.Lock()  # guards _executor

    def clock(self) -> float:
        """Return the time in seconds, because an executor doesn't report its start."""
        return time.monotonic()

    def start(self) -> None:
        """Create the executor now."""
        self._get_executor(Deadline(None))

    def run(self, payload: bytes, deadline: Deadline) -> bytes:
        """Return the result of *payload*.

        :param deadline: its step becomes "the render" before the executor gets
            *payload*, as an executor does not report the beginning of the render.
        :raises OverloadedError: if no executor is created in time.
        :raises SlowRenderError: at the deadline.
        :raises WorkerDiedError: if the executor is broken, and its replacement, if
            *given* can create one, is broken too.
        """
        executor = self._get_executor(deadline)
        deadline.begin("the render")
        try:
            return _run_on(executor, payload, deadline)
        except WorkerDiedError:
            if isinstance(self._given, Executor):
                raise
            logger.warning("The executor is broken; creating another.", exc_info=True)
            executor = self._get_executor(deadline, broken=executor)
            return _run_on(executor, payload, deadline)

    def _get_executor(
        self, deadline: Deadline, broken: Executor | None = None
    ) -> Executor:
        """Return the executor. Create one if there is none, or to replace *broken*."""
        if not self._lock.acquire(timeout=deadline.lock_timeout_s):
            raise OverloadedError(
                f"The executor was not created within {deadline.timeout_s:g} seconds.",
                fix="Find out why the callable in MPLSTREAM_EXECUTOR is slow.",
            )
        try:
            if broken is not None and self._executor is broken:
                self._executor = None
                _shut_down(broken)
            if self._executor is None:
                self._executor = self._make_executor()
            return self._executor
        finally:
            self._lock.release()

    def _make_executor(self) -> Executor:
        try:
            made = self._given if isinstance(self._given, Executor) else self._given()
        except Exception as error:
            error.add_note("The callable in MPLSTREAM_EXECUTOR raised this error.")
            raise
        if not isinstance(made, Executor):
            raise ConfigError(
                f"MPLSTREAM_EXECUTOR returned {made!r}, which is not a "
                f"concurrent.futures.Executor. For a Dask client, return "
                f"client.get_executor()."
            )
        return made

    def stop(self) -> None:
        """Shut down the executor, unless it was passed to this class directly."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None and not isinstance(self._given, Executor):
            _shut_down(executor)


def _run_on(executor: Executor, payload: bytes, deadline: Deadline) -> bytes:
    try:
        future = executor.submit(ipc.run_payload, payload)
    except Exception as error:  # Broken, shut down, or its connection closed.
        raise WorkerDiedError(f"The executor rejects renders: {error}.") from error
    try:
        return future.result(deadline.lock_timeout_s)
    except TimeoutError:
        # An executor cannot kill a render that has begun.
        future.cancel()
        raise SlowRenderError(
            f"The picture was not ready after {deadline.timeout_s:g} seconds."
        ) from None
    except (BrokenExecutor, CancelledError) as error:
        raise WorkerDiedError(
            f"The render's process ended: "
            f"{str(error) or 'the executor canceled the render.'}"
        ) from error


def _shut_down(executor: Executor) -> None:
    """Shut *executor* down without waiting, and ignore errors if it is broken."""
    with suppress(Exception):
        try:
            executor.shutdown(wait=False, cancel_futures=True)
        except TypeError:  # Dask's has no cancel_futures: it always cancels.
            executor.shutdown(wait=False)
