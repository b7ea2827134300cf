"""A module that a setting names and the web process has not imported."""

from __future__ import annotations


def takes_arguments(level: int) -> int:
    """Return *level*; this is not a factory of an app."""
    return level
