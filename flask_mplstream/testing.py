"""Helpers for testing an app that has figures.

This is the top layer, so no other module of the package imports it. You can use it with
any test runner.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from types import MappingProxyType
from typing import Any

import numpy as np
from flask import Flask
from numpy.typing import NDArray
from PIL import Image
from werkzeug.wrappers import Response

from .rendered_image import RenderedImage
from .signals import figure_rendered

__all__ = ["NO_CACHE", "decode_picture", "record_renders"]

#: Settings of an app that keeps neither pictures nor errors: each request renders.
NO_CACHE: Mapping[str, Any] = MappingProxyType(
    {
        "CACHE_TYPE": "NullCache",
        "CACHE_NO_NULL_WARNING": True,
        "MPLSTREAM_ERROR_BACKOFF": 0,
    }
)


@contextmanager
def record_renders(app: Flask) -> Iterator[list[str]]:
    """Record the endpoint of each figure that *app* renders, in order.

    For example::

        with record_renders(app) as renders:
            client.get("/plots/walk")
            client.get("/plots/walk")
        assert renders == ["plots.walk"]

    This includes renders in the background and in workers, but not those that fail, nor
    pictures that are encoded from a stored PNG.
    """
    renders: list[str] = []

    def record(_app: Flask, *, figure: str, **_more: object) -> None:
        renders.append(figure)

    with figure_rendered.connected_to(record, app):
        yield renders


def decode_picture(picture: Response | RenderedImage) -> NDArray[np.uint8]:
    """Return the pixels of *picture* as RGBA, shape ``(height, width, 4)``.

    :param picture: a response from a test client, or an image from ``figure_image()``
        or ``render()``. The format must be PNG, WebP, AVIF or JPEG.
    :raises AssertionError: if the status of the response isn't 200.
    :raises PIL.UnidentifiedImageError: if the image has any other format, such as SVG.
    """
    if isinstance(picture, RenderedImage):
        body = picture.body
    else:
        body = picture.data
        assert picture.status_code == 200, f"{picture.status}: {body[:1000]!r}"
    with Image.open(BytesIO(body)) as image:
        return np.asarray(image.convert("RGBA"))
