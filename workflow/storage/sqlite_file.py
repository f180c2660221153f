"""A connection to a SQLite file: how it is made, and what it is set to."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from workflow.errors import StoreError, UsageError
from workflow.storage import belonging
from workflow.storage.charset import text_or_bytes
from workflow.storage.line import PATIENCE_MS

PRAGMAS = {
    # name: (as set, as it reads back)
    "journal_mode": ("WAL", "wal"),
    "synchronous": ("FULL", 2),
    "foreign_keys": ("ON", 1),
    "secure_delete": ("ON", 1),
    "busy_timeout": (str(PATIENCE_MS), PATIENCE_MS),
    "wal_autocheckpoint": ("10000", 10_000),
    "journal_size_limit": ("67108864", 67_108_864),
}
_ROOM = 2**20
"""Bytes without which a database may not take the next command."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to a file that is there."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        timeout=PATIENCE_MS / 1000,
        check_same_thread=False,
    )
    connection.text_factory = text_or_bytes
    return connection


def prepare(connection: sqlite3.Connection, _record: object, *, shown: str) -> None:
    """Set a new connection; of another program's file nothing, as its journal_mode would stay; so of an empty one.

    Raises UsageError: it is another program's file; StoreError: a pragma did not take.
    """
    try:
        found = belonging.found_migration(connection.execute, "sqlite", shown)
    except UsageError:
        connection.close()
        raise
    for name, (value, expected) in PRAGMAS.items():
        if found is None and name == "journal_mode":  # `init` sets it, where there is to be a database
            continue
        connection.execute(f"PRAGMA {name}={value}")
        (taken,) = connection.execute(f"PRAGMA {name}").fetchone()
        if taken != expected:
            raise StoreError(f"SQLite did not take 'PRAGMA {name}={value}': it says {taken!r}. Is this a network disk?")


def take_room(path: Path) -> None:
    """Take a little room beside a file and give it back at once, since what is rolled back reaches no disk.

    Raises OSError: the disk, or a quota, gives no more.
    """
    with suppress(PermissionError), TemporaryFile(dir=path.absolute().parent) as file:  # who may write what is there
        file.write(bytes(_ROOM))
        file.flush()
        os.fsync(file.fileno())
