"""The headers of a picture: who may keep it, how long, how it was come by."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from urllib.parse import quote

from werkzeug.http import (
    dump_options_header,
    http_date,
)

from ..formats import ImageFormat, RenderedImage
from .conditional_requests import Outcome

#: Name of this cache in ``Cache-Status``.
CACHE_NAME = "flask-mplstream"

Headers = list[tuple[str, str]]


class Presentation(NamedTuple):
    """How one URL shows a picture; the same picture may be shown several ways."""

    #: Name without extension for saving the picture.
    stem: str
    #: Whether ``Accept`` chose the format.
    is_negotiated: bool = False
    #: Whether the browser shall save it instead of showing it.
    is_download: bool = False


class Freshness(Enum):
    """What a URL says of how long its picture stays the same."""

    #: Nothing: as long as ``max_age``.
    BY_AGE = "by age"
    #: It names the data's current version, and its user if there is one (RFC 8246).
    IMMUTABLE = "immutable"
    #: It names another version: the current picture is sent, to be asked for
    #: again soon.
    OUTDATED = "outdated"

    @classmethod
    def of(cls, named: str, current: str) -> Freshness:
        """From the version that the URL names and the current one."""
        if not named or not current:
            return cls.BY_AGE
        return cls.IMMUTABLE if named == current else cls.OUTDATED


#: Of a picture that depends on a person: the browser keeps it, and asks each time
#: before it shows it. Browsers' memory caches ignore ``Vary``.
PRIVATE = "private, no-cache"
YEAR_S = 31_536_000
_IMMUTABLE = f"max-age={YEAR_S}, immutable"
#: Of such a picture under a URL that is that person's alone.
PERSONAL = f"private, {_IMMUTABLE}"
#: Seconds that the picture of an outdated version URL may be kept.
OUTDATED_S = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may keep a picture, for how long, and who may embed it."""

    #: Seconds that a picture is fresh.
    max_age: int
    is_private: bool = False
    resource_policy: str = "same-origin"
    #: Seconds after ``max_age`` (RFC 5861).
    stale_while_revalidate: int = 0
    stale_if_error: int = 0

    def cache_control(self, age: int) -> str:
        """Return ``Cache-Control`` of a picture that is *age* seconds old."""
        return PRIVATE if self.is_private else ", ".join(self._freshness(age))

    def _freshness(self, age: int) -> Iterator[str]:
        over = max(age - self.max_age, 0)
        remaining, window = max(self.max_age - age, 0), self.stale_while_revalidate
        if not remaining and over >= window:
            yield "no-cache"
            return
        yield f"max-age={remaining}"
        if window:
            yield f"stale-while-revalidate={window - over}"
        if self.stale_if_error > over:
            yield f"stale-if-error={self.stale_if_error - over}"

    def age_headers(
        self,
        age_s: int,
        freshness: Freshness,
        *,
        fwd: str | None = None,
        is_stored: bool = False,
        is_collapsed: bool = False,
        is_fallback: bool = False,
        timings_s: Sequence[tuple[str, float]] = (),
        url_ends_in_s: int | None = None,
    ) -> Headers:
        """How long a picture may be kept, how it was come by, what that took.

        :param timings_s: of the render; for a hit, of the one that is told of.
        :param url_ends_in_s: seconds after which the URL is not served any more.
        """
        if is_fallback:
            # It may be young, and is of older data than the URL names.
            age_s, freshness = max(age_s, self.max_age), Freshness.BY_AGE
        control = self._control(age_s, freshness, url_ends_in_s)
        status = cache_status(
            fwd=fwd,
            fwd_status=500 if is_fallback else None,
            is_stored=is_stored,
            is_collapsed=is_collapsed,
            ttl_s=None if fwd else self.max_age - age_s,
        )
        is_hit = fwd is None or is_fallback
        timing = hit_timing(timings_s) if is_hit else server_timing(timings_s)
        headers = [("Cache-Control", control), ("Cache-Status", status)]
        return [*headers, ("Server-Timing", timing)] if timing else headers

    def _control(
        self, age_s: int, freshness: Freshness, url_ends_in_s: int | None
    ) -> str:
        remaining = max(self.max_age - age_s, 0)
        match freshness:
            case Freshness.IMMUTABLE if url_ends_in_s is None:
                return PERSONAL if self.is_private else _IMMUTABLE
            case _ if self.is_private:
                return PRIVATE
            case _ if url_ends_in_s is not None:
                return f"max-age={min(remaining, url_ends_in_s)}"
            case Freshness.OUTDATED:
                return f"max-age={min(remaining, OUTDATED_S)}"
        return self.cache_control(age_s)


#: Nothing in the picture may run, load or submit when it is opened directly.
POLICY_PIXELS = "default-src 'none'; sandbox"
#: SVG colours by style attributes and embeds pixels as data: URIs.
_POLICY_SVG = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"


