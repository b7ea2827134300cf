"""The cache status of a picture (RFC 9211)."""

from __future__ import annotations

from typing import NamedTuple

#: Name of this cache in ``Cache-Status``.
CACHE_NAME = "flask-mplstream"


class CacheStatus(NamedTuple):
    """The cache's part in a response; ``str()`` gives the header's value."""

    #: Seconds until the picture is stale, negative afterwards; ``None`` for a render.
    ttl_s: int | None = None
    #: Reason for the render, as a term of the RFC; ``None`` for a hit.
    fwd: str | None = None
    is_stored: bool = False
    #: Whether the request waited for another caller's render.
    is_collapsed: bool = False
    #: Whether the render failed and the picture is an older one.
    is_fallback: bool = False

    def __str__(self) -> str:
        parts = [CACHE_NAME, f"fwd={self.fwd}" if self.fwd else "hit"]
        parts += ["fwd-status=500"] if self.is_fallback else []
        parts += ["stored"] if self.is_stored else []
        parts += ["collapsed"] if self.is_collapsed else []
        parts += [] if self.ttl_s is None else [f"ttl={self.ttl_s}"]
        return "; ".join(parts)

    @property
    def is_new(self) -> bool:
        """Whether the picture was rendered for this request."""
        return self.fwd is not None and not self.is_fallback

    @property
    def word(self) -> str:
        """The status in one word, for signals and metrics.

        ``hit``, the reason for the render, ``collapsed``, or ``stale-if-error`` for an
        older picture that is sent after an error.
        """
        if self.is_fallback:
            return "stale-if-error"
        return "collapsed" if self.is_collapsed else self.fwd or "hit"
