"""Markup for a picture in a page, from finished URLs.

Values layer: imports MarkupSafe and ``formats``, but no Flask and no routes, so that
apps and frozen figures share this code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..formats import ImageFormat

#: Media query of a dark picture; the page's script may replace it. Not for print:
#: browsers print without the page's dark background.
DARK_MEDIA = "screen and (prefers-color-scheme: dark)"
#: Media query of the light alternative to a picture that is always dark.
PAPER_MEDIA = "print"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One URL of a ``srcset``."""

    url: str
    #: ``2x`` or ``800w``; empty for a single candidate.
    descriptor: str

    def __str__(self) -> str:
        # In a srcset, a comma at the end of a URL ends the candidate.
        return f"{re.sub(',$', '%2C', self.url)} {self.descriptor}".strip()


@dataclass(frozen=True, slots=True)
class Source:
    """A picture in one format, in one or more sizes."""

    format: ImageFormat
    candidates: Sequence[Candidate]
    #: Media query; ``None`` for all media.
    media: str | None = None

    @property
    def srcset(self) -> str:
        """The value of ``srcset``."""
        return ", ".join(map(str, self.candidates))

    @property
    def is_by_width(self) -> bool:
        """Whether browsers choose by width, which requires ``sizes``."""
        return self.candidates[0].descriptor.endswith("w")


@dataclass(frozen=True, slots=True)
class Download:
    """A download link in one format."""

    format: ImageFormat
    url: str


def picture(
    src: str, srcset: str | None, sources: Sequence[Source], img: Mapping[str, Any]
) -> Markup:
    """Return an ``<img>``, in a ``<picture>`` if there are *sources*.

    :param src: URL of the fallback.
    :param srcset: the fallback in several sizes, or ``None``.
    :param sources: alternatives; a browser takes the first that it supports.
    :param img: further attributes of the ``<img>``.
    """
    image = tag("img", {"src": src, "srcset": srcset, **img})
    if not sources:
        return image
    shown = [_source(source, img.get("sizes")) for source in sources]
    return Markup("<picture>{}{}</picture>").format(Markup("").join(shown), image)


def _source(source: Source, sizes: str | None) -> Markup:
    is_dark = source.media == DARK_MEDIA
    return tag(
        "source",
        {
            "type": source.format.mimetype,
            "media": source.media,
            "srcset": source.srcset,
            "sizes": sizes if source.is_by_width else None,
            "data-mplstream-theme": "dark" if is_dark else None,
        },
    )


def framed(
    shown: Markup, caption: str | None, downloads: Sequence[Download], name: str
) -> Markup:
    """Wrap *shown* in a ``<figure>`` with download links and a caption.

    :param name: name of the figure in the links' labels for screen readers.
    """
    links = [
        Markup(
            '<li><a href="{0}" download aria-label="{1} as {2}">{2}</a></li>'
        ).format(link.url, name, link.format.name.upper())
        for link in downloads
    ]
    listed = Markup("")
    if links:
        listed = Markup('<ul class="mplstream-downloads">{}</ul>').format(
            Markup("").join(links)
        )
    under = Markup("")
    if caption is not None:
        under = Markup("<figcaption>{}</figcaption>").format(caption)
    opening = Markup('<figure class="mplstream-figure">')
    return opening + shown + listed + under + Markup("</figure>")


def tag(name: str, attributes: Mapping[str, Any]) -> Markup:
    """Return a start tag; ``True`` is a bare name, ``None`` and ``False`` add none."""
    pairs = plain_attributes(attributes).items()
    shown = [
        Markup(" {}").format(key)
        if attributes[key] is True and not text
        else Markup(' {}="{}"').format(key, text)
        for key, text in pairs
    ]
    return Markup("<{}{}>").format(name, Markup("").join(shown))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    """Return the attributes that are set, with their values as plain text.

    :param attributes: ``None`` and ``False`` omit an attribute, and ``True`` sets it
        to an empty text, except that ``aria-*`` and ``draggable`` get the words
        ``true`` and ``false``. ``Markup`` is unescaped.
    """
    return {
        name: _plain(name, value)
        for name, value in attributes.items()
        if value is not None and (value is not False or _is_worded(name))
    }


def _plain(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower() if _is_worded(name) else ""
    return value.unescape() if isinstance(value, Markup) else str(value)


def _is_worded(name: str) -> bool:
    """Return whether the values of *name* are ``true`` and ``false``."""
    return name.startswith("aria-") or name == "draggable"
