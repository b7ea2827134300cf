"""JSON Schema (2020-12) of the values that a URL can express.

Values layer: the standard library. pydantic writes the schema of a type; this module
narrows it to the values that have a text in a URL. Definitions are inlined, so one
document can contain the schemas of several figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"

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


@dataclass(frozen=True, slots=True)
class Sayable:
    """Limits of the texts of one parameter that are independent of its type."""

    #: Maximum characters of one text if the type sets no limit.
    max_length: int
    #: Maximum values of a repeated parameter if the type sets no limit.
    max_values: int
    #: Whether a text for ``None`` exists.
    has_null: bool
    #: Whether the empty text is a value.
    has_empty: bool
    #: Whether a date and time requires a time zone.
    wants_zone: bool

    @property
    def in_a_list(self) -> Sayable:
        """The same limits for an item of a list, which cannot be empty."""
        return replace(self, has_empty=False)


def resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return *schema* with its ``$ref`` to *defs* inlined; sibling keys win."""
    if "$ref" not in schema:
        return schema
    referred = defs[schema["$ref"].rpartition("/")[2]]
    return {**referred, **{k: v for k, v in schema.items() if k != "$ref"}}


def sayable_schema(
    schema: Mapping[str, Any], defs: Mapping[str, Any], sayable: Sayable
) -> _Schema:
    """Narrow *schema* to values with a text, and add the limits that pydantic omits."""
    own = {k: v for k, v in resolved(schema, defs).items() if k != "$defs"}
    if "anyOf" in own:
        options = [
            sayable_schema(option, defs, sayable)
            for option in own.pop("anyOf")
            if sayable.has_null or option.get("type") != "null"
        ]
        return union(options, own)
    if "enum" in own and not sayable.has_empty:
        return own | {"enum": [value for value in own["enum"] if value != ""]}
    if "enum" in own or "const" in own:
        return own
    match own["type"]:
        case "string" if own.get("format") not in _SHORT_FORMATS:
            least = {} if sayable.has_empty else {"minLength": 1}
            return {"maxLength": sayable.max_length, **least, **own}
        case "string" if own["format"] in _MAYBE_ZONED and not sayable.wants_zone:
            return {"pattern": _MAYBE_ZONED[own.pop("format")], **own}
        case "array":
            return _array(own, defs, sayable)
    return own


def union(options: Sequence[_Schema], own: _Schema) -> _Schema:
    """Add *options* to *own*: as ``anyOf``, or inlined if there is only one."""
    return {**options[0], **own} if len(options) == 1 else {"anyOf": options, **own}


def _array(own: _Schema, defs: Mapping[str, Any], sayable: Sayable) -> _Schema:
    within = sayable.in_a_list
    if "items" in own:
        own["items"] = sayable_schema(own["items"], defs, within)
    if "prefixItems" in own:
        own["prefixItems"] = [
            sayable_schema(item, defs, within) for item in own["prefixItems"]
        ]
    return {"maxItems": sayable.max_values, **own}


def is_json(value: Any) -> bool:
    """Return whether JSON can represent *value*, which excludes infinity and NaN."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
