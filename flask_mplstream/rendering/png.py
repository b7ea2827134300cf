"""PNG files from pixels: rows filtered by NumPy, compressed by zlib-ng.

Render layer. It must not call Matplotlib, as it runs without the lock.

Pillow tries five filters for each row. On plots, one filter for all rows gives fewer
bytes in a quarter of the time (benchmarks/miss.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

# Without a wheel for the platform, other bytes of equal pixels.
zlib = import_module("zlib_ng.zlib_ng" if find_spec("zlib_ng") else "zlib")

Rows = NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RGB, _RGBA = 2, 6
_UP = 2  # The filter type; 0 is none.
#: Level 3 gives a tenth more bytes and saves a hundredth of a render.
_LEVEL = 6
#: The sample that chooses the filter: every fourth band of eight rows.
_BAND_ROWS, _BAND_STEP = 8, 4
#: Rows that are filtered and compressed at once.
_STRIP_ROWS = 256
_INCHES_PER_METER = 1 / 0.0254


def is_opaque(rgba: Rows) -> bool:
    """Return whether no pixel is translucent.

    :param rgba: shape ``(height, width, 4)``, contiguous.
    """
    # Reducing whole pixels takes a seventh of the time of reducing one channel.
    return bool(np.bitwise_and.reduce(rgba.view("<u4"), axis=None) >= 0xFF000000)


def round_dpi(dpi: float) -> float:
    """Return *dpi* as a PNG states it, in whole pixels per meter."""
    return _count_per_meter(dpi) / _INCHES_PER_METER


def _count_per_meter(dpi: float) -> int:
    return int(dpi * _INCHES_PER_METER + 0.5)


def write_png(
    rgba: Rows, *, dpi: float, chunks: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Return a PNG of *rgba*: RGB if all pixels are opaque, else RGBA.

    Equal arguments give equal bytes. The file format: https://www.w3.org/TR/png-3/.

    :param rgba: shape ``(height, width, 4)``, 8 bits per channel, alpha not
        premultiplied.
    :param dpi: pixels per inch of the picture.
    :param chunks: type and data of further chunks, such as ``tEXt``.
    """
    height_px, width_px, _ = rgba.shape
    channels = 3 if is_opaque(rgba) else 4
    color_type = _RGB if channels == 3 else _RGBA
    per_meter = _count_per_meter(dpi)
    header = struct.pack(">IIBBBBB", width_px, height_px, 8, color_type, 0, 0, 0)
    parts = [
        (b"IHDR", header),
        *chunks,
        (b"pHYs", struct.pack(">IIB", per_meter, per_meter, 1)),
        (b"IDAT", _compress(rgba, channels)),
        (b"IEND", b""),
    ]
    return b"".join([_SIGNATURE, *(_chunk(*part) for part in parts)])


def _compress(rgba: Rows, channels: int) -> bytes:
    """Return the data of the picture, strip by strip.

    Whole rows of a large picture would take twice the memory of its pixels. If several
    threads encode, the C library would also keep much of that for each thread.
    """
    uses_up = _choose_up(rgba, channels)
    compressor = zlib.compressobj(_LEVEL)
    parts = []
    for start in range(0, len(rgba), _STRIP_ROWS):
        end = start + _STRIP_ROWS
        if uses_up and start:
            strip = _subtract_rows_above(_rows(rgba[start - 1 : end], channels))[1:]
        else:
            strip = _rows(rgba[start:end], channels)
            strip = _subtract_rows_above(strip) if uses_up else strip
        parts.append(compressor.compress(strip))
    return b"".join([*parts, compressor.flush()])


def _rows(rgba: Rows, channels: int) -> Rows:
    """Return the rows as in the file, each after a byte for its filter."""
    height, width, _ = rgba.shape
    rows = np.zeros((height, 1 + channels * width), np.uint8)
    pixels = np.ndarray(
        (height, width, channels), np.uint8, rows, 1, (rows.strides[0], channels, 1)
    )
    for channel in range(channels):  # Faster than all channels at once.
        pixels[..., channel] = rgba[..., channel]
    return rows


def _choose_up(rgba: Rows, channels: int) -> bool:
    """Return whether to store differences from the row above, not the rows.

    A sample of the rows chooses, compressed both ways.
    """
    plain, above = zlib.compressobj(1), zlib.compressobj(1)
    saved_bytes = 0
    for start in range(0, len(rgba), _BAND_ROWS * _BAND_STEP):
        band = _rows(rgba[start : start + _BAND_ROWS], channels)
        saved_bytes += len(plain.compress(band))
        saved_bytes -= len(above.compress(_subtract_rows_above(band)))
    return saved_bytes + len(plain.flush()) > len(above.flush())


def _subtract_rows_above(rows: Rows) -> Rows:
    above = rows.copy()
    above[1:] -= rows[:-1]
    above[:, 0] = _UP
    return above


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"".join(
        [
            struct.pack(">I", len(data)),
            kind,
            data,
            struct.pack(">I", crc32(data, crc32(kind))),
        ]
    )
