"""Start a worker process, limit its memory, and make sure that it ends.

This module doesn't import any third-party packages. A worker is never forked from the
web process, because locks that other threads hold would never be released in the child.
It is the leader of a process group, so subprocesses that a figure function starts in
this group end together with the worker. A worker ends when the web process ends, even
if the web process is killed.
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

from ..forks import call_in_child
from .reaper import reaper

#: From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


def start_context() -> BaseContext:
    """Return the context that starts workers, with a fork server if possible.

    If this process was forked after the fork server was started, the server only works
    in the parent and raises ``ChildProcessError`` here. A fork server also needs a
    temporary folder for its socket, which may not exist in a read-only container.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    try:
        # The server imports Matplotlib once; each forked worker already has it.
        forkserver.set_forkserver_preload(["flask_mplstream.workers.ipc"])
        forkserver.ensure_running()
    except OSError:
        return multiprocessing.get_context("spawn")
    return multiprocessing.get_context("forkserver")


class KeptContext:
    """A ``multiprocessing`` context that keeps track of the processes it started."""

    def __init__(self, context: BaseContext) -> None:
        self._context: Any = context  # The stubs give Process to its subclasses.
        self._processes: list[BaseProcess] = []
        call_in_child(self.forget)

    def forget(self) -> None:
        """Forget the processes of the parent in a forked child.

        At exit, multiprocessing and pebble stop all children in a list. A fork copies
        this list, so the child would stop the workers of its parent.
        """
        known: set[BaseProcess] = multiprocessing.process._children  # type: ignore[attr-defined]  # Not public.
        known.difference_update(self._processes)
        self._processes = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802 - a context's method
        """Return a new process of the context, and keep track of it."""
        process: BaseProcess = self._context.Process(*args, **kwargs)
        self._processes.append(process)
        return process

    @property
    def has_ended(self) -> bool:
        """Whether at least one of the started processes has ended."""
        started = [process for process in self._processes if process.pid is not None]
        return bool(wait([process.sentinel for process in started], timeout=0))

    def watch(self) -> None:
        """Let the reaper kill the started processes if this process is killed."""
        for process in self._processes:
            if process.pid is not None:
                reaper.watch(process.pid)

    def kill(self) -> None:
        """Kill every started process with its process group."""
        for process in self._processes:
            _kill_group(process)


def _kill_group(process: BaseProcess) -> None:
    if process.pid is None:
        return  # It was never started.
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    # It may not lead its group yet, and Windows has no groups.
    process.kill()
    reaper.leave(process.pid)


def settle() -> None:
    """Make this worker the leader of a process group that ends with its parent."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    parent = multiprocessing.parent_process()
    is_from_server = parent is not None and os.getppid() != parent.pid
    if sys.platform == "linux" and is_from_server:
        # The fork server ends with the web process. If the reaper is gone, the kernel
        # then kills this child. A spawned worker would get the signal when the
        # *thread* of the web process that started it ends, so it does not ask for it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(memory_bytes: int) -> None:
    """Limit the address space to *memory_bytes* more than now, on Linux only."""
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
