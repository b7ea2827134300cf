"""Functions that check other processes and wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def is_running(pid: int) -> bool:
    """Return whether *pid* is a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def now_s() -> float:
    """Return a time in seconds that excludes this thread's waits for a processor.

    Limits of this time hold on a busy machine. The second field of the file counts the
    nanoseconds that this thread waited to run (Linux, ``sched-stats.rst``).
    """
    try:
        delay_ns = Path("/proc/thread-self/schedstat").read_text().split()[1]
    except (FileNotFoundError, IndexError):
        return time.monotonic()
    return time.monotonic() - int(delay_ns) / 1e9


def wait_until(
    is_so: Callable[[], object], timeout_s: float = 20, *, step_s: float = 0.01
) -> None:
    """Check every *step_s* seconds until *is_so*; fail after *timeout_s* seconds."""
    deadline = now_s() + timeout_s
    while not is_so():
        assert now_s() < deadline, f"the condition is still false after {timeout_s} s"
        time.sleep(step_s)


def wait_for_exit(*numbers: int, timeout_s: float = 20) -> bool:
    """Wait until these processes end; return whether they did within *timeout_s*."""
    deadline = now_s() + timeout_s
    while any(map(is_running, numbers)) and now_s() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, numbers))
