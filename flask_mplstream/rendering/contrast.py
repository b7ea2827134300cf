"""Contrast on a dark page: text at least 4.5 to 1, lines and points 3 to 1.

Render layer. A style changes only the colors that Matplotlib reads from
rcParams. Error bars, arrows, table cells and all colors that a figure function
or a library names are fixed, and most suit white paper. This module recolors
only the invisible ones. The ratios are from WCAG 2.2, sections 1.4.3 and 1.4.11.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.backend_bases import MouseEvent
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.collections import (
    Collection,
    LineCollection,
    PathCollection,
    PolyCollection,
)
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure, FigureBase, SubFigure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.offsetbox import OffsetBox
from matplotlib.patches import Patch
from matplotlib.spines import Spine
from matplotlib.table import Cell
from matplotlib.text import Annotation, Text
from matplotlib.transforms import BlendedGenericTransform
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

Rgb: TypeAlias = tuple[float, float, float]

#: Minimum contrast of text, and of lines and points.
TEXT_RATIO, LINE_RATIO = 4.5, 3.0
#: Colors with a lower alpha are shading, such as a confidence band or a watermark,
#: and are meant to be faint.
SHADING_ALPHA = 0.5
#: Relative luminance of the darkest light background. On a light background, black
#: text is easier to read than white text.
_LIGHT = 0.18

#: Maximum number of colors of one collection that may be categories. More are a scale.
MOST_CATEGORIES = 10

#: A color with all channels above this is indistinguishable from white paper.
_PAPER = 0.95

_WHITE: Rgb = (1.0, 1.0, 1.0)
_BLACK: Rgb = (0.0, 0.0, 0.0)


def ensure_contrast(figure: Figure) -> None:
    """Recolor the parts of *figure* that its background hides.

    Call it inside the gate, under the style that *figure* was built with, before
    the draw. It first changes light backgrounds to those of the style. Lines,
    points and areas then get a contrast of 3 with the background of their axes,
    and text 4.5 with the topmost artist behind it. A color keeps its hue; only
    its lightness changes.
    """
    for axes in figure.axes:
        axes.get_xlim()  # Autoscale now: text and shapes need their final places.
    page = _composite(mpl.rcParams["figure.facecolor"], _WHITE)
    parts = list(_find_parts(figure, page))
    backgrounds = {id(_find_background(part.artist)) for part in parts}
    shapes = [part for part in parts if id(part.artist) not in backgrounds]
    for part in shapes:
        _recolor(part.artist, part.ground)
    areas = _Areas([*figure.patches, *(part.artist for part in shapes)])
    for part in parts:
        if isinstance(part.artist, Text):
            _recolor_text(part.artist, part.ground, areas if part.is_loose else None)


def compute_contrast(one: Rgb, other: Rgb) -> float:
    """Return the contrast ratio of two colors, 1 to 21 (WCAG 2.2)."""
    darker, lighter = sorted((compute_luminance(one), compute_luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def compute_luminance(color: Rgb) -> float:
    """Return the relative luminance of *color*, 0 to 1 (WCAG 2.2)."""
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _composite(color: Any, ground: Rgb) -> Rgb:
    """Return the opaque color of *color*, which may be translucent, on *ground*."""
    *channels, alpha = to_rgba(color)
    return _mix(ground, channels, alpha)


def _mix(ground: Iterable[float], color: Iterable[float], share: float) -> Rgb:
    pairs = zip(ground, color, strict=True)
    red, green, blue = (g + (c - g) * share for g, c in pairs)
    return red, green, blue


def fit_color(color: Any, ground: Rgb, ratio: float, alpha: float | None = None) -> Any:
    """Return *color*, or a color of its hue with a contrast of *ratio* to *ground*.

    On a dark ground, mirror a dark color in lightness, so that black becomes white and
    dark gray light gray, then lighten it until its contrast is *ratio*. On a light
    ground, do the opposite.

    :param alpha: the artist's alpha, which overrides the color's.
    :return: *color* itself if its contrast suffices or it is shading.
    """
    *channels, opacity = to_rgba(color, alpha)
    seen = _mix(ground, channels, opacity)
    if opacity < SHADING_ALPHA or compute_contrast(seen, ground) >= ratio:
        return color
    hue, lightness, saturation = colorsys.rgb_to_hls(*channels)
    goes_up = compute_contrast(_WHITE, ground) > compute_contrast(_BLACK, ground)
    pole = 1.0 if goes_up else 0.0
    choose = max if goes_up else min
    begin = choose(lightness, 1 - lightness)
    for step in np.linspace(begin, pole, 32):
        found = (*colorsys.hls_to_rgb(hue, float(step), saturation), opacity)
        if compute_contrast(_composite(found, ground), ground) >= ratio:
            break
    return found


def darken_ground(color: Any, page: Rgb) -> Any:
    """Return the counterpart on a dark *page* of the light background *color*.

    :return: *color* itself if it is not light or the page is not dark. Otherwise
        the page color, tinted as much as *color* tints white.
    """
    *channels, alpha = to_rgba(color)
    is_light = compute_luminance(_mix(page, channels, alpha)) > _LIGHT
    if not is_light or compute_luminance(page) > _LIGHT:
        return color
    tint = 1 - min(channels)
    if not tint:
        return (*page, alpha)
    hue = tuple(1 - (1 - channel) / tint for channel in channels)
    h, lightness, saturation = colorsys.rgb_to_hls(*hue)
    ink = colorsys.hls_to_rgb(h, max(lightness, 1 - lightness), saturation)
    return (*_mix(page, ink, tint), alpha)


@dataclass(frozen=True, slots=True)
class _Part:
    """An artist and the color behind it."""

    artist: Artist
    ground: Rgb
    #: Whether any shape of the axes or figure may be behind it, if it is text.
    is_loose: bool = False


def _find_parts(
    artist: Artist, ground: Rgb, *, is_loose: bool = False
) -> Iterator[_Part]:
    """Yield *artist* and its visible descendants; fit their backgrounds to the page."""
    if not artist.get_visible():
        return
    background = _find_background(artist)
    inside = ground if background is None else _fit_patch(background, ground)
    yield _Part(artist, inside if isinstance(artist, Text) else ground, is_loose)
    if isinstance(artist, Axes):
        yield from _find_parts_of_axes(artist, ground, inside)
        return
    children = (
        [artist.get_text()] if isinstance(artist, Cell) else artist.get_children()
    )
    for child in children:
        if isinstance(child, Patch) and isinstance(artist, FigureBase):
            _fit_patch(child, inside)  # The figure's background, or a panel.
        elif child is not background:
            yield from _find_parts(
                child, inside, is_loose=isinstance(artist, FigureBase)
            )


def _find_parts_of_axes(axes: Axes, outside: Rgb, inside: Rgb) -> Iterator[_Part]:
    """Yield the parts of *axes*; titles and labels are on the *outside* color."""
    titles = (axes.title, axes._left_title, axes._right_title)  # type: ignore[attr-defined]  # There is no public name.
    for child in axes.get_children():
        if child is axes.patch:
            continue
        if isinstance(child, Axis | Spine) and not _has_frame(axes):
            continue
        if isinstance(child, Axis):
            yield _Part(child, outside)
            yield from _find_parts(child.label, outside)
            yield from _find_parts(child.offsetText, outside)
        elif child in titles:
            yield from _find_parts(child, outside)
        else:
            yield from _find_parts(child, inside, is_loose=True)


def _find_background(artist: Artist) -> Patch | None:
    """Return the patch that is the background of *artist* or of its children."""
    match artist:
        case Axes():
            return artist.patch if _has_frame(artist) else None
        case Legend():
            return artist.get_frame() if artist.get_frame_on() else None
        case Text():
            # plotnine's subclass for the text of a strip has a ``patch``.
            return artist.get_bbox_patch() or getattr(artist, "patch", None)
        case Figure() | SubFigure() | OffsetBox():
            return getattr(artist, "patch", None)
        case Cell():
            return artist
    return None


def _has_frame(axes: Axes) -> bool:
    # 3-D axes set ``axison`` to False and use another flag.
    return bool(getattr(axes, "_axis3don", axes.axison))


def _fit_patch(patch: Patch, ground: Rgb) -> Rgb:
    """Make a background fit the page; return its color."""
    if not patch.get_visible() or not patch.get_fill():
        return ground
    page = _composite(mpl.rcParams["axes.facecolor"], ground)
    face, edge = patch.get_facecolor(), patch.get_edgecolor()
    fitted = darken_ground(face, page)
    if fitted is not face:
        patch.set_facecolor(fitted)
    # A white edge is invisible on white paper: keep it invisible.
    if edge == face or min(to_rgba(edge)) > _PAPER:
        patch.set_edgecolor(darken_ground(edge, page))
    else:
        patch.set_edgecolor(fit_color(edge, ground, LINE_RATIO))
    return _composite(fitted, ground)


def _recolor(artist: Artist, ground: Rgb) -> None:
    """Give *artist*, except its text, a contrast of 3 with *ground*."""
    match artist:
        case Annotation() if artist.arrow_patch is not None:
            _recolor_patch(artist.arrow_patch, ground)
        case Line2D():
            _recolor_line(artist, ground)
        case Spine():
            _recolor_edge(artist, ground)
        case Patch():
            _recolor_patch(artist, ground)
        case Collection():
            _recolor_collection(artist, ground)
        case Axis():
            _recolor_axis(artist, ground)


def _recolor_line(line: Line2D, ground: Rgb) -> None:
    alpha = line.get_alpha()
    if not _is_none(line.get_color()):
        line.set_color(fit_color(line.get_color(), ground, LINE_RATIO, alpha))
    face, edge = line.get_markerfacecolor(), line.get_markeredgecolor()
    if not MarkerStyle(line.get_marker(), line.get_fillstyle()).is_filled():
        face = "none"  # A cross or a dash has only an edge.
    if _is_seen([face, edge], ground, alpha):
        return
    if not _is_none(face):
        line.set_markerfacecolor(fit_color(face, ground, LINE_RATIO, alpha))
    if not _is_none(edge):
        line.set_markeredgecolor(fit_color(edge, ground, LINE_RATIO, alpha))


def _is_none(color: Any) -> bool:
    return isinstance(color, str) and color.lower() == "none"


def _is_seen(colors: Iterable[Any], ground: Rgb, alpha: float | None = None) -> bool:
    """Return whether at least one of *colors* is visible on *ground*, or shading."""
    shown = [to_rgba(color, alpha) for color in colors if not _is_none(color)]
    return any(c[3] and fit_color(c, ground, LINE_RATIO) is c for c in shown)


def _recolor_edge(patch: Patch, ground: Rgb) -> None:
    patch.set_edgecolor(fit_color(patch.get_edgecolor(), ground, LINE_RATIO))


def _recolor_patch(patch: Patch, ground: Rgb) -> None:
    face, edge = patch.get_facecolor(), patch.get_edgecolor()
    if isinstance(patch.get_data_transform(), BlendedGenericTransform):
        # A band across the axes, as axvspan() draws it, is a background.
        patch.set_facecolor(darken_ground(face, ground))
        return
    is_filled = patch.get_fill() and to_rgba(face)[3] > 0
    edges = [edge] if patch.get_linewidth() > 0 else []
    if _is_seen([face, *edges] if is_filled else edges, ground):
        return
    if is_filled:
        patch.set_facecolor(fit_color(face, ground, LINE_RATIO))
    _recolor_edge(patch, ground)


def _recolor_collection(collection: Collection, ground: Rgb) -> None:
    if isinstance(collection, Poly3DCollection):
        return  # The colors are the shading of a lit surface.
    if collection.get_array() is not None:
        if _shows_points_or_lines(collection):
            _lift_colormap(collection, ground)
        return
    faces, edges = collection.get_facecolor(), collection.get_edgecolor()
    count = max(len(faces), len(edges))
    pairs = [[c[i % len(c)] for c in (faces, edges) if len(c)] for i in range(count)]
    if all(_is_seen(pair, ground) for pair in pairs):
        return
    colors = len(np.unique(faces, axis=0))
    if isinstance(collection, PathCollection) and colors > MOST_CATEGORIES:
        # A color scale: recolored points would no longer match the color bar.
        collection.set_edgecolor(mpl.rcParams["axes.edgecolor"])
        return
    if isinstance(collection, PolyCollection) and colors > 2:
        return  # Adjoining tiles of a color scale.
    collection.set_facecolor([fit_color(c, ground, LINE_RATIO) for c in faces])
    collection.set_edgecolor([fit_color(c, ground, LINE_RATIO) for c in edges])


def _shows_points_or_lines(collection: Collection) -> bool:
    if isinstance(collection, ContourSet):
        return not collection.filled
    return isinstance(collection, PathCollection | LineCollection)


def _lift_colormap(collection: Collection, ground: Rgb) -> None:
    """Lighten the colormap of *collection* if *ground* hides part of it."""
    found = collection.cmap
    colors = found(np.linspace(0, 1, max(found.N, 2)))
    darkest = min(colors, key=lambda color: compute_luminance(color[:3]))
    if (
        compute_luminance(ground) > _LIGHT
        or compute_contrast(darkest[:3], ground) >= LINE_RATIO
    ):
        return
    for share in np.linspace(0.02, 1, 50):
        # An equal share of white in each color keeps their order.
        if compute_contrast(_mix(darkest[:3], _WHITE, share), ground) >= LINE_RATIO:
            break
    colors[:, :3] += (1 - colors[:, :3]) * share
    collection.set_cmap(ListedColormap(colors, f"{found.name}_lifted"))


def _recolor_axis(axis: Axis, ground: Rgb) -> None:
    """Recolor ticks through their parameters, as a draw may create new ticks."""
    grid = mpl.rcParams["grid.color"]
    ratios = {"labelcolor": TEXT_RATIO, "color": LINE_RATIO}
    for which in ("major", "minor"):
        found = axis.get_tick_params(which)
        fitted = {
            name: fit_color(found[name], ground, ratio)
            for name, ratio in ratios.items()
            if found.get(name) not in (None, "inherit", "auto")
        }
        if "grid_color" in found:
            fitted["grid_color"] = grid
        if fitted:
            axis.set_tick_params(which=which, **fitted)
        # Existing ticks may have individual colors.
        for tick in vars(axis).get(f"{which}Ticks", ()):
            _recolor_tick(tick, ground, grid)


def _recolor_tick(tick: Tick, ground: Rgb, grid: Any) -> None:
    for label in (tick.label1, tick.label2):
        label.set_color(fit_color(label.get_color(), ground, TEXT_RATIO))
    for line in (tick.tick1line, tick.tick2line):
        line.set_color(fit_color(line.get_color(), ground, LINE_RATIO))
        line.set_markeredgecolor(line.get_color())
    tick.gridline.set_color(grid)


def _recolor_text(text: Text, ground: Rgb, areas: _Areas | None) -> None:
    if not text.get_text() or text.get_path_effects():
        return  # An outline already makes the text readable.
    if areas is not None and _find_background(text) is None:
        ground = areas.find_ground(text, ground)
    text.set_color(fit_color(text.get_color(), ground, TEXT_RATIO, text.get_alpha()))


class _Areas:
    """The areas of a figure that may be behind text.

    :param artists: the artists; those of equal ``zorder`` in drawing order.
    """

    def __init__(self, artists: Iterable[Artist]) -> None:
        self._by_axes: dict[object, list[Artist]] = {}
        for artist in artists:
            is_filled = isinstance(artist, Patch) and artist.get_fill()
            is_area = is_filled and not isinstance(artist, Spine)
            if is_area or isinstance(artist, AxesImage | Collection):
                self._by_axes.setdefault(artist.axes, []).append(artist)
        for shapes in self._by_axes.values():
            shapes.sort(key=Artist.get_zorder)

    def find_ground(self, text: Text, ground: Rgb) -> Rgb:
        """Return the color at the center of *text*, on *ground*."""
        shapes = self._by_axes.get(text.axes)
        figure = text.get_figure(root=True)
        if not shapes or figure is None:
            return ground
        box = text.get_window_extent(_make_renderer(figure.dpi))
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        event = MouseEvent("motion_notify_event", figure.canvas, x, y)
        for shape in shapes:
            if shape.get_zorder() <= text.get_zorder():
                ground = _composite(_find_color_at(shape, event), ground)
        return ground


def _find_color_at(shape: Artist, event: MouseEvent) -> Any:
    """Return the color of *shape* at *event*; ``"none"`` outside the shape."""
    is_hit, details = shape.contains(event)
    if not is_hit:
        return "none"
    if isinstance(shape, Patch):
        return shape.get_facecolor()
    if isinstance(shape, AxesImage):
        value = shape.get_cursor_data(event)
        return "none" if value is None else shape.to_rgba(np.atleast_1d(value))[0]
    if isinstance(shape, Collection):
        shape.update_scalarmappable()
        colors, hits = shape.get_facecolor(), details["ind"]
        if len(colors) and len(hits):
            return colors[hits[-1] % len(colors)]
    return "none"


@lru_cache(8)
def _make_renderer(dpi: float) -> RendererAgg:
    """Return a renderer of one pixel, for measuring text at *dpi*."""
    return RendererAgg(1, 1, dpi)
