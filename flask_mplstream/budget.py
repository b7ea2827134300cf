"""Render time per client: who asks for much waits, and nobody else does.

Flask side. Counted by `limits`, the library under Flask-Limiter, in the Redis
that keeps the pictures where there is one, else in this process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from flask import has_request_context, request

from .cache.breaker import is_outage
from .cache.store import Store
from .errors import BudgetError

if TYPE_CHECKING:
    from limits.strategies import FixedWindowRateLimiter

T = TypeVar("T")


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

    def check(self) -> None:
        """Refuse the current request a render that its client cannot pay for.

        :raises BudgetError: with the seconds until it can.
        """
        if not has_request_context():
            return
        item, client = self._item, self._client()

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

    def charge(self, seconds: float) -> None:
        """Count *seconds* of rendering to the client of the current request."""
        if not has_request_context():
            return
        item, client, cost = self._item, self._client(), max(round(seconds * 1000), 1)

        def hit(limiter: FixedWindowRateLimiter) -> bool:
            return limiter.hit(item, client, cost=cost)

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
