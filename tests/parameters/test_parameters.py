"""The signature is the schema: accepted values of a URL, and their meaning."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    DirectoryPath,
    Field,
    FilePath,
    SecretBytes,
    SecretStr,
    StringConstraints,
)
from typing_extensions import TypeAliasType

from flask_mplstream import ArgumentsError, ConfigError, errors
from flask_mplstream.http.query_string import parse_query
from flask_mplstream.parameters.canonical import Arguments
from flask_mplstream.parameters.function_signature import (
    MAX_FAULTS,
    MAX_HINTS,
    Parameters,
)
from flask_mplstream.parameters.json_schema import MAX_VALUE_LENGTH
from tests.support.signatures import Color, Level, make_function


def parse(function: Callable[..., Any], query: str = "", **path: Any) -> Arguments:
    return Parameters(function).parse(parse_query(query), path)


Bounded = Annotated[int, Field(ge=10, le=5000)]
Finite = Annotated[float, Field(ge=-1.5, le=1.5)]


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        pytest.param(int, "x=5", 5, id="int"),
        pytest.param(int, "x=-05", -5, id="int-padded"),
        pytest.param(float, "x=.5", 0.5, id="float"),
        pytest.param(float, "x=1e3", 1000.0, id="float-exponent"),
        pytest.param(bool, "x=true", True, id="bool"),
        pytest.param(bool, "x=off", False, id="bool-from-a-checkbox"),
        pytest.param(str, "x=a+b%20c%C3%A9", "a b cé", id="str"),
        pytest.param(str, "x=", "", id="str-empty"),
        pytest.param(date, "x=2024-02-29", date(2024, 2, 29), id="date"),
        pytest.param(
            datetime, "x=2024-02-29T12:30", datetime(2024, 2, 29, 12, 30), id="datetime"
        ),
        pytest.param(Color, "x=red", Color.RED, id="enum"),
        pytest.param(Level, "x=2", Level.HIGH, id="enum-of-numbers"),
        pytest.param(Literal["a", "b"], "x=b", "b", id="literal"),
        pytest.param(Literal[1, 2], "x=2", 2, id="literal-of-numbers"),
        pytest.param(Literal[1, 2], "x=2.0", 2, id="literal-as-json-may-write-it"),
        pytest.param(Level, "x=1.0", Level.LOW, id="enum-as-json-may-write-it"),
        pytest.param(Literal[2, "2.0"], "x=2.0", "2.0", id="literal-text-wins"),
        pytest.param(list[int], "x=2&x=1&x=2", [2, 1, 2], id="list-keeps-its-order"),
        pytest.param(list[int], "x=", [], id="list-empty"),
        pytest.param(list[int], "x=&x=3", [3], id="list-after-a-hidden-input"),
        pytest.param(set[str], "x=b&x=a&x=b", {"a", "b"}, id="set"),
        pytest.param(frozenset[int], "x=2&x=1", frozenset({1, 2}), id="frozenset"),
        pytest.param(tuple[float, float], "x=0&x=1", (0.0, 1.0), id="pair"),
        pytest.param(list[Color], "x=red&x=blue", [Color.RED, Color.BLUE], id="enums"),
        pytest.param(list[Literal[1, 2]], "x=2", [2], id="literals"),
        pytest.param(int | None, "x=", None, id="optional-empty"),
        pytest.param(Optional[date], "x=2024-01-01", date(2024, 1, 1), id="optional"),  # noqa: UP045 - the spelling is the case
        pytest.param(list[int] | None, "x=1", [1], id="optional-list"),
        pytest.param(Bounded, "x=10", 10, id="annotated"),
        pytest.param(
            Annotated[str, Field(max_length=400)],
            f"x={'y' * 400}",
            "y" * 400,
            id="long",
        ),
        pytest.param(
            Annotated[str, StringConstraints(max_length=400)],
            f"x={'y' * 400}",
            "y" * 400,
            id="long-by-a-constraint",
        ),
        pytest.param(
            Annotated[float, Field(allow_inf_nan=True)], "x=inf", np.inf, id="inf"
        ),
    ],
)
def test_text_becomes_a_typed_value(annotation: Any, query: str, value: Any) -> None:
    """A value from a URL has the type of the annotation."""
    result = parse(make_function(annotation), query).values["x"]
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("annotation", "query", "accepted"),
    [
        pytest.param(Bounded, "x=5", "an integer from 10 to 5000", id="too-small"),
        pytest.param(Bounded, "x=ten", "an integer from 10 to 5000", id="no-number"),
        pytest.param(int, "x=1&x=2", "an integer", id="repeated"),
        pytest.param(int, "x=", "an integer", id="empty"),
        pytest.param(int, "x=1.5", "an integer", id="fraction"),
        pytest.param(int, "", "an integer", id="missing"),
        pytest.param(float, "x=nan", "a number", id="nan"),
        pytest.param(float, "x=-inf", "a number", id="inf"),
        pytest.param(float, "x=1e999", "a number", id="overflow"),
        pytest.param(Finite, "x=2", "a number from -1.5 to 1.5", id="too-large"),
        pytest.param(
            Annotated[float, Field(gt=0)], "x=0", "a number greater than 0", id="open"
        ),
        pytest.param(bool, "x=maybe", "true or false", id="bool"),
        pytest.param(date, "x=2023-02-29", "a date such as 2024-12-31", id="date"),
        pytest.param(Color, "x=green", "one of red, blue", id="enum"),
        pytest.param(Literal[1, 2], "x=3", "one of 1, 2", id="literal"),
        pytest.param(
            Annotated[str, Field(pattern="^[a-z]+$")],
            "x=A1",
            "text of at most 256 characters that matches ^[a-z]+$",
            id="pattern",
        ),
        pytest.param(
            str, f"x={'y' * 257}", "text of at most 256 characters", id="too-long"
        ),
        pytest.param(int, f"x={'9' * 300}", "an integer", id="too-many-digits"),
        pytest.param(
            list[int], "x=1&x=b", "any number of values, each an integer", id="item"
        ),
        pytest.param(
            list[int],
            "&".join(["x=1"] * 101),
            "any number of values, each an integer",
            id="too-many-items",
        ),
        pytest.param(int | None, "x=b", "an integer or nothing", id="optional"),
        pytest.param(date, "x=0", "a date such as 2024-12-31", id="1970"),
        pytest.param(
            datetime | None,
            "x=20240101",
            "a date and time such as 2024-12-31T23:59:00 or nothing",
            id="no-seconds-since-1970",
        ),
        pytest.param(
            list[date],
            "x=2024-01-01&x=86400",
            "any number of values, each a date such as 2024-12-31",
            id="no-seconds-in-a-list",
        ),
        pytest.param(
            tuple[float, int], "x=1&x=b", "2 values: a number, an integer", id="pair"
        ),
    ],
)
def test_a_bad_value_is_refused_by_name(
    annotation: Any, query: str, accepted: str
) -> None:
    """The error names the argument and describes the accepted values."""
    with pytest.raises(ArgumentsError) as caught:
        parse(make_function(annotation), query)
    (fault,) = caught.value.faults
    assert (fault.name, fault.accepted) == ("x", accepted)
    assert fault.reason.endswith(".")


def test_every_fault_is_named_at_once() -> None:
    """The error lists every fault of a URL."""

    def figure(n: Bounded = 200, seed: int = 0) -> None: ...

    with pytest.raises(ArgumentsError) as caught:
        parse(figure, "n=5&seed=b&sed=1")
    assert [fault.name for fault in caught.value.faults] == ["sed", "n", "seed"]


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    """The error suggests a name only if one is near."""

    def figure(seed: int = 0, n: int = 1) -> None: ...

    with pytest.raises(ArgumentsError, match="Did you mean 'seed'") as caught:
        parse(figure, "sed=1")
    assert caught.value.faults[0].accepted == "seed, n"
    with pytest.raises(ArgumentsError) as caught:
        parse(figure, "zzzzz=1")
    assert caught.value.faults[0].nearest is None


def test_unknown_names_can_be_ignored() -> None:
    """``ignore_unknown`` drops names, so they make no second key."""

    def figure(seed: int = 0) -> None: ...

    parameters = Parameters(figure)
    ignored = parameters.parse([("utm", "x")], ignore_unknown=True)
    assert ignored == parameters.parse([])


def test_a_shown_value_is_cut() -> None:
    """A long value or unknown name is cut in the error."""
    with pytest.raises(ArgumentsError) as caught:
        parse(make_function(int, 0), f"x={'y' * 200}&{'z' * 200}=1")
    for fault in caught.value.faults:
        assert len(fault.name) <= 60
        assert fault.value is not None
        assert len(fault.value) <= 60


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("n=050&seed=0", "seed=0&n=50", id="spelling-and-order"),
        pytest.param("", "n=50&seed=0", id="defaults-dropped-or-filled"),
        pytest.param("tags=b&tags=a", "tags=a&tags=b&tags=a", id="sets-have-no-order"),
        pytest.param("scale=1", "scale=1.0", id="floats"),
        pytest.param("log=1", "log=true", id="bools"),
    ],
)
def test_equal_arguments_have_one_canonical_form(first: str, second: str) -> None:
    """All spellings of the same arguments are one key and one URL."""

    def figure(
        n: int = 50,
        seed: int = 0,
        tags: set[str] = set(),
        scale: float = 2,
        log: bool = False,
    ) -> None: ...

    a, b = parse(figure, first), parse(figure, second)
    assert (a.canonical, a.query) == (b.canonical, b.query)


def test_the_order_of_a_list_matters() -> None:
    """``?a=1&a=2`` and ``?a=2&a=1`` are two pictures."""
    figure = make_function(list[int])
    assert parse(figure, "x=1&x=2").canonical != parse(figure, "x=2&x=1").canonical


def test_the_query_omits_defaults_and_keeps_the_signatures_order() -> None:
    """The canonical URL is short and the same for equal arguments."""

    def figure(n: int = 1, when: date | None = None, tags: list[str] = []) -> None: ...

    bound = Parameters(figure).bind({"tags": ["b", "a"], "when": "2024-01-02", "n": 1})
    assert bound.query == {"when": "2024-01-02", "tags": ["b", "a"]}
    assert list(bound.query) == ["when", "tags"]


def test_a_default_is_canonical() -> None:
    """The default 2 of a float parameter is the 2.0 that a URL gives."""
    figure = make_function(float, 2)
    assert parse(figure).canonical == parse(figure, "x=2").canonical
    assert isinstance(parse(figure).values["x"], float)


def test_arguments_are_copied_for_each_call() -> None:
    """A figure function that changes its list does not affect the next call."""
    arguments = parse(make_function(list[int]), "x=1")
    arguments.copy()["x"].append(2)
    assert arguments.values["x"] == [1]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        pytest.param(int, 500, id="int"),
        pytest.param(int, "500", id="text"),
        pytest.param(bool, False, id="bool"),
        pytest.param(Color, Color.BLUE, id="enum"),
        pytest.param(Color, "blue", id="enum-by-value"),
        pytest.param(date, date(2024, 1, 2), id="date"),
        pytest.param(list[int], [], id="empty-list"),
        pytest.param(set[int], {3, 1}, id="set"),
        pytest.param(int | None, None, id="none"),
        pytest.param(float, 0.1, id="float"),
    ],
)
def test_a_bound_value_is_read_back_from_its_url(annotation: Any, value: Any) -> None:
    """Binding Python values and reading the resulting URL agree."""
    parameters = Parameters(make_function(annotation))
    bound = parameters.bind({"x": value})
    texts = bound.query["x"]
    pairs = [("x", text) for text in ([texts] if isinstance(texts, str) else texts)]
    assert parameters.parse(pairs).canonical == bound.canonical


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        pytest.param(list[str], [""], id="one-empty-text"),
        pytest.param(str | None, "", id="empty-text-or-none"),
        pytest.param(int, 1.5, id="fraction"),
        pytest.param(int, None, id="none"),
        pytest.param(int | str, 1, id="number-that-reads-as-text"),
        pytest.param(str, "y" * (MAX_VALUE_LENGTH + 1), id="too-long"),
    ],
)
def test_bind_refuses_a_value_that_no_url_can_express(
    annotation: Any, value: Any
) -> None:
    """``figure_url`` never makes a URL with another meaning."""
    with pytest.raises(ArgumentsError):
        Parameters(make_function(annotation)).bind({"x": value})


def test_bind_refuses_unknown_names() -> None:
    """A typing error in a template is an error, not a broken picture."""
    with pytest.raises(ArgumentsError, match="Did you mean 'x'"):
        Parameters(make_function(int)).bind({"x": 1, "xx": 2})


def test_a_value_from_the_path_is_checked() -> None:
    """The bounds of the signature apply to URL converters."""

    def sales(year: Annotated[int, Field(ge=2000)]) -> None: ...

    assert parse(sales, year=2024).values["year"] == 2024
    with pytest.raises(ArgumentsError, match="an integer of at least 2000"):
        parse(sales, year=1999)
    with pytest.raises(ArgumentsError, match="no such argument"):
        parse(sales, "year=2024", year=2024)


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        pytest.param(int, "2", id="int"),
        pytest.param(bool, "off", id="bool"),
        pytest.param(Color, "red", id="enum"),
        pytest.param(Level, "2", id="enum-of-numbers"),
        pytest.param(Literal[1, 2], "2", id="literal-of-numbers"),
        pytest.param(Literal[1, 2] | None, "1", id="optional"),
    ],
)
def test_text_has_the_same_meaning_in_path_and_query(
    annotation: Any, text: str
) -> None:
    """Most converters give text, which is parsed as in the query."""
    figure = make_function(annotation)
    assert parse(figure, x=text) == parse(figure, f"x={text}")


def no_annotation(n=3, name="a", other=None, text=None): ...  # type: ignore[no-untyped-def]  # The case.


def test_a_missing_annotation_is_taken_from_the_default() -> None:
    """A parameter without an annotation has the type of its default."""
    values = parse(no_annotation, "n=5&name=b&other=c").values
    assert values == {"n": 5, "name": "b", "other": "c", "text": None}


Tree = TypeAliasType("Tree", "list[Tree]")


def var_positional(*values: int) -> None: ...
def var_keyword(**values: int) -> None: ...
def positional_only(n: int, /) -> None: ...
def underscore(_scale: int) -> None: ...
def array(data: np.ndarray[Any, Any]) -> None: ...


def file(path: Path = Path("a")) -> None: ...


def existing_file(path: FilePath | None = None) -> None: ...


def gaps(x: list[int | None]) -> None: ...
def gap(x: tuple[int, Literal["a", None]]) -> None: ...
def existing_directories(paths: list[DirectoryPath]) -> None: ...
def secret(code: SecretStr) -> None: ...
def secrets(codes: list[SecretBytes] | None = None) -> None: ...
def nested(rows: list[list[int]]) -> None: ...
def recursive(tree: Tree) -> None: ...
def mapping(options: dict[str, int]) -> None: ...
def anything(value: Any) -> None: ...
def bad_default(n: Bounded = 5) -> None: ...
def bare_list(values=[1]): ...  # type: ignore[no-untyped-def]  # The case.
def unresolved(when: Any) -> None: ...


unresolved.__annotations__["when"] = "Nowhere"


@pytest.mark.parametrize(
    ("function", "message"),
    [
        pytest.param(var_positional, "any number of arguments", id="args"),
        pytest.param(var_keyword, "any number of arguments", id="kwargs"),
        pytest.param(positional_only, "positional-only", id="positional-only"),
        pytest.param(underscore, "reserved", id="reserved"),
        pytest.param(array, "a URL cannot express", id="array"),
        pytest.param(file, "a URL cannot express", id="file"),
        pytest.param(existing_file, "a URL cannot express", id="existing-file"),
        pytest.param(existing_directories, "a URL cannot express", id="directories"),
        pytest.param(secret, "a URL cannot express", id="secret"),
        pytest.param(secrets, "a URL cannot express", id="secrets"),
        pytest.param(nested, "a URL cannot express", id="nested-list"),
        pytest.param(gaps, "a URL cannot express", id="list-with-none"),
        pytest.param(gap, "a URL cannot express", id="pair-with-none"),
        pytest.param(recursive, "a URL cannot express", id="recursive"),
        pytest.param(mapping, "a URL cannot express", id="mapping"),
        pytest.param(anything, "a URL cannot express", id="any"),
        pytest.param(bad_default, "has the default 5: It is too small", id="default"),
        pytest.param(bare_list, "a URL cannot express", id="list-of-what"),
        pytest.param(unresolved, "cannot be resolved", id="unresolved"),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused(
    function: Callable[..., Any], message: str
) -> None:
    """The error names the function, and the app does not start."""
    with pytest.raises(ConfigError, match=message) as caught:
        Parameters(function)
    assert function.__qualname__ in str(caught.value)


def test_a_url_cannot_set_injected_names() -> None:
    """A client cannot set a parameter of ``inject``."""

    def figure(user_id: object, n: int = 1) -> None: ...

    parameters = Parameters(figure, ["user_id"])
    assert [parameter.name for parameter in parameters] == ["n"]
    with pytest.raises(ArgumentsError):
        parameters.parse([("user_id", "3")])
    with pytest.raises(ConfigError, match="no parameter 'user'"):
        Parameters(figure, ["user"])


def test_a_url_cannot_set_the_loaded_data() -> None:
    """The first parameter takes the result of ``load``, of any type."""
    assert Parameters(array, skip_first=True).names == ()
    with pytest.raises(ConfigError, match="takes no argument"):
        Parameters(lambda: None, skip_first=True)


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_text_is_a_value_or_a_fault(name: str, text: str) -> None:
    """Any name and value raises nothing but :class:`ArgumentsError`."""

    def figure(
        x: int = 0,
        y: float = 0,
        when: datetime | None = None,
        tags: set[Color] = set(),
    ) -> None: ...

    parameters = Parameters(figure)
    for key in (name, "x", "y", "when", "tags"):
        try:
            parsed = parameters.parse([(key, text)])
        except ArgumentsError as error:
            if not error.faults:
                raise
        else:
            assert parameters.bind(dict(parsed.values)).canonical == parsed.canonical


def test_the_search_for_near_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a few names, cut to a short length, are searched for."""
    looked: list[tuple[str, list[str]]] = []

    def look(name: str, known: Iterable[str], **_: Any) -> list[str]:
        looked.append((name, list(known)))
        return []

    monkeypatch.setattr(errors, "get_close_matches", look)
    with pytest.raises(ArgumentsError) as caught:
        Parameters(make_function(int, 1)).parse(
            [(f"yeer{i}{'r' * 5000}", "1") for i in range(199)]
        )
    assert len(caught.value.faults) == MAX_FAULTS
    assert len(looked) == MAX_HINTS
    assert all(len(text) <= errors.SHOWN_LENGTH for text, _ in looked)
