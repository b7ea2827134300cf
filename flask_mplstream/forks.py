"""Work of a forked child: locks, threads and processes are its parent's.

Values layer: the standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable


def call_in_child(function: Callable[[], object]) -> None:
    """Call *function* in each child of this process after a fork.

    Windows has no forks, and so no way to ask for it.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=function)
