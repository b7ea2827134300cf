"""``/…schema.json``: the JSON Schema of a figure's arguments, and its truth."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from flask import abort
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from matplotlib.figure import Figure
from pydantic import AwareDatetime, Field

from flask_mplstream import ArgumentsError, FigureBlueprint
from flask_mplstream.parameters.function_signature import Parameters
from flask_mplstream.parameters.json_schema import MAX_VALUE_LENGTH, MAX_VALUES
from tests.support.doubles import Counter
from tests.support.signatures import Color, Level, make_function

Serve = Callable[..., FlaskClient]

#: Every kind of parameter, with JSON values of its type in and out of its limits.
Words = st.text(st.characters(codec="utf-8", exclude_characters="\n"))
Dates = st.one_of(
    st.dates().map(date.isoformat), st.sampled_from(["", "2023-02-29", "yesterday"])
)
Zones = st.sampled_from(["", "Z", "+01:00", "-23:59", "+24:00", " CET"])
Clocks = st.builds(
    "{:%H:%M:%S}{}{}".format,
    st.times(),
    st.sampled_from(["", ".5", ".123456", "."]),
    Zones,
) | st.sampled_from(["", "24:00:00", "12:60:00", "1:00:00", "noon"])
#: Between those are the ends of months, and the years that are leap years and not.
Days = st.builds(
    "{}-{:02}-{:02}".format,
    st.sampled_from(["0000", "0001", "0004", "1900", "2000", "2023", "2024", "9999"]),
    st.integers(0, 13),
    st.sampled_from([0, 1, 28, 29, 30, 31, 32]),
)
Moments = st.builds("{}T{}".format, Days, Clocks)
Letters = st.text(st.sampled_from("abc"), max_size=300)
Long = st.integers(0, 500).map(lambda length: "y" * length)
KINDS = [
    pytest.param(int, st.integers(-(10**6), 10**6), id="int"),
    pytest.param(Annotated[int, Field(ge=10, lt=20)], st.integers(0, 30), id="bounds"),
    pytest.param(Annotated[int, Field(multiple_of=5)], st.integers(), id="multiple"),
    pytest.param(float, st.floats(allow_nan=False, allow_infinity=False), id="float"),
    pytest.param(Annotated[float, Field(gt=0, le=1)], st.floats(-1, 2), id="open"),
    pytest.param(bool, st.booleans(), id="bool"),
    pytest.param(str, Words | Long, id="str"),
    pytest.param(Annotated[str, Field(max_length=3)], Words, id="short"),
    pytest.param(Annotated[str, Field(max_length=400)], Long, id="long"),
    pytest.param(
        Annotated[str, Field(pattern="^[a-z]+$")], Letters | Words, id="pattern"
    ),
    pytest.param(str | None, Words | st.none(), id="str-or-none"),
    pytest.param(int | None, st.integers() | st.none(), id="int-or-none"),
    pytest.param(date, Dates, id="date"),
    pytest.param(date | None, Dates | st.none(), id="date-or-none"),
    pytest.param(Color, st.sampled_from(["red", "blue", "green", ""]), id="enum"),
    pytest.param(Level | None, st.integers(0, 3) | st.none(), id="enum-or-none"),
    pytest.param(Literal["a", 1], st.sampled_from(["a", 1, "b", 2]), id="literal"),
    pytest.param(
        Literal["", "a"] | None, st.sampled_from(["", "a"]) | st.none(), id="no-empty"
    ),
    pytest.param(list[int], st.lists(st.integers(), max_size=150), id="list"),
    pytest.param(
        list[Literal["", "a"]], st.lists(st.sampled_from(["", "a"])), id="no-empties"
    ),
    pytest.param(list[str], st.lists(Words), id="list-of-words"),
    pytest.param(list[str] | None, st.lists(Words) | st.none(), id="list-or-none"),
    pytest.param(datetime, Moments, id="datetime"),
    pytest.param(AwareDatetime, Moments, id="datetime-with-a-zone"),
    pytest.param(time, Clocks, id="time"),
    pytest.param(
        Annotated[list[int], Field(min_length=2, max_length=3)],
        st.lists(st.integers()),
        id="some",
    ),
    pytest.param(set[str], st.lists(Words, unique=True), id="set"),
    pytest.param(
        frozenset[Color],
        st.lists(st.sampled_from(["red", "blue", "green"]), unique=True),
        id="set-of-enums",
    ),
    pytest.param(tuple[float, int], st.lists(st.integers()), id="pair"),
]


def validator(parameters: Parameters) -> Draft202012Validator:
    schema = parameters.json_schema()
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator.FORMAT_CHECKER
    return Draft202012Validator(schema, format_checker=checker)


def is_accepted(parameters: Parameters, value: Any) -> bool:
    try:
        parameters.bind(value)
    except ArgumentsError:
        return False
    return True


@pytest.mark.parametrize(("annotation", "values"), KINDS)
def test_the_schema_accepts_every_value_of_a_url(
    annotation: Any, values: st.SearchStrategy[Any]
) -> None:
    """The schema accepts a value of the JSON type exactly if a URL can express it.

    A form or client made from it makes every good URL, and no bad one.
    """
    parameters = Parameters(make_function(annotation))
    judge = validator(parameters)

    @settings(max_examples=60)
    @given(values)
    def agrees(value: Any) -> None:
        assert judge.is_valid({"x": value}) == is_accepted(parameters, {"x": value})

    agrees()


def find_property(annotation: Any, *default: Any) -> dict[str, Any]:
    """Return the schema of a parameter, which must be valid itself."""
    schema = Parameters(make_function(annotation, *default)).json_schema()[
        "properties"
    ]["x"]
    Draft202012Validator.check_schema(schema)
    return dict(schema)


@pytest.mark.parametrize(
    ("annotation", "default", "plain"),
    [
        pytest.param(float, 2, 2.0, id="float"),
        pytest.param(set[str], {"b", "a"}, ["a", "b"], id="set"),
        pytest.param(Color, Color.RED, "red", id="enum"),
        pytest.param(date, date(2024, 1, 2), "2024-01-02", id="date"),
        pytest.param(
            datetime, datetime(2024, 1, 2), "2024-01-02T00:00:00", id="datetime"
        ),
        pytest.param(datetime, datetime.min, "0001-01-01T00:00:00", id="first-day"),
        pytest.param(time, time(1, 2, 3, 4), "01:02:03.000004", id="time"),
        pytest.param(int | None, None, None, id="none"),
        pytest.param(list[int] | None, None, None, id="list-or-none"),
        pytest.param(str | None, "", "", id="empty"),
    ],
)
def test_a_default_is_json_that_its_schema_accepts(
    annotation: Any, default: Any, plain: Any
) -> None:
    """A default has the canonical form that a URL gives it."""
    parameters = Parameters(make_function(annotation, default))
    schema = parameters.json_schema()["properties"]["x"]
    assert schema["default"] == plain
    Draft202012Validator(schema).validate(plain)


def test_json_has_no_infinity() -> None:
    """An infinite default is left out, so that every parser reads the schema."""
    endless = Annotated[float, Field(allow_inf_nan=True)]
    assert find_property(endless, math.inf) == {"type": "number"}


def test_the_schema_has_the_limits_of_texts() -> None:
    """Limits without an annotation are included, and an annotated limit wins."""
    assert find_property(str)["maxLength"] == MAX_VALUE_LENGTH
    assert find_property(Annotated[str, Field(max_length=400)])["maxLength"] == 400
    assert find_property(bytes)["maxLength"] == MAX_VALUE_LENGTH
    texts = find_property(list[str])
    assert texts["maxItems"] == MAX_VALUES
    assert texts["items"] == {
        "type": "string",
        "minLength": 1,  # An empty text is no item.
        "maxLength": MAX_VALUE_LENGTH,
    }
    assert find_property(set[int])["uniqueItems"] is True


def test_the_object_lists_required_and_accepted_names() -> None:
    """The schema has the function's name, its docstring and only its arguments."""

    def walk(n: Annotated[int, Field(description="Steps.")], seed: int = 0) -> None:
        """A random walk.

        In one dimension.
        """

    assert Parameters(walk).json_schema() == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "walk",
        "description": "A random walk.\n\nIn one dimension.",
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": "Steps."},
            "seed": {"type": "integer", "default": 0},
        },
        "required": ["n"],
        "additionalProperties": False,
    }


