"""The names, the code and the documentation of any kind of callable.

Values layer. A partial, a bound method, an instance or a class can be a figure
function, but it doesn't have all attributes of a function.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

Call = Callable[..., Any]


def _unwrap(call: Call) -> Any:
    """Return the object that *call* gets its name from."""
    if hasattr(call, "__qualname__"):
        return call
    return _unwrap(call.func if isinstance(call, partial) else type(call))


def find_module_name(call: Call) -> str:
    """Return the name of the module that defines *call*."""
    return _unwrap(call).__module__ or "builtins"


def find_qualified_name(call: Call) -> str:
    """Return the qualified name of *call*, such as ``Charts.walk``."""
    return str(_unwrap(call).__qualname__)


def find_full_name(call: Call) -> str:
    """Return the qualified name of *call*, prefixed with its module."""
    return f"{find_module_name(call)}.{find_qualified_name(call)}"


def find_plain_name(call: Call) -> str | None:
    """Return the ``__name__`` of *call* if it is an identifier, or ``None``."""
    name = getattr(call, "__name__", None)
    return name if isinstance(name, str) and name.isidentifier() else None


def find_plain_function(call: Call) -> Any:
    """Return the function, class or builtin that runs when *call* is called."""
    found = inspect.unwrap(call)
    if isinstance(found, partial):
        return find_plain_function(found.func)
    if isinstance(found, MethodType):
        return find_plain_function(found.__func__)
    if isinstance(found, FunctionType | BuiltinFunctionType | type):
        return found
    method = inspect.unwrap(type(found).__call__)
    return method if isinstance(method, FunctionType) else found


def select_accepted(names: Iterable[str], call: Call) -> tuple[str, ...]:
    """Return those of *names* that *call* accepts as keyword arguments.

    :raises ValueError: if it is a builtin that has no signature.
    """
    parameters = inspect.signature(call).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:
        return tuple(names)
    return tuple(name for name in names if name in parameters)


def find_globals(call: Call) -> Mapping[str, Any]:
    """Return the globals in which the annotations of *call* are resolved."""
    plain = find_plain_function(call)
    module = sys.modules.get(getattr(plain, "__module__", None) or "")
    found = getattr(plain, "__globals__", None)
    return vars(module) if found is None and module is not None else found or {}


def read_documentation(call: Call) -> str:
    """Return the docstring of *call*, dedented, or an empty string."""
    documented = call.func if isinstance(call, partial) else call
    return inspect.getdoc(documented) or ""


def summarize(call: Call) -> str:
    """Return the first line of the docstring of *call*, or an empty string."""
    return read_documentation(call).partition("\n")[0]
