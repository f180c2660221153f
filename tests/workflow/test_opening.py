"""What opening, compacting and waiting for a database say and do, word for word; and which guards are found gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from employers import bring, employer
from looking import bare, count, look

from states import EMPLOYER_COUPLING
from workflow import Conflict, Database, Engine, Origin, StoreError, UsageError, open_database
from workflow.clock import SetClock
from workflow.domain import Key
from workflow.events import Kind
from workflow.facts import Json
from workflow.storage import compacting, guards, line, sqlite_file, tables
from workflow.storage.compacting import compact, expect_leftovers, has_leftovers
from workflow.storage.database import parse_url, shown_url
from workflow.storage.line import when_free
from workflow.storage.upgrade import upgrade
from workflow.work import Work

NOW = datetime(2026, 4, 20, 8, tzinfo=UTC)


@pytest.fixture
def path(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    found = open_database(sqlite_url)
    yield found
    found.dispose()


# -- what is said ------------------------------------------------------------------------------------------------------


def refusal(use: Callable[[str], object], url: str) -> str:
    with pytest.raises(StoreError) as refused:
        use(url)
    return str(refused.value)


def test_tables_that_are_not_those_of_this_program_are_refused_with_what_to_do(path: Path) -> None:
    url = f"sqlite:///{path}"

    def at(version: str) -> None:
        with bare(url) as connection:
            connection.execute(f"UPDATE alembic_version SET version_num = '{version}'")

    newer = (
        f"The database {path} was made by a newer Schakel (its tables are at 9999, this program knows {tables.HEAD}). "
        "Use that newer version."
    )
    older = (
        f"The tables of {path} are at 0001; this program needs {tables.HEAD}. "
        "Stop the worker, make a backup, then run: schakel init"
    )
    none = f"The database {path} has no tables yet. Run: schakel init"
    at("9999")
    assert [refusal(use, url) for use in (open_database, upgrade)] == [newer, newer]
    at("0001")
    assert refusal(open_database, url) == older
    assert refusal(lambda asked: open_database(asked, without_tables=True), url) == older
    with bare(url) as connection:
        connection.execute("DELETE FROM alembic_version")
    assert refusal(open_database, url) == none
    with bare(url) as connection:
        connection.execute("DROP TABLE alembic_version")
    assert refusal(open_database, url) == none
    open_database(url, without_tables=True).dispose()


def test_an_upgrade_says_where_it_came_from(path: Path, tmp_path: Path) -> None:
    new = f"sqlite:///{tmp_path}/new/schakel.db"

    assert [upgrade(new), upgrade(new), upgrade(f"sqlite:///{path}")] == [None, tables.HEAD, tables.HEAD]

    assert look(new, "SELECT version_num FROM alembic_version") == [{"version_num": tables.HEAD}]


UNREADABLE = "The database URL cannot be read. Write sqlite:////full/path/schakel.db or postgresql://user@host/name"
NO_FILE = "A SQLite database needs a file: sqlite:////full/path/schakel.db"
NO_EFFECT = "What stands after '?' in the URL of a SQLite database has no effect: leave it out. (%3F: a '?')"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", UNREADABLE),
        ("", UNREADABLE),
        ("://", UNREADABLE),
        ("postgresql+asyncpg//", UNREADABLE),
        ("sqlite:/x", UNREADABLE),
        ("postgresql://a@h:port/db", UNREADABLE),
        ("postgresql://a@h:0/db", UNREADABLE),
        ("postgresql://a@h:65536/db", UNREADABLE),
        ("postgresql://[::1/db", UNREADABLE),
        ("sqlite://", NO_FILE),
        ("sqlite:///:memory:", NO_FILE),
        ("sqlite:////a/q?what.db", NO_EFFECT),
        ("sqlite:////a/b.db?mode=ro", NO_EFFECT),
        ("mysql://x/y", "Schakel runs on SQLite and PostgreSQL, not on 'mysql'."),
    ],
)
def test_a_url_of_no_database_of_ours_is_refused_with_what_will_do(url: str, words: str) -> None:
    for use in (open_database, upgrade):
        with pytest.raises(UsageError) as refused:
            use(url)
        assert str(refused.value) == words


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_file_may_have_a_name_as_long_as_those_beside_it_allow(tmp_path: Path, letter: str) -> None:
    longest = 247 // len(letter.encode()) * letter

    for use in (open_database, upgrade):
        with pytest.raises(UsageError, match="is too long: at most 247 bytes"):
            use(f"sqlite:///{tmp_path}/{longest}{letter}")
    upgrade(f"sqlite:///{tmp_path}/{longest}")
    open_database(f"sqlite:///{tmp_path}/{longest}").dispose()

    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_a_file_may_have_a_question_mark_in_its_name(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/wat%3F.db"

    upgrade(url)
    open_database(url).dispose()

    assert [path.name for path in tmp_path.iterdir()] == ["wat?.db"]


def test_no_folder_is_made_for_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    between, link = tmp_path / "between.db", tmp_path / "schakel.db"
    between.symlink_to(tmp_path / "disk" / "schakel.db")
    link.symlink_to(between)

    told = refusal(upgrade, f"sqlite:///{link}")

    there = f"a link to {tmp_path}/disk/schakel.db, whose folder is not there: mount or make it."
    assert told == f"The database {link} is {there}"
    assert {*tmp_path.iterdir()} == {between, link}
    (tmp_path / "disk").mkdir()
    upgrade(f"sqlite:///{link}")
    open_database(f"sqlite:///{link}").dispose()


def test_a_link_to_itself_is_told_without_a_number_of_the_system(tmp_path: Path) -> None:
    link = tmp_path / "schakel.db"
    link.symlink_to(link)

    assert refusal(upgrade, f"sqlite:///{link}").endswith("failed: Too many levels of symbolic links")


@pytest.mark.parametrize(
    ("url", "read", "shown"),
    [
        ("sqlite:////a/b.db", "sqlite:////a/b.db", "/a/b.db"),
        ("postgresql://piet:geheim@h/n", "postgresql+psycopg://piet:geheim@h/n", "postgresql+psycopg://piet:***@h/n"),
        ("postgres://piet@h:1/n", "postgresql+psycopg://piet@h:1/n", "postgresql+psycopg://piet@h:1/n"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, read: str, shown: str) -> None:
    parsed = parse_url(url)

    assert (parsed.render_as_string(hide_password=False), shown_url(parsed)) == (read, shown)


def test_a_password_in_the_query_of_a_url_is_not_shown() -> None:
    given = "postgresql://h/n?password=geheim&sslmode=require&sslpassword=geheim&passfile=/geheim&PassWord=geheim"

    shown = shown_url(parse_url(given))

    assert "geheim" not in shown
    assert "sslmode=require" in shown
    assert shown.count("hidden") == 4
    assert parse_url(given).query["password"] == "geheim"


def test_a_disk_that_takes_no_setting_of_ours_is_named(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PRAGMAS", {"synchronous": ("FULL", 2), "journal_mode": ("WAL", "memory")})

    said = refusal(open_database, sqlite_url)

    assert said == "SQLite did not take 'PRAGMA journal_mode=WAL': it says 'wal'. Is this a network disk?"


def test_a_database_is_opened_for_any_thread_and_not_made_when_it_is_gone(sqlite: Database, path: Path) -> None:
    assert sqlite.dialect.name == "sqlite"
    with sqlite.reading() as outer, sqlite.reading() as inner:
        assert [store.execute("SELECT 1").fetchone()[0] for store in (outer, inner)] == [1, 1]
    sqlite.dispose()
    path.unlink()
    with pytest.raises(StoreError), sqlite.reading():
        pass
    assert not path.exists()


# -- what is written ---------------------------------------------------------------------------------------------------


def test_what_is_written_is_there_after_the_block_and_only_when_it_ended_well(
    sqlite: Database, sqlite_url: str
) -> None:
    remembered: list[int] = []

    def note(name: str, fails: bool) -> None:
        with sqlite.writing() as store:
            store.execute("INSERT INTO slots VALUES (?, '2026-04-20', 'x')", [name])
            store.after_commit.append(lambda: remembered.append(count(sqlite_url, "slots")))
            if fails:
                raise LookupError(name)

    note("a", fails=False)
    with pytest.raises(LookupError, match="b"):
        note("b", fails=True)
    note("c", fails=False)

    assert [row["name"] for row in look(sqlite_url, "SELECT name FROM slots ORDER BY name")] == ["a", "c"]
    assert remembered == [1, 2]


def test_a_failpoint_is_told_each_statement_that_may_write_and_none_that_only_reads(sqlite: Database) -> None:
    told: list[str] = []
    sqlite.failpoint = told.append

    with sqlite.writing() as store:
        store.execute("SELECT 1")
    with sqlite.reading() as store:
        store.execute("SELECT 2")

    assert told == ["BEGIN IMMEDIATE", "SELECT 1", "COMMIT"]


@pytest.mark.parametrize("facts", [{}, {"facts": {"registration": {"company_name": "Te laat"}}}])
def test_a_case_that_somebody_else_changed_is_not_written_over(
    sqlite_engine: Engine, clock: SetClock, facts: dict[str, Json]
) -> None:
    reference = bring(sqlite_engine, "rights_pending")
    database, origin = sqlite_engine.database, Origin("anna", "anna-os", "python")
    with database.reading() as store:
        found = store.find(reference=reference, external=None)
        assert found is not None
    sqlite_engine.note(reference, "somebody else")
    number, old = found
    late = Work(sqlite_engine.rules, origin, clock.now(), number, old)
    late.append(Kind.RECORDED if facts else Kind.NOTED, facts, personal={} if facts else {"text": "too late"})

    with pytest.raises(Conflict) as refused, database.writing() as store:
        store.write([late])

    said = "The case was changed by somebody else while this command ran; nothing was written."
    assert str(refused.value) == said
    assert len(sqlite_engine.history(reference)) == 2


def test_other_rules_under_a_version_that_was_stored_are_refused(sqlite_engine: Engine, sqlite_url: str) -> None:
    bring(sqlite_engine, "rights_pending")
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE definitions SET digest = 'other'")
    sqlite_engine.rules.stored_in = None

    with pytest.raises(StoreError) as refused:
        bring(sqlite_engine, "rights_pending")

    name, version = EMPLOYER_COUPLING.name, EMPLOYER_COUPLING.version
    assert str(refused.value) == (
        f"Version {version} of '{name}' was stored with other rules than this program has. "
        "Rules that change need a new version: nothing was written."
    )
    assert count(sqlite_url, "cases") == 1


def test_a_correction_replaces_the_keys_of_its_own_case_and_no_others(engine: Engine, url: str) -> None:
    first, second = (bring(engine, "rights_pending") for _ in range(2))

    def keys(number: int) -> list[Key]:
        rows = look(url, f"SELECT kind, value, detail FROM case_keys WHERE case_id = {number} ORDER BY kind, value")
        return [Key(row["kind"], row["value"], row["detail"]) for row in rows]

    def wanted(reference: str) -> list[Key]:
        with engine.database.reading() as store:
            found = store.find(reference=reference, external=None)
        assert found is not None
        keys = EMPLOYER_COUPLING.domain.keys(found[1].facts)
        return sorted((Key(key.kind, key.value, key.detail) for key in keys), key=lambda key: (key.kind, key.value))

    before = [keys(1), keys(2)]
    engine.record(first, {"registration": {"company_name": "Heel Anders B.V."}})

    assert before[0] != keys(1) == wanted(first)
    assert before[1] == keys(2) == wanted(second)
    assert all(before)


def test_letters_that_wait_for_an_address_get_the_one_that_is_recorded(engine: Engine, url: str) -> None:
    given = employer()
    bring(engine, "rights_pending")
    reference = bring(engine, "rights_pending", given)
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET recipient = NULL")
    before = look(url, "SELECT id, case_id, role, state FROM outbox ORDER BY id")

    engine.record(reference, {"registration": {"email": "nieuw@example.org"}})

    address = {row["id"]: row["recipient"] for row in look(url, "SELECT id, recipient FROM outbox")}
    number = len({row["case_id"] for row in before})
    expected = {
        row["id"]: "nieuw@example.org" if row["case_id"] == number and row["role"] == "applicant" else None
        for row in before
    }
    assert {id: address[id] for id in expected} == expected


# -- what is left of what was deleted ----------------------------------------------------------------------------------


def test_what_was_deleted_is_left_until_the_file_is_compacted(
    sqlite: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leftovers() -> bool:
        with sqlite.reading() as store:
            return has_leftovers(store)

    monkeypatch.setattr(compacting, "PATIENCE", 1)
    told: list[str] = []
    seen = [leftovers()]
    with sqlite.writing() as store:
        expect_leftovers(store, NOW)
    seen.append(leftovers())
    own, reader = (sqlite3.connect(path, isolation_level=None, timeout=7) for _ in range(2))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM cases").fetchone()

    busy = (compact(own, told.append), list(told))
    seen.append(leftovers())
    reader.execute("COMMIT")
    told.clear()
    done = (compact(own, told.append), list(told))
    seen.append(leftovers())
    patience = own.execute("PRAGMA busy_timeout").fetchone()
    own.close()
    reader.close()

    assert busy == (False, ["PRAGMA wal_checkpoint"])
    assert done == (True, ["PRAGMA wal_checkpoint", "VACUUM", "PRAGMA wal_checkpoint", "PRAGMA user_version"])
    assert seen == [False, True, True, False]
    assert patience == (7000,)


def test_compacting_an_open_database_does_all_its_steps(sqlite: Database, sqlite_url: str) -> None:
    told: list[str] = []
    with sqlite.writing() as store:
        expect_leftovers(store, NOW)
    sqlite.failpoint = told.append

    assert sqlite.compact()

    assert told == ["PRAGMA wal_checkpoint", "VACUUM", "PRAGMA wal_checkpoint", "PRAGMA user_version"]
    assert look(sqlite_url, "PRAGMA user_version") == [{"user_version": 0}]


def test_a_reader_who_comes_while_the_file_is_rewritten_keeps_it_from_being_done(
    sqlite: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compacting, "PATIENCE", 1)
    reader = sqlite3.connect(path, isolation_level=None)
    with sqlite.writing() as store:
        expect_leftovers(store, NOW)

    def begin_reading(step: str) -> None:
        if step == "VACUUM":
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM cases").fetchone()

    sqlite.failpoint = begin_reading
    done = sqlite.compact()
    reader.close()

    assert not done
    with sqlite.reading() as store:
        assert has_leftovers(store)


def test_what_was_deleted_is_left_in_postgresql_until_each_of_the_tables_was_rewritten(postgres_url: str) -> None:
    database = open_database(postgres_url)

    def leftovers() -> bool:
        with database.reading() as store:
            return has_leftovers(store)

    seen = [leftovers()]
    for _ in range(2):
        with database.writing() as store:
            expect_leftovers(store, NOW)
    seen.append(leftovers())
    with bare(postgres_url) as owner:
        owner.execute(f"VACUUM (ANALYZE) {', '.join(compacting.TABLES)}")
        seen.append(leftovers())
        for table in compacting.TABLES[:-1]:
            owner.execute(f"VACUUM FULL {table}")
        seen.append(leftovers())
        owner.execute(f"VACUUM FULL {compacting.TABLES[-1]}")
    seen.append(leftovers())
    with database.writing() as store:
        expect_leftovers(store, NOW)
    seen.append(leftovers())
    database.dispose()

    assert seen == [False, True, True, True, False, True]


def test_a_disk_that_fails_while_compacting_is_told_as_any_other(sqlite: Database, path: Path) -> None:
    def fail(_step: str) -> None:
        raise sqlite3.OperationalError("the disk is on fire")

    sqlite.failpoint = fail
    with pytest.raises(StoreError) as refused:
        sqlite.compact()

    assert str(refused.value) == f"The database {path} failed: the disk is on fire"


# -- waiting -----------------------------------------------------------------------------------------------------------


def failing(code: int, times: int) -> tuple[Callable[[], None], list[int]]:
    """What fails so often with this code of SQLite, and how often it was tried."""
    tries: list[int] = []

    def act() -> None:
        tries.append(code)
        if len(tries) <= times:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = code
            raise error

    return act, tries


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT])
def test_what_is_busy_is_tried_until_it_is_free(code: int) -> None:
    act, tries = failing(code, 3)

    when_free(act)

    assert len(tries) == 4


def test_what_is_not_merely_busy_is_not_tried_again() -> None:
    act, tries = failing(sqlite3.SQLITE_FULL, 3)

    with pytest.raises(sqlite3.OperationalError):
        when_free(act)

    assert len(tries) == 1


def test_what_stays_busy_is_given_up_after_thirty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += 10

    monkeypatch.setattr(line, "monotonic", lambda: clock[0])
    monkeypatch.setattr(line, "sleep", sleep)
    act, tries = failing(sqlite3.SQLITE_BUSY, 99)

    with pytest.raises(sqlite3.OperationalError):
        when_free(act)

    assert len(tries) == 5  # after 0, 10, 20, 30 and 40 seconds
    assert all(0.0005 <= seconds <= 0.002 for seconds in slept)


def test_only_who_reads_waits_by_itself(sqlite: Database) -> None:
    with sqlite.reading() as store:
        reading = store.execute("PRAGMA busy_timeout").fetchone()[0]
    with sqlite.writing() as store:
        writing = store.execute("PRAGMA busy_timeout").fetchone()[0]
    with sqlite.reading() as store:
        again = store.execute("PRAGMA busy_timeout").fetchone()[0]

    assert (reading, writing, again) == (30_000, 0, 30_000)


def test_what_went_wrong_is_rolled_back_and_a_connection_that_was_closed_is_of_no_more_use(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    kept = line.Line(None, connection, None)  # type: ignore[arg-type]
    idle = kept.roll_back()
    connection.execute("BEGIN")
    connection.execute("INSERT INTO slots VALUES ('a', '2026-04-20', 'x')")

    begun = kept.roll_back()
    left = connection.in_transaction, connection.execute("SELECT count(*) FROM slots").fetchone()
    connection.close()

    assert (idle, begun, kept.roll_back()) == (True, True, False)
    assert left == (False, (0,))


# -- guards ------------------------------------------------------------------------------------------------------------


def test_tables_and_columns_that_are_gone_are_named_each(sqlite: Database, sqlite_url: str) -> None:
    with bare(sqlite_url) as connection:
        connection.execute("DROP TABLE outbox_attempts")
        connection.execute("DROP TABLE slots")
        connection.execute("ALTER TABLE workers DROP COLUMN seen_at")
        connection.execute("ALTER TABLE workers DROP COLUMN stopped_at")

    with sqlite.reading() as store:
        absent = guards.missing(store)

    expected = ["column workers.seen_at", "column workers.stopped_at", "table outbox_attempts", "table slots"]
    assert sorted(absent) == expected


WAYS = ("update", "delete", "replace")
TRIGGERS = [f"{table}_refuse_{way}" for table in ("events", "leaves", "checkpoints") for way in WAYS]


@pytest.mark.parametrize("gone", TRIGGERS)
def test_each_guard_that_is_gone_or_guards_another_table_is_named(sqlite: Database, sqlite_url: str, gone: str) -> None:
    (whole,) = look(sqlite_url, f"SELECT sql FROM sqlite_master WHERE name = '{gone}'")
    refuses = "BEGIN SELECT RAISE(ABORT, 'no'); END"

    def fallen(*statements: str) -> list[str]:
        with bare(sqlite_url) as connection:
            connection.execute(f"DROP TRIGGER IF EXISTS {gone}")
            for statement in statements:
                connection.execute(statement)
        with sqlite.reading() as store:
            return guards.fallen(store)

    before, _, _ = whole["sql"].partition("BEGIN")
    assert fallen() == [gone]
    assert fallen(f"CREATE TRIGGER {gone} BEFORE UPDATE ON timers {refuses}") == [gone]
    assert fallen(f"{before}BEGIN SELECT RAISE(IGNORE); END") == [gone]
    assert fallen(f"{before}\n  {refuses}") == []
