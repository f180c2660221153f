"""The lower bound: rows written by hand with `sqlite3` or `psycopg` alone; their values are made in the timed part."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Protocol

import psycopg
from psycopg.rows import tuple_row

from tests.benchmarks.databases import sqlite_path
from tests.benchmarks.written import Writes
from workflow.storage.sqlite_file import PRAGMAS

SELECT = "SELECT id, state, version, seq, head FROM cases WHERE reference = :reference"


def to_psycopg(sql: str, casts: bool = False) -> str:
    """The same statement with psycopg's placeholders; with `casts` for a place that does not tell their types."""
    words = sql.split(":")
    told = [words[0]]
    for word in words[1:]:
        end = next((index for index, char in enumerate(word) if not (char.isalnum() or char == "_")), len(word))
        told.append(f"%({word[:end]})s{_CASTS.get(word[:end], '') if casts else ''}{word[end:]}")
    return "".join(told)


_CASTS = {
    "case_id": "::bigint", "seq": "::int", "now": "::timestamptz", "due": "::timestamptz", "rung": "::int",
    "canonical": "::bytea", "salt": "::bytea",
}  # fmt: skip


class Hand(Protocol):
    """A way to write moves by hand."""

    writer: Writes

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""

    def move_many(self, tasks: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Many moves in one transaction."""

    def close(self) -> None:
        """Close the connection."""


class Sqlite:
    """sqlite3 with one connection, whose statements stay prepared, and the pragmas that Schakel sets."""

    def __init__(self, url: str, writer: Writes) -> None:
        self.writer = writer
        self._connection = sqlite3.connect(sqlite_path(url), isolation_level=None)
        for name, (value, _) in PRAGMAS.items():
            self._connection.execute(f"PRAGMA {name}={value}")
        self._statements = writer.statements()

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        values = self.writer.values(reference, contexts, run(SELECT, {"reference": reference}).fetchone())
        update, *others = self._statements
        if run(update, values).rowcount != 1:
            raise AssertionError(reference)
        for statement in others:
            run(statement, values)
        run("COMMIT")

    def move_many(self, tasks: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Many moves in one transaction, one executemany a table."""
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        values = [
            self.writer.values(reference, contexts, run(SELECT, {"reference": reference}).fetchone())
            for reference, contexts in tasks
        ]
        for statement in self._statements:
            self._connection.executemany(statement, values)
        run("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Plain:
    """psycopg as one writes it at first: a round trip a statement, statements prepared by the driver."""

    def __init__(self, url: str, writer: Writes) -> None:
        self.writer = writer
        self._connection = psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC", row_factory=tuple_row)
        self._cursor = self._connection.cursor()
        self._lock = to_psycopg(SELECT) + " FOR UPDATE"
        self._statements = tuple(to_psycopg(statement) for statement in writer.statements())

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""
        run = self._cursor.execute
        run("BEGIN")
        values = self.writer.values(reference, contexts, run(self._lock, {"reference": reference}).fetchone() or ())
        update, *others = self._statements
        if run(update, values).rowcount != 1:
            raise AssertionError(reference)
        for statement in others:
            run(statement, values)
        run("COMMIT")

    def move_many(self, tasks: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Many moves in one transaction, in pipeline mode."""
        with self._connection.pipeline():
            self._cursor.execute("BEGIN")
            cursors = [self._connection.execute(self._lock, {"reference": reference}) for reference, _ in sorted(tasks)]
            values = [
                self.writer.values(reference, contexts, cursor.fetchone() or ())
                for (reference, contexts), cursor in zip(sorted(tasks), cursors, strict=True)
            ]
            for statement in self._statements:
                self._cursor.executemany(statement, values)
            self._cursor.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Pipelined(Plain):
    """psycopg in pipeline mode: two round trips, one to lock and read the case, one to write and commit."""

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""
        run = self._cursor.execute
        with self._connection.pipeline():
            run("BEGIN")
            values = self.writer.values(reference, contexts, run(self._lock, {"reference": reference}).fetchone() or ())
            for statement in self._statements:
                run(statement, values)
            run("COMMIT")


class OneStatement(Plain):
    """SELECT … FOR UPDATE, then one statement of common table expressions that writes everything; in pipeline mode."""

    def __init__(self, url: str, writer: Writes) -> None:
        super().__init__(url, writer)
        self._written = _in_one(writer)

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""
        run = self._cursor.execute
        with self._connection.pipeline():
            run("BEGIN")
            values = self.writer.values(reference, contexts, run(self._lock, {"reference": reference}).fetchone() or ())
            run(self._written, values)
            run("COMMIT")


class Unlocked(OneStatement):
    """A SELECT that locks nothing, then the one statement, which its version guard protects: no BEGIN, no COMMIT."""

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""
        run = self._cursor.execute
        found = run(self._read, {"reference": reference}).fetchone()
        run(self._written, self.writer.values(reference, contexts, found or ()))
        if self._cursor.rowcount != 1:
            raise AssertionError(reference)

    _read = to_psycopg(SELECT)


def _in_one(writer: Writes) -> str:
    """All writes as one statement, every one of which hangs on the update of the case."""
    update, *others = (to_psycopg(statement, casts=True) for statement in writer.statements())
    parts = [f"moved AS ({update} RETURNING id)"]
    for number, statement in enumerate(others):
        if statement.startswith("DELETE"):
            parts.append(f"gone AS ({statement} AND EXISTS (SELECT 1 FROM moved) RETURNING 1)")
            continue
        head, _, values = statement.partition(" VALUES ")
        after = "(SELECT count(*) FROM gone) >= 0 AND " if " timers " in head else ""
        chosen = f"SELECT * FROM (VALUES {values}) AS v WHERE {after}EXISTS (SELECT 1 FROM moved)"
        parts.append(f"w{number} AS ({head} {chosen})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM moved"
