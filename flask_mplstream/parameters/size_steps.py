"""The steps for ``_width`` and ``_scale``, and how a width is rounded up.

Values layer. The lists are short, so that clients can't fill up the cache with
arbitrary sizes.
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
    """Round *width_px* up to the next step in ``WIDTHS_PX``, if there is one."""
    index = bisect_left(WIDTHS_PX, width_px)
    return WIDTHS_PX[min(index, len(WIDTHS_PX) - 1)]
