"""The headers of a picture: caching, cache status, timing, security, file name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from werkzeug.http import dump_options_header, http_date

from ..formats import ImageFormat
from ..rendered_image import RenderedImage
from .cache_control import Policy, UrlVersion
from .cache_status import CacheStatus
from .conditional_requests import Outcome

Headers = list[tuple[str, str]]


class RecentHeaders:
    """The headers of a stored picture's hits, each reused for a second.

    They depend on the age in whole seconds, and on the URL and the status.
    """

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: dict[Hashable, tuple[int, Headers]] = {}

    def find(self, key: Hashable, age_s: int) -> Headers | None:
        """Return the headers for *key* at *age_s*, if they were kept."""
        made = self._made.get(key)
        return made[1] if made is not None and made[0] == age_s else None

    def keep(self, key: Hashable, age_s: int, headers: Headers) -> None:
        """Keep *headers* in place of those at another age."""
        self._made[key] = age_s, headers


class Presentation(NamedTuple):
    """The presentation of a picture by one URL; another URL may differ."""

    #: File name without extension.
    stem: str
    #: Whether ``Accept`` chose the format.
    is_negotiated: bool = False
    #: Whether the browser saves the picture instead of showing it.
    is_download: bool = False
    #: Whether the response has the alternative text in a header.
    has_words: bool = False


def make_age_headers(
    policy: Policy,
    age_s: int,
    status: CacheStatus,
    version: UrlVersion,
    *,
    timings_s: Sequence[tuple[str, float]] = (),
    url_ends_in_s: int | None = None,
) -> Headers:
    """Return ``Cache-Control``, ``Cache-Status`` and ``Server-Timing``.

    :param timings_s: steps of the render in seconds; for a hit, of the earlier
        render, or empty to omit them.
    :param url_ends_in_s: seconds until the URL expires; ``None`` for never.
    """
    if status.is_fallback:
        # A recent entry may still be older than the URL's version of the data.
        age_s, version = max(age_s, policy.max_age), UrlVersion.ABSENT
    control = policy.format_cache_control(age_s, version, url_ends_in_s)
    timing = (
        format_server_timing(timings_s)
        if status.is_new
        else format_hit_timing(timings_s)
    )
    headers = [("Cache-Control", control), ("Cache-Status", str(status))]
    return [*headers, ("Server-Timing", timing)] if timing else headers


#: A picture opened directly may not run scripts, load anything or submit forms.
POLICY_PIXELS = "default-src 'none'; sandbox"
#: An SVG has style attributes for its colors and embeds pixels as ``data:`` URIs.
_POLICY_SVG = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def _choose_security_policy(format: ImageFormat) -> str | None:
    if format.name == "pdf":
        return None  # Browsers do not show a sandboxed PDF.
    return _POLICY_SVG if format.name == "svg" else POLICY_PIXELS


def make_validator_headers(
    etag: str, policy: Policy, presentation: Presentation
) -> Headers:
    """Return ``ETag`` and ``Vary``, for a 200, 206 or 304 (RFC 9110, 15.4.5)."""
    headers = [("ETag", etag)]
    # Two logins in one browser have different private pictures.
    vary = ["Accept"] if presentation.is_negotiated else []
    vary += ["Cookie", "Authorization"] if policy.is_private else []
    if vary:
        headers.append(("Vary", ", ".join(vary)))
    return headers


def make_picture_headers(
    image: RenderedImage,
    stored_at: float,
    policy: Policy,
    presentation: Presentation,
) -> Headers:
    """Return the headers that stay the same while the picture is stored.

    :param stored_at: Unix time of the render.
    """
    disposition = "attachment" if presentation.is_download else "inline"
    headers = [
        ("Content-Type", image.format.content_type),
        *([] if policy.is_private else [("Last-Modified", http_date(stored_at))]),
        ("Accept-Ranges", "bytes"),
        (
            "Content-Disposition",
            format_content_disposition(disposition, presentation.stem, image.format),
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", policy.resource_policy),
    ]
    security = _choose_security_policy(image.format)
    return [*headers, ("Content-Security-Policy", security)] if security else headers


_UNSAFE_IN_NAME = re.compile(r"[^\w.-]+")


def make_file_stem(*words: str) -> str:
    """Join *words* to a file name without extension: 1-80 letters, digits, ``._-``."""
    stem = _UNSAFE_IN_NAME.sub("-", "-".join(filter(None, words)))[:80].strip(".-_")
    return stem or "figure"


def format_content_disposition(disposition: str, stem: str, format: ImageFormat) -> str:
    """Return ``Content-Disposition`` (RFC 6266); ``filename*`` if needed (RFC 8187)."""
    name = f"{stem}.{format.name}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return dump_options_header(disposition, {"filename": name})
    safe = f"{make_file_stem(plain.rpartition('.')[0])}.{format.name}"
    extended = f"UTF-8''{quote(name, safe='')}"
    return dump_options_header(disposition, {"filename": safe, "filename*": extended})


#: Headers of a document about figures, which caches revalidate before each use.
DOCUMENT_HEADERS = [
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", POLICY_PIXELS),
]


#: The steps of a render in order, with their descriptions.
STEPS = {
    "load": "load data",
    "wait": "wait for a turn",
    "build": "figure function",
    "keep": "copy to keep",
    "copy": "copy of a kept figure",
    "layout": "layout",
    "draw": "draw",
    "encode": "encode",
}


def format_server_timing(timings_s: Sequence[tuple[str, float]]) -> str:
    """Return ``Server-Timing`` for the steps of a render, in milliseconds."""
    return ", ".join(
        f'{step};desc="{STEPS[step]}";dur={seconds * 1e3:.1f}'
        for step, seconds in timings_s
    )


def format_hit_timing(timings_s: Sequence[tuple[str, float]] = ()) -> str:
    """Return ``Server-Timing`` for a hit, with the steps of the earlier render."""
    steps = [
        f"was-{part}" for part in format_server_timing(timings_s).split(", ") if part
    ]
    return ", ".join([HIT_TIMING, *steps])


HIT_TIMING = 'cache;desc="hit";dur=0'


def format_content_range(part: Outcome | None, length: int) -> tuple[str, str]:
    """Return ``Content-Range`` of a 206; without *part*, of a 416 (RFC 9110, 14.4)."""
    if part is None:
        return "Content-Range", f"bytes */{length}"
    return "Content-Range", f"bytes {part.start}-{(part.stop or length) - 1}/{length}"
