"""A parameter of a figure function as a form control.

Values: the control follows from the parameter's JSON Schema. This module imports no
Flask and writes no HTML.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ..errors import ArgumentsError
from ..parameters.json_schema import MAX_VALUE_LENGTH
from ..parameters.value_parsing import Parameter

#: Limit of choices for radio buttons; more become a select.
MOST_RADIOS = 3
#: Limit for the positions of a slider.
MOST_STEPS = 1_000_000
#: Least number of positions of a slider for real numbers.
FEWEST_STEPS = 100


class Kind(Enum):
    """The type of a control."""

    CHECKBOX = "checkbox"
    #: Any number of choices.
    CHECKBOXES = "checkboxes"
    DATE = "date"
    DATETIME = "datetime"
    NUMBER = "number"
    RADIOS = "radios"
    SELECT = "select"
    #: A number with a slider beside it.
    SLIDER = "slider"
    TEXT = "text"
    #: Several values, each in a separate field.
    LIST = "list"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Control:
    """One control of a form."""

    name: str
    kind: Kind
    #: Accepted values, in words.
    accepted: str = ""
    #: Description from the annotation, or empty.
    description: str = ""
    #: Texts of the choices.
    choices: tuple[str, ...] = ()
    #: Texts of the default; ``None`` for a required parameter.
    default: tuple[str, ...] | None = None
    #: Whether a blank field means ``None``.
    is_nullable: bool = False
    #: Whether a blank field means the empty text.
    takes_empty_text: bool = False
    #: Number of fields of a ``LIST``; ``None`` for any number.
    length: int | None = None
    #: HTML attributes of the field: ``min``, ``max``, ``step``, ``maxlength``.
    attributes: Mapping[str, str] = field(default_factory=dict)
    #: HTML attributes of the slider beside the field.
    slider: Mapping[str, str] = field(default_factory=dict)
    #: Type of each field of a ``LIST``.
    item: Kind = Kind.TEXT

    @property
    def is_required(self) -> bool:
        """Whether there is no default."""
        return self.default is None

    @property
    def is_group(self) -> bool:
        """Whether the control has several fields."""
        return self.kind in (Kind.CHECKBOXES, Kind.LIST, Kind.RADIOS)

    def list_pairs(self, texts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Convert the submitted *texts* to arguments of the figure's URL.

        A form sends nothing for an unchecked box, and an empty text for a blank
        field.
        """
        if self.kind is Kind.CHECKBOX:
            yield self.name, texts[-1] if texts else "false"
            return
        is_list = self.kind in (Kind.CHECKBOXES, Kind.LIST)
        for text in texts:
            if text or (self._is_sent_blank and not is_list):
                yield self.name, text
        if is_list and not any(texts) and self.default != ():
            yield self.name, ""  # An empty list.

    @property
    def _is_sent_blank(self) -> bool:
        """Whether a blank field is an argument of the URL: if it is not the default."""
        if self.default == ("",):
            return False  # In a URL, an empty text may mean None.
        if self.is_nullable or "" in self.choices:
            return True
        return self.takes_empty_text and not self.is_required


def make_control(parameter: Parameter) -> Control:
    """Return the control for *parameter*."""
    schema = parameter.schema
    shape = _make_shape(parameter.name, _unwrap(schema))
    if parameter.is_nullable and shape.kind in (Kind.CHECKBOX, Kind.RADIOS):
        choices = shape.choices or ("true", "false")
        shape = replace(shape, kind=Kind.SELECT, choices=choices)
    if shape.kind is Kind.DATETIME and _requires_zone(parameter):
        shape = replace(shape, kind=Kind.TEXT)
    default = None
    if not parameter.is_required:
        default = list_texts(parameter, parameter.default)
    return replace(
        shape,
        accepted=parameter.accepted,
        description=schema.get("description", ""),
        default=default,
        is_nullable=parameter.is_nullable and not parameter.is_repeated,
    )


def list_texts(parameter: Parameter, value: Any) -> tuple[str, ...]:
    """Convert *value* to the texts in the fields of its control."""
    texts = parameter.to_texts(value)
    if isinstance(texts, str):
        return () if parameter.is_repeated else (texts,)
    return tuple(texts)


_Schema = Mapping[str, Any]


