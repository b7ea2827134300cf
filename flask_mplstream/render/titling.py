"""An SVG says what it shows, to whoever does not see it.

Render layer: bytes in, bytes out.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from .hostile import well_formed

_ROOT = b"<svg "


def titled(svg: bytes, alt: str) -> bytes:
    """*svg* with *alt* as its description and the first sentence as its title.

    As the SVG Accessibility API Mappings want it: ``role="img"`` at the root, whose
    first children are ``<title>`` and ``<desc>``.

    :param svg: what Matplotlib's SVG backend wrote.
    """
    if not alt:
        return svg
    start = svg.index(_ROOT) + len(_ROOT)
    stop = svg.index(b">", start) + 1
    title = alt.partition(". ")[0].removesuffix(".")
    words = f"\n <title>{escape(title)}</title>\n <desc>{escape(alt)}</desc>"
    spoken = well_formed(words.encode("utf-8", "replace"))
    return b'%srole="img" %s%s%s' % (svg[:start], svg[start:stop], spoken, svg[stop:])
