"""The canonical form of arguments, which doesn't depend on their spelling.

Values layer: the standard library.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Arguments:
    """Validated arguments of a figure function."""

    #: Values by parameter name, in signature order, including defaults.
    values: Mapping[str, Any]
    #: Canonical JSON text, equal for equal arguments: part of the cache key.
    canonical: str
    #: Query of the canonical URL: names and texts of the arguments that differ from
    #: their defaults, in signature order.
    query: Mapping[str, str | list[str]]

    def copy(self) -> dict[str, Any]:
        """Return a deep copy of the values that the figure function may change."""
        return deepcopy(dict(self.values))


def write_json(plain: Any) -> str:
    """Return JSON data as a compact text that also supports -0.0 and NaN."""
    return json.dumps(plain, separators=(",", ":"))


def write_text(plain: Any) -> str:
    """Return the scalar JSON value *plain* as text for a URL."""
    if plain is None:
        return ""
    return json.dumps(plain) if isinstance(plain, bool) else str(plain)
