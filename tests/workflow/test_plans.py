"""Every statement of a command or of a pass of the worker finds its rows through an index, however many there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from looking import look
from sink import Sink
from tampering import run

from scripts.erasure_checkup import examine_erasures
from scripts.metrics import Watch
from scripts.wiring import Session
from states import EMPLOYER_COUPLING
from tests.benchmarks import employers, population, scale
from tests.benchmarks.scale import Desk
from workflow import Database, Engine, Origin, open_database
from workflow.clock import SystemClock
from workflow.ledger.erasures import keep_erasure
from workflow.ledger.signing import make_key
from workflow.storage.store import Store
from workflow.storage.tables import metadata

CASES = 1500
SMALL = {
    "alembic_version",
    "sqlite_master",
    "definitions",
    "restores",
    "sequencer",
    "slots",
    "workers",
    "w",
    "wanted",
    "VALUES",
    "CONSTANT",
}
"""Tables that do not grow with the cases, and rows that stand in the statement itself."""
PARTIAL = {index.name for table in metadata.tables.values() for index in table.indexes if "where" in index.info}
"""Indexes over the few rows that ask for something."""
Seen = dict[str, dict[str, Any]]
"""Statements with the values they were run with."""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key that signs the ledger of whoever works on the shared database."""
    path = tmp_path_factory.mktemp("key") / "signing.key"
    make_key(path, "schakel/plans")
    return path


