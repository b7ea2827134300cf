"""Figure -> pixels or a document. Call it inside the gate.

Render layer. Both ways go through ``Figure.savefig``, so that facecolor, tight
bounding boxes, transparency and the ``savefig.*`` rcParams mean what they mean
there. The canvas of :func:`draw_pixels` keeps what Agg drew, so that encoding
can happen later, outside the gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from time import perf_counter
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine

from ..errors import ImageTooLargeError
from ..image import MAX_SIDE_PX, ImageFormat
from .hostile import well_formed

#: Metadata that changes from run to run, switched off: equal figures give
#: equal bytes. A route's own metadata comes on top.
_TIMELESS: Mapping[str, Mapping[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}

#: Keys that the format's writer knows; it fails or warns on others, which a
#: route's ``savefig={"metadata": …}`` may hold for another of its formats.
_METADATA_KEYS = {
    "svg": {
        *("Contributor", "Coverage", "Creator", "Date", "Description", "Format"),
        *("Identifier", "Keywords", "Language", "Publisher", "Relation", "Rights"),
        *("Source", "Title", "Type"),
    },
    "pdf": {
        *("Author", "CreationDate", "Creator", "Keywords", "ModDate", "Producer"),
        *("Subject", "Title", "Trapped"),
    },
}


@dataclass(frozen=True, slots=True)
class Pixels:
    """What Agg drew, 8 bits a channel, alpha not premultiplied."""

    #: RGBA, shape ``(height_px, width_px, 4)``.
    rgba: memoryview
    width_px: int
    height_px: int
    dpi: float
    #: Width and height before what is less than a pixel was cut off.
    exact_px: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Document:
    """A figure as shapes or as text: bytes that are finished."""

    body: bytes
    width_px: int
    height_px: int


@dataclass(slots=True)
class LayoutTime:
    """Seconds that the layout of a figure has taken so far."""

    seconds: float = 0.0


@contextmanager
def timed_layout(figure: Figure) -> Iterator[LayoutTime]:
    """Time what the figure's layout engine does."""
    spent = LayoutTime()
    engine: LayoutEngine | None = figure.get_layout_engine()
    if engine is None:
        yield spent
        return
    execute = engine.execute

    def timed(fig: Figure) -> None:
        began = perf_counter()
        try:
            execute(fig)
        finally:
            spent.seconds += perf_counter() - began

    # Of this engine alone, until its figure is drawn.
    # One that was timed before, as two figures may share it, is so again afterwards.
    found = vars(engine).get("execute")
    engine.execute = timed  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        del engine.execute
        if found is not None:
            engine.execute = found  # type: ignore[method-assign]


def draw_pixels(
    figure: Figure,
    options: Mapping[str, Any],
    *,
    scale: float = 1.0,
    width_px: int | None = None,
    max_pixels: int,
    make_room: Callable[[float], object] = lambda _pixels: None,
) -> Pixels:
    """Draw *figure* once, as ``savefig`` would.

    :param options: keyword arguments for ``savefig``.
    :param scale: factor on the dpi.
    :param width_px: width of the picture, instead of *scale*. Where the bounding
        box is tight, which only a draw can tell, it may be one pixel off.
    :param make_room: called with a number of pixels before memory for them is taken.
    :raises ImageTooLargeError: before the memory for the pixels is taken.
    """
    if width_px is not None:
        # A hair more, as Agg cuts off what is less than a pixel.
        natural = natural_size(figure, options, max_pixels=max_pixels)
        scale = width_px / natural[0] * (1 + 1e-9)
    dpi = _dpi(figure, options) * scale
    drawn: list[Pixels] = []
    with _canvas(figure, max_pixels) as canvas, _layout_once(canvas, options):
        canvas.make_room = make_room
        figure.savefig(drawn, format="pixels", **{**options, "dpi": dpi})  # type: ignore[arg-type]
    return drawn[0]


def natural_size(
    figure: Figure, options: Mapping[str, Any], *, max_pixels: int
) -> tuple[float, float]:
    """Width and height in pixels that *figure* has at scale 1.

    It is drawn only where its bounding box depends on that.

    :raises ImageTooLargeError: where it is over a limit.
    """
    if _option(options, "bbox_inches", "savefig.bbox"):
        return draw_pixels(figure, options, max_pixels=max_pixels).exact_px
    width, height = figure.get_size_inches() * _dpi(figure, options)
    check_size((width, height), max_pixels)
    return width, height


def draw_document(
    figure: Figure,
    format: ImageFormat,
    options: Mapping[str, Any],
    *,
    max_pixels: int,
    max_bytes: int,
) -> Document:
    """Write *figure* as SVG or PDF.

    :param max_pixels: bound on size times dpi, as rasterised artists take it.
    :raises ImageTooLargeError: before more than *max_bytes* are held.
    """
    dpi = _dpi(figure, options)
    metadata = {**_TIMELESS[format.name], **(options.get("metadata") or {})}
    keys = _METADATA_KEYS[format.name]
    sizes: list[tuple[float, float]] = []
    body = LimitedBuffer(max_bytes)
    # Else Matplotlib would write the images of an SVG beside it, into files.
    mpl.rcParams["svg.image_inline"] = True
    with _canvas(figure, max_pixels) as canvas, body.limiting():
        width, height = figure.get_size_inches()
        check_size((width * dpi, height * dpi), max_pixels)

        def keep_size(_: object) -> None:
            sizes.append(figure.bbox_inches.size)

        canvas.mpl_connect("draw_event", keep_size)
        figure.savefig(
            body,
            format=format.name,
            **{
                **{k: v for k, v in options.items() if k != "pil_kwargs"},
                "dpi": dpi,
                "metadata": {k: v for k, v in metadata.items() if k in keys},
            },
        )
    # Cut off as Agg does.
    width_px, height_px = (int(inches * dpi) for inches in sizes[-1])
    written = body.getvalue()
    if format.name == "svg":
        written = well_formed(written)
    return Document(written, width_px, height_px)


