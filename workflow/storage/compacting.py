"""What is left in a SQLite file of rows that were deleted, and how to be rid of it.

`secure_delete` overwrites a row where it lies. It does not reach the copies that stay behind when SQLite moves rows
between pages (one row in a thousand has one), nor the log; so the file is rewritten and the log emptied.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from workflow.storage.line import when_free
from workflow.storage.store import Store

PATIENCE = 3000
"""Milliseconds to wait for readers of the log: a worker's take much less, and whoever reads on is named."""
_LEFTOVERS, _NONE = 1, 0


def expect_leftovers(store: Store) -> None:
    """Remember, with this transaction, that the file or its log may hold what was deleted until `compact` has run."""
    store.execute(f"PRAGMA user_version = {_LEFTOVERS}")


def has_leftovers(store: Store) -> bool:
    """Whether a file was not compacted since something was erased."""
    return bool(store.execute("PRAGMA user_version").fetchone()[0] == _LEFTOVERS)


def compact(connection: sqlite3.Connection, before: Callable[[str], None]) -> bool:
    """Rewrite the file and empty its log, outside any transaction; `before` is told each step.

    False: another connection holds the log. What is not done then is done by another call.
    """
    if not _empty_log(connection, before):  # found out before the rewriting makes the log as long as the file
        return False
    before("VACUUM")
    when_free(lambda: connection.execute("VACUUM"))
    if not _empty_log(connection, before):
        return False
    before("PRAGMA user_version")
    when_free(lambda: connection.execute(f"PRAGMA user_version = {_NONE}"))
    return True


def _empty_log(connection: sqlite3.Connection, before: Callable[[str], None]) -> bool:
    before("PRAGMA wal_checkpoint")
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {PATIENCE}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    return not busy
