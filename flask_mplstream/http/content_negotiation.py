"""The choice of a format by ``Accept`` (RFC 9110 section 12.5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from werkzeug.http import parse_accept_header

from ..formats import ImageFormat

#: Limit for an ``Accept`` header, in characters.
MAX_ACCEPT_LENGTH = 8192


def negotiate(accept: str | None, formats: Sequence[ImageFormat]) -> ImageFormat | None:
    """Return the format that an ``Accept`` header prefers (section 12.5.1).

    The most specific range gives the quality of a format. The highest quality
    wins, and a tie goes to the earlier of *formats*. A wildcard matches raster
    formats and the first of *formats*; any other SVG, PDF or data format must be
    named. A header that accepts HTML comes from an address bar, which can show any
    format: it gets the first one, unless the header refuses that.

    :param accept: value of the header; ``None`` or a value over
        :data:`MAX_ACCEPT_LENGTH` accepts anything.
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
