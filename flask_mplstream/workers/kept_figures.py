"""Figures and data that are kept for the other variants of their pictures.

Flask side, in every process that renders; each has its own. A page requests a picture
in several formats, sizes and themes. They are drawn from copies of one figure per
theme, built from copies of the same data.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakSet

from cachetools import TLRUCache

from ..forks import call_in_child
from ..limits.deadline import Deadline
from ..rendering.figure_copy import Copy, CopyLimits, FigureCopy, NotCopyableError
from .keep_rule import KeepRule

logger = logging.getLogger("flask_mplstream")

T = TypeVar("T", Copy, FigureCopy)

#: Largest share of the memory that one copy may take.
MAX_SHARE = 1 / 4
#: Shortest time limit of a copy, in seconds.
MIN_COPY_S = 0.02
#: Loads in seconds that are too fast for keeping their data.
FAST_LOAD_S = 0.005


class Origin(NamedTuple):
    """The common origin of all variants of one picture."""

    #: Identity of the data: everything in the picture's key except the variant, and the
    #: generation before the load.
    key: str
    #: Seconds since the load, or else the build, for which copies are used.
    keep_s: float


class KeepLimits(NamedTuple):
    """The limits of one app's kept figures, per process."""

    max_bytes: int = 0
    #: Packages, besides the known ones, whose objects may be copied.
    packages: frozenset[str] = frozenset()
    #: Whether each drawing of a copy is compared with that of a new figure.
    is_checked: bool = False


class _Kept(NamedTuple):
    copy: Any
    made_at: float
    until: float


@dataclass(slots=True)
class _Place:
    """The place of the callers that want the same figure or data."""

    lock: threading.Lock
    callers: int = 0


_all: WeakSet[KeptFigures] = WeakSet()


def _reset_all() -> None:
    """Begin anew in a forked child: a thread of the parent may have held a lock."""
    for kept in _all:
        kept._reset()


call_in_child(_reset_all)


