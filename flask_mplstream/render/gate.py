"""One figure at a time: the gate that Matplotlib needs.

Render layer. Matplotlib is not thread-safe, not even with separate figures
(matplotlib #26289): rcParams, the font cache and the mathtext parser belong to
the process. Whoever builds or draws a figure holds the gate.
"""

from __future__ import annotations

import gc
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib._pylab_helpers import Gcf

from ..deadline import Deadline
from ..errors import ConfigError, OverloadedError
from .hostile import guarded, lift_guards
from .styles import Style

#: Fixed ids in SVG, so that equal figures give equal bytes on every machine. No
#: LaTeX, whatever the server's own matplotlibrc says.
_RC: dict[Any, Any] = {"svg.hashsalt": "flask-mplstream", "text.usetex": False}

# Re-entrant, as a figure function may render another figure.
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class _Found:
    """What a thread found when it took the gate."""

    thread: int
    is_collecting: bool
    params: mpl.RcParams
    #: pyplot's open figures, by number.
    figures: OrderedDict[int, Any]

    @classmethod
    def now(cls) -> _Found:
        """What there is, to be restored."""
        params = mpl.rcParams.copy()
        dict.pop(params, "backend", None)  # Whoever switches it means to.
        return cls(threading.get_ident(), gc.isenabled(), params, Gcf.figs)

    def restore(self) -> None:
        """Leave it so."""
        dict.update(mpl.rcParams, self.params)
        Gcf.figs = self.figures
        if self.is_collecting:
            gc.enable()


#: What who holds the gate found.
_found: _Found | None = None


def _renew_lock() -> None:
    """A thread of the parent may have held the gate; it does not live here."""
    global _lock, _found
    _lock = threading.RLock()
    if _found is not None and _found.thread != threading.get_ident():
        _found.restore()
        lift_guards()
        _found = None


os.register_at_fork(after_in_child=_renew_lock)


def is_held_here() -> bool:
    """Whether this thread builds or draws a figure."""
    return bool(_lock._is_owned())  # type: ignore[attr-defined]


@contextmanager
def gate(
    style: Style | None = None, deadline: Deadline | None = None
) -> Iterator[None]:
    """Hold Matplotlib alone; leave its rcParams and pyplot as they were found.

    :param style: applied while the gate is held.
    :param deadline: until when to wait for it; ``None`` for no limit.
    :raises OverloadedError: where it is not free in time.
    """
    with _held(deadline or Deadline(None)), _as_found(), guarded():
        if style is not None:
            mpl.style.use(style)  # type: ignore[arg-type]  # stubs want no Mapping
            if mpl.rcParams["svg.hashsalt"] is None:  # "default" resets it.
                mpl.rcParams["svg.hashsalt"] = _RC["svg.hashsalt"]
        yield


@contextmanager
def _held(deadline: Deadline) -> Iterator[None]:
    lock = _lock  # A fork while it is held brings a new one.
    if not lock.acquire(timeout=deadline.lock_timeout_s):
        raise OverloadedError(
            f"Other pictures were drawn, and this one had no turn in "
            f"{deadline.timeout_s:g} seconds.{deadline}",
            fix="Render in more processes (MPLSTREAM_WORKERS), make figure functions "
            "faster, or let fewer pictures wait (MPLSTREAM_MAX_PENDING).",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _as_found() -> Iterator[None]:
    """Begin with no pyplot figure and our rcParams; leave what was found.

    The cycle collector waits meanwhile. A figure is some 100,000 objects that all
    live until it is drawn: collecting frees none of them and moves them among the
    old ones, and then all that is old, NumPy and Matplotlib included, has to be
    looked through to free them: 80 ms in which no thread of the process runs
    (benchmarks/expiry.py).
    """
    global _found
    found = _Found.now()
    is_outermost = _found is None
    if is_outermost:
        _found = found
    gc.disable()
    mpl.rcParams.update(_RC)
    # A pyplot figure lives until it is closed, and one left open is what the next
    # function's plt.gcf() draws on. So each begins with none, not even with those
    # that other code has open, and leaves none, also when it raises.
    Gcf.figs = OrderedDict()
    try:
        yield
    finally:
        try:
            Gcf.destroy_all()
        finally:
            found.restore()
            if is_outermost:
                _found = None
                if not found.is_collecting:
                    # The app does without its pauses; but a figure is only ever
                    # freed by it, and this one is among the youngest.
                    gc.collect(0)


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
