"""The JSON Schema (2020-12) for the values that a URL can express.

Values layer. pydantic generates the schema of a type. This module describes it in words
and restricts it to the values that can be written in a URL. Definitions are inlined, so
that a document can contain the schemas of several figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from .canonical import write_text

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Maximum characters of a value if its parameter sets no ``max_length``.
MAX_VALUE_LENGTH = 256
#: Maximum values of a repeated argument if it sets no ``max_length``.
MAX_VALUES = 100

_Schema = dict[str, Any]

#: Formats that limit the text to a few characters and exclude an empty one.
_SHORT_FORMATS = ("date", "date-time", "time", "duration", "uuid")

#: Pattern for a valid date: days per month, and February 29 in leap years.
_DAY = (
    "((000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-"
    "((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    "|(0[13-9]|1[0-2])-(29|30)"
    "|(0[13578]|1[02])-31)"
    "|([0-9]{2}(0[48]|[2468][048]|[13579][26])"
    "|(0[48]|[2468][048]|[13579][26])00)-02-29)"
)
_CLOCK = r"([01][0-9]|2[0-3])(:[0-5][0-9]){2}(\.[0-9]{1,6})?"
_MAYBE_ZONE = "(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?"
#: Patterns that replace a format that requires a time zone (RFC 3339, section 5.6).
_MAYBE_ZONED = {
    "date-time": f"^{_DAY}T{_CLOCK}{_MAYBE_ZONE}$",
    "time": f"^{_CLOCK}{_MAYBE_ZONE}$",
}


def inline_definitions(schema: _Schema) -> _Schema:
    """Return *schema* with each ``$ref`` replaced by its definition.

    If a definition refers to itself, the reference isn't replaced.
    """
    defs = schema.get("$defs", {})

    def inline(node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [inline(item, within) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if reference is None or reference in within:
            return {k: inline(v, within) for k, v in node.items() if k != "$defs"}
        siblings = {k: v for k, v in node.items() if k != "$ref"}
        definition = defs[reference.rpartition("/")[2]]
        return inline(definition | siblings, (*within, reference))

    inlined: _Schema = inline(schema, ())
    return inlined


def list_options(schema: _Schema) -> list[_Schema]:
    """Return the alternatives of *schema*, such as a type and ``null``."""
    options: list[_Schema] = schema.get("anyOf", [schema])
    return options


def iterate_scalars(schema: _Schema) -> Iterator[_Schema]:
    """Yield the schema of each option, and of the items if it is a list."""
    parts = schema.get("anyOf") or schema.get("prefixItems")
    if schema.get("type") == "array":
        parts = parts or [schema["items"]]
    if parts:
        for part in parts:
            yield from iterate_scalars(part)
    elif schema.get("type") != "null":
        yield schema


def narrow_schema(
    schema: _Schema, *, has_null: bool, has_empty: bool, needs_zone: bool
) -> _Schema:
    """Restrict *schema* to values with a text, and add limits that pydantic omits.

    :param has_null: whether a text for ``None`` exists.
    :param has_empty: whether the empty text is a value.
    :param needs_zone: whether a date and time requires a time zone.
    """
    own = dict(schema)
    narrow = partial(narrow_schema, has_null=has_null, needs_zone=needs_zone)
    if "anyOf" in own:
        options = [o for o in own.pop("anyOf") if has_null or o.get("type") != "null"]
        return join_options([narrow(o, has_empty=has_empty) for o in options], own)
    if list_choices(own) is not None:
        texts = [v for v in own.get("enum", ()) if has_empty or v != ""]
        return own | {"enum": texts} if texts else own
    match own["type"]:
        case "string" if own.get("format") not in _SHORT_FORMATS:
            least = {} if has_empty else {"minLength": 1}
            return {"maxLength": MAX_VALUE_LENGTH, **least, **own}
        case "string" if own["format"] in _MAYBE_ZONED and not needs_zone:
            return {"pattern": _MAYBE_ZONED[own.pop("format")], **own}
        case "array":  # An empty text is not an item.
            if "prefixItems" in own:
                items = own["prefixItems"]
                own["prefixItems"] = [narrow(item, has_empty=False) for item in items]
            else:
                own["items"] = narrow(own["items"], has_empty=False)
            return {"maxItems": MAX_VALUES, **own}
    return own


def join_options(options: Sequence[_Schema], own: _Schema) -> _Schema:
    """Add *options* to *own* as ``anyOf``, or inline it if there is only one."""
    return {**options[0], **own} if len(options) == 1 else {"anyOf": options, **own}


def is_json(value: Any) -> bool:
    """Return whether *value* can be written as JSON, unlike infinity and NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


