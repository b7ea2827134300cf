"""File names of pictures: readable, and unique for each picture.

Flask side, values only. The names are valid on every file system, even a
case-insensitive one, and in a URL without escapes.
"""

from __future__ import annotations

import re

from ..cache.key import digest
from ..formats import Theme, Variant
from ..parameters.canonical import Arguments

#: Characters of a stem, without the digest, the variant and the extension.
MAX_LENGTH = 100

_PLAIN_ENDPOINT = re.compile(r"[a-z0-9_.]+")
_PLAIN_NAME = re.compile(r"[a-z0-9_]+")
_PLAIN_VALUE = re.compile(r"[a-z0-9_.-]*")
_OTHER = re.compile(r"[^a-z0-9_.=+-]+")


def make_stem(endpoint: str, arguments: Arguments) -> str:
    """Return the name without variant and extension: ``plots-walk-n=500-cols=a+b``.

    A name that would be ambiguous or too long ends with ``~`` and a digest.
    """
    words = [endpoint.replace(".", "-")]
    is_plain = _PLAIN_ENDPOINT.fullmatch(endpoint) is not None
    for name, text in arguments.query.items():
        texts = [text] if isinstance(text, str) else text
        words.append(f"{name}={'+'.join(texts)}")
        # No plain name has a "-" and no plain value a "=": "-name=" is unambiguous.
        is_plain = is_plain and _PLAIN_NAME.fullmatch(name) is not None
        is_plain = is_plain and all(map(_PLAIN_VALUE.fullmatch, texts))
    stem = "-".join(words)
    if is_plain and len(stem) <= MAX_LENGTH:
        return stem
    readable = _OTHER.sub("-", stem.lower())[:MAX_LENGTH].strip("-.")
    return f"{readable}~{digest(endpoint, arguments.canonical)[:10]}"


def make_file_name(stem: str, variant: Variant) -> str:
    """Return the file name of one variant: ``plots-walk@dark@2x.png``."""
    theme = "@dark" if variant.theme is Theme.DARK else ""
    size = "" if variant.scale == 1 else f"@{variant.scale:g}x"
    if variant.width_px is not None:
        size = f"@{variant.width_px}w"
    return f"{stem}{theme}{size}.{variant.format}"