class KeptFigures:
    """The kept figures and data of one app in this process.

    :param clock: seconds; it tells the age of the data.
    """

    def __init__(self, limits: KeepLimits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self.clock = clock
        self._rules: dict[str, KeepRule] = {}
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _items and _places
        self._places: dict[str, _Place] = {}
        self._items: TLRUCache[str, _Kept] = TLRUCache(
            self.limits.max_bytes,
            ttu=lambda _key, kept, _now: kept.until,
            timer=self.clock,
            getsizeof=lambda kept: kept.copy.size_bytes,
        )

    @property
    def size_bytes(self) -> int:
        """Total size of the copies."""
        return int(self._items.currsize)

    def rule(self, endpoint: str) -> KeepRule:
        """Return the rule of the route *endpoint*."""
        return self._rules.setdefault(endpoint, KeepRule())

    def find(self, key: str) -> _Kept | None:
        """Return the kept copy under *key*, if it is not too old."""
        with self._lock:
            kept = self._items.get(key)
        # The clock may have been set back.
        return kept if kept is not None and kept.made_at <= self.clock() else None

    def put(self, key: str, kept: _Kept) -> None:
        """Keep a copy under *key*; drop the least recently used ones."""
        with self._lock:
            self._items[key] = kept

    def drop(self, key: str) -> None:
        """Drop the copy under *key*, if any."""
        with self._lock:
            self._items.pop(key, None)

    def enter(self, key: str) -> _Place:
        """Join the callers of *key*."""
        with self._lock:
            place = self._places.setdefault(key, _Place(threading.Lock()))
            place.callers += 1
            return place

    def leave(self, key: str, place: _Place) -> None:
        """Leave the callers of *key*."""
        with self._lock:
            place.callers -= 1
            if not place.callers and self._places.get(key) is place:
                del self._places[key]


class KeptPicture:
    """The kept figures and data of one picture, for the render of one variant.

    :param kept: ``None``, or an origin of ``None``, keeps nothing.
    :param is_text: whether the variant is words or data: a page requests the picture
        next, so its figure is always kept.
    :param may_wait: whether to wait while another caller makes the figure. A figure
        function that requests a figure must not: it holds the gate.
    """

    def __init__(
        self,
        kept: KeptFigures | None = None,
        endpoint: str = "",
        origin: Origin | None = None,
        *,
        is_text: bool = False,
        may_wait: bool = True,
    ) -> None:
        is_kept = origin is not None and origin.keep_s > 0
        self.kept = kept if is_kept and kept and kept.limits.max_bytes else None
        self.origin = origin or Origin("", 0)
        self.is_text = is_text
        self._may_wait = may_wait
        self._clock = kept.clock if kept else lambda: 0.0
        #: Time of the load, or else of the end of the build.
        self.made_at: float | None = None
        #: Seconds of the load.
        self.load_s = 0.0
        if self.kept is not None:
            self.rule = self.kept.rule(endpoint)
            self.rule.note_request(self.origin.key, self._clock(), self.origin.keep_s)

    @property
    def is_checked(self) -> bool:
        """Whether to compare the drawings of copies with those of new figures."""
        return self.kept is not None and self.kept.limits.is_checked

    @property
    def age_s(self) -> float:
        """Seconds since the data was loaded, or else the figure built."""
        return 0.0 if self.made_at is None else self._clock() - self.made_at

    def note_loaded(self, elapsed_s: float) -> None:
        """Note that the data was loaded now."""
        self.load_s = elapsed_s
        self.made_at = self._clock()

    def note_built(self) -> None:
        """Note that the figure was built now; the age of loaded data counts more."""
        if self.made_at is None:
            self.made_at = self._clock()

    @contextmanager
    def take_turn(self, part: str, deadline: Deadline) -> Iterator[Turn[Any]]:
        """Wait for other callers that make the same *part* of the picture.

        :param part: ``"data"``, or the theme of the figure.
        """
        turn: Turn[Any] = Turn(self, f"{self.origin.key} {part}")
        turn.begin(deadline, may_wait=self._may_wait)
        try:
            yield turn
        finally:
            turn.end()


class Turn(Generic[T]):
    """The turn of one caller to find or make a figure or its data."""

    def __init__(self, picture: KeptPicture, key: str) -> None:
        self._picture = picture
        self._kept = picture.kept
        self._key = key
        self._place: _Place | None = None
        self._has_lock = False

    def begin(self, deadline: Deadline, *, may_wait: bool) -> None:
        """Wait for the caller whose turn it is, until the deadline."""
        if self._kept is None:
            return
        self._place = place = self._kept.enter(self._key)
        self._has_lock = place.lock.acquire(blocking=False)
        if not self._has_lock and may_wait:
            deadline.begin("a turn")
            self._has_lock = deadline.wait(lambda s: place.lock.acquire(timeout=s))

    def end(self) -> None:
        """Let the next caller have its turn, once."""
        place, self._place = self._place, None
        if place is None or self._kept is None:
            return
        if self._has_lock:
            place.lock.release()
        self._kept.leave(self._key, place)

    @property
    def may_keep(self) -> bool:
        """Whether a copy may be tried."""
        return self._kept is not None and self._picture.rule.may_try()

    @property
    def is_awaited(self) -> bool:
        """Whether another caller waits for the copy."""
        return self._place is not None and self._place.callers > 1

    def find(self) -> T | None:
        """Return the copy and take over the time of its data."""
        kept = None if self._kept is None else self._kept.find(self._key)
        if kept is None:
            return None
        self._picture.made_at = kept.made_at
        return kept.copy  # type: ignore[no-any-return]

    def note_restore(self, elapsed_s: float) -> None:
        """Note the time of the copy's restoration."""
        self._picture.rule.note_restore(elapsed_s)

    def drop(self, reason: Exception) -> None:
        """Forget the copy, which cannot be restored or drawn."""
        assert self._kept is not None
        logger.debug("Cannot use the copy of %s: %s", self._key, reason)
        self._kept.drop(self._key)
        self._picture.rule.note_failure()
        self._picture.made_at = None

    def keep(
        self, copy: Callable[[frozenset[str], CopyLimits], T], made_s: float
    ) -> bool:
        """Keep the result of *copy* if it can be made within the limits.

        :param copy: makes the copy, given the accepted packages and the limits.
        :param made_s: seconds of the load and the build.
        """
        assert self._kept is not None
        assert self._picture.made_at is not None
        limits, rule = self._kept.limits, self._picture.rule
        began = thread_time()
        try:
            made = copy(
                limits.packages,
                CopyLimits(limits.max_bytes * MAX_SHARE, max(made_s, MIN_COPY_S)),
            )
        except NotCopyableError as error:
            logger.debug("Cannot keep %s: %s", self._key, error)
            rule.note_failure()
            return False
        rule.note_copy(thread_time() - began)
        made_at = self._picture.made_at
        until = made_at + self._picture.origin.keep_s
        if made.size_bytes <= limits.max_bytes * MAX_SHARE and until < math.inf:
            self._kept.put(self._key, _Kept(made, made_at, until))
        return True
