"""What a worker process is: its group, its memory, and its end.

Only the standard library. A worker is never forked from the web process, whose
threads would leave locks behind that nobody frees; it leads a process group, so
that what a figure function starts ends with it; and it ends when the web
process does, however that happens.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing import connection, forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

#: From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


def start_context() -> BaseContext:
    """How to start a worker: forked from a small server of our own, else spawned.

    A server that was started before this process was forked serves its parent
    alone, and says so by ``ChildProcessError``.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    try:
        # Matplotlib is imported once, and each worker has it when it is forked.
        forkserver.set_forkserver_preload(["flask_mplstream.workers.transport"])
        forkserver.ensure_running()
    except ChildProcessError:
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


class KeptContext:
    """A start method that remembers the processes that it started."""

    def __init__(self, context: BaseContext) -> None:
        self._context = context
        self._processes: list[BaseProcess] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802
        """A process as ``multiprocessing`` makes it."""
        ended = [p for p in self._processes if not p.is_alive()]
        for one in ended:
            _kill_group(one)  # What it started and left behind.
        process: BaseProcess = self._context.Process(*args, **kwargs)  # type: ignore[attr-defined]
        self._processes = [p for p in self._processes if p not in ended] + [process]
        return process

    def kill(self) -> None:
        """End every process that was started, with its whole group, at once."""
        for process in self._processes:
            _kill_group(process)
        self._processes = []


def _kill_group(process: BaseProcess) -> None:
    if process.pid is None:
        return  # It was never started.
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Where it has not come to leading its group yet, or there are no groups.
    process.kill()


def settle() -> None:
    """Make this process a worker: the head of its group, and nobody's orphan."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    _end_with_parent()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:  # pragma: no cover - a worker always has one
        return
    if sys.platform == "linux" and os.getppid() != parent.pid:
        # A child of the fork server, whose end follows the parent's. The kernel
        # does it even where native code keeps the thread below from running. Not
        # where the parent is direct: there it would be the end of its *thread*.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch(sentinel: int = parent.sentinel) -> None:
        connection.wait([sentinel])
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)  # pragma: no cover - Windows

    threading.Thread(target=watch, name="parent", daemon=True).start()


def limit_memory(memory_bytes: int) -> None:
    """Bound the address space to what is taken now and *memory_bytes* more."""
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as statm:
            taken = int(statm.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):  # pragma: no cover - no Linux
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = taken + memory_bytes
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
