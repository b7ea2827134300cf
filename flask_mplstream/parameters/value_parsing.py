"""Convert one parameter of a figure function from text and to text.

Values layer: pydantic and the standard library.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic import ConfigDict as PydanticConfig
from typing_extensions import TypeAliasType

from ..errors import ArgumentFault, ArgumentsError, cut
from .canonical import write_json, write_text
from .json_schema import (
    MAX_VALUE_LENGTH,
    MAX_VALUES,
    describe_schema,
    fits_in_text,
    inline_definitions,
    is_json,
    iterate_scalars,
    list_options,
    narrow_schema,
)
from .pydantic_messages import explain_fault

#: Separators of items in a list that was written as one text.
_SEPARATORS = re.compile(r"[,;|\s]+")

_CONFIG = PydanticConfig(allow_inf_nan=False, str_max_length=MAX_VALUE_LENGTH)
_EMPTY = inspect.Parameter.empty
_UNIONS = (typing.Union, types.UnionType)
_ITEM = str | int | float | date | Enum


class Parameter:
    """A parameter of a figure function, which can be converted from and to text.

    :raises ArgumentsError: if *default* isn't valid.
    :raises TypeError: if a URL can't express the values of *annotation*.
    """

    def __init__(self, name: str, annotation: Any, default: Any = _EMPTY) -> None:
        self.name = name
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=_CONFIG)
        #: The JSON Schema of the type, without references.
        self.schema = inline_definitions(self._adapter.json_schema())
        if not fits_in_text(self.schema):
            raise TypeError("A URL cannot express its values")
        given = [o for o in list_options(self.schema) if o.get("type") != "null"]
        array = given[0] if len(given) == 1 and given[0].get("type") == "array" else {}
        self.is_nullable = len(given) < len(list_options(self.schema))
        #: Whether a URL may repeat it.
        self.is_repeated = bool(array)
        self._is_set = "uniqueItems" in array
        # A tuple may come with empty texts, which are not items.
        is_tuple = "prefixItems" in array
        self._max_values = MAX_VALUES if is_tuple else array.get("maxItems", MAX_VALUES)
        scalars = list(iterate_scalars(self.schema))
        lengths = [s.get("maxLength", 0) for s in scalars]
        self._max_text = max(MAX_VALUE_LENGTH, *lengths)
        self._is_date = {s.get("format") for s in scalars} <= {"date", "date-time"}
        core = strip_annotation(annotation)
        leaves = get_args(core) if self.is_repeated else (core,)
        self._needs_zone = AwareDatetime in map(strip_annotation, leaves)
        self._choices: dict[str, Any] = {}
        for leaf in leaves:
            self._choices |= _find_choices(strip_annotation(leaf))
        #: The default, converted like a value from a URL: 5 for a float is 5.0.
        self.default = default if default is _EMPTY else self.validate(default)
        #: Result of :meth:`identify` for the default; ``None`` if there is none.
        self.default_identity: str | None = None
        if not self.is_required:
            self.default_identity = self.identify(self.default)

    @property
    def is_required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is _EMPTY

    @property
    def accepted(self) -> str:
        """The accepted values, in words."""
        return describe_schema(self.schema)

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema for the values that a URL can express.

        The schema is exact, except for unions of text and another type and for numbers
        that have more digits than a text may have.
        """
        schema = narrow_schema(
            self.schema,
            # None and an empty list have the same text, but the default needs none.
            has_null=not self.is_repeated or self.default is None,
            has_empty=not self.is_nullable or self.default == "",
            needs_zone=self._needs_zone,
        )
        if not self.is_required and is_json(plain := self.canonicalize(self.default)):
            schema["default"] = plain
        return schema

    def from_texts(self, texts: Sequence[str]) -> Any:
        """Return the value for *texts*, which are all texts with this name in a URL.

        :raises ArgumentsError: if they are not accepted.
        """
        self._check_texts(texts)
        values = [self._choices.get(text, text) for text in texts]
        if not self.is_repeated:
            is_none = self.is_nullable and texts[0] == ""
            return self.validate(None if is_none else values[0])
        try:
            # An empty text is not an item, so a URL can express an empty list.
            return self.validate([value for value in values if value != ""])
        except ArgumentsError as error:
            raise self._suggest_repetition(error, texts) from None

    def _check_texts(self, texts: Sequence[str]) -> None:
        """Reject *texts* if there are too many, or if one of them isn't valid."""
        allowed = self._max_values if self.is_repeated else 1
        if len(texts) > allowed:
            times = "once" if allowed == 1 else f"{allowed} times"
            raise self.make_error(", ".join(texts), f"It is given more than {times}.")
        for text in texts:
            if len(text) > self._max_text:
                reason = f"It is longer than {self._max_text} characters."
                raise self.make_error(text, reason)
            if self._is_date and _is_number(text):
                raise self.make_error(text, "It is a number.")

    def _suggest_repetition(
        self, error: ArgumentsError, texts: Sequence[str]
    ) -> ArgumentsError:
        """Return *error*, and add a hint if *texts* is a list such as ``1,2,3``."""
        parts = [part for part in _SEPARATORS.split(texts[0].strip("[](){}")) if part]
        if len(texts) > 1 or len(parts) < 2:
            return error
        try:
            self.validate([self._choices.get(part, part) for part in parts])
        except ArgumentsError:
            return error
        shown = "&".join(f"{self.name}={cut(part)}" for part in parts[:3])
        hint = f"Repeat the name for each value: {shown}."
        fault = replace(error.faults[0], value=cut(texts[0]), hint=hint)
        return ArgumentsError([fault])

    def from_path(self, value: Any) -> Any:
        """Return the value for *value*, which comes from a URL converter.

        :raises ArgumentsError: if it is not accepted.
        """
        if isinstance(value, str) and not self.is_repeated:
            return self.from_texts([value])
        return self.validate(value)

    def from_python(self, value: Any) -> Any:
        """Convert *value* from Python code in the same way as a value from a URL.

        If a list is expected, a single item is converted to a list.
        :raises ArgumentsError: if it isn't valid or if a URL can't express it.
        """
        is_item = self.is_repeated and isinstance(value, _ITEM)
        checked = self.validate([value] if is_item else value)
        identity = self.identify(checked)
        if identity == self.default_identity:
            return self.default  # The URL omits it.
        texts = self.to_texts(checked)
        again = self.from_texts([texts] if isinstance(texts, str) else texts)
        if self.identify(again) != identity:
            raise self.make_error(checked, "A URL cannot express this value.")
        return again

    def validate(self, value: Any) -> Any:
        """Convert *value* to this parameter's type.

        :raises ArgumentsError: if it is not accepted.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise self.make_error(fault["input"], explain_fault(fault)) from None

    def canonicalize(self, value: Any) -> Any:
        """Return *value* as JSON data, in which equal sets are equal lists."""
        plain = self._adapter.dump_python(value, mode="json", warnings="none")
        return sorted(plain, key=json.dumps) if self._is_set and plain else plain

    def identify(self, value: Any) -> str:
        """Return a text that identifies *value*."""
        if value is self.default and self.default_identity is not None:
            return self.default_identity
        return write_json(self.canonicalize(value))

    def to_texts(self, value: Any) -> str | list[str]:
        """Return *value* as text for a URL, which :meth:`from_texts` can read."""
        plain = self.canonicalize(value)
        if self.is_repeated and plain is not None:
            return [write_text(item) for item in plain] or ""
        return write_text(plain)

    def make_error(self, value: Any, reason: str) -> ArgumentsError:
        """Return the error for an invalid *value*, for which *reason* is a sentence."""
        shown = None if value is None else cut(str(value))
        return ArgumentsError([ArgumentFault(self.name, shown, reason, self.accepted)])


def _is_number(text: str) -> bool:
    """Return whether pydantic reads *text* as seconds, as it does for 20240101."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def strip_annotation(annotation: Any) -> Any:
    """Return *annotation* without aliases, ``Annotated`` and ``None``."""
    if isinstance(annotation, TypeAliasType):
        return strip_annotation(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return strip_annotation(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        given = [part for part in get_args(annotation) if part is not type(None)]
        return strip_annotation(given[0]) if len(given) == 1 else annotation
    return annotation


def _find_choices(core: Any) -> dict[str, Any]:
    """Return a dict of the texts and values of an ``Enum`` or a ``Literal``."""
    if get_origin(core) is Literal:
        return _map_spellings((value, value) for value in get_args(core))
    if isinstance(core, type) and issubclass(core, Enum):
        return _map_spellings((member.value, member) for member in core)
    return {}


def _map_spellings(choices: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return a dict of texts and plain values. As in JSON, ``2.0`` is also 2."""
    texts = [(write_text(plain), plain, value) for plain, value in choices]
    return {
        f"{text}.0": value for text, plain, value in texts if type(plain) is int
    } | {text: value for text, _, value in texts}
