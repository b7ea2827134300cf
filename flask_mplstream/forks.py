"""Hooks for a forked child, which inherits locks, but no threads or workers.

Values layer: the standard library only.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

_functions: list[Callable[[], object]] = []
#: The process that needs no reset: the importing one, or a child after its reset.
_pid = os.getpid()
_noticing = threading.Lock()


def call_in_child(function: Callable[[], object]) -> None:
    """Call *function* in each child of this process after a fork."""
    _functions.append(function)


def notice_fork() -> None:
    """Call the functions after a fork that Python did not notice, such as uWSGI's.

    Call this before taking a lock that a thread of the parent may have held.
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
    _pid = os.getpid()  # Last, because other threads proceed once it is set.


def _after_fork() -> None:
    global _noticing
    _noticing = threading.Lock()
    _call_all()


# Windows has no fork and no register_at_fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
