"""Many processes on few cases: no update is lost, and what was acknowledged is in the history once.

By default 8 processes × 60 commands; SCHAKEL_LONG multiplies that, up to the full 500 (SCHAKEL_LONG=9).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from crowd import crowd
from employers import LONG, bring, employer
from looking import WAITS, case_row, count, events_of, look, traces
from sink import eventually

from workflow import Conflict, Database, Engine, NoSuchCase, Origin, Refused, commands, open_database
from workflow.answers import Case, Moved, Row
from workflow.clock import SetClock
from workflow.finding import find_case
from workflow.storage import queries
from workflow.storage.store import Store
from workflow.work import Work

PROCESSES, CASES = 8, 20
COMMANDS = min(60 * LONG, 500)
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'schakel' AND datname = current_database()"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
T = TypeVar("T")


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


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have this done once, after the next command decided and before it writes."""
    waiting, write = [act], Store.write

    def write_late(store: Store, works: Sequence[Work]) -> None:
        if waiting:
            waiting.pop()()
        write(store, works)

    monkeypatch.setattr(Store, "write", write_late)


@pytest.fixture
def postgres(postgres_url: str, opening: Callable[[str], Database]) -> Database:
    return opening(postgres_url)


@pytest.fixture
def other(postgres_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine]) -> Engine:
    """Somebody else, with a connection of his own."""
    return make_engine(opening(postgres_url))


def test_on_postgresql_a_command_keeps_nobody_off_while_it_decides(
    postgres: Database, postgres_url: str, make_engine: Callable[[Database], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(postgres)
    case = bring(engine, "rights_pending")
    held: list[dict[str, object]] = []
    told: list[str] = []
    meanwhile(monkeypatch, lambda: held.extend(look(postgres_url, "SELECT 1 AS got FROM cases FOR UPDATE NOWAIT")))
    postgres.failpoint = told.append

    engine.advance(case, "register")

    assert held == [{"got": 1}]
    assert [sql.partition(" ")[0] for sql in told] == ["SELECT", "WITH"]


RACES: dict[str, Callable[[Engine, str], object]] = {
    "one statement": lambda engine, case: engine.advance(case, "register", key="k1"),
    "a transaction, as the keys change": lambda engine, case: engine.advance(
        case,
        "register",
        facts={"registration": {"company_name": "Nieuw", "email": "a@example.nl"}},
        accept_warnings=True,
    ),
}


@pytest.mark.parametrize("name", RACES)
def test_on_postgresql_a_command_that_somebody_was_before_is_decided_anew_on_what_stands_now(
    postgres: Database,
    other: Engine,
    make_engine: Callable[[Database], Engine],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
) -> None:
    engine = make_engine(postgres)
    with pytest.raises(NoSuchCase):
        engine.case("K-0000-0000")
    for _ in range(6):  # the seventh time everything is prepared, or psycopg believes so
        case = bring(engine, "rights_pending")
        meanwhile(monkeypatch, partial(other.note, case, "was eerder"))
        moved = RACES[name](engine, case)
        assert isinstance(moved, Moved)
        assert moved.seq == 3
        assert [step.event.kind for step in engine.history(case)] == ["opened", "noted", "moved"]
        assert engine.replay(case).matches_stored
    assert capfd.readouterr().err == ""


def test_on_postgresql_what_was_decided_anew_is_refused_by_what_stands_now(
    postgres: Database, other: Engine, make_engine: Callable[[Database], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = make_engine(postgres)
    case = bring(engine, "registered")
    meanwhile(monkeypatch, lambda: other.advance(case, "enrich"))
    with pytest.raises(Refused, match="is enriched"):
        engine.advance(case, "enrich")
    meanwhile(monkeypatch, lambda: other.record(case, {"registration": {"contact_name": "Een ander"}}))
    with pytest.raises(Conflict, match="at version 4, not 3"):
        engine.advance(case, "hand_over", expect_version=3)

    kinds = [str(step.event.kind) for step in engine.history(case)]
    assert kinds == ["opened", "moved", "moved", "refused", "recorded"]


def locked_meanwhile(
    holder: Database, case: str, act: Callable[[Store, tuple[int, Case]], None], command: Callable[[], T]
) -> T:
    """Lock the case, have a command begun that waits for it, act on the case and commit; what the command answers."""
    url = holder.url.render_as_string(hide_password=False)
    with ThreadPoolExecutor() as pool:
        with holder.writing() as store:
            found = find_case(store, case, lock=True)
            begun = pool.submit(command)
            waits = eventually(lambda: bool(look(url.replace("+psycopg", ""), WAITS)))
            act(store, found)
        answer = begun.result(timeout=30)
    assert waits, "the command did not wait"
    return answer


def test_on_postgresql_who_decides_waits_for_who_holds_the_case_and_never_crosswise(
    postgres: Database, postgres_url: str, other: Engine, make_engine: Callable[[Database], Engine]
) -> None:
    """Whoever has the row locked writes his event next: one that wrote its event before the row would block him."""
    engine = make_engine(postgres)
    case = bring(engine, "rights_pending")

    def note(store: Store, found: tuple[int, Case]) -> None:
        work = Work(engine.rules, Origin("a", "a", "python"), engine.clock.now(), *found)
        commands.note(work, "had de zaak")
        store.write([work])

    moved = locked_meanwhile(other.database, case, note, lambda: engine.advance(case, "register"))
    for database in (postgres, other.database):
        database.dispose()  # a session tells its deadlocks at the latest when it ends
    gone = eventually(lambda: not look(postgres_url, SESSIONS))

    assert gone
    assert moved.seq == 3
    assert look(postgres_url, DEADLOCKS) == [{"deadlocks": 0}]


def test_on_postgresql_timers_that_are_put_anew_while_a_command_waits_are_ended_by_it_all_the_same(
    postgres: Database, postgres_url: str, other: Engine, make_engine: Callable[[Database], Engine]
) -> None:
    engine = make_engine(postgres)
    case = bring(engine, "registered")
    engine.hold(case, engine.clock.now().date() + timedelta(days=9), "wacht")

    def put_anew(store: Store, found: tuple[int, Case]) -> None:
        store.rewrite_timers([Work(engine.rules, Origin("a", "a", "python"), engine.clock.now(), *found)])

    locked_meanwhile(other.database, case, put_anew, lambda: engine.resume(case))

    assert [row["kind"] for row in look(postgres_url, "SELECT kind FROM timers")] == ["rung"]