def _unwrap(schema: _Schema) -> _Schema:
    """Unwrap an optional type."""
    given = [o for o in schema.get("anyOf", ()) if o.get("type") != "null"]
    return _unwrap(given[0]) if len(given) == 1 else schema


def _make_shape(name: str, schema: _Schema) -> Control:
    if "enum" in schema or "const" in schema:
        choices = [_spell(v) for v in schema.get("enum", [schema.get("const")])]
        kind = Kind.RADIOS if 1 < len(choices) <= MOST_RADIOS else Kind.SELECT
        return Control(name, kind, choices=tuple(choices))
    match schema.get("type"):
        case "boolean":
            return Control(name, Kind.CHECKBOX)
        case "integer" | "number":
            return _make_number(name, schema)
        case "array":
            return _make_list(name, schema)
        case _:
            return _make_text(name, schema)


_KIND_OF_FORMAT = {"date": Kind.DATE, "date-time": Kind.DATETIME, "time": Kind.TIME}


def _make_text(name: str, schema: _Schema) -> Control:
    format = schema.get("format")
    if format in _KIND_OF_FORMAT:
        # Include seconds: by default, browsers offer only hours and minutes.
        attributes = {} if format == "date" else {"step": "1"}
        return Control(name, _KIND_OF_FORMAT[format], attributes=attributes)
    is_plain = schema.get("type") == "string" and format is None
    longest = schema.get("maxLength", MAX_VALUE_LENGTH)
    return Control(
        name,
        Kind.TEXT,
        takes_empty_text=is_plain,
        attributes={"maxlength": str(longest)} if is_plain else {},
    )


def _make_number(name: str, schema: _Schema) -> Control:
    is_whole = schema["type"] == "integer"
    low, high = (_read_bound(schema, end, is_whole) for end in ("Minimum", "Maximum"))
    step = schema.get("multipleOf", 1 if is_whole else None)
    given = {"min": low, "max": high, "step": "any" if step is None else step}
    attributes = {k: str(v) for k, v in given.items() if v is not None}
    attributes["inputmode"] = "numeric" if is_whole else "decimal"
    if low is not None and high is not None and 0 < high - low < math.inf:
        step = step or 10.0 ** math.floor(math.log10((high - low) / FEWEST_STEPS))
        if "exclusiveMinimum" in schema and not is_whole:
            low = round(low + step, 12)
        if high - low <= MOST_STEPS * step:
            slider = {"min": f"{low}", "max": f"{high}", "step": f"{step:.12g}"}
            return Control(name, Kind.SLIDER, attributes=attributes, slider=slider)
    return Control(name, Kind.NUMBER, attributes=attributes)


def _read_bound(schema: _Schema, end: str, is_whole: bool) -> Any:
    """Return the least or greatest value; integer bounds become inclusive."""
    excluded = schema.get(f"exclusive{end}")
    if excluded is not None and is_whole:
        return excluded + 1 if end == "Minimum" else excluded - 1
    return schema.get(end.lower(), excluded)


def _spell(value: Any) -> str:
    """Return the text of a choice in a URL."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _make_list(name: str, schema: _Schema) -> Control:
    places = schema.get("prefixItems")
    items = places or [schema.get("items") or {}]
    shapes = [_make_shape(name, _unwrap(item)) for item in items]
    if shapes[0].choices and not places:
        return replace(shapes[0], kind=Kind.CHECKBOXES)
    first = shapes[0] if all(shape == shapes[0] for shape in shapes) else None
    length = len(places) if places else None
    if first is None or first.kind not in _FIELDS:
        return Control(name, Kind.LIST, length=length)
    item = Kind.NUMBER if first.kind is Kind.SLIDER else first.kind
    return Control(
        name, Kind.LIST, length=length, attributes=first.attributes, item=item
    )


#: Types that the fields of a list may have.
_FIELDS = (Kind.DATE, Kind.DATETIME, Kind.NUMBER, Kind.SLIDER, Kind.TEXT, Kind.TIME)


def _requires_zone(parameter: Parameter) -> bool:
    """Return whether *parameter* rejects a browser's dates, which have no time zone."""
    try:
        parameter.from_texts(["2024-01-01T00:00:00"])
    except ArgumentsError as error:
        return "time zone" in error.faults[0].reason
    return False
