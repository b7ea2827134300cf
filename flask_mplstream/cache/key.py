"""Cache keys, which are the same in every process.

Cache layer. The key decides which user's picture is sent, so a value is only accepted
if its text includes the class, the contents and every attribute. Values are read with
the methods of the built-in class, because a subclass may hide something, such as the
secret in ``Token(***)``.
"""

from __future__ import annotations

import struct
import sys
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from hashlib import blake2b
from itertools import chain
from operator import attrgetter
from pathlib import PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from pickle import PicklingError
from secrets import token_hex
from types import BuiltinFunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

import numpy as np

from ..errors import ConfigError

T = TypeVar("T")


def digest(*texts: str) -> str:
    """Return a key of 40 hexadecimal digits for *texts*, which are in order."""
    hashed = blake2b(digest_size=20)
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()


def fingerprint(value: object, source: str) -> str:
    """Return a text that is different for different values.

    It is the same in every process, unless a class is defined in a function.

    :param value: ``None``, a number, text, bytes, a date or time, ``UUID``, ``Path``,
        ``Enum``, numpy or pandas scalar or dataclass, or a list, tuple, set or dict
        of those, without attributes that are not fields of a dataclass.
    :param source: a description of where the value comes from, for the error.
    :raises ConfigError: if the whole value can't be expressed as a text.
    """
    try:
        return _text(value)
    except _NotWholeError as error:
        reason = str(error)
    except RecursionError:
        reason = "a value that contains itself, or is nested too deeply"
    raise ConfigError(
        f"{source} gave {reason}. Give a number, text, date, UUID or Enum, or a tuple "
        f"of those, such as the object's id."
    )


def copy_value(value: T) -> T:
    """Return an independent copy of *value*, or *value* itself if it can't change."""
    return value if type(value) in _LEAVES else deepcopy(value)


class _NotWholeError(Exception):
    """A part of a value is missing from its fingerprint."""


def _text(value: object) -> str:
    kind = type(value)  # A proxy has a false __class__.
    leaf = _LEAVES.get(kind)
    if leaf is not None:
        return f"{kind.__name__}:{leaf(value)}"
    base = _find_base(kind)
    try:
        texts = map(_text, _READ[base](value))
        ordered = sorted(texts) if base in (set, frozenset) else texts
        parts = [_identify_class(kind), _join(ordered)]
    except PicklingError:  # A ZoneInfo from a file.
        raise _NotWholeError(f"{_show(kind)} without a name") from None
    if kind is not base or base is object or kind.__dictoffset__:
        _check_class(kind, base)
        for name, attribute in sorted(
            _check_attributes(value, base), key=lambda a: a[0]
        ):
            parts += name, _text(attribute)
    return _join(parts)


def _join(parts: Iterable[str]) -> str:
    # The lengths separate the parts, whatever they contain.
    return "".join(f"{len(part)}:{part}" for part in parts)


