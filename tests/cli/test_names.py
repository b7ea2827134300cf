"""Names of frozen files: readable, and each picture has its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mplstream.cli.file_names import file_name, stem_of
from flask_mplstream.formats import Theme, Variant, image_format
from flask_mplstream.parameters.function_signature import Parameters

PNG = image_format("png")


def figure(n: int = 0, title: str = "", cols: list[str] = [], N: int = 0) -> None:  # noqa: N803 - a capital is the case
    """A figure with arguments of all kinds."""


PARAMETERS = Parameters(figure)


def stem(endpoint: str = "plots.walk", **values: Any) -> str:
    return stem_of(endpoint, PARAMETERS.bind(values))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param({}, "plots-walk", id="defaults"),
        pytest.param({"n": -5, "title": "a-b"}, "plots-walk-n=-5-title=a-b", id="two"),
        pytest.param({"cols": ["a", "b"]}, "plots-walk-cols=a+b", id="list"),
    ],
)
def test_plain_arguments_stand_in_the_name(values: dict[str, Any], name: str) -> None:
    """As they stand in a URL."""
    assert stem(**values) == name


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"title": "../../etc/passwd"}, id="path"),
        pytest.param({"title": "Größe"}, id="not ASCII"),
        pytest.param({"title": "a" * 200}, id="long"),
        pytest.param({"title": "UP"}, id="capitals"),
        pytest.param({"N": 1}, id="capital name"),
        pytest.param({"title": 'a"b<c>|?*:\\'}, id="not for every system"),
    ],
)
def test_what_a_name_cannot_hold_is_a_digest(values: dict[str, Any]) -> None:
    """The readable part stays."""
    name = stem(**values)
    assert re.fullmatch(r"plots-walk-[a-z0-9_.=+-]*~[0-9a-f]{10}", name)
    assert len(name) <= 120


WORDS = st.text("aA-=+.~é/", max_size=4)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=2)), min_size=2, max_size=2))
def test_two_pictures_never_share_a_name(
    pictures: Sequence[tuple[str, list[str]]],
) -> None:
    """Also where capitals and small letters are the same."""
    one, two = (
        PARAMETERS.bind({"title": title, "cols": [word for word in cols if word]})
        for title, cols in pictures
    )
    names = {stem_of("plots.walk", each).lower() for each in (one, two)}
    assert len(names) == len({one.canonical, two.canonical})


def test_endpoints_that_look_alike_have_names_of_their_own() -> None:
    """A dot is no minus."""
    alike = ("a.b.c", "a-b.c", "a.b-c", "A.b.c")
    assert len({stem(endpoint).lower() for endpoint in alike}) == len(alike)


def test_a_name_is_no_device() -> None:
    """``con.png`` cannot be written on Windows."""
    assert stem("con.walk") == "con-walk"


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        pytest.param(Variant(PNG), "x.png", id="one"),
        pytest.param(Variant(PNG, 1.5), "x@1.5x.png", id="scale"),
        pytest.param(Variant(PNG, width_px=800), "x@800w.png", id="width"),
        pytest.param(Variant(PNG, 2, theme=Theme.DARK), "x@dark@2x.png", id="dark"),
    ],
)
def test_each_variant_has_a_file(variant: Variant, name: str) -> None:
    """Told by what is behind the ``@``."""
    assert file_name("x", variant) == name
