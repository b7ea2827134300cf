"""Pictures of a freeze and their files.

Flask side, values only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..formats import Theme, Variant
from ..web.figure_route import summary_of
from .task import Job


@dataclass(frozen=True, slots=True)
class FrozenFile:
    """One file of a picture."""

    #: Relative to the folder, with ``/``.
    path: str
    variant: Variant
    #: Size of the image; for a text format, the size of its picture.
    width_px: int
    height_px: int
    #: Length of the file.
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """Return the file's entry in the manifest."""
        format = self.variant.format
        told = {
            "path": self.path,
            "format": format.name,
            "mimetype": format.mimetype,
            "theme": self.variant.theme.value,
            "bytes": self.size_bytes,
        }
        if format.is_text:
            return told
        return {**told, "width": self.width_px, "height": self.height_px}


@dataclass(frozen=True, slots=True)
class FrozenFigure:
    """A figure with its arguments and files."""

    job: Job
    files: list[FrozenFile]
    #: The alternative text of the render; empty if it has none.
    described: str
    #: Size at scale 1, in CSS pixels.
    width_px: int
    height_px: int

    @property
    def summary(self) -> str:
        """The first line of the figure function's docstring."""
        return summary_of(self.job.route.function)

    @property
    def alt(self) -> str:
        """The alternative text; empty if the route says ``alt=""``: decoration."""
        route = self.job.route
        if route.options.alt is not None:
            return route.options.alt
        return self.described or self.summary or route.name.replace("_", " ")

    def files_of(self, format: str, theme: Theme = Theme.LIGHT) -> list[FrozenFile]:
        """Return the files of *theme* in the format named *format*, narrowest first."""
        found: Iterable[FrozenFile] = (
            file
            for file in self.files
            if file.variant.format.name == format and file.variant.theme is theme
        )
        return sorted(found, key=lambda file: file.width_px)

    def as_json(self) -> dict[str, Any]:
        """Return the picture's entry in the manifest."""
        route, values = self.job.route, self.job.picture.arguments.values
        return {
            "figure": route.endpoint,
            "arguments": {
                p.name: p.canonical(values[p.name]) for p in route.parameters
            },
            "alt": self.alt,
            "width": self.width_px,
            "height": self.height_px,
            "files": [file.as_json() for file in self.files],
        }
