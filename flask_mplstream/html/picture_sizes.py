"""The size of a picture in the page, and the sizes in its ``srcset``.

Values: from the attributes of a call and the size of the figure, if known.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..formats import Variant, is_too_large
from ..parameters.size_steps import WIDTHS_PX, snap_width
from ..rendered_image import RenderedImage
from ..settings import RouteOptions

#: Widths for ``sizes`` if the figure's is unknown; the first is always the minimum.
_USUAL_WIDTHS_PX = (320, 480, 640, 960, 1280, 1920)
#: The largest density for a figure of unknown size; a larger one may exceed the limits.
_SAFE_DENSITY = 2


def choose_size(
    attributes: Mapping[str, Any], figure: RenderedImage | None, width_px: int | None
) -> dict[str, Any]:
    """Return ``width`` and ``height`` in the page, in CSS pixels, if known.

    If *attributes* has only one, the other follows from the figure's proportions.

    :param figure: the figure at scale 1; ``None`` if unknown.
    :param width_px: the requested width of the picture; ``None`` for the figure's.
    """
    given = {n: attributes[n] for n in ("width", "height") if n in attributes}
    if figure is None or len(given) == 2:
        return given
    width, height = figure.width_px, figure.height_px
    match [(name, _read_pixels(value)) for name, value in given.items()]:
        case [("width", int(shown))]:
            return {**given, "height": round(height * shown / width)}
        case [("height", int(shown))]:
            return {"width": round(width * shown / height), **given}
        case [_]:
            return given  # A percentage, or not a size.
    shown = width_px or width
    return {"width": shown, "height": round(height * shown / width)}


def _read_pixels(value: object) -> int | None:
    """Return *value*, a number or its text, as whole pixels; ``None`` for any other."""
    text = str(value)
    return int(float(text)) if re.fullmatch(r"[1-9]\d*(\.0)?", text) else None


def choose_widths(
    given: Sequence[int], figure: RenderedImage | None, options: RouteOptions
) -> Sequence[int]:
    """Return the widths in pixels for a picture with ``sizes``, ascending.

    :param given: the widths of the call; empty for the steps up to the figure's width
        at the largest density.
    """
    if given:
        return sorted({snap_width(px) for px in given})
    if figure is None:
        return _USUAL_WIDTHS_PX
    widest = snap_width(math.ceil(figure.width_px * options.page_densities[-1]))
    return [px for px in WIDTHS_PX if _USUAL_WIDTHS_PX[0] <= px <= widest]


def list_candidates(
    variant: Variant,
    figure: RenderedImage | None,
    options: RouteOptions,
    widths_px: Sequence[int] = (),
) -> list[tuple[Variant, str]]:
    """Return the sizes of *variant* that the route offers, ascending.

    :param figure: the figure at scale 1; ``None`` if unknown.
    :param widths_px: widths to offer; empty to offer densities.
    :return: at least one variant, each with its descriptor in a ``srcset``.
    """
    if not variant.format.is_raster or variant.scale != 1:
        return [(variant, "")]
    densities = options.page_densities
    if widths_px:
        found = [(replace(variant, width_px=px), f"{px}w") for px in widths_px]
    elif variant.width_px is not None:
        width_px = variant.width_px
        # Of two densities with one width, the smaller.
        steps = {
            snap_width(math.ceil(width_px * d)): f"{d:g}x" for d in densities[::-1]
        }
        found = [(replace(variant, width_px=px), steps[px]) for px in sorted(steps)]
    else:
        known = [d for d in densities if figure or d <= _SAFE_DENSITY]
        found = [(replace(variant, scale=float(d)), f"{d:g}x") for d in known]
    offered = [pair for pair in found if _is_offered(pair[0], figure, options)]
    return offered or [(variant, "")]


def _is_offered(
    variant: Variant, figure: RenderedImage | None, options: RouteOptions
) -> bool:
    """Return whether *variant* is within the limits of *options*, as far as known."""
    width_px, scale = variant.width_px, variant.scale
    if scale > options.max_scale or (width_px or 0) > options.max_width:
        return False
    if figure is None:
        return True
    if width_px is not None:
        scale = width_px / figure.width_px
    return not is_too_large(
        figure.width_px * scale, figure.height_px * scale, options.max_pixels
    )
