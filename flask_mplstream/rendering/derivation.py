"""PNG -> another pixel format: the pixels of a drawn picture, encoded once more.

Render layer. It must not call Matplotlib, as it runs without the lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from time import perf_counter
from typing import Any

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from ..formats import Variant
from ..limits.deadline import Deadline
from ..limits.pixel_memory import Room
from ..rendered_image import RenderedImage
from .draw import Pixels
from .encode import encode_variant
from .figure_lock import is_held_here

#: Options of Pillow that give a PNG other pixels than were drawn, or another format.
_CHANGES_OF_PIXELS = frozenset(("format", "transparency"))


def keeps_pixels(savefig: Mapping[str, Any]) -> bool:
    """Return whether a PNG that is saved with *savefig* has the pixels as drawn."""
    return _CHANGES_OF_PIXELS.isdisjoint(savefig.get("pil_kwargs") or ())


def derive(
    png: RenderedImage,
    variant: Variant,
    savefig: Mapping[str, Any],
    *,
    max_bytes: int,
    deadline: Deadline | None = None,
) -> RenderedImage:
    """Encode the pixels of *png* as *variant*: the bytes that a draw would give.

    :param png: the picture in a variant that differs in its format only.
    :param savefig: the keyword arguments that *png* was saved with.
    :param deadline: of the wait for memory; ``None``, the default, for no limit.
    :raises ImageTooLargeError: if the image exceeds *max_bytes*.
    :raises OverloadedError: if memory is not free before the deadline.
    """
    deadline = deadline or Deadline(None)
    room = Room(variant, deadline, is_nested=is_held_here())
    deadline.begin("memory")
    try:
        room.grow_to(png.width_px * png.height_px)
        deadline.begin("encode")
        began = perf_counter()
        body = encode_variant(_decode(png), variant, savefig, max_bytes)
        timings_s = (("encode", perf_counter() - began),)
    finally:
        room.give_back()
    size_px = png.width_px, png.height_px
    return RenderedImage(body, variant.format, *size_px, timings_s, words=png.words)


def _decode(png: RenderedImage) -> Pixels:
    # Image.open() would refuse a picture with more pixels than a limit of Pillow's.
    with PngImageFile(BytesIO(png.body)) as image:
        rgba: Any = np.asarray(image.convert("RGBA"))
        dpi, _ = image.info.get("dpi", (0, 0))  # An app's pil_kwargs may omit it.
    return Pixels(memoryview(rgba), png.width_px, png.height_px, dpi)
