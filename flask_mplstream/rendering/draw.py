"""Figure -> pixels or a document. Call it inside the gate.

Render layer. Both call ``Figure.savefig``, so facecolor, tight bounding boxes,
transparency and the ``savefig.*`` rcParams have their usual meaning. The canvas of
:func:`draw_pixels` keeps Agg's buffer, so the image can be encoded later, outside
the gate.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..errors import ImageTooLargeError, cut
from ..formats import MAX_SIDE_PX, ImageFormat, is_too_large
from ..limits.max_bytes import LimitedBuffer
from .untrusted_text import replace_invalid_xml

#: Fixes the ids in SVG, so that equal figures give equal bytes on every machine.
SVG_SALT = "flask-mplstream"

#: Omits the metadata that changes from run to run, so that equal figures give equal
#: bytes. A route's own metadata overrides it.
_TIMELESS: Mapping[str, Mapping[str, None]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None},
}

#: Metadata keys of each format. Matplotlib fails or warns on other keys, which a
#: route's ``savefig={"metadata": …}`` may contain for another of its formats.
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
    """A drawn figure, 8 bits per channel, alpha not premultiplied."""

    #: RGBA, shape ``(height_px, width_px, 4)``.
    rgba: memoryview
    width_px: int
    height_px: int
    dpi: float


@dataclass(frozen=True, slots=True)
class Document:
    """A figure as SVG, PDF or text; the bytes need no further encoding."""

    body: bytes
    width_px: int
    height_px: int


@dataclass(slots=True)
class LayoutTime:
    """Seconds spent on the layout of a figure so far."""

    seconds: float = 0.0


@contextmanager
def time_layout(figure: Figure) -> Iterator[LayoutTime]:
    """Measure the time that the layout engine of *figure* takes in the block."""
    spent = LayoutTime()
    engine: Any = figure.get_layout_engine()
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

    # Two figures may share an engine: restore the timer of an outer call afterwards.
    found = vars(engine).get("execute")
    engine.execute = timed
    try:
        yield spent
    finally:
        del engine.execute
        if found is not None:
            engine.execute = found


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
    :param scale: factor on the dpi, default 1.
    :param width_px: width of the picture; overrides *scale*.
    :param make_room: called with the number of pixels before they are allocated.
    :raises ImageTooLargeError: before the pixels are allocated.
    """
    box_inches = None
    if width_px is not None:
        scale, box_inches = _fit_width(figure, options, width_px, max_pixels)

    def claim(width: float, height: float) -> None:
        check_size(width, height, max_pixels, scale)
        make_room(width * height)

    with (
        _restore_canvas(figure),
        _hide_layout(figure, options) as engine,
        _track_tight_box(figure, box_inches),
    ):
        drawn: Pixels = _save(_PixelCanvas(figure, claim, engine), options, scale)
        return drawn


def _save(canvas: _PixelCanvas, options: Mapping[str, Any], scale: float) -> Any:
    """Return the object that *canvas* makes for ``savefig`` in place of a file."""
    figure = canvas.figure
    made: Any = []  # The canvas appends to it.
    dpi = _find_dpi(figure, options) * scale
    figure.savefig(made, format=canvas.output, **{**options, "dpi": dpi})
    return made[0]


#: Scales to try for a given width if the bounding box is tight.
_MAX_TRIES = 4
#: Added to a width in whole pixels, as Agg truncates sizes.
_HAIR_PX = 1e-6


def _fit_width(
    figure: Figure, options: Mapping[str, Any], width_px: int, max_pixels: int
) -> tuple[float, float | None]:
    """Return the scale that makes *figure* as close to *width_px* as possible.

    Measure a tight bounding box at each scale: it depends on the size of the texts,
    which is not proportional to the dpi.

    :return: the scale; and the width in inches, without padding, of a tight bounding
        box that gives exactly *width_px*, or ``None`` if the box is not tight.
    """
    wanted = width_px + _HAIR_PX
    natural, _ = measure_natural_size(figure, options, max_pixels=max_pixels)
    scale = wanted / natural
    if _get_option(options, "bbox_inches", "savefig.bbox") != "tight":
        return scale, None
    tried: dict[float, tuple[float, float]] = {}
    for _ in range(_MAX_TRIES):
        with _track_tight_box(figure) as box:
            width, _ = _measure(figure, options, scale, max_pixels)
        dpi = _find_dpi(figure, options) * scale
        padding = width / dpi - box.width_inches
        tried[scale] = wanted - width, wanted / dpi - padding
        if 0 <= wanted - width < 1:
            break
        scale *= wanted / width
    # Prefer a wider margin to truncated text.
    best = min(tried, key=lambda scale: (tried[scale][0] < 0, abs(tried[scale][0])))
    return best, tried[best][1]


