"""A stored picture, and the bytes that it is stored as.

Cache layer: knows neither Flask nor Matplotlib. Outside this process an entry
is one ``bytes`` value and never a pickled object of ours::

    magic · length of header · header (JSON) · body · BLAKE2b of all and the key

What does not read back exactly, for whatever reason, is no entry.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Self

from ..formats import FORMATS, RenderedImage

#: Changes with the layout of the bytes, so that older ones are misses.
MAGIC = b"mplstream2\n"
_DIGEST_SIZE = 16
_LENGTH_SIZE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A picture in the store."""

    image: RenderedImage
    #: Strong entity tag from the bytes, quoted.
    etag: str
    #: When it was rendered, seconds since 1970.
    stored_at: float
    #: What it is valid under; see :mod:`flask_mplstream.cache.store`.
    generation: str = ""
    #: What is computed from it once and lives as long: ready headers.
    ready: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        image: RenderedImage,
        now: float,
        *,
        generation: str = "",
        etag: str | None = None,
    ) -> Self:
        """An entry of *image*, rendered *now*.

        :param etag: the entity tag, quoted; by default from the bytes.
        """
        return cls(image, etag or image.etag, now, generation)

    def age_s(self, now: float) -> float:
        """Seconds since it was stored; a clock set back does not make it younger."""
        return max(now - self.stored_at, 0.0)

    def to_bytes(self, key: str) -> bytes:
        """The bytes to store under *key*."""
        image = self.image
        header = json.dumps(
            {
                "format": image.format.name,
                "width_px": image.width_px,
                "height_px": image.height_px,
                "alt": image.alt,
                "timings_s": image.timings_s,
                "etag": self.etag,
                "stored_at": self.stored_at,
                "generation": self.generation,
            }
        ).encode()
        length = len(header).to_bytes(_LENGTH_SIZE, "big")
        content = b"".join((MAGIC, length, header, image.body))
        return content + _digest(key, content)

    @classmethod
    def from_bytes(cls, key: str, stored: object) -> Self | None:
        """The entry that was stored under *key*; ``None`` for any other value."""
        if not isinstance(stored, bytes) or not stored.startswith(MAGIC):
            return None
        content, digest = stored[:-_DIGEST_SIZE], stored[-_DIGEST_SIZE:]
        if _digest(key, content) != digest:
            return None
        start = len(MAGIC) + _LENGTH_SIZE
        stop = start + int.from_bytes(content[len(MAGIC) : start], "big")
        header = json.loads(content[start:stop])
        image = RenderedImage(
            content[stop:],
            FORMATS[header["format"]],
            header["width_px"],
            header["height_px"],
            tuple((step, seconds) for step, seconds in header["timings_s"]),
            alt=header["alt"],
        )
        return cls(image, header["etag"], header["stored_at"], header["generation"])


def _digest(key: str, content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_SIZE, person=_person(key)).digest()


def _person(key: str) -> bytes:
    # Binds the bytes to their key: an entry under another key is a foreign one.
    return blake2b(key.encode(), digest_size=blake2b.PERSON_SIZE).digest()
