"""The state of a figure's form, read from a page's query field by field.

Values. A query with ``_form`` is a submitted form: an unchecked box is absent, and a
blank field is an empty text. A query without ``_form`` has the syntax of the figure's
URL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentFault, ArgumentsError
from ..http.query_string import parse_query
from ..parameters.canonical import Arguments
from ..parameters.function_signature import Parameters
from .form_controls import Control, Kind, list_texts, make_control

#: Hidden field that marks a submitted form.
FORM = "_form"

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?"
#: Input type and the texts that it accepts: https://html.spec.whatwg.org/#dates
_INPUTS: Mapping[Kind, tuple[str, str]] = {
    Kind.DATE: ("date", _DATE),
    Kind.DATETIME: ("datetime-local", f"{_DATE}T{_TIME}"),
    Kind.NUMBER: ("number", r"-?(\d+\.)?\d+([eE][-+]?\d+)?"),
    Kind.SLIDER: ("number", r"-?(\d+\.)?\d+([eE][-+]?\d+)?"),
    Kind.TIME: ("time", _TIME),
}
_TRUE = ("true", "1", "yes", "on", "t", "y")


@dataclass(frozen=True, slots=True)
class Field:
    """A control with its current texts."""

    control: Control
    texts: tuple[str, ...]
    fault: ArgumentFault | None = None

    @property
    def text(self) -> str:
        """The text of a control with one field."""
        return self.texts[0] if self.texts else ""

    @property
    def is_long(self) -> bool:
        """Whether the text has several lines."""
        return self.control.kind is Kind.TEXT and "\n" in self.text

    @property
    def hint(self) -> str:
        """The description, and accepted values that the control does not show."""
        control = self.control
        if control.choices or control.kind is Kind.CHECKBOX:
            return control.description
        accepted = f"{control.accepted[:1].upper()}{control.accepted[1:]}."
        return f"{control.description} {accepted}".strip()

    @property
    def is_checked(self) -> bool:
        """Whether a checkbox is checked."""
        return self.text.lower() in _TRUE

    @property
    def error(self) -> str:
        """The reason for rejecting the value, or empty."""
        return self.fault.reason if self.fault else ""

    @property
    def options(self) -> tuple[str, ...]:
        """The choices, followed by the given texts that are none of them."""
        given = (text for text in self.texts if text and text not in self.choices)
        return (*self.choices, *given)

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts of the choices."""
        return self.control.choices

    @property
    def entries(self) -> tuple[str, ...]:
        """The texts of a list, plus blank fields: one, or enough for a fixed length."""
        length = self.control.length
        wanted = len(self.texts) + 1 if length is None else length
        blank = ("",) * max(wanted - len(self.texts), 0)
        return (*self.texts, *blank)

    def choose_input_type(self, text: str) -> str:
        """Return an ``<input>`` type that can show *text*."""
        control = self.control
        kind = control.item if control.kind is Kind.LIST else control.kind
        type, shown = _INPUTS.get(kind, ("text", ""))
        return type if not text or re.fullmatch(shown, text, re.ASCII) else "text"


@dataclass(frozen=True, slots=True)
class Form:
    """A figure's form, filled in from a query."""

    fields: tuple[Field, ...]
    #: The figure's arguments; ``None`` if any are missing or invalid.
    arguments: Arguments | None
    #: Faults that concern no single field.
    faults: tuple[ArgumentFault, ...] = ()
    #: Whether the query comes from the submitted form.
    was_sent: bool = False

    @property
    def is_faulty(self) -> bool:
        """Whether there is a fault; an empty query has none."""
        return bool(self.faults) or any(field.fault for field in self.fields)


def read_form(
    parameters: Parameters,
    fixed: Mapping[str, Any],
    query_string: str,
    *,
    ignore_unknown: bool = False,
) -> Form:
    """Fill in the form for *parameters* from *query_string*.

    :param fixed: arguments that the URL rule sets; they get no field.
    :param ignore_unknown: whether to ignore unknown names, as the figure's URL does;
        default ``False``.
    """
    controls = [make_control(p) for p in parameters if p.name not in fixed]
    try:
        pairs = parse_query(query_string)
    except ArgumentsError as error:
        return Form(_fill(controls, [], []), None, error.faults)
    was_sent = any(name == FORM for name, _ in pairs)
    if was_sent:
        pairs = _convert_form(controls, [pair for pair in pairs if pair[0] != FORM])
    try:
        arguments = parameters.parse(pairs, fixed, ignore_unknown=ignore_unknown)
    except ArgumentsError as error:
        # A form that has not been filled in has no errors.
        faults = error.faults if pairs or was_sent else ()
        fields = _fill(controls, pairs, faults)
        names = [control.name for control in controls]
        others = tuple(fault for fault in faults if fault.name not in names)
        return Form(fields, None, others, was_sent)
    values = {p.name: list_texts(p, arguments.values[p.name]) for p in parameters}
    fields = tuple(Field(control, values[control.name]) for control in controls)
    return Form(fields, arguments, (), was_sent)


_Pairs = Sequence[tuple[str, str]]


def _convert_form(controls: Sequence[Control], sent: _Pairs) -> list[tuple[str, str]]:
    """Convert a submitted form to the arguments of the figure's URL."""
    pairs: list[tuple[str, str]] = []
    for control in controls:
        texts = [text.replace("\r\n", "\n") for n, text in sent if n == control.name]
        pairs += control.list_pairs(texts)
    names = [control.name for control in controls]
    return pairs + [pair for pair in sent if pair[0] not in names]


def _fill(
    controls: Sequence[Control], pairs: _Pairs, faults: Sequence[ArgumentFault]
) -> tuple[Field, ...]:
    """Return the fields with the given texts, valid or not, or else the defaults."""
    by_name = {fault.name: fault for fault in reversed(faults)}
    fields = []
    for control in controls:
        given = tuple(text for name, text in pairs if name == control.name)
        if control.kind in (Kind.CHECKBOXES, Kind.LIST):
            given = tuple(filter(None, given)) if given else control.default or ()
        shown = given or control.default or ()
        fields.append(Field(control, shown, by_name.get(control.name)))
    return tuple(fields)
