"""Choosing the alternative text of a picture in a page.

Flask side, without the request. A render applies the same rule and adds the text that
it generates from the figure; a page that does not know that text uses the docstring.
"""

from __future__ import annotations

from ..parameters.callables import summarize
from ..web.figure_route import FigureRoute


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
