"""Figure functions with one parameter, and enumerations for its type."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import Enum
from typing import Any


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(Enum):
    LOW = 1
    HIGH = 2


def make_function(
    annotation: Any, default: Any = inspect.Parameter.empty
) -> Callable[..., Any]:
    """Return a function with one parameter ``x`` of the given type."""

    def figure(x: Any) -> None: ...

    figure.__annotations__ = {"x": annotation}
    if default is not inspect.Parameter.empty:
        figure.__defaults__ = (default,)
    return figure
