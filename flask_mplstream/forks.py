"""Work of a forked child: locks, threads and processes are its parent's.

Values layer: the standard library only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_functions: list[Callable[[], object]] = []
#: The process that the functions were last called in, or where they need not be.
_pid = os.getpid()
_noticing = threading.Lock()


def call_in_child(function: Callable[[], object]) -> None:
    """Call *function* in each child of this process after a fork."""
    _functions.append(function)


def notice_fork() -> None:
    """Make up for a fork that Python was not told of, as uWSGI's are.

    Call it before anything that a thread of the parent may have held.
    """
    if os.getpid() == _pid:
        return
    with _noticing:
        if os.getpid() != _pid:
            _call_all()


def _call_all() -> None:
    global _pid
    for function in _functions:
        function()
    _pid = os.getpid()  # Last, as other threads go on by it.


def _after_fork() -> None:
    global _noticing
    _noticing = threading.Lock()
    _call_all()


# Windows has no forks, and so no way to ask for it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
