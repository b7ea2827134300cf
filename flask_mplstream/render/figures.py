"""What is a figure: the objects that a figure function may return.

Render layer. It looks at objects and draws nothing, except that a plotnine
plot becomes a figure by being drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ..errors import FigureTypeError

ACCEPTED = (
    "a Figure; Axes, an artist, or a list, tuple, dict or array of those from one "
    "figure; anything with a .figure, such as a seaborn grid; or a plotnine plot"
)


def as_figure(returned: object, source: str = "the argument of render()") -> Figure:
    """The one figure that *returned* is or belongs to.

    :param source: what returned it, for the error.
    :raises FigureTypeError: where there is none, or more than one.
    """
    figures = {id(figure): figure for figure in _figures(returned, source)}
    if len(figures) > 1:
        raise FigureTypeError(
            f"{source} returned artists of {len(figures)} different figures. Return "
            f"one figure, or put the axes side by side with plt.subplots()."
        )
    for figure in figures.values():
        return figure
    raise _not_a_figure(returned, source)


def _figures(returned: object, source: str) -> Iterator[Figure]:
    if isinstance(returned, Figure):
        yield returned
    elif isinstance(returned, Artist):
        yield _figure_of(returned, source)
    elif _is_plotnine(returned):
        yield from _figures(returned.draw(), source)  # type: ignore[attr-defined]
    elif isinstance(attached := getattr(returned, "figure", None), Artist):
        yield from _figures(attached, source)
    elif isinstance(returned, Mapping):
        for item in returned.values():
            yield from _figures(item, source)
    elif isinstance(returned, np.ndarray) and returned.dtype != object:
        return  # Numbers beside artists, as plt.hist() returns them.
    elif isinstance(returned, Iterable) and not isinstance(returned, str | bytes):
        for item in returned:
            yield from _figures(item, source)
    else:
        raise _not_a_figure(returned, source)


def _figure_of(artist: Artist, source: str) -> Figure:
    figure = artist.get_figure(root=True)
    if isinstance(figure, Figure):
        return figure
    raise FigureTypeError(
        f"{source} returned {artist!r}, which belongs to no figure. Add it to one, "
        f"for example with ax.add_artist()."
    )


def _is_plotnine(returned: object) -> bool:
    package = type(returned).__module__.partition(".")[0]
    return package == "plotnine" and hasattr(returned, "draw")


def _not_a_figure(returned: object, source: str) -> FigureTypeError:
    hint = " Did you forget to return the figure?" if returned is None else ""
    return FigureTypeError(
        f"{source} returned {returned if returned is None else type(returned)!r}. "
        f"Accepted are: {ACCEPTED}.{hint}"
    )
