"""The roles that docs/security.md makes in PostgreSQL: the writer can do its work and nothing to history."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from employers import bring
from looking import bare, count, events_of
from sink import Sink, delivery

from states import EMPLOYER_COUPLING
from tests.scripts.desk import GOOD, SAMPLE, Desk
from workflow import Engine, Origin, open_database, reminders
from workflow.clock import SetClock
from workflow.errors import NotAllowed
from workflow.ledger.signing import make_key
from workflow.storage import grants, shift
from workflow.storage.charset import creation
from workflow.storage.tables import metadata
from workflow.storage.upgrade import upgrade

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
ROLES = ("schakel_eraser", "schakel_writer", "schakel_auditor", "schakel_owner")
WORKER = Origin("worker", "os", "worker")
LEDGER = ("events", "leaves", "checkpoints")
TABLES = (*metadata.tables, "alembic_version")
As = Callable[[str], str]


def blocks() -> tuple[list[str], list[str]]:
    """The statements of the two blocks of SQL that make roles."""
    _, _, text = SECURITY.read_text("utf-8").partition("### Roles for PostgreSQL")
    first, second, *_ = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    return _statements(first), _statements(second)


def _statements(block: str) -> list[str]:
    return [statement.strip() for statement in block.split(";") if statement.strip()]


@pytest.fixture(scope="module")
def role(postgres_server: str) -> Iterator[As]:
    """A database made as the docs say; its URL for each role."""
    make, grant = blocks()
    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        for statement in make:
            connection.execute(statement)

        def url(name: str) -> str:
            return postgres_server.format(name="schakel").replace("//postgres:", f"//{name}:")

        upgrade(url("schakel_owner"))
        with bare(url("schakel_owner")) as owner:
            for statement in grant:
                owner.execute(statement)
        yield url
        connection.execute("DROP DATABASE schakel WITH (FORCE)")
        for name in ROLES:
            connection.execute(f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def clock() -> SetClock:
    """One clock for the one database."""
    return SetClock(datetime(2026, 4, 20, 8, tzinfo=UTC))


@pytest.fixture(scope="module")
def desk_as(role: As, clock: SetClock, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Desk]:
    """A command line that connects as a role."""
    folder = tmp_path_factory.mktemp("roles")
    make_key(folder / "signing.key", "schakel/test")
    (folder / "schakel.toml").touch()

    def _desk(name: str) -> Desk:
        environ = {
            "SCHAKEL_DATABASE_URL": role(name),
            "SCHAKEL_SIGNING_KEY": str(folder / "signing.key"),
            "SCHAKEL_SETTINGS": str(folder / "schakel.toml"),
            "SCHAKEL_ACTOR": "anna",
        }
        return Desk(environ, clock)

    return _desk


def test_the_database_is_made_with_the_encoding_that_is_needed_and_named_when_another_is_refused() -> None:
    (statement,) = (one for one in blocks()[0] if one.startswith("CREATE DATABASE"))

    assert statement.replace(" OWNER schakel_owner", "") == creation("schakel").replace('"', "")


def test_the_writer_can_do_all_the_daily_work(role: As, desk_as: Callable[[str], Desk], clock: SetClock) -> None:
    """Cases from beginning to end, reminders, letters, the ledger, an import, a worker's heartbeat."""
    desk = desk_as("schakel_writer")
    database = open_database(role("schakel_writer"))
    engine = Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "os", "python"))

    desk.ask("open -", json.dumps({"external_reference": "R1", **GOOD}))
    desk.ask("advance R1 register --key k1")
    desk.ask("note R1 gebeld")
    desk.ask("hold R1 --until 2026-04-22 --reason wacht")
    desk.ask("resume R1")
    desk.ask("advance R1 withdraw --reason verzoek")
    desk.ask("advance R1 register", code=5)
    desk.ask(f"import {SAMPLE} --advance --accept-warnings", code=0)
    confirmed, waiting = bring(engine, "confirmed"), bring(engine, "registered")
    clock.moment += timedelta(days=8)
    assert reminders.run_once(database, engine.rules, clock.now(), WORKER).reminders
    with Sink() as sink:
        assert delivery(engine, sink).run_once().sent
    with database.writing() as store:
        shift.begin(store, "w1", clock.now())
        shift.beat(store, "w1", clock.now(), stopped=True)
    assert desk.ask("tick")["checkpoints"]

    assert events_of(role("schakel_auditor"), confirmed)[-1]["kind"] == "letter_sent"
    assert {event["kind"] for event in events_of(role("schakel_auditor"), waiting)} >= {"reminded", "letter_sent"}
    assert desk.ask("audit verify")["ok"] is True
    database.dispose()


