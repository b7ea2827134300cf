"""Limit the memory that all renders in a process use for pixels.

The pixels of a picture stay in memory after the draw until they are encoded, and the
encoder needs several times their memory. For example, 16 million pixels take up 64 MB
when they are drawn and 600 MB while they are encoded as AVIF. There can't be a
deadlock, because only a render inside the gate takes room, and it only waits for
encoders, which don't need the gate.
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress

from ..errors import OverloadedError
from ..forks import call_in_child
from ..formats import Variant
from .deadline import Deadline

#: Bytes for the pixels and encoders of all renders together. A picture that needs more
#: is rendered alone.
MAX_BYTES = 400 * 2**20

#: Bytes per pixel for the draw and the encoder, measured at 3840 x 2880
#: (benchmarks/large.py).
BYTES_PER_PIXEL = {"png": 8, "jpg": 8, "webp": 30, "avif": 38}

#: Bytes that a render must hold to give free memory back to the system when it ends.
TRIMMED_BYTES = 64 * 2**20

#: Size of most figures at scale 1. The actual size is known only after the build.
_USUAL_WIDTH_PX, _USUAL_HEIGHT_PX = 640, 480


class PixelRoom:
    """A counter for the bytes that renders use.

    :param max_bytes: the limit. The default is :data:`MAX_BYTES`.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._held_bytes = 0
        self._changed = threading.Condition()  # guards _held_bytes

    def wait(self, count: int, timeout_s: float) -> bool:
        """Wait until *count* bytes are free, and return whether this succeeded."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._held_bytes + count <= self.max_bytes, timeout_s
            )

    def take_when_free(self, count: int, timeout_s: float = 0.0) -> bool:
        """Take *count* bytes when they are free, and return whether this succeeded."""
        with self._changed:
            has_room = self.wait(count, timeout_s)
            self._held_bytes += count * has_room
            return has_room

    def take(self, count: int) -> None:
        """Take *count* bytes even if they aren't free."""
        with self._changed:
            self._held_bytes += count

    def give(self, count: int) -> None:
        """Give *count* bytes back."""
        with self._changed:
            self._held_bytes -= count
            self._changed.notify_all()


class Room:
    """The share that a render has of the :class:`PixelRoom` in this process.

    :param is_nested: whether this render is part of another one. In this case, it never
        waits, because the outer render holds the gate and some of the room until this
        one is done.
    """

    def __init__(
        self, variant: Variant, deadline: Deadline, *, is_nested: bool = False
    ) -> None:
        self._source = pixel_room  # A fork replaces the global.
        self._per_pixel = BYTES_PER_PIXEL.get(variant.format.name, 0)
        self._usual_bytes = self._count_bytes(_estimate_pixels(variant))
        self._deadline = deadline
        self._is_nested = is_nested
        self._held_bytes = 0

    def _count_bytes(self, pixels: float) -> int:
        """Return the number of bytes for *pixels*, but no more than the whole room."""
        return min(int(pixels * self._per_pixel), self._source.max_bytes)

    def wait(self) -> None:
        """Wait outside of the gate until a figure of the usual size would fit.

        This doesn't take any room, so :meth:`take` may still fail.

        :raises OverloadedError: if the deadline passes first.
        """
        self._deadline.begin("memory")
        if not self._is_nested and not self._source.wait(
            self._usual_bytes, self._deadline.lock_timeout_s
        ):
            raise _make_overload_error(self._deadline)

    def take(self) -> bool:
        """Take room for a figure of the usual size, if there is enough."""
        if self._is_nested or self._source.take_when_free(self._usual_bytes):
            self._held_bytes = 0 if self._is_nested else self._usual_bytes
            return True
        return False

    def grow_to(self, pixels: float) -> None:
        """Extend the room to at least *pixels*. Call this inside the gate.

        :raises OverloadedError: if the deadline passes before there is enough.
        """
        missing = self._count_bytes(pixels) - self._held_bytes
        if missing <= 0:
            return
        if self._is_nested:
            self._source.take(missing)
        elif not self._source.take_when_free(missing, self._deadline.lock_timeout_s):
            raise _make_overload_error(self._deadline)
        self._held_bytes += missing

    def give_back(self) -> None:
        """Release all of the room, and trim the heap after a large render.

        Without a trim, glibc keeps the free memory for each thread.
        """
        if self._held_bytes >= TRIMMED_BYTES:
            with suppress(AttributeError, OSError, TypeError):  # Another C library.
                ctypes.CDLL(None).malloc_trim(0)
        self._source.give(self._held_bytes)
        self._held_bytes = 0


def _estimate_pixels(variant: Variant) -> float:
    """Return how many pixels most figures have in *variant*."""
    scale = variant.scale
    if variant.width_px is not None:
        scale = variant.width_px / _USUAL_WIDTH_PX
    return _USUAL_WIDTH_PX * scale * _USUAL_HEIGHT_PX * scale


def _make_overload_error(deadline: Deadline) -> OverloadedError:
    return OverloadedError(
        f"Other large pictures took all memory for {deadline.timeout_s:g} seconds. Try "
        f"again in a second.",
        fix="Lower the options max_width and max_scale, remove avif from formats, or "
        "render in more processes (MPLSTREAM_WORKERS).",
    )


pixel_room = PixelRoom()


def _renew() -> None:
    """Reset the counts after a fork, because the renders belong to the parent."""
    global pixel_room
    pixel_room = PixelRoom()


call_in_child(_renew)
