"""Keys: equal for equal identities, different for all others, in every process."""

from __future__ import annotations

import copy
import functools
import importlib
import io
import os
import pickle
import re
import struct
import subprocess
import sys
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum, IntFlag
from fractions import Fraction
from itertools import combinations
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID, SafeUUID
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from pydantic import BaseModel
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.local import LocalProxy

from flask_mplstream import ConfigError
from flask_mplstream.cache.key import digest, fingerprint

tz: Any = importlib.import_module("dateutil.tz")  # without type hints


class Color(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Token(str):
    """A value with a ``repr`` that hides its contents, as secrets have."""

    def __repr__(self) -> str:
        return "Token(***)"


class Bits(IntFlag):
    ONE = 1


DIFFERENT = [
    None,
    0,
    False,
    0.0,
    "",
    b"",
    "0",
    (),
    (0,),
    ((0,),),
    frozenset({0}),
    {0: 1},
    {1: 0},
    date(2024, 1, 2),
    datetime(2024, 1, 2),
    datetime(2024, 1, 2, tzinfo=UTC),
    Decimal("1.0"),
    Decimal("1.00"),
    UUID(int=0),
    PurePosixPath("a"),
    Color.RED,
    Point(1, 2),
    Point(2, 1),
    np.int64(0),
    np.float32(0),
    np.datetime64("2024-01-02"),
    np.datetime64("2024-01-02", "ns"),
    pd.Timestamp("2024-01-02"),
    ("a", "b"),
    ("ab",),
    ("a,b",),
    {"a": 1, "b": 2},
    {"b": 2, "a": 1},  # Bars may be drawn in this order.
    Token("alice"),
    Token("bob"),
    MultiDict([("a", "1"), ("a", "2")]),
    MultiDict([("a", "1"), ("a", "3")]),
    *map(Bits, (0, 8, 16)),
]


def test_different_values_have_different_fingerprints() -> None:
    """Values of any types have different texts."""
    texts = [fingerprint(value, "test") for value in DIFFERENT]
    for (a, text_a), (b, text_b) in combinations(zip(DIFFERENT, texts, strict=True), 2):
        assert text_a != text_b, (a, b)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({1, 2, 3}, {3, 2, 1}, id="set"),
        pytest.param(Point(1, 2), Point(1, 2), id="dataclass"),
        pytest.param([1, "a"], [1, "a"], id="list"),
    ],
)
def test_equal_values_have_equal_fingerprints(first: object, second: object) -> None:
    """The order of a set does not matter."""
    assert fingerprint(first, "test") == fingerprint(second, "test")


@dataclass
class Account:
    id: int


class TenantAccount(Account):
    def __init__(self, id: int, tenant: str) -> None:
        super().__init__(id)
        self.tenant = tenant


@dataclass
class Looked:
    id: int
    tenant: InitVar[str]

    def __post_init__(self, tenant: str) -> None:
        self.database = f"of {tenant}"


@dataclass
class Quiet:
    """A value that compares, shows and hashes only its id."""

    id: int
    tenant: str = field(compare=False, repr=False, hash=False, default="")
    plan: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        self.plan = f"plan of {self.tenant}"


@dataclass(frozen=True, eq=False, repr=False)
class Bare:
    id: int
    tenant: str


@dataclass(slots=True)
class Slotted:
    id: int


class SlottedTenant(Slotted):
    __slots__ = ("__tenant",)

    def __init__(self, id: int, tenant: str) -> None:
        super().__init__(id)
        self.__tenant = tenant


class SlottedName(str):
    __slots__ = ("tenant",)


class HidesDict(str):
    """A value with attributes whose ``__dict__`` is empty."""

    __dict__ = property(lambda _: {})

    def __getattribute__(self, name: str) -> Any:
        return {} if name == "__dict__" else super().__getattribute__(name)


@dataclass
class Row(list[int]):
    tenant: str

    def __init__(self, tenant: str, *items: int) -> None:
        super().__init__(items)
        self.tenant = tenant


class Pair(NamedTuple):
    id: int
    tenant: str


class Shouting(date):
    def __repr__(self) -> str:
        return "a date"


