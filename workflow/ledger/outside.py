"""Copies of checkpoints outside the database: a file that only grows, on another disk or machine if it can be."""

from __future__ import annotations

import os
from pathlib import Path

_TAIL = 8_192
"""Bytes at the end of the file in which the last note is looked for; a note has some 300."""


def keep_copy(path: Path, note: str) -> bool:
    """Append a checkpoint, unless the file ends with it; whether it was appended. Raises OSError."""
    said = note.encode()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "rb+", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        if tail.endswith(said):
            return False
        file.write(said if not tail or _ends_a_note(tail) else b"\n\n" + said)
        os.fsync(descriptor)
    return True


def _ends_a_note(tail: bytes) -> bool:
    """Whether the last line is a signature; a crash may have left part of a note, which the next must not go on."""
    return tail.endswith(b"\n") and tail[:-1].rpartition(b"\n")[2].startswith("— ".encode())
