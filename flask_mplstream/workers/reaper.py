"""A process that kills the workers if their web process is killed.

If a process is killed, it can't stop its workers, which may hang in native code. A
small separate process therefore reads the process group of each worker from a pipe, and
kills all remaining groups when the pipe is closed. This module doesn't import any
third-party packages.
"""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from contextlib import suppress
from multiprocessing import spawn

from ..forks import call_in_child

#: Reads one process group per line: positive to watch it, negative to forget it.
_PROGRAM = """
import os, signal, sys
groups = set()
for line in sys.stdin:
    number = int(line)
    groups.add(number) if number > 0 else groups.discard(-number)
for group in groups:
    try:
        os.killpg(group, signal.SIGKILL)
    except OSError:
        pass
"""


class Reaper:
    """The reaper process, which is started when there is a group to watch."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _process and _groups
        self._process: subprocess.Popen[str] | None = None
        self._groups: set[int] = set()
        self._left: queue.SimpleQueue[int] = queue.SimpleQueue()

    def forget(self) -> None:
        """Forget the reaper of the parent in a forked child.

        This closes the pipe, so that the reaper notices when the parent ends.
        """
        self._close()
        if self._process is not None:
            self._process.returncode = 0  # Not a child of this process: do not wait.
        self._reset()

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def watch(self, group: int) -> None:
        """Kill *group* when this process ends."""
        with self._lock:
            self._groups.add(group)
            self._tell(group)
        self._drop_left()

    def leave(self, group: int) -> None:
        """Stop watching *group*, which has ended.

        The garbage collector may call this in a thread that already holds the lock. In
        this case, *group* is taken from the queue when the lock is released.
        """
        self._left.put(group)
        self._drop_left()

    def _drop_left(self) -> None:
        while not self._left.empty() and self._lock.acquire(blocking=False):
            try:
                with suppress(queue.Empty):
                    group = self._left.get_nowait()
                    self._groups.discard(group)
                    self._tell(-group)
            finally:
                self._lock.release()

    def _tell(self, *numbers: int) -> None:
        if self._process is None or self._process.poll() is not None:
            self._close()
            self._process = _start_process()
            numbers = tuple(self._groups)  # A reaper that was killed knew them.
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            for number in numbers:
                self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()

    def stop(self) -> None:
        """Stop the reaper, which kills all groups that it is still watching."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.communicate()


def _start_process() -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own text  # nosec B603
        [os.fsdecode(spawn.get_executable()), "-I", "-S", "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # A Ctrl-C in the terminal must not reach it: this process handles that.
        start_new_session=True,
    )


reaper = Reaper()
call_in_child(reaper.forget)