def _content_security_policy(format: ImageFormat) -> str | None:
    if format.name == "pdf":
        return None  # Browsers refuse to show a sandboxed PDF at all.
    return _POLICY_SVG if format.name == "svg" else POLICY_PIXELS


def validator_headers(etag: str, policy: Policy, presentation: Presentation) -> Headers:
    """What a 200, 206 and 304 share (section 15.4.5), ``Cache-Control`` aside."""
    headers = [("ETag", etag)]
    # A private picture is another one for another login in the same browser.
    vary = ["Accept"] if presentation.is_negotiated else []
    vary += ["Cookie", "Authorization"] if policy.is_private else []
    if vary:
        headers.append(("Vary", ", ".join(vary)))
    return headers


def picture_headers(
    image: RenderedImage,
    stored_at: float,
    policy: Policy,
    presentation: Presentation,
) -> Headers:
    """What describes a picture and never changes while it is kept.

    :param stored_at: Unix time at which it was made.
    """
    disposition = "attachment" if presentation.is_download else "inline"
    headers = [
        ("Content-Type", image.format.content_type),
        *([] if policy.is_private else [("Last-Modified", http_date(stored_at))]),
        ("Accept-Ranges", "bytes"),
        (
            "Content-Disposition",
            content_disposition(disposition, presentation.stem, image.format),
        ),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", policy.resource_policy),
    ]
    security = _content_security_policy(image.format)
    return [*headers, ("Content-Security-Policy", security)] if security else headers


_UNSAFE_IN_NAME = re.compile(r"[^\w.-]+")


def file_stem(*words: str) -> str:
    """A file name without extension from *words*: 1-80 letters, digits, ``._-``."""
    stem = _UNSAFE_IN_NAME.sub("-", "-".join(filter(None, words)))[:80].strip(".-_")
    return stem or "figure"


def content_disposition(disposition: str, stem: str, format: ImageFormat) -> str:
    """``Content-Disposition`` (RFC 6266), with ``filename*`` as needed (RFC 8187)."""
    name = f"{stem}.{format.name}"
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return dump_options_header(disposition, {"filename": name})
    safe = f"{file_stem(plain.rpartition('.')[0])}.{format.name}"
    extended = f"UTF-8''{quote(name, safe='')}"
    return dump_options_header(disposition, {"filename": safe, "filename*": extended})


#: Of a document about figures: kept, but not sent before it was asked for again.
DOCUMENT_HEADERS = [
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", POLICY_PIXELS),
]


def cache_status(
    *,
    fwd: str | None = None,
    fwd_status: int | None = None,
    is_stored: bool = False,
    is_collapsed: bool = False,
    ttl_s: int | None = None,
) -> str:
    """``Cache-Status`` (RFC 9211): a hit, or why the render ran (*fwd*)."""
    parts = [CACHE_NAME, f"fwd={fwd}" if fwd else "hit"]
    parts += [f"fwd-status={fwd_status}"] if fwd_status else []
    parts += ["stored"] if is_stored else []
    parts += ["collapsed"] if is_collapsed else []
    parts += [f"ttl={ttl_s}"] if ttl_s is not None else []
    return "; ".join(parts)


def cache_word(status: str | None) -> str | None:
    """What :func:`cache_status` says of where a picture came from, in one word.

    :return: ``hit``, the reason of a render, ``collapsed``, or ``stale-if-error``
        for an older picture; ``None`` for what is not ours.
    """
    name, *parts = (status or "").split("; ")
    if name != CACHE_NAME:
        return None
    said = dict(part.partition("=")[::2] for part in parts)
    if "fwd-status" in said:
        return "stale-if-error"
    return "collapsed" if "collapsed" in said else said.get("fwd", "hit")


#: The steps of a render in their order, and what they are.
STEPS = {
    "load": "load data",
    "wait": "wait for a turn",
    "build": "figure function",
    "layout": "layout",
    "draw": "draw",
    "encode": "encode",
}


def server_timing(timings_s: Sequence[tuple[str, float]]) -> str:
    """``Server-Timing`` of a render's steps, in milliseconds."""
    return ", ".join(
        f'{step};desc="{STEPS[step]}";dur={seconds * 1e3:.1f}'
        for step, seconds in timings_s
    )


def hit_timing(timings_s: Sequence[tuple[str, float]] = ()) -> str:
    """``Server-Timing`` of a hit, and what the render took when there was one."""
    steps = [f"was-{part}" for part in server_timing(timings_s).split(", ") if part]
    return ", ".join([HIT_TIMING, *steps])


HIT_TIMING = 'cache;desc="hit";dur=0'


def content_range(part: Outcome | None, length: int) -> tuple[str, str]:
    """``Content-Range`` of a 206, or of a 416 where *part* is none (section 14.4)."""
    if part is None:
        return "Content-Range", f"bytes */{length}"
    return "Content-Range", f"bytes {part.start}-{(part.stop or length) - 1}/{length}"
