"""Copies of built figures and of loaded data, as pickles in this process's memory.

Render layer, and the only module that pickles figures. A figure changes when it is
drawn, so each variant of a picture draws a separate copy. Call :func:`copy_figure` and
:meth:`FigureCopy.restore` inside the gate. An object that has no faithful copy raises
:class:`NotCopyableError`; make it again instead.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from ast import literal_eval
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from time import thread_time
from typing import Any

import numpy as np
from matplotlib._pylab_helpers import Gcf
from matplotlib.cbook import CallbackRegistry
from matplotlib.figure import Figure

from .matplotlib_globals import (
    copy_colors,
    copy_params,
    find_changes,
    set_colors,
    set_params,
)

#: Packages whose objects a copy may contain. An object of the app may read a global
#: variable that the figure function has set, so the copy could look different.
_PACKAGES = frozenset(
    ("matplotlib", "mpl_toolkits", "numpy", "pandas", "seaborn", "plotnine", "mizani")
    # Dates of Matplotlib and pandas, and our notes about their time zones.
) | {"cartopy", "dateutil", "pytz", "flask_mplstream", *sys.stdlib_module_names}
#: Packages of the objects whose callbacks Matplotlib connects again or does not need.
_OWNERS = ("matplotlib", "mpl_toolkits")
#: Signals that are sent while a figure is drawn.
_DRAW_SIGNALS = ("draw", "resize", "lim", "unit", "chang")


class NotCopyableError(Exception):
    """An object has no faithful copy within the limits."""


@dataclass(frozen=True, slots=True)
class CopyLimits:
    """The limits of one copy."""

    max_bytes: float
    #: Seconds of this thread.
    max_s: float


@dataclass(frozen=True, slots=True)
class DrawGlobals:
    """The rcParams and named colors of this process at one time."""

    params: Mapping[str, Any]
    colors: Mapping[str, Any]

    @classmethod
    def now(cls) -> DrawGlobals:
        """Return the current ones."""
        return cls(copy_params(), copy_colors())

    def find_changes(self) -> DrawGlobals:
        """Return the rcParams that have changed since, and all colors if one has."""
        now = DrawGlobals.now()
        colors = {} if now.colors == self.colors else now.colors
        return DrawGlobals(find_changes(now.params, self.params), colors)

    def apply(self) -> None:
        """Apply the result of :meth:`find_changes` to this process."""
        set_params(self.params)
        if self.colors:
            set_colors(self.colors)


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy of any object."""

    pickled: bytes
    #: Importable packages besides the known ones.
    packages: frozenset[str]

    @classmethod
    def of(cls, value: object, packages: frozenset[str], limits: CopyLimits) -> Copy:
        """Copy *value*.

        :raises NotCopyableError: if it cannot be pickled within *limits*.
        """
        file = _LimitedFile(limits)
        try:
            _make_pickler(file, limits).dump(value)
        except NotCopyableError:
            raise
        except Exception as error:  # Anything, as __reduce__ is the app's code.
            raise NotCopyableError(str(error)) from error
        return cls(file.getvalue(), packages)

    @property
    def size_bytes(self) -> int:
        """The memory that the copy takes."""
        return sys.getsizeof(self.pickled) + sys.getsizeof(self)

    def restore(self) -> Any:
        """Return a new object.

        :raises NotCopyableError: if it contains objects of other packages, or cannot
            be restored.
        """
        try:
            return _Unpickler(BytesIO(self.pickled), self.packages).load()
        except NotCopyableError:
            raise
        except Exception as error:
            raise NotCopyableError(str(error)) from error


@dataclass(frozen=True, slots=True)
class FigureCopy:
    """A copy of a figure that has not been drawn."""

    copy: Copy
    dpi: float
    #: Set by the figure function, and in effect while the figure is drawn.
    globals: DrawGlobals

    @property
    def size_bytes(self) -> int:
        """The memory that the copy takes."""
        params, colors = self.globals.params, self.globals.colors
        return self.copy.size_bytes + sys.getsizeof(params) + sys.getsizeof(colors)

    def restore(self) -> Figure:
        """Return a new figure; apply the globals that its function has set.

        :raises NotCopyableError: as :meth:`Copy.restore`.
        """
        figure = self.copy.restore()
        if not isinstance(figure, Figure):
            raise NotCopyableError(f"The copy is {type(figure)!r}, not a figure.")
        if figure.dpi != self.dpi:  # Figure.__getstate__ resets it.
            figure.dpi = self.dpi
        self.globals.apply()
        return figure