@dataclass(slots=True)
class _TightBox:
    """The last measured tight bounding box of a figure."""

    width_inches: float = math.nan


@contextmanager
def _track_tight_box(
    figure: Figure, width_inches: float | None = None
) -> Iterator[_TightBox]:
    """Record the width of the tight bounding box of *figure*, or set it.

    The difference is added to both side margins equally. Each draw may change the
    layout, so the difference is computed in each.

    :param width_inches: the width to set; ``None`` to only record it.
    """
    found = _TightBox()
    measured: Any = figure  # Mypy rejects an assignment to a method.
    get_tightbbox = figure.get_tightbbox

    def get_box(*args: Any, **kwargs: Any) -> Bbox:
        box = get_tightbbox(*args, **kwargs)
        found.width_inches = box.width
        missing = 0.0 if width_inches is None else width_inches - box.width
        return box.padded(missing / 2, 0)

    measured.get_tightbbox = get_box
    try:
        yield found
    finally:
        del measured.get_tightbbox


def _measure(
    figure: Figure, options: Mapping[str, Any], scale: float, max_pixels: int
) -> tuple[float, float]:
    """Return the width and height of the picture from ``savefig``, in pixels."""
    check = partial(check_size, max_pixels=max_pixels, scale=scale)
    with _restore_canvas(figure):
        size: tuple[float, float] = _save(_SizeCanvas(figure, check), options, scale)
        return size


def measure_natural_size(
    figure: Figure, options: Mapping[str, Any], *, max_pixels: int
) -> tuple[float, float]:
    """Return the width and height of *figure* at scale 1, in pixels.

    Lay the figure out only if it has a bounding box, which depends on the layout.

    :raises ImageTooLargeError: if the size exceeds a limit.
    """
    if _get_option(options, "bbox_inches", "savefig.bbox"):
        return _measure(figure, options, 1.0, max_pixels)
    width, height = figure.get_size_inches() * _find_dpi(figure, options)
    check_size(width, height, max_pixels)
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

    :param max_pixels: limit on width times height at the dpi, as a rasterized artist
        may need that many pixels.
    :raises ImageTooLargeError: before *max_pixels* or *max_bytes* is exceeded.
    """
    dpi = _find_dpi(figure, options)
    sizes: list[tuple[float, float]] = []
    body = LimitedBuffer(max_bytes)
    own = {"dpi": dpi, "metadata": _select_metadata(format, options)}
    # If it is False, Matplotlib writes the images of an SVG to separate files.
    mpl.rcParams["svg.image_inline"] = True
    if mpl.rcParams["svg.hashsalt"] is None:  # plt.style.use("default") resets it.
        mpl.rcParams["svg.hashsalt"] = SVG_SALT
    with _restore_canvas(figure), body.limiting():
        check = partial(check_size, max_pixels=max_pixels)
        check(*figure.get_size_inches() * dpi)
        _PixelCanvas(figure, check).mpl_connect(
            "draw_event", lambda _: sizes.append(figure.bbox_inches.size)
        )
        given = {name: options[name] for name in options if name != "pil_kwargs"}
        figure.savefig(body, format=format.name, **{**given, **own})
    written = body.getvalue()
    if format.name == "svg":
        written = replace_invalid_xml(written)
    # Truncate as Agg does.
    width_px, height_px = (int(inches * dpi) for inches in sizes[-1])
    return Document(written, width_px, height_px)


def _select_metadata(format: ImageFormat, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of *options* that *format* may have, without dates."""
    metadata = {**_TIMELESS[format.name], **(options.get("metadata") or {})}
    known = _METADATA_KEYS[format.name]
    return {key: value for key, value in metadata.items() if key in known}


def check_size(
    width: float, height: float, max_pixels: int, scale: float = 1.0
) -> None:
    """Refuse a picture over the limits on pixels and sides.

    :param scale: the request's scale, which the size includes; default 1. If the
        picture would fit at scale 1, the error's ``is_scaled`` is true.
    :raises ImageTooLargeError: naming the size and the limit.
    """
    if not (math.isfinite(width) and math.isfinite(height)):
        raise ImageTooLargeError(f"The picture has {width} x {height} pixels.")
    if is_too_large(width, height, max_pixels):
        error = ImageTooLargeError(
            f"The picture would have {int(width)} x {int(height)} pixels; the limit is "
            f"{max_pixels:,} (max_pixels), and {MAX_SIDE_PX:,} per side. Reduce the "
            f"figure's size, its dpi or the scale."
        )
        error.is_scaled = not is_too_large(width / scale, height / scale, max_pixels)
        raise error


