"""Reading a request: the query string and ``Accept`` (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from werkzeug.http import (
    parse_accept_header,
)

from ..errors import (
    ArgumentFault,
    ArgumentsError,
)
from ..image import ImageFormat

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


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """The one of *formats* that an ``Accept`` header prefers (section 12.5.1).

    The most specific range decides a format's quality, the highest quality
    wins, and ties go to the order of *formats*. A wildcard stands for pixels:
    SVG, PDF and data are chosen only where they are named, or where the route
    names one of them first.

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
    best, best_quality = None, 0.0
    for format in formats:
        quality = _quality(format, qualities, is_default=format is formats[0])
        if quality > best_quality:
            best, best_quality = format, quality
    return best


def _quality(
    format: ImageFormat, qualities: Mapping[str, float], *, is_default: bool
) -> float:
    if format.mimetype in qualities:
        return qualities[format.mimetype]
    if not format.is_raster and not is_default:
        return 0.0
    family = format.mimetype.partition("/")[0]
    return qualities.get(f"{family}/*", qualities.get("*/*", 0.0))
