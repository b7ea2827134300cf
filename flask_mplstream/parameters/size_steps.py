"""The steps of ``_width`` and ``_scale``, and snapping a width to them.

Values layer: the standard library. The lists are short, so that a client cannot fill
the cache with arbitrary sizes.
"""

from __future__ import annotations

from bisect import bisect_left

#: The values of ``_scale``.
SCALES: tuple[float, ...] = (0.5, 1, 1.5, 2, 3, 4)

#: Widths in pixels that ``_width`` is rounded up to.
WIDTHS_PX = (
    *(120, 160, 240, 320, 400, 480, 640, 800, 960),
    *(1280, 1600, 1920, 2560, 3200, 3840),
)


def snap_width(width_px: int) -> int:
    """Round *width_px* up to the next of ``WIDTHS_PX``, or else to the widest."""
    index = bisect_left(WIDTHS_PX, width_px)
    return WIDTHS_PX[min(index, len(WIDTHS_PX) - 1)]
