"""Figures and data that are kept for the other variants of their pictures.

Flask side, in every process that renders; each has its own. A page requests a picture
in several formats, sizes and themes. They are drawn from copies of one figure per
theme, built from copies of the same data.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, thread_time
from typing import Any, Generic, NamedTuple, TypeVar
from weakref import WeakSet

from cachetools import TLRUCache

from ..forks import call_in_child
from ..limits.deadline import Deadline
from ..rendering.figure_copy import Copy, CopyLimits, FigureCopy, NotCopyableError
from .keep_rule import CopyCosts, KeepRule

logger = logging.getLogger("flask_mplstream")

T = TypeVar("T", Copy, FigureCopy)

#: Largest share of the memory that one copy may take.
MAX_SHARE = 1 / 4
#: Shortest time limit of a copy, in seconds.
MIN_COPY_S = 0.02
#: Loads in seconds that are too fast for keeping their data.
FAST_LOAD_S = 0.005
#: Seconds that a build waits at least for a query. A shorter wait may be for other
#: threads.
QUERY_S = 0.1
#: The part of a picture that ``load`` returns.
DATA = "data"


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
    #: Time of its data, and the end of its use, by the clock that tells its age.
    made_at: float
    until: float
    #: End of its use by the monotonic timer, as that clock may be set back.
    expires_at: float


@dataclass(slots=True)
class _Place:
    """The place of the caller that makes a figure or data, and of those that wait."""

    is_over: threading.Event
    followers: int = 0


_all: WeakSet[KeptFigures] = WeakSet()


def _reset_all() -> None:
    """Begin anew in a forked child: a thread of the parent may have held a lock."""
    for kept in _all:
        kept._reset()


call_in_child(_reset_all)


class KeptFigures:
    """The kept figures and data of one app in this process.

    :param clock: seconds; it tells the age of the data.
    :param timer: a monotonic clock in seconds, for tests.
    """

    def __init__(
        self,
        limits: KeepLimits,
        clock: Callable[[], float],
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self.limits = limits
        self.clock = clock
        self.timer = timer
        self._rules: dict[str, KeepRule] = {}
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()  # guards _items and _places
        self._places: dict[str, _Place] = {}
        self._items: TLRUCache[str, _Kept] = TLRUCache(
            self.limits.max_bytes,
            ttu=lambda _key, kept, _now: kept.expires_at,
            timer=lambda: self.timer(),
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
        if kept is None or not kept.made_at <= self.clock() < kept.until:
            return None
        return kept

    def put(self, key: str, kept: _Kept) -> None:
        """Keep a copy under *key*; drop the least recently used ones."""
        with self._lock:
            self._items[key] = kept

    def drop(self, key: str, copy: Copy | FigureCopy) -> None:
        """Drop *copy*, unless another one has replaced it."""
        with self._lock:
            kept = self._items.get(key)
            if kept is not None and kept.copy is copy:
                del self._items[key]

    def lead(self, key: str) -> _Place | None:
        """Return a new place, or ``None`` if another caller makes *key*."""
        with self._lock:
            if key in self._places:
                return None
            place = self._places[key] = _Place(threading.Event())
            return place

    def leave(self, key: str, place: _Place) -> None:
        """End *place*, which :meth:`lead` returned: all its followers go on."""
        with self._lock:
            if self._places.get(key) is place:
                del self._places[key]
        place.is_over.set()

    def follow(self, key: str, deadline: Deadline) -> None:
        """Wait for the caller that makes *key*, until the deadline."""
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return
            place.followers += 1
        try:
            deadline.begin("a turn")
            deadline.wait(place.is_over.wait)
        finally:
            with self._lock:
                place.followers -= 1


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
        #: Seconds of the load, unless its data is kept.
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
        # The clock may have been set back.
        return 0.0 if self.made_at is None else max(self._clock() - self.made_at, 0.0)

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

        :param part: :data:`DATA`, or the theme of the figure.
        """
        turn: Turn[Any] = Turn(self, part)
        turn.begin(deadline, may_wait=self._may_wait)
        try:
            yield turn
        finally:
            turn.end()


class Turn(Generic[T]):
    """The turn of one caller to find or make a figure or its data."""

    def __init__(self, picture: KeptPicture, part: str) -> None:
        self._picture = picture
        self._kept = picture.kept
        self._key = f"{picture.origin.key} {part}"
        self._place: _Place | None = None
        self._found: _Kept | None = None
        self._is_of_data = part == DATA
        #: Whether a copy may be tried.
        self.may_keep = self._kept is not None and self._costs.may_try()

    @property
    def _costs(self) -> CopyCosts:
        rule = self._picture.rule
        return rule.data if self._is_of_data else rule.figure

    def begin(self, deadline: Deadline, *, may_wait: bool) -> None:
        """Wait for a caller that makes the same, until the deadline.

        If that caller fails or keeps nothing, all go on without further turns. They
        would only wait for each other.
        """
        if self._kept is None or not self.may_keep:
            return
        self._place = self._kept.lead(self._key)
        if self._place is None and may_wait:
            self._kept.follow(self._key, deadline)

    def end(self) -> None:
        """Let the callers that wait go on."""
        place, self._place = self._place, None
        if place is not None and self._kept is not None:
            self._kept.leave(self._key, place)

    @property
    def is_awaited(self) -> bool:
        """Whether another caller waits for the copy."""
        return self._place is not None and self._place.followers > 0

    def is_worth(self, made_s: float) -> bool:
        """Return whether a copy is expected to save time, or another caller waits.

        :param made_s: seconds that it would take to make the object again.
        """
        return self.is_awaited or self._picture.rule.is_worth(self._costs, made_s)

    def find(self) -> T | None:
        """Return the copy and take over the time of its data."""
        found = None if self._kept is None else self._kept.find(self._key)
        self._found = found
        if found is None:
            return None
        self._picture.made_at = found.made_at
        copy: T = found.copy
        return copy

    def note_restore(self, elapsed_s: float) -> None:
        """Note the time of the copy's restoration."""
        self._costs.note_restore(elapsed_s)

    def note_failure(self) -> None:
        """Note that the copy could not be used."""
        self._costs.note_failure()

    def drop(self, reason: Exception) -> None:
        """Forget the copy, which cannot be restored or used; nor could another one."""
        assert self._kept is not None
        assert self._found is not None
        logger.debug("Cannot use the copy of %s: %s", self._key, reason)
        self._kept.drop(self._key, self._found.copy)
        self.note_failure()
        self.may_keep = False
        self._picture.made_at = None

    def keep(
        self, copy: Callable[[frozenset[str], CopyLimits], T], made_s: float
    ) -> bool:
        """Keep the result of *copy* if it can be made within the limits.

        :param copy: makes the copy, given the accepted packages and the limits.
        :param made_s: seconds that it would take to make the object again.
        """
        assert self._kept is not None
        assert self._picture.made_at is not None
        limits = self._kept.limits
        began = thread_time()
        try:
            made = copy(
                limits.packages,
                CopyLimits(limits.max_bytes * MAX_SHARE, max(made_s, MIN_COPY_S)),
            )
        except NotCopyableError as error:
            logger.debug("Cannot keep %s: %s", self._key, error)
            self.note_failure()
            return False
        self._costs.note_copy(thread_time() - began)
        made_at = self._picture.made_at
        until = made_at + self._picture.origin.keep_s
        expires_at = self._kept.timer() + until - self._kept.clock()
        self._kept.put(self._key, _Kept(made, made_at, until, expires_at))
        return True
