"""Pictures that have become files.

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

    #: Below the folder, with ``/``.
    path: str
    variant: Variant
    #: Of this file; of text, what a picture would measure.
    width_px: int
    height_px: int
    #: Length of the file.
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        """What the manifest says of it."""
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
    """A figure with its arguments, and all its files."""

    job: Job
    files: list[FrozenFile]
    #: What it shows, as the figure itself says; nothing where it does not.
    described: str
    #: CSS pixels: what it measures at scale 1.
    width_px: int
    height_px: int

    @property
    def summary(self) -> str:
        """What the figure function says of itself."""
        return summary_of(self.job.route.function)

    @property
    def alt(self) -> str:
        """The alternative text; empty for what is said to be decoration."""
        route = self.job.route
        if route.options.alt is not None:
            return route.options.alt
        return self.described or self.summary or route.name.replace("_", " ")

    def files_of(self, format: str, theme: Theme = Theme.LIGHT) -> list[FrozenFile]:
        """Those in the format called *format*, the smallest first."""
        found: Iterable[FrozenFile] = (
            file
            for file in self.files
            if file.variant.format.name == format and file.variant.theme is theme
        )
        return sorted(found, key=lambda file: file.width_px)

    def as_json(self) -> dict[str, Any]:
        """What the manifest says of it."""
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
