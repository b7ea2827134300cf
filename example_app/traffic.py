"""The number of pictures sent, counted by a signal of the package."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Flask, current_app

from flask_mplstream.signals import figure_served

#: The names of the counted states in the figure.
NAMES = {"hit": "from the cache", "unchanged": "not modified", "drawn": "rendered"}


def start_counting(app: Flask) -> None:
    """Count the pictures that *app* sends in this process."""
    app.extensions["traffic"] = Counter()
    figure_served.connect(_count_picture, app)


def count_sent() -> dict[str, int]:
    """Return the number of pictures sent, by their origin."""
    counted = current_app.extensions["traffic"]
    return {name: counted[state] for state, name in NAMES.items()}


def _count_picture(app: Flask, *, status: int, cache: str | None, **_: Any) -> None:
    if cache is not None:
        fresh = "hit" if cache == "hit" else "drawn"
        app.extensions["traffic"]["unchanged" if status == 304 else fresh] += 1
