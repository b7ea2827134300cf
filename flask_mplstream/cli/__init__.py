"""The ``flask figures`` group and its commands, one module each.

This package imports ``html``, ``web`` and the layers below them. Only the blueprint
imports it. The exit code is 2 for wrong usage and 1 for a failure.
"""

from . import (  # noqa: F401 - each module adds its command to the group
    bench,
    freeze,
    list,
    openapi,
    purge,
    render,
    url,
    warm,
)
from .command_group import figures as figures
