"""Figure -> bytes: the steps of a render, inside and outside the gate.

Render layer. A render takes an object and a :class:`~flask_mplstream.formats.Variant`
and returns a :class:`~flask_mplstream.rendered_image.RenderedImage`. This module
doesn't know about URLs, headers, caches or configuration keys, and it doesn't import
pyplot.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..description.data_export import write_csv, write_json
from ..description.generated_alt import describe, read_titles
from ..formats import Variant, find_format
from ..limits.deadline import Deadline
from ..limits.pixel_memory import Room
from ..parameters.callables import find_qualified_name
from ..rendered_image import RenderedImage
from .contrast import ensure_contrast
from .draw import (
    Document,
    Pixels,
    draw_document,
    draw_pixels,
    measure_natural_size,
    time_layout,
)
from .encode import encode_variant
from .figure_copy import FigureCopy
from .figure_lock import gate, is_held_here
from .pandas_time_zones import note_zones
from .return_values import ARGUMENT, as_figure
from .style_rcparams import check_params
from .styles import Look, Style
from .svg_title import add_title

logger = logging.getLogger("flask_mplstream")

# Before a figure function can import pandas and plot with it.
note_zones()

MATPLOTLIB_VERSION = mpl.__version__

#: The functions that read a figure's data, by format.
_DATA: Mapping[str, Callable[[Figure, int, object], bytes]] = {
    "csv": write_csv,
    "json": write_json,
}


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

    def describe(self, figure: Figure, returned: object = None) -> str:
        """Return the alternative text of *figure*.

        :param returned: the figure function's return value.
        """
        if self.alt is not None:
            return self.alt
        try:
            return describe(figure, self.name, returned)
        except Exception:
            # The app's own artists may raise. Still deliver the picture.
            logger.warning("Cannot describe %r.", self.name, exc_info=True)
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

    Matplotlib isn't thread-safe. If you render in several threads, pass the function
    that creates the figure, so that the lock is held while it runs. ::

        image = render(draw_scatter, "png")
        return HttpResponse(image.body, content_type=image.mimetype)

    :param figure: a ``Figure``, an ``Axes`` or another object that belongs to a figure,
        or a function without arguments that returns one of these.
    :param format: ``png``, ``webp``, ``avif``, ``jpg``, ``svg`` or ``pdf``. Use ``txt``
        for the alternative text, and ``csv`` or ``json`` for the data.
    :param scale: multiply the size in pixels by this factor. The default is 1.
    :param savefig: keyword arguments to pass to ``Figure.savefig``.
    :param style: a Matplotlib style, which is also applied while the function runs.
    :param max_pixels: the maximum number of pixels. The default is 16 million.
    :param max_bytes: the maximum size of the encoded image. The default is 8 MiB.
    :return: the image, with ``body``, ``mimetype`` and ``alt``.
    :raises FigureTypeError: if *figure* doesn't belong to exactly one figure.
    :raises ImageTooLargeError: if the picture exceeds a limit.
    :raises ConfigError: if *format* or *style* is not valid.
    """
    check_params(style)
    return render_variant(
        figure if callable(figure) else lambda: figure,
        Variant(find_format(format), scale, reads_words=True),
        source=find_qualified_name(figure) if callable(figure) else ARGUMENT,
        look=Look(style, savefig or {}),
        limits=Limits(max_pixels, max_bytes),
    )


def render_variant(
    build: Callable[[], object] | FigureCopy,
    variant: Variant,
    *,
    source: str,
    look: Look,
    limits: Limits,
    meaning: Meaning = Meaning(),
    deadline: Deadline | None = None,
    on_built: Callable[[Figure], bool] = lambda _figure: False,
) -> RenderedImage:
    """Build a figure and draw it inside the gate, and encode it outside.

    :param build: the figure function with its arguments bound, or a copy of its figure.
    :param source: the name of *build*, for errors.
    :param deadline: how long to wait for the gate and for memory. By default, there is
        no limit.
    :param on_built: called with a new figure before it is drawn; returns whether it has
        kept a copy.
    :raises OverloadedError: if the gate or memory is not free before the deadline.
    """
    deadline = deadline or Deadline(None)
    job = _Job(build, variant, source, look, limits, meaning, deadline, on_built)
    room = Room(variant, deadline, is_nested=is_held_here())
    try:
        # The pixels are free when it returns: giving the room back trims the heap.
        return _draw_and_encode(job, room)
    finally:
        room.give_back()


@dataclass(frozen=True, slots=True)
class _Job:
    """The arguments of :func:`render_variant`."""

    build: Callable[[], object] | FigureCopy
    variant: Variant
    source: str
    look: Look
    limits: Limits
    meaning: Meaning
    deadline: Deadline
    on_built: Callable[[Figure], bool]


