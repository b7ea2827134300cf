"""Render time per client: who asks for much waits, and nobody else does.

Flask side. Counted by `limits`, the library under Flask-Limiter, in the Redis
that keeps the pictures where there is one, else in this process.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

from flask import has_request_context, request

from ..cache.backend_breaker import is_outage
from ..cache.store import Store
from ..errors import BudgetError
from .deadline import Deadline

if TYPE_CHECKING:
    from limits.strategies import FixedWindowRateLimiter

T = TypeVar("T")


#: Open renders that one client may have, whatever they cost.
MAX_OPEN = 8
#: Clients that are remembered, besides those with open renders.
MAX_ACCOUNTS = 1024
#: Seconds that a render is taken to cost at least.
SHORTEST_S = 0.001


@dataclass(slots=True)
class _Account:
    """The open renders of one client in this process."""

    #: Renders that are open or wait to be.
    users: int = 0
    open: int = 0
    #: How many may be open. One, until it is known what one costs.
    most: int = 1
    dearest_s: float = 0.0


def remote_address() -> str:
    """The address of the client, behind a proxy as ``ProxyFix`` has it."""
    return request.remote_addr or ""


class Budget:
    """Render-seconds for each client and minute.

    :param seconds: for each client.
    :param client: names the client of the current request.
    :param store: gives the store whose Redis counts.
    """

    def __init__(
        self, seconds: float, client: Callable[[], str], store: Callable[[], Store]
    ) -> None:
        from limits import RateLimitItemPerMinute

        per_minute = math.ceil(seconds * 1000)
        self._item = RateLimitItemPerMinute(per_minute, namespace="flask_mplstream")
        self._seconds = seconds
        self._client = client
        self._store = store
        self._changed = threading.Condition()  # guards _accounts
        self._accounts: dict[str, _Account] = {}

    def payer(self, *, must_have: bool) -> str | None:
        """Return the client of the current request, or ``None`` outside of one.

        :param must_have: whether it must be able to pay for a render.
        :raises BudgetError: if it must and cannot, with the seconds until it can.
        """
        if not has_request_context():
            return None
        client = self._client()
        if must_have:
            self._check(client)
        return client

    def _check(self, client: str) -> None:
        item = self._item

        def reset_time(limiter: FixedWindowRateLimiter) -> float:
            if limiter.test(item, client):
                return 0.0
            return limiter.get_window_stats(item, client).reset_time

        resets_at = self._counted(reset_time)
        if not resets_at and "_local" in vars(self):  # Redis refused to count it.
            resets_at = reset_time(self._local)
        if resets_at:
            retry_after_s = max(math.ceil(resets_at - time.time()), 1)
            raise BudgetError(
                f"You have used up {self._seconds:g} seconds of rendering in a minute. "
                f"There is more in {retry_after_s} seconds.",
                retry_after_s,
            )

    @contextmanager
    def opened(self, client: str, deadline: Deadline) -> Iterator[None]:
        """Charge *client* for what is done before *deadline*, but not for waiting.

        A client has as many renders open as its budget is sure to cover: one, until
        one is done and its cost is known.

        :raises BudgetError: if others of its renders have used its budget up.
        """
        with self._place(client, deadline):
            self._check(client)
            try:
                yield
            finally:
                spent_s = deadline.worked_s
                self._charge(client, spent_s)
                self._note_cost(client, spent_s)

    @contextmanager
    def _place(self, client: str, deadline: Deadline) -> Iterator[None]:
        """Count an open render of *client*, once there may be one more.

        :raises BudgetError: if there may not before *deadline*.
        """
        deadline.begin("a turn")
        with self._changed:
            account = self._account(client)
            account.users += 1
            has_place = deadline.wait(
                partial(self._changed.wait_for, lambda: account.open < account.most)
            )
            account.open += has_place
        try:
            if not has_place:
                raise BudgetError(
                    "Your other pictures are still being rendered. Try again soon.", 1
                )
            yield
        finally:
            with self._changed:
                account.users -= 1
                account.open -= has_place
                self._changed.notify_all()

    def _account(self, client: str) -> _Account:
        if len(self._accounts) >= MAX_ACCOUNTS:
            kept = {c: a for c, a in self._accounts.items() if a.users}
            self._accounts = kept
        return self._accounts.setdefault(client, _Account())

    def _note_cost(self, client: str, seconds: float) -> None:
        """Let *client* have as many open renders as what is left can pay for."""

        def left_ms(limiter: FixedWindowRateLimiter) -> int:
            return limiter.get_window_stats(self._item, client).remaining

        left_s = (self._counted(left_ms) or 0) / 1000
        with self._changed:
            account = self._accounts[client]
            account.dearest_s = max(account.dearest_s, seconds, SHORTEST_S)
            account.most = min(max(int(left_s / account.dearest_s), 1), MAX_OPEN)

    def _charge(self, client: str, seconds: float) -> None:
        cost = round(seconds * 1000)
        if cost:  # A refusal costs nothing.

            def hit(limiter: FixedWindowRateLimiter) -> bool:
                return limiter.hit(self._item, client, cost=cost)

            if self._counted(hit) is None and not self._store().breaker.is_open:
                hit(self._local)

    def _counted(self, count: Callable[[FixedWindowRateLimiter], T]) -> T | None:
        """Return what *count* returns; ``None`` if Redis refuses or is down.

        While it is down every client may render.
        """
        breaker = self._store().breaker
        if breaker.is_open:
            return None
        try:
            return count(self._limiter)
        except Exception as error:
            if is_outage(error):
                breaker.trip()
            return None

    @cached_property
    def _local(self) -> FixedWindowRateLimiter:
        """Counts of this process, for a server that refuses them."""
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        return FixedWindowRateLimiter(MemoryStorage())

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        # A fixed window counts what is over the limit too: a render is paid for
        # when it is done.
        from limits.storage import RedisStorage
        from limits.strategies import FixedWindowRateLimiter

        client = getattr(self._store().backend, "_write_client", None)
        if client is None or not hasattr(client, "connection_pool"):
            return self._local
        pool = client.connection_pool
        return FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool))
