"""Choose a format based on ``Accept`` (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from werkzeug.http import parse_accept_header

from ..formats import ImageFormat

#: Limit for an ``Accept`` header, in characters.
MAX_ACCEPT_LENGTH = 8192


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """Return the format that an ``Accept`` header prefers (section 12.5.1).

    The quality of a format is determined by the most specific range that matches it.
    The format with the highest quality is used, or the first of them in *formats*. A
    wildcard only matches raster formats and the first of *formats*. All other SVG, PDF
    and data formats must be listed explicitly. If a header accepts HTML, the request
    comes from an address bar. Browsers can show any format there, so the first one is
    used unless the header rejects it.

    :param accept: the value of the header. Anything is accepted if it is ``None`` or
        longer than :data:`MAX_ACCEPT_LENGTH`.
    :return: ``None`` if no format is acceptable.
    """
    if not accept or not accept.strip() or len(accept) > MAX_ACCEPT_LENGTH:
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
