"""The title and description of an SVG, for screen readers.

Render layer: bytes in, bytes out.
"""

from __future__ import annotations

import re
from html import escape

from .untrusted_text import replace_invalid_xml

_ROOT = b"<svg "
#: Matplotlib writes it as the root's first child.
_OWN_TITLE = re.compile(rb"\s*<title>[^<]*</title>")


def add_title(svg: bytes, alt: str) -> bytes:
    """Return *svg* with *alt* as description and its first sentence as title.

    Follow the SVG Accessibility API Mappings: the root has ``role="img"``, and its
    first children are ``<title>`` and ``<desc>``. Keep a title from the figure's
    metadata.

    :param svg: output of Matplotlib's SVG backend.
    :param alt: the alternative text; if it is empty, return *svg* unchanged.
    """
    if not alt:
        return svg
    start = svg.index(_ROOT) + len(_ROOT)
    stop = svg.index(b">", start) + 1
    own = _OWN_TITLE.match(svg, stop)
    title = alt.partition(". ")[0].removesuffix(".")
    head = own[0] if own else _make_element("title", title)
    words = head + _make_element("desc", alt)
    rest = svg[own.end() if own else stop :]
    return b'%srole="img" %s%s%s' % (svg[:start], svg[start:stop], words, rest)


def _make_element(name: str, text: str) -> bytes:
    element = f"\n <{name}>{escape(text, quote=False)}</{name}>"
    return replace_invalid_xml(element.encode("utf-8", "replace"))
