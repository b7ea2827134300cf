"""The alternative text in a picture's response, for a script that replaces it.

The request header ``Mplstream-Words: ?1`` selects it. The text then describes exactly
the bytes of the response; a second request might return the text of a newer figure.
The bytes are the same without it, so caches need no ``Vary``. A script that gets no
text, such as from a cache, requests ``.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .headers import Headers

#: Limit for the header in bytes; a longer text is available from ``.txt`` only.
MAX_WORDS_BYTES = 1024

_ESCAPED = re.compile(rb'[^ -~]|["%]')


def asks_for_words(environ: Mapping[str, object]) -> bool:
    """Return whether the request in *environ* selects the alternative text."""
    return environ.get("HTTP_MPLSTREAM_WORDS") == "?1"


def make_words_headers(words: str) -> Headers:
    """Return the header with *words*.

    :return: ``Mplstream-Alt``, a Display String (RFC 9651 section 3.3.8), or an empty
        list if the text is too long.
    """
    text = words.encode("utf-8", "replace")
    escaped = _ESCAPED.sub(lambda byte: b"%%%02x" % ord(byte[0]), text)
    value = f'%"{escaped.decode("ascii")}"'
    return [("Mplstream-Alt", value)] if len(value) <= MAX_WORDS_BYTES else []