_FORMAT_WORDS = {
    "date": "a date such as 2024-12-31",
    "date-time": "a date and time such as 2024-12-31T23:59:00",
    "time": "a time such as 23:59:00",
    "duration": "a duration such as P1DT12H",
    "uuid": "a UUID",
}
_TYPE_WORDS = {
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_BOUNDS = {
    "minimum": "of at least",
    "exclusiveMinimum": "greater than",
    "maximum": "of at most",
    "exclusiveMaximum": "less than",
    "multipleOf": "that is a multiple of",
}


def describe_schema(schema: _Schema) -> str:
    """Describe *schema* in words, such as ``an integer from 10 to 5000``."""
    if "anyOf" in schema:
        return " or ".join(map(describe_schema, schema["anyOf"]))
    if (choices := list_choices(schema)) is not None:
        texts = [write_text(value) for value in choices]
        return texts[0] if len(texts) == 1 else f"one of {', '.join(texts)}"
    if "prefixItems" in schema:  # A tuple with a type for each position.
        words = [describe_schema(item) for item in schema["prefixItems"]]
        return f"{len(words)} values: {', '.join(words)}"
    if "items" in schema:
        return f"any number of values, each {describe_schema(schema['items'])}"
    if schema.get("type") in _TYPE_WORDS:
        return _TYPE_WORDS[schema["type"]] + _describe_bounds(schema)
    if schema.get("format") in _FORMAT_WORDS:
        return _FORMAT_WORDS[schema["format"]]
    pattern = f" that matches {schema['pattern']}" if "pattern" in schema else ""
    limit = schema.get("maxLength", MAX_VALUE_LENGTH)
    return f"text of at most {limit} characters{pattern}"


def _describe_bounds(schema: _Schema) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f" from {schema['minimum']} to {schema['maximum']}"
    bounds = [f"{words} {schema[k]}" for k, words in _BOUNDS.items() if k in schema]
    return " " + " and ".join(bounds) if bounds else ""


def list_choices(schema: _Schema) -> list[Any] | None:
    """Return the values of an ``enum`` or ``const``, or ``None`` if there is none."""
    if "const" in schema:
        return [schema["const"]]
    return schema.get("enum")


def fits_in_text(schema: _Schema, *, is_item: bool = False) -> bool:
    """Return whether a URL can express every value that *schema* accepts.

    :param is_item: whether the value is an item in a list, which can't be empty.
    """
    if schema.get("writeOnly"):  # All secrets have the same text, and so one key.
        return False
    if "anyOf" in schema:
        return all(fits_in_text(option, is_item=is_item) for option in schema["anyOf"])
    if (choices := list_choices(schema)) is not None:
        plain = str | int | float if is_item else str | int | float | None
        return all(isinstance(value, plain) for value in choices)
    if schema.get("type") == "array":
        items = schema.get("prefixItems") or [schema.get("items") or {}]
        return not is_item and all(fits_in_text(item, is_item=True) for item in items)
    # A path from a URL would let a client choose a file on the server.
    if schema.get("format") in ("path", "file-path", "directory-path"):
        return False
    if schema.get("type") == "null":
        return not is_item  # An empty text is not an item.
    return schema.get("type") in ("integer", "number", "boolean", "string")