def copy_figure(
    figure: Figure,
    before: DrawGlobals,
    packages: frozenset[str],
    limits: CopyLimits,
) -> FigureCopy:
    """Copy *figure*, which has not been drawn yet.

    :param before: the globals when its function was called.
    :param packages: importable packages besides the known ones.
    :raises NotCopyableError: if a copy could be drawn differently or exceeds *limits*.
    """
    with _hide_from_pyplot(), _refuse_lost_callbacks():
        copy = Copy.of(figure, packages, limits)
    return FigureCopy(copy, figure.dpi, before.find_changes())


def _make_pickler(file: _LimitedFile, limits: CopyLimits) -> pickle.Pickler:
    def reduce_mapped_file(array: Any) -> Any:
        # NumPy would read the whole file, however large, before it writes.
        if array.nbytes > limits.max_bytes:
            raise NotCopyableError(f"A mapped file has {array.nbytes:,} bytes.")
        return array.__reduce_ex__(pickle.HIGHEST_PROTOCOL)

    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    ours = {count: _reduce_count, np.memmap: reduce_mapped_file}
    pickler.dispatch_table = {**copyreg.dispatch_table, **ours}
    return pickler


def _reduce_count(counter: count[Any]) -> tuple[Any, Any]:
    """Return how to make a copy of *counter*, as an axis of categories has one.

    Python 3.14 cannot pickle it, and earlier ones warn.
    """
    return count, literal_eval(f"{repr(counter).removeprefix('count')[:-1]},)")


@contextmanager
def _hide_from_pyplot() -> Iterator[None]:
    """Hide pyplot's figures: the copy of an open one would open in pyplot."""
    found = Gcf.figs
    Gcf.figs = OrderedDict()
    try:
        yield
    finally:
        Gcf.figs = found


@contextmanager
def _refuse_lost_callbacks() -> Iterator[None]:
    """Refuse figures with callbacks that a copy would lack and a draw may call."""
    registry: Any = CallbackRegistry
    found: Callable[[Any], dict[str, Any]] = registry.__getstate__

    def get_state(callbacks: Any) -> dict[str, Any]:
        for signal, functions in callbacks.callbacks.items():
            if any(part in signal for part in _DRAW_SIGNALS):
                for number, get in functions.items():
                    if number not in callbacks._pickled_cids:
                        _refuse_callback(signal, get())
        return found(callbacks)

    registry.__getstate__ = get_state
    try:
        yield
    finally:
        registry.__getstate__ = found


def _refuse_callback(signal: str, function: Any) -> None:
    owner = getattr(function, "__module__", None) or ""
    if function is not None and owner.partition(".")[0] not in _OWNERS:
        raise NotCopyableError(f"The callback {function!r} of {signal!r} is lost.")


class _LimitedFile:
    """A file in memory that refuses more bytes or time than its limits."""

    def __init__(self, limits: CopyLimits) -> None:
        self._limits = limits
        self._parts: list[bytes] = []
        self._size = 0
        self._until = thread_time() + limits.max_s

    def write(self, data: bytes | memoryview) -> int:
        """Append *data*.

        :raises NotCopyableError: if the limits are exceeded.
        """
        size = memoryview(data).nbytes  # The length of an array counts its rows.
        self._size += size
        if self._size > self._limits.max_bytes:
            raise NotCopyableError(f"It has over {self._limits.max_bytes:,} bytes.")
        if thread_time() > self._until:
            raise NotCopyableError(f"It takes over {self._limits.max_s:g} seconds.")
        self._parts.append(bytes(data))
        return size

    def getvalue(self) -> bytes:
        """Return the contents."""
        return b"".join(self._parts)


class _Unpickler(pickle.Unpickler):
    """An unpickler for copies that this process has made."""

    def __init__(self, file: BytesIO, packages: frozenset[str]) -> None:
        super().__init__(file)
        self._packages = packages

    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function of an accepted package.

        :raises NotCopyableError: for any other package.
        """
        package = module.partition(".")[0]
        if package in _PACKAGES or package in self._packages:
            return super().find_class(module, name)
        raise NotCopyableError(f"{module}.{name} may depend on the app's variables.")
