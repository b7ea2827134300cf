"""Markup for a picture in a page, from URLs that somebody else made.

Values layer: MarkupSafe alone. It knows neither Flask nor routes, so that the pages
of an app and the files of a frozen figure are made by the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..formats import ImageFormat

#: Where a dark picture is shown, until the page's script knows better. Never on
#: paper: a browser prints without the page's dark background.
DARK_MEDIA = "screen and (prefers-color-scheme: dark)"
#: Where the light twin of a picture that is always dark is shown.
PAPER_MEDIA = "print"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One URL of a ``srcset``."""

    url: str
    #: ``2x`` or ``800w``; nothing for the only one.
    descriptor: str

    def __str__(self) -> str:
        # A comma at the end of a URL would be read as the end of its entry.
        return f"{re.sub(',$', '%2C', self.url)} {self.descriptor}".strip()


@dataclass(frozen=True, slots=True)
class Source:
    """The same picture in one format, at several sizes."""

    format: ImageFormat
    candidates: Sequence[Candidate]
    #: The media query that it is limited to, if any.
    media: str | None = None

    @property
    def srcset(self) -> str:
        """The value of ``srcset``."""
        return ", ".join(map(str, self.candidates))

    @property
    def is_by_width(self) -> bool:
        """Whether browsers choose by width, and so want ``sizes``."""
        return self.candidates[0].descriptor.endswith("w")


@dataclass(frozen=True, slots=True)
class Download:
    """A link to a file of the figure."""

    format: ImageFormat
    url: str


def picture(
    src: str, srcset: str | None, sources: Sequence[Source], img: Mapping[str, Any]
) -> Markup:
    """An ``<img>``, in a ``<picture>`` where there are *sources*.

    :param src: URL of the picture for browsers that know no other.
    :param srcset: the same at several sizes, if there are any.
    :param sources: what a browser may prefer: the first that fits is taken.
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
    """*shown* in a ``<figure>``, with links and a caption under it.

    :param name: what the links are called to who hears them without the picture.
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
    """A start tag; ``True`` is an attribute alone, ``None`` and ``False`` none."""
    pairs = plain_attributes(attributes).items()
    shown = [
        Markup(" {}").format(key)
        if attributes[key] is True and not text
        else Markup(' {}="{}"').format(key, text)
        for key, text in pairs
    ]
    return Markup("<{}{}>").format(name, Markup("").join(shown))


def plain_attributes(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The attributes that there are, and their values as plain text.

    :param attributes: ``None`` is none at all. ``True`` and ``False`` are there or
        not, but for attributes that have these words as values. ``Markup`` is text
        that was escaped for somewhere else.
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
    """Whether *name* has ``true`` and ``false`` as values."""
    return name.startswith("aria-") or name == "draggable"
