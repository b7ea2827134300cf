"""Keys: equal for equal identities, different for all others, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntFlag
from itertools import combinations
from pathlib import PurePosixPath
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from werkzeug.datastructures import MultiDict

from flask_mplstream import ConfigError
from flask_mplstream.cache.key import digest, fingerprint


class Color(Enum):
    RED = 1


@dataclass(frozen=True)
class Point:
    x: int
    y: int


class Token(str):
    """Hides what it is, as secrets do."""

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
    """No two of them can be mistaken for each other, of whatever types."""
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
    """Order where there is none does not matter."""
    assert fingerprint(first, "test") == fingerprint(second, "test")


@pytest.mark.parametrize(
    "value", [object(), lambda: 1, [object()], np.zeros(3)], ids=str
)
def test_what_has_no_lasting_text_is_refused(value: object) -> None:
    """The error names where the value came from."""
    with pytest.raises(ConfigError, match="version of plots gave"):
        fingerprint(value, "version of plots")


def test_a_digest_tells_where_one_text_ends() -> None:
    """Two texts are not the same as their concatenation."""
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
    assert len(digest("a")) == 40


#: A function without source: its text is made of its code.
PROGRAM = """
from flask_mplstream.route import _text_of
print(_text_of(compile("x in {'p', 'q', 'r', 's', 't', 'u', 'v'}", "", "eval")))
"""


def test_the_text_of_code_is_the_same_in_every_process() -> None:
    """A set among its constants has the order of the process's hashes."""
    (text,) = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert all(letter in text for letter in "pqrstuv")
