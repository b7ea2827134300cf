"""Limit the number of running and waiting renders in a process.

This module doesn't import Flask. A thread that waits for a render can't serve other
requests, so a longer queue would only make an overload worse.
"""

from __future__ import annotations

import threading

from ..errors import OverloadedError


class Admission:
    """A counter for renders. Use ``with admission:`` to count one.

    This raises :exc:`OverloadedError` if there are already *max_renders*.

    :param max_renders: the maximum number of running and waiting renders.
    """

    def __init__(self, max_renders: int) -> None:
        self._max_renders = max_renders
        self._count = 0
        self._lock = threading.Lock()  # guards _count

    def __enter__(self) -> None:
        with self._lock:
            if self._count >= self._max_renders:
                raise OverloadedError(
                    f"{self._count} other pictures are being rendered or waiting. Try "
                    f"again in a second.",
                    fix="Render in more processes (MPLSTREAM_WORKERS), or raise "
                    "MPLSTREAM_MAX_PENDING.",
                )
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._count -= 1
