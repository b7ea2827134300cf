"""One deadline for all steps of a picture, and where its time went.

Values layer: it knows neither Flask nor Matplotlib. The thread that makes a picture
says which step it begins; those who wait for it read that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import TIMEOUT_MAX

#: Steps in which a picture only waits, which costs nothing.
WAITS = frozenset(
    ("a turn", "another process", "a worker", "memory", "an earlier render")
)


class Deadline:
    """The seconds that one picture may take, all steps together.

    :param timeout_s: seconds from now on; ``None`` for no limit.
    :param clock: seconds that never fall; they stand still while workers start.
    """

    def __init__(
        self, timeout_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.timeout_s = math.inf if timeout_s is None else timeout_s
        self._clock = clock
        self.began = clock()
        # Replaced as a whole, as other threads read them.
        self._over: tuple[tuple[str, float], ...] = ()
        self._current: tuple[str, float] | None = None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self.began

    @property
    def remaining_s(self) -> float:
        """Seconds that are left, at least 0."""
        return max(self.timeout_s - self.elapsed_s, 0.0)

    @property
    def lock_timeout_s(self) -> float:
        """Seconds that are left, as a lock takes them."""
        return min(self.remaining_s, TIMEOUT_MAX)

    @property
    def has_passed(self) -> bool:
        """Whether nothing is left."""
        return self.remaining_s <= 0

    def wait(self, wait: Callable[[float], bool]) -> bool:
        """Wait until the deadline, though the clock may stand still meanwhile.

        :param wait: waits for the seconds that it gets; whether that was enough.
        :return: whether it was before the deadline.
        """
        while not (is_done := wait(self.lock_timeout_s)) and not self.has_passed:
            pass
        return is_done

    def begin(self, step: str) -> None:
        """End the current step and begin *step*."""
        now = self._clock()
        if self._current is not None:
            name, since = self._current
            self._over = (*self._over, (name, now - since))
        self._current = step, now

    @property
    def steps_s(self) -> dict[str, float]:
        """Seconds of each step so far; those of the current one as well."""
        spent: dict[str, float] = {}
        over, current = self._over, self._current
        if current is not None:
            over = (*over, (current[0], self._clock() - current[1]))
        for name, seconds in over:
            spent[name] = spent.get(name, 0.0) + seconds
        return spent

    @property
    def worked_s(self) -> float:
        """Seconds of all steps in which the picture did not just wait."""
        return sum(s for name, s in self.steps_s.items() if name not in WAITS)

    def __str__(self) -> str:
        """The step that took longest, in words, as a sentence; or nothing."""
        steps = self.steps_s
        if not steps:
            return ""
        name = max(steps, key=lambda step: steps[step])
        words = f"waiting for {name}" if name in WAITS else name
        return f" So far {steps[name]:.1f} seconds went into {words}."
