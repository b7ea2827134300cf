"""A picture's words in its own response, for a script that replaces the picture.

``Mplstream-Words: ?1`` in a request asks for them. They belong to the very bytes that
are sent; another request could be answered from a newer figure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .headers import Headers

#: Bytes of a header; longer words are left to ``.txt``.
MAX_WORDS_BYTES = 1024

_ESCAPED = re.compile(rb'[^ -~]|["%]')


def words_headers(environ: Mapping[str, object], alt: str) -> Headers:
    """Return the header with *alt*, if the request in *environ* wants it.

    :return: ``Mplstream-Alt``, a Display String (RFC 9651 section 3.3.8), or nothing.
    """
    if environ.get("HTTP_MPLSTREAM_WORDS") != "?1":
        return []
    text = alt.encode("utf-8", "replace")
    escaped = _ESCAPED.sub(lambda byte: b"%%%02x" % ord(byte[0]), text)
    value = f'%"{escaped.decode("ascii")}"'
    return [("Mplstream-Alt", value)] if len(value) <= MAX_WORDS_BYTES else []
