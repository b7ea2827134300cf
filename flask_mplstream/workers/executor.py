"""Any ``concurrent.futures.Executor``: other machines, a pool of the app's own.

Flask side.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor

from ..errors import ConfigError, SlowRenderError, WorkerDiedError
from . import transport

logger = logging.getLogger("flask_mplstream")


class OnExecutor:
    """Runs payloads on an executor.

    :param given: the executor, or a callable that makes one: at first use, and
        again where it broke.
    """

    def __init__(self, given: Executor | Callable[[], Executor]) -> None:
        self._given = given
        self._executor: Executor | None = None
        self._lock = threading.Lock()  # guards _executor

    def start(self) -> None:
        """Make the executor now."""
        self._current()

    def run(self, payload: bytes, timeout_s: float) -> bytes:
        """What comes back for *payload*.

        :raises SlowRenderError: after *timeout_s*.
        :raises WorkerDiedError: where the executor does not work.
        """
        executor = self._current()
        try:
            return self._run_on(executor, payload, timeout_s)
        except WorkerDiedError:
            if isinstance(self._given, Executor):
                raise
            logger.warning("The executor broke; making another.", exc_info=True)
            self._drop(executor)
            return self._run_on(self._current(), payload, timeout_s)

    def _run_on(self, executor: Executor, payload: bytes, timeout_s: float) -> bytes:
        try:
            future = executor.submit(transport.run, payload)
        except RuntimeError as error:  # Broken, or shut down.
            raise WorkerDiedError(f"The executor takes no render: {error}.") from error
        try:
            return future.result(timeout_s)
        except TimeoutError:
            # It may run on, as an executor cannot kill; but nobody waits.
            future.cancel()
            raise SlowRenderError(
                f"The picture was not ready after {timeout_s:.1f} seconds."
            ) from None
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerDiedError(
                f"The process that rendered the picture ended: {error}"
            ) from error

    def _current(self) -> Executor:
        with self._lock:
            if self._executor is None:
                self._executor = self._made()
            return self._executor

    def _made(self) -> Executor:
        made = self._given if isinstance(self._given, Executor) else self._given()
        if not isinstance(made, Executor):
            raise ConfigError(
                f"MPLSTREAM_EXECUTOR made {made!r}, which is no "
                f"concurrent.futures.Executor. Of a Dask client it is "
                f"client.get_executor()."
            )
        return made

    def _drop(self, broken: Executor) -> None:
        with self._lock:
            if self._executor is broken:
                self._executor = None
        broken.shutdown(wait=False)

    def stop(self) -> None:
        """Shut down what was made here; an executor that was given is its owner's."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None and not isinstance(self._given, Executor):
            executor.shutdown(wait=False, cancel_futures=True)
