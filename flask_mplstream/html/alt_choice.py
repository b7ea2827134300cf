"""Choosing the alternative text of a picture in a page.

Flask side, without the request. A render applies the same rule and adds the text that
it generates from the figure; a page that does not know that text uses the docstring.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..parameters.callables import summarize
from ..parameters.canonical import Arguments
from ..rendered_image import RenderedImage
from ..web.app_state import current_state
from ..web.figure_route import FigureRoute, Picture

logger = logging.getLogger("flask_mplstream")


def choose_alt(route: FigureRoute, generated: str = "") -> str:
    """Return the best known alternative text of *route*.

    :param generated: the text of the render, empty if unknown.
    :return: the route's ``alt``, else *generated*, else the summary of the docstring,
        else the route's name. Empty only with ``alt=""``, for decoration.
    """
    if route.options.alt is not None:
        return route.options.alt
    return generated or summarize(route.function) or route.name.replace("_", " ")


def name_figure(route: FigureRoute) -> str:
    """Return a short name of *route*, for labels."""
    name = summarize(route.function) or route.name.replace("_", " ")
    return name.removesuffix(".")


def has_words(route: FigureRoute) -> bool:
    """Return whether *route* has an ``alt`` or a docstring, besides its name."""
    return route.options.alt is not None or bool(summarize(route.function))


@dataclass(frozen=True, slots=True)
class _LateWords:
    """The alternative text of a picture, read at the first call that needs it.

    It can be pickled, as the image can, so it has neither the app nor the route.
    """

    endpoint: str
    arguments: Arguments
    #: All injected values: a later request may belong to another user.
    inject: Mapping[str, object]
    #: The text if the figure cannot be described, as without an app context.
    otherwise: str

    def __call__(self) -> str:
        """Return the text."""
        try:
            route = current_state().route(self.endpoint)
            return route.describe(self.arguments, self.inject).alt
        except Exception:
            logger.warning("Cannot describe %s.", self.endpoint, exc_info=True)
            return self.otherwise


def add_words(
    route: FigureRoute, picture: Picture, image: RenderedImage
) -> RenderedImage:
    """Return *image* of *picture* with its alternative text.

    A picture from the cache may be without. Its text is then read from ``.txt`` when
    it is first needed, in the app context of that time.
    """
    if image.words is not None:
        return image
    inject = route.injected(picture.inject)
    late = _LateWords(route.endpoint, picture.arguments, inject, choose_alt(route))
    return replace(image, words=late)
