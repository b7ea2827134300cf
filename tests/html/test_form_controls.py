"""Controls of parameters and the meaning of their fields, without a page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time
from enum import Enum
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import pytest
from pydantic import AwareDatetime
from pydantic import Field as Limits

from flask_mplstream.html.form_controls import Control, Kind, make_control
from flask_mplstream.html.parameter_form import Field, Form, read_form
from flask_mplstream.parameters.function_signature import Parameters
from flask_mplstream.parameters.value_parsing import Parameter


class Colour(Enum):
    """Four of them."""

    RED = "red"
    GREEN = "green"
    BLUE = "blue"
    GREY = 4


def control(annotation: Any, *default: Any) -> Control:
    return make_control(Parameter("x", annotation, *default))


Few = Literal["north", "south"]


@pytest.mark.parametrize(
    ("annotation", "kind"),
    [
        pytest.param(Annotated[int, Limits(ge=1, le=9)], Kind.SLIDER, id="bounded"),
        pytest.param(
            Annotated[float, Limits(gt=0, lt=1)], Kind.SLIDER, id="open-range"
        ),
        pytest.param(
            Annotated[int, Limits(ge=1, le=9)] | None, Kind.SLIDER, id="bounded-or-none"
        ),
        pytest.param(Annotated[int, Limits(ge=1)], Kind.NUMBER, id="one-bound"),
        pytest.param(float, Kind.NUMBER, id="no-bound"),
        pytest.param(
            Annotated[int, Limits(ge=0, le=10**9)], Kind.NUMBER, id="too-many-steps"
        ),
        pytest.param(Annotated[int, Limits(ge=5, le=5)], Kind.NUMBER, id="one-value"),
        pytest.param(Few, Kind.RADIOS, id="two-choices"),
        pytest.param(Colour, Kind.SELECT, id="enum"),
        pytest.param(Few | None, Kind.SELECT, id="choices-or-none"),
        pytest.param(Literal["only"], Kind.SELECT, id="one-choice"),
        pytest.param(bool, Kind.CHECKBOX, id="bool"),
        pytest.param(bool | None, Kind.SELECT, id="bool-or-none"),
        pytest.param(date, Kind.DATE, id="date"),
        pytest.param(date | None, Kind.DATE, id="date-or-none"),
        pytest.param(datetime, Kind.DATETIME, id="datetime"),
        pytest.param(AwareDatetime, Kind.TEXT, id="datetime-with-a-zone"),
        pytest.param(time, Kind.TIME, id="time"),
        pytest.param(str, Kind.TEXT, id="text"),
        pytest.param(int | str, Kind.TEXT, id="union"),
        pytest.param(frozenset[Few], Kind.CHECKBOXES, id="set-of-choices"),
        pytest.param(list[Colour], Kind.CHECKBOXES, id="list-of-choices"),
        pytest.param(list[float], Kind.LIST, id="list-of-numbers"),
        pytest.param(tuple[int, int], Kind.LIST, id="pair"),
        pytest.param(tuple[int, str], Kind.LIST, id="pair-of-two-types"),
        pytest.param(list[str] | None, Kind.LIST, id="list-or-none"),
    ],
)
def test_the_annotation_decides_the_kind(annotation: Any, kind: Kind) -> None:
    """The JSON Schema alone determines it."""
    assert control(annotation).kind is kind


@pytest.mark.parametrize(
    ("annotation", "attributes", "slider"),
    [
        pytest.param(
            Annotated[int, Limits(ge=10, le=5000)],
            {"min": "10", "max": "5000", "step": "1"},
            {"min": "10", "max": "5000", "step": "1"},
            id="whole",
        ),
        pytest.param(
            Annotated[int, Limits(gt=0, lt=10)],
            {"min": "1", "max": "9", "step": "1"},
            {"min": "1", "max": "9", "step": "1"},
            id="whole-open",
        ),
        pytest.param(
            Annotated[int, Limits(ge=0, le=20, multiple_of=5)],
            {"min": "0", "max": "20", "step": "5"},
            {"min": "0", "max": "20", "step": "5"},
            id="multiples",
        ),
        pytest.param(
            Annotated[float, Limits(ge=0.1, le=20)],
            {"min": "0.1", "max": "20", "step": "any"},
            {"min": "0.1", "max": "20", "step": "0.1"},
            id="real",
        ),
        pytest.param(
            Annotated[float, Limits(gt=0, le=1)],
            {"min": "0", "max": "1", "step": "any"},
            {"min": "0.01", "max": "1", "step": "0.01"},
            id="real-open-below",
        ),
        pytest.param(
            Annotated[float, Limits(le=1e-6)],
            {"max": "1e-06", "step": "any"},
            {},
            id="one-bound",
        ),
        pytest.param(
            Annotated[float, Limits(ge=-1e308, le=1e308)],
            {"min": "-1e+308", "max": "1e+308"},
            {},
            id="too-far-apart",
        ),
        pytest.param(
            Annotated[int, Limits(ge=0, le=10**400)],
            {"min": "0", "max": str(10**400)},
            {},
            id="more-than-a-float-can-be",
        ),
    ],
)
def test_bounds_become_attributes(
    annotation: Any, attributes: dict[str, str], slider: dict[str, str]
) -> None:
    """The field allows every accepted value, and the slider only accepted ones."""
    made = control(annotation)
    assert attributes.items() <= made.attributes.items()
    assert made.slider == slider


def test_a_text_has_a_limit() -> None:
    """It is the parameter's or the package's."""
    assert control(Annotated[str, Limits(max_length=8)]).attributes["maxlength"] == "8"
    assert control(str).attributes["maxlength"] == "256"


def test_choices_are_the_texts_of_a_url() -> None:
    """This holds for choices of any type."""
    assert control(Colour).choices == ("red", "green", "blue", "4")
    assert control(Literal[True, False]).choices == ("true", "false")
    assert control(list[Literal[1, 2]]).choices == ("1", "2")
    assert control(Literal[None, "a"]).choices == ("", "a")


def test_a_control_has_a_description() -> None:
    """The annotation describes it, and the package lists the accepted values."""
    made = control(Annotated[int, Limits(ge=1, description="How many.")] | None)
    assert made.accepted == "an integer of at least 1 or nothing"
    made = control(Annotated[int, Limits(ge=1, description="How many.")])
    assert made.description == "How many."


def test_a_pair_has_two_fields() -> None:
    """A list has any number of fields."""
    assert control(tuple[int, int]).length == 2
    assert control(tuple[int, int]).item is Kind.NUMBER
    assert control(list[date]).length is None
    assert control(list[date]).item is Kind.DATE


def everything(
    n: Annotated[int, Limits(ge=10, le=5000)] = 200,
    title: str = "A title",
    mark: str | None = "o",
    unit: str | None = "",
    start: date | None = None,
    end: date | None = date(2024, 12, 31),
    grid: bool = True,
    style: Literal["", "dashed"] = "dashed",
    tickers: frozenset[Literal["A", "B", "C"]] = frozenset({"A"}),
    levels: list[float] = [1.0],
    extra: list[int] | None = None,
) -> None:
    """Take a parameter for each kind of control."""


EVERYTHING = Parameters(everything)


def read(*pairs: tuple[str, str], sent: bool = True) -> Form:
    """Return the form of a query with *pairs* and defaults in the other fields."""
    query = [("_form", "1")] if sent else []
    if sent:
        given = [name for name, _ in pairs]
        defaults = [("n", "200"), ("title", "A title"), ("mark", "o"), ("unit", "")]
        defaults += [("start", ""), ("end", "2024-12-31")]
        defaults += [("grid", "true"), ("style", "dashed"), ("tickers", "A")]
        defaults += [("levels", "1.0"), ("levels", ""), ("extra", "")]
        query += [pair for pair in defaults if pair[0] not in given]
    return read_form(EVERYTHING, {}, urlencode([*query, *pairs]))


def arguments(form: Form) -> dict[str, Any]:
    """Return the arguments that differ from the defaults."""
    assert form.arguments is not None, form.fields
    return {name: form.arguments.values[name] for name in form.arguments.query}


def test_an_unchanged_form_means_the_defaults() -> None:
    """Submitting the shown values changes nothing."""
    assert arguments(read()) == {}


@pytest.mark.parametrize(
    ("pairs", "meant"),
    [
        pytest.param([("n", "")], {}, id="blank-number-is-the-default"),
        pytest.param([("end", "")], {"end": None}, id="blank-date-is-none"),
        pytest.param([("mark", "")], {"mark": None}, id="blank-is-none-where-allowed"),
        pytest.param([("title", "")], {"title": ""}, id="blank-text-is-a-text"),
        pytest.param([("style", "")], {"style": ""}, id="blank-choice-is-a-choice"),
        pytest.param(
            [("title", "one\r\ntwo")],
            {"title": "one\ntwo"},
            id="lines-end-as-in-Python",
        ),
        pytest.param([("levels", ""), ("levels", "")], {"levels": []}, id="no-values"),
        pytest.param(
            [("levels", ""), ("levels", "3")], {"levels": [3.0]}, id="a-gap-in-a-list"
        ),
        pytest.param([("extra", "7")], {"extra": [7]}, id="list-or-none"),
        pytest.param(
            [("tickers", "B"), ("tickers", "C")],
            {"tickers": frozenset("BC")},
            id="other-boxes",
        ),
    ],
)
def test_texts_become_arguments(
    pairs: Sequence[tuple[str, str]], meant: dict[str, Any]
) -> None:
    """A form sends a text for each field, even a blank one."""
    assert arguments(read(*pairs)) == meant


def test_absent_boxes_are_not_checked() -> None:
    """A browser sends nothing for them."""
    form = read_form(EVERYTHING, {}, "_form=1")
    assert arguments(form) == {
        "grid": False,
        "tickers": frozenset(),
        "levels": [],
    }


def test_a_query_without_the_mark_is_that_of_the_figure() -> None:
    """Absent arguments have their defaults."""
    form = read(("n", "500"), sent=False)
    assert arguments(form) == {"n": 500}
    assert not form.was_sent


def test_fields_show_the_arguments() -> None:
    """The texts equal those of the canonical URL."""
    form = read(("n", "500"), ("grid", "1"), ("tickers", "C"), sent=False)
    shown = {field.control.name: field.texts for field in form.fields}
    assert shown["n"] == ("500",)
    assert shown["tickers"] == ("C",)
    assert shown["extra"] == ()
    assert shown["title"] == ("A title",)


def test_a_fault_belongs_to_its_field() -> None:
    """The fields keep the submitted texts."""
    form = read(("n", "7"), ("title", "mine"))
    assert form.arguments is None
    number, title, *_ = form.fields
    assert (number.text, title.text) == ("7", "mine")
    assert number.error == "It is too small."
    assert title.error == ""


def test_faults_without_a_field_are_separate() -> None:
    """Examples are an unknown argument and a query that is too long."""
    assert [fault.name for fault in read(("m", "7"), sent=False).faults] == ["m"]
    assert read(("title", "x" * 9000), sent=False).faults
    assert read_form(EVERYTHING, {}, "m=7", ignore_unknown=True).faults == ()


def test_an_empty_query_has_no_fault() -> None:
    """A form that has not been filled in shows no errors."""

    def needy(year: int, n: int = 1) -> None: ...

    first = read_form(Parameters(needy), {}, "")
    assert first.arguments is None
    assert not first.is_faulty
    assert read_form(Parameters(needy), {}, "_form=1&year=").is_faulty
    assert first.fields[0].control.is_required


def test_fixed_values_of_the_rule_have_no_field() -> None:
    """The URL's rule sets them."""
    form = read_form(EVERYTHING, {"n": 20}, "")
    assert "n" not in [field.control.name for field in form.fields]
    assert form.arguments is not None
    assert form.arguments.values["n"] == 20


@pytest.mark.parametrize(
    ("annotation", "text", "type"),
    [
        pytest.param(date, "2024-12-31", "date", id="date"),
        pytest.param(date, "yesterday", "text", id="no-date"),
        pytest.param(date, "", "date", id="blank"),
        pytest.param(datetime, "2024-12-31T10:00:00", "datetime-local", id="datetime"),
        pytest.param(datetime, "2024-12-31T10:00:00Z", "text", id="with-a-zone"),
        pytest.param(time, "10:00:00.123456", "text", id="microseconds"),
        pytest.param(int, "12", "number", id="number"),
        pytest.param(int, "1e3", "number", id="exponent"),
        pytest.param(int, "١٢", "text", id="digits-of-elsewhere"),
        pytest.param(int, "many", "text", id="no-number"),
        pytest.param(str, "anything", "text", id="text"),
    ],
)
def test_an_input_can_show_its_text(annotation: Any, text: str, type: str) -> None:
    """Browsers show nothing if the text does not match the input's type."""
    assert Field(control(annotation), (text,)).choose_input_type(text) == type
