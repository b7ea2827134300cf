"""The gate: one thread at a time builds or draws a figure.

Render layer. Matplotlib is not thread-safe, even with separate figures
(matplotlib #26289): rcParams, the font cache and the mathtext parser are global.
"""

from __future__ import annotations

import gc
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.style
from matplotlib._pylab_helpers import Gcf
from matplotlib.figure import Figure

from ..errors import ConfigError, OverloadedError, cut, suggest
from ..forks import call_in_child, notice_fork
from ..limits.deadline import Deadline
from ..limits.render_stage import RenderStage, enter
from .draw import SVG_SALT
from .figure_guards import guard_figures, lift_guards
from .figure_reuse import stop_watching
from .glyph_warnings import gather_warnings, stop_gathering
from .matplotlib_globals import (
    Globals,
    copy_colors,
    copy_params,
    get_carried,
    set_colors,
    set_params,
)
from .style_rcparams import check_params
from .styles import Style, list_layers
from .untrusted_text import forget_broken_mathtext

#: Fixed ids in SVG, and no LaTeX, even if the server's matplotlibrc enables it.
_RC: dict[Any, Any] = {"svg.hashsalt": SVG_SALT, "text.usetex": False}

# Re-entrant, as a figure function may render another figure.
_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class _GlobalState:
    """The global state when a thread took the gate."""

    thread: int
    is_collecting: bool
    params: dict[str, Any]
    colors: dict[str, Any]
    #: pyplot's open figures, by number.
    figures: OrderedDict[int, Any]

    @classmethod
    def now(cls) -> _GlobalState:
        """Return the current state."""
        params = copy_params()
        params.pop("backend", None)  # A switch of the backend is intended: keep it.
        is_collecting = gc.isenabled()
        return cls(
            threading.get_ident(), is_collecting, params, copy_colors(), Gcf.figs
        )

    def restore(self) -> None:
        """Restore this state."""
        set_params(self.params)
        set_colors(self.colors)
        Gcf.figs = self.figures
        if self.is_collecting:
            gc.enable()


#: The app's state, while a thread holds the gate.
_global_state: _GlobalState | None = None
#: Number of times the gate was taken; ``read_app_globals()`` reads again if it changes.
_taken = 0


def _renew_lock() -> None:
    """Renew the gate after a fork, as another thread of the parent may have held it."""
    global _lock, _global_state
    _lock = threading.RLock()
    figures: Any = Figure  # All figures share a private lock.
    if not figures._render_lock._is_owned():
        figures._render_lock = threading.RLock()
    if _global_state is not None and _global_state.thread != threading.get_ident():
        _global_state.restore()
        for lift in (lift_guards, stop_gathering, stop_watching):
            lift()
        _global_state = None


call_in_child(_renew_lock)


def read_app_globals() -> Globals:
    """Return the app's rcParams and colors, even while another thread renders.

    Within ``carry_globals()``, return the globals given there.
    """
    if (given := get_carried()) is not None:
        return given
    while (found := _global_state) is None:
        taken = _taken
        params, colors = copy_params(), copy_colors()
        if _global_state is None and taken == _taken:
            return Globals.of(params, colors)
    return Globals.of(found.params, found.colors)


def is_held_here() -> bool:
    """Return whether this thread holds the gate."""
    return bool(_lock._is_owned())  # type: ignore[attr-defined]  # Conditions use it.


@contextmanager
def gate(
    style: Style | None = None,
    deadline: Deadline | None = None,
    *,
    name: str = "a figure",
) -> Iterator[None]:
    """Hold the gate; restore rcParams, colors and pyplot's figures afterwards.

    :param style: applied while the gate is held.
    :param deadline: of the wait for the gate; ``None``, the default, for no limit.
    :param name: the figure's source, for the log.
    :raises OverloadedError: if the gate is not free before the deadline.
    """
    with (
        _hold_lock(deadline or Deadline(None)),
        enter(RenderStage.FIGURE),
        _restore_globals(),
        guard_figures(),
        gather_warnings(name),
    ):
        forget_broken_mathtext()
        if style is not None:
            _apply(style)
        yield


def _apply(style: Style) -> None:
    """Apply *style* and its time zone, which Matplotlib ignores in styles."""
    for layer in list_layers(style):
        if isinstance(layer, Mapping):
            if "timezone" in layer:
                mpl.rcParams["timezone"] = layer["timezone"]
            layer = {name: layer[name] for name in layer if name != "timezone"}
        try:
            mpl.style.use(layer)
        except OSError as error:
            fix = suggest(layer, mpl.style.available) or "See plt.style.available."
            raise ConfigError(
                f"{layer!r} is neither a Matplotlib style nor a style file. {fix}"
            ) from error


@contextmanager
def _hold_lock(deadline: Deadline) -> Iterator[None]:
    notice_fork()
    lock = _lock  # A fork replaces _lock while this one is held.
    if not lock.acquire(timeout=deadline.lock_timeout_s):
        raise OverloadedError(
            f"The picture waited {deadline.timeout_s:g} seconds for other renders."
            f"{deadline}",
            fix="Render in more processes (MPLSTREAM_WORKERS), make figure functions "
            "faster, or reduce MPLSTREAM_MAX_PENDING.",
        )
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _restore_globals() -> Iterator[None]:
    """Begin with no pyplot figures and with our rcParams; restore the state at the end.

    The cycle collector is off meanwhile. A figure has about 100,000 objects, all alive
    until it is drawn. A collection would free none of them and move them to the oldest
    generation. Freeing them there means a scan of all old objects, NumPy's and
    Matplotlib's included: 80 ms in which no thread of the process runs
    (benchmarks/expiry.py).
    """
    global _global_state, _taken
    state = _GlobalState.now()
    is_outermost = _global_state is None
    if is_outermost:
        _taken += 1
        _global_state = state
    gc.disable()
    if get_carried() is not None or not is_outermost:
        # A nested figure has its own key, so its pixels must not depend on rcParams
        # that the outer figure has set.
        read_app_globals().set()
    mpl.rcParams.update(_RC)
    # A pyplot figure lives until it is closed, and the next function's plt.gcf() would
    # draw on an open one. So hide those of other code, and close those of this
    # function, even if it raises.
    Gcf.figs = OrderedDict()
    try:
        yield
    finally:
        try:
            Gcf.destroy_all()
        finally:
            state.restore()
            if is_outermost:
                _global_state = None
                if not state.is_collecting:
                    # The app has disabled the collector, but only the collector
                    # frees a figure. This one is in the youngest generation.
                    gc.collect(0)


def use_agg() -> None:
    """Make Agg the backend, as pyplot looks for a display and a server has none."""
    mpl.use("agg")


def check_style(style: Style | None, label: str = "style") -> None:
    """Refuse a style that Matplotlib cannot apply or that would have no effect.

    :param label: the style's name in the message, default ``"style"``.
    :raises ConfigError: naming the parameter or the style, and the fix.
    """
    check_params(style, label)
    for layer in list_layers(style):
        try:
            with warnings.catch_warnings():
                # Matplotlib warns if a style file sets a parameter that it ignores.
                warnings.simplefilter("error")
                with gate(layer):
                    if mpl.rcParams["text.usetex"]:
                        raise ValueError("LaTeX could read the server's files")
        except ConfigError as error:
            raise ConfigError(f"{label}: {error}") from error
        except (KeyError, ValueError, TypeError, UserWarning) as error:
            reason = " ".join(str(error).split()).rstrip(".").replace(". ", "; ")
            raise ConfigError(
                f"{label} has {cut(repr(layer))}. Matplotlib rejects it: {reason}."
            ) from error
