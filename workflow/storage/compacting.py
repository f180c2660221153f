"""What is left in the files of a database of rows that were deleted: remembered until it is gone, and how it goes.

SQLite's `secure_delete` overwrites a row where it lies. It does not reach the copies that stay behind when SQLite moves
rows between pages (one row in a thousand has one), nor the log; so the file is rewritten and the log emptied.
PostgreSQL keeps a deleted row until its table is rewritten, which only the owner may do, at a quiet hour. That gives a
table a file of another number: as long as one still has the number of when something was erased, it was not done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime

from workflow.storage.line import when_free
from workflow.storage.store import Store

PATIENCE = 3000
"""Milliseconds to wait for readers of the log: a worker's take much less, and whoever reads on is named."""
_LEFTOVERS, _NONE = 1, 0
TABLES = ("cases", "private_values", "case_keys", "answers", "timers", "outbox", "outbox_attempts", "pg_statistic")
"""Those that PostgreSQL must rewrite, to be rid of what was erased (the last holds samples of the others)."""
VACUUM = f"VACUUM (FULL, ANALYZE) {', '.join(TABLES)};"
"""What rewrites them."""
_FILES = f"""(SELECT 'erased in ' || name AS name, CAST(pg_relation_filenode(to_regclass(name)) AS text) AS file
    FROM (VALUES {", ".join(f"('{name}')" for name in TABLES)}) AS rewritten (name)) AS files"""
# a row of `slots` whose day is the number of a file: it needs no table of its own, and never has to be taken away
_EXPECT = f"INSERT INTO slots (name, day, served_at) SELECT name, file, %s FROM {_FILES} ON CONFLICT DO NOTHING"
_HAS = f"SELECT count(*) FROM {_FILES} JOIN slots ON slots.name = files.name AND slots.day = files.file"


def expect_leftovers(store: Store, now: datetime) -> None:
    """Remember, with this transaction, that the files may hold what was deleted until they are rewritten."""
    if store.is_sqlite:
        store.execute(f"PRAGMA user_version = {_LEFTOVERS}")
    else:
        store.execute(_EXPECT, [now])


def has_leftovers(store: Store) -> bool:
    """Whether the files were not rewritten since something was erased."""
    (found,) = store.execute("PRAGMA user_version" if store.is_sqlite else _HAS).fetchone()
    return bool(found == _LEFTOVERS if store.is_sqlite else found)


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
