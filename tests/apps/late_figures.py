"""A module that the web process has not imported when a setting names it."""

from __future__ import annotations


def takes_arguments(level: int) -> int:
    """No factory of an app."""
    return level
