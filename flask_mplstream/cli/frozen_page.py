"""The pictures of a freeze and the page that shows them with the HTML to embed them.

Flask side, based on :mod:`flask_mplstream.html.picture`. The page has no script and no
link out of its folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..formats import FORMATS, ImageFormat, Theme, Variant
from ..html.jinja_environment import render_page as render_template
from ..html.picture import frame_picture, join_srcset, order_sources, write_picture
from ..parameters.callables import summarize
from ..rendered_image import RenderedImage
from .task import Task

#: Compact formats for ``<source>``, which some browsers lack; best first.
COMPACT = ("avif", "webp")
#: Formats for ``<img>``, which every browser shows.
UNIVERSAL = ("png", "jpg", "svg")


@dataclass(frozen=True, slots=True)
class FrozenFile:
    """One file of a picture."""

    task: Task
    #: Relative to the folder, with ``/``.
    path: str
    #: Size of the image; for a text format, the size of its picture.
    width_px: int
    height_px: int
    #: Length of the file.
    size_bytes: int

    @classmethod
    def of(cls, task: Task, path: str, image: RenderedImage) -> FrozenFile:
        """Return the file of *image* at *path*."""
        size_px = image.width_px, image.height_px
        return cls(task, path, *size_px, len(image.body))

    @property
    def variant(self) -> Variant:
        """The variant of the picture."""
        return self.task.picture.variant

    def describe(self) -> dict[str, Any]:
        """Return the file's entry in the manifest."""
        format = self.variant.format
        entry = {
            "path": self.path,
            "format": format.name,
            "mimetype": format.mimetype,
            "theme": self.variant.theme.value,
            "bytes": self.size_bytes,
        }
        if format.is_text:
            return entry
        return {**entry, "width": self.width_px, "height": self.height_px}


@dataclass(frozen=True, slots=True)
class FrozenFigure:
    """A figure with its arguments, as one or more files."""

    files: Sequence[FrozenFile]
    #: The alternative text; empty if the route sets ``alt=""``, for decoration.
    alt: str

    @property
    def task(self) -> Task:
        """The figure with its arguments; the variant is that of the first file."""
        return self.files[0].task

    @property
    def width_px(self) -> int:
        """Width at scale 1, in CSS pixels."""
        return round(self.files[0].width_px / self.files[0].variant.scale)

    @property
    def height_px(self) -> int:
        """Height at scale 1, in CSS pixels."""
        return round(self.files[0].height_px / self.files[0].variant.scale)

    @property
    def summary(self) -> str:
        """The first line of the figure function's docstring."""
        return summarize(self.task.route.function)

    @property
    def is_by_width(self) -> bool:
        """Whether browsers choose a file by its width, not by its density."""
        return any(file.variant.width_px for file in self.files)

    def files_of(self, format: str, theme: Theme) -> list[FrozenFile]:
        """Return the files of *theme* in the format named *format*, narrowest first."""
        found: Iterable[FrozenFile] = (
            file
            for file in self.files
            if file.variant.format.name == format and file.variant.theme is theme
        )
        return sorted(found, key=lambda file: file.width_px)

    def describe(self) -> dict[str, Any]:
        """Return the picture's entry in the manifest."""
        route, values = self.task.route, self.task.picture.arguments.values
        return {
            "figure": route.endpoint,
            "arguments": {
                p.name: p.canonicalize(values[p.name]) for p in route.parameters
            },
            "alt": self.alt,
            "width": self.width_px,
            "height": self.height_px,
            "files": [file.describe() for file in self.files],
        }

    def __html__(self) -> str:
        """Return the markup for the figure in a page beside the manifest."""
        formats = dict.fromkeys(file.variant.format.name for file in self.files)
        shown = [name for name in COMPACT if name in formats]
        shown += [name for name in formats if name in UNIVERSAL][:1]
        image = _image(self, shown) if shown else ""
        downloads = _list_downloads(self)
        if not downloads:
            return image
        name = self.summary.removesuffix(".") or self.task.figure
        return frame_picture(image, None, downloads, name)


def render_page(figures: Sequence[FrozenFigure]) -> str:
    """Return the HTML document that shows *figures*."""
    return render_template("frozen.html", figures=figures)


def _list_downloads(figure: FrozenFigure) -> dict[str, str]:
    """Return links to the files in formats that a page cannot show, by format."""
    paths: dict[str, str] = {}
    for file in figure.files:
        format = file.variant.format.name
        if format not in (*COMPACT, *UNIVERSAL):
            paths.setdefault(format, file.path)
    return paths


def _image(figure: FrozenFigure, formats: Sequence[str]) -> str:
    """Return the markup for *figure* in *formats*: best first, the fallback last."""
    themes = {f.variant.theme for f in figure.files if not f.variant.format.is_text}
    first = Theme.LIGHT if Theme.LIGHT in themes else Theme.DARK
    sources = order_sources(
        [FORMATS[name] for name in formats],
        first,
        partial(_write_srcset, figure),
        has_both_themes=len(themes) > 1,
    )
    files = figure.files_of(formats[-1], first)
    nearest = min(files, key=lambda file: abs(file.width_px - figure.width_px))
    img: dict[str, Any] = {
        "alt": figure.alt,
        "width": figure.width_px,
        "height": figure.height_px,
        "loading": "lazy",
        "decoding": "async",
    }
    if figure.is_by_width:
        img["sizes"] = f"(max-width: {figure.width_px}px) 100vw, {figure.width_px}px"
    return write_picture(nearest.path, sources, img)


def _write_srcset(figure: FrozenFigure, format: ImageFormat, theme: Theme) -> str:
    paths = {  # Two widths may be equal in pixels.
        f"{f.width_px}w" if figure.is_by_width else f"{f.variant.scale:g}x": f.path
        for f in figure.files_of(format.name, theme)
    }
    return join_srcset((path, descriptor) for descriptor, path in paths.items())
