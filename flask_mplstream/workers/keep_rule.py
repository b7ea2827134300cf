"""The rule for keeping a figure: keep it if that saves more time than it takes.

Flask side: values and arithmetic only.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

#: Pictures that are remembered, to recognize a second variant.
RECENT = 64
#: Requests after which both counts are halved, so that new ones weigh more.
MANY = 200
#: Share of the time of making that a copy and its restoration take, until measured.
FIRST_SHARE = 0.15
#: Weight of a new measurement in a mean.
WEIGHT = 0.2
#: Failures since the last restored copy after which only each
#: :data:`RETRY_EVERY`-th copy is tried.
MAX_FAILURES = 3
RETRY_EVERY = 20


@dataclass(slots=True)
class CopyCosts:
    """The experience with the copies of one route's figures, or of its data."""

    #: Mean seconds of a copy and of its restoration; ``None`` until measured.
    copy_s: float | None = None
    restore_s: float | None = None
    _failures: int = 0

    def may_try(self) -> bool:
        """Return whether to try a copy, after earlier ones may have failed."""
        if self._failures < MAX_FAILURES:
            return True
        self._failures += 1
        return (self._failures - MAX_FAILURES) % RETRY_EVERY == 0

    def note_copy(self, elapsed_s: float) -> None:
        """Count a copy, which may prove impossible to restore."""
        self.copy_s = _mean(self.copy_s, elapsed_s)

    def note_restore(self, elapsed_s: float) -> None:
        """Count a copy that was restored and used."""
        self._failures = 0
        self.restore_s = _mean(self.restore_s, elapsed_s)

    def note_failure(self) -> None:
        """Count a copy that failed, or that could not be restored or used."""
        self._failures += 1


@dataclass(slots=True)
class KeepRule:
    """The experience with the pictures of one route in this process."""

    #: Pictures, and those of which a second variant was requested in time.
    pictures: float = 16.0
    repeated: float = 8.0
    figure: CopyCosts = field(default_factory=CopyCosts)
    data: CopyCosts = field(default_factory=CopyCosts)
    #: Time of the first request by picture, and whether there was a second in time.
    _recent: OrderedDict[str, tuple[float, bool]] = field(default_factory=OrderedDict)

    def note_request(self, picture: str, now: float, keep_s: float) -> None:
        """Count a render of one variant of *picture*."""
        began, is_repeated = self._recent.get(picture, (-math.inf, False))
        if not 0 <= now - began <= keep_s:
            self.pictures += 1
            # In one step each, as other threads also count.
            self._recent.pop(picture, None)
            self._recent[picture] = now, False
        elif not is_repeated:
            self.repeated += 1
            self._recent[picture] = began, True
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if self.pictures >= MANY:
            self.pictures /= 2
            self.repeated /= 2

    def is_worth(self, costs: CopyCosts, made_s: float) -> bool:
        """Return whether a copy is expected to save time.

        :param costs: those of the figure or of the data.
        :param made_s: seconds that it would take to make it again.
        """
        guess_s = FIRST_SHARE * made_s
        copy_s = guess_s if costs.copy_s is None else costs.copy_s
        restore_s = guess_s if costs.restore_s is None else costs.restore_s
        share = min(self.repeated / self.pictures, 1.0)
        return share * (made_s - restore_s) > copy_s


def _mean(mean: float | None, new: float) -> float:
    return new if mean is None else mean + WEIGHT * (new - mean)
