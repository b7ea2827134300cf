"""Image formats, the requested variant and the rendered image.

Values layer: no I/O, no clock, neither Flask nor Matplotlib. A value that exists is
valid.
"""

from __future__ import annotations

import json
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import MIMEPart
from enum import Enum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from markupsafe import Markup

from . import mail
from .errors import ConfigError, MessageError, cut, nearest


class Kind(Enum):
    """The kind of content in a format."""

    PIXELS = "pixels"
    #: SVG and PDF: sharp at every size, so scale and width do not apply.
    SHAPES = "shapes"
    #: The figure's words or numbers: scale, width and theme do not apply.
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """An output format of figures."""

    #: The name, which is also the extension in URLs and file names.
    name: str
    mimetype: str
    kind: Kind = Kind.PIXELS

    def __str__(self) -> str:
        return self.name

    @property
    def is_raster(self) -> bool:
        """Whether the format contains pixels."""
        return self.kind is Kind.PIXELS

    @property
    def is_text(self) -> bool:
        """Whether the format contains words or numbers instead of a picture."""
        return self.kind is Kind.TEXT

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
            ImageFormat("svg", "image/svg+xml", Kind.SHAPES),
            ImageFormat("pdf", "application/pdf", Kind.SHAPES),
            ImageFormat("csv", "text/csv", Kind.TEXT),
            ImageFormat("json", "application/json", Kind.TEXT),
            ImageFormat("txt", "text/plain", Kind.TEXT),
        )
    }
)

#: The alternative text, which every route serves even if its formats omit it.
ALT_FORMAT = FORMATS["txt"]

#: The smallest files, for browsers that support them, best first.
_PREFERRED = ("avif", "webp")
#: Formats that every browser supports.
_KNOWN_TO_ALL = ("png", "jpg")

#: Common other names of a format.
ALIASES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("jpeg", "jpe", "jfif"), "jpg")
)

#: Formats that browsers show in an ``<img>``, but notebooks do not as an output.
_UNKNOWN_TO_NOTEBOOKS = ("avif", "webp")
#: Bytes of the digest of a body.
_DIGEST_SIZE = 16

#: The values of ``_scale``. The list is short so that a client cannot fill the cache
#: with arbitrary scales.
SCALES: tuple[float, ...] = (0.5, 1, 1.5, 2, 3, 4)

#: Screen densities (device pixels per CSS pixel) that a page offers pictures for.
DENSITIES = (1, 2, 3)

#: Widths in pixels that ``_width`` is rounded up to, for the same reason.
WIDTHS_PX = (
    *(120, 160, 240, 320, 400, 480, 640, 800, 960),
    *(1280, 1600, 1920, 2560, 3200, 3840),
)


#: Maximum pixels of one side: the limit of WebP.
MAX_SIDE_PX = 16_383


def snapped_width(width_px: int) -> int:
    """Round *width_px* up to the next of ``WIDTHS_PX``, or else to the widest."""
    index = bisect_left(WIDTHS_PX, width_px)
    return WIDTHS_PX[min(index, len(WIDTHS_PX) - 1)]


class Theme(Enum):
    """The color scheme of the page."""

    LIGHT = "light"
    DARK = "dark"


def image_format(name: str) -> ImageFormat:
    """Return the format called *name*, in any case, with or without a leading dot.

    :raises ConfigError: if there is no such format.
    """
    key = name.lower().removeprefix(".") if isinstance(name, str) else ""
    try:
        return FORMATS[ALIASES.get(key, key)]
    except KeyError:
        guess = nearest(key, list(FORMATS))
        formats = ", ".join(FORMATS)
        fix = f"Did you mean {guess!r} (of: {formats})?" if guess else ""
        raise ConfigError(
            f"{cut(repr(name))} is not an image format. "
            f"{fix or f'Formats are: {formats}.'}"
        ) from None


def page_formats(offered: Sequence[ImageFormat]) -> list[ImageFormat]:
    """Return the formats in *offered* that a page offers to browsers, best first.

    :return: at least one format; the last is the fallback for all browsers. If the
        first in *offered* is not a pixel format, only that one.
    """
    first = offered[0]
    if not first.is_raster:
        return [first]
    usual = [format for format in offered if format.name in _KNOWN_TO_ALL]
    last = usual[0] if usual else first
    names = {format.name: format for format in offered if format is not last}
    return [*(names[name] for name in _PREFERRED if name in names), last]


