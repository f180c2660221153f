"""What was read elsewhere is one `recorded` event a reading, and the sheet it fills is filled by nothing else."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, events_of, look, traces

from workflow import Conflict, Engine, Origin, Refused, UsageError
from workflow.answers import Case, Recorded, Row
from workflow.facts import Context, Facts
from workflow.observation import Observation
from workflow.observing import observe

LOKET = Origin("anna", "anna-os", "loket")
EVIDENCE = {"nonce": "00", "rights": ["Raadplegen HRM"]}
SEEN = {"loket_seen": {"checked_on": "2026-04-20"}}


def see(engine: Engine, reference: str, facts: Facts, *, version: int | None = None, dry_run: bool = False) -> Recorded:
    def decide(_case: Case, _context: Context) -> tuple[Facts, Observation]:
        return facts, Observation({"observation": {"checks": {"rights": "fail"}}}, {"evidence": EVIDENCE})

    case = engine.case(reference).case
    return observe(
        engine.database,
        engine.rules,
        reference,
        decide,
        now=engine.clock.now(),
        origin=LOKET,
        version=case.version if version is None else version,
        dry_run=dry_run,
    )


def test_a_reading_is_one_event_with_its_way_and_its_evidence_apart(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")

    recorded = see(engine, case, SEEN)

    event = recorded.event
    assert event is not None
    assert (event.kind, event.origin.via, event.seq) == ("recorded", "loket", 2)
    assert event.body["observation"] == {"checks": {"rights": "fail"}}
    assert set(event.commitments) == {"evidence"}
    assert b"Raadplegen HRM" not in event.canonical
    (kept,) = look(url, "SELECT path, value FROM private_values WHERE seq = 2")
    assert kept["path"] == "evidence"
    assert "Raadplegen HRM" in kept["value"]


def test_a_reading_is_decided_on_the_case_as_it_is_beside_the_older_ones_and_answered_whole(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    older = sqlite_engine.open_case(facts := employer()).case.reference
    case = sqlite_engine.open_case(facts | {"registration": facts["registration"] | {"kvk_number": "12"}}).case
    asked = []

    def decide(found: Case, context: Context) -> tuple[Facts, Observation]:
        asked.append((found, context.today, {other.reference for other in context.others}))
        return {"loket_user": {"rights": []}}, Observation({"observation": {"checks": {}}})

    now = sqlite_engine.clock.now() + timedelta(days=1)
    recorded = observe(
        sqlite_engine.database,
        sqlite_engine.rules,
        case.reference.lower(),
        decide,
        now=now,
        origin=LOKET,
        version=1,
    )

    assert asked == [(case, date(2026, 4, 21), {older})]
    stored = sqlite_engine.case(case.reference)
    event = recorded.event
    assert event is not None
    assert (event.at, event.origin, event.case) == (now, LOKET, case.reference)
    assert recorded == Recorded(stored.case, event, ("loket_user.rights",), ("rights_missing",), stored.problems)
    assert {"CASE_DUPLICATE", "KVK_FORMAT", "RIGHTS_MISSING"} <= {one.code for one in recorded.problems}
    assert events_of(sqlite_url, case.reference)[-1]["hash"] == event.hash


def test_a_reading_that_changes_nothing_is_in_the_history_all_the_same(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    see(engine, case, SEEN)

    again = see(engine, case, SEEN)

    assert (again.changed, again.event is not None) == ((), True)
    assert [row["kind"] for row in events_of(url, case)] == ["opened", "recorded", "recorded"]
    assert engine.replay(case).matches_stored


def test_a_dry_run_writes_nothing_and_tells_what_would_come_of_it(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    before = traces(url, case)

    dry = see(engine, case, SEEN | {"loket_user": {"rights": []}}, dry_run=True)

    assert [problem.code for problem in dry.problems] == ["RIGHTS_MISSING"]
    assert traces(url, case) == before
    assert len(events_of(url, case)) == 1


def test_a_case_that_changed_meanwhile_is_a_conflict_and_stays_as_it_was(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    read_at = engine.case(case).case.version
    engine.record(case, {"registration": {"contact_name": "Iemand anders"}})
    before = traces(url, case)

    with pytest.raises(Conflict):
        see(engine, case, SEEN, version=read_at)

    assert traces(url, case) == before


def test_a_letter_that_went_out_meanwhile_is_no_conflict(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    read_at = engine.case(case).case.version
    engine.note(case, "Gebeld.")

    assert see(engine, case, SEEN, version=read_at).event is not None


def test_a_case_that_has_ended_is_not_changed(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")
    before = traces(url, case)

    with pytest.raises(Refused):
        see(engine, case, SEEN)

    assert traces(url, case) == before


def test_an_erased_value_of_a_reading_leaves_its_event_provable(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    see(engine, case, SEEN)
    with bare(url) as connection:
        connection.execute("DELETE FROM private_values WHERE path = 'evidence'")

    assert engine.replay(case).matches_stored


def by_opening(engine: Engine, case: str) -> Any:
    return engine.open_case(employer() | SEEN)


def by_recording(engine: Engine, case: str) -> Any:
    return engine.record(case, SEEN)


def by_advancing(engine: Engine, case: str) -> Any:
    return engine.advance(case, "register", facts=SEEN)


@pytest.mark.parametrize("act", [by_opening, by_recording, by_advancing])
def test_nobody_fills_by_hand_what_only_a_reading_fills(engine: Engine, url: str, act: Any) -> None:
    case = bring(engine, "rights_pending")
    before = traces(url, case)

    with pytest.raises(UsageError, match="'loket_seen' is not filled by hand, but by: schakel loket check CASE"):
        act(engine, case)

    assert traces(url, case) == before


def test_an_import_does_not_fill_it_either(engine: Engine) -> None:
    (result,) = engine.import_rows([Row(1, "E1", employer() | SEEN)])

    assert (result.result, result.case) == ("error", None)
