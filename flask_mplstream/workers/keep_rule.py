"""The rule for keeping a figure: keep it if that saves more time than it takes.

Flask side: values and arithmetic only.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

#: Pictures that are remembered, to recognize a second variant.
RECENT = 64
#: Requests after which both counts are halved, so that new ones weigh more.
MANY = 200
#: Share of the build that a copy and its restoration take, until they are measured.
FIRST_SHARE = 0.15
#: Weight of a new measurement in a mean.
WEIGHT = 0.2
#: Failed copies in a row after which only each :data:`RETRY_EVERY`-th is tried.
MAX_FAILURES = 3
RETRY_EVERY = 20


@dataclass(slots=True)
class KeepRule:
    """The experience with the figures of one route in this process."""

    #: Pictures, and those of which a second variant was requested in time.
    pictures: float = 16.0
    repeated: float = 8.0
    #: Mean seconds of a copy and of its restoration; ``None`` until measured.
    copy_s: float | None = None
    restore_s: float | None = None
    _failures: int = 0
    #: Time of the first request by picture; ``None`` after the second.
    _recent: OrderedDict[str, float | None] = field(default_factory=OrderedDict)

    def note_request(self, picture: str, now: float, keep_s: float) -> None:
        """Count a render of one variant of *picture*."""
        began = self._recent.get(picture)
        if began is not None and now - began <= keep_s:
            self.repeated += 1
            self._recent[picture] = None
        elif picture not in self._recent or began is not None:
            self.pictures += 1
            self._recent[picture] = now
            self._recent.move_to_end(picture)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if self.pictures >= MANY:
            self.pictures /= 2
            self.repeated /= 2

    def is_worth(self, load_s: float, build_s: float) -> bool:
        """Return whether a copy is expected to save time."""
        guess_s = FIRST_SHARE * build_s
        copy_s = guess_s if self.copy_s is None else self.copy_s
        restore_s = guess_s if self.restore_s is None else self.restore_s
        share = min(self.repeated / self.pictures, 1.0)
        return share * (load_s + build_s - restore_s) > copy_s

    def may_try(self) -> bool:
        """Return whether to try a copy, after earlier ones may have failed."""
        if self._failures < MAX_FAILURES:
            return True
        self._failures += 1
        return (self._failures - MAX_FAILURES) % RETRY_EVERY == 0

    def note_copy(self, elapsed_s: float) -> None:
        """Count a copy that succeeded."""
        self._failures = 0
        self.copy_s = _mean(self.copy_s, elapsed_s)

    def note_restore(self, elapsed_s: float) -> None:
        """Count a restoration that succeeded."""
        self.restore_s = _mean(self.restore_s, elapsed_s)

    def note_failure(self) -> None:
        """Count a copy that failed, or that could not be restored or drawn."""
        self._failures += 1


def _mean(mean: float | None, new: float) -> float:
    return new if mean is None else mean + WEIGHT * (new - mean)
