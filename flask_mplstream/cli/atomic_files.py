"""Files and folders that are there whole, or not at all.

Flask side, but of the standard library alone.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex


def write_whole(path: Path, body: bytes) -> None:
    """Make *body* the content of *path*, all at once.

    It gets the permissions of an ordinary new file.

    :raises OSError: where that cannot be; *path* is then as it was.
    """
    draft = _beside(path)
    try:
        draft.write_bytes(body)
        os.replace(draft, path)
    except OSError as error:
        # Nobody has asked for the draft.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with suppress(OSError):  # It is there only where something went wrong.
            draft.unlink()


@contextmanager
def built_beside(folder: Path) -> Iterator[Path]:
    """A new folder, which takes the place of *folder* when the block ends well.

    :raises OSError: where that cannot be; *folder* is then as it was.
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
        with suppress(OSError):  # Where there was none, or the new one is there.
            os.rename(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f".{token_hex(8)}.tmp")
