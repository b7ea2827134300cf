"""Which links may stand in a picture that strangers' text is in.

Values layer.
"""

from __future__ import annotations

import re

_SCHEMES = {"http", "https", "mailto"}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_C0_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_TAB_OR_NEWLINE = re.compile(r"[\t\n\r]")


def safe_link(url: str) -> str | None:
    """*url* as a browser reads it, where it leads to a page or a mail, else ``None``.

    https://url.spec.whatwg.org/#concept-basic-url-parser, steps 1 to 3.
    """
    read = _TAB_OR_NEWLINE.sub("", url.strip(_C0_CONTROL_OR_SPACE))
    scheme = _SCHEME.match(read)
    return read if scheme is None or scheme[1].lower() in _SCHEMES else None
