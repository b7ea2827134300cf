"""The ``flask figures`` group and its commands, one module each.

Imports ``html``, ``web`` and the layers below them. Only the blueprint imports it.
Wrong usage ends with exit code 2, a failure with 1.
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