class Zone(tzinfo):
    def __init__(self, hours: int) -> None:
        self.hours = hours

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return "zone"

    def dst(self, when: datetime | None) -> None:
        return None

    def __repr__(self) -> str:
        return "Zone"


class Planet(Enum):
    EARTH = 1
    MARS = 2


class Name(str):
    pass


class Number(int):
    pass


class Numbers(tuple[int, ...]):
    pass


class Cart(list[int]):
    pass


class Prices(dict[str, int]):
    pass


class Money(Decimal):
    pass


class Folder(PurePosixPath):
    pass


class Moment(datetime):
    pass


class Model(BaseModel):
    id: int


class Plain:
    def __init__(self, id: int) -> None:
        self.id = id


class Rude(type):
    def __repr__(cls) -> str:
        raise AssertionError("the message calls the class's __repr__")


class Shy(metaclass=Rude):
    def __repr__(self) -> str:
        raise AssertionError("the message calls the value's __repr__")

    __str__ = __repr__


def tenanted(value: Any, tenant: str) -> Any:
    """Return *value* with an attribute that its class does not declare."""
    object.__setattr__(value, "tenant", tenant)
    return value


def local_account(tenant: str) -> Any:
    @dataclass
    class Account:
        id: int

        def owner(self) -> str:
            return tenant

    return Account(1)


def looped() -> list[Any]:
    items: list[Any] = []
    items.append(items)
    return items


def nested(depth: int) -> tuple[Any, ...]:
    value: tuple[Any, ...] = ()
    for _ in range(depth):
        value = (value,)
    return value


