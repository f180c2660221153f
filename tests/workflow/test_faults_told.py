"""What a database driver says, as a person reads it: what it means, and what to do."""

from __future__ import annotations

import psycopg
import pytest

from workflow.errors import Overtaken, StoreError
from workflow.storage.faults import explain, is_duplicate

DATABASE = "postgresql://db.example.org/schakel"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("attempt to write a readonly database", "is read-only: check the permissions of the file and its folder."),
        ("unable to open database file", "cannot be opened: is the path right, the folder there and writable?"),
        (
            "database or disk is full",
            "has no room left: free disk space, then repeat the command; nothing was written.",
        ),
        ('could not extend file "base/5": No space left on device', "has no room left: free disk space"),
        ("database is locked", "stayed busy for 30 seconds: another program holds it; repeat the command."),
        ("file is not a database", "is not a SQLite database."),
        ("disk I/O error", "could not be read or written (disk I/O error): check the disk."),
        ('FATAL:  password authentication failed for user "schakel"', "refused the password."),
        (
            'relation "cases" does not exist',
            "is not there or misses something: check the name, then run: schakel init.",
        ),
        ("terminating connection due to transaction timeout", "ended this transaction, which took too long;"),
        ("server closed the connection\n\tunexpectedly", "does not answer: is the server running,"),
        ("something\nnobody   knows", "failed: something nobody knows"),
    ],
)
def test_an_error_of_a_driver_becomes_one_sentence_that_says_what_to_do(said: str, means: str) -> None:
    told = explain(RuntimeError(said), DATABASE)

    assert type(told) is StoreError
    assert str(told).startswith(f"The database {DATABASE} {means}")


def test_of_a_long_error_that_nobody_knows_the_beginning_is_told() -> None:
    told = explain(RuntimeError("x" * 1000), DATABASE)

    assert str(told) == f"The database {DATABASE} failed: {'x' * 300}"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("UNIQUE constraint failed: events.case_id, events.seq"),
        psycopg.errors.UniqueViolation('duplicate key value violates unique constraint "x"\nDETAIL:  Key exists.'),
        psycopg.errors.UniqueViolation("doppelter Schlüsselwert verletzt Unique-Constraint »events_by_case«"),
    ],
)
def test_two_who_write_the_same_get_a_conflict_in_whatever_language_the_server_says_it(error: Exception) -> None:
    told = explain(error, DATABASE)

    assert is_duplicate(error)
    assert type(told) is Overtaken
    assert str(told) == (
        f"Somebody else wrote the same a moment ago; look again and decide anew. ({' '.join(str(error).split())})"
    )


def test_of_a_long_conflict_the_beginning_is_told() -> None:
    told = explain(RuntimeError("UNIQUE constraint failed: " + "x" * 200), DATABASE)

    assert str(told).endswith(f"({'UNIQUE constraint failed: ' + 'x' * 94})")


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.DeadlockDetected("deadlock detected\nDETAIL:  Process 7 waits for ShareLock"),
        psycopg.errors.DeadlockDetected("Verklemmung (Deadlock) entdeckt"),
        psycopg.errors.SerializationFailure("could not serialize access due to concurrent update"),
    ],
)
def test_writers_who_met_crosswise_are_told_to_repeat(error: Exception) -> None:
    told = explain(error, DATABASE)

    assert not is_duplicate(error)
    assert type(told) is Overtaken
    assert str(told) == ("Another command was writing the same cases at that moment; nothing was written. Repeat it.")
