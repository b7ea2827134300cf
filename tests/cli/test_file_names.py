"""Names of frozen files: readable, and different for each picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_mplstream.cli.file_names import make_file_name, make_stem
from flask_mplstream.formats import Theme, Variant, find_format
from flask_mplstream.parameters.function_signature import Parameters

PNG = find_format("png")


def figure(n: int = 0, title: str = "", cols: list[str] = [], N: int = 0) -> None:  # noqa: N803 - a capital is the case
    """A figure with arguments of all kinds."""


PARAMETERS = Parameters(figure)


def name_picture(endpoint: str = "plots.walk", **values: Any) -> str:
    return make_stem(endpoint, PARAMETERS.bind(values))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        pytest.param({}, "plots-walk", id="defaults"),
        pytest.param({"n": -5, "title": "a-b"}, "plots-walk-n=-5-title=a-b", id="two"),
        pytest.param({"cols": ["a", "b"]}, "plots-walk-cols=a+b", id="list"),
    ],
)
def test_a_name_has_the_arguments(values: dict[str, Any], name: str) -> None:
    """Simple values are written as in a URL."""
    assert name_picture(**values) == name


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
def test_other_values_add_a_digest(values: dict[str, Any]) -> None:
    """The name keeps its readable part."""
    name = name_picture(**values)
    assert re.fullmatch(r"plots-walk-[a-z0-9_.=+-]*~[0-9a-f]{10}", name)
    assert len(name) <= 120


WORDS = st.text("aA-=+.~é/", max_size=4)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=2)), min_size=2, max_size=2))
def test_two_pictures_have_different_names(
    pictures: Sequence[tuple[str, list[str]]],
) -> None:
    """The names differ even on a case-insensitive file system."""
    one, two = (
        PARAMETERS.bind({"title": title, "cols": [word for word in cols if word]})
        for title, cols in pictures
    )
    names = {make_stem("plots.walk", each).lower() for each in (one, two)}
    assert len(names) == len({one.canonical, two.canonical})


def test_similar_endpoints_have_different_names() -> None:
    """A dot and a hyphen differ."""
    alike = ("a.b.c", "a-b.c", "a.b-c", "A.b.c")
    assert len({name_picture(endpoint).lower() for endpoint in alike}) == len(alike)


def test_a_name_is_not_a_windows_device() -> None:
    """Windows cannot write ``con.png``."""
    assert name_picture("con.walk") == "con-walk"


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        pytest.param(Variant(PNG), "x.png", id="one"),
        pytest.param(Variant(PNG, 1.5), "x@1.5x.png", id="scale"),
        pytest.param(Variant(PNG, width_px=800), "x@800w.png", id="width"),
        pytest.param(Variant(PNG, 2, theme=Theme.DARK), "x@dark@2x.png", id="dark"),
    ],
)
def test_each_variant_has_a_file_name(variant: Variant, name: str) -> None:
    """The theme and the size follow an ``@``."""
    assert make_file_name("x", variant) == name