@dataclass(frozen=True, slots=True)
class _BuiltFigure:
    """A figure before its draw."""

    figure: Figure
    #: The figure function's return value, which has the figure.
    returned: object
    steps_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Drawing:
    """A drawn figure, without a reference to it."""

    content: Pixels | Document
    #: The alternative text; ``None`` if it was not read.
    words: str | None
    steps_s: Mapping[str, float]
    #: Start inside the gate, by ``perf_counter()``.
    began: float


def _draw_and_encode(job: _Job, room: Room) -> RenderedImage:
    asked = perf_counter()
    drawing = _draw_in_turn(job, room)
    encoding = perf_counter()
    body = _encode(drawing, job)
    encode_s = perf_counter() - encoding
    steps_s = {"wait": drawing.began - asked, **drawing.steps_s, "encode": encode_s}
    size_px = drawing.content.width_px, drawing.content.height_px
    return RenderedImage(
        body,
        job.variant.format,
        *size_px,
        tuple(steps_s.items()),
        words=drawing.words,
    )


def _draw_in_turn(job: _Job, room: Room) -> _Drawing:
    """Wait for memory and the gate, then build and draw."""
    while True:
        room.wait()
        job.deadline.begin("a turn")
        with gate(job.look.style, job.deadline, name=job.source):
            # If there is none, wait outside the gate, so that smaller pictures pass.
            if room.take():
                return _build_and_draw(job, room)


def _build_and_draw(job: _Job, room: Room) -> _Drawing:
    began = perf_counter()
    built = _build(job)
    drawing = perf_counter()
    with time_layout(built.figure) as layout:
        content = _draw(built, job, room)
    draw_s = perf_counter() - drawing - layout.seconds
    layout_s = {"layout": layout.seconds} if layout.seconds else {}
    words = _read_words(built, job)
    steps_s = {**built.steps_s, **layout_s, "draw": draw_s}
    return _Drawing(content, words, steps_s, began)


def _read_words(built: _BuiltFigure, job: _Job) -> str | None:
    """Return the alternative text if the variant reads it or the route gives it.

    Call it after the draw, so that it cannot change a pixel.
    """
    if job.variant.reads_words:
        return job.meaning.describe(built.figure, built.returned)
    return job.meaning.alt


def _build(job: _Job) -> _BuiltFigure:
    """Call the figure function and adapt the colors of its figure to a dark page.

    A copy has these colors already.
    """
    began = perf_counter()
    if isinstance(job.build, FigureCopy):
        figure = job.build.restore()
        return _BuiltFigure(figure, figure, {"copy": perf_counter() - began})
    job.deadline.begin("the figure function")
    returned = job.build()
    figure = as_figure(returned, job.source)
    if job.look.is_dark:
        try:
            ensure_contrast(figure)
        except Exception:
            # The app's own artists may lack attributes of Matplotlib's.
            logger.warning("Cannot recolor the dark %s.", job.source, exc_info=True)
    built = perf_counter()
    keep_s = {"keep": perf_counter() - built} if job.on_built(figure) else {}
    return _BuiltFigure(figure, returned, {"build": built - began, **keep_s})


def _draw(built: _BuiltFigure, job: _Job, room: Room) -> Pixels | Document:
    """Draw the figure, or read its data if the format is text."""
    job.deadline.begin("draw")
    figure, variant, savefig = built.figure, job.variant, job.look.savefig
    max_pixels, max_bytes = job.limits.max_pixels, job.limits.max_bytes
    if variant.format.is_raster:
        return draw_pixels(
            figure,
            savefig,
            scale=variant.scale,
            width_px=variant.width_px,
            max_pixels=max_pixels,
            make_room=room.grow_to,
        )
    if not variant.format.is_text:
        return draw_document(
            figure, variant.format, savefig, max_pixels=max_pixels, max_bytes=max_bytes
        )
    body = b""  # For txt, the alternative text replaces it.
    if write := _DATA.get(variant.format.name):
        body = write(figure, max_bytes, built.returned)
    width, height = measure_natural_size(figure, savefig, max_pixels=max_pixels)
    return Document(body, max(int(width), 1), max(int(height), 1))


def _encode(drawing: _Drawing, job: _Job) -> bytes:
    """Return the bytes of the image, without using Matplotlib."""
    job.deadline.begin("encode")
    content, variant, savefig = drawing.content, job.variant, job.look.savefig
    if isinstance(content, Document):
        words = drawing.words or ""
        match variant.format.name:
            case "txt":
                return words.encode("utf-8", "replace")
            case "svg":
                return add_title(content.body, words)
        return content.body
    return encode_variant(content, variant, savefig, job.limits.max_bytes)
