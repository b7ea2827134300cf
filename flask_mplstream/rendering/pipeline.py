"""Figure -> bytes: the steps of a render, inside and outside the gate.

Render layer. A render takes an object and a :class:`~flask_mplstream.formats.Variant`
and returns a :class:`~flask_mplstream.rendered_image.RenderedImage`. This module knows
no URLs, headers, caches or configuration keys, and does not import pyplot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..description.data_export import data_csv, data_json
from ..description.generated_alt import describe, read_titles
from ..errors import ConfigError, ImageTooLargeError
from ..formats import Variant, image_format
from ..limits.deadline import Deadline
from ..limits.pixel_memory import Room
from ..parameters.callables import qualified_name
from ..rendered_image import RenderedImage
from .contrast import ensure_contrast
from .draw import (
    Document,
    Pixels,
    draw_document,
    draw_pixels,
    natural_size,
    timed_layout,
)
from .encode import encode
from .figure_lock import gate, is_held_here
from .pandas_time_zones import note_zones
from .return_values import as_figure
from .style_rcparams import find_fault
from .styles import Look, Style
from .svg_title import titled

logger = logging.getLogger("flask_mplstream")

# Before a figure function can import pandas and plot with it.
note_zones()

MATPLOTLIB_VERSION = mpl.__version__


@dataclass(frozen=True, slots=True)
class Limits:
    """The maximum size of a picture."""

    #: Width times height.
    max_pixels: int = 16_000_000
    #: Size of the encoded image.
    max_bytes: int = 8 * 2**20


@dataclass(frozen=True, slots=True)
class Meaning:
    """The route's words for a figure."""

    #: Name of a figure without a title.
    name: str = ""
    #: The whole alternative text; ``None`` to generate it from the figure.
    alt: str | None = None

    def of(self, figure: Figure, returned: object = None) -> str:
        """Return the alternative text of *figure*.

        :param returned: the figure function's return value.
        """
        if self.alt is not None:
            return self.alt
        try:
            return describe(figure, self.name, returned)
        except Exception:
            # The app's own artists may raise. Still deliver the picture.
            logger.warning("Cannot put %r into words.", self.name, exc_info=True)
            return read_titles(figure) or self.name


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
    """Render a figure as an image, without an app, file or display.

    If several threads render, pass the function that builds the figure instead of the
    figure. Matplotlib is not thread-safe; the function then runs under the same lock
    as the drawing, one figure at a time. ::

        image = render(draw_scatter, "png")
        return HttpResponse(image.body, content_type=image.mimetype)

    :param figure: a ``Figure``, ``Axes`` or other object that belongs to one
        figure, or a function without arguments that returns such an object.
    :param format: ``png``, ``webp``, ``avif``, ``jpg``, ``svg`` or ``pdf``; or
        ``txt`` for the alternative text, ``csv`` or ``json`` for the data.
    :param scale: factor on the figure's size in pixels, default 1.
    :param savefig: keyword arguments for ``Figure.savefig``.
    :param style: a Matplotlib style; it also applies to a figure function.
    :param max_pixels: maximum width times height, default 16 million.
    :param max_bytes: maximum size of the encoded image, default 8 MiB.
    :return: the image, with ``body``, ``mimetype`` and ``alt``.
    :raises FigureTypeError: if there is no figure in *figure*, or more than one.
    :raises ImageTooLargeError: if the picture exceeds a limit.
    :raises ConfigError: if *format* is unknown or *style* sets a parameter that it
        may not set.
    """
    if fault := find_fault(style):
        raise ConfigError(f"style has {fault}")
    source = "the argument of render()"
    if callable(figure):
        source = qualified_name(figure)
    return render_variant(
        figure if callable(figure) else lambda: figure,
        Variant(image_format(format), scale),
        source=source,
        look=Look(style, savefig or {}),
        limits=Limits(max_pixels, max_bytes),
    )


