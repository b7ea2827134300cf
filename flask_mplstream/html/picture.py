"""The markup of a picture from finished URLs, and the order of its ``<source>``s.

Values: no Flask and no routes, so that pages and frozen figures share this code. It
joins strings, because a Jinja template takes three times as long.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from ..formats import ImageFormat, Theme

#: Media query of the alternative in each theme. The page's script may replace the dark
#: one. It excludes print, because browsers print without the page's dark background.
MEDIA: Mapping[Theme, str] = {
    Theme.DARK: "screen and (prefers-color-scheme: dark)",
    Theme.LIGHT: "print",
}


@dataclass(frozen=True, slots=True)
class Source:
    """A picture in one format and theme, in one or more sizes."""

    format: ImageFormat
    srcset: str
    #: Media query; ``None`` for all media.
    media: str | None = None

    @property
    def is_by_width(self) -> bool:
        """Whether browsers choose by width, which requires ``sizes``."""
        return " " in self.srcset and self.srcset.endswith("w")

    @property
    def has_choice(self) -> bool:
        """Whether there is more than one size, or one for a density other than 1."""
        _, _, descriptor = self.srcset.rpartition(" ")
        is_dense = descriptor.endswith("x") and descriptor not in (self.srcset, "1x")
        return is_dense or ", " in self.srcset


def join_srcset(candidates: Iterable[tuple[str, str]]) -> str:
    """Return the value of ``srcset``.

    :param candidates: URLs with their descriptors, ``2x`` or ``800w``. The descriptor
        of a single URL may be empty.
    """
    # In a srcset, a comma at the end of a URL ends the candidate.
    entries = ((re.sub(",$", "%2C", url), size) for url, size in candidates)
    return ", ".join(f"{url} {size}".rstrip() for url, size in entries)


def order_sources(
    formats: Sequence[ImageFormat],
    theme: Theme,
    srcset: Callable[[ImageFormat, Theme], str],
    *,
    has_both_themes: bool,
) -> list[Source]:
    """Return the sources in the order in which browsers try them.

    The other theme comes first, because its media query limits it. Within a theme,
    the formats keep their order. The last source is the fallback, the ``<img>``.

    :param formats: best first; every browser supports the last.
    :param theme: the theme of the fallback.
    :param srcset: returns the ``srcset`` of a format in a theme.
    :param has_both_themes: whether the picture also exists in the other theme.
    """
    sources = [Source(format, srcset(format, theme)) for format in formats]
    if not has_both_themes:
        return sources
    other = Theme.LIGHT if theme is Theme.DARK else Theme.DARK
    return [
        *(Source(format, srcset(format, other), MEDIA[other]) for format in formats),
        *sources,
    ]


def write_picture(src: str, sources: Sequence[Source], img: Mapping[str, Any]) -> str:
    """Return an ``<img>``, in a ``<picture>`` if there is more than one source.

    :param src: URL of the fallback for browsers without ``srcset``.
    :param sources: the result of :func:`order_sources`.
    :param img: further attributes of the ``<img>``, and ``sizes`` of all sources.
    """
    *choices, fallback = sources
    srcset = fallback.srcset if fallback.has_choice else None
    attributes = {"src": src, "srcset": srcset, **img}
    if not fallback.is_by_width:
        attributes["sizes"] = None
    image = write_tag("img", attributes)
    if not choices:
        return image
    tags = "".join(_write_source(source, img.get("sizes")) for source in choices)
    return f"<picture>{tags}{image}</picture>"


def _write_source(source: Source, sizes: str | None) -> str:
    is_dark = source.media == MEDIA[Theme.DARK]
    attributes = {
        "type": source.format.mimetype,
        "media": source.media,
        "srcset": source.srcset,
        "sizes": sizes if source.is_by_width else None,
        "data-mplstream-theme": "dark" if is_dark else None,
    }
    return write_tag("source", attributes)


def frame_picture(
    shown: str, caption: str | None, downloads: Mapping[str, str], name: str
) -> str:
    """Return a ``<figure>`` with *shown*, download links and a caption.

    :param downloads: URLs by the name of the format.
    :param name: name of the figure in the links' labels for screen readers.
    """
    links = ""
    for format, url in downloads.items():
        label = format.upper()
        spoken = escape(f"{name} as {label}")
        links += (
            f'<li><a href="{escape(url)}" download aria-label="{spoken}">'
            f"{label}</a></li>"
        )
    if links:
        links = f'<ul class="mplstream-downloads">{links}</ul>'
    under = "" if caption is None else f"<figcaption>{escape(caption)}</figcaption>"
    return f'<figure class="mplstream-figure">{shown}{links}{under}</figure>'


def write_tag(name: str, attributes: Mapping[str, Any]) -> str:
    """Return a start tag with the *attributes* that :func:`plain_attributes` keeps."""
    plain = plain_attributes(attributes).items()
    pairs = [f' {key}="{escape(value)}"' for key, value in plain]
    return f"<{name}{''.join(pairs)}>"


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that are set, with their values as plain text.

    :param attributes: ``None`` and ``False`` omit an attribute, and ``True`` sets it
        to an empty text, except that ``aria-*`` and ``draggable`` get the words
        ``true`` and ``false``. ``Markup`` is unescaped.
    """
    plain = {}
    for name, value in attributes.items():
        if isinstance(value, bool) and (name == "draggable" or name[:5] == "aria-"):
            plain[name] = str(value).lower()
        elif value is True:
            plain[name] = ""
        elif value is not None and value is not False:
            is_markup = isinstance(value, Markup)
            plain[name] = value.unescape() if is_markup else str(value)
    return plain
