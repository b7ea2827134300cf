"""Look up a picture in the store, or render it if it isn't there.

Cache layer. ``produce`` and the time are passed in, and this module doesn't know about
Flask or Matplotlib. A request is handled like this::

    fresh ────────────────> sent
    stale, may be sent ───> sent, and renewed in the background
    else ─> one flight in this process ─> one lease among processes ─> render
            (first, for a derived format, the same path for its master)
            if it fails and a stale picture may be sent on error ─> that picture
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from ..errors import MplStreamError, OverloadedError, RenderTimeoutError
from ..http.cache_status import CacheStatus
from ..limits.deadline import Deadline
from ..limits.overload_log import OverloadLog
from ..limits.render_stage import is_nested
from ..rendered_image import RenderedImage
from .backend_breaker import is_outage, quote_error
from .cross_process_lease import LEASE_S, Leases, choose_leases, release_at_end
from .entry import Entry
from .freshness import Freshness, Lifetime
from .single_flight import Flights, Production, run_here
from .stale_while_revalidate import Background
from .store import Found, Newest, Store

logger = logging.getLogger("flask_mplstream")

#: Seconds between checks for another process's picture: the first and the longest.
FIRST_POLL_S, LONGEST_POLL_S = 0.005, 0.05
#: Tries to get the lease for naming the newest picture of a series. If all fail, an
#: older picture may be kept longer.
EXCHANGE_TRIES = 40
#: Maximum number of remembered masters over ``max_bytes``.
MAX_UNFIT = 1000
#: Tolerated difference between the clocks of two machines, in seconds.
CLOCK_SKEW_S = 5.0


class Served(NamedTuple):
    """A picture to send, with its cache status."""

    entry: Entry
    status: CacheStatus
    #: Whole seconds since it was rendered.
    age_s: int = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture that was requested, and how to create it."""

    #: Identity in the store.
    key: str
    #: Names that the entry belongs to, for invalidation.
    names: Sequence[str]
    #: Renders the picture until a deadline, given the result of ``admit`` and the
    #: result of ``Store.date`` before the load; ``None`` if nothing may be kept.
    produce: Callable[[Deadline, Any, str | None], RenderedImage]
    lifetime: Lifetime
    #: Seconds to wait and to render, in total.
    timeout_s: float
    #: Seconds during which a failure is sent again, without another render.
    failure_backoff_s: float
    #: Whether an error is a failure, for which a stale picture may be sent instead.
    is_failure: Callable[[Exception], bool]
    #: Returns the entity tag for a generation, if it does not follow from the bytes.
    etag: Callable[[str], str] | None = None
    #: Called in a request that begins or follows a render, with ``True`` if it begins
    #: one. Returns the payer, or raises an error to refuse.
    admit: Callable[[bool], object] = lambda _begins: None
    #: Called in a request before it waits, to release resources for others.
    before_wait: Callable[[], object] = lambda: None
    #: Returns the identity without the data's version, if the data has one. It leads to
    #: the newest picture, which is sent if rendering the current data fails.
    series: Callable[[], str] | None = None
    #: Counts the seconds of ``timeout_s``; it may pause.
    clock: Callable[[], float] = time.monotonic
    #: Whether a stored picture without its words must be rendered again. Then
    #: ``produce`` reads the words.
    needs_words: bool = False
    #: Key of the jitter of its lifetime, by default its own.
    jitter_key: str = ""
    #: Returns the derivation from another picture, if there is one. Without a stored
    #: master, ``produce`` is used.
    derivation: Callable[[], Derivation] | None = None
    #: The stored picture that ``produce`` encodes, if any.
    master: Entry | None = None
    #: Unix time before the master was looked up.
    began_at: float | None = None

    def start_deadline(self) -> Deadline:
        """Return a deadline that begins now."""
        return Deadline(self.timeout_s, self.clock)

    def is_met_by(self, entry: Entry) -> bool:
        """Return whether *entry* has all that the caller needs, at any age."""
        return not self.needs_words or entry.image.words is not None

    def name_flight(self, generation: str) -> str:
        """Return the name of the flight that renders it.

        An invalidation begins a new flight. Callers that need words do not follow a
        render without words.
        """
        if self.master is not None:
            generation = self.master.generation
        return f"{self.key} {generation}" + " words" * self.needs_words

    def without_stale(self) -> Wanted:
        """Return a copy that always leads to a fresh picture or an error."""
        lifetime = self.lifetime
        stale_s = lifetime.stored_s - lifetime.max_age_s if lifetime.max_age_s else 0
        # Stored as long as usual: another caller may accept a stale picture.
        lifetime = replace(
            lifetime, stale_while_revalidate_s=0, stale_if_error_s=stale_s
        )
        return replace(self, lifetime=lifetime, is_failure=lambda _: False)

    def derived_from(
        self, master: Entry, derivation: Derivation, began_at: float
    ) -> Wanted:
        """Return a copy that is encoded from *master*.

        :param began_at: Unix time before *master* was looked up.
        """

        def encode(deadline: Deadline, payer: Any, _date: str | None) -> RenderedImage:
            return derivation.encode(master.image, deadline, payer)

        return replace(self, produce=encode, master=master, began_at=began_at)

    def backoff_s(self, error: Exception) -> float:
        """Return for how many seconds *error* is sent again."""
        if isinstance(error, OverloadedError) or not self.lifetime.stored_s:
            return 0.0  # No render was tried, or nothing may be kept.
        return self.failure_backoff_s if self.is_failure(error) else 0.0


