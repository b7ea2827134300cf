"""JSON Schema (2020-12) of what a URL can say.

Values layer: the standard library. pydantic writes the schema of a type; here it
becomes the schema of the texts that mean it. Every definition stands where it is
used, so that schemas of several figures can be put into one document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Schema = dict[str, Any]

#: Formats whose texts are short by themselves, and never empty.
_SHORT_FORMATS = ("date", "date-time", "time", "duration", "uuid")

#: A day that there is, as a pattern: by the length of its month, or in a leap year.
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
#: What stands for a format that demands a time zone (RFC 3339, section 5.6).
_MAYBE_ZONED = {
    "date-time": f"^{_DAY}T{_CLOCK}{_MAYBE_ZONE}$",
    "time": f"^{_CLOCK}{_MAYBE_ZONE}$",
}


@dataclass(frozen=True, slots=True)
class Sayable:
    """What the texts of one parameter can say, whatever its type."""

    #: Characters of one text where the type has no limit of its own.
    max_length: int
    #: Values of a repeated parameter, likewise.
    max_values: int
    #: Whether there is a text for ``None``.
    has_null: bool
    #: Whether the empty text is a value of its own.
    has_empty: bool
    #: Whether a date and time has to have a time zone.
    wants_zone: bool

    @property
    def in_a_list(self) -> Sayable:
        """The same for an item: an empty text is none."""
        return replace(self, has_empty=False)


def resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """*schema* with what it refers to in *defs*; what stands beside that wins."""
    if "$ref" not in schema:
        return schema
    referred = defs[schema["$ref"].rpartition("/")[2]]
    return {**referred, **{k: v for k, v in schema.items() if k != "$ref"}}


def sayable_schema(
    schema: Mapping[str, Any], defs: Mapping[str, Any], sayable: Sayable
) -> _Schema:
    """The part of *schema* that can be said, with the limits that pydantic omits."""
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
    """*own* with any of *options*; a single one needs no ``anyOf``."""
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
    """Whether JSON has *value*: it has neither an infinity nor a nan."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
