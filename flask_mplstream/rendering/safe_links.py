"""The links that are safe in a picture with untrusted text.

Values layer: only the standard library.
"""

from __future__ import annotations

import re

_SCHEMES = {"http", "https", "mailto"}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_C0_CONTROL_OR_SPACE = "".join(map(chr, range(0x21)))
_TAB_OR_NEWLINE = re.compile(r"[\t\n\r]")


def clean_link(url: str) -> str | None:
    """Return *url* as a browser reads it, or ``None`` if its scheme is unsafe.

    Safe are relative URLs, ``http``, ``https`` and ``mailto``. A browser ignores tabs,
    newlines and surrounding control characters:
    https://url.spec.whatwg.org/#concept-basic-url-parser, steps 1 to 3.
    """
    read = _TAB_OR_NEWLINE.sub("", url.strip(_C0_CONTROL_OR_SPACE))
    scheme = _SCHEME.match(read)
    return read if scheme is None or scheme[1].lower() in _SCHEMES else None
