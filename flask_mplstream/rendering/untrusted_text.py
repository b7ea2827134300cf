"""Guards against untrusted text: no LaTeX, no links that run code, no broken XML.

Render layer. Labels and titles often contain a request's arguments, and Matplotlib
trusts them. The guards are active only while the gate is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb
from typing import Any, NoReturn

from matplotlib import mathtext
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.texmanager import TexManager

from ..errors import TexError
from .safe_links import safe_link

_MAKE_DVI = TexManager.__dict__["make_dvi"]
_SET_URL = GraphicsContextBase.set_url


@contextmanager
def guarded() -> Iterator[None]:
    """Refuse LaTeX and drop unsafe links in the block.

    :raises TexError: in the block, if a text requires LaTeX.
    """
    make_dvi = TexManager.__dict__["make_dvi"]
    set_url = GraphicsContextBase.set_url

    def set_safe_url(context: GraphicsContextBase, url: str | None) -> None:
        set_url(context, None if url is None else safe_link(url))

    # All use of LaTeX, and all links in SVG and PDF, go through these two methods.
    # No other thread draws meanwhile.
    _set_methods(classmethod(_refuse_tex), set_safe_url)
    _forget_broken_mathtext()
    try:
        yield
    finally:
        _set_methods(make_dvi, set_url)


def lift_guards() -> None:
    """Restore Matplotlib's original methods."""
    _set_methods(_MAKE_DVI, _SET_URL)


def _set_methods(make_dvi: object, set_url: object) -> None:
    manager: Any = TexManager
    manager.make_dvi = make_dvi
    context: Any = GraphicsContextBase
    context.set_url = set_url


def _refuse_tex(*_: Any) -> NoReturn:
    raise TexError(
        "The figure has text with usetex. LaTeX reads files of the server, may run "
        "for ever, and is refused. Mathtext needs no usetex: write $x^2$."
    )


def _forget_broken_mathtext() -> None:
    r"""Drop the mathtext parser if a failed parse left it in a changed state.

    After ``$\sin^\foo$``, operators in the next text have no space around them, and
    that text may be in another user's picture.
    """
    reader: Any = mathtext.MathTextParser
    parser = getattr(reader, "_parser", None)
    if getattr(parser, "_state_stack", None):  # Empty after each successful parse.
        reader._parser = None


def mathtext_of(error: BaseException) -> str | None:
    """Return the text that was parsed as mathtext when *error* was raised.

    :return: ``None`` if the error did not come from mathtext.
    """
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == mathtext.__name__:
            found = frame.f_locals.get("s", found)
    return found if isinstance(found, str) else None


#: XML 1.0 forbids these characters, even escaped (section 2.2).
_NO_XML = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
)


def well_formed(svg: bytes) -> bytes:
    """Return *svg* with U+FFFD for each character that XML forbids."""
    return _NO_XML.sub("\ufffd".encode(), svg)
