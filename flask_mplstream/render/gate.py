"""One figure at a time: the gate that Matplotlib needs.

Render layer. Matplotlib is not thread-safe, not even with separate figures
(matplotlib #26289): rcParams, the font cache and the mathtext parser belong to
the process. Whoever builds or draws a figure holds the gate.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import matplotlib as mpl
import matplotlib.style

from ..errors import ConfigError, OverloadedError
from .hostile import guarded

Style: TypeAlias = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]

#: Fixed ids in SVG, so that equal figures give equal bytes on every machine. No
#: LaTeX, whatever the server's own matplotlibrc says.
_RC: dict[Any, Any] = {"svg.hashsalt": "flask-mplstream", "text.usetex": False}

# Re-entrant, as a figure function may render another figure.
_lock = threading.RLock()


def _renew_lock() -> None:
    """A thread of the parent may have held the lock; it does not live here."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_renew_lock)


@contextmanager
def gate(style: Style | None = None, timeout_s: float | None = None) -> Iterator[None]:
    """Hold Matplotlib alone; leave its rcParams and pyplot as they were found.

    :param style: applied while the gate is held.
    :param timeout_s: seconds to wait for it; ``None`` for ever.
    :raises OverloadedError: where it is not free in time.
    """
    with (
        _held(timeout_s),
        _no_collection(),
        mpl.rc_context(_RC),
        _pyplot_as_found(),
        guarded(),
    ):
        if style is not None:
            mpl.style.use(style)  # type: ignore[arg-type]  # stubs want no Mapping
        yield


@contextmanager
def _held(timeout_s: float | None) -> Iterator[None]:
    lock = _lock  # A fork while it is held brings a new one.
    if not lock.acquire(timeout=-1 if timeout_s is None else max(timeout_s, 0)):
        raise OverloadedError(
            f"Other pictures were drawn for {timeout_s:.1f} seconds, and this one "
            f"had no turn."
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let the cycle collector wait until the figure is gone.

    A figure is some 100,000 objects that all live until it is drawn. Collecting
    meanwhile frees none of them and moves them among the old ones, and then all
    that is old, NumPy and Matplotlib included, has to be looked through to free
    them: 80 ms in which no thread of the process runs (benchmarks/expiry.py).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextmanager
def _pyplot_as_found() -> Iterator[None]:
    # A pyplot figure lives until it is closed, and one left open is what the
    # next function's plt.gcf() draws on, also when this one raises.
    before = _open_figures()
    try:
        yield
    finally:
        opened = _open_figures() - before
        if opened:
            pyplot = sys.modules["matplotlib.pyplot"]
            for number in opened:
                pyplot.close(number)


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()


#: Matplotlib writes the character itself into this warning, and so into a log.
_CONTROL_GLYPH = r"Glyph (\d|[12]\d|3[01]|127) \("


def use_agg() -> None:
    """Make Agg the backend: a server has no display, and pyplot looks for one."""
    mpl.use("agg")
    warnings.filterwarnings("ignore", _CONTROL_GLYPH, UserWarning)


def check_style(style: Style | None) -> None:
    """Refuse a style that Matplotlib cannot apply.

    :raises ConfigError: naming the style and Matplotlib's reason.
    """
    if style is None:
        return
    try:
        with gate(style):
            if mpl.rcParams["text.usetex"]:
                raise ValueError("text.usetex is refused, as LaTeX reads files.")
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"style is {style!r}, which Matplotlib does not accept: {error} "
            f"The names of its styles are in matplotlib.style.available."
        ) from error
