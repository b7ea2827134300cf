"""The process that kills the workers of a web process that was killed.

A killed process cannot end its workers, and a worker may hang in native code. So a
small separate process reads each worker's process group from a pipe, and kills the
groups that remain when the pipe closes. Imports no third-party package.
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
    """The reaper process, started with the first group to watch."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _process and _groups
        self._process: subprocess.Popen[str] | None = None
        self._groups: set[int] = set()
        self._left: queue.SimpleQueue[int] = queue.SimpleQueue()

    def forget(self) -> None:
        """Forget the parent's reaper in a forked child.

        The pipe is closed here, so that the reaper sees its end when the parent ends.
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

        The garbage collector may call this in a thread that holds the lock. The holder
        then takes *group* from the queue when it releases the lock.
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
        """Stop the reaper, which kills the groups that it still watches."""
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
