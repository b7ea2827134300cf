"""The reserved arguments that every figure route accepts in a URL.

Values layer. The parameters of a figure function can't begin with ``_``.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from ..formats import Theme
from .function_signature import Parameters
from .size_steps import SCALES, WIDTHS_PX, snap_width


def _check_scale(scale: float) -> float:
    if scale not in SCALES:
        raise ValueError("There is no such scale")
    return scale


def _reserved(
    _scale: Annotated[
        float,
        AfterValidator(_check_scale),
        Field(
            description="Pixels per pixel of the figure's size. Excludes `_width`.",
            json_schema_extra={"enum": list(SCALES)},
        ),
    ] = 1.0,
    _width: Annotated[
        Annotated[int, Field(ge=1, le=WIDTHS_PX[-1]), AfterValidator(snap_width)]
        | None,
        Field(description="Width in pixels, rounded up to the next offered width."),
    ] = None,
    _theme: Annotated[
        Theme, Field(description="Theme of the page that shows the picture.")
    ] = Theme.LIGHT,
    _download: Annotated[
        bool,
        Field(description="Whether a browser saves the picture instead of showing it."),
    ] = False,
    _v: Annotated[
        str,
        Field(
            max_length=64,
            description="Version of the data. With the current one, browsers keep the "
            "picture.",
        ),
    ] = "",
    _sig: Annotated[
        str, Field(max_length=128, description="Signature of a signed route's URL.")
    ] = "",
) -> None:
    """Declare the reserved arguments."""


RESERVED = Parameters(_reserved, are_reserved=True)
#: Words that choose a variant, besides the format.
VARIANT_WORDS = ("_scale", "_width", "_theme")
#: Words that a person may write into a URL; the package adds the others.
WRITABLE_WORDS = (*VARIANT_WORDS, "_download")
