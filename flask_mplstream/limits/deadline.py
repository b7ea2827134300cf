"""A deadline for all steps of a render, which also measures each step.

Values layer. This module doesn't import Flask or Matplotlib. The thread that renders
records when each step starts, and the threads that wait read this.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from threading import TIMEOUT_MAX

#: Steps in which a picture only waits; a client is not charged for them.
WAITS = frozenset(
    ("a turn", "another process", "a worker", "memory", "an earlier render")
)


class Deadline:
    """The deadline for a picture, which applies to all of its steps together.

    :param timeout_s: the number of seconds from now, or ``None`` for no limit.
    :param clock: a monotonic clock in seconds, which may stop while workers start. The
        default is ``time.monotonic``.
    """

    def __init__(
        self, timeout_s: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.timeout_s = math.inf if timeout_s is None else timeout_s
        self._clock = clock
        self.began = clock()
        # Replaced, never mutated, as other threads read them.
        self._over: tuple[tuple[str, float], ...] = ()
        self._current: tuple[str, float] | None = None

    def without_steps(self) -> Deadline:
        """Return the same deadline for further steps, which are charged separately."""
        deadline = Deadline(self.timeout_s, self._clock)
        deadline.began = self.began
        return deadline

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return self._clock() - self.began

    @property
    def remaining_s(self) -> float:
        """Seconds left, at least 0."""
        return max(self.timeout_s - self.elapsed_s, 0.0)

    @property
    def lock_timeout_s(self) -> float:
        """The number of seconds that are left, at most as many as a lock accepts."""
        return min(self.remaining_s, TIMEOUT_MAX)

    @property
    def has_passed(self) -> bool:
        """Whether no time is left."""
        return self.remaining_s <= 0

    def wait(self, wait: Callable[[float], bool]) -> bool:
        """Call *wait* until it succeeds or the deadline passes.

        A single call may not be enough, because the clock may stop in the meantime.

        :param wait: a function that waits for up to the given number of seconds, and
            returns whether it succeeded.
        :return: the last result of *wait*.
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
        """The number of seconds that each step has taken so far."""
        spent: dict[str, float] = {}
        over, current = self._over, self._current
        if current is not None:
            over = (*over, (current[0], self._clock() - current[1]))
        for name, seconds in over:
            spent[name] = spent.get(name, 0.0) + seconds
        return spent

    @property
    def worked_s(self) -> float:
        """Seconds of all steps except the :data:`WAITS`."""
        return sum(s for name, s in self.steps_s.items() if name not in WAITS)

    def __str__(self) -> str:
        """Return a sentence that says which step took the longest, if there is one."""
        steps = self.steps_s
        if not steps:
            return ""
        name = max(steps, key=lambda step: steps[step])
        words = f"waiting for {name}" if name in WAITS else name
        return f" So far {steps[name]:.1f} seconds went into {words}."
