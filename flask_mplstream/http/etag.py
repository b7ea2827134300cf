"""Create the ETag of a picture, a strong entity tag (RFC 9110 section 8.8.3).

This module doesn't import anything from the package, so that any other module may
import it.
"""

from __future__ import annotations

from hashlib import blake2b

#: Bytes of a digest.
_DIGEST_SIZE = 16


def make_etag(body: bytes) -> str:
    """Return the entity tag of *body* in quotes, which is the same for equal bytes."""
    return f'"{digest_body(body)}"'


def make_version_etag(key: str, generation: str) -> str:
    """Return the entity tag of a picture whose data has a version, in quotes.

    This doesn't require a render. The *key* includes the version of the data, and the
    *generation* changes when the picture is invalidated.
    """
    return f'"{digest_body(f"{key} {generation}".encode())}"'


def digest_body(body: bytes) -> str:
    """Return a text of 32 hexadecimal digits for *body*."""
    return blake2b(body, digest_size=_DIGEST_SIZE).hexdigest()
