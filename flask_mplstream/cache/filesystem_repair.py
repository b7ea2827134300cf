"""Making a FileSystemCache work again that refused a value.

Cache layer. cachelib makes its folder once, at the start; adds to a count of its
files that may be damaged; and leaves an unfinished file for each write that
fails, which fills a full disk for good.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cachelib import FileSystemCache

#: Seconds after which an unfinished file belongs to nobody who still writes it.
UNFINISHED_S = 60.0


def mend(backend: Any) -> None:
    """Put right what can be, where *backend* is a FileSystemCache."""
    if not isinstance(backend, FileSystemCache):
        return
    folder = Path(backend._path)
    # What cannot be put right now, such as a read-only disk, may be later.
    with suppress(Exception):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(folder, backend._fs_transaction_suffix)
        if type(backend._file_count) is not int:
            recount(backend)


def recount(backend: Any) -> None:
    """Count the files of a FileSystemCache in the form that *backend* reads.

    cachelib counts them when it is made, which is before Flask-Caching gives it
    another serializer: its count cannot be read, and is taken for 0.
    """
    if isinstance(backend, FileSystemCache) and backend._threshold:
        with suppress(OSError):
            backend._update_count(value=sum(1 for _ in backend._list_dir()))


def _remove_unfinished(folder: Path, suffix: str) -> None:
    for path in folder.glob(f"*{suffix}"):
        with suppress(OSError):
            status = path.stat()
            # An empty one is what is left of a write to a full disk.
            if status.st_size == 0 or time.time() - status.st_mtime > UNFINISHED_S:
                path.unlink()
