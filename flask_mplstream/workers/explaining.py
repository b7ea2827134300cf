"""Whose fault an error is: the URL's own mathtext, or a line of the user's code.

Flask side, in the process that renders, where the traceback still is.
"""

from __future__ import annotations

import inspect
import linecache
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any

from werkzeug.exceptions import HTTPException

from ..connections import note_pool_timeout
from ..errors import ArgumentFault, ArgumentsError, InnerFigureError, cut
from ..render import mathtext_of


def is_failure(error: Exception) -> bool:
    """Whether *error* is a fault, and no answer such as 404 (RFC 5861 section 4)."""
    if not isinstance(error, HTTPException):
        return True
    status = error.get_response().status_code
    return status >= 500


@contextmanager
def explained(
    function: Callable[..., object], from_url: Mapping[str, Any]
) -> Iterator[None]:
    """Blame the URL for its own mathtext; add the user's line to other errors.

    :param function: the figure function, whose lines are told.
    :param from_url: those of its arguments that a stranger chose.
    :raises ArgumentsError: where one of them is no mathtext.
    """
    try:
        yield
    except HTTPException:
        raise  # An answer, not a fault.
    except ArgumentsError as error:
        # Of another figure that this one asks for: not the client's fault.
        raise InnerFigureError(f"{function.__qualname__}: {error}") from error
    except Exception as error:
        fault = _mathtext_fault(error, from_url)
        if fault is not None:
            raise ArgumentsError([fault]) from error
        if line := _line_of(error, function):
            error.add_note(line)
        note_pool_timeout(error)
        raise


def _mathtext_fault(
    error: Exception, from_url: Mapping[str, Any]
) -> ArgumentFault | None:
    found = mathtext_of(error)
    if found is None or type(error) is RuntimeError:
        return None  # A RuntimeError is FreeType's: the text was read.
    for name, value in from_url.items():
        for text in [value] if isinstance(value, str) else _texts(value):
            # Matplotlib reads each line by itself.
            lines = text.split("\n")
            if any(line in found and _MARKUP.search(line) for line in lines):
                reason = f"Matplotlib cannot read it as mathtext: {_reason(error)}."
                return ArgumentFault(name, cut(text), reason, _ACCEPTED)
    return None


_MARKUP = re.compile(r"[$\\{}^_]")
_ACCEPTED = r"text whose parts between $ and $ are mathtext, and \$ for a dollar sign"


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list | set | tuple | frozenset) else []
    return [item for item in items if isinstance(item, str)]


#: What pyparsing puts around what it has to say.
_PARSER_WORDS = re.compile(r"^Parse\w*Exception: |\s*\(at char .*$")


def _reason(error: Exception) -> str:
    """The last line that says something; pyparsing draws an arrow above it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = _PARSER_WORDS.sub("", lines[-1]) if lines else ""
    return reason.rstrip(".") or type(error).__name__


def _line_of(error: Exception, function: Callable[..., object]) -> str:
    """The line of the user's own code in which *error* was raised, or nothing."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = code.co_filename if code else None
    found = ""
    for frame, number in walk_tb(error.__traceback__):
        if frame.f_code.co_filename == own:
            text = linecache.getline(own, number).strip()
            found = f"{frame.f_code.co_qualname}, line {number}: {text}"
    return found
