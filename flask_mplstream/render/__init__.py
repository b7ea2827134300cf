"""Figure -> bytes. The only package that imports Matplotlib; it needs no app.

It takes an object and a :class:`~flask_mplstream.image.Variant` and returns a
:class:`~flask_mplstream.image.RenderedImage`. It knows no URL, header, cache or
configuration key, and it imports pyplot only where a figure function did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import matplotlib as mpl

from ..image import RenderedImage, Variant, image_format
from .drawing import Document, Pixels, draw_document, draw_pixels
from .encoding import encode
from .figures import as_figure
from .gate import Style, check_style, gate, is_held_here, use_agg
from .hostile import mathtext_of

__all__ = [
    "MATPLOTLIB_VERSION",
    "Style",
    "check_style",
    "gate",
    "is_held_here",
    "mathtext_of",
    "render",
    "render_variant",
    "use_agg",
]

MATPLOTLIB_VERSION = mpl.__version__


def render(
    figure: object,
    format: str = "png",
    *,
    scale: float = 1.0,
    savefig: Mapping[str, Any] | None = None,
    style: Style | None = None,
    max_pixels: int = 16_000_000,
    max_bytes: int = 8 * 2**20,
) -> RenderedImage:
    """Turn a figure into a picture, with no app, no file and no display.

    Where several threads render, give the function that builds the figure and
    not the figure: Matplotlib is not thread-safe, and what the function does
    then happens with the rest, one figure at a time. ::

        image = render(draw_scatter, "png")
        return HttpResponse(image.body, content_type=image.mimetype)

    :param figure: a ``Figure``, ``Axes`` or other object that belongs to one
        figure, or a function without arguments that returns such an object.
    :param format: ``png``, ``webp``, ``avif``, ``jpg``, ``svg`` or ``pdf``.
    :param scale: pixels per pixel of the figure's own size, default 1.
    :param savefig: keyword arguments as for ``Figure.savefig``.
    :param style: a Matplotlib style; it reaches a figure function as well.
    :param max_pixels: pixels that the picture may have, width times height.
    :param max_bytes: bytes that the picture may have once encoded.
    :return: the picture, with ``body`` and ``mimetype``.
    :raises FigureTypeError: where there is no figure in *figure*.
    :raises ImageTooLargeError: where a limit is passed.
    :raises ConfigError: where *format* is not known.
    """
    source = "the argument of render()"
    if callable(figure):
        source = getattr(figure, "__qualname__", repr(figure))
    return render_variant(
        figure if callable(figure) else lambda: figure,
        Variant(image_format(format), scale),
        source=source,
        savefig=savefig or {},
        style=style,
        max_pixels=max_pixels,
        max_bytes=max_bytes,
    )


def render_variant(
    build: Callable[[], object],
    variant: Variant,
    *,
    source: str,
    savefig: Mapping[str, Any],
    style: Style | None,
    max_pixels: int,
    max_bytes: int,
    timeout_s: float | None = None,
) -> RenderedImage:
    """Build a figure and draw it inside the gate, encode it outside.

    :param build: the figure function with its arguments bound.
    :param source: what to call it in an error.
    :param timeout_s: seconds to wait for the gate; ``None`` for ever.
    :raises OverloadedError: where the gate is not free in time.
    """
    asked = perf_counter()
    with gate(style, timeout_s):
        entered = perf_counter()
        drawn, built = _drawn(build, variant, source, savefig, max_pixels, max_bytes)
        done = perf_counter()
    if isinstance(drawn, Document):
        body = drawn.body
    else:
        body = encode(
            drawn,
            variant.format,
            metadata=savefig.get("metadata"),
            pil_kwargs=savefig.get("pil_kwargs"),
            max_bytes=max_bytes,
        )
    timings = (
        ("wait", entered - asked),
        ("build", built - entered),
        ("draw", done - built),
        ("encode", perf_counter() - done),
    )
    return RenderedImage(body, variant.format, drawn.width_px, drawn.height_px, timings)


def _drawn(
    build: Callable[[], object],
    variant: Variant,
    source: str,
    savefig: Mapping[str, Any],
    max_pixels: int,
    max_bytes: int,
) -> tuple[Pixels | Document, float]:
    """What was drawn, and when the figure was built; the figure ends here."""
    figure = as_figure(build(), source)
    built = perf_counter()
    if variant.format.is_vector:
        return draw_document(
            figure, variant.format, savefig, max_pixels=max_pixels, max_bytes=max_bytes
        ), built
    return draw_pixels(
        figure, savefig, scale=variant.scale, max_pixels=max_pixels
    ), built
