"""The page of a freeze: every picture, with the HTML to embed it.

Flask side, based on :mod:`flask_mplstream.html.picture`. The page has no script and no
link out of its folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from ..formats import ImageFormat, Theme
from ..html import picture
from ..html.jinja_environment import page_html
from .frozen_files import FrozenFigure

#: Compact formats for ``<source>``, which not every browser shows; best first.
PREFERRED = ("avif", "webp")
#: Formats for ``<img>``, which every browser shows.
SHOWN_BY_ALL = ("png", "jpg", "svg")


def page(figures: Sequence[FrozenFigure]) -> str:
    """Return the HTML document that shows *figures*."""
    shown = [(figure, html_of(figure)) for figure in figures]
    return page_html("frozen.html", shown=shown)


def html_of(figure: FrozenFigure) -> Markup:
    """Return the markup for *figure* in a page beside the manifest."""
    formats = {file.variant.format.name: file.variant.format for file in figure.files}
    images = [name for name in PREFERRED if name in formats]
    images += [name for name in formats if name in SHOWN_BY_ALL][:1]
    shown = _image(figure, images) if images else Markup("")
    downloads = _downloads(figure)
    if not downloads:
        return shown
    name = figure.summary.removesuffix(".") or figure.job.figure
    return picture.framed(shown, None, downloads, name)


def _downloads(figure: FrozenFigure) -> list[picture.Download]:
    """Return links to the files in formats that a page cannot show."""
    paths: dict[ImageFormat, str] = {}
    for file in figure.files:
        if file.variant.format.name not in (*PREFERRED, *SHOWN_BY_ALL):
            paths.setdefault(file.variant.format, file.path)
    return [picture.Download(format, path) for format, path in paths.items()]


def _image(figure: FrozenFigure, formats: Sequence[str]) -> Markup:
    """Return the markup for *figure* in *formats*: best first, the fallback last."""
    themes = {f.variant.theme for f in figure.files if not f.variant.format.is_text}
    first = Theme.LIGHT if Theme.LIGHT in themes else Theme.DARK
    sources = [_source(figure, name, first) for name in formats[:-1]]
    if len(themes) > 1:
        dark = [
            _source(figure, name, Theme.DARK, media=picture.DARK_MEDIA)
            for name in formats
        ]
        sources = [*dark, *sources]
    files = figure.files_of(formats[-1], first)
    one = min(files, key=lambda file: abs(file.width_px - figure.width_px))
    srcset = _source(figure, formats[-1], first).srcset if len(files) > 1 else None
    img: dict[str, Any] = {
        "alt": figure.alt,
        "width": figure.width_px,
        "height": figure.height_px,
        "loading": "lazy",
        "decoding": "async",
        "sizes": _sizes(figure),
    }
    return picture.picture(one.path, srcset, sources, img)


def _by_width(figure: FrozenFigure) -> bool:
    return any(file.variant.width_px for file in figure.files)


def _sizes(figure: FrozenFigure) -> str | None:
    """Return ``sizes`` if browsers choose by width, ``None`` if by density."""
    if not _by_width(figure):
        return None
    return f"(max-width: {figure.width_px}px) 100vw, {figure.width_px}px"


def _source(
    figure: FrozenFigure, format: str, theme: Theme, *, media: str | None = None
) -> picture.Source:
    files = figure.files_of(format, theme)
    by_width = _by_width(figure)
    candidates = {
        f"{file.width_px}w" if by_width else f"{file.variant.scale:g}x": file.path
        for file in files
    }
    return picture.Source(
        files[0].variant.format,
        [picture.Candidate(path, size) for size, path in candidates.items()],
        media,
    )
