"""A stored picture and its serialized form.

Cache layer. This module doesn't know about Flask or Matplotlib. Outside of this
process, an entry is stored as ``bytes`` and never as a pickled object::

    magic · length of header · header (JSON) · body · BLAKE2b of all and the key

If a value can't be read exactly as it was written, it isn't an entry.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Self

from ..formats import FORMATS
from ..http.headers import RecentHeaders
from ..rendered_image import RenderedImage

#: Marker of the layout; it changes with the layout, so that older values are misses.
MAGIC = b"mplstream3\n"
_DIGEST_SIZE = 16
_LENGTH_SIZE = 4


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """A picture in the store."""

    image: RenderedImage
    #: Strong entity tag, quoted.
    etag: str
    #: Unix time of the render, in seconds.
    stored_at: float
    #: Generation under which it is valid; see :mod:`flask_mplstream.cache.store`.
    generation: str = ""
    #: Headers of recent hits, in this process only.
    headers: RecentHeaders = field(default_factory=RecentHeaders, repr=False)

    @classmethod
    def of(
        cls,
        image: RenderedImage,
        now: float,
        *,
        generation: str = "",
        etag: str | None = None,
    ) -> Self:
        """Create an entry of *image*.

        :param now: the time of the render, as a Unix timestamp.
        :param etag: the quoted entity tag. By default, it is computed from the bytes.
        """
        return cls(image, etag or image.etag, now, generation)

    @property
    def size_bytes(self) -> int:
        """Size of the body."""
        return len(self.image.body)

    def age_s(self, now: float) -> float:
        """Return the number of seconds since it was stored, which is never negative."""
        return max(now - self.stored_at, 0.0)

    def to_bytes(self, key: str) -> bytes:
        """Return the bytes to store under *key*."""
        image = self.image
        header = json.dumps(
            {
                "format": image.format.name,
                "width_px": image.width_px,
                "height_px": image.height_px,
                "words": image.words,
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
        """Return the entry that was stored under *key*, or ``None`` if it isn't one."""
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
            words=header["words"],
        )
        return cls(image, header["etag"], header["stored_at"], header["generation"])


@dataclass(slots=True, eq=False)
class CheckedEntry:
    """An entry in the fast layer, and how long its generation is known to be valid."""

    entry: Entry
    #: The token that disappears when the backend is emptied, in a list; empty if the
    #: entry's own tokens show that.
    epoch: list[object]
    #: Reading of the store's timer at which the generation must be checked again.
    valid_until: float

    @property
    def size_bytes(self) -> int:
        """Size of the body."""
        return self.entry.size_bytes

    def confirm(self, until: float) -> None:
        """Record that the entry is known to be valid *until* this time.

        This changes the copy itself, because storing it again could undo an
        invalidation.
        """
        self.valid_until = until


def _digest(key: str, content: bytes) -> bytes:
    # Binds the bytes to their key: under another key they are not an entry.
    person = blake2b(key.encode(), digest_size=blake2b.PERSON_SIZE).digest()
    return blake2b(content, digest_size=_DIGEST_SIZE, person=person).digest()
