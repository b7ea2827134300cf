"""Untrusted text: no LaTeX, no links that run code, no broken XML.

Render layer. Labels and titles often contain a request's arguments, and Matplotlib
trusts them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from traceback import walk_tb
from typing import Any, NoReturn

from matplotlib import mathtext

from ..errors import TexError
from .safe_links import clean_link


def refuse_tex(*_: Any) -> NoReturn:
    """Replace ``TexManager.make_dvi``, which runs LaTeX."""
    raise TexError(
        "The figure has text with usetex, which is refused: LaTeX can read the "
        "server's files and run indefinitely. Write mathtext, such as $x^2$, without "
        "usetex."
    )


def drop_unsafe_links(set_url: Callable[..., None]) -> Callable[..., None]:
    """Return a guard of ``GraphicsContextBase.set_url`` that drops unsafe links."""

    def set_safe_url(context: object, url: str | None) -> None:
        set_url(context, None if url is None else clean_link(url))

    return set_safe_url


def forget_broken_mathtext() -> None:
    r"""Drop the mathtext parser if a failed parse left it in a changed state.

    After ``$\sin^\foo$``, operators in the next text have no space around them, and
    that text may be in another user's picture.
    """
    reader: Any = mathtext.MathTextParser
    parser = getattr(reader, "_parser", None)
    if getattr(parser, "_state_stack", None):  # Empty after each successful parse.
        reader._parser = None


def find_mathtext(error: BaseException) -> str | None:
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


def replace_invalid_xml(svg: bytes) -> bytes:
    """Return *svg* with U+FFFD for each character that XML forbids."""
    return _NO_XML.sub("\ufffd".encode(), svg)