@pytest.fixture(scope="module", params=["sqlite", "sqlite, analysed", "postgresql, analysed"])
def desk(new_url: Callable[[str], str], key: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A population, with and without the statistics that PostgreSQL gathers by itself, and SQLite never."""
    dialect, _, analysed = request.param.partition(", ")
    url = new_url(dialect)
    population.fill(url, CASES, analyse=bool(analysed))
    with Sink() as sink:
        smtp = {"SCHAKEL_SMTP_URL": f"smtp://127.0.0.1:{sink.port}", "SCHAKEL_MAIL_FROM": "schakel@example.org"}
        mail = {"SCHAKEL_MAIL_ASR": "a@example.org", "SCHAKEL_MAIL_KEYLANE": "k@example.org"}
        desk = Desk(url, CASES, key, **smtp, **mail)
        yield desk
        desk.close()


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Seen]:
    """Remember what is run meanwhile."""
    seen: Seen = {}
    execute, first = Store.execute, Store.first
    run_many, change_at_once = Store.run_many, Store.change_at_once

    def watch(store: Store, sql: str, values: dict[str, Any] | None = None) -> Any:
        seen[sql] = values or {}
        return execute(store, sql, values)

    def look_at(store: Store, query: Any, values: Any) -> None:
        if values:
            statement = store._prepared(query)
            seen[statement.sql] = statement.bind(values[0])

    def watch_first(store: Store, query: Any, values: dict[str, Any]) -> Any:
        look_at(store, query, [values])
        return first(store, query, values)

    def watch_many(store: Store, query: Any, values: Any) -> int:
        look_at(store, query, values)
        return run_many(store, query, values)

    def watch_at_once(store: Store, changes: Any) -> bool:
        for query, values in changes:
            look_at(store, query, values)
        return change_at_once(store, changes)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "execute", watch)
        patch.setattr(Store, "first", watch_first)
        patch.setattr(Store, "run_many", watch_many)
        patch.setattr(Store, "change_at_once", watch_at_once)
        yield seen


def scanned(database: Database, sql: str, values: dict[str, Any]) -> set[str]:
    """The tables that a statement reads from end to end, or along a whole index without stopping at a limit."""
    if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", sql):
        return set()
    with database.reading() as store:
        if store.is_sqlite:
            plan = [row[3] for row in store.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall()]
            return set(_scanned_by_sqlite(plan, sql)) - SMALL
        for cheap in ("seqscan", "hashjoin", "mergejoin"):  # the cheapest ways while a table is small
            store.execute(f"SET LOCAL enable_{cheap} = off")
        (plan,) = store.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchone()
        return set(_scanned_by_postgresql(plan[0]["Plan"])) - SMALL


def _scanned_by_sqlite(plan: list[str], sql: str) -> Iterator[str]:
    stops = "LIMIT" in sql and "WHERE" not in sql and not any("TEMP B-TREE" in line for line in plan)
    for line in plan:
        found = re.match(r"SCAN (\w+)\b(?! VIRTUAL)(?: USING (?:COVERING )?INDEX (\w+))?", line)
        if found and not stops and found[2] not in PARTIAL:
            yield found[1]
        largest = re.fullmatch(r"SEARCH (\w+)", line)  # max(id): of those that fit it looks for the largest one by one
        if largest and re.search(rf"FROM {largest[1]}\s+WHERE", sql):
            yield largest[1]


def _scanned_by_postgresql(node: dict[str, Any], *, stops: bool = False) -> Iterator[str]:
    kind, index = node["Node Type"], node.get("Index Name")
    stops = (stops or kind == "Limit") and kind != "Sort"
    whole = kind == "Seq Scan" or ("Index" in kind and "Index Cond" not in node and index not in PARTIAL)
    if whole and (not stops or "Filter" in node):
        yield node.get("Relation Name", index)
    for part in node.get("Plans", ()):
        yield from _scanned_by_postgresql(part, stops=stops)


def scans(desk: Desk, seen: Seen) -> dict[str, set[str]]:
    database = open_database(desk.environ["SCHAKEL_DATABASE_URL"])
    found = {" ".join(sql.split())[:200]: scanned(database, sql, values) for sql, values in seen.items()}
    database.dispose()
    return {sql: tables for sql, tables in found.items() if tables}


@pytest.mark.parametrize("what", scale.TURNS)
def test_no_command_reads_a_table_from_end_to_end(desk: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = scale.TURNS[what](desk)
    with watched(monkeypatch) as seen:
        turn()

    assert len(seen) >= 2
    assert scans(desk, seen) == {}


@pytest.mark.parametrize(
    "words",
    [
        "hold {} --until 2026-10-09 --reason wacht",
        "record {} registration email=goed@example.com",
        "audit checkpoint",
        "mail list --case {} --limit 9",
        "list --overdue",
    ],
)
def test_no_other_command_does(desk: Desk, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = desk.waiting()
    with watched(monkeypatch) as seen:
        desk.run(*words.format(waiting).split())

    assert scans(desk, seen) == {}


def test_no_scrape_of_the_metrics_does_but_to_count_all_cases(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(desk.environ, clock=desk.clock)
    with watched(monkeypatch) as seen:
        told = Watch(session, {})._look()
    session.close()

    assert len(told) >= 5
    assert len(seen) >= 5
    assert scans(desk, seen) == {}


def test_erasing_does_not_either(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters about several cases are read through, since they name them in their text: few, and by an index."""
    case = desk.waiting()
    desk.run("advance", case, "withdraw", "--reason", "op verzoek")
    of_the_case = f"case_id = (SELECT id FROM cases WHERE reference = '{case}')"
    run(desk.environ["SCHAKEL_DATABASE_URL"], f"UPDATE outbox SET merged_into = 7 WHERE {of_the_case}")
    with watched(monkeypatch) as seen:
        desk.run("audit", "erase", case, "--reason", "op verzoek", "--ground", "AVG art. 17", "--yes")

    assert '%{"id":7,%' in str(list(seen.values()))
    assert scans(desk, seen) == {}


def test_doctor_looks_only_at_the_cases_that_the_file_of_erasures_names(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "erasures"
    keep_erasure(path, desk.waiting(), desk.clock.now(), "a" * 64)
    monkeypatch.setitem(desk.environ, "SCHAKEL_ERASURES_FILE", str(path))
    with watched(monkeypatch) as seen:
        session = Session(environ=desk.environ, clock=desk.clock)
        (failed,) = [found for found in examine_erasures(session) if found[0] == "fail"]
        session.close()

    assert "they are not: K-" in failed[1]
    assert any("FROM cases" in sql for sql in seen)
    assert scans(desk, seen) == {}


def test_no_pass_of_the_worker_does_when_much_is_due(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.clock.moment += timedelta(days=28)
    with watched(monkeypatch) as seen:
        desk.tick()

    assert len(seen) > 20
    assert scans(desk, seen) == {}


def test_a_change_of_an_old_case_stays_on_its_page_so_that_postgresql_touches_no_index(postgres_url: str) -> None:
    database = open_database(postgres_url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock(), origin=Origin("test", "os", "import"))
    opened = [row.case for row in engine.import_rows(employers.rows(1, 100)) if row.case]
    pages = "SELECT id, (ctid::text::point)[0] AS page FROM cases ORDER BY id"
    before = look(postgres_url, pages)

    for case in opened[::5]:
        engine.note(case, "Gezien.")
    database.dispose()

    assert len({row["page"] for row in before}) > 5
    assert look(postgres_url, pages) == before
