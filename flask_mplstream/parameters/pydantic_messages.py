"""Readable reasons for pydantic's validation errors.

Values layer. This module only imports pydantic. The sentences don't mention any bounds,
because the complete message also lists the accepted values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

#: Prefix of pydantic's error type -> reason; the first matching prefix wins.
_REASONS: Mapping[str, str] = {
    "literal_error": "It is not one of the choices",
    "enum": "It is not one of the choices",
    "greater_than": "It is too small",
    "less_than": "It is too large",
    "multiple_of": "It is not a multiple of the step",
    "finite_number": "It is not a finite number",
    "int_parsing_size": "It has too many digits",
    "int_from_float": "It is not an integer",
    "int": "It is not an integer",
    "float": "It is not a number",
    "decimal": "It is not a decimal number",
    "bool": "It is neither true nor false",
    "string_too_short": "It is too short",
    "string_too_long": "It is too long",
    "string_pattern_mismatch": "It does not match the pattern",
    "string": "It is not text",
    "too_short": "It has too few values",
    "too_long": "It has too many values",
    "missing": "A value is missing",
    "model": "It is not an object",
    "dict": "It is not an object",
    "unexpected_positional_argument": "It has too many values",
    "list": "It is not a list",
    "tuple": "It is not a list",
    "set": "It is not a list",
    "frozen_set": "It is not a list",
    "date_past": "It is not in the past",
    "date_future": "It is not in the future",
    "datetime_past": "It is not in the past",
    "datetime_future": "It is not in the future",
    "timezone_naive": "It has a time zone",
    "timezone_aware": "It has no time zone",
    "timezone_offset": "It has another time zone",
    "datetime": "It is not a date and time",
    "date": "It is not a date",
    "time_delta": "It is not a duration",
    "time": "It is not a time",
    "uuid": "It is not a UUID",
    "url": "It is not a URL",
    "none_required": "It is not empty",
}
#: Prefixes that pydantic adds to a validator's message.
_PREFIXES = ("Value error, ", "Assertion failed, ")
_PYDANTICS_OWN = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}


def explain_fault(fault: ErrorDetails | Mapping[str, Any]) -> str:
    """Return a sentence that explains why *fault* was raised.

    If a custom validator raised it, its message is used.
    """
    kind, message = fault["type"], fault["msg"]
    if kind in _PYDANTICS_OWN:
        found = (text for begin, text in _REASONS.items() if kind.startswith(begin))
        return f"{next(found, 'It cannot be read')}."
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return f"{' '.join(message.split()).rstrip('.')}."
