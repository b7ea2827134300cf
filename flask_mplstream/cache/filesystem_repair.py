"""Repairs of a FileSystemCache that rejected a value.

Cache layer. cachelib creates its folder only at the start, relies on a file count that
may be damaged, and leaves an unfinished file after each failed write, so that a full
disk stays full.
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
    """Repair *backend* as far as possible if it is a FileSystemCache."""
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
    """Count the files of a FileSystemCache again, with its present serializer.

    cachelib counts them in ``__init__``, before Flask-Caching sets another serializer,
    which cannot read that count and takes it for 0.
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
