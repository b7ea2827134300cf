"""Keys: one text for one identity, the same in every process.

Cache layer: values only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import blake2b
from pathlib import PurePath
from typing import Any
from uuid import UUID

import numpy as np

from ..errors import ConfigError

_BUILTIN: tuple[type, ...] = (int, float, complex, str, bytes)
_PLAIN = (
    type(None),
    *(date, time, timedelta, Decimal, Fraction, UUID, PurePath),
)


def digest(*texts: str) -> str:
    """A key of 40 hexadecimal digits from *texts* in their order."""
    hashed = blake2b(digest_size=20)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()


def fingerprint(value: object, source: str) -> str:
    """A text that is equal for equal values only, and in every process.

    :param value: None, a number, text, bytes, a date or time, ``UUID``,
        ``Path``, ``Enum``, numpy scalar or dataclass, or a list, tuple, set or
        dict of those.
    :param source: where the value comes from, for the error.
    :raises ConfigError: for other values, whose text may name a memory address.
    """

    def text(value: object) -> str:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if isinstance(value, Enum):
            # A flag of unnamed bits has no name.
            return f"{name}.{value.name}" if value.name else f"{name}:{value._value_!r}"
        plain = _plain_text(value)
        if plain is not None:
            return f"{name}:{plain}"
        if isinstance(value, list | tuple):
            return f"{name}[{','.join(map(text, value))}]"
        if isinstance(value, AbstractSet):
            return f"{name}{{{','.join(sorted(map(text, value)))}}}"
        if isinstance(value, Mapping):
            # In their order, which a figure may follow.
            pairs = (f"{text(key)}={text(item)}" for key, item in _items(value))
            return f"{name}{{{','.join(pairs)}}}"
        if is_dataclass(value):
            parts = (text(getattr(value, field.name)) for field in fields(value))
            return f"{name}({','.join(parts)})"
        raise ConfigError(
            f"{source} gave {type(value)!r}, which has no text that is the same in "
            f"every process. Give a number, text, date, UUID or Enum, or a tuple of "
            f"those, such as the object's id."
        )

    return text(value)


def _plain_text(value: object) -> str | None:
    """The text of a value of one piece."""
    for kind in _BUILTIN:
        if issubclass(type(value), kind):  # A proxy only says that it is one.
            # The builtin's: that of a subclass may hide what it is, Token(***).
            return str(kind.__repr__(value))  # type: ignore[call-arg]
    if isinstance(value, _PLAIN) and type(value).__repr__ is not object.__repr__:
        return repr(value)
    if isinstance(value, np.generic):
        return f"{value.dtype}:{value.item()!r}"
    return None


def _items(value: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    # A MultiDict, as request.args is, has only the first value of each in items().
    return value.lists() if hasattr(value, "lists") else value.items()
