"""An SVG says what it shows, to whoever does not see it.

Render layer: bytes in, bytes out.
"""

from __future__ import annotations

import re
from html import escape

from .untrusted_text import well_formed

_ROOT = b"<svg "
#: Where Matplotlib writes it: as the root's first child.
_OWN_TITLE = re.compile(rb"\s*<title>[^<]*</title>")


def titled(svg: bytes, alt: str) -> bytes:
    """*svg* with *alt* as its description and the first sentence as its title.

    As the SVG Accessibility API Mappings want it: ``role="img"`` at the root, whose
    first children are ``<title>`` and ``<desc>``. A title of the figure's own, from
    its metadata, stays the title.

    :param svg: what Matplotlib's SVG backend wrote.
    """
    if not alt:
        return svg
    start = svg.index(_ROOT) + len(_ROOT)
    stop = svg.index(b">", start) + 1
    own = _OWN_TITLE.match(svg, stop)
    title = alt.partition(". ")[0].removesuffix(".")
    head = own[0] if own else _element("title", title)
    words = head + _element("desc", alt)
    rest = svg[own.end() if own else stop :]
    return b'%srole="img" %s%s%s' % (svg[:start], svg[start:stop], words, rest)


def _element(name: str, text: str) -> bytes:
    element = f"\n <{name}>{escape(text, quote=False)}</{name}>"
    return well_formed(element.encode("utf-8", "replace"))
