"""The query string of a URL."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from ..errors import ArgumentFault, ArgumentsError
from ..parameters.reserved import WRITABLE_WORDS

#: Limit for a query string, in characters.
MAX_QUERY_LENGTH = 8192
#: Limit for the number of arguments in a query string.
MAX_ARGUMENTS = 200


def parse_query(query_string: str) -> list[tuple[str, str]]:
    """Parse a WSGI ``QUERY_STRING`` into percent-decoded names and values.

    Bytes that are not UTF-8 become U+FFFD.

    :raises ArgumentsError: if the query string is too long or has too many
        arguments.
    """
    if len(query_string) > MAX_QUERY_LENGTH:
        raise _make_length_error(f"at most {MAX_QUERY_LENGTH} characters in total")
    text = query_string.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError:
        raise _make_length_error(f"at most {MAX_ARGUMENTS} arguments") from None


def _make_length_error(accepted: str) -> ArgumentsError:
    fault = ArgumentFault("(query)", None, "The query string is too long.", accepted)
    return ArgumentsError([fault])


#: Names that forms, jQuery, mailings and advertisements add to a query.
_ADDED = re.compile(
    r"_|submit|csrf_?token|utm_\w+|[a-z]{1,6}clid|_g[al]|mc_[ce]id|_hs\w+",
    re.IGNORECASE,
)


def explain_unknown(fault: ArgumentFault) -> ArgumentFault:
    """Add a hint or the nearest reserved name to the fault of an unknown argument."""
    if not fault.is_unknown:
        return fault
    if fault.name in ("format", "_format"):
        hint = "The format is the extension of the path, such as .svg."
        return replace(fault, nearest=None, hint=hint)
    is_added = _ADDED.fullmatch(fault.name) is not None
    found = replace(fault, nearest=None) if is_added else fault
    found = found.suggest_reserved(WRITABLE_WORDS)
    if found.nearest:
        return found
    hint = "Remove it, or set MPLSTREAM_UNKNOWN_ARGS = 'ignore' in the app."
    return replace(found, hint=hint)


def make_sibling_url(path: str, suffix: str, new_suffix: str, query: str) -> str:
    """Return the URL of *path* with *new_suffix* and the same query, without a host.

    :param path: path of a request, percent-decoded.
    :param query: WSGI ``QUERY_STRING``.
    """
    # A reference that starts with two slashes names a host (RFC 3986 section 4.2).
    stem = path.lstrip("/").removesuffix(suffix)
    reference = f"/{quote(stem)}{quote(new_suffix)}"
    kept = quote(query.encode("latin-1", "replace"), safe="!$&'()*+,/:;=?@%-._~")
    return f"{reference}?{kept}" if kept else reference
