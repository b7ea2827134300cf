"""Pixels -> bytes: PNG by ``png.py``, the rest by Pillow. Call it outside the gate.

Render layer. It must not call Matplotlib, as it runs without the lock. For example,
``print_jpg`` changes rcParams, so this module adds a JPEG's white background itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..errors import ImageTooLargeError
from ..formats import ImageFormat, Variant
from ..limits.max_bytes import LimitedBuffer
from .draw import Pixels
from .png import is_opaque, round_dpi, write_png

#: Pillow's options for each format; a route's ``pil_kwargs`` override them.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    # A higher quality takes more time for few bytes less.
    "webp": {"lossless": True, "method": 1, "quality": 0},
    # Full chroma, as lines one pixel wide would lose their color. A slightly lower
    # speed than the fastest halves the bytes. One thread, as the bytes depend on the
    # number of threads, and hits need the other processors.
    "avif": {"quality": 85, "speed": 8, "subsampling": "4:4:4", "max_threads": 1},
    "jpg": {"quality": 90},
}
_PILLOW_NAMES = {"jpg": "jpeg"}


def encode_variant(
    pixels: Pixels, variant: Variant, savefig: Mapping[str, Any], max_bytes: int
) -> bytes:
    """Encode *pixels* as *variant*.

    :param savefig: keyword arguments for ``Figure.savefig``.
    :raises ImageTooLargeError: if the image exceeds *max_bytes*.
    """
    try:
        return encode(
            pixels,
            variant.format,
            metadata=savefig.get("metadata"),
            pil_kwargs=savefig.get("pil_kwargs"),
            max_bytes=max_bytes,
        )
    except ImageTooLargeError as error:
        error.is_scaled = variant.scale > 1 or variant.width_px is not None
        error.is_over_max_bytes = True
        raise


def encode(
    pixels: Pixels,
    format: ImageFormat,
    *,
    metadata: Mapping[str, str | None] | None = None,
    pil_kwargs: Mapping[str, Any] | None = None,
    max_bytes: int,
) -> bytes:
    """Encode *pixels*, without loss for PNG.

    :param metadata: text chunks, for a PNG only.
    :param pil_kwargs: options for ``PIL.Image.Image.save``, which then encodes a PNG
        too.
    :raises ImageTooLargeError: if the image exceeds *max_bytes*.
    """
    buffer = LimitedBuffer(max_bytes)
    chunks = _make_text_chunks(metadata if format.name == "png" else None)
    rgba = np.asarray(pixels.rgba)
    if format.name == "png" and not pil_kwargs:
        text = [(kind, data) for kind, data, *_ in chunks.chunks]
        buffer.write(write_png(rgba, dpi=pixels.dpi, chunks=text))
        return buffer.getvalue()
    # Rounded, so that the pixels of a PNG give the same bytes.
    dpi = round_dpi(pixels.dpi)
    options = {
        "format": _PILLOW_NAMES.get(format.name, format.name),
        "dpi": (dpi, dpi),
        **({"pnginfo": chunks} if chunks.chunks else {}),
        **DEFAULTS.get(format.name, {}),
        **(pil_kwargs or {}),
    }
    _make_image(pixels, flatten=format.name == "jpg").save(buffer, **options)
    return buffer.getvalue()


def _make_image(pixels: Pixels, *, flatten: bool) -> Image.Image:
    """Return an RGB image if *pixels* are opaque, else RGBA, or RGB on white.

    :param flatten: whether to put translucent pixels on white.
    """
    size = (pixels.width_px, pixels.height_px)
    rgba: Any = pixels.rgba  # Pillow accepts any buffer; its types do not say so.
    if is_opaque(np.asarray(rgba)):
        return Image.frombytes("RGB", size, rgba, "raw", "RGBX")
    image = Image.frombuffer("RGBA", size, rgba, "raw", "RGBA", 0, 1)
    if not flatten:
        return image
    white = Image.new("RGB", size, "white")
    white.paste(image, mask=image)
    return white


def _make_text_chunks(metadata: Mapping[str, str | None] | None) -> PngInfo:
    chunks = PngInfo()
    for key, text in (metadata or {}).items():
        if text is not None:
            chunks.add_text(key, text)
    return chunks