class LimitedBuffer(BytesIO):
    """Takes at most *max_bytes*; refuses the write that goes over.

    :param what: what is written, for the error.
    """

    def __init__(self, max_bytes: int, *, what: str = "The picture has") -> None:
        super().__init__()
        self._max_bytes = max_bytes
        self._what = what
        self._refusal: ImageTooLargeError | None = None

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > self._max_bytes:
            self._refusal = ImageTooLargeError(
                f"{self._what} more than {self._max_bytes:,} bytes, the most that "
                f"max_bytes allows. Draw fewer points, rasterize those of an SVG or "
                f"PDF, or raise it."
            )
            raise self._refusal
        return super().write(data)

    @contextmanager
    def limiting(self) -> Iterator[None]:
        """Let the refusal be the error: a writer may fail again as it closes."""
        try:
            yield
        except Exception:
            if self._refusal is not None:
                raise self._refusal from None
            raise


def check_size(size_px: tuple[float, float], max_pixels: int) -> None:
    """Refuse a picture of *size_px* ``(width, height)`` that is over a limit.

    :raises ImageTooLargeError: naming the size and the limit.
    """
    width, height = size_px
    if not (math.isfinite(width) and math.isfinite(height)):
        raise ImageTooLargeError(f"The picture's size is {width} x {height} pixels.")
    width_px, height_px = int(width), int(height)  # As Agg cuts it off.
    if width_px * height_px > max_pixels or max(width_px, height_px) > MAX_SIDE_PX:
        raise ImageTooLargeError(
            f"The picture would have {width_px} x {height_px} pixels. At most "
            f"{max_pixels:,} are allowed (max_pixels), and {MAX_SIDE_PX:,} a side. "
            f"Ask for a smaller figure, dpi or scale."
        )


class _PixelCanvas(FigureCanvasAgg):
    """An Agg canvas that hands its pixels over instead of encoding them."""

    max_pixels = 0
    make_room: Callable[[float], object] = staticmethod(lambda _pixels: None)
    layout_engine: Any = None

    def get_renderer(self) -> RendererAgg:
        # The one place where memory for pixels is taken.
        width, height = self.figure.bbox.size
        check_size((width, height), self.max_pixels)
        self.make_room(width * height)
        return super().get_renderer()  # type: ignore[no-any-return,no-untyped-call]

    def print_pixels(self, drawn: list[Pixels], **_: Any) -> None:
        """What ``savefig(drawn, format="pixels")`` calls in the end."""
        if self.layout_engine is not None:
            self.figure.set_layout_engine(self.layout_engine)
        # Not self.draw(), which clears a renderer that is new.
        self.renderer = self.get_renderer()
        self.figure.draw(self.renderer)
        width_px, height_px = self.get_width_height(physical=True)
        rgba = self.buffer_rgba()  # type: ignore[no-untyped-call]
        width, height = self.figure.bbox.size
        exact_px = float(width), float(height)
        drawn.append(Pixels(rgba, width_px, height_px, self.figure.dpi, exact_px))


@contextmanager
def _canvas(figure: Figure, max_pixels: int) -> Iterator[_PixelCanvas]:
    found = figure.canvas
    canvas = _PixelCanvas(figure)
    canvas.max_pixels = max_pixels
    try:
        yield canvas
    finally:
        figure.set_canvas(found)


@contextmanager
def _layout_once(canvas: _PixelCanvas, options: Mapping[str, Any]) -> Iterator[None]:
    """Keep the layout engine from ``savefig``, which would draw once just for it.

    A draw lays out by itself. Only a bounding box must know the layout before
    the draw, so there ``savefig`` keeps its way.
    """
    figure = canvas.figure
    engine = figure.get_layout_engine()
    if engine is None or _option(options, "bbox_inches", "savefig.bbox"):
        yield
        return
    # What set_layout_engine(None) falls back on; the gate restores rcParams.
    mpl.rcParams.update(
        {"figure.autolayout": False, "figure.constrained_layout.use": False}
    )
    figure.set_layout_engine(None)
    canvas.layout_engine = engine
    try:
        yield
    finally:
        figure.set_layout_engine(engine)


def _dpi(figure: Figure, options: Mapping[str, Any]) -> float:
    dpi = _option(options, "dpi", "savefig.dpi")
    return float(figure.dpi if dpi == "figure" else dpi)


def _option(
    options: Mapping[str, Any],
    name: str,
    param: Literal["savefig.bbox", "savefig.dpi"],
) -> Any:
    """What ``savefig`` takes for *name*: ``None`` stands for the rcParam."""
    value = options.get(name)
    return mpl.rcParams[param] if value is None else value