def _name_class(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _show(kind: type) -> str:
    """Return *kind* as text without its own ``repr``, which may run the app's code."""
    return f"<class '{_name_class(kind).removeprefix('builtins.')}'>"


def _find_base(kind: type) -> type:
    """Return the first class in the MRO of *kind* whose contents can be read."""
    if kind not in _READ and _is_of_pandas(kind):
        _READ.update(_make_pandas_readers())
    return next(cls for cls in kind.__mro__ if cls in _READ)


def _is_of_pandas(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "pandas"


def _check_class(kind: type, base: type) -> None:
    """Reject a class that isn't a value type or that may have hidden state.

    :raises _NotWholeError: naming the class.
    """
    is_value = is_dataclass(kind) or issubclass(kind, Enum)
    own = [cls for cls in kind.__mro__ if cls not in base.__mro__]
    if (base is object and not is_value) or not all(map(_is_python, own)):
        raise _NotWholeError(
            f"{_show(kind)}, which has no text that is the same in every process"
        )


def _is_python(cls: type) -> bool:
    """Return whether *cls* was created by a ``class`` statement.

    If it was, it can't hide any state. A class that is defined in C has a ``__new__``
    in C, such as ``os.stat_result``, or isn't created at run time
    (``Py_TPFLAGS_HEAPTYPE``).
    """
    is_from_c = isinstance(vars(cls).get("__new__"), BuiltinFunctionType)
    return bool(cls.__flags__ & 1 << 9) and not is_from_c


#: A token for each class that cannot be imported by name, such as one in a function:
#: another call makes a class of the same name, with methods over other variables.
_tokens: WeakKeyDictionary[type, str] = WeakKeyDictionary()


def _identify_class(kind: type) -> str:
    """Return a text for *kind* that is the same in every process that can import it."""
    name = _name_class(kind)
    if kind in _READ or _is_importable(kind):
        return name
    return f"{name} {_tokens.setdefault(kind, token_hex())}"


def _is_importable(kind: type) -> bool:
    found: object = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def _is_derived(kind: type, name: str) -> bool:
    """Return whether the attribute *name* is determined by the rest of a value."""
    if issubclass(kind, Enum):
        return name in ("__objclass__", "_sort_order_", "_inverted_")
    return _is_of_pandas(kind) and name.startswith("_")  # Computed by pandas.


def _check_attributes(value: object, base: type) -> Iterator[tuple[str, object]]:
    """Yield the names and values of the attributes of *value*.

    :raises _NotWholeError: if the class doesn't declare an attribute.
    """
    kind = type(value)
    is_open = issubclass(kind, Enum | tzinfo)
    names = {field.name for field in fields(kind)} if is_dataclass(kind) else set()
    for name, attribute in _iterate_attributes(value, base):
        if _is_derived(kind, name):
            continue
        if not is_open and name not in names:
            raise _NotWholeError(
                f"{_show(kind)} with the attribute {str(name)[:60]!r}, which its "
                f"class does not declare as a field"
            )
        yield name, attribute


def _iterate_attributes(value: object, base: type) -> Iterator[tuple[str, object]]:
    """Yield the names and contents of the slots and ``__dict__`` of *value*."""
    kind, has_dict = type(value), False
    for cls in kind.__mro__:
        for name, found in vars(cls).items():
            if isinstance(found, MemberDescriptorType) and cls not in base.__mro__:
                try:
                    yield name, found.__get__(value)
                except AttributeError:
                    continue  # Not set.
            # The real __dict__, not a property of this name.
            elif name == "__dict__" and isinstance(found, GetSetDescriptorType):
                has_dict = True
                yield from found.__get__(value).items()
    if kind.__dictoffset__ and not has_dict:
        raise _NotWholeError(f"{_show(kind)}, whose __dict__ is out of reach")


def _read_leaf(kind: type) -> Callable[[Any], list[str]]:
    return lambda value: [_LEAVES[kind](value)]


def _read_pairs(kind: type[dict[Any, Any]]) -> Callable[[Any], Iterable[object]]:
    # In order, because a figure may depend on it.
    return lambda value: chain.from_iterable(kind.items(value))


def _read_default(value: defaultdict[Any, Any]) -> Iterator[object]:
    factory = attrgetter("default_factory")(value)
    if factory is not None and not (
        isinstance(factory, type) and _is_importable(factory)
    ):
        raise _NotWholeError("a defaultdict whose default_factory is a function")
    yield None if factory is None else _name_class(factory)
    yield from chain.from_iterable(dict.items(value))


def _read_numpy(value: np.generic) -> list[object]:
    plain = value.item()
    # A long double is still a numpy scalar.
    return [str(value.dtype), repr(plain) if isinstance(plain, np.generic) else plain]


def _make_pandas_readers() -> dict[type, Callable[[Any], Iterable[object]]]:
    pandas = sys.modules["pandas"]

    def read_time(value: Any) -> list[object]:
        # They count nanoseconds, unlike their base classes.
        return [value.isoformat(), value.unit]

    return {
        pandas.Timestamp: lambda value: [*read_time(value), value.fold, value.tzinfo],
        pandas.Timedelta: read_time,
        type(pandas.NaT): lambda _: [],
    }


#: The text of an atomic value, by class.
_LEAVES: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    bool: str,
    # Hexadecimal, because Python limits the number of decimal digits.
    int: lambda value: int.__format__(value, "x"),
    # All bits, because -0.0 is not 0.0.
    float: lambda value: struct.pack("!d", value).hex(),
    complex: lambda value: complex.__repr__(value),
    str: lambda value: str.__str__(value),
    bytes: lambda value: bytes.hex(value),
    Decimal: lambda value: Decimal.__str__(value),
}

#: The parts of a value, by class.
_READ: dict[type, Callable[[Any], Iterable[object]]] = {
    object: lambda _: [],
    **{kind: _read_leaf(kind) for kind in _LEAVES},
    **{
        kind: lambda value: [PurePath.__str__(value)]
        for kind in (PurePosixPath, PureWindowsPath, PosixPath, WindowsPath)
    },
    list: list.__iter__,
    tuple: tuple.__iter__,
    set: set.__iter__,
    frozenset: frozenset.__iter__,
    dict: _read_pairs(dict),
    OrderedDict: _read_pairs(OrderedDict),
    defaultdict: _read_default,
    # As in pickle: with fold, without the name of the local time zone.
    date: lambda value: date.__reduce__(value)[1],
    datetime: lambda value: datetime.__reduce_ex__(value, 4)[1],
    time: lambda value: time.__reduce_ex__(value, 4)[1],
    timedelta: lambda value: timedelta.__reduce__(value)[1],
    tzinfo: lambda _: [],
    timezone: lambda value: value.__getinitargs__(),
    ZoneInfo: lambda value: ZoneInfo.__reduce__(value)[1][:1],
    Fraction: attrgetter("_numerator", "_denominator"),
    UUID: lambda value: [UUID.__getstate__(value)],
    **{
        kind: _read_numpy
        for kind in np.sctypeDict.values()
        if not issubclass(kind, np.void | np.object_)
    },
}
