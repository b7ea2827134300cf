"""A file system backend that works without a usable folder.

Cache layer. This differs from Flask-Caching's FileSystemCache in three ways. It can be
created before its folder exists, it doesn't use pickle, and it doesn't wait for a file
that it has no permission to write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask_caching.backends import FileSystemCache

from .entry_serializer import BytesSerializer


def is_writable(folder: str | os.PathLike[str]) -> bool:
    """Return whether this process may create files in *folder*."""
    can_ask = os.access in os.supports_effective_ids  # Not on Windows.
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=can_ask)


class FileCache(FileSystemCache):
    """A FileSystemCache that counts as down while its folder can't be created."""

    # Set in the class, because cachelib's __init__ already writes the file count.
    serializer: Any = BytesSerializer()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        with suppress(OSError):  # The folder is created after all attributes are set.
            super().__init__(*args, **kwargs)

    def set(
        self, key: str, value: Any, timeout: Any = None, mgmt_element: bool = False
    ) -> bool:
        """Store *value*; return ``False`` if the folder is not writable.

        :raises ConnectionError: if the folder is missing and cannot be created.
        """
        try:
            os.makedirs(self._path, exist_ok=True)
        except OSError as error:
            message = f"Cannot create the folder of CACHE_DIR: {error}"
            raise ConnectionError(message) from error
        if not is_writable(self._path):
            return False  # cachelib would log a traceback each time.
        return super().set(key, value, timeout, mgmt_element)

    def _run_safely(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # cachelib retries for 16 seconds if permission is denied, because on Windows
        # another process may have the file open.
        if os.name == "nt":
            return super()._run_safely(fn, *args, **kwargs)
        try:
            return fn(*args, **kwargs)
        except (PermissionError, NotADirectoryError) as error:
            raise FileNotFoundError(*error.args) from error