def tone(**members: str) -> Any:
    """Return another type with the same name."""
    return Enum("tone", members)


def test_two_types_with_one_name_do_not_collide() -> None:
    """Each definition is inlined at its use."""
    warm, cold = tone(RED="red"), tone(BLUE="blue")

    def figure(a: Any, b: Any, c: Any) -> None: ...

    listed = types.GenericAlias(list, (cold,))
    figure.__annotations__ = {"a": warm, "b": listed, "c": cold | None}
    properties = Parameters(figure).json_schema()["properties"]
    assert properties["a"]["enum"] == ["red"]
    assert properties["b"]["items"]["enum"] == ["blue"]
    assert properties["c"]["anyOf"][0]["enum"] == ["blue"]


@pytest.fixture
def client(plots: FigureBlueprint, renders: Counter, serve: Serve) -> FlaskClient:
    """Serve a figure with a variable in its rule, and one without."""

    @plots.figure_route("/walk", inject={"user": lambda: 1})
    def walk(user: int, n: int = 5) -> Figure:
        renders(n)
        return Figure()

    @plots.figure_route("/sales/<int:year>")
    def sales(year: int, quarter: Literal[1, 2, 3, 4] | None = None) -> Figure:
        return Figure()

    plots.figure_route("/")(one_figure)
    return serve()


