"""The rcParams that a style may not set, and the reasons.

Render layer. Matplotlib ignores some rcParams in a style, with a warning. Others have
no effect on a served picture. A style that sets one is refused, as its author expects
an effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
from matplotlib.dates import DateFormatter

from ..errors import ConfigError, suggest
from .styles import Style, list_layers

_NO_WINDOW = "It affects windows, which a server does not open. Remove it"
_NOT_SERVED = "It affects files that are not served. Remove it"
#: The fix for a parameter, by its name or, with a final dot, its prefix.
_REFUSED: Mapping[str, str] = {
    **dict.fromkeys(
        (
            *("backend", "docstring.", "figure.max_open_warning", "interactive"),
            *("figure.raise_window", "keymap.", "macosx.", "savefig.directory"),
            *("tk.", "toolbar", "webagg."),
        ),
        _NO_WINDOW,
    ),
    **dict.fromkeys(("animation.", "pgf.", "ps.", "savefig.orientation"), _NOT_SERVED),
    "savefig.format": "Use the route option formats=['svg']",
    "date.epoch": "Call matplotlib.dates.set_epoch() before the first figure",
    "text.usetex": "LaTeX could read the server's files. Remove it",
    "svg.image_inline": "An SVG is sent as one file. Remove it",
}
#: Allowed values of refused parameters.
_HARMLESS: Mapping[str, object] = {"text.usetex": False, "svg.image_inline": True}


def check_params(style: Style | None, label: str = "style") -> None:
    """Reject a style that sets a parameter that it may not set.

    :param style: only its mappings are checked. Named styles are not: Matplotlib's
        own set many parameters without effect.
    :param label: the style's name in the message, default ``"style"``.
    :raises ConfigError: naming the parameter and the fix.
    """
    for layer in list_layers(style):
        if isinstance(layer, Mapping):
            for name, value in layer.items():
                if fault := _find_fault(name, value):
                    raise ConfigError(f"{label} has {fault}")


def _find_fault(name: object, value: Any) -> str | None:
    if not isinstance(name, str) or name not in mpl.rcParams:
        fix = suggest(name, list(mpl.rcParams)) or "See matplotlib.rcParams."
        return f"{name!r}, which is not an rcParam. {fix}"
    if name == "timezone" and not _is_zone(value):
        return f"the timezone {value!r}, which is unknown. Try 'Europe/Berlin'."
    if name in _HARMLESS and value == _HARMLESS[name]:
        return None
    for beginning, fix in _REFUSED.items():
        if name == beginning or (beginning[-1] == "." and name.startswith(beginning)):
            return f"{name!r}, which a style cannot set. {fix}."
    return None


def _is_zone(value: object) -> bool:
    try:
        DateFormatter("", tz=value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, str)
