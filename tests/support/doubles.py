"""Doubles: a counter of renders, a clock to set, sessions that keep silent."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response
from flask.sessions import SecureCookieSessionInterface, SessionMixin


class Counter:
    """Counts the renders of a figure function: the main thing to assert on."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *values: Any) -> None:
        self.calls.append(values[0] if len(values) == 1 else values)

    def __len__(self) -> int:
        return len(self.calls)


class Clock:
    """A clock in hand."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


class SilentSessions(SecureCookieSessionInterface):
    """Sessions that do not say ``Vary: Cookie``, as in several extensions."""

    def save_session(
        self, app: Flask, session: SessionMixin, response: Response
    ) -> None:
        if session.modified:
            super().save_session(app, session, response)