def zone_of_file() -> ZoneInfo:
    """Return a zone from a file, with the name of another."""
    counts = struct.pack("!6l", 0, 0, 0, 0, 1, 4)  # RFC 8536 section 3
    data = b"TZif" + bytes(16) + counts + bytes(6) + b"UTC\0"
    return ZoneInfo.from_file(io.BytesIO(data), key="Europe/Berlin")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda t: TenantAccount(1, t), id="subclass-of-a-dataclass"),
        pytest.param(lambda t: Looked(1, t), id="post-init-and-initvar"),
        pytest.param(lambda t: tenanted(Account(1), t), id="attribute-of-a-dataclass"),
        pytest.param(lambda t: tenanted(Point(1, 2), t), id="frozen"),
        pytest.param(lambda t: SlottedTenant(1, t), id="slot-of-a-subclass"),
        pytest.param(lambda t: tenanted(SlottedName("a"), t), id="slot-of-a-str"),
        pytest.param(lambda t: tenanted(HidesDict("a"), t), id="hidden-dict"),
        pytest.param(lambda t: tenanted(Name("a"), t), id="str"),
        pytest.param(lambda t: tenanted(Number(1), t), id="int"),
        pytest.param(lambda t: tenanted(Numbers([1]), t), id="tuple"),
        pytest.param(lambda t: tenanted(Cart([1]), t), id="list"),
        pytest.param(lambda t: tenanted(Prices(a=1), t), id="dict"),
        pytest.param(lambda t: tenanted(OrderedDict(a=1), t), id="ordered-dict"),
        pytest.param(lambda t: tenanted(Money(1), t), id="decimal"),
        pytest.param(lambda t: tenanted(Folder("a"), t), id="path"),
        pytest.param(lambda t: tenanted(Shouting(2024, 1, 2), t), id="date"),
        pytest.param(lambda t: tenanted(Moment(2024, 1, 2), t), id="datetime"),
        pytest.param(lambda t: tenanted(pd.Timestamp(0), t), id="pandas"),
        pytest.param(lambda t: [tenanted(Name("a"), t)], id="inside-a-list"),
        pytest.param(lambda t: {"a": {1: tenanted(Name("a"), t)}}, id="inside-dicts"),
        pytest.param(lambda t: Account(tenanted(Number(1), t)), id="inside-a-field"),
        pytest.param(lambda t: defaultdict(lambda: t, a=1), id="default-factory"),
        pytest.param(lambda t: Plain(1), id="object"),
        pytest.param(lambda t: Model(id=1), id="pydantic"),
        pytest.param(lambda t: object(), id="no-class"),
        pytest.param(lambda t: tenanted, id="function"),
        pytest.param(lambda t: Account, id="class"),
        pytest.param(lambda t: [object()], id="object-in-a-list"),
        pytest.param(lambda t: np.zeros(3), id="array"),
        pytest.param(lambda t: np.zeros(1, "i4,O")[0], id="structured-scalar"),
        pytest.param(lambda t: np.void(b"abc"), id="void"),
        pytest.param(lambda t: os.stat("."), id="stat-with-hidden-nanoseconds"),
        pytest.param(lambda t: MappingProxyType(Prices()), id="mapping-proxy"),
        pytest.param(lambda t: LocalProxy(lambda: [t]), id="proxy"),
        pytest.param(lambda t: Shy(), id="no-repr-is-run"),
        pytest.param(lambda t: looped(), id="loop"),
        pytest.param(lambda t: nested(100_000), id="depth"),
        pytest.param(lambda t: zone_of_file(), id="zone-of-a-file"),
        pytest.param(lambda t: bytearray(b"a"), id="bytearray"),
    ],
)
def test_a_value_that_the_key_would_not_cover_is_rejected(
    make: Callable[[str], object],
) -> None:
    """Two tenants never share a key; the error names the source and the fix."""
    with pytest.raises(ConfigError) as caught:
        fingerprint(make("north"), "version of plots")
    message = str(caught.value)
    assert re.match(
        "version of plots gave (<class '.*'>|a value|a defaultdict)", message
    )
    assert message.endswith("such as the object's id.")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(Quiet(1, "north"), Quiet(1, "south"), id="not-compared"),
        pytest.param(Bare(1, "north"), Bare(1, "south"), id="no-eq"),
        pytest.param(Account(1), Slotted(1), id="class"),
        pytest.param(local_account("north"), local_account("south"), id="local-class"),
        pytest.param(Row("north", 1), Row("south", 1), id="field-of-a-list"),
        pytest.param(Row("north", 1), Row("north", 2), id="items-of-a-dataclass"),
        pytest.param(Pair(1, "north"), Pair(1, "south"), id="namedtuple"),
        pytest.param(Pair(1, "north"), (1, "north"), id="namedtuple-tuple"),
        pytest.param(Shouting(2024, 1, 2), Shouting(2024, 1, 3), id="own-repr"),
        pytest.param(
            datetime(2024, 1, 2, tzinfo=Zone(1)),
            datetime(2024, 1, 2, tzinfo=Zone(2)),
            id="zone-with-own-repr",
        ),
        pytest.param(
            datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")),
            datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
            id="fold",
        ),
        pytest.param(
            datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Berlin")),
            datetime(2024, 7, 1, 14, tzinfo=ZoneInfo("Europe/Paris")),
            id="zones-of-one-offset",
        ),
        pytest.param(time(1, fold=0), time(1, fold=1), id="fold-of-a-time"),
        pytest.param(pd.Timestamp(1, unit="ns"), pd.Timestamp(2, unit="ns"), id="ns"),
        pytest.param(pd.Timedelta(1, "ns"), pd.Timedelta(2, "ns"), id="delta-ns"),
        pytest.param(pd.NaT, None, id="nat"),
        pytest.param(defaultdict(int), defaultdict(list), id="default-factory"),
        pytest.param(OrderedDict(a=1), {"a": 1}, id="ordered-dict"),
        pytest.param(0.0, -0.0, id="negative-zero"),
        pytest.param(1, True, id="bool"),
        pytest.param(10**5000, 10**5000 + 1, id="more-digits-than-str-gives"),
        pytest.param(Fraction(1, 3), Fraction(2, 3), id="fraction"),
        pytest.param(np.longdouble(1), np.float64(1), id="long-double"),
        pytest.param(np.longdouble("1.1"), np.longdouble(1.1), id="long-doubles"),
        pytest.param(
            UUID(int=1), UUID(int=1, is_safe=SafeUUID.safe), id="safety-of-a-uuid"
        ),
        pytest.param(["1:a", "b"], ["1", "a1:b"], id="lengths-inside-texts"),
        pytest.param({"a": "b"}, {"a=b": ""}, id="text-of-a-pair"),
    ],
)
def test_every_part_of_a_value_is_in_its_fingerprint(
    first: object, second: object
) -> None:
    """Parts that comparison, hash and text omit are included."""
    assert fingerprint(first, "test") != fingerprint(second, "test")


