"""A module in a setting that the web process has not imported."""

from __future__ import annotations


def takes_arguments(level: int) -> int:
    """Return *level*; this is no application factory."""
    return level
