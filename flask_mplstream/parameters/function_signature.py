"""The signature as schema: texts from a URL -> arguments -> canonical form.

Values layer: pydantic and the standard library. :class:`Parameters` reads a figure
function's signature once. All spellings of the same arguments give equal
:class:`Arguments`, and so one canonical query and one cache key.
"""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from itertools import islice
from types import MappingProxyType
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import MaxLen
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from pydantic import ConfigDict as PydanticConfig
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError
from pydantic.fields import FieldInfo
from typing_extensions import TypeAliasType

from ..errors import (
    NO_SUCH_ARGUMENT,
    ArgumentFault,
    ArgumentsError,
    ConfigError,
    cut,
    nearest,
)
from .callables import documentation, full_name, module_globals, plain_name
from .json_schema import DIALECT, Sayable, is_json, resolved, sayable_schema
from .pydantic_messages import reason_of

#: Maximum characters of a value if its parameter sets no ``max_length``.
MAX_VALUE_LENGTH = 256
#: Maximum values of a repeated argument if it sets no ``max_length``.
MAX_VALUES = 100
#: Maximum faults that an error lists, which limits the length of the response.
MAX_FAULTS = 20
#: Maximum unknown names for which the error suggests a known one. The search is the
#: slowest part of the response.
MAX_HINTS = 3

#: Separators of items in a list that was written as one text.
_SEPARATORS = re.compile(r"[,;|\s]+")

#: Module prefixes in a formatted annotation.
_MODULES = re.compile(r"\b(?:\w+\.)+(?=\w)")

_CONFIG = PydanticConfig(allow_inf_nan=False, str_max_length=MAX_VALUE_LENGTH)
_UNIONS = (typing.Union, types.UnionType)
_EMPTY = inspect.Parameter.empty
_ITEM = str | int | float | date | Enum


@dataclass(frozen=True, slots=True)
class Arguments:
    """Validated arguments of a figure function."""

    #: Values by parameter name, in signature order, including defaults.
    values: Mapping[str, Any]
    #: Canonical JSON text, equal for equal arguments: part of the cache key.
    canonical: str
    #: Query of the canonical URL: names and texts of the arguments that differ from
    #: their defaults, in signature order.
    query: Mapping[str, str | list[str]]

    def copy(self) -> dict[str, Any]:
        """Return a deep copy of the values, which the figure function may change."""
        return deepcopy(dict(self.values))


