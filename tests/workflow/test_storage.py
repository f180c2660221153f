"""Opening and keeping: pragmas, permissions, migrations, and one clear sentence when a database cannot be used."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from employers import bring, employer
from looking import bare, count, look, traces
from sqlalchemy import create_engine, inspect

from states import EMPLOYER_COUPLING
from workflow import Database, Engine, StoreError, UsageError, open_database
from workflow.clock import SetClock
from workflow.errors import Conflict, NotAllowed
from workflow.storage import sqlite_file, tables
from workflow.storage.database import parse_url
from workflow.storage.line import PATIENCE_MS
from workflow.storage.moment import Moment
from workflow.storage.store import Store
from workflow.storage.upgrade import migrating, upgrade

ROOT = Path(__file__).parents[2]
MIGRATIONS = Path(tables.__file__).parent / "migrations"


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def is_a_sentence(message: str) -> bool:
    """Whether a person can read it: it begins and ends as a sentence does and holds nothing of a machine's inside."""
    machine = ("Traceback", "Errno", "Error(", "?.", "..")
    return bool(re.match(r"[A-Z].*[\w)'](\.|\?)?$", message)) and not any(part in message for part in machine)


# -- a database that cannot be used ------------------------------------------------------------------------------------


def test_a_missing_database_is_named_with_what_to_do_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="schakel init"):
        open_database(f"sqlite:///{tmp_path}/none.db")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="schakel init"):
        open_database(f"sqlite:///{tmp_path}/no/where/none.db")


def test_a_database_without_tables_is_not_initialised(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "empty.db").close()
    (tmp_path / "empty.db").touch()

    with pytest.raises(StoreError, match="schakel init"):
        open_database(f"sqlite:///{tmp_path}/empty.db")


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, use: Callable[[str], object]) -> None:
    (tmp_path / "letter.db").write_text("Beste collega, " * 200)

    with pytest.raises(StoreError, match="not a SQLite database"):
        use(f"sqlite:///{tmp_path}/letter.db")

    assert (tmp_path / "letter.db").read_text() == "Beste collega, " * 200


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_directory_is_no_database(tmp_path: Path, use: Callable[[str], object]) -> None:
    with pytest.raises(StoreError) as error:
        use(f"sqlite:///{tmp_path}")

    assert is_a_sentence(str(error.value))
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_newer_database_is_refused(url: str, use: Callable[[str], object]) -> None:
    with bare(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="newer Schakel"):
        use(url)

    assert look(url, "SELECT version_num FROM alembic_version") == [{"version_num": "9999"}]


