"""Other processes: whether they run, and waiting for them."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def is_running(pid: int) -> bool:
    """Whether *pid* is a process that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(
    is_so: Callable[[], object], timeout_s: float = 20, *, step_s: float = 0.01
) -> None:
    """Look every *step_s* until *is_so*; fail after *timeout_s* seconds."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < deadline, f"still not so after {timeout_s} s"
        time.sleep(step_s)


def read_delay_s() -> float:
    """Return the seconds for which this thread has waited for a processor until now.

    A bound on how long something takes holds on a busy machine without them. They are
    in the second field of the file, in nanoseconds (Linux, ``sched-stats.rst``).
    """
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (FileNotFoundError, IndexError):
        return 0.0


def gone(*numbers: int, timeout_s: float = 20) -> bool:
    """Whether these processes end within *timeout_s* seconds."""
    deadline = time.monotonic() + timeout_s
    while any(map(is_running, numbers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(is_running, numbers))
