"""Markup for a picture in a page, from URLs that somebody else made.

Values layer: MarkupSafe alone. It knows neither Flask nor routes, so that the pages
of an app and the files of a frozen figure are made by the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from .image import ImageFormat

#: What a dark picture is shown for, until the page's script knows better.
DARK_MEDIA = "(prefers-color-scheme: dark)"


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
    #: Whether it is for dark pages alone.
    is_for_dark: bool = False

    @property
    def srcset(self) -> str:
        """The value of ``srcset``."""
        return ", ".join(map(str, self.candidates))


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
    :param sources: what a browser may prefer, best first.
    :param img: further attributes of the ``<img>``.
    """
    image = tag("img", {"src": src, "srcset": srcset, **img})
    if not sources:
        return image
    # Dark ones first: the first source that fits is taken.
    ordered = sorted(sources, key=lambda source: not source.is_for_dark)
    shown = [_source(source, img.get("sizes")) for source in ordered]
    return Markup("<picture>{}{}</picture>").format(Markup("").join(shown), image)


def _source(source: Source, sizes: str | None) -> Markup:
    is_dark = source.is_for_dark
    return tag(
        "source",
        {
            "type": source.format.mimetype,
            "media": DARK_MEDIA if is_dark else None,
            "srcset": source.srcset,
            "sizes": sizes,
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
    return Markup("<{}{}>").format(name, Markup("").join(_html(attributes)))


def _html(attributes: Mapping[str, Any]) -> Iterator[Markup]:
    for name, value in attributes.items():
        if value is True:
            yield Markup(" {}").format(name)
        elif value is not None and value is not False:
            yield Markup(' {}="{}"').format(name, escape(value))
