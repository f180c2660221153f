"""Whether two databases hold the same rows, as what is written by hand must be what the engine writes."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import Any

import psycopg

from tests.benchmarks.databases import sqlite_path

TABLES = {
    #  table          the columns that tell its rows apart
    "cases": "id",
    "events": "case_id, seq",
    "private_values": "case_id, seq, path",
    "timers": "case_id, kind",
    "outbox": "case_id, seq, letter, role",
    "case_keys": "case_id, kind, value",
    "answers": "case_id, key",
}
"""The tables of a case; each is compared after both have written it."""


def differences(ours: str, theirs: str) -> list[str]:
    """Where the rows of two databases differ in more than their salts; both began as copies of one."""
    found: list[str] = []
    for table, order in TABLES.items():
        pair = [rows_of(url, f"SELECT * FROM {table} ORDER BY {order}") for url in (ours, theirs)]
        if len(pair[0]) != len(pair[1]):
            found.append(f"{table}: {len(pair[0])} rows against {len(pair[1])}")
        for one, other in zip(*pair, strict=False):
            found += [
                f"{table}.{name}: {one[name]!r} against {other[name]!r}"
                for name in one
                if not _alike(table, name, one[name], other[name])
            ]
    return found


_NUMBERED = {("events", "id"), ("outbox", "id")}  # by the order in which rows were written
_SALTED = {("cases", "head"), ("events", "canonical"), ("events", "hash"), ("private_values", "salt")}


def _alike(table: str, name: str, one: Any, other: Any) -> bool:
    if (table, name) in _NUMBERED:
        return True
    if (table, name) == ("outbox", "context"):
        return abs(len(one) - len(other)) <= 8
    if (table, name) == ("outbox", "recipient"):
        return type(one) is type(other)
    if (table, name) in _SALTED:
        return len(one) == len(other)
    return bool(one == other)


def rows_of(url: str, sql: str) -> list[dict[str, Any]]:
    """The rows of a query in a database, by the names of their columns."""
    if url.startswith("sqlite"):
        connection: Any = sqlite3.connect(sqlite_path(url))
    else:
        connection = psycopg.connect(url, options="-c TimeZone=UTC")
    try:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    finally:
        with suppress(Exception):
            connection.close()
