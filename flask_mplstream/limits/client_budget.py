"""Limit the rendering time of each client, so that it only delays itself.

This module doesn't import Flask. The time is counted with the limits library, which
Flask-Limiter also uses. If the store uses Redis, the time is counted there, otherwise
in this process.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import BudgetError
from ..forks import cached_property
from .deadline import Deadline

if TYPE_CHECKING:
    from limits.strategies import FixedWindowRateLimiter

T = TypeVar("T")


#: Maximum number of open renders per client, however cheap.
MAX_OPEN = 8
#: Remembered clients. At this number, those without open renders are dropped.
MAX_ACCOUNTS = 1024
#: Minimum assumed cost of a render, in seconds.
SHORTEST_S = 0.001


@dataclass(slots=True)
class _Account:
    """The unfinished renders of a client in this process."""

    #: Open and waiting renders.
    users: int = 0
    open: int = 0
    #: Maximum number of open renders: one until the cost of a render is known.
    most: int = 1
    dearest_s: float = 0.0


class CountStorage(Protocol):
    """The server that counts for all processes, if there is one."""

    @property
    def redis_pool(self) -> Any:
        """redis-py's connection pool, or ``None`` without Redis."""

    @property
    def is_down(self) -> bool:
        """Whether the server does not answer."""

    def note_error(self, error: Exception) -> None:
        """Consider the server as down if *error* means that it doesn't respond."""


class Budget:
    """A budget that limits the rendering time of each client per minute.

    :param seconds: the number of seconds that a client may use in a minute.
    :param client: a function that identifies the client of the current request.
    :param storage: a function that returns the storage for the counts.
    """

    def __init__(
        self,
        seconds: float,
        client: Callable[[], str],
        storage: Callable[[], CountStorage],
    ) -> None:
        from limits import RateLimitItemPerMinute

        per_minute = math.ceil(seconds * 1000)
        self._item = RateLimitItemPerMinute(per_minute, namespace="flask_mplstream")
        self._seconds = seconds
        self._client = client
        self._storage = storage
        self._changed = threading.Condition()  # guards _accounts
        self._accounts: dict[str, _Account] = {}

    def admit(self, *, must_have: bool) -> str:
        """Return the client of the current request.

        :param must_have: whether the client must have some of its budget left.
        :raises BudgetError: if it must, but has used up its budget.
        """
        client = self._client()
        if must_have:
            self._check(client)
        return client

    def _check(self, client: str) -> None:
        def find_reset(limiter: FixedWindowRateLimiter) -> float:
            if limiter.test(self._item, client):
                return 0.0
            return limiter.get_window_stats(self._item, client).reset_time

        resets_at = self._count(find_reset)
        if not resets_at and "_local" in vars(self):  # Redis refused to count it.
            resets_at = find_reset(self._local)
        if resets_at:
            retry_after_s = max(math.ceil(resets_at - time.time()), 1)
            raise BudgetError(
                f"You have used up your {self._seconds:g} seconds of rendering per "
                f"minute. Try again in {retry_after_s} seconds.",
                retry_after_s,
            )

    @contextmanager
    def open_render(self, client: str, deadline: Deadline) -> Iterator[None]:
        """Charge *client* for all steps of *deadline* except for waiting.

        A client may only have as many unfinished renders as its remaining budget is
        sure to cover. Until the first one is done and its cost is known, this is one.

        :raises BudgetError: if other renders of the client have used up the budget, or
            aren't finished before *deadline*.
        """
        with self._take_place(client, deadline):
            self._check(client)
            try:
                yield
            finally:
                spent_s = deadline.worked_s
                self._charge(client, spent_s)
                self._note_cost(client, spent_s)

    @contextmanager
    def _take_place(self, client: str, deadline: Deadline) -> Iterator[None]:
        """Wait until *client* may start another render, and count it in the block.

        :raises BudgetError: if *deadline* passes first.
        """
        deadline.begin("a turn")
        with self._changed:
            account = self._find_account(client)
            account.users += 1
            has_place = deadline.wait(
                partial(self._changed.wait_for, lambda: account.open < account.most)
            )
            account.open += has_place
        try:
            if not has_place:
                raise BudgetError(
                    "Your other pictures are still being rendered. Try again soon.",
                    1,
                )
            yield
        finally:
            with self._changed:
                account.users -= 1
                account.open -= has_place
                self._changed.notify_all()

    def _find_account(self, client: str) -> _Account:
        if len(self._accounts) >= MAX_ACCOUNTS:
            self._accounts = {c: a for c, a in self._accounts.items() if a.users}
        return self._accounts.setdefault(client, _Account())

    def _note_cost(self, client: str, seconds: float) -> None:
        """Allow *client* as many unfinished renders as its remaining budget covers."""
        left_ms = self._count(
            lambda limiter: limiter.get_window_stats(self._item, client).remaining
        )
        left_s = (left_ms or 0) / 1000
        with self._changed:
            account = self._accounts[client]
            account.dearest_s = max(account.dearest_s, seconds, SHORTEST_S)
            account.most = min(max(int(left_s / account.dearest_s), 1), MAX_OPEN)

    def _charge(self, client: str, seconds: float) -> None:
        def hit(limiter: FixedWindowRateLimiter) -> bool:
            return limiter.hit(self._item, client, cost=cost)

        cost = round(seconds * 1000)
        # A refused render costs nothing.
        if cost and self._count(hit) is None and not self._storage().is_down:
            hit(self._local)

    def _count(self, count: Callable[[FixedWindowRateLimiter], T]) -> T | None:
        """Return the result of *count*, or ``None`` if Redis fails or is down.

        While Redis is down, every client may render.
        """
        storage = self._storage()
        if storage.is_down:
            return None
        try:
            return count(self._limiter)
        except Exception as error:
            storage.note_error(error)
            return None

    @cached_property
    def _local(self) -> FixedWindowRateLimiter:
        """A counter in this process, for when there is no Redis or Redis fails."""
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        return FixedWindowRateLimiter(MemoryStorage())

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        # A render is charged when it is done, possibly over the limit. A fixed window
        # counts that too.
        from limits.storage import RedisStorage
        from limits.strategies import FixedWindowRateLimiter

        pool = self._storage().redis_pool
        if pool is None:
            return self._local
        return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool))
