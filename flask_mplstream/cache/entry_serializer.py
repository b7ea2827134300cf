"""A serializer without pickle, for Redis and the file system.

Cache layer. If an app uses pickle to read from a shared store, anyone with write access
to the store can run code in the app. Our entries are plain bytes.
"""

from __future__ import annotations

from typing import IO, Any

from cachelib.serializers import BaseSerializer

_INTEGER, _BYTES, _TEXT = b"i", b"b", b"t"


class BytesSerializer(BaseSerializer):
    """A serializer for ``bytes``, ``str`` and ``int`` only.

    This is the default if the package creates the ``Cache``. Use it for your own::

        Cache(app, config={"CACHE_SERIALIZER": BytesSerializer, ...})

    Only use it for a cache that contains nothing but pictures, because
    ``@cache.cached`` also stores other objects.
    """

    def dumps(self, value: Any, protocol: int = 0) -> bytes:
        """Return *value* as bytes. *protocol* is ignored.

        :raises TypeError: for other types.
        """
        if type(value) is int:
            # Plain digits, which Redis can increment.
            return str(value).encode()
        if isinstance(value, bytes):
            return _BYTES + value
        if isinstance(value, str):
            return _TEXT + value.encode()
        raise TypeError(
            f"BytesSerializer stores bytes, str and int, not {type(value)!r}. "
            f"Store other values in a separate cache."
        )

    def loads(self, bvalue: bytes | None) -> Any:
        """Return the value that was passed to :meth:`dumps`, or else ``None``."""
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
        """Read the value that :meth:`dump` wrote."""
        return self.loads(f.read())
