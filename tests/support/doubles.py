"""Test doubles: a counter of renders, a manual clock, sessions without ``Vary``."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin


class Counter:
    """A counter of a figure function's renders, for the main assertion."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *values: Any) -> None:
        """Record a call with *values*."""
        self.calls.append(values[0] if len(values) == 1 else values)

    def __len__(self) -> int:
        """Return the number of calls."""
        return len(self.calls)


class Clock:
    """A clock in seconds that only tests advance."""

    now = 1_000_000.0

    def __call__(self) -> float:
        """Return the set time."""
        return self.now


class SilentSessions(SecureCookieSessionInterface):
    """Sessions that do not send ``Vary: Cookie``, as in several extensions."""

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        """Save a modified session only; other responses get no header."""
        if session.modified:
            super().save_session(app, session, response)
