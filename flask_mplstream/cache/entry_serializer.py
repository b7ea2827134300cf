"""A serializer without pickle, for Redis and the file system.

Cache layer. Whoever can write to a shared store that is read with pickle can
run code in the app. Our entries are plain bytes and need none.
"""

from __future__ import annotations

from typing import IO, Any

from cachelib.serializers import BaseSerializer

_INTEGER, _BYTES, _TEXT = b"i", b"b", b"t"


class BytesSerializer(BaseSerializer):
    """Stores ``bytes``, ``str`` and ``int``; any other value is an error.

    Set by default where this package makes the ``Cache``. For your own::

        Cache(app, config={"CACHE_SERIALIZER": BytesSerializer, ...})

    It suits a cache that only holds pictures: ``@cache.cached`` stores other
    objects as well.
    """

    def dumps(self, value: Any, protocol: int = 0) -> bytes:
        """*value* as bytes; *protocol* is pickle's and means nothing.

        :raises TypeError: for other types.
        """
        if type(value) is int:
            # As it stands: Redis counts with such values.
            return str(value).encode()
        if isinstance(value, bytes):
            return _BYTES + value
        if isinstance(value, str):
            return _TEXT + value.encode()
        raise TypeError(
            f"BytesSerializer stores bytes, str and int, not {type(value)!r}. Give "
            f"other values a cache of their own."
        )

    def loads(self, bvalue: bytes | None) -> Any:
        """The value that *bvalue* was made from; ``None`` for anything else."""
        if not bvalue:
            return None
        kind, rest = bvalue[:1], bvalue[1:]
        if kind == _BYTES:
            return rest
        try:
            return rest.decode() if kind == _TEXT else int(bvalue)
        except ValueError:
            return None

    def dump(self, value: Any, f: IO[bytes], protocol: int = 0) -> None:
        """Write *value* to a file."""
        f.write(self.dumps(value))

    def load(self, f: IO[bytes]) -> Any:
        """Read what :meth:`dump` wrote."""
        return self.loads(f.read())
