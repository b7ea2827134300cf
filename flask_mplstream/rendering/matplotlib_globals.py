"""The app's settings for all of its figures: rcParams and named colors.

Render layer. ``plt.style.use(…)`` or ``seaborn.set_theme()``, called at startup,
changes one process. If another process draws the figures, these changes are sent with
each render, so that a picture is the same in every process.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, cast

import matplotlib as mpl
from matplotlib import colors

#: Prefixes of the rcParams for windows and files, which have no effect on a picture.
_OF_WINDOWS = (
    *("backend", "figure.max_open", "figure.raise", "interactive", "keymap."),
    *("macosx.", "savefig.directory", "tk.", "toolbar", "webagg."),
)


def copy_params() -> dict[str, Any]:
    """Return a copy of the rcParams of this process, without resolving the backend."""
    # dict.copy() would call RcParams.__getitem__, which resolves the backend.
    return dict(dict.items(_get_rc_params()))


def set_params(params: Mapping[str, Any]) -> None:
    """Update the rcParams of this process with *params*, without validation."""
    dict.update(_get_rc_params(), params)


def _get_rc_params() -> dict[str, Any]:
    return cast("dict[str, Any]", mpl.rcParams)


def copy_colors() -> dict[str, Any]:
    """Return a copy of the named colors of this process."""
    return dict(colors.get_named_colors_mapping())


def set_colors(wanted: Mapping[str, Any]) -> None:
    """Make *wanted* the named colors of this process."""
    named: Any = colors.get_named_colors_mapping()
    if named != wanted:
        named.clear()
        named.update(wanted)
        named.cache.clear()


def _list_named_colors() -> dict[str, Any]:
    """Return Matplotlib's original named colors."""
    gray = [("grey", "gray"), ("gray", "grey")]
    named: dict[str, Any] = {}
    for table in (colors.XKCD_COLORS, colors.CSS4_COLORS, colors.TABLEAU_COLORS):
        named |= table
        for one, other in gray:
            named |= {n.replace(one, other): c for n, c in table.items() if one in n}
    return named | colors.BASE_COLORS


_PLAIN_PARAMS: Mapping[str, Any] = {
    name: value
    for name, value in dict.items(mpl.rcParamsDefault)
    if not name.startswith(_OF_WINDOWS)
}
_PLAIN_COLORS: Mapping[str, Any] = _list_named_colors()


@dataclass(frozen=True, slots=True)
class Globals:
    """The differences from an unchanged Matplotlib."""

    params: Mapping[str, Any] = field(default_factory=dict)
    colors: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, params: Mapping[str, Any], colors: Mapping[str, Any]) -> Globals:
        """Return the differences in *params* and in the named *colors*."""
        # There are many colors, and they rarely change.
        changed = {} if colors == _PLAIN_COLORS else find_changes(colors, _PLAIN_COLORS)
        return cls(find_changes(params, _PLAIN_PARAMS), changed)

    def set(self) -> None:
        """Apply them to this process; reset the rest, except rcParams for windows."""
        set_params({**_PLAIN_PARAMS, **self.params})
        set_colors({**_PLAIN_COLORS, **self.colors})

    def __str__(self) -> str:
        """Return text for a cache key, the same in every process."""
        parts = (sorted(part.items()) for part in (self.params, self.colors))
        return repr(
            [[(name, _format_value(value)) for name, value in p] for p in parts]
        )


def find_changes(found: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values in *found* that differ from *plain* and affect a picture."""
    changed = {n: v for n, v in found.items() if v is not plain.get(n)}
    return {
        name: value
        for name, value in changed.items()
        if not name.startswith(_OF_WINDOWS) and _differ(value, plain.get(name))
    }


def _differ(one: object, other: object) -> bool:
    try:
        return bool(one != other)
    except ValueError:  # Arrays, such as a cycle's colors, compare per element.
        return True


def _format_value(value: object) -> str:
    text = repr(value)
    if " at 0x" not in text:
        return text
    # An object with the default repr, such as xkcd's path effects.
    return blake2b(pickle.dumps(value), digest_size=16).hexdigest()


class _Carried(threading.local):
    """The globals from another process that this thread draws for, if any."""

    globals: Globals | None = None


_carried = _Carried()


def get_carried() -> Globals | None:
    """Return this thread's globals from :func:`carrying`, or ``None``."""
    return _carried.globals


@contextmanager
def carry_globals(given: Globals) -> Iterator[None]:
    """Draw the figures of this thread with *given*, the globals of another process."""
    before, _carried.globals = _carried.globals, given
    try:
        yield
    finally:
        _carried.globals = before
