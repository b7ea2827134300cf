"""What a worker process is: its group, its memory, and its end.

Only the standard library. A worker is never forked from the web process, whose
threads would leave locks behind that nobody frees; it leads a process group, so
that what a figure function starts in that group ends with it; and it ends when the web
process does, however that happens.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any
from weakref import WeakSet

from ..forks import call_in_child
from .reaper import reaper

#: From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


_all_contexts: WeakSet[KeptContext] = WeakSet()


def start_context() -> BaseContext:
    """How to start a worker: forked from a small server of our own, else spawned.

    A server that was started before this process was forked serves its parent
    alone, and says so by ``ChildProcessError``. It listens on a socket in a folder for
    temporary files, which a read-only container may not have.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    try:
        # Matplotlib is imported once, and each worker has it when it is forked.
        forkserver.set_forkserver_preload(["flask_mplstream.workers.ipc"])
        forkserver.ensure_running()
    except OSError:
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


class KeptContext:
    """A start method that remembers the processes that it started."""

    def __init__(self, context: BaseContext) -> None:
        self._context: Any = context  # The stubs give Process to its subclasses.
        self._processes: list[BaseProcess] = []
        _all_contexts.add(self)

    def forget(self) -> None:
        """After a fork: these are the parent's, and end with that.

        Both multiprocessing and pebble stop all children that they know of when a
        process exits, and know them by a list that a fork copies.
        """
        known: set[BaseProcess] = multiprocessing.process._children  # type: ignore[attr-defined]  # Not public.
        known.difference_update(self._processes)
        self._processes = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802 - a context's method
        """A process as ``multiprocessing`` makes it."""
        process: BaseProcess = self._context.Process(*args, **kwargs)
        self._processes.append(process)
        return process

    @property
    def has_ended(self) -> bool:
        """Whether a process has ended."""
        started = [process for process in self._processes if process.pid is not None]
        return bool(wait([process.sentinel for process in started], timeout=0))

    def watch(self) -> None:
        """Have what was started killed when this process is."""
        for process in self._processes:
            if process.pid is not None:
                reaper.watch(process.pid)

    def kill(self) -> None:
        """End every process that was started, with its whole group, at once."""
        for process in self._processes:
            _kill_group(process)


def _kill_group(process: BaseProcess) -> None:
    if process.pid is None:
        return  # It was never started.
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # Where it has not come to leading its group yet, or there are no groups.
    process.kill()
    reaper.leave(process.pid)


def settle() -> None:
    """Make this process a worker: the head of its group, and nobody's orphan."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    parent = multiprocessing.parent_process()
    is_from_server = parent is not None and os.getppid() != parent.pid
    if sys.platform == "linux" and is_from_server:
        # A child of the fork server, which ends with the web process: the kernel
        # sees to it should the reaper be gone. Not where the web process is the
        # parent: there it would be the end of the *thread* that started this.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


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


def _forget_all() -> None:
    for context in _all_contexts:
        context.forget()


call_in_child(_forget_all)
