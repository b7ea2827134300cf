"""Decide whether an entry is fresh, stale or expired from its age.

Cache layer. This module only uses values. It doesn't read a clock or do any I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

#: Share of ``max_age`` by which lifetimes differ, so that pictures stored together do
#: not become stale together.
JITTER = 0.05


class Freshness(Enum):
    """The permitted use of an entry."""

    #: May be sent.
    FRESH = "fresh"
    #: May be sent while the picture is rendered again (RFC 5861 section 3).
    REVALIDATE = "revalidate"
    #: May be sent if the next render fails (RFC 5861 section 4).
    ON_ERROR = "on error"
    #: Must not be sent.
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The lifetime of a picture, in seconds."""

    max_age_s: int
    stale_while_revalidate_s: int = 0
    stale_if_error_s: int = 0

    @property
    def max_first_age_s(self) -> float:
        """Greatest age of the data in a new picture, in seconds.

        A picture of older data would be stale at once, so each request would render.
        """
        return 0.9 * self.max_age_s

    @property
    def stored_s(self) -> int:
        """The seconds to store a picture, or 0 if each request has to render."""
        if not self.max_age_s and not self.stale_while_revalidate_s:
            return 0
        stale_s = max(self.stale_while_revalidate_s, self.stale_if_error_s)
        return self.max_age_s + stale_s

    def may_stand_in(self, age_s: float) -> bool:
        """Return whether a picture of older data may be sent when a render fails.

        It became stale when the data changed, so RFC 5861 section 4 applies to it.
        """
        return bool(self.stale_if_error_s) and age_s < (
            self.max_age_s + self.stale_if_error_s
        )

    def count_rest_s(self, age_s: float) -> int:
        """Return how many more seconds to store a picture of older data."""
        return int(self.max_age_s + self.stale_while_revalidate_s - age_s)

    def assess(self, age_s: float, key: str) -> Freshness:
        """Return how an entry that is *age_s* seconds old may be used.

        The jitter is computed from the last digits of *key*, so it is the same in all
        processes. It only shortens the lifetime, so nothing is sent as fresh after
        ``max_age``.
        """
        fraction = int(key[-4:], 16) / 0xFFFF
        if age_s < self.max_age_s * (1 - JITTER * fraction):
            return Freshness.FRESH
        if age_s < self.max_age_s + self.stale_while_revalidate_s:
            return Freshness.REVALIDATE
        if age_s < self.max_age_s + self.stale_if_error_s:
            return Freshness.ON_ERROR
        return Freshness.EXPIRED
