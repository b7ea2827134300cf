"""Reading a request: the query string and ``Accept`` (RFC 9110 section 12.5.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, quote

from werkzeug.http import (
    parse_accept_header,
)

from ..errors import (
    ArgumentFault,
    ArgumentsError,
)
from ..formats import ImageFormat

#: Characters of a query string, and of an ``Accept`` header, that are read.
MAX_HEADER_LENGTH = 8192
#: Arguments that a query string may have.
MAX_ARGUMENTS = 200


def parse_query(query_string: str) -> list[tuple[str, str]]:
    """Names and texts of a WSGI ``QUERY_STRING``, percent-decoded.

    Bytes that are no UTF-8 become U+FFFD instead of an exception.

    :raises ArgumentsError: where it is too long to read.
    """
    if len(query_string) > MAX_HEADER_LENGTH:
        raise _too_long(f"at most {MAX_HEADER_LENGTH} characters in all")
    text = query_string.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_ARGUMENTS)
    except ValueError:
        raise _too_long(f"at most {MAX_ARGUMENTS} arguments") from None


def _too_long(accepted: str) -> ArgumentsError:
    fault = ArgumentFault("(query)", None, "The query string is too long.", accepted)
    return ArgumentsError([fault])


#: Words of the package that a query may hold.
_IN_A_QUERY = ("_download", "_scale", "_theme", "_width")
#: Names that forms, jQuery, mail and advertising add to a query, and no figure reads.
_ADDED = re.compile(
    r"_|submit|csrf_?token|utm_\w+|[a-z]{1,6}clid|_g[al]|mc_[ce]id|_hs\w+",
    re.IGNORECASE,
)


def explain_unknown(fault: ArgumentFault) -> ArgumentFault:
    """Return *fault* with a hint if the name of the argument is not known."""
    if not fault.is_unknown:
        return fault
    if fault.name in ("format", "_format"):
        hint = "The format is the extension of the path, such as .svg."
        return replace(fault, nearest=None, hint=hint)
    is_added = _ADDED.fullmatch(fault.name) is not None
    found = replace(fault, nearest=None) if is_added else fault
    found = found.suggest_reserved(_IN_A_QUERY)
    if found.nearest:
        return found
    hint = "Leave it out, or have the app set MPLSTREAM_UNKNOWN_ARGS = 'ignore'."
    return replace(found, hint=hint)


def sibling(path: str, suffix: str, new_suffix: str, query: str) -> str:
    """Return the URL of *path* with another suffix, and its query, on the same host.

    :param path: path of a request, percent-decoded.
    :param query: WSGI ``QUERY_STRING``.
    """
    # Two slashes in front would begin a host (RFC 3986 section 4.2).
    stem = path.lstrip("/").removesuffix(suffix)
    reference = f"/{quote(stem)}{quote(new_suffix)}"
    kept = quote(query.encode("latin-1", "replace"), safe="!$&'()*+,/:;=?@%-._~")
    return f"{reference}?{kept}" if kept else reference


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """The one of *formats* that an ``Accept`` header prefers (section 12.5.1).

    The most specific range decides a format's quality, the highest quality
    wins, and ties go to the order of *formats*. A wildcard stands for pixels:
    SVG, PDF and data are chosen only where they are named, or where the route
    names one of them first. A header that accepts HTML comes from an address bar,
    which shows every format, and gets the first.

    :param accept: the header's value; ``None``, and one too long to be a
        browser's, accepts anything.
    :return: ``None`` where nothing is acceptable.
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
        return formats[0]  # An address bar: no image is preferred.
    best, best_quality = None, 0.0
    for format in formats:
        quality = _quality(format, qualities, is_default=format is formats[0])
        if quality > best_quality:
            best, best_quality = format, quality
    return best


def _is_refused(format: ImageFormat, qualities: Mapping[str, float]) -> bool:
    """Whether the most specific range that *format* falls under has quality 0."""
    family = format.mimetype.partition("/")[0]
    ranges = (format.mimetype, f"{family}/*", "*/*")
    return next((not qualities[r] for r in ranges if r in qualities), False)


def _quality(
    format: ImageFormat, qualities: Mapping[str, float], *, is_default: bool
) -> float:
    if format.mimetype in qualities:
        return qualities[format.mimetype]
    if not format.is_raster and not is_default:
        return 0.0
    family = format.mimetype.partition("/")[0]
    return qualities.get(f"{family}/*", qualities.get("*/*", 0.0))