def test_an_older_database_is_refused_until_it_is_upgraded(url: str) -> None:
    with bare(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")

    with pytest.raises(StoreError, match="schakel init"):
        open_database(url)


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_postgresql_that_does_not_answer_is_named_without_its_password(use: Callable[[str], object]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        with pytest.raises(StoreError, match="does not answer") as error:
            use(f"postgresql://piet:geheim@127.0.0.1:{port}/schakel")

    assert "geheim" not in str(error.value)
    assert f"://piet:***@127.0.0.1:{port}/schakel" in str(error.value)
    assert is_a_sentence(str(error.value))


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_postgresql_without_this_database_is_named(postgres_server: str, use: Callable[[str], object]) -> None:
    with pytest.raises(StoreError) as error:
        use(postgres_server.format(name="nergens"))

    assert "create it first (CREATE DATABASE \"nergens\" ENCODING 'UTF8' TEMPLATE template0)" in str(error.value)
    assert is_a_sentence(str(error.value))


@pytest.fixture(params=["SQL_ASCII", "LATIN1"])
def narrow_url(request: pytest.FixtureRequest, postgres_server: str) -> Iterator[str]:
    """A database that cannot keep every text, as a cluster made with LANG=C gives when it is not asked for another."""
    name = f"narrow_{os.getpid()}"
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING '{request.param}' LOCALE 'C' TEMPLATE template0")
        yield postgres_server.format(name=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("use", [open_database, upgrade])
def test_a_postgresql_that_cannot_keep_every_text_is_refused_with_the_statement_that_makes_one_that_can(
    narrow_url: str, postgres_server: str, use: Callable[[str], object]
) -> None:
    for _ in range(2):  # nor is it let through once it was refused
        with pytest.raises(StoreError) as error:
            use(narrow_url)

    assert "keeps its text as" in str(error.value)
    assert is_a_sentence(str(error.value))
    (statement,) = re.findall(r"\((CREATE DATABASE .*?)\)", str(error.value))
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE narrow_{os.getpid()}")
        connection.execute(statement)
    upgrade(narrow_url)
    open_database(narrow_url).dispose()


def test_a_user_whose_programs_speak_another_encoding_can_write_any_name(
    url: str, make_engine: Callable[[Database], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    upgrade(url)
    database = open_database(url)
    engine = make_engine(database)

    engine.open_case({"registration": {"company_name": "Łódź 日本 B.V."}}, external_reference="E1")

    assert engine.case("E1").case.facts["registration"]["company_name"] == "Łódź 日本 B.V."
    database.dispose()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_database_says_so(sqlite_url: str, tmp_path: Path) -> None:
    path_of(sqlite_url).chmod(0o400)
    tmp_path.chmod(0o500)

    with pytest.raises(StoreError) as error:
        open_database(sqlite_url)
    tmp_path.chmod(0o700)

    assert is_a_sentence(str(error.value))


def test_a_full_disk_writes_nothing_and_says_so(sqlite_url: str, make_engine: Callable[[Database], Engine]) -> None:
    database = open_database(sqlite_url)
    engine = make_engine(database)
    case = bring(engine, "rights_pending")
    before = traces(sqlite_url, case)
    _limit_pages(database, 1)

    with pytest.raises(StoreError, match="no room left"):
        engine.record(
            case, {"registration": {"contact_name": "x" * 1000, "company_name": "y" * 1000}, "policy": _big()}
        )

    assert traces(sqlite_url, case) == before
    assert count(sqlite_url, "events") == 1
    database.dispose()


def test_after_a_full_disk_was_freed_the_same_engine_goes_on(
    sqlite_url: str, make_engine: Callable[[Database], Engine]
) -> None:
    database = open_database(sqlite_url)
    engine = make_engine(database)
    case = bring(engine, "rights_pending")
    _limit_pages(database, 1)
    with pytest.raises(StoreError):
        engine.record(case, {"policy": _big()})
    _limit_pages(database, 1_000_000)

    engine.record(case, {"policy": _big()})

    assert engine.replay(case).matches_stored
    database.dispose()


def _limit_pages(database: Database, pages: int) -> None:
    """SQLite rounds it up to what the file has, so 1 means: no page more."""
    with database.reading() as store:
        store.execute(f"PRAGMA max_page_count = {pages}")


def _big() -> dict[str, Any]:
    return {"policies": [{"policy_number": f"P{n}", "product": "x" * 900} for n in range(50)]}


# -- SQLite's own ------------------------------------------------------------------------------------------------------

WANTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "foreign_keys": 1,
    "secure_delete": 1,
}


@pytest.mark.parametrize("name", WANTED)
def test_every_connection_has_the_pragmas_that_promises_rest_on(sqlite_url: str, name: str) -> None:
    database = open_database(sqlite_url)

    with database.writing() as first, database.reading() as second:
        found = [store.execute(f"PRAGMA {name}").fetchone()[0] for store in (first, second)]
    database.dispose()

    assert found == [WANTED[name]] * 2


def test_a_connection_waits_for_others_from_its_first_statement_on(sqlite_url: str) -> None:
    connection = sqlite_file.connect(path_of(sqlite_url))

    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.close()

    assert patience == PATIENCE_MS


def test_no_statement_begins_a_transaction_by_itself(sqlite_url: str) -> None:
    connection = sqlite_file.connect(path_of(sqlite_url))

    connection.execute("DELETE FROM slots")
    began = connection.in_transaction
    connection.close()

    assert not began


def test_nobody_writes_while_reading_whatever_was_done_before(database: Database) -> None:
    for _ in range(2):
        with pytest.raises(StoreError, match="read-only"), database.reading() as store:
            store.execute("DELETE FROM slots")
        with database.writing() as store:
            store.execute("DELETE FROM slots")
    assert database.compact()


@pytest.mark.parametrize("at", ["VACUUM", "PRAGMA user_version"])
def test_a_file_is_compacted_as_soon_as_another_writer_is_done(
    sqlite_url: str, opening: Callable[[str], Database], at: str
) -> None:
    database, other = opening(sqlite_url), opening(sqlite_url)
    began, writers = threading.Event(), list[threading.Thread]()

    def write() -> None:
        with other.writing():
            began.set()
            time.sleep(0.2)

    def failpoint(step: str) -> None:
        if step == at:
            writers.append(threading.Thread(target=write))
            writers[0].start()
            began.wait(10)

    database.failpoint = failpoint
    is_done = database.compact()
    writers[0].join()

    assert is_done


def test_a_connection_that_is_in_use_when_the_others_are_closed_is_closed_after_it(database: Database) -> None:
    reading = database.reading()
    connection = reading.__enter__()._connection

    database.dispose()
    reading.__exit__(None, None, None)

    with pytest.raises(Exception, match="closed"):
        connection.execute("SELECT 1")


def test_after_a_server_ended_every_connection_that_was_kept_no_command_fails(
    postgres_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine]
) -> None:
    database = opening(postgres_url)
    engine = make_engine(database)
    case = engine.open_case({}).case.reference
    with database.reading(), database.reading(), database.reading():
        pass
    with psycopg.connect(postgres_url, autocommit=True) as other:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ended = other.execute(f"SELECT count(pg_terminate_backend(pid, 10000)) {others}").fetchone()
    other.close()

    engine.note(case, "eerste")
    engine.note(case, "tweede")

    assert ended is not None
    assert ended[0] >= 3
    assert [step.event.kind for step in engine.history(case)] == ["opened", "noted", "noted"]


@pytest.mark.parametrize("begin", [Database.deciding, Database.reading, Database.writing])
def test_a_connection_that_is_ended_while_it_is_used_says_so_and_is_not_begun_anew(
    postgres_url: str, opening: Callable[[str], Database], begin: Callable[[Database], AbstractContextManager[Store]]
) -> None:
    database = opening(postgres_url)

    def end_it() -> None:
        with begin(database) as store, psycopg.connect(postgres_url, autocommit=True) as other:
            (pid,) = store.execute("SELECT pg_backend_pid()").fetchone()
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [pid])
            store.execute("SELECT 1").fetchone()

    with pytest.raises(StoreError, match=r"ended this connection \(terminating connection due to administrator"):
        end_it()
    with database.reading() as store:
        assert store.last_event_at() is None


@pytest.mark.parametrize("begin", [Database.deciding, Database.reading, Database.writing])
def test_a_connection_that_is_ended_while_its_statement_runs_is_not_told_as_a_server_that_is_away(
    postgres_url: str, opening: Callable[[str], Database], begin: Callable[[Database], AbstractContextManager[Store]]
) -> None:
    """In a pipeline libpq hides why: the answer says where that is to be read."""
    database = opening(postgres_url)

    with (
        pytest.raises(StoreError, match=r"ended this connection.*ook whether what you asked was done"),
        begin(database) as store,
    ):
        store.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize(
    ("limit", "fault", "words"),
    [("lock_timeout", Conflict, "Repeat it later"), ("statement_timeout", StoreError, "SET statement_timeout = 0")],
)
def test_who_may_wait_no_longer_for_a_case_is_told_what_to_do(
    postgres_url: str,
    opening: Callable[[str], Database],
    make_engine: Callable[[Database], Engine],
    limit: str,
    fault: type[Exception],
    words: str,
) -> None:
    engine = make_engine(opening(f"{postgres_url}&options=-c%20{limit}%3D200ms"))
    case = engine.open_case({}).case.reference

    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT id FROM cases FOR UPDATE")
        with pytest.raises(fault, match=words):
            engine.note(case, "eerste")

    engine.note(case, "tweede")
    assert [step.event.kind for step in engine.history(case)] == ["opened", "noted"]


@pytest.mark.parametrize(
    "spoils",
    ["ALTER TABLE cases ALTER COLUMN external_reference TYPE varchar(900)", "DEALLOCATE ALL"],
)
def test_what_was_prepared_and_holds_no_more_fails_once_and_not_for_ever(
    postgres_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine], spoils: str
) -> None:
    database = opening(postgres_url)
    engine = make_engine(database)
    case = engine.open_case({}).case.reference
    for _ in range(8):  # psycopg prepares what it has run five times
        engine.note(case, "eerder")
        engine.case(case)
    with database.reading() as store:
        line = store._connection
    if spoils.startswith("ALTER"):
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute(spoils)
    else:
        line.pgconn.exec_(spoils.encode())  # unseen by psycopg, as a proxy would

    failed = 0
    for _ in range(6):
        try:
            engine.note(case, "later")
        except StoreError:
            failed += 1

    assert failed == 1


def test_an_upgrade_waits_for_other_writers_as_long_as_it_says(sqlite_url: str) -> None:
    engine = migrating(parse_url(sqlite_url))

    with engine.connect() as connection:
        waits = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    engine.dispose()

    assert waits == 30_000


def test_a_new_database_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        upgrade(f"sqlite:///{tmp_path}/data/schakel/schakel.db")
    finally:
        os.umask(before)

    folder = tmp_path / "data" / "schakel"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes.pop("schakel") == 0o700
    assert set(modes.values()) == {0o600}


def test_what_sqlite_keeps_beside_its_file_is_the_owner_s_only_too(
    tmp_path: Path, make_engine: Callable[[Database], Engine]
) -> None:
    url = f"sqlite:///{tmp_path}/schakel/schakel.db"
    upgrade(url)
    database = open_database(url)
    bring(make_engine(database), "registered")

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "schakel").iterdir()}
    database.dispose()

    assert set(modes) == {"schakel.db", "schakel.db-wal", "schakel.db-shm"}
    assert set(modes.values()) == {0o600}


