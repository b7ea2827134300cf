"""Detection of reused figures: a picture must not show lines of an earlier call.

Render layer. A figure made at import, or kept by ``lru_cache``, collects the lines of
every call, including failed ones. So this module remembers each figure that a figure
function draws on or returns, for as long as the figure lives. Call it inside the gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any
from weakref import WeakValueDictionary

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ..errors import FigureTypeError
from .return_values import as_figure

#: Figures of earlier calls, by id, as a subclass may define ``==``.
_used: WeakValueDictionary[int, Figure] = WeakValueDictionary()


def build_once(build: Callable[[], object], source: str) -> Figure:
    """Call *build* and return its figure.

    :param source: the name of *build*, for the error.
    :raises FigureTypeError: if *build* returned or drew on a figure that an earlier
        call returned or drew on, even if it then returned a copy.
    """
    touched: dict[int, Figure] = {}
    # This copy keeps the figures alive, so that no new figure gets the id of one.
    # Figures of nested renders are not in it.
    earlier = dict(_used)
    try:
        with _watch(touched):
            figure = as_figure(build(), source)
        if id(figure) in earlier:
            raise _make_reuse_error(f"{source} returned")
        if not earlier.keys().isdisjoint(touched):
            raise _make_reuse_error(f"{source} drew on")
        touched[id(figure)] = figure
        return figure
    finally:
        _used.update(touched)


def _make_reuse_error(what: str) -> FigureTypeError:
    return FigureTypeError(
        f"{what} a figure of an earlier call. Its lines and texts would appear in this "
        f"picture. Create a new figure in the function, such as with plt.subplots()."
    )


@contextmanager
def _watch(touched: dict[int, Figure]) -> Iterator[None]:
    """Add each figure that this thread draws on to *touched*."""
    thread = get_ident()  # Another thread's load may make a figure outside the gate.
    found = vars(Figure).get("stale")  # Set by an outer render.
    inherited: Any = Artist.stale

    def set_stale(figure: Figure, value: bool) -> None:
        if value and get_ident() == thread:
            touched[id(figure)] = figure
        inherited.__set__(figure, value)

    # Every change of an artist sets its figure's ``stale``.
    watched: Any = property(inherited.__get__, set_stale)
    Figure.stale = watched
    try:
        yield
    finally:
        stop_watching()
        if found is not None:
            Figure.stale = found


def stop_watching() -> None:
    """Restore Matplotlib's original ``Figure.stale``."""
    if "stale" in vars(Figure):
        del Figure.stale
