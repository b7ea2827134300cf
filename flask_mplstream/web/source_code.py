"""The source code of figure functions, read once for all apps of a process.

Flask side, but it knows no app.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from ..parameters.callables import find_plain_function

#: The source of each function for its lifetime, as it is slow to find in a file.
_SOURCES: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def read_source(call: Callable[..., Any]) -> str | None:
    """Return the source of *call*, or ``None`` if it has none."""
    plain = find_plain_function(call)
    try:
        if plain not in _SOURCES:
            _SOURCES[plain] = inspect.getsource(plain)
        return _SOURCES[plain]
    except (OSError, TypeError):  # No source file, or not a Python function.
        return None