@dataclass(frozen=True, slots=True)
class Derivation:
    """The derivation of a picture from its master: the same draw in another format.

    Both have the same names and lifetime and the same key of the jitter, so that they
    become stale together.
    """

    master: Wanted
    #: Encodes the master's image until a deadline, given the result of ``admit``.
    encode: Callable[[RenderedImage, Deadline, Any], RenderedImage]


class Pictures:
    """The pictures in one store.

    :param clock: Unix time in seconds.
    :param max_followers: the number of requests that may wait for a render that another
        request started.
    """

    def __init__(
        self,
        store: Store,
        clock: Callable[[], float] = time.time,
        *,
        max_followers: float = math.inf,
    ) -> None:
        self.store = store
        self.background = Background()
        self._clock = clock
        self._flights: Flights[Served] = Flights(clock, max_followers=max_followers)
        self._overloads = OverloadLog()
        # Keys of masters over max_bytes: their derived pictures are drawn.
        self._unfit: set[str] = set()
        self._leases: Leases = choose_leases(
            store.backend, lambda: store.breaker.is_open
        )

    @property
    def is_shared(self) -> bool:
        """Whether other processes see the pictures too."""
        return self._leases.is_shared

    def get(self, wanted: Wanted) -> Served:
        """Return the picture from the store if it may be sent, or else render it.

        :raises OverloadedError: if too many requests wait.
        :raises RenderTimeoutError: if the picture isn't ready in time.
        """
        kept_s = wanted.lifetime.stored_s
        found = self.store.read(wanted.key, wanted.names, timeout_s=kept_s)
        now = self._clock()
        entry = found.entry
        freshness = self._assess(wanted, entry, now)
        if entry is not None and freshness is Freshness.FRESH:
            return _serve_hit(wanted, entry, now)
        try:
            return self._get_unless_fresh(wanted, found, freshness)
        except (OverloadedError, RenderTimeoutError) as error:
            self._overloads.log(error)
            raise

    def _get_unless_fresh(
        self, wanted: Wanted, found: Found, freshness: Freshness
    ) -> Served:
        if not wanted.lifetime.stored_s:
            return self._render_anew(wanted, found.generation)
        entry = found.entry
        if entry is not None and freshness is Freshness.REVALIDATE:
            self._renew(wanted, found.generation)
            return _serve_hit(wanted, entry, self._clock())
        try:
            return self._make(wanted, found)
        except Exception as error:
            if not wanted.is_failure(error):
                raise
            if freshness is not Freshness.ON_ERROR:
                entry = self._find_older_version(wanted)
            if entry is None:
                raise
            self._note_fallback(wanted, error)
            age_s = int(entry.age_s(self._clock()))
            return Served(entry, CacheStatus(fwd="stale", is_fallback=True), age_s)

    def _find(self, wanted: Wanted, key: str, *, past_fast: bool = False) -> Found:
        """Return the entry for *key*, even if it must not be sent."""
        kept_s = wanted.lifetime.stored_s
        return self.store.read(key, wanted.names, timeout_s=kept_s, past_fast=past_fast)

    def find_fresh(self, wanted: Wanted) -> Served | None:
        """Return the picture if the store has a fresh one, without a render."""
        return self._serve_fresh(wanted, self._find(wanted, wanted.key).entry)

    def _find_older_version(self, wanted: Wanted) -> Entry | None:
        """Return the newest picture of any older version if it may be sent."""
        newest = self.store.newest(wanted.series()) if wanted.series else None
        if newest is None or newest.key == wanted.key:
            return None
        entry = self._find(wanted, newest.key).entry
        if entry is None:
            return None
        is_allowed = wanted.lifetime.may_stand_in(entry.age_s(self._clock()))
        return entry if is_allowed else None

    def _assess(self, wanted: Wanted, entry: Entry | None, now: float) -> Freshness:
        if entry is None:
            return Freshness.EXPIRED
        if entry.stored_at > now + CLOCK_SKEW_S:
            return Freshness.ON_ERROR  # The clock was set back: the age is unknown.
        freshness = wanted.lifetime.assess(
            entry.age_s(now), wanted.jitter_key or wanted.key
        )
        if freshness is Freshness.EXPIRED or wanted.is_met_by(entry):
            return freshness
        return Freshness.ON_ERROR

    def _note_fallback(self, wanted: Wanted, error: Exception) -> None:
        if isinstance(error, OverloadedError | RenderTimeoutError):
            self._overloads.log(error)
        else:
            logger.warning("Sending an older picture of %s.", wanted.key, exc_info=True)

    def _render_anew(self, wanted: Wanted, generation: str) -> Served:
        """Render with data that is read after this call, without storing it."""

        def make(deadline: Deadline, payer: object) -> Production[Served]:
            image = yield partial(wanted.produce, deadline, payer, None)
            entry = self._make_entry(wanted, generation, image)
            return Served(entry, CacheStatus(fwd="bypass"))

        return self._run_flight(
            wanted,
            wanted.name_flight(generation),
            make,
            wanted.start_deadline(),
            is_live=True,
        )

    def _make(self, wanted: Wanted, found: Found) -> Served:
        """Render, or encode the master, which is rendered first if it is not fresh.

        The caller holds no flight and no lease while it waits for the master's.
        """
        deadline = wanted.start_deadline()

        def render(master: Wanted, stale: Found) -> Served:
            return self._fly(master, stale, deadline.without_steps())

        return self._fly(self._derive(wanted, render) or wanted, found, deadline)

    def _derive(
        self, wanted: Wanted, render: Callable[[Wanted, Found], Served | None]
    ) -> Wanted | None:
        """Return *wanted* as derived from its master, or unchanged if it has none.

        :param render: renders the master if the store has no fresh one.
        :return: ``None`` if *render* returns ``None``.
        """
        if wanted.derivation is None or not self._may_store(wanted):
            return wanted
        began_at, derivation = self._clock(), wanted.derivation()
        master = replace(derivation.master, needs_words=wanted.needs_words)
        if master.key in self._unfit:
            return wanted
        try:
            found = self._find(master, master.key, past_fast=True)
            made = self._serve_fresh(master, found.entry) or render(master, found)
        except MplStreamError as error:
            if not error.is_over_max_bytes:
                raise
            if len(self._unfit) >= MAX_UNFIT:
                self._unfit.clear()
            self._unfit.add(master.key)
            return wanted
        return made and wanted.derived_from(made.entry, derivation, began_at)

    def _may_store(self, wanted: Wanted) -> bool:
        """Return whether a master would be stored, and fresh for its derived ones."""
        return bool(wanted.lifetime.max_age_s) and not self.store.keeps_nothing

    def _fly(self, wanted: Wanted, found: Found, deadline: Deadline) -> Served:
        fwd = _explain_render(wanted, found.entry)
        make = self._render_if_missing if is_nested() else self._lead
        # A nested caller takes no lease: its holder may be waiting for this thread.
        flight = wanted.name_flight(found.generation)
        return self._run_flight(wanted, flight, partial(make, wanted, fwd), deadline)

    def _run_flight(
        self,
        wanted: Wanted,
        flight: str,
        make: Callable[[Deadline, object], Production[Served]],
        deadline: Deadline,
        *,
        is_live: bool = False,
    ) -> Served:
        """Return the picture from a flight that concurrent callers share.

        :param is_live: whether a render that has already begun is too old.
        """
        if is_nested():
            return run_here(make(deadline, None))
        is_busy = self._flights.is_busy_or_failed(flight, must_begin_later=is_live)
        payer = wanted.admit(not is_busy)
        wanted.before_wait()
        served, is_collapsed = self._flights.fly(
            flight,
            lambda: make(deadline, payer),
            deadline=deadline,
            backoff_s=wanted.backoff_s,
            must_begin_later=is_live,
        )
        if not is_collapsed:
            return served
        return served._replace(status=served.status._replace(is_collapsed=True))

    def _lead(
        self, wanted: Wanted, fwd: str, deadline: Deadline, payer: object
    ) -> Production[Served]:
        """Render the picture, or wait for another process that renders it."""
        poll_s = FIRST_POLL_S
        while (release := self._acquire(wanted.key)) is None:
            deadline.begin("another process")
            if deadline.has_passed:
                raise RenderTimeoutError(
                    f"Another process did not finish the picture in "
                    f"{wanted.timeout_s:g} seconds."
                )
            time.sleep(poll_s * random.uniform(0.5, 1))  # Jitter.
            poll_s = min(poll_s * 1.5, LONGEST_POLL_S)
            newest = self._find(wanted, wanted.key, past_fast=True).entry
            if made := self._serve_fresh(wanted, newest):
                return _collapse(made, fwd)
        with release_at_end(release):
            made = yield from self._render_if_missing(wanted, fwd, deadline, payer)
            return made

    def _find_newer(self, wanted: Wanted, began_at: float) -> Served | None:
        """Return a fresh picture that another process stored after *began_at*.

        This happens if this process was suspended or busy for so long that another one
        got the lease.
        """
        entry = self._find(wanted, wanted.key, past_fast=True).entry
        is_newer = entry is not None and entry.stored_at > began_at
        return self._serve_fresh(wanted, entry) if is_newer else None

    def _serve_fresh(self, wanted: Wanted, entry: Entry | None) -> Served | None:
        now = self._clock()
        if entry is None or self._assess(wanted, entry, now) is not Freshness.FRESH:
            return None
        return _serve_hit(wanted, entry, now)

    def _render_if_missing(
        self, wanted: Wanted, fwd: str, deadline: Deadline, payer: object
    ) -> Production[Served]:
        """Render the picture unless another caller has stored a fresh one by now."""
        found = self._find(wanted, wanted.key, past_fast=True)
        if made := self._serve_fresh(wanted, found.entry):
            return made
        # Use the generation from before the render: an invalidation during the render
        # must make the new entry a miss.
        began_at = wanted.began_at or self._clock()
        date = None if wanted.master else self.store.date(found)
        image = yield partial(wanted.produce, deadline, payer, date)
        entry = self._make_entry(wanted, found.generation, image)
        now = self._clock()
        if now - began_at > LEASE_S and (
            newer := self._find_newer(wanted, min(began_at, entry.stored_at))
        ):
            return _collapse(newer, fwd)
        is_stored = self.store.write(wanted.key, entry, wanted.lifetime.stored_s)
        if is_stored and wanted.series is not None:
            self._supersede(wanted, wanted.series(), began_at)
        status = CacheStatus(fwd=fwd, is_stored=is_stored)
        return Served(entry, status, int(entry.age_s(now)))

    def _supersede(self, wanted: Wanted, series: str, began_at: float) -> None:
        """Record the picture as the newest, and shorten the previous one's life.

        If a render began earlier, its picture is older, even if the render ended later.
        """
        lifetime, now = wanted.lifetime, self._clock()
        newest, timeout_s = Newest(wanted.key, began_at), lifetime.stored_s
        with release_at_end(self._acquire_soon(series)):
            older = self.store.replace_newest(series, newest, timeout_s)
            # Unless the clock was set back.
            while older and newest.began_at < older.began_at < now + CLOCK_SKEW_S:
                newest = older
                older = self.store.replace_newest(series, newest, timeout_s)
        if older is not None and older.key != newest.key:
            age_s = max(now - older.began_at, 0)
            self.store.cut_lifetime(older.key, lifetime.count_rest_s(age_s))

    def _acquire_soon(self, key: str) -> Callable[[], object]:
        """Return a lease for a short operation.

        The lease does nothing if the backend can exchange values atomically, or if it
        can't be acquired.
        """
        for _ in range(0 if self.store.is_exact else EXCHANGE_TRIES):
            if release := self._acquire(key):
                return release
            time.sleep(FIRST_POLL_S)
        return lambda: None

    def _make_entry(
        self, wanted: Wanted, generation: str, image: RenderedImage
    ) -> Entry:
        stored_at = self._clock() - min(image.age_s, wanted.lifetime.max_first_age_s)
        if wanted.master is not None:  # It is as old, and as valid, as its master.
            generation, stored_at = wanted.master.generation, wanted.master.stored_at
        etag = wanted.etag(generation) if wanted.etag else None
        return Entry.of(image, stored_at, generation=generation, etag=etag)

    def _acquire(self, key: str) -> Callable[[], object] | None:
        """Return the lease, or ``None`` if another caller has it.

        While the backend is down or if it doesn't support locks, every caller gets a
        lease.
        """
        if self._leases.is_shared and not self.store.breaker.is_open:
            try:
                return self._leases.acquire(key)
            except Exception as error:
                if isinstance(error, OSError) and not is_outage(error):
                    reason = quote_error(error)
                    self.store.count("unlocked", "Cannot lock %s: %s.", key, reason)
                else:
                    self.store.breaker.trip()
        return lambda: None

    def _renew(self, wanted: Wanted, generation: str) -> None:
        """Render again in the background unless it is running or just failed."""
        if self._flights.is_busy_or_failed(wanted.name_flight(generation)):
            return

        def render(master: Wanted, stale: Found) -> Served | None:
            return self._render_in_background(master, stale.generation)

        def renew() -> None:
            if derived := self._derive(wanted, render):
                self._render_in_background(derived, generation)

        self.background.submit(wanted.key, renew)

    def _render_in_background(self, wanted: Wanted, generation: str) -> Served | None:
        """Render; return ``None`` if another caller does, or if it has just failed."""
        flight = wanted.name_flight(generation)
        if self._flights.is_busy_or_failed(flight):
            return None
        deadline = wanted.start_deadline()
        release = self._acquire(wanted.key)
        if release is None:
            return None  # Another process renders.
        # A request that leads by now waits for this lease: waiting for the request
        # would be a deadlock.
        with release_at_end(release):
            return self._flights.fly_here(
                flight,
                partial(self._render_if_missing, wanted, "stale", deadline, None),
                deadline=deadline,
                backoff_s=wanted.backoff_s,
            )


def _explain_render(wanted: Wanted, entry: Entry | None) -> str:
    """Return the reason for rendering despite *entry*, a term of RFC 9211."""
    if entry is None:
        return "uri-miss"
    return "stale" if wanted.is_met_by(entry) else "request"


def _serve_hit(wanted: Wanted, entry: Entry, now: float) -> Served:
    age_s = int(entry.age_s(now))
    return Served(entry, CacheStatus(wanted.lifetime.max_age_s - age_s), age_s)


def _collapse(hit: Served, fwd: str) -> Served:
    """Return *hit* as the result of a render in another process."""
    return hit._replace(status=CacheStatus(fwd=fwd, is_collapsed=True))