def test_a_path_with_spaces_and_signs_will_do(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a b#c &d é.db"

    upgrade(url)
    open_database(url).dispose()

    assert (tmp_path / "a b#c &d é.db").exists()


# -- moments -----------------------------------------------------------------------------------------------------------


def test_a_naive_time_is_refused_by_the_type_of_the_columns(database: Database) -> None:
    with pytest.raises(ValueError, match="zone"):
        Moment().bind_processor(database.dialect)(datetime(2026, 4, 20))  # noqa: DTZ001 that is the point


def test_a_clock_that_says_a_naive_time_writes_nothing(database: Database, url: str) -> None:
    naive = SetClock(datetime(2026, 4, 20, 8))  # noqa: DTZ001 that is the point
    engine = Engine(database, EMPLOYER_COUPLING, clock=naive)

    with pytest.raises(UsageError, match="zone"):
        engine.open_case(employer())

    assert count(url, "cases") == 0


def test_a_moment_comes_back_as_it_went_in(engine: Engine, clock: SetClock) -> None:
    clock.moment = datetime(2026, 10, 25, 0, 59, 59, 999_999, tzinfo=UTC)

    case = bring(engine, "rights_pending")

    assert engine.case(case).case.opened_at == clock.moment
    assert engine.case(case).case.opened_at.utcoffset() == UTC.utcoffset(None)


# -- migrations --------------------------------------------------------------------------------------------------------


def test_the_newest_migration_is_the_one_the_program_is_written_for() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))

    heads = ScriptDirectory.from_config(config).get_heads()

    assert heads == [tables.HEAD]