def test_the_grants_that_doctor_asks_for_are_those_of_the_document() -> None:
    granted: dict[str, set[str]] = {table: set() for table in TABLES}
    of_sequences = set()
    for statement in blocks()[1]:
        match re.fullmatch(r"GRANT ([A-Z, ]+) ON (.+) TO .*schakel_writer.*", statement):
            case None:
                continue
            case found if found[2] == "ALL SEQUENCES IN SCHEMA public":
                of_sequences.add(found[1])
            case found if found[2] != "SCHEMA public":
                for table in TABLES if found[2].startswith("ALL TABLES") else found[2].split(", "):
                    granted[table] |= set(found[1].split(", "))

    assert {table: set(acts) for table, acts in grants.WRITER.items()} == granted
    assert of_sequences == {"USAGE"}


def test_each_grant_that_the_writer_lacks_is_noticed_and_what_doctor_says_gives_it_back(role: As) -> None:
    database = open_database(role("schakel_writer"))

    def lacking() -> tuple[tuple[grants.Lack, ...], str]:
        with database.reading() as store:
            return grants.lacking(store)

    with bare(role("schakel_owner")) as owner:
        sequences = {row[0] for row in owner.execute("SELECT relname FROM pg_class WHERE relkind = 'S'")}
        whole = lacking()
        needed = [(table, act) for table, acts in grants.WRITER.items() for act in acts]
        unseen, ungiven = [], []
        for name, act in (*needed, *((sequence, "USAGE") for sequence in sequences)):
            kind = "SEQUENCE" if act == "USAGE" else "TABLE"
            owner.execute(f"REVOKE {act} ON {kind} {name} FROM schakel_writer")
            lacks, who = lacking()
            unseen += [(name, act)] * (lacks != ((name, act),))
            for statement in grants.grants_of(lacks, who):
                owner.execute(statement)
            ungiven += [(name, act)] * (lacking()[0] != ())
    database.dispose()

    assert whole == ((), "")
    assert sequences == set(grants.SEQUENCES)
    assert (unseen, ungiven) == ([], [])


def test_who_only_audits_is_asked_for_no_grant(desk_as: Callable[[str], Desk]) -> None:
    checks = desk_as("schakel_auditor").ask("doctor", code=1)["checks"]

    (failed,) = [found for found in checks if (found["check"], found["result"]) == ("database", "fail")]
    assert failed["message"].startswith("It cannot be written: ")
    assert failed["todo"] == "let the account that runs Schakel write it; one that only audits need not"
    assert desk_as("schakel_writer").ask("doctor")["ok"] is True


