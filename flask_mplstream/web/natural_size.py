"""The natural size of a route's pictures, which its error pictures take.

Flask side, without Flask. A browser gives an error picture the place of the picture.
"""

from __future__ import annotations

from ..formats import Variant
from ..rendered_image import RenderedImage


class NaturalSize:
    """The width and height of a route's newest picture in this process, at scale 1.

    Threads share it without a lock, because a size is replaced as a whole.
    """

    def __init__(self) -> None:
        self._size_px = (640.0, 480.0)

    def read(self) -> tuple[float, float]:
        """Return the last noted size, at first Matplotlib's default."""
        return self._size_px

    def note(self, image: RenderedImage, variant: Variant) -> None:
        """Note the size of *image*, a picture in *variant*."""
        width, height = image.width_px / variant.scale, image.height_px / variant.scale
        if variant.width_px is not None:  # Only the proportions are the figure's.
            before, _ = self._size_px
            width, height = before, before * height / width
        self._size_px = width, height