class Parameter:
    """One parameter of a figure function and its conversion from and to text."""

    def __init__(self, name: str, annotation: Any, default: Any = _EMPTY) -> None:
        self.name = name
        self.default = default
        #: Result of :meth:`identity` for the default; ``None`` if there is none.
        self.default_identity: str | None = None
        core, self.is_nullable = _strip(annotation)
        #: Whether a URL may repeat it.
        self.is_repeated = _is_collection(core)
        self.is_set = self.is_repeated and issubclass(get_origin(core), AbstractSet)
        leaves = get_args(core) if self.is_repeated else (annotation,)
        self._choices = {
            text: value for leaf in leaves for text, value in _choices(leaf).items()
        }
        self._is_date = all(_is_date(leaf) for leaf in leaves if leaf is not ...)
        self._wants_zone = any(_strip(leaf)[0] is AwareDatetime for leaf in leaves)
        self._max_text = max(MAX_VALUE_LENGTH, *map(_max_length, leaves))
        self._max_values = _max_length(annotation) or MAX_VALUES
        self._adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=_CONFIG)
        self.schema = self._adapter.json_schema()

    @property
    def is_required(self) -> bool:
        """Whether the parameter has no default."""
        return self.default is _EMPTY

    @property
    def accepted(self) -> str:
        """The accepted values, in words."""
        return describe(self.schema, self.schema.get("$defs", {}))

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that a URL can express.

        The schema is exact except for unions of text and another type, and for
        numbers with more digits than a text may have.
        """
        sayable = Sayable(
            MAX_VALUE_LENGTH,
            self._max_values,
            # None and an empty list have the same text, but the default needs none.
            has_null=not self.is_repeated or self.default is None,
            has_empty=not self.is_nullable or self.default == "",
            wants_zone=self._wants_zone,
        )
        schema = sayable_schema(self.schema, self.schema.get("$defs", {}), sayable)
        if not self.is_required and is_json(plain := self.canonical(self.default)):
            schema["default"] = plain
        return schema

    def from_texts(self, texts: Sequence[str]) -> Any:
        """Return the value of *texts*, all texts with this name in a URL.

        :raises ArgumentsError: if they are not accepted.
        """
        allowed = self._max_values if self.is_repeated else 1
        if len(texts) > allowed:
            times = "once" if allowed == 1 else f"{allowed} times"
            raise self.error(", ".join(texts), f"It was given more than {times}.")
        for text in texts:
            if len(text) > self._max_text:
                raise self.error(
                    text, f"It is longer than {self._max_text} characters."
                )
            if self._is_date and _is_number(text):
                raise self.error(text, "It is a number.")
        values = [self._choices.get(text, text) for text in texts]
        if self.is_repeated:
            # An empty text is not an item, so a URL can express an empty list.
            items = [value for value in values if value != ""]
            try:
                return self.validated(items)
            except ArgumentsError as error:
                raise self._with_repetition(error, texts) from None
        return self.validated(
            None if texts[0] == "" and self.is_nullable else values[0]
        )

    def _with_repetition(
        self, error: ArgumentsError, texts: Sequence[str]
    ) -> ArgumentsError:
        """Return *error*, with a hint if *texts* is one list such as ``1,2,3``."""
        parts = [part for part in _SEPARATORS.split(texts[0].strip("[](){}")) if part]
        if len(texts) > 1 or len(parts) < 2:
            return error
        try:
            self.validated([self._choices.get(part, part) for part in parts])
        except ArgumentsError:
            return error
        shown = "&".join(f"{self.name}={cut(part)}" for part in parts[:3])
        hint = f"Repeat the name for each value: {shown}."
        fault = replace(error.faults[0], value=cut(texts[0]), hint=hint)
        return ArgumentsError([fault])

    def from_path(self, value: Any) -> Any:
        """Return the value of *value* from a URL converter, usually a text.

        :raises ArgumentsError: if it is not accepted.
        """
        if isinstance(value, str) and not self.is_repeated:
            return self.from_texts([value])
        return self.validated(value)

    def from_python(self, value: Any) -> Any:
        """Return the value of *value* from Python code; a single item becomes a list.

        :raises ArgumentsError: if it is not accepted.
        """
        is_item = self.is_repeated and isinstance(value, _ITEM)
        return self.validated([value] if is_item else value)

    def validated(self, value: Any) -> Any:
        """Convert *value* to this parameter's type.

        :raises ArgumentsError: if it is not accepted.
        """
        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            raise self.error(fault["input"], reason_of(fault)) from None

    def canonical(self, value: Any) -> Any:
        """Return *value* as JSON data; equal sets give equal lists."""
        plain = self._adapter.dump_python(value, mode="json", warnings="none")
        return sorted(plain, key=json.dumps) if self.is_set and plain else plain

    def identity(self, value: Any) -> str:
        """Return a text that identifies *value*: -0.0 is not 0.0, and NaN is NaN."""
        if value is self.default and self.default_identity is not None:
            return self.default_identity
        return json.dumps(self.canonical(value), separators=(",", ":"))

    def to_texts(self, value: Any) -> str | list[str]:
        """Return *value* as text for a URL, which :meth:`from_texts` can read."""
        plain = self.canonical(value)
        if self.is_repeated and plain is not None:
            return [_text(item) for item in plain] or ""
        return _text(plain)

    def error(self, value: Any, reason: str) -> ArgumentsError:
        """Return the error for a bad *value*; *reason* is a full sentence."""
        shown = None if value is None else cut(str(value))
        return ArgumentsError([ArgumentFault(self.name, shown, reason, self.accepted)])


class Parameters:
    """All parameters of a figure function.

    :param function: the figure function.
    :param injected: parameters that the app sets and a URL cannot.
    :param skip_first: whether the first parameter is the result of ``load``.
    :param are_reserved: allow names that start with ``_``, which are reserved for the
        package.
    :param name: title of the JSON Schema, by default the function's name.
    :raises ConfigError: if the signature cannot be served, naming the function and
        the fix.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        injected: Collection[str] = (),
        *,
        skip_first: bool = False,
        are_reserved: bool = False,
        name: str | None = None,
    ) -> None:
        self._label = full_name(function)
        self._name = name or plain_name(function) or ""
        #: The function's docstring, or an empty string.
        self.description = documentation(function)
        self._are_reserved = are_reserved
        try:
            signature = list(_signature(function).parameters.values())
        except NameError as error:
            raise ConfigError(
                f"An annotation of {self._label} cannot be resolved: {error}. Import "
                f"the name at module level, outside `if TYPE_CHECKING`."
            ) from error
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{self._label} does not say which arguments it takes. Call it in a "
                f"function of your own that names them."
            ) from error
        if skip_first and not signature:
            raise ConfigError(
                f"{self._label} takes no argument, but has load=…, whose result is "
                f"its first one. Add a first parameter for it."
            )
        named = {p.name: p for p in signature[1 if skip_first else 0 :]}
        for name in injected:
            if name not in named:
                raise ConfigError(
                    f"{self._label} has inject={{{name!r}: …}} but no parameter "
                    f"{name!r}. Add one, or take it out of inject."
                )
        self._parameters = {
            name: self._parameter(parameter)
            for name, parameter in named.items()
            if name not in injected
        }
        #: All parameter names except that of the result of ``load``.
        self.names = tuple(named)

    def _parameter(self, parameter: inspect.Parameter) -> Parameter:
        name = parameter.name
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise self._refusal(name, "is positional-only", "Take the '/' out.")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise self._refusal(
                name, "takes any number of arguments", "Name each that a URL may set."
            )
        if name.startswith("_") and not self._are_reserved:
            raise self._refusal(
                name, "starts with '_'", "Such names are reserved: choose another."
            )
        annotation = _annotation(parameter)
        try:
            made = Parameter(name, annotation, parameter.default)
            if not _fits_in_text(made.schema, made.schema.get("$defs", {})):
                raise TypeError("its values cannot be written in a URL")
            if not made.is_required:
                # Convert it like a value from a URL: 5 for a float is 5.0.
                made.default = made.validated(parameter.default)
                made.default_identity = made.identity(made.default)
        except ArgumentsError as error:
            words = _MODULES.sub("", inspect.formatannotation(_strip(annotation)[0]))
            problem = f"has the default {cut(repr(parameter.default))}"
            if parameter.default is None:
                problem += f", which {words} does not accept"
                fix = f"Write `{name}: {words} | None = None`."
            else:
                problem += f": {error.faults[0].reason.rstrip('.')}"
                fix = f"Accepted: {error.faults[0].accepted}."
            raise self._refusal(name, problem, fix) from error
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise self._refusal(
                name,
                f"is annotated {inspect.formatannotation(annotation)}, which no "
                f"URL can give",
                "Use int, float, bool, str, date, datetime, Enum, Literal, or a list "
                "or set of those; for other objects see inject=… and load=….",
            ) from error
        return made

    def _refusal(self, name: str, problem: str, mend: str) -> ConfigError:
        return ConfigError(f"The parameter {name!r} of {self._label} {problem}. {mend}")

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self._parameters.values())

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def json_schema(self, without: Collection[str] = ()) -> dict[str, Any]:
        """Return the JSON Schema (2020-12) of the arguments, as one object.

        :meth:`bind` accepts every value that the schema accepts.

        :param without: names to leave out.
        """
        shown = [parameter for parameter in self if parameter.name not in without]
        described = {"description": self.description} if self.description else {}
        return {
            "$schema": DIALECT,
            "title": self._name,
            **described,
            "type": "object",
            "properties": {p.name: p.json_schema() for p in shown},
            "required": [p.name for p in shown if p.is_required],
            "additionalProperties": False,
        }

    def parse(
        self,
        pairs: Iterable[tuple[str, str]],
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        ignore_unknown: bool = False,
    ) -> Arguments:
        """Parse the arguments of a URL.

        :param pairs: names and texts from the query, percent-decoded.
        :param path: values from the URL's converters.
        :param ignore_unknown: drop unknown names instead of rejecting them.
        :raises ArgumentsError: with a fault for each bad argument.
        """
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            texts.setdefault(name, []).append(text)
        allowed = [name for name in self._parameters if name not in path]
        unknown = {
            name: ", ".join(given)
            for name, given in texts.items()
            if name not in allowed
        }

        def read(parameter: Parameter) -> Any:
            if parameter.name in path:
                return parameter.from_path(path[parameter.name])
            return parameter.from_texts(texts[parameter.name])

        return self._collect(
            read, {*texts, *path}, {} if ignore_unknown else unknown, allowed
        )

    def bind(self, given: Mapping[str, Any]) -> Arguments:
        """Convert Python values, as in ``figure_url('…', n=500)``, to arguments.

        :raises ArgumentsError: with a fault for each bad argument.
        """

        def read(parameter: Parameter) -> Any:
            # A URL can express a value only if its text converts back to it.
            checked = parameter.from_python(given[parameter.name])
            identity = parameter.identity(checked)
            if identity == parameter.default_identity:
                return parameter.default  # The URL omits it.
            texts = parameter.to_texts(checked)
            again = parameter.from_texts([texts] if isinstance(texts, str) else texts)
            if parameter.identity(again) != identity:
                raise parameter.error(checked, "No text in a URL means this value.")
            return again

        unknown = {name: str(given[name]) for name in given if name not in self}
        return self._collect(read, given, unknown, list(self._parameters))

    def _collect(
        self,
        read: Callable[[Parameter], Any],
        given: Collection[str],
        unknown: Mapping[str, str],
        allowed: list[str],
    ) -> Arguments:
        faults = _unknown_faults(unknown, allowed)
        values: dict[str, Any] = {}
        for parameter in self:
            try:
                if parameter.name in given:
                    values[parameter.name] = read(parameter)
                elif parameter.is_required:
                    raise parameter.error(None, "It is missing.")
                else:
                    values[parameter.name] = parameter.default
            except ArgumentsError as error:
                faults.extend(error.faults)
        if faults:
            raise ArgumentsError(faults[:MAX_FAULTS])
        return self._arguments(values)

    def _arguments(self, values: dict[str, Any]) -> Arguments:
        identities = {p.name: p.identity(values[p.name]) for p in self}
        query = {
            p.name: p.to_texts(values[p.name])
            for p in self
            if identities[p.name] != p.default_identity
        }
        pairs = (f"{json.dumps(name)}:{text}" for name, text in identities.items())
        return Arguments(values, f"{{{','.join(pairs)}}}", query)


