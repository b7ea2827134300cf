"""The choice of ``Cache-Control`` (RFC 9111, 5861 and 8246)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class UrlVersion(Enum):
    """The data's version in a URL, compared with the current one."""

    #: There is none to compare: the lifetime is ``max_age``.
    ABSENT = "absent"
    #: The same, and the user of a private picture: the URL is immutable (RFC 8246).
    CURRENT = "current"
    #: Another version: the current picture is sent with a short lifetime.
    OUTDATED = "outdated"


#: ``Cache-Control`` of a private picture: the browser stores it and revalidates it
#: before each use. ``Vary`` is not enough, as browsers' memory caches ignore it.
PRIVATE = "private, no-cache"
YEAR_S = 31_536_000
_IMMUTABLE = f"max-age={YEAR_S}, immutable"
#: ``Cache-Control`` of a private picture with a URL that is unique to its user.
PERSONAL = f"private, {_IMMUTABLE}"
#: Lifetime of a picture under an outdated version URL, in seconds.
OUTDATED_S = 10


@dataclass(frozen=True, slots=True)
class Policy:
    """The caching policy of a picture, and the sites that may embed it."""

    #: Seconds for which a picture is fresh.
    max_age: int
    is_private: bool = False
    resource_policy: str = "same-origin"
    #: Seconds after ``max_age`` (RFC 5861).
    stale_while_revalidate: int = 0
    stale_if_error: int = 0

    def _iterate_directives(self, age: int) -> Iterator[str]:
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

    def format_cache_control(
        self,
        age_s: int,
        version: UrlVersion = UrlVersion.ABSENT,
        url_ends_in_s: int | None = None,
    ) -> str:
        """Return ``Cache-Control`` for a picture that is *age_s* seconds old.

        :param url_ends_in_s: seconds until the URL expires; ``None`` for never.
        """
        remaining = max(self.max_age - age_s, 0)
        match version:
            case UrlVersion.CURRENT if url_ends_in_s is None:
                return PERSONAL if self.is_private else _IMMUTABLE
            case _ if self.is_private:
                return PRIVATE
            case _ if url_ends_in_s is not None:
                return f"max-age={min(remaining, url_ends_in_s)}"
            case UrlVersion.OUTDATED:
                return f"max-age={min(remaining, OUTDATED_S)}"
        return ", ".join(self._iterate_directives(age_s))
