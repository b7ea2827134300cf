"""A buffer that limits its size in bytes.

Values layer: it imports only ``errors``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from ..errors import ImageTooLargeError


class LimitedBuffer(BytesIO):
    """A buffer for at most *max_bytes* bytes.

    :param subject: the beginning of the error message. The default is "The picture
        has".
    """

    def __init__(self, max_bytes: int, *, subject: str = "The picture has") -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._subject = subject
        self._refusal: ImageTooLargeError | None = None

    def write(self, data: Any, /) -> int:
        """Write *data*, or reject it if there is too much.

        :raises ImageTooLargeError: if the buffer would exceed its limit.
        """
        if self.tell() + len(data) > self._max_bytes:
            self._refusal = ImageTooLargeError(
                f"{self._subject} more than {self._max_bytes:,} bytes, the limit "
                f"max_bytes. Draw fewer points, rasterize those of an SVG or PDF, or "
                f"raise max_bytes."
            )
            raise self._refusal
        return super().write(data)

    @contextmanager
    def limiting(self) -> Iterator[None]:
        """Raise the error from :meth:`write`, even if the writer fails again later."""
        try:
            yield
        except Exception:
            if self._refusal is not None:
                raise self._refusal from None
            raise
