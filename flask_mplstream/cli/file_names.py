"""Names of the files of a picture: readable, and each picture has its own.

Flask side, values only. They hold on every file system, also on one that takes
capitals and small letters for the same, and in a URL as they are.
"""

from __future__ import annotations

import re

from ..cache.key import digest
from ..formats import Theme, Variant
from ..parameters.function_signature import Arguments

#: Characters of a name, without what tells its variant.
MAX_LENGTH = 100

_PLAIN_ENDPOINT = re.compile(r"[a-z0-9_.]+")
_PLAIN_NAME = re.compile(r"[a-z0-9_]+")
_PLAIN_VALUE = re.compile(r"[a-z0-9_.-]*")
_OTHER = re.compile(r"[^a-z0-9_.=+-]+")


def stem_of(endpoint: str, arguments: Arguments) -> str:
    """The name without extension: ``plots-walk-n=500-cols=a+b``.

    What such a name cannot tell apart has a digest behind a ``~``.
    """
    words = [endpoint.replace(".", "-")]
    is_plain = _PLAIN_ENDPOINT.fullmatch(endpoint) is not None
    for name, text in arguments.query.items():
        texts = [text] if isinstance(text, str) else text
        words.append(f"{name}={'+'.join(texts)}")
        # No name has a "-" and no value a "=", so that each "-name=" begins another.
        is_plain = is_plain and _PLAIN_NAME.fullmatch(name) is not None
        is_plain = is_plain and all(map(_PLAIN_VALUE.fullmatch, texts))
    stem = "-".join(words)
    if is_plain and len(stem) <= MAX_LENGTH:
        return stem
    readable = _OTHER.sub("-", stem.lower())[:MAX_LENGTH].strip("-.")
    return f"{readable}~{digest(endpoint, arguments.canonical)[:10]}"


def file_name(stem: str, variant: Variant) -> str:
    """The name of one variant: ``plots-walk@dark@2x.png``."""
    theme = "@dark" if variant.theme is Theme.DARK else ""
    size = "" if variant.scale == 1 else f"@{variant.scale:g}x"
    if variant.width_px is not None:
        size = f"@{variant.width_px}w"
    return f"{stem}{theme}{size}.{variant.format}"