@dataclass(frozen=True, slots=True)
class Variant:
    """The requested options besides the figure function's arguments.

    Options without effect on the format are reset, so equal pictures have equal
    variants.

    :raises ConfigError: if both a scale and a width are given.
    """

    format: ImageFormat
    #: Factor of the figure's size in pixels.
    scale: float = 1.0
    #: Width of the picture in pixels; ``None`` if the scale decides.
    width_px: int | None = None
    theme: Theme = Theme.LIGHT

    def __post_init__(self) -> None:
        if not self.format.is_raster:
            object.__setattr__(self, "scale", 1.0)
            object.__setattr__(self, "width_px", None)
        elif self.width_px is not None and self.scale != 1:
            raise ConfigError("A picture has either a scale or a width.")
        if self.format.is_text:
            object.__setattr__(self, "theme", Theme.LIGHT)

    def __str__(self) -> str:
        size = f"{self.scale:g}x" if self.width_px is None else f"{self.width_px}w"
        return f"{self.format} {size}" + " dark" * (self.theme is Theme.DARK)


@dataclass(frozen=True, slots=True)
class RenderedImage:
    """A rendered picture: its bytes and the metadata to send or embed them."""

    body: bytes = field(repr=False)
    format: ImageFormat
    #: Width in pixels; for SVG, PDF and text, the width of the same picture as PNG.
    width_px: int
    #: Height in pixels; for SVG, PDF and text, the height of the same picture as PNG.
    height_px: int
    #: The alternative text; empty if unknown.
    alt: str = field(default="", kw_only=True, repr=False)
    #: Seconds per step, in order: ``load``, ``wait``, ``build``, ``layout``, ``draw``,
    #: ``encode``. Skipped steps are absent.
    timings_s: tuple[tuple[str, float], ...] = field(default=(), compare=False)

    @property
    def mimetype(self) -> str:
        """The media type, such as ``image/png``."""
        return self.format.mimetype

    @property
    def etag(self) -> str:
        """The strong entity tag of the body, quoted (RFC 9110 section 8.8.3)."""
        return f'"{self._digest}"'

    @property
    def content_id(self) -> str:
        """The ``Content-ID`` of the picture in a message, ``<…>`` (RFC 2392).

        It is derived from the bytes: equal in every process for equal pictures, and
        different for different ones.
        """
        return f"<{self._digest}.{self.format.name}@flask-mplstream.invalid>"

    @property
    def cid_url(self) -> str:
        """The URL of the picture in the HTML of a message: ``cid:…`` (RFC 2392)."""
        return f"cid:{self.content_id[1:-1]}"

    @property
    def _digest(self) -> str:
        return blake2b(self.body, digest_size=_DIGEST_SIZE).hexdigest()

    def attach_to(self, message: MIMEPart) -> None:
        """Attach the picture to the HTML part of *message*, which uses :attr:`cid_url`.

        A picture that is already attached is not added again.

        :raises MessageError: if *message* has no HTML part or is no ``EmailMessage``,
            or if the format is text.
        """
        if self.format.is_text:
            raise MessageError(
                f"A message shows pictures, and this is {self.format.name}. Get it "
                f"as png or jpg, or write its text into the message."
            )
        filename = f"figure-{self._digest[:8]}.{self.format.name}"
        mail.attach(message, self.body, self.mimetype, self.content_id, filename)

    def data_uri(self) -> str:
        """Return the picture as a ``data:`` URI, for e-mail and single-file pages."""
        return f"data:{self.mimetype};base64,{b64encode(self.body).decode('ascii')}"

    def _repr_mimebundle_(
        self,
        include: Collection[str] | None = None,
        exclude: Collection[str] | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return data and metadata by media type, for Jupyter notebooks.

        https://ipython.readthedocs.io/en/stable/config/integrating.html
        """
        data = {
            mimetype: content
            for mimetype, content in self._by_mimetype().items()
            if (not include or mimetype in include) and mimetype not in (exclude or ())
        }
        has_alt = self.alt and not self.format.is_text and self.mimetype in data
        return data, {self.mimetype: {"alt": self.alt}} if has_alt else {}

    def _by_mimetype(self) -> dict[str, Any]:
        """Return the picture by media type; binary formats as base64 text."""
        if self.format.is_text:
            text = self.body.decode()
            is_json = self.format.name == "json"
            return {
                self.mimetype: json.loads(text) if is_json else text,
                "text/plain": text,
            }
        plain = {"text/plain": self.alt or repr(self)}
        if self.format.name == "svg":
            return {self.mimetype: self.body.decode(), **plain}
        bundle = {self.mimetype: b64encode(self.body).decode("ascii"), **plain}
        if self.format.name in _UNKNOWN_TO_NOTEBOOKS:
            bundle["text/html"] = str(
                Markup('<img src="{}" alt="{}">').format(self.data_uri(), self.alt)
            )
        return bundle