class _PixelCanvas(FigureCanvasAgg):
    """An Agg canvas that returns its pixels instead of encoding them.

    :param claim: called with the width and height before pixels are allocated.
    :param layout_engine: set on the figure for the draw.
    """

    #: The format of ``savefig`` that Matplotlib resolves to the ``print_`` method.
    output = "pixels"

    def __init__(
        self,
        figure: Figure,
        claim: Callable[[float, float], object],
        layout_engine: Any = None,
    ) -> None:
        super().__init__(figure)
        self._claim = claim
        self._layout_engine = layout_engine

    def get_renderer(self) -> RendererAgg:
        # Only this method allocates pixels.
        self._claim(*self.figure.bbox.size)
        renderer: RendererAgg = super().get_renderer()  # type: ignore[no-untyped-call]  # Matplotlib's has no types.
        return renderer

    def print_pixels(self, made: list[Pixels], **_: Any) -> None:
        """Draw into *made*; ``savefig(made, format="pixels")`` calls this."""
        if self._layout_engine is not None:
            self.figure.set_layout_engine(self._layout_engine)
        # Not self.draw(), which would clear a renderer that is new.
        self.renderer = self.get_renderer()
        self.figure.draw(self.renderer)
        width_px, height_px = self.get_width_height(physical=True)
        rgba = self.buffer_rgba()  # type: ignore[no-untyped-call]  # Matplotlib's has no types.
        made.append(Pixels(rgba, width_px, height_px, self.figure.dpi))


class _SizeCanvas(_PixelCanvas):
    """An Agg canvas that returns its size and draws nothing."""

    output = "size"

    def print_size(self, made: Any, **_: Any) -> None:
        """Measure into *made*; ``savefig(made, format="size")`` calls this."""
        if not isinstance(made, list):
            # Matplotlib probes for the renderer: draw() raises to return it.
            self.figure.draw(self.get_renderer())
        width, height = self.figure.bbox.size
        self._claim(width, height)
        made.append((float(width), float(height)))


@contextmanager
def _restore_canvas(figure: Figure) -> Iterator[None]:
    """Restore the canvas of *figure*; name an artist that makes it too large."""
    found = figure.canvas
    try:
        yield
    except ImageTooLargeError as error:
        with suppress(Exception):  # The app's own artists may raise anything.
            if artist := _find_artist_outside(figure):
                error.add_note(f"{artist} is far outside the figure. Move it.")
        raise
    finally:
        figure.set_canvas(found)


def _find_artist_outside(figure: Figure) -> str | None:
    """Return the artist farthest outside *figure*, if it is by more than its size."""
    renderer = RendererAgg(1, 1, figure.dpi)
    home, reaches = figure.bbox, {}
    for artist in figure.get_default_bbox_extra_artists():
        box = artist.get_tightbbox(renderer)
        if box is not None:
            out = (home.x0 - box.x0, home.y0 - box.y0, box.x1 - home.x1)
            reaches[max(*out, box.y1 - home.y1)] = artist
    farthest = max(reaches, default=0.0)
    is_far = farthest > max(home.size)
    return cut(repr(reaches[farthest])) if is_far else None


@contextmanager
def _hide_layout(figure: Figure, options: Mapping[str, Any]) -> Iterator[Any]:
    """Hide the layout engine from ``savefig``, which would draw once more for it.

    The real draw does the layout anyway. Only a bounding box requires the layout
    before the draw, so leave ``savefig`` alone if there is one.

    :return: the hidden engine, or ``None``.
    """
    engine = figure.get_layout_engine()
    if engine is None or _get_option(options, "bbox_inches", "savefig.bbox"):
        yield None
        return
    # set_layout_engine(None) falls back on these; the gate restores rcParams.
    mpl.rcParams.update(
        {"figure.autolayout": False, "figure.constrained_layout.use": False}
    )
    figure.set_layout_engine(None)
    try:
        yield engine
    finally:
        figure.set_layout_engine(engine)


def _find_dpi(figure: Figure, options: Mapping[str, Any]) -> float:
    dpi = _get_option(options, "dpi", "savefig.dpi")
    return float(figure.dpi if dpi == "figure" else dpi)


def _get_option(
    options: Mapping[str, Any],
    name: str,
    param: Literal["savefig.bbox", "savefig.dpi"],
) -> Any:
    """Return the ``savefig`` option *name*, or the rcParam if it is ``None``."""
    value = options.get(name)
    return mpl.rcParams[param] if value is None else value
