"""Memory for pixels: how much of it all renders of a process hold at once.

Render layer: values and threads. A picture's pixels are held from its draw until they
are encoded, and an encoder takes several times as much: 16 million pixels take 64 MB
drawn and 600 MB while they become an AVIF. Only the render in the gate takes room, and
only encoders, which need no gate, are waited for.
"""

from __future__ import annotations

import ctypes
import threading
from contextlib import suppress

from ..errors import OverloadedError
from ..forks import call_in_child
from ..formats import Variant
from .deadline import Deadline

#: Bytes that the pixels of all renders and their encoders may hold together. A picture
#: that needs more than that by itself is made alone.
MAX_BYTES = 400 * 2**20

#: Bytes for each pixel while it is drawn and encoded, measured at 3840 x 2880:
#: benchmarks/large.py.
BYTES_PER_PIXEL = {"png": 8, "jpg": 8, "webp": 30, "avif": 38}

#: Bytes from which on a render gives memory back to the system when it ends.
TRIMMED_BYTES = 64 * 2**20

#: What most figures measure at scale 1, in pixels. A figure's own size is known only
#: once it is built.
_USUAL_WIDTH_PX, _USUAL_HEIGHT_PX = 640, 480


class PixelRoom:
    """Counts the bytes that renders hold.

    :param max_bytes: that they may hold at once.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self.max_bytes = max_bytes
        self._held_bytes = 0
        self._changed = threading.Condition()  # guards _held_bytes

    def wait(self, count: int, deadline: Deadline) -> bool:
        """Return whether *count* bytes were free at some time before the deadline."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._has_room(count), deadline.lock_timeout_s
            )

    def try_take(self, count: int) -> bool:
        """Take *count* bytes if they are free."""
        with self._changed:
            has_room = self._has_room(count)
            self._held_bytes += count * has_room
            return has_room

    def take(self, count: int) -> None:
        """Take *count* bytes, whether they are free or not."""
        with self._changed:
            self._held_bytes += count

    def give(self, count: int) -> None:
        """Give *count* bytes back."""
        with self._changed:
            self._held_bytes -= count
            self._changed.notify_all()

    def _has_room(self, count: int) -> bool:
        return self._held_bytes + count <= self.max_bytes


class Room:
    """What one render holds of the process's :class:`PixelRoom`.

    :param is_nested: whether it is part of a render that holds room itself, which must
        not be waited for.
    """

    def __init__(
        self, variant: Variant, deadline: Deadline, *, is_nested: bool = False
    ) -> None:
        self._source = pixel_room  # A fork brings a new one.
        self._per_pixel = BYTES_PER_PIXEL.get(variant.format.name, 0)
        self._usual_bytes = self._bytes_of(_usual_pixels(variant))
        self._deadline = deadline
        self._is_nested = is_nested
        self._held_bytes = 0

    def _bytes_of(self, pixels: float) -> int:
        """Bytes for *pixels*, or all that there are."""
        return min(int(pixels * self._per_pixel), self._source.max_bytes)

    def wait(self) -> None:
        """Wait outside the gate until there seems to be room.

        :raises OverloadedError: if there is none before the deadline.
        """
        self._deadline.begin("memory")
        if not self._is_nested and not self._source.wait(
            self._usual_bytes, self._deadline
        ):
            raise _crowded(self._deadline)

    def take(self) -> bool:
        """Take room for what most figures measure, unless there is none left."""
        if self._is_nested or self._source.try_take(self._usual_bytes):
            self._held_bytes = 0 if self._is_nested else self._usual_bytes
            return True
        return False

    def grow_to(self, pixels: float) -> None:
        """Hold room for *pixels* at least; call it inside the gate.

        :raises OverloadedError: if there is none before the deadline.
        """
        missing = self._bytes_of(pixels) - self._held_bytes
        if missing <= 0:
            return
        if self._is_nested:
            self._source.take(missing)
        elif not self._grown(missing):
            raise _crowded(self._deadline)
        self._held_bytes += missing

    def _grown(self, missing: int) -> bool:
        while not self._source.try_take(missing):
            if not self._source.wait(missing, self._deadline):
                return False
        return True

    def give_back(self) -> None:
        """Hold nothing any more."""
        if self._held_bytes >= TRIMMED_BYTES:
            _trim()
        self._source.give(self._held_bytes)
        self._held_bytes = 0


def _trim() -> None:
    """Give free memory back to the system, which glibc keeps for each thread."""
    with suppress(AttributeError, OSError, TypeError):  # Another C library.
        ctypes.CDLL(None).malloc_trim(0)


def _usual_pixels(variant: Variant) -> float:
    """Pixels that most figures have in *variant*."""
    scale = variant.scale
    if variant.width_px is not None:
        scale = variant.width_px / _USUAL_WIDTH_PX
    return _USUAL_WIDTH_PX * scale * _USUAL_HEIGHT_PX * scale


def _crowded(deadline: Deadline) -> OverloadedError:
    return OverloadedError(
        f"Other large pictures took all memory for {deadline.timeout_s:g} seconds. Try "
        f"again in a second.",
        fix="Offer smaller pictures with the options max_width and max_scale, leave "
        "avif out of formats, or render in more processes (MPLSTREAM_WORKERS).",
    )


pixel_room = PixelRoom()


def _renew() -> None:
    """After a fork: what the parent's threads hold is not held here."""
    global pixel_room
    pixel_room = PixelRoom()


call_in_child(_renew)
