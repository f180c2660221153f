"""New files that are nobody else's business, such as a key: whole or not there, and never in the place of no file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


@contextmanager
def for_owner_only() -> Iterator[None]:
    """Only its owner can read what this process makes meanwhile, whatever others might read by its settings."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def make_private(path: Path, text: str) -> None:
    """Write a new file only its owner can read, in a folder only he can enter. Raises FileExistsError, OSError.

    A disk that is full leaves no half of it behind: the next one would take that for the file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def kind_of(path: Path) -> str | None:
    """What stands there instead of a file, such as 'a pipe'; None: a file, or nothing. Raises OSError.

    Of a symbolic link nobody who names it may know what would be overwritten, so it is no file here.
    """
    try:
        return _KINDS.get(stat.S_IFMT(path.lstat().st_mode))
    except FileNotFoundError:
        return None
