"""Copy an error without the data of its render, for later requests.

Values layer. The tracebacks of an error and of its context and cause contain frames
that keep all data of the render alive. A copy has the same class, the same text and the
same small attributes, so that the error handlers of an app treat it like the original.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from enum import Enum
from typing import Any

from ..errors import MplStreamError, RemoteError

#: Types of values that are copied unchanged.
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type, Enum)
#: Greatest length of a copied value: a longer text is cut, a longer list left out.
MAX_ITEMS = 10_000
#: Levels of nested lists and errors that are copied.
MAX_DEPTH = 3


def copy_error(error: Exception, depth: int = MAX_DEPTH) -> Exception:
    """Return a copy of *error* without the traceback, context, cause and data.

    :return: a :class:`RemoteError` with the same text if *error* can't be copied.
    """
    try:
        copy = _copy_instance(error, depth)
        str(copy)  # Its class may need an attribute that was left out.
    except Exception:
        copy = RemoteError(f"{type(error).__name__}: {error}"[:MAX_ITEMS])
    notes = getattr(error, "__notes__", None)
    if isinstance(notes, list):
        copy.__notes__ = [*map(str, notes)]
    return copy


def _copy_instance(error: Exception, depth: int) -> Exception:
    kind = type(error)
    is_response = hasattr(error, "get_response")  # Sent unchanged, from abort().
    if isinstance(error, MplStreamError) or is_response:
        args, state = error.args, dict(vars(error))
    else:
        args = tuple(_shorten(arg, depth) for arg in error.args)
        state = {name: _shorten(value, depth) for name, value in vars(error).items()}
    copy: Exception = kind.__new__(kind, *args)
    # Skip the class's own __init__, which may take other arguments or do more.
    _find_builtin_base(kind).__init__(copy, *args)
    vars(copy).update(state)
    return copy


def _find_builtin_base(kind: type[Exception]) -> type[Exception]:
    """Return the built-in base class of *kind*, which stores its state in C."""
    return next(base for base in kind.__mro__ if base.__module__ == builtins.__name__)


def _shorten(value: Any, depth: int) -> Any:
    """Return *value* if it is small, or else its beginning or the name of its type."""
    if isinstance(value, Exception) and depth:
        return copy_error(value, depth - 1)
    if isinstance(value, str | bytes) and len(value) > MAX_ITEMS:
        return value[:MAX_ITEMS]
    if isinstance(value, _PLAIN):
        return value
    if depth and isinstance(value, list | tuple) and len(value) <= MAX_ITEMS:
        items = [_shorten(item, depth - 1) for item in value]
        return tuple(items) if isinstance(value, tuple) else items
    if depth and isinstance(value, Mapping) and len(value) <= MAX_ITEMS:
        return {str(k): _shorten(item, depth - 1) for k, item in value.items()}
    return f"<{type(value).__name__}>"