@pytest.mark.parametrize("table", LEDGER)
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE {0} SET id = id",
        "DELETE FROM {0}",
        "TRUNCATE {0}",
        "ALTER TABLE {0} DISABLE TRIGGER ALL",
        "DROP TRIGGER {0}_refuse_change ON {0}",
        "DROP TABLE {0} CASCADE",
        "CREATE TRIGGER mine BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION {1}()",
        "CREATE OR REPLACE FUNCTION {1}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
        "SET ROLE schakel_owner",
    ],
)
@pytest.mark.parametrize("name", ["schakel_writer", "schakel_eraser", "schakel_auditor"])
def test_nobody_but_the_owner_can_change_history_or_its_guards(role: As, name: str, table: str, sql: str) -> None:
    statement = sql.format(table, "events_refuse" if table == "events" else "ledger_refuse")

    with bare(role(name)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_the_triggers_refuse_it_to_the_owner_too(role: As, desk_as: Callable[[str], Desk]) -> None:
    desk_as("schakel_writer").ask("open -", json.dumps({"external_reference": "R2", **GOOD}))

    with bare(role("schakel_owner")) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute("DELETE FROM events")


def test_the_writer_can_take_no_value_out_of_the_proof(role: As) -> None:
    for sql in (
        "DELETE FROM private_values",
        "UPDATE private_values SET value = '1'",
        "UPDATE definitions SET name = ''",
    ):
        with bare(role("schakel_writer")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(sql)


def test_only_the_eraser_erases(role: As, desk_as: Callable[[str], Desk]) -> None:
    words = "audit erase R3 --reason 'op verzoek' --ground 'AVG art. 17' --yes"
    writer, eraser = desk_as("schakel_writer"), desk_as("schakel_eraser")
    case = writer.open("R3")
    writer.ask("advance R3 withdraw --reason verzoek")
    before = len(events_of(role("schakel_auditor"), case))

    refused = writer.run(words)

    assert (refused.exit_code, "Traceback" in refused.output) == (1, False)
    assert "erase as schakel_eraser" in " ".join(refused.stderr.split())
    assert len(events_of(role("schakel_auditor"), case)) == before
    erased = eraser.ask(words)
    assert erased["values"]
    assert eraser.ask("audit verify")["ok"] is True
    told: list[str] = []
    with bare(role("schakel_owner")) as owner:  # who may not is only warned
        owner.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        owner.execute(erased["next"])
    assert told == []


def test_only_the_owner_upgrades_and_another_who_tries_is_told_so(
    role: As, desk_as: Callable[[str], Desk], postgres_server: str
) -> None:
    def upgraded_by_the_writer(name: str) -> str:
        url = postgres_server.format(name=name).replace("//postgres:", "//schakel_writer:")
        with pytest.raises(NotAllowed) as error:
            upgrade(url)
        return str(error.value)

    with psycopg.connect(postgres_server.format(name="postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE older OWNER schakel_owner")
        empty = upgraded_by_the_writer("older")
        upgrade(postgres_server.format(name="older").replace("//postgres:", "//schakel_owner:"))
        not_granted = upgraded_by_the_writer("older")
        connection.execute("DROP DATABASE older WITH (FORCE)")

    for said, what in ((empty, "schema public"), (not_granted, "table alembic_version")):
        told = "run schakel init as the role that owns the tables (schakel_owner in docs/security.md), then its grants"
        assert said.endswith(f" does not allow that (permission denied for {what}): {told}"), said
    assert desk_as("schakel_writer").ask("init")["database"] == {"made": False, "migrated": False}


def test_the_auditor_verifies_and_exports_and_can_write_nothing(
    role: As, desk_as: Callable[[str], Desk], tmp_path: Path
) -> None:
    writer, auditor = desk_as("schakel_writer"), desk_as("schakel_auditor")
    writer.open("R4")
    writer.ask("tick")
    key = str(writer.ask("audit key")["key"])
    events = count(role("schakel_auditor"), "events")

    assert auditor.ask(f"audit verify --key {key}")["ok"] is True
    assert auditor.ask("audit verify R4")["ok"] is True
    assert auditor.ask(f"audit export {tmp_path / 'out.zip'}")["events"] == events
    assert auditor.run("note R4 gebeld").exit_code == 1
    assert auditor.run(f"audit export {tmp_path / 'more.zip'} --reveal").exit_code == 1

    for table in TABLES:
        column = _a_column(table)
        acts = (
            f"INSERT INTO {table} DEFAULT VALUES",
            f"UPDATE {table} SET {column} = {column}",
            f"DELETE FROM {table}",
        )
        for sql in acts:
            with bare(role("schakel_auditor")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql)
    assert count(role("schakel_auditor"), "events") == events


def _a_column(table: str) -> str:
    return "version_num" if table == "alembic_version" else str(next(iter(metadata.tables[table].c)).name)