def test_a_class_defined_in_a_function_is_accepted() -> None:
    """Its values differ by their contents, in this process."""
    first = local_account("north")
    assert fingerprint(first, "test") == fingerprint(copy.copy(first), "test")
    assert fingerprint(first, "test") != fingerprint(type(first)(2), "test")


def test_an_attribute_of_an_enum_member_is_part_of_it() -> None:
    """Attributes set after the class was made count too."""
    before = fingerprint(Planet.EARTH, "test")
    assert before != fingerprint(Planet.MARS, "test")
    vars(Planet.EARTH)["moons"] = 1
    assert before != fingerprint(Planet.EARTH, "test")


def test_versions_from_libraries_are_accepted() -> None:
    """Times from S3, pandas and freezegun and a database's number have texts."""
    for value in (
        datetime(2024, 1, 2, tzinfo=tz.tzutc()),
        pd.Timestamp("2024-01-02", tz="Europe/Berlin"),
        Moment(2024, 1, 2),
        Decimal("12.50"),
        np.int64(3),
        Pair(1, "a"),
        Markup("<b>"),
        ImmutableMultiDict([("a", "1")]),
        Counter("aab"),
    ):
        assert fingerprint(value, "test") == fingerprint(copy.deepcopy(value), "test")


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.dates()
    | st.datetimes(timezones=st.none() | st.timezones())
    | st.times()
    | st.timedeltas()
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.uuids()
    | st.sampled_from([*Color, *Planet, *map(Bits, range(4))])
    | st.builds(Name, st.text())
    | st.builds(Number, st.integers())
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        | st.frozensets(st.integers() | st.text(), max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Bare, inner, inner)
        | st.builds(Pair, inner, inner)
    ),
    max_leaves=6,
)


def state_of(value: object) -> object:
    """Return everything that pickle would write of *value*, comparable."""
    if isinstance(value, dict):
        return dict, [(state_of(k), state_of(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return type(value), [state_of(item) for item in value]
    if isinstance(value, frozenset):
        return frozenset, value and {(type(item), item) for item in value}
    if isinstance(value, Point | Bare):
        return type(value), state_of(vars(value))
    if isinstance(value, datetime | time):
        return type(value), value.replace(tzinfo=None), value.fold, repr(value.tzinfo)
    return type(value), repr(value)


@given(VALUES, VALUES)
def test_values_share_a_fingerprint_only_if_they_are_the_same(
    first: object, second: object
) -> None:
    """Generated values of all kinds are compared by their contents."""
    same = state_of(first) == state_of(second)
    assert (fingerprint(first, "test") == fingerprint(second, "test")) is same
    again = pickle.loads(pickle.dumps(first))
    assert fingerprint(first, "test") == fingerprint(again, "test")


@pytest.mark.slow
def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """The order of the process's hashes does not matter."""
    assert len({output_of(seed)[1] for seed in ("1", "2")}) == 1


def test_a_digest_separates_its_texts() -> None:
    """Two texts differ from their concatenation."""
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert len(digest("a")) == 40


#: Prints the text of a function without source, which is made of its code, and the
#: fingerprint of a value with a set.
PROGRAM = """
from datetime import UTC, datetime
from flask_mplstream.cache.key import fingerprint
from flask_mplstream.web.figure_route import _text_of
print(_text_of(compile("x in {'p', 'q', 'r', 's', 't', 'u', 'v'}", "", "eval")))
value = {"a": {"p", "q", "r", "s"}, "b": datetime(2024, 1, 2, tzinfo=UTC)}
print(fingerprint(value, "test"))
"""


@functools.cache
def output_of(seed: str) -> list[str]:
    """Return the lines that a program prints in a separate process."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        check=True,
        text=True,
    ).stdout.splitlines()


@pytest.mark.slow
def test_the_text_of_code_is_the_same_in_every_process() -> None:
    """A set among its constants has the order of the process's hashes."""
    (text,) = {output_of(seed)[0] for seed in ("1", "2")}
    assert all(letter in text for letter in "pqrstuv")
