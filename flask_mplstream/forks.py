"""Hooks for a forked child, which inherits locks, but no threads or workers.

Values layer: the standard library only.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from contextlib import nullcontext
from types import MethodType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

T = TypeVar("T")
#: The objects whose ``_lock`` a child replaces.
_owners: WeakSet[Any] = WeakSet()
_functions: list[Callable[[], object]] = []
#: The name of the method to call, by its object.
_methods: WeakKeyDictionary[Any, str] = WeakKeyDictionary()
#: The process that needs no reset: the importing one, or a child after its reset.
_pid = os.getpid()
_noticing = threading.Lock()


def call_in_child(function: Callable[[], object]) -> None:
    """Call *function* in each child of this process after a fork.

    :param function: a function, or one method of an object, which is called while the
        object exists.
    """
    if isinstance(function, MethodType):
        _methods[function.__self__] = function.__name__
    else:
        _functions.append(function)


def make_lock(owner: object) -> threading.Lock:
    """Return a lock for ``owner._lock``, which is replaced in each forked child.

    A thread of the parent may hold it at the fork, and no thread of the child would
    release it.
    """
    _owners.add(owner)
    return threading.Lock()


def cached_property(method: Callable[[Any], T]) -> functools.cached_property[T]:
    """Return the ``cached_property`` of *method* without the lock of Python 3.11.

    All instances share that lock, which a fork could leave held. Two threads may both
    compute a value.
    """
    made = functools.cached_property(method)
    vars(made)["lock"] = nullcontext()
    return made


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
    for owner in list(_owners):
        owner._lock = threading.Lock()
    for function in _functions:
        function()
    for owner, name in list(_methods.items()):
        getattr(owner, name)()
    _pid = os.getpid()  # Last, because other threads proceed once it is set.


def _after_fork() -> None:
    global _noticing
    _noticing = threading.Lock()
    _call_all()


# Windows has no fork and no register_at_fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
