"""Find out whether the URL or the user's code caused an error in a render.

Flask side. This runs in the process that renders, because the traceback isn't available
anywhere else.
"""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from traceback import walk_tb
from types import FrameType
from typing import Any

from flask.ctx import _AppCtxGlobals
from werkzeug.exceptions import HTTPException

from ..errors import (
    ArgumentFault,
    ArgumentsError,
    ImageTooLargeError,
    InnerFigureError,
    cut,
)
from ..formats import Variant
from ..parameters.callables import find_plain_function, find_qualified_name
from ..rendering.untrusted_text import find_mathtext
from .database_connections import note_pool_timeout


def is_failure(error: Exception) -> bool:
    """Return whether *error* is a failure and not a response such as a 404.

    According to RFC 5861 section 4, an ``HTTPException`` is a failure if its status is
    500 or above.
    """
    if isinstance(error, HTTPException):
        return error.get_response().status_code >= 500
    return True


@contextmanager
def explain_errors(
    function: Callable[..., object], from_url: Mapping[str, Any]
) -> Iterator[None]:
    """Turn invalid mathtext from the URL into an argument error; else add notes.

    The notes show the line of the user's code that failed and how to fix it.

    :param function: the figure function.
    :param from_url: its arguments from the URL.
    :raises ArgumentsError: if one of them isn't valid mathtext.
    :raises InnerFigureError: for an ``ArgumentsError`` of a figure that *function*
        requested, which is not the client's fault.
    """
    try:
        yield
    except HTTPException:
        raise  # An answer, not a failure.
    except ArgumentsError as error:
        raise InnerFigureError(f"{find_qualified_name(function)}: {error}") from error
    except Exception as error:
        fault = _find_mathtext_fault(error, from_url)
        if fault is not None:
            raise ArgumentsError([fault]) from error
        line = _find_user_line(error, function)
        hints = _find_inject_hint(error, line, function), _find_thread_hint(error)
        for note in (line, *hints):
            if note:
                error.add_note(note)
        note_pool_timeout(error)
        raise


@contextmanager
def explain_size(chosen: Mapping[str, Any], variant: Variant) -> Iterator[None]:
    """Raise an argument error if the URL is the reason why a picture is too large.

    :param chosen: the arguments that differ from their defaults. If there are none,
        and the variant's scale or width is not the cause, the error is the app's and
        is not changed.
    :raises ArgumentsError: with each of these arguments, or the scale or width.
    """
    try:
        yield
    except ImageTooLargeError as error:
        if error.is_scaled:
            width_px = variant.width_px
            chosen = {"_width": width_px} if width_px else {"_scale": variant.scale}
        if not chosen:
            raise
        problem, _, fix = str(error).partition(". ")
        reason, accepted = f"{problem.removesuffix('.')}.", "one for a smaller picture"
        refusal = ArgumentsError(
            [
                ArgumentFault(name, cut(str(value)), reason, accepted, hint=fix)
                for name, value in chosen.items()
            ]
        )
        refusal.is_over_max_bytes = error.is_over_max_bytes
        raise refusal from error


def _find_mathtext_fault(
    error: Exception, from_url: Mapping[str, Any]
) -> ArgumentFault | None:
    found = find_mathtext(error)
    if found is None or type(error) is RuntimeError:
        return None  # A RuntimeError is FreeType's: the text is valid mathtext.
    for name, value in from_url.items():
        for text in [value] if isinstance(value, str) else _list_texts(value):
            # Matplotlib parses each line separately.
            lines = text.split("\n")
            if any(line in found and _MARKUP.search(line) for line in lines):
                reason = (
                    f"Matplotlib cannot read it as mathtext: {_read_reason(error)}."
                )
                return ArgumentFault(name, cut(text), reason, _ACCEPTED)
    return None


_MARKUP = re.compile(r"[$\\{}^_]")
_ACCEPTED = r"text whose parts between $ and $ are mathtext, and \$ for a dollar sign"


def _list_texts(value: object) -> list[str]:
    items = value if isinstance(value, list | set | tuple | frozenset) else []
    return [item for item in items if isinstance(item, str)]


#: The prefix and suffix of pyparsing's messages.
_PARSER_WORDS = re.compile(r"^Parse\w*Exception: |\s*\(at char .*$")


def _read_reason(error: Exception) -> str:
    """Return the last line that isn't blank, below the arrow that pyparsing draws."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = _PARSER_WORDS.sub("", lines[-1]) if lines else ""
    return reason.rstrip(".") or type(error).__name__


def _find_inject_hint(
    error: Exception, line: str, function: Callable[..., object]
) -> str:
    """Return how to pass a value from the request if *error* is due to its absence.

    :param line: the result of :func:`_find_user_line`.
    """
    missed = error.obj if isinstance(error, AttributeError) else error
    is_user = missed is None and "current_user" in line
    is_request = "Working outside of request context" in str(error)
    if not (is_user or is_request or isinstance(missed, _AppCtxGlobals)):
        return ""
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if not line and _is_in_decorator(function, frames):
        return (
            "A decorator below @figure_route has no request, and does not run for a "
            "cached picture. Pass it to the route as decorators=[…]."
        )
    if any(_TRANSLATORS.search(f.f_globals.get("__name__", "")) for f in frames):
        return (
            "A figure function has no request, so its language is unknown. Pass it "
            "with inject={'language': lambda: str(get_locale())}, and translate in "
            "`with force_locale(language):`."
        )
    return (
        "A figure function has no request, session, user or g. Pass the value with "
        "inject={'name': lambda: …}, and add a parameter `name`."
    )


_OF_A_THREAD = re.compile(r"created in a thread can only|main thread of the main inter")


def _find_thread_hint(error: Exception) -> str:
    """Return the fix if *error* was raised for an object from another thread."""
    if not _OF_A_THREAD.search(str(error)):
        return ""
    return (
        "A picture is rendered in a separate thread. Open the connection in the figure "
        "function or in load, or with check_same_thread=False."
        if "SQLite" in str(error)
        else "A picture is rendered in a separate thread, which receives no signals."
    )


def _is_in_decorator(function: Callable[..., object], frames: list[FrameType]) -> bool:
    """Return whether *frames* end in a decorator and not in the figure function."""
    plain = find_plain_function(function)
    code = getattr(plain, "__code__", None)
    return plain is not function and all(frame.f_code is not code for frame in frames)


_TRANSLATORS = re.compile("babel|gettext")


def _find_user_line(error: Exception, function: Callable[..., object]) -> str:
    """Return the last line in the traceback that is in the user's file, or ``""``."""
    code = getattr(find_plain_function(function), "__code__", None)
    own = code.co_filename if code else None
    found = ""
    for frame, number in walk_tb(error.__traceback__):
        if frame.f_code.co_filename == own:
            text = linecache.getline(own, number).strip()
            found = f"{frame.f_code.co_qualname}, line {number}: {text}"
    return found