def test_the_migrations_make_the_tables_that_the_program_names(url: str) -> None:
    engine = create_engine(parse_url(url))
    there = inspect(engine)

    found = {name: _shape(there, name) for name in there.get_table_names() if name != "alembic_version"}
    engine.dispose()

    assert found == {name: _declared(table) for name, table in tables.metadata.tables.items()}


def _shape(there: Any, name: str) -> dict[str, Any]:
    return {
        "columns": {column["name"]: column["nullable"] for column in there.get_columns(name)},
        "key": there.get_pk_constraint(name)["constrained_columns"],
        "indexes": {
            (index["name"], tuple(index["column_names"]), bool(index["unique"]))
            for index in there.get_indexes(name)
            if not index.get("duplicates_constraint")
        },
        "unique": {tuple(unique["column_names"]) for unique in there.get_unique_constraints(name)},
        "foreign": {
            (tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]))
            for key in there.get_foreign_keys(name)
        },
    }


def _declared(table: Any) -> dict[str, Any]:
    unique = {tuple(c.columns.keys()) for c in table.constraints if type(c).__name__ == "UniqueConstraint"}
    return {
        "columns": {column.name: bool(column.nullable) for column in table.columns},
        "key": [column.name for column in table.primary_key.columns],
        "indexes": {(index.name, tuple(index.columns.keys()), bool(index.unique)) for index in table.indexes},
        "unique": unique,
        "foreign": {
            (tuple(key.column_keys), key.referred_table.name, tuple(e.column.name for e in key.elements))
            for key in table.foreign_key_constraints
        },
    }