def one_figure(x: int = 0) -> Figure:
    return Figure()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        pytest.param("/walk", ["n"], id="injected-values-are-not-the-urls"),
        pytest.param("/sales/2024", ["quarter"], id="what-the-path-says-is-no-query"),
        pytest.param("/index", ["x"], id="index"),
    ],
)
def test_a_figure_has_a_schema_of_its_query(
    client: FlaskClient, renders: Counter, path: str, names: list[str]
) -> None:
    """The schema has a URL beside the formats, and nothing is rendered for it."""
    response = client.get(f"/plots{path}.schema.json")
    assert response.mimetype == "application/schema+json"
    schema = json.loads(response.data)
    Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == names
    assert not renders


def test_a_client_can_revalidate_the_schema(client: FlaskClient) -> None:
    """The schema has an ETag, and an unchanged one gives a 304."""
    url = "/plots/walk.schema.json"
    first = client.get(url)
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.head(url).headers["Content-Length"] == str(len(first.data))


def test_the_schema_does_not_depend_on_the_request(client: FlaskClient) -> None:
    """A forged ``Host`` does not appear in the document."""
    url = "/plots/walk.schema.json"
    forged = client.get(url, headers={"Host": "evil.example"})
    assert forged.data == client.get(url).data


def test_decorators_wrap_the_schema_too(plots: FigureBlueprint, serve: Serve) -> None:
    """A figure that requires a login has a schema that requires it."""

    def reject_all(view: Callable[..., Any]) -> Callable[..., Any]:
        return lambda **path: abort(401)

    plots.figure_route("/mine", decorators=[reject_all])(one_figure)
    assert serve().get("/plots/mine.schema.json").status_code == 401


def test_a_signed_route_has_no_schema(plots: FigureBlueprint, serve: Serve) -> None:
    """A signed route does not reveal its arguments."""
    plots.figure_route("/signed", signed=True)(one_figure)
    client = serve()
    assert client.get("/plots/signed.svg").status_code == 403
    assert client.get("/plots/signed.schema.json").status_code == 404
