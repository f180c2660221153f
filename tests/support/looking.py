"""A bare look at a database, past Schakel: what stands in its tables, by the drivers themselves."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg

OF_A_CASE = ("private_values", "timers", "outbox", "case_keys", "answers")
"""The tables besides cases and events that hold something of a case."""
WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
"""Who waits for somebody else (PostgreSQL)."""


@contextlib.contextmanager
def bare(url: str) -> Iterator[Any]:
    """A connection of the driver itself, each statement its own transaction."""
    connection: Any
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    else:
        connection = psycopg.connect(url, autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def look(where: Any, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, by column name; `where` is the URL of a database or an open connection to it."""
    with bare(where) if isinstance(where, str) else contextlib.nullcontext(where) as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def count(where: Any, table: str) -> int:
    """How many rows a table has."""
    found: int = look(where, f"SELECT count(*) AS n FROM {table}")[0]["n"]
    return found


def case_row(where: Any, reference: str) -> dict[str, Any]:
    """The row of a case."""
    (row,) = look(where, f"SELECT * FROM cases WHERE reference = '{reference}'")
    return row


def events_of(where: Any, reference: str) -> list[dict[str, Any]]:
    """The rows of a case's history, in order."""
    number = case_row(where, reference)["id"]
    return look(where, f"SELECT * FROM events WHERE case_id = {number} ORDER BY seq")


def traces(where: Any, reference: str) -> Mapping[str, object]:
    """All that the database holds of a case but its events, and but what each event moves on in its row."""
    row = case_row(where, reference)
    kept = {name: value for name, value in row.items() if name not in {"seq", "head", "at"}}
    rows = {
        table: sorted(map(repr, look(where, f"SELECT * FROM {table} WHERE case_id = {row['id']}")))
        for table in OF_A_CASE
    }
    return {"cases": kept, **rows}


def largest(url: str, sql: str) -> str:
    """The same SQL, with for LARGEST the largest integer that a column of this database holds."""
    return sql.replace("LARGEST", str(2**63 - 1 if url.startswith("sqlite") else 2**31 - 1))
