"""The limit on running and waiting renders in one process.

Values and threads: no Flask. A thread that waits for a render serves no other request,
so a longer queue only spreads the overload.
"""

from __future__ import annotations

import threading
from types import TracebackType

from ..errors import OverloadedError


class Admission:
    """Counter of renders; ``with admission:`` counts one.

    Entering raises :exc:`OverloadedError` if *max_renders* are counted already.

    :param max_renders: maximum number of renders, running and waiting.
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._count -= 1
