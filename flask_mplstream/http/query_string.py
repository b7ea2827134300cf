"""Parsing of the query string and of ``Accept`` (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from werkzeug.http import parse_accept_header

from ..errors import ArgumentFault, ArgumentsError
from ..formats import ImageFormat
from ..parameters.reserved import WRITABLE_WORDS

#: Limit for a query string and for an ``Accept`` header, in characters.
MAX_HEADER_LENGTH = 8192
#: Limit for the number of arguments in a query string.
MAX_ARGUMENTS = 200


def parse_query(query_string: str) -> list[tuple[str, str]]:
    """Parse a WSGI ``QUERY_STRING`` into percent-decoded names and values.

    Bytes that are not UTF-8 become U+FFFD.

    :raises ArgumentsError: if the query string is too long or has too many
        arguments.
    """
    if len(query_string) > MAX_HEADER_LENGTH:
        raise _make_length_error(f"at most {MAX_HEADER_LENGTH} characters in all")
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
    hint = "Leave it out, or have the app set MPLSTREAM_UNKNOWN_ARGS = 'ignore'."
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


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """Return the format that an ``Accept`` header prefers (section 12.5.1).

    The most specific range gives the quality of a format. The highest quality
    wins, and a tie goes to the earlier of *formats*. A wildcard matches raster
    formats and the first of *formats*; any other SVG, PDF or data format must be
    named. A header that accepts HTML comes from an address bar, which can show any
    format: it gets the first one, unless the header refuses that.

    :param accept: value of the header; ``None`` or a value over
        :data:`MAX_HEADER_LENGTH` accepts anything.
    :return: ``None`` if no format is acceptable.
    """
    if not accept or not accept.strip() or len(accept) > MAX_HEADER_LENGTH:
        return formats[0]
    qualities = {
        value.partition(";")[0].strip().lower(): quality
        for value, quality in reversed(list(parse_accept_header(accept)))
    }
    if not qualities:
        return formats[0]
    if qualities.get("text/html") and not _is_refused(formats[0], qualities):
        return formats[0]  # An address bar has no preference among images.
    best, best_quality = None, 0.0
    for format in formats:
        quality = _find_quality(format, qualities, is_default=format is formats[0])
        if quality > best_quality:
            best, best_quality = format, quality
    return best


def _is_refused(format: ImageFormat, qualities: Mapping[str, float]) -> bool:
    """Return whether the most specific range that matches *format* has quality 0."""
    family = format.mimetype.partition("/")[0]
    ranges = (format.mimetype, f"{family}/*", "*/*")
    return next((not qualities[r] for r in ranges if r in qualities), False)


def _find_quality(
    format: ImageFormat, qualities: Mapping[str, float], *, is_default: bool
) -> float:
    if format.mimetype in qualities:
        return qualities[format.mimetype]
    if not format.is_raster and not is_default:
        return 0.0
    family = format.mimetype.partition("/")[0]
    return qualities.get(f"{family}/*", qualities.get("*/*", 0.0))
