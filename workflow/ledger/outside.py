"""Copies of checkpoints outside the database: a file that only grows, on another disk or machine if it can be."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from workflow.ledger.verify import Checkpoint, NoteError, read_checkpoint, split_notes
from workflow.storage import ledger
from workflow.storage.store import Store

_TAIL = 8_192
"""Bytes at the end of the file in which the last note is looked for; a note has some 300."""


def keep_copy(path: Path, note: str) -> bool:
    """Append a checkpoint, unless the file ends with it; whether it was appended. Raises OSError."""
    said = note.encode()
    with to_append(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        tail = file.read()
        if tail.endswith(said):
            return False
        append(file, said if not tail or _ends_a_note(tail) else b"\n\n" + said)
    return True


def to_append(path: Path) -> FileIO:
    """A file that can be read and only grows, made when it is not there. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644), "rb+", buffering=0)


def append(file: FileIO, said: bytes) -> None:
    """Write at its end, and have it on the disk. Raises OSError."""
    file.write(said)
    os.fsync(file.fileno())


def last_kept(path: Path) -> Checkpoint | None:
    """The last checkpoint that a file ends with; None: there is none, or no file. Raises OSError."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    for note in reversed(list(split_notes(tail))):
        try:
            return read_checkpoint(note)
        except NoteError:  # a crash cut it off, or the tail begins in it
            continue
    return None


def departure(store: Store, kept: Checkpoint) -> str:
    """How the ledger is not what a checkpoint outside says it was; '' when it is, or went on from there.

    A ledger holds every checkpoint that was copied from it, so one that is not there was signed over another history:
    this database was put back to an older state, or is another one. Leaves are not read: `audit verify` does that.
    """
    leaves = ledger.read_progress(store).size
    if kept.size > leaves:
        named = f"{kept.size} {'leaf' if kept.size == 1 else 'leaves'}"
        return f"names {named}, and the ledger of this database has {leaves}"
    found = ledger.checkpoint_upto(store, kept.size)
    is_known = found is not None and (found.size, found.root) == (kept.size, kept.root.hex())
    return "" if is_known or not kept.size else "is not one of this database's ledger"


def without_waiting(path: str, flags: int) -> int:
    """An opener for `open` that waits for nobody at the other end of a pipe: that is an error then."""
    return os.open(path, flags | os.O_NONBLOCK)


def _ends_a_note(tail: bytes) -> bool:
    """Whether the last line is a signature; a crash may have left part of a note, which the next must not go on."""
    return tail.endswith(b"\n") and tail[:-1].rpartition(b"\n")[2].startswith("— ".encode())
