"""Repair a FileSystemCache that couldn't store a value.

Cache layer. cachelib only creates its folder at the start, relies on a count of files
that may be damaged, and leaves an incomplete file behind after each failed write, so a
full disk remains full.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cachelib import FileSystemCache

#: Age, in seconds, at which an unfinished file counts as abandoned.
UNFINISHED_S = 60.0


def repair(backend: Any) -> None:
    """Repair *backend* as well as possible if it is a FileSystemCache."""
    if not isinstance(backend, FileSystemCache):
        return
    folder = Path(backend._path)
    # A later call may succeed, for example if the disk is read-only for now.
    with suppress(Exception):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder, backend._fs_transaction_suffix)
        if type(backend._file_count) is not int:
            recount(backend)


def recount(backend: Any) -> None:
    """Count the files of a FileSystemCache again, with its current serializer.

    cachelib counts them in ``__init__``. Flask-Caching then sets another serializer,
    which can't read this count and treats it as 0.
    """
    if isinstance(backend, FileSystemCache) and backend._threshold:
        with suppress(OSError):
            backend._update_count(value=sum(1 for _ in backend._list_dir()))


def _remove_unfinished(folder: Path, suffix: str) -> None:
    for path in folder.glob(f"*{suffix}"):
        with suppress(OSError):
            status = path.stat()
            # A write to a full disk leaves an empty file.
            if status.st_size == 0 or time.time() - status.st_mtime > UNFINISHED_S:
                path.unlink()