def _unknown_faults(
    unknown: Mapping[str, str], allowed: list[str]
) -> list[ArgumentFault]:
    accepted = ", ".join(allowed) or "no arguments at all"
    return [
        ArgumentFault(
            cut(name),
            cut(value),
            NO_SUCH_ARGUMENT,
            accepted,
            nearest(name, allowed) if number < MAX_HINTS else None,
        )
        for number, (name, value) in enumerate(islice(unknown.items(), MAX_FAULTS))
    ]


def describe(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """Describe a JSON Schema in words, such as ``an integer from 10 to 5000``."""
    schema = resolved(schema, defs)
    if "anyOf" in schema:
        return " or ".join(describe(option, defs) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = [_text(value) for value in schema.get("enum", [schema.get("const")])]
        return values[0] if len(values) == 1 else f"one of {', '.join(values)}"
    match schema.get("type"):
        case "integer":
            return f"an integer{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "null":
            return "nothing"
        case "array":
            return _describe_array(schema, defs)
        case _:
            return _describe_string(schema)


def _describe_array(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:  # A tuple with a type for each position.
        words = [describe(item, defs) for item in schema["prefixItems"]]
        return f"{len(words)} values: {', '.join(words)}"
    return f"any number of values, each {describe(schema['items'], defs)}"


def _describe_string(schema: Mapping[str, Any]) -> str:
    if schema.get("format") in _FORMAT_WORDS:
        return _FORMAT_WORDS[schema["format"]]
    # Older pydantic omits the limit from the configuration.
    limit = schema.get("maxLength", MAX_VALUE_LENGTH)
    words = f"text of at most {limit} characters"
    if "pattern" in schema:
        words += f" that matches {schema['pattern']}"
    return words


_FORMAT_WORDS = {
    "date": "a date such as 2024-12-31",
    "date-time": "a date and time such as 2024-12-31T23:59:00",
    "time": "a time such as 23:59:00",
    "duration": "a duration such as P1DT12H",
    "uuid": "a UUID",
}

_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "greater than",
    "maximum": "of at most",
    "exclusiveMaximum": "less than",
    "multipleOf": "that is a multiple of",
}


def _range(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    bounds = [f"{words} {schema[k]}" for k, words in _BOUNDS.items() if k in schema]
    return " " + " and ".join(bounds) if bounds else ""


def _fits_in_text(
    schema: Mapping[str, Any], defs: Mapping[str, Any], *, nested: bool = False
) -> bool:
    """Return whether a URL can express every value that *schema* accepts."""
    schema = resolved(schema, defs)
    if schema.get("writeOnly"):  # All secrets have the same text, and so one key.
        return False
    if "anyOf" in schema:
        return all(_fits_in_text(s, defs, nested=nested) for s in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        plain = str | int | float if nested else str | int | float | None
        return all(isinstance(value, plain) for value in values)
    if schema.get("type") == "array":
        items = [*schema.get("prefixItems", ()), schema.get("items") or {}]
        if "prefixItems" in schema:
            items.pop()
        return not nested and all(_fits_in_text(s, defs, nested=True) for s in items)
    # A path from a URL would let a client choose a file on the server.
    if schema.get("format") in ("path", "file-path", "directory-path"):
        return False
    if schema.get("type") == "null":
        return not nested  # An empty text is not an item.
    return schema.get("type") in ("integer", "number", "boolean", "string")


def _strip(annotation: Any) -> tuple[Any, bool]:
    """Strip aliases, ``Annotated`` and ``None``; also return if it had ``None``."""
    if isinstance(annotation, TypeAliasType):
        return _strip(annotation.__value__)
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) in _UNIONS:
        options = [
            option for option in get_args(annotation) if option is not type(None)
        ]
        if len(options) < len(get_args(annotation)):
            core = _strip(options[0])[0] if len(options) == 1 else annotation
            return core, True
    return annotation, False


def _is_collection(core: Any) -> bool:
    origin = get_origin(core)
    return isinstance(origin, type) and issubclass(origin, Sequence | AbstractSet)


def _choices(leaf: Any) -> dict[str, Any]:
    """Return text -> value for an ``Enum`` or ``Literal``, else an empty dict."""
    core = _strip(leaf)[0]
    if get_origin(core) is Literal:
        return _by_spelling((value, value) for value in get_args(core))
    if isinstance(core, type) and issubclass(core, Enum):
        return _by_spelling((member.value, member) for member in core)
    return {}


def _by_spelling(choices: Iterable[tuple[Any, Any]]) -> dict[str, Any]:
    """Return text -> value from plain values; as in JSON, ``2.0`` is also 2."""
    texts = [(_text(plain), plain, value) for plain, value in choices]
    return {
        f"{text}.0": value for text, plain, value in texts if type(plain) is int
    } | {text: value for text, _, value in texts}


def _is_date(leaf: Any) -> bool:
    core = _strip(leaf)[0]
    return isinstance(core, type) and issubclass(core, date)


def _is_number(text: str) -> bool:
    """Return whether pydantic reads *text* as seconds: 20240101 is in August 1970."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _max_length(annotation: Any) -> int:
    """Return the ``max_length`` of *annotation*, not of its items; 0 without one."""
    if isinstance(annotation, TypeAliasType):
        return _max_length(annotation.__value__)
    if get_origin(annotation) in _UNIONS:
        return max(map(_max_length, get_args(annotation)))
    if get_origin(annotation) is not Annotated:
        return 0
    for metadata in get_args(annotation)[1:]:
        items = metadata.metadata if isinstance(metadata, FieldInfo) else [metadata]
        for item in items:
            if isinstance(item, MaxLen):
                return item.max_length
    return _max_length(get_args(annotation)[0])


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature with its parameters' annotations resolved."""
    signature = inspect.signature(function)
    written = {p.name: p.annotation for p in signature.parameters.values()}
    hints = typing.get_type_hints(
        types.SimpleNamespace(
            __annotations__={k: v for k, v in written.items() if v is not _EMPTY}
        ),
        dict(module_globals(function)),
        include_extras=True,
    )
    return signature.replace(
        parameters=[
            parameter.replace(annotation=hints.get(parameter.name, _EMPTY))
            for parameter in signature.parameters.values()
        ]
    )


def _annotation(parameter: inspect.Parameter) -> Any:
    """Return the annotation of *parameter*, or else the type of its default."""
    if parameter.annotation is not _EMPTY:
        return parameter.annotation
    if parameter.default is _EMPTY:
        return str
    if parameter.default is None:
        return str | None
    return type(parameter.default)


def _text(plain: Any) -> str:
    if plain is None:
        return ""
    return json.dumps(plain) if isinstance(plain, bool) else str(plain)
