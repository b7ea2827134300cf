"""Values: the image formats, what was asked for, what was rendered.

Values layer: no I/O, no clock, neither Flask nor Matplotlib. A value that
exists is valid.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .errors import ConfigError, nearest


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """A format that figures are rendered to."""

    #: The name, which is also the extension in URLs and file names.
    name: str
    mimetype: str
    #: Whether it is drawn as shapes (SVG, PDF) and not as pixels.
    is_vector: bool = False

    def __str__(self) -> str:
        return self.name


#: Every format, by name. The order is the default order of preference.
FORMATS: Mapping[str, ImageFormat] = MappingProxyType(
    {
        format.name: format
        for format in (
            ImageFormat("png", "image/png"),
            ImageFormat("webp", "image/webp"),
            ImageFormat("avif", "image/avif"),
            ImageFormat("jpg", "image/jpeg"),
            ImageFormat("svg", "image/svg+xml", is_vector=True),
            ImageFormat("pdf", "application/pdf", is_vector=True),
        )
    }
)

#: Other names by which people ask for a format.
ALIASES: Mapping[str, str] = MappingProxyType({"jpeg": "jpg"})

#: The scales that ``_scale`` may have. A short list, so that a stranger cannot
#: fill the cache with one picture per number.
SCALES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)


def image_format(name: str) -> ImageFormat:
    """The format called *name*, in any case and with or without a dot.

    :raises ConfigError: where there is no such format.
    """
    key = name.lower().removeprefix(".")
    try:
        return FORMATS[ALIASES.get(key, key)]
    except KeyError:
        guess = nearest(key, list(FORMATS))
        hint = f" Did you mean {guess!r}?" if guess else ""
        raise ConfigError(
            f"{name!r} is not an image format. Formats are: {', '.join(FORMATS)}.{hint}"
        ) from None


@dataclass(frozen=True, slots=True)
class Variant:
    """What was asked for besides the figure function's arguments."""

    format: ImageFormat
    #: Pixels per pixel of the figure's own size. Shapes have none: for SVG and
    #: PDF it is always 1, so that every scale is one picture.
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.format.is_vector:
            object.__setattr__(self, "scale", 1.0)


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """A picture: its bytes and what must be known to send or embed them."""

    body: bytes = field(repr=False)
    format: ImageFormat
    #: Width in pixels. For SVG and PDF the width that a PNG of it would have.
    width_px: int
    #: Height in pixels, likewise.
    height_px: int
    #: Seconds that each step took, in order: ``build``, ``draw``, ``encode``.
    timings_s: tuple[tuple[str, float], ...] = field(default=(), compare=False)

    @property
    def mimetype(self) -> str:
        """The media type, ``image/png`` for example."""
        return self.format.mimetype

    def data_uri(self) -> str:
        """The picture as a ``data:`` URI, for e-mail and files of one piece."""
        return f"data:{self.mimetype};base64,{b64encode(self.body).decode('ascii')}"
