"""The lower bound: the rows of one move, written by hand with `sqlite3` or `psycopg` alone.

It makes the same canonical bytes, hash and HMAC as a move does, in the timed part. It judges nothing, looks nobody up
and renders nothing: what the letters say and when things fall due was found out before by a rehearsal.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import psycopg
from psycopg.rows import tuple_row

from tests.benchmarks.databases import sqlite_path
from workflow.clock import format_time
from workflow.definition import Json
from workflow.events import Origin, canonical_bytes
from workflow.storage.database import PRAGMAS

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


@dataclass(frozen=True)
class Rehearsed:
    """What a move of one example case wrote, as far as the next case's may be copied from it."""

    reference: str
    state: str
    now: datetime
    due_at: datetime
    rung: int
    progress: str
    body: dict[str, Json]
    definition: dict[str, Json]
    letters: tuple[tuple[str, str, str, str | None, str], ...]
    """Letter, role, language, recipient and context."""


@dataclass(frozen=True)
class Writer:
    """Makes the values of a move's rows; `is_text`: moments are text (SQLite)."""

    rehearsed: Rehearsed
    origin: Origin
    reason: str | None
    is_text: bool

    def moment(self, moment: datetime) -> Any:
        """A moment as the database takes it."""
        return format_time(moment) if self.is_text else moment

    def prepare(self, references: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The cases to move, each with what its letters say."""
        model = self.rehearsed
        return [
            (reference, tuple(context.replace(model.reference, reference) for *_, context in model.letters))
            for reference in references
        ]

    def values(self, reference: str, contexts: tuple[str, ...], found: Sequence[Any]) -> dict[str, Any]:
        """Every value of the move, by name; `found` are the case's id, state, version, seq and head."""
        model, origin = self.rehearsed, self.origin
        case_id, state, version, seq, head = found
        commitments: dict[str, Json] = {}
        salt = value = None
        if self.reason is not None:
            salt, value = secrets.token_bytes(32), canonical_bytes(self.reason)
            commitments["reason"] = hmac.digest(salt, value, hashlib.sha256).hex()
        canonical = canonical_bytes(
            {
                "actor": origin.actor,
                "at": format_time(model.now),
                "body": model.body,
                "case": reference,
                "commitments": commitments,
                "definition": model.definition,
                "from": state,
                "kind": "moved",
                "os_user": origin.os_user,
                "prev_hash": head,
                "seq": seq + 1,
                "to": model.state,
                "trigger": "register",
                "via": origin.via,
            }
        )
        now, due = self.moment(model.now), self.moment(model.due_at)
        made: dict[str, Any] = {
            "case_id": case_id,
            "was_version": version,
            "was_seq": seq,
            "version": version + 1,
            "seq": seq + 1,
            "state": model.state,
            "from_state": state,
            "head": hashlib.sha256(canonical).hexdigest(),
            "was_head": head,
            "now": now,
            "due": due,
            "rung": model.rung,
            "progress": model.progress,
            "actor": origin.actor,
            "os_user": origin.os_user,
            "via": origin.via,
            "definition": model.definition["version"],
            "canonical": canonical,
            "salt": salt,
            "reason": value.decode() if value else None,
        }
        for number, ((letter, role, language, recipient, _), context) in enumerate(
            zip(model.letters, contexts, strict=True)
        ):
            made |= {
                f"letter{number}": letter,
                f"role{number}": role,
                f"language{number}": language,
                f"recipient{number}": recipient,
                f"context{number}": context,
            }
        return made


_EVENT = (
    "case_id, seq, at, actor, os_user, via, kind, trigger, from_state, to_state, definition_version, canonical, "
    "prev_hash, hash"
)
_LETTER = "case_id, seq, letter, role, language, recipient, state, context, created_at, due_at, attempts"
SELECT = "SELECT id, state, version, seq, head FROM cases WHERE reference = :reference"
UPDATE = (
    "UPDATE cases SET state = :state, version = :version, seq = :seq, head = :head, at = :now, progress = :progress, "
    "entered_at = :now, due_at = :due WHERE id = :case_id AND version = :was_version AND seq = :was_seq"
)
EVENT = (
    f"INSERT INTO events ({_EVENT}) VALUES (:case_id, :seq, :now, :actor, :os_user, :via, 'moved', 'register', "
    ":from_state, :state, :definition, :canonical, :was_head, :head)"
)
PRIVATE = (
    "INSERT INTO private_values (case_id, seq, path, value, salt) VALUES (:case_id, :seq, 'reason', :reason, :salt)"
)
NO_TIMERS = "DELETE FROM timers WHERE case_id = :case_id"
TIMER = "INSERT INTO timers (case_id, kind, rung, due_at) VALUES (:case_id, 'rung', :rung, :due)"


def letters(count: int) -> str:
    """The statement that writes so many outbox rows at once."""
    rows = ", ".join(
        f"(:case_id, :seq, :letter{n}, :role{n}, :language{n}, :recipient{n}, 'pending', :context{n}, :now, :now, 0)"
        for n in range(count)
    )
    return f"INSERT INTO outbox ({_LETTER}) VALUES {rows}"


def statements(writer: Writer) -> tuple[str, ...]:
    """What a move runs after it found its case."""
    private = (PRIVATE,) if writer.reason is not None else ()
    return (UPDATE, EVENT, *private, letters(len(writer.rehearsed.letters)), NO_TIMERS, TIMER)


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

    writer: Writer

    def move(self, reference: str, contexts: tuple[str, ...]) -> None:
        """One move in one transaction."""

    def move_many(self, tasks: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """Many moves in one transaction."""

    def close(self) -> None:
        """Close the connection."""


class Sqlite:
    """sqlite3 with one connection, whose statements stay prepared, and the pragmas that Schakel sets."""

    def __init__(self, url: str, writer: Writer) -> None:
        self.writer = writer
        self._connection = sqlite3.connect(sqlite_path(url), isolation_level=None)
        for name, (value, _) in PRAGMAS.items():
            self._connection.execute(f"PRAGMA {name}={value}")
        self._statements = statements(writer)

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

    def __init__(self, url: str, writer: Writer) -> None:
        self.writer = writer
        self._connection = psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC", row_factory=tuple_row)
        self._cursor = self._connection.cursor()
        self._lock = to_psycopg(SELECT) + " FOR UPDATE"
        self._statements = tuple(to_psycopg(statement) for statement in statements(writer))

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

    def __init__(self, url: str, writer: Writer) -> None:
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


def _in_one(writer: Writer) -> str:
    """All writes as one statement, every one of which hangs on the update of the case."""
    update, *others = (to_psycopg(statement, casts=True) for statement in statements(writer))
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


def differences(ours: str, theirs: str) -> list[str]:
    """Where the rows of two databases differ in more than their salts; both began as copies of one."""
    found: list[str] = []
    for table, order in TABLES.items():
        pair = [_rows(url, f"SELECT * FROM {table} ORDER BY {order}") for url in (ours, theirs)]
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


def _rows(url: str, sql: str) -> list[dict[str, Any]]:
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
