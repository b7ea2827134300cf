"""Atomic writes of files and folders.

Imports only the standard library.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


def write_whole(path: Path, body: bytes) -> None:
    """Write *body* to *path* atomically, with the permissions of a new file.

    :raises OSError: if that fails; *path* is then unchanged.
    """
    draft = _beside(path)
    try:
        draft.write_bytes(body)
        os.replace(draft, path)
    except OSError as error:
        # Name *path*: the caller does not know the draft.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # The draft is left only after an error.
            draft.unlink()


@contextmanager
def built_beside(folder: Path) -> Iterator[Path]:
    """Create a folder that replaces *folder* if the block ends without an error.

    :raises OSError: if that fails; *folder* is then unchanged.
    """
    draft = _beside(folder)
    draft.mkdir()
    try:
        yield draft
        _swap_in(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _swap_in(draft: Path, folder: Path) -> None:
    old = _beside(folder)
    try:
        with suppress(FileNotFoundError):
            os.rename(folder, old)
        os.rename(draft, folder)
    except BaseException:
        with suppress(OSError):  # There was no old folder, or the new one is in place.
            os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{token_hex(8)}.tmp")
