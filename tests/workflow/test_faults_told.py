"""What a database driver says, as a person reads it: what it means, and what to do."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from workflow.errors import HistoryBroken, NeedsInit, Overtaken, StoreError
from workflow.storage.faults import explain, is_duplicate

DATABASE = "postgresql://db.example.org/schakel"
NO_ANSWER = "does not answer: is the server running, and are host and port right?"
BROKEN_OFF = (
    "does not answer any more: it ended this connection, and its log says why. Look whether what you asked was done, "
    "and repeat it if not; if that fails too: is the server running?"
)
AT = 'connection failed: connection to server at "10.0.0.7", port 5432 failed: '
"""What psycopg and libpq write before each reason why there is no connection."""
BEYOND = "A number in the row of a case is beyond all bounds"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (
            "attempt to write a readonly database",
            "is read-only: check the permissions of its folder, of the file, and of its -wal and -shm beside it.",
        ),
        (
            "unable to open database file",
            "cannot be opened: is the path right, the folder there and writable? If it was lost, put its copy back",
        ),
        (
            "database or disk is full",
            "has no room left: free disk space, then repeat the command; nothing was written.",
        ),
        ('could not extend file "base/5": No space left on device', "has no room left: free disk space"),
        (
            "QueuePool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00",
            "has no connection left for this program, which holds too many: read lists that were begun to",
        ),
        ("database is locked", "stayed busy for 30 seconds: another program holds it; repeat the command."),
        ("file is not a database", "is not a SQLite database."),
        (
            "database disk image is malformed",
            "is damaged (after a restore: is an old -wal beside it?), or its disk could not be read: check the disk,",
        ),
        (
            "disk I/O error",
            "could not be read or written (disk I/O error): is the disk full (df)? Else check the disk.",
        ),
        ('FATAL:  password authentication failed for user "schakel"', "refused the password."),
        (
            'relation "cases" does not exist',
            'misses something (relation "cases" does not exist): check the name, then run: schakel init',
        ),
        *(
            (said, f"can only be read ({said}): it is a standby, or was set to that. Read from it here, and where you")
            for said in (
                "cannot execute SELECT FOR UPDATE in a read-only transaction",
                "cannot execute nextval() during recovery",
                "cannot acquire lock mode RowExclusiveLock on database objects while recovery is in progress",
            )
        ),
        ("canceling statement due to conflict with recovery", "is a standby, and had to go on with what its primary"),
        ("FATAL: the database system is in recovery mode", "does not answer yet, or no more: FATAL: the database"),
        ("terminating connection due to transaction timeout", "ended this transaction, which took too long;"),
        (
            "terminating connection due to idle-session timeout",
            "ended this connection (terminating connection due to idle-session timeout): look whether what you asked",
        ),
        (
            "nondeterministic collations are not supported for LIKE",
            "has a column in which different texts count as the same (nondeterministic collations are not supported "
            "for LIKE): schakel doctor says how to mend that.",
        ),
        ("cached plan must not change result type", "was altered while this program ran (cached plan must not change"),
        ("server closed the connection\n\tunexpectedly", BROKEN_OFF),
        ("the connection is lost", BROKEN_OFF),
        ("connection timeout expired", NO_ANSWER),
        ("something\nnobody   knows", "failed: something nobody knows"),
    ],
)
def test_an_error_of_a_driver_becomes_one_sentence_that_says_what_to_do(said: str, means: str) -> None:
    told = explain(RuntimeError(said), DATABASE)

    assert isinstance(told, StoreError)
    assert isinstance(told, NeedsInit) is ("schakel init" in str(told))
    assert str(told).startswith(f"The database {DATABASE} {means}")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (AT + "Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", NO_ANSWER),
        (
            'connection is bad: connection to server on socket "/run/.s.PGSQL.5432" failed: No such file or directory\n'
            "\tIs the server running locally and accepting connections on that socket?",
            NO_ANSWER,
        ),
        (AT + "Connection timed out", NO_ANSWER),
        (AT + "timeout expired", NO_ANSWER),
        (
            AT + "FATAL:  the database system is starting up",
            "does not answer yet, or no more: FATAL: the database system is starting up",
        ),
        (
            AT + "fe_sendauth: no password supplied",
            "wants a password, and got none: set database_password_file, or PGPASSFILE, a file that only you can read.",
        ),
        (
            AT + 'root certificate file "/root.crt" does not exist\nEither provide the file, or change sslmode.',
            "cannot be told from another: the root certificate to check it by is not there or cannot be read. Put it "
            'there, or name it with sslrootcert=/full/path in database_url. (root certificate file "/root.crt" does '
            "not exist Either provide the file, or change sslmode.)",
        ),
        (AT + "FATAL:  sorry, too many clients already", "has no connection left: end programs that hold some,"),
        (
            AT + 'FATAL:  too many connections for role "one"',
            'has no connection left for this one (FATAL: too many connections for role "one"): end programs that hold '
            "some, or raise that limit (ALTER ROLE or ALTER DATABASE … CONNECTION LIMIT), then repeat it.",
        ),
        (
            AT + "FATAL:  unsupported startup parameter: options",
            "refused this connection (FATAL: unsupported startup parameter: options): a proxy between them takes none; "
            "leave `options` out of database_url.",
        ),
        (
            AT + "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "has no connection left: end programs that hold some,",
        ),
        (
            AT + 'FATAL:  database "schakel" does not exist',
            "is not there: create it first (CREATE DATABASE \"schakel\" ENCODING 'UTF8' TEMPLATE template0), then run: "
            "schakel init",
        ),
        (AT + 'FATAL:  role "ghost" does not exist', 'failed: FATAL: role "ghost" does not exist'),
        (
            AT + 'FATAL:  permission denied for database "x"\nDETAIL:  User does not have CONNECT privilege.',
            'does not allow that (FATAL: permission denied for database "x" DETAIL: User does not have CONNECT '
            "privilege.): are the grants of docs/security.md in place?",
        ),
        (
            AT + 'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "a", database "b", no encryption',
            'failed: FATAL: no pg_hba.conf entry for host "10.0.0.1", user "a", database "b", no encryption',
        ),
        (
            AT + 'server certificate for "other.example" does not match host name "db"',
            'failed: server certificate for "other.example" does not match host name "db"',
        ),
        (
            AT + "server does not support SSL, but SSL was required",
            "failed: server does not support SSL, but SSL was required",
        ),
        ('connection is bad: invalid sslmode value: "full"', 'failed: invalid sslmode value: "full"'),
        ('invalid connection option "sslmod"', 'failed: invalid connection option "sslmod"'),
    ],
)
def test_why_there_is_no_connection_is_told_as_libpq_says_it(said: str, told: str) -> None:
    assert str(explain(psycopg.OperationalError(said), DATABASE)).startswith(f"The database {DATABASE} {told}")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OverflowError("Python int too large to convert to SQLite INTEGER"), BEYOND),
        (psycopg.errors.NumericValueOutOfRange("integer out of range"), BEYOND),
        (RuntimeError("JSON cannot hold BLOB values"), "A key that a case is found by is no text"),
    ],
)
def test_a_value_that_no_column_of_ours_gets_is_told_as_altered(error: Exception, what: str) -> None:
    told = explain(error, DATABASE)

    assert type(told) is HistoryBroken
    assert str(told) == f"{what}: somebody altered it. To see where, run: schakel audit verify"


class _Served(RuntimeError):
    """As psycopg tells an error of a server: the message, and then details that repeat what stands in the row."""

    def __init__(self, message: str, detail: str) -> None:
        super().__init__(f"{message}\nDETAIL:  {detail}")
        self.diag = SimpleNamespace(message_primary=message)


def test_of_an_error_of_a_server_its_message_is_told_and_no_value_of_the_row() -> None:
    told = explain(_Served("new row violates check", "Failing row contains (Zoe)."), DATABASE)

    assert str(told) == f"The database {DATABASE} failed: new row violates check"


def test_of_an_error_of_the_system_its_words_are_told_without_its_number() -> None:
    assert str(explain(OSError(5, "Input/output error"), DATABASE)).endswith(" failed: Input/output error")


def test_why_a_server_ended_a_connection_is_told_instead_of_that_it_is_gone() -> None:
    error = RuntimeError("the connection is closed")
    error.add_note("terminating connection due to administrator command")

    said = "(terminating connection due to administrator command): look whether what you asked was done"
    assert f"ended this connection {said}" in str(explain(error, DATABASE))


def test_what_is_not_allowed_is_told_without_the_statement() -> None:
    error = RuntimeError("permission denied for table cases LINE 1: SELECT facts FROM cases")

    assert str(explain(error, DATABASE)).startswith(
        f"The database {DATABASE} does not allow that (permission denied for table cases): "
    )


def test_of_a_long_error_that_nobody_knows_the_beginning_is_told() -> None:
    told = explain(RuntimeError("x" * 1000), DATABASE)

    assert str(told) == f"The database {DATABASE} failed: {'x' * 300}"


def test_who_reads_a_standby_is_not_told_of_another_who_wrote_the_same() -> None:
    error = psycopg.errors.SerializationFailure("canceling statement due to conflict with recovery")

    assert type(explain(error, DATABASE)) is StoreError


@pytest.mark.parametrize("said", ["unable to open database file", "[Errno 13] Permission denied"])
def test_a_file_that_is_there_but_shut_is_not_said_to_be_missing(tmp_path: Path, said: str) -> None:
    file = tmp_path / "schakel.db"
    file.touch()
    error = PermissionError(13, "Permission denied") if "13" in said else RuntimeError(said)

    assert str(explain(error, str(file))) == (
        f"The database {file} cannot be opened by this account: be the user it belongs to, or see who may write the "
        "file and its folder."
    )


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


def test_who_waited_too_long_for_what_somebody_holds_gets_a_conflict() -> None:
    told = explain(psycopg.errors.LockNotAvailable("Sperre nicht verfügbar"), DATABASE)

    assert type(told) is Overtaken
    assert "Repeat it" in str(told)


@pytest.mark.parametrize(
    ("error", "todo"),
    [
        (psycopg.errors.QueryCanceled, "SET statement_timeout = 0"),
        (psycopg.errors.InvalidSqlStatementName, "pool_mode = session"),
        (psycopg.errors.DuplicatePreparedStatement, "pool_mode = session"),
        (psycopg.errors.ProtocolViolation, "pool_mode = session"),
    ],
)
def test_what_a_server_or_a_proxy_is_set_to_is_told_in_whatever_language_it_speaks(
    error: type[Exception], todo: str
) -> None:
    told = explain(error("Irgendetwas"), DATABASE)

    assert type(told) is StoreError
    assert todo in str(told)
    assert "(Irgendetwas)" in str(told)
