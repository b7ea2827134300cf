"""Image formats and the requested variant.

Values layer. This module does no I/O, doesn't read the clock, and doesn't import Flask
or Matplotlib. All values are validated when they are created.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Self

from .errors import ConfigError, cut, suggest


class ContentKind(Enum):
    """The kind of content in a format."""

    PIXELS = "pixels"
    #: SVG and PDF, which are sharp at every size, so they have no scale or width.
    SHAPES = "shapes"
    #: The words or numbers of the figure, which have no scale, width or theme.
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """An output format of figures."""

    #: The name, which is also the extension in URLs and file names.
    name: str
    mimetype: str
    kind: ContentKind = ContentKind.PIXELS

    def __str__(self) -> str:
        return self.name

    @property
    def is_raster(self) -> bool:
        """Whether the format contains pixels."""
        return self.kind is ContentKind.PIXELS

    @property
    def is_text(self) -> bool:
        """Whether the format contains words or numbers instead of a picture."""
        return self.kind is ContentKind.TEXT

    @property
    def contains_words(self) -> bool:
        """Whether the alternative text is a part of the content."""
        return self.name in ("svg", "txt")

    @property
    def content_type(self) -> str:
        """The value of ``Content-Type``."""
        is_plain = self.mimetype.startswith("text/")
        return f"{self.mimetype}; charset=utf-8" if is_plain else self.mimetype


#: All formats by name, in the default order of preference.
FORMATS: Mapping[str, ImageFormat] = MappingProxyType(
    {
        format.name: format
        for format in (
            ImageFormat("png", "image/png"),
            ImageFormat("webp", "image/webp"),
            ImageFormat("avif", "image/avif"),
            ImageFormat("jpg", "image/jpeg"),
            ImageFormat("svg", "image/svg+xml", ContentKind.SHAPES),
            ImageFormat("pdf", "application/pdf", ContentKind.SHAPES),
            ImageFormat("csv", "text/csv", ContentKind.TEXT),
            ImageFormat("json", "application/json", ContentKind.TEXT),
            ImageFormat("txt", "text/plain", ContentKind.TEXT),
        )
    }
)

#: The alternative text, which every route serves even if its formats omit it.
ALT_FORMAT = FORMATS["txt"]

#: Compact formats for browsers that support them, smallest files first.
_COMPACT = ("avif", "webp")
#: Formats that every browser supports.
UNIVERSAL = ("png", "jpg")
#: Formats that a page may offer, in the order in which browsers try them.
PAGE_FORMATS = (*_COMPACT, *UNIVERSAL)

#: Common other names of a format.
ALIASES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("jpeg", "jpe", "jfif"), "jpg")
)

#: Maximum pixels of one side: the limit of WebP.
MAX_SIDE_PX = 16_383


def is_too_large(width_px: float, height_px: float, max_pixels: int) -> bool:
    """Return whether a size exceeds *max_pixels* or the maximum length of a side."""
    width, height = int(width_px), int(height_px)
    return width * height > max_pixels or max(width, height) > MAX_SIDE_PX


class Theme(Enum):
    """The color scheme of the page."""

    LIGHT = "light"
    DARK = "dark"


def find_format(name: str) -> ImageFormat:
    """Return the format called *name*, which may be in any case and have a leading dot.

    :raises ConfigError: if there is no such format.
    """
    key = name.lower().removeprefix(".") if isinstance(name, str) else ""
    try:
        return FORMATS[ALIASES.get(key, key)]
    except KeyError:
        raise ConfigError(
            f"{cut(repr(name))} is not an image format (formats: "
            f"{', '.join(FORMATS)}). {suggest(key, list(FORMATS))}".rstrip()
        ) from None


def choose_page_formats(
    offered: Sequence[ImageFormat], wanted: Sequence[ImageFormat]
) -> list[ImageFormat]:
    """Return the formats in *offered* that a page offers to browsers, best first.

    :param offered: the formats of a route that are pictures.
    :param wanted: the route's ``page_formats``. PNG and JPEG replace each other. If
        the route has none of them, all that browsers can show are chosen.
    :return: at least one format. The last one is the fallback that all browsers
        support. If the first one in *offered* isn't a pixel format, it is the only one.
    """
    first = offered[0]
    if not first.is_raster:
        return [first]
    chosen = [format for format in wanted if format in offered]
    usual = [format for format in offered if format.name in UNIVERSAL][:1]
    lost = {format.name for format in wanted if format not in chosen}
    if not lost.isdisjoint(UNIVERSAL):
        chosen += usual
    if not chosen:
        chosen = [*(f for f in offered if f.name in _COMPACT), *usual]
    return sorted(chosen, key=lambda format: PAGE_FORMATS.index(format.name))


@dataclass(frozen=True, slots=True)
class Variant:
    """The requested options that aren't arguments of the figure function.

    Options that do not affect the format are reset, so that equal pictures have equal
    variants.

    :raises ConfigError: if both a scale and a width are given.
    """

    format: ImageFormat
    #: Factor of the figure's size in pixels.
    scale: float = 1.0
    #: Width of the picture in pixels; ``None`` if the scale decides.
    width_px: int | None = None
    theme: Theme = Theme.LIGHT
    #: Whether the render also reads the alternative text. The picture is the same, so
    #: neither ``==`` nor ``str()`` depends on it.
    reads_words: bool = field(default=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        if not self.format.is_raster:
            object.__setattr__(self, "scale", 1.0)
            object.__setattr__(self, "width_px", None)
        elif self.width_px is not None and self.scale != 1:
            raise ConfigError("A picture has either a scale or a width.")
        if self.format.is_text:
            object.__setattr__(self, "theme", Theme.LIGHT)
        if self.format.contains_words:
            object.__setattr__(self, "reads_words", True)

    def with_words(self) -> Self:
        """Return the variant whose render also reads the alternative text."""
        return self if self.reads_words else replace(self, reads_words=True)

    def __str__(self) -> str:
        size = f"{self.scale:g}x" if self.width_px is None else f"{self.width_px}w"
        return f"{self.format} {size}" + " dark" * (self.theme is Theme.DARK)