def test_a_process_that_stalls_in_a_transaction_does_not_keep_its_locks_for_ever(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with database.writing() as store:
        (idle,) = store.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        (writing,) = store.execute("SHOW transaction_timeout").fetchone()
    with database.reading() as store:
        (reading,) = store.execute("SHOW transaction_timeout").fetchone()
    database.dispose()

    assert (idle, writing, reading) == ("5min", "5min", "0")


def test_options_in_the_url_win_over_ours(postgres_url: str) -> None:
    options = quote(
        "-c transaction_timeout=7s -c idle_in_transaction_session_timeout=8s -c search_path=elsewhere,public"
    )
    database = open_database(f"{postgres_url}&options={options}")
    with database.writing() as store:
        names = ("transaction_timeout", "idle_in_transaction_session_timeout", "search_path", "TimeZone")
        found = [store.execute(f"SHOW {name}").fetchone()[0] for name in names]
    database.dispose()

    assert found == ["7s", "8s", "elsewhere,public", "UTC"]


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("synchronous_commit", "off", "on"),
        ("synchronous_commit", "remote_apply", "remote_apply"),
        ("synchronous_commit", "local", "local"),
        ("DateStyle", "SQL, DMY", "ISO, DMY"),
        ("DateStyle", "German", "ISO, DMY"),
        ("TimeZone", "Asia/Tokyo", "UTC"),
        ("default_transaction_isolation", "serializable", "read committed"),
        ("row_security", "on", "off"),
        ("transaction_timeout", "20s", "20s"),
    ],
)
def test_what_promises_rest_on_is_set_whatever_a_database_says(
    postgres_url: str, opening: Callable[[str], Database], name: str, theirs: str, ours: str
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET {name} = {theirs!r}")

    with opening(postgres_url).writing() as store:
        (found,) = store.execute(f"SHOW {name}").fetchone()

    assert found == ours


def test_commands_work_however_a_database_writes_its_dates(
    postgres_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine]
) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET DateStyle = 'German'")
    engine = make_engine(opening(postgres_url))

    case = engine.open_case({}).case.reference
    engine.note(case, "eerste")

    assert [step.event.kind for step in engine.history(case)] == ["opened", "noted"]


def test_rows_that_a_policy_would_hide_are_an_error(postgres_url: str, opening: Callable[[str], Database]) -> None:
    role = f"hidden_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role}")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        connection.execute("ALTER TABLE events ENABLE ROW LEVEL SECURITY")

        database = opening(f"{postgres_url}&options=-c%20role%3D{role}")
        with pytest.raises(NotAllowed, match="row-level security"), database.reading() as store:
            store.last_event_at()

        database.dispose()
        connection.execute(f"DROP OWNED BY {role}")
        connection.execute(f"DROP ROLE {role}")


def test_an_upgrade_done_twice_is_harmless(url: str, make_engine: Callable[[Database], Engine]) -> None:
    database = open_database(url)
    case = bring(make_engine(database), "registered")
    before = traces(url, case)

    at = upgrade(url)

    assert at == tables.HEAD
    assert traces(url, case) == before
    database.dispose()


def test_upgrades_at_once_of_a_new_sqlite_database_make_it_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/schakel.db"

    assert _at_once(4, lambda: upgrade(url)) == []
    open_database(url).dispose()


