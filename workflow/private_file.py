"""New files that are nobody else's business, such as a key: whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


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