def render_variant(
    build: Callable[[], object],
    variant: Variant,
    *,
    source: str,
    look: Look,
    limits: Limits,
    meaning: Meaning = Meaning(),
    deadline: Deadline | None = None,
) -> RenderedImage:
    """Build a figure and draw it inside the gate, then encode it outside.

    :param build: the figure function with its arguments bound.
    :param source: the name of *build*, for errors.
    :param deadline: of the wait for the gate and for memory; ``None``, the default,
        for no limit.
    :raises OverloadedError: if the gate or memory is not free before the deadline.
    """
    deadline = deadline or Deadline(None)
    job = _Job(build, variant, source, look, limits, meaning, deadline)
    room = Room(variant, deadline, is_nested=is_held_here())
    asked = perf_counter()
    try:
        made = _make_in_turn(job, room)
        encoding = perf_counter()
        deadline.begin("encode")
        body = _body(made, variant, look.savefig, limits)
        done = perf_counter()
    finally:
        room.give_back()
    steps = {"wait": made.began - asked, **made.steps_s, "encode": done - encoding}
    return RenderedImage(
        body,
        variant.format,
        made.drawn.width_px,
        made.drawn.height_px,
        tuple(steps.items()),
        alt=made.alt,
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """One call of :func:`render_variant`."""

    build: Callable[[], object]
    variant: Variant
    source: str
    look: Look
    limits: Limits
    meaning: Meaning
    deadline: Deadline


def _make_in_turn(job: _Job, room: Room) -> _Made:
    """Wait for memory and the gate, then build and draw."""
    while True:
        room.wait()
        job.deadline.begin("a turn")
        with gate(job.look.style, job.deadline, name=job.source):
            # If there is none, wait outside the gate, so that smaller pictures pass.
            if room.take():
                return _make(job, room)


@dataclass(frozen=True, slots=True)
class _Made:
    """The result of the steps inside the gate."""

    drawn: Pixels | Document
    alt: str
    steps_s: Mapping[str, float]
    #: Start inside the gate, by ``perf_counter()``.
    began: float


def _make(job: _Job, room: Room) -> _Made:
    """Build and draw; the result holds no reference to the figure."""
    began = perf_counter()
    job.deadline.begin("the figure function")
    returned = job.build()
    figure = as_figure(returned, job.source)
    if job.look.is_dark:
        _make_readable(figure, job.source)
    built = perf_counter()
    job.deadline.begin("draw")
    with timed_layout(figure) as layout:
        drawn = _draw(figure, job, room, returned)
    done = perf_counter()
    steps = {"build": built - began, "draw": done - built - layout.seconds}
    if layout.seconds:
        steps = {"build": steps["build"], "layout": layout.seconds, **steps}
    # Describe after the draw, so that it cannot change a pixel.
    return _Made(drawn, job.meaning.of(figure, returned), steps, began)


def _make_readable(figure: Figure, source: str) -> None:
    try:
        ensure_contrast(figure)
    except Exception:
        # The app's own artists may lack attributes of Matplotlib's.
        logger.warning("Cannot recolor the dark %s.", source, exc_info=True)


def _draw(figure: Figure, job: _Job, room: Room, returned: object) -> Pixels | Document:
    variant, savefig, limits = job.variant, job.look.savefig, job.limits
    if variant.format.is_text:
        return _text(figure, variant, savefig, limits, returned)
    if variant.format.is_raster:
        return draw_pixels(
            figure,
            savefig,
            scale=variant.scale,
            width_px=variant.width_px,
            max_pixels=limits.max_pixels,
            make_room=room.grow_to,
        )
    return draw_document(
        figure,
        variant.format,
        savefig,
        max_pixels=limits.max_pixels,
        max_bytes=limits.max_bytes,
    )


_DATA: Mapping[str, Callable[[Figure, int, object], bytes]] = {
    "csv": data_csv,
    "json": data_json,
}


def _text(
    figure: Figure,
    variant: Variant,
    savefig: Mapping[str, Any],
    limits: Limits,
    returned: object,
) -> Document:
    """Return the data of *figure*; for ``txt`` an empty body, replaced later."""
    write = _DATA.get(variant.format.name)
    body = write(figure, limits.max_bytes, returned) if write else b""
    width, height = natural_size(figure, savefig, max_pixels=limits.max_pixels)
    return Document(body, max(int(width), 1), max(int(height), 1))


def _body(
    made: _Made, variant: Variant, savefig: Mapping[str, Any], limits: Limits
) -> bytes:
    """Return the bytes of the image, without using Matplotlib."""
    drawn = made.drawn
    if isinstance(drawn, Pixels):
        try:
            return encode(
                drawn,
                variant.format,
                metadata=savefig.get("metadata"),
                pil_kwargs=savefig.get("pil_kwargs"),
                max_bytes=limits.max_bytes,
            )
        except ImageTooLargeError as error:
            error.is_scaled = variant.scale > 1 or variant.width_px is not None
            raise
    match variant.format.name:
        case "txt":
            return made.alt.encode("utf-8", "replace")
        case "svg":
            return titled(drawn.body, made.alt)
    return drawn.body
