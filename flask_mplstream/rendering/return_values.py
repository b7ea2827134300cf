"""The objects that a figure function may return, and their figure.

Render layer. It draws nothing, except that plotnine makes a figure by drawing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, TypeGuard

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ..errors import FigureTypeError

ACCEPTED = (
    "a Figure; Axes, an artist, or a list, tuple, dict or array of those from one "
    "figure; anything with a .figure, such as a seaborn grid; or a plotnine plot"
)


#: The source of a figure that is not a function's.
ARGUMENT = "the argument of render()"


def as_figure(returned: object, source: str = ARGUMENT) -> Figure:
    """Return the one figure that *returned* is or belongs to.

    :param source: the name of the function that returned it, for the error.
    :raises FigureTypeError: if there is no figure, or more than one.
    """
    if fix := _find_fix(returned):
        kind = (
            f"the module {returned.__name__}"
            if isinstance(returned, ModuleType)
            else repr(type(returned))
        )
        raise FigureTypeError(f"{source} returned {kind}. {fix}")
    figures = {id(figure): figure for figure in _find_figures(returned, source)}
    if len(figures) > 1:
        raise FigureTypeError(
            f"{source} returned artists of {len(figures)} different figures. Return "
            f"one figure, or put the axes side by side with plt.subplots()."
        )
    for figure in figures.values():
        return figure
    raise _make_type_error(returned, source)


def _find_fix(returned: object) -> str | None:
    """Return the fix for an object that is often mistaken for a figure."""
    package = type(returned).__module__.partition(".")[0]
    if isinstance(returned, ModuleType):
        is_pyplot = returned.__name__ == "matplotlib.pyplot"
        return "Return plt.gcf()." if is_pyplot else "Return a figure drawn with it."
    if isinstance(returned, type):
        return f"Return a figure, such as {returned.__name__}()."
    if isinstance(returned, FunctionType | MethodType | BuiltinFunctionType):
        return f"Call it: return {returned.__name__}()."
    if isinstance(returned, bytes | str | BytesIO):
        return "Return the figure itself; the package draws and encodes it."
    if package in ("pandas", "polars", "xarray"):
        return "Return a figure or axes, such as data.plot() for pandas."
    if package in ("plotly", "altair", "bokeh", "PIL"):
        return "Return a Matplotlib figure, the only kind that is supported."
    return None


def _find_figures(returned: object, source: str) -> Iterator[Figure]:
    if isinstance(returned, Figure):
        yield returned
    elif isinstance(returned, Artist):
        yield _find_root_figure(returned, source)
    elif _is_plotnine(returned):
        yield from _find_figures(returned.draw(), source)
    elif isinstance(attached := getattr(returned, "figure", None), Artist):
        yield from _find_figures(attached, source)
    elif isinstance(returned, Mapping):
        for item in returned.values():
            yield from _find_figures(item, source)
    elif isinstance(returned, np.ndarray) and returned.dtype != object:
        return  # plt.hist() returns numbers with its artists.
    elif isinstance(returned, Iterable) and not isinstance(returned, str | bytes):
        for item in returned:
            yield from _find_figures(item, source)
    else:
        raise _make_type_error(returned, source)


def _find_root_figure(artist: Artist, source: str) -> Figure:
    figure = artist.get_figure(root=True)
    if isinstance(figure, Figure):
        return figure
    raise FigureTypeError(
        f"{source} returned {artist!r}, which belongs to no figure. Add it to one, "
        f"such as with ax.add_artist()."
    )


def _is_plotnine(returned: object) -> TypeGuard[Any]:
    package = type(returned).__module__.partition(".")[0]
    return package == "plotnine" and hasattr(returned, "draw")


def _make_type_error(returned: object, source: str) -> FigureTypeError:
    if returned is None:
        fix = "Did you forget to return the figure?"
        return FigureTypeError(f"{source} returned None. {fix}")
    return FigureTypeError(
        f"{source} returned {type(returned)!r}. Return one of: {ACCEPTED}."
    )
