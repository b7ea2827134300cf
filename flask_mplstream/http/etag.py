"""Making the ETag of a picture: a strong entity tag (RFC 9110 section 8.8.3).

Values only; imports nothing of the package, so that every room may import it.
"""

from __future__ import annotations

from hashlib import blake2b

#: Bytes of a digest.
_DIGEST_SIZE = 16


def make_etag(body: bytes) -> str:
    """Return the entity tag of *body*, quoted; equal bytes have equal tags."""
    return f'"{digest_body(body)}"'


def make_version_etag(key: str, generation: str) -> str:
    """Return the entity tag of a picture of versioned data, quoted.

    It is known before the render. The *key* covers the version of the data, and an
    invalidation changes the *generation*.
    """
    return f'"{digest_body(f"{key} {generation}".encode())}"'


def digest_body(body: bytes) -> str:
    """Return a text of 32 hexadecimal digits for *body*."""
    return blake2b(body, digest_size=_DIGEST_SIZE).hexdigest()