def test_upgrades_at_once_of_an_empty_postgresql_database_make_it_once(postgres_server: str) -> None:
    with bare(postgres_server.format(name="postgres")) as connection:
        connection.execute("CREATE DATABASE empty_one")
    url = postgres_server.format(name="empty_one")

    assert _at_once(4, lambda: upgrade(url)) == []
    open_database(url).dispose()


def _at_once(count: int, act: Callable[[], object]) -> list[BaseException]:
    """What went wrong when this was done in so many threads at once."""
    wrong: list[BaseException] = []
    gate = threading.Barrier(count)

    def run() -> None:
        gate.wait()
        try:
            act()
        except Exception as error:  # noqa: BLE001 handed to the test
            wrong.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


# -- definitions -------------------------------------------------------------------------------------------------------


def test_the_definition_is_stored_with_the_first_event(engine: Engine, url: str) -> None:
    bring(engine, "registered")

    (row,) = look(url, "SELECT name, version, digest FROM definitions")

    assert (row["name"], row["version"]) == ("employer_coupling", EMPLOYER_COUPLING.version)


def test_other_rules_under_the_same_version_are_refused(engine: Engine, database: Database, url: str) -> None:
    case = bring(engine, "rights_pending")
    changed = replace(EMPLOYER_COUPLING, moves=EMPLOYER_COUPLING.moves[:-1])
    before = count(url, "events")

    with pytest.raises(StoreError, match="version"):
        Engine(database, changed).advance(case, "register")

    assert count(url, "events") == before
    assert engine.case(case).case.state == "rights_pending"


def test_other_rules_under_a_new_version_are_stored_beside_the_old(
    engine: Engine, database: Database, url: str
) -> None:
    case = bring(engine, "rights_pending")
    changed = replace(EMPLOYER_COUPLING, version="2999.1", moves=EMPLOYER_COUPLING.moves[:-1])

    Engine(database, changed).advance(case, "register")

    assert count(url, "definitions") == 2
    assert engine.replay(case).matches_stored


def test_a_definition_is_stored_although_the_first_command_failed(engine: Engine, database: Database, url: str) -> None:
    def fail(sql: str) -> None:
        if "INSERT INTO cases " in sql:
            raise InterruptedError

    database.failpoint = fail
    with pytest.raises((InterruptedError, StoreError)):
        engine.open_case({})
    database.failpoint = None

    engine.open_case({})

    assert count(url, "definitions") == 1


def test_first_commands_at_once_on_a_fresh_database_all_succeed(
    url: str, make_engine: Callable[[Database], Engine]
) -> None:
    def act() -> None:
        database = open_database(url)
        make_engine(database).open_case({})
        database.dispose()

    assert _at_once(6, act) == []
    assert (count(url, "definitions"), count(url, "cases")) == (1, 6)


def test_of_a_connection_that_breaks_nobody_speaks_but_ourselves(postgres_url: str) -> None:
    program = (
        "import sys; from workflow import StoreError, open_database\n"
        "try:\n"
        "    with open_database(sys.argv[1]).writing() as store:\n"
        "        store.execute('SELECT pg_terminate_backend(pg_backend_pid())')\n"
        "        for _ in range(9): store.execute('SELECT 1').fetchone()\n"
        "except StoreError: print('said')"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program, postgres_url], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (ended.stdout, ended.stderr) == ("said\n", "")


WAITS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}


@pytest.mark.parametrize(
    ("more", "changed"),
    [("", {}), ("&keepalives_idle=7&connect_timeout=4", {"connect_timeout": "4", "keepalives_idle": "7"})],
)
def test_a_network_that_goes_silent_is_noticed_unless_the_url_says_otherwise(
    postgres_url: str, more: str, changed: dict[str, str]
) -> None:
    database = open_database(postgres_url + more)
    engine = migrating(parse_url(postgres_url + more))

    with database.reading() as store, engine.connect() as connection:
        found = [one.info.get_parameters() for one in (store._connection, connection.connection.dbapi_connection)]
    database.dispose()

    assert [{name: one.get(name) for name in WAITS} for one in found] == [WAITS | changed] * 2
