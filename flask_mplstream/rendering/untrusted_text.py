"""What a stranger's text may not do: run LaTeX, make a link run code, break XML.

Render layer. Labels and titles often hold a request's arguments, and Matplotlib
believes them. The guards are there while the gate is held and gone afterwards.
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
    """Keep figures from LaTeX and from links that run something."""
    make_dvi = TexManager.__dict__["make_dvi"]
    set_url = GraphicsContextBase.set_url

    def set_safe_url(context: GraphicsContextBase, url: str | None) -> None:
        set_url(context, None if url is None else safe_link(url))

    # Every way to LaTeX, and every way to a link in SVG and PDF, goes through one
    # of these two. Nobody else draws meanwhile.
    _set_methods(classmethod(_refuse_tex), set_safe_url)
    _forget_broken_mathtext()
    try:
        yield
    finally:
        _set_methods(make_dvi, set_url)


def lift_guards() -> None:
    """Have Matplotlib as it was imported."""
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
    """Have a new parser where a text that it could not read changed it.

    After ``$\\sin^\\foo$`` operators have no space around them in the next text,
    which may be in another person's picture.
    """
    reader: Any = mathtext.MathTextParser
    parser = getattr(reader, "_parser", None)
    if getattr(parser, "_state_stack", None):  # Emptied by every parse that ends.
        reader._parser = None


def mathtext_of(error: BaseException) -> str | None:
    """The text that Matplotlib was reading as mathtext when *error* was raised."""
    found = None
    for frame, _ in walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == mathtext.__name__:
            found = frame.f_locals.get("s", found)
    return found if isinstance(found, str) else None


#: XML 1.0 has no place for these, not even escaped (section 2.2).
_NO_XML = re.compile(
    rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]|\xed[\xa0-\xbf][\x80-\xbf]"
)


def well_formed(svg: bytes) -> bytes:
    """*svg* with U+FFFD for each character that XML cannot hold."""
    return _NO_XML.sub("\ufffd".encode(), svg)
