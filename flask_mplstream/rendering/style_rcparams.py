"""Which rcParams a style may set, and why it may not set others.

Render layer. Matplotlib drops some of them from a style with a warning, and others
have no effect on a picture that a server sends. A style that names one is refused, as
its author expects something of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.dates import DateFormatter

from ..errors import nearest
from .styles import Style, layers_of

_NO_WINDOW = "It is for windows, which a server does not open: leave it out"
_NOT_SERVED = "It is for files that are not served: leave it out"
#: The fix for a parameter, by its name or the beginning of its name.
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *(
                "backend",
                "docstring.",
                "figure.max_open_warning",
                "figure.raise_window",
            ),
            *(
                "interactive",
                "keymap.",
                "macosx.",
                "savefig.directory",
                "tk.",
                "toolbar",
            ),
            "webagg.",
        ),
        _NO_WINDOW,
    ),
    **dict.fromkeys(("animation.", "pgf.", "ps.", "savefig.orientation"), _NOT_SERVED),
    "savefig.format": "Write formats=['svg'] as an option of the route",
    "date.epoch": "Call matplotlib.dates.set_epoch() before the first figure",
    "text.usetex": "LaTeX could read files of the server: leave it out",
    "svg.image_inline": "An SVG is sent as one file: leave it out",
}
#: Values that ask for nothing special.
_HARMLESS: Mapping[str, object] = {"text.usetex": False, "svg.image_inline": True}


def find_fault(style: Style | None) -> str | None:
    """Return the parameter that *style* may not set and the fix, or ``None``.

    :param style: names in it are not looked at: those that Matplotlib comes with set
        much that has no effect.
    """
    return next((fault for fault in _faults(style) if fault), None)


def _faults(style: Style | None) -> Iterator[str | None]:
    for layer in layers_of(style):
        if isinstance(layer, Mapping):
            yield from (_fault(name, value) for name, value in layer.items())


def _fault(name: object, value: Any) -> str | None:
    if not isinstance(name, str) or name not in mpl.rcParams:
        guess = nearest(str(name), list(mpl.rcParams))
        fix = f"Did you mean {guess!r}?" if guess else "See matplotlib.rcParams."
        return f"{name!r}, which is not a parameter of Matplotlib. {fix}"
    if name == "timezone" and not _is_zone(value):
        return f"the timezone {value!r}, which is not known. Try 'Europe/Berlin'."
    if name in _HARMLESS and value == _HARMLESS[name]:
        return None
    for beginning, fix in _REFUSED.items():
        if name == beginning or (beginning[-1] == "." and name.startswith(beginning)):
            return f"{name!r}, which cannot be set here. {fix}."
    return None


def _is_zone(value: object) -> bool:
    try:
        DateFormatter("", tz=value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)
