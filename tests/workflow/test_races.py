"""Many processes on few cases: no update is lost, and what was acknowledged is in the history once (promise 2).

By default 8 processes × 60 commands; SCHAKEL_LONG multiplies that, up to the full 500 (SCHAKEL_LONG=9).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from crowd import crowd
from employers import LONG, bring, employer
from looking import case_row, count, events_of, look, traces
from sink import eventually

from workflow import Conflict, Database, Engine, Origin, Refused, commands, open_database
from workflow.answers import Row
from workflow.clock import SetClock
from workflow.finding import find_case
from workflow.storage import queries
from workflow.work import Work

PROCESSES, CASES = 8, 20
COMMANDS = min(60 * LONG, 500)
WAITS = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def cases(url: str, make_engine: Callable[[Database], Engine]) -> list[str]:
    """Complete cases to fight over; no connection of this process is left open."""
    database = open_database(url)
    engine = make_engine(database)
    made = [bring(engine, "rights_pending") for _ in range(CASES)]
    database.dispose()
    return made


@pytest.fixture
def one(cases: list[str]) -> str:
    return cases[0]


def test_no_update_is_lost_and_every_acknowledged_command_is_in_the_history_once(
    url: str, clock: SetClock, cases: list[str], tmp_path: Path, make_engine: Callable[[Database], Engine]
) -> None:
    def act(engine: Engine, number: int) -> list[Any]:
        chance = random.Random(number)
        return [_record_or_advance(engine, chance, cases, f"{number}/{turn}") for turn in range(COMMANDS)]

    told = [answer for answers in crowd(url, clock, PROCESSES, tmp_path, act) for answer in answers]

    done = Counter((case, seq, digest) for case, seq, digest, how in told if how in ("recorded", "moved"))
    history = Counter(
        (case, event["seq"], event["hash"])
        for case in cases
        for event in events_of(url, case)
        if event["kind"] in ("recorded", "moved")
    )
    assert done == history
    assert max(done.values()) == 1
    refused = Counter(case for case, _, _, how in told if how == "refused")
    assert refused == Counter(case for case in cases for event in events_of(url, case) if event["kind"] == "refused")
    database = open_database(url)
    engine = make_engine(database)
    for case in cases:
        replayed, row = engine.replay(case), case_row(url, case)
        assert replayed.matches_stored
        assert row["version"] == 1 + sum(1 for promised in done if promised[0] == case)
        assert [event["seq"] for event in events_of(url, case)] == [*range(1, row["seq"] + 1)]
    database.dispose()


def _record_or_advance(engine: Engine, chance: random.Random, cases: list[str], word: str) -> list[Any]:
    """One command on a shared case; its case, place and hash in history, and how it ended."""
    case = chance.choice(cases)
    try:
        if chance.random() < 0.5:
            event = engine.record(case, {"registration": {"contact_name": word}}).event
            assert event is not None
            return [case, event.seq, event.hash, "recorded"]
        version = engine.case(case).case.version if chance.random() < 0.3 else None
        trigger = chance.choice(["register", "enrich", "hand_over", "return_to_asr", "return_to_applicant"])
        back = trigger.startswith("return")
        moved = engine.advance(case, trigger, reason="terug" if back else None, expect_version=version)
    except Refused:
        return [case, None, None, "refused"]
    except Conflict:
        return [case, None, None, "conflict"]
    return [case, moved.seq, moved.hash, "moved"]


def test_a_write_that_names_a_version_of_before_is_a_conflict_and_writes_nothing(
    engine: Engine, database: Database, url: str
) -> None:
    case = bring(engine, "rights_pending")
    with database.reading() as store:
        stale = find_case(store, case)
    engine.record(case, {"registration": {"contact_name": "wie het eerst komt"}})
    before = traces(url, case), events_of(url, case)
    work = Work(engine.rules, Origin("bert", "bert-os", "python"), engine.clock.now(), *stale)
    commands.record(work, {"registration": {"contact_name": "wie te laat komt"}})

    with pytest.raises(Conflict), database.writing() as store:
        store.write([work])

    assert (traces(url, case), events_of(url, case)) == before


def test_an_update_that_names_a_version_of_before_touches_no_row(engine: Engine, database: Database, url: str) -> None:
    case = bring(engine, "registered")
    row = case_row(url, case)
    values = {"case_id": row["id"], "was_version": row["version"] - 1, "was_seq": row["seq"], "state": "withdrawn"}
    moments = dict.fromkeys(("at", "entered_at", "due_at", "ended_at"), engine.clock.now())

    with database.writing() as store:
        store.run(queries.update_case, {**row, **moments, **values})

    assert case_row(url, case) == row


def test_a_version_that_many_expect_is_had_by_one(url: str, clock: SetClock, one: str, tmp_path: Path) -> None:
    def act(engine: Engine, number: int) -> list[Any]:
        try:
            return [engine.advance(one, "register", expect_version=1).seq]
        except Conflict:
            return []

    told = crowd(url, clock, PROCESSES, tmp_path, act)

    assert sorted(map(len, told)) == [0] * (PROCESSES - 1) + [1]
    assert [event["kind"] for event in events_of(url, one)] == ["opened", "moved"]


def test_equal_commands_with_one_key_happen_once(url: str, clock: SetClock, one: str, tmp_path: Path) -> None:
    def act(engine: Engine, number: int) -> list[Any]:
        moved = engine.advance(one, "register", key="k1")
        return [moved.seq, moved.hash, moved.repeated]

    told = crowd(url, clock, PROCESSES, tmp_path, act)

    assert len({(seq, digest) for seq, digest, _ in told}) == 1
    assert sorted(repeated for _, _, repeated in told) == [False] + [True] * (PROCESSES - 1)
    assert [event["kind"] for event in events_of(url, one)] == ["opened", "moved"]


def test_one_external_reference_is_opened_once(url: str, clock: SetClock, one: str, tmp_path: Path) -> None:
    def act(engine: Engine, number: int) -> list[Any]:
        try:
            opened = [engine.open_case(employer("registration"), external_reference="EXT-1").case.reference]
        except Conflict:
            opened = []
        engine.open_case(employer("registration"))  # whoever lost can go on
        return opened

    told = crowd(url, clock, PROCESSES, tmp_path, act)

    assert sorted(map(len, told)) == [0] * (PROCESSES - 1) + [1]
    assert count(url, "cases") == CASES + 1 + PROCESSES


def test_one_file_imported_by_many_at_once_opens_each_employer_once(
    url: str, clock: SetClock, one: str, tmp_path: Path
) -> None:
    facts = [employer("loket_user", "registration") for _ in range(30)]

    def act(engine: Engine, number: int) -> list[Any]:
        rows = [Row(n, f"E{n}", given) for n, given in enumerate(facts)]
        random.Random(number).shuffle(rows)
        return [result.result for result in engine.import_rows(rows, advance=True)]

    told = crowd(url, clock, 4, tmp_path, act)

    assert {result for results in told for result in results} <= {"accept", "unchanged"}
    assert sum(results.count("accept") for results in told) == 30
    assert look(url, "SELECT state, count(*) AS n FROM cases WHERE external_reference IS NOT NULL GROUP BY state") == [
        {"state": "registered", "n": 30}
    ]


def test_a_reader_sees_one_moment_while_others_write(url: str, clock: SetClock, one: str, tmp_path: Path) -> None:
    def act(engine: Engine, number: int) -> list[Any]:
        if number:
            for turn in range(20):
                engine.record(one, {"registration": {"contact_name": f"{number}/{turn}"}})
            return []
        return [engine.replay(one).matches_stored for _ in range(20)]

    seen, *_ = crowd(url, clock, 3, tmp_path, act)

    assert seen == [True] * 20


def meanwhile(database: Database, act: Callable[[], object]) -> list[str]:
    """Have this done once, just before the first statement that writes; the statements that were run."""
    told: list[str] = []
    waiting = [act]

    def failpoint(sql: str) -> None:
        told.append(sql)
        if waiting and "INSERT" in sql:
            waiting.pop()()

    database.failpoint = failpoint
    return told


@pytest.fixture
def postgres(postgres_url: str) -> Iterator[Database]:
    database = open_database(postgres_url)
    yield database
    database.dispose()


def test_on_postgresql_a_command_keeps_nobody_off_while_it_decides(
    postgres: Database, postgres_url: str, make_engine: Callable[[Database], Engine]
) -> None:
    engine = make_engine(postgres)
    case = bring(engine, "rights_pending")
    held: list[dict[str, object]] = []
    told = meanwhile(postgres, lambda: held.extend(look(postgres_url, "SELECT 1 AS got FROM cases FOR UPDATE NOWAIT")))

    engine.advance(case, "register")

    assert held == [{"got": 1}]
    assert [sql.partition(" ")[0] for sql in told] == ["SELECT", "WITH"]


def test_on_postgresql_a_command_that_somebody_was_before_is_decided_anew_on_what_stands_now(
    postgres: Database, postgres_url: str, make_engine: Callable[[Database], Engine]
) -> None:
    engine, other = make_engine(postgres), make_engine(open_database(postgres_url))
    case = bring(engine, "rights_pending")
    meanwhile(postgres, lambda: other.note(case, "was eerder"))
    moved = engine.advance(case, "register", key="k1")
    meanwhile(postgres, lambda: other.advance(case, "enrich"))

    with pytest.raises(Refused, match="is enriched"):
        engine.advance(case, "enrich")
    meanwhile(postgres, lambda: other.record(case, {"registration": {"contact_name": "Een ander"}}))
    with pytest.raises(Conflict, match="not 3"):
        engine.advance(case, "hand_over", expect_version=3)
    other.database.dispose()

    kinds = [(step.event.seq, step.event.kind) for step in engine.history(case)]
    assert moved.seq == 3
    assert kinds == [*enumerate(["opened", "noted", "moved", "moved", "refused", "recorded"], 1)]
    assert engine.replay(case).matches_stored


def test_on_postgresql_who_decides_waits_for_who_holds_the_case_and_never_crosswise(
    postgres: Database, postgres_url: str, make_engine: Callable[[Database], Engine]
) -> None:
    """Whoever has the row locked writes his event next: one that wrote its event before the row would block him."""
    holder = open_database(postgres_url)
    engine = make_engine(postgres)
    case = bring(engine, "rights_pending")
    with ThreadPoolExecutor() as pool:
        with holder.writing() as store:
            work = Work(
                engine.rules, Origin("a", "a", "python"), engine.clock.now(), *find_case(store, case, lock=True)
            )
            moved = pool.submit(engine.advance, case, "register")
            waits = eventually(lambda: bool(look(postgres_url, WAITS)))
            commands.note(work, "had de zaak")
            store.write([work])
        seq = moved.result(timeout=30).seq
    deadlocks = look(postgres_url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    holder.dispose()

    assert waits
    assert seq == 3
    assert deadlocks == [{"deadlocks": 0}]
