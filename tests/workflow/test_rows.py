"""What stands in the tables after a command: each column says what the case, its events and its letters say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import look
from tampering import run

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin
from workflow.answers import Case
from workflow.clock import SetClock, format_time
from workflow.errors import HistoryBroken
from workflow.schedule import due_at, timers_of
from workflow.work import Work

PROGRESS = {"accepted": {}, "told": {}, "holds": [], "held_until": None, "rung": 0}
HELD = {"holds": [["2026-04-21", "2026-04-23"], ["2026-04-24", "2026-05-03"]], "held_until": "2026-05-03"}
REPEATED = ("seq", "at", "actor", "os_user", "via", "kind", "trigger", "prev_hash")


@pytest.fixture
def lived(engine: Engine, clock: SetClock) -> list[str]:
    """Three cases: one that was opened, one that was moved with a key, held, resumed and held again, one that ended."""
    found = [bring(engine, "rights_pending")]
    clock.moment += timedelta(hours=1)
    found.append(bring(engine, "rights_pending"))
    clock.moment += timedelta(days=1, minutes=7)
    engine.advance(found[1], "register", key="once")
    engine.hold(found[1], (clock.moment + timedelta(days=5)).date(), "wacht")
    clock.moment += timedelta(days=2)
    engine.resume(found[1])
    clock.moment += timedelta(days=1)
    engine.hold(found[1], (clock.moment + timedelta(days=9)).date(), "nog eens")
    found.append(bring(engine, "withdrawn"))
    return found


def text(moment: Any) -> str | None:
    """A moment as it is written, whichever way the database gives it."""
    return format_time(moment) if isinstance(moment, datetime) else moment


def stored(engine: Engine, reference: str) -> tuple[int, Case]:
    with engine.database.reading() as store:
        found = store.find(reference=reference, external=None)
    assert found is not None
    return found


def test_the_row_of_a_case_says_what_its_history_says(engine: Engine, lived: list[str], url: str) -> None:
    rows = look(url, "SELECT * FROM cases ORDER BY id")

    assert [row["reference"] for row in rows] == lived
    for number, row in enumerate(rows, 1):
        case = engine.replay(lived[number - 1]).case
        plain = {name: getattr(case, name) for name in ("reference", "external_reference", "state", "version", "seq")}
        moments = {name: text(getattr(case, name)) for name in ("at", "opened_at", "entered_at", "ended_at")}
        read = {"facts": json.loads(row["facts"]), "progress": json.loads(row["progress"])}
        assert {name: text(value) for name, value in row.items()} | read == {
            "id": number,
            **plain,
            "definition": EMPLOYER_COUPLING.name,
            "head": case.head,
            "facts": case.facts,
            "progress": PROGRESS | (HELD if number == 2 else {}),
            "due_at": text(due_at(EMPLOYER_COUPLING, engine.rules.calendar, case)),
            "erased": False,
            **moments,
        }
        assert stored(engine, lived[number - 1]) == (number, case)


@pytest.mark.parametrize("count", [2**53, 10**400, -1, 1.5, "1", True])
def test_a_letter_that_is_told_to_have_gone_out_so_often_was_altered(engine: Engine, url: str, count: Any) -> None:
    case = bring(engine, "registered")
    told = {"keylane_handover": {"count": count, "value": None}}
    run(url, f"UPDATE cases SET progress = '{json.dumps(PROGRESS | {'told': told})}'")

    with pytest.raises(HistoryBroken, match="somebody altered it"):
        engine.advance(case, "enrich", facts=employer("policy"))


def test_the_row_of_an_event_repeats_what_its_bytes_say(engine: Engine, lived: list[str], url: str) -> None:
    for number, reference in enumerate(lived, 1):
        rows = look(url, f"SELECT * FROM events WHERE case_id = {number} ORDER BY seq")
        history = engine.history(reference)

        assert [(row["hash"], bytes(row["canonical"])) for row in rows] == [
            (step.event.hash, step.event.canonical) for step in history
        ]
        for row in rows:
            says = json.loads(bytes(row["canonical"]))
            assert {name: text(row[name]) for name in REPEATED} == {name: says[name] for name in REPEATED}
            assert (row["from_state"], row["to_state"]) == (says["from"], says["to"])
            assert row["definition_version"] == says["definition"]["version"]


def test_each_personal_value_stands_beside_the_event_that_committed_to_it(
    engine: Engine, lived: list[str], url: str
) -> None:
    for number, reference in enumerate(lived, 1):
        rows = look(url, f"SELECT seq, path, value, salt FROM private_values WHERE case_id = {number}")
        committed = {
            (step.event.seq, path)
            for step in engine.history(reference)
            for path in json.loads(step.event.canonical)["commitments"]
        }

        assert {(row["seq"], row["path"]) for row in rows} == committed
        assert all(len(bytes(row["salt"])) >= 16 for row in rows)
        with engine.database.reading() as store:
            kept = {
                (event.seq, path): value for event, values in store.history(number) for path, value in values.items()
            }
        assert {(row["seq"], row["path"]): json.loads(row["value"]) for row in rows} == kept


def test_a_case_has_the_timers_that_follow_from_it_and_no_others(engine: Engine, lived: list[str], url: str) -> None:
    for number, reference in enumerate(lived, 1):
        rows = look(url, f"SELECT kind, rung, due_at FROM timers WHERE case_id = {number}")
        wanted = timers_of(EMPLOYER_COUPLING, engine.rules.calendar, stored(engine, reference)[1])

        assert sorted((row["kind"], row["rung"], text(row["due_at"])) for row in rows) == sorted(
            (str(timer.kind), timer.rung, text(timer.due_at)) for timer in wanted
        )
    assert look(url, "SELECT case_id, count(*) AS n FROM timers GROUP BY case_id ORDER BY case_id") == [
        {"case_id": 1, "n": 1},
        {"case_id": 2, "n": 2},
    ]
    engine.resume(lived[1])
    assert [row["kind"] for row in look(url, "SELECT kind FROM timers WHERE case_id = 2")] == ["rung"]


def test_timers_are_written_anew_for_the_cases_that_were_asked_for(
    engine: Engine, lived: list[str], url: str, clock: SetClock
) -> None:
    wanted = look(url, "SELECT * FROM timers ORDER BY case_id, kind")
    number, case = stored(engine, lived[0])
    with engine.database.writing() as store:
        store.execute("UPDATE timers SET rung = 5")
        store.execute("UPDATE timers SET kind = 'hold' WHERE case_id = 1")

        store.rewrite_timers([])
        store.rewrite_timers([Work(engine.rules, Origin("anna", "anna-os", "python"), clock.now(), number, case)])

    rows = look(url, "SELECT * FROM timers ORDER BY case_id, kind")
    assert [row for row in rows if row["case_id"] == 1] == [row for row in wanted if row["case_id"] == 1]
    assert {row["rung"] for row in rows if row["case_id"] == 2} == {5}


def test_what_a_command_with_a_key_was_answered_stands_with_its_case(engine: Engine, url: str) -> None:
    cases = [bring(engine, "rights_pending") for _ in range(2)]

    first = [engine.advance(case, "register", key="once") for case in cases]
    again = [engine.advance(case, "register", key="once") for case in cases]

    rows = look(url, "SELECT case_id, key, command FROM answers ORDER BY case_id")
    assert again == [replace(moved, repeated=True) for moved in first]
    assert [(row["case_id"], row["key"], len(row["command"])) for row in rows] == [(1, "once", 64), (2, "once", 64)]


def test_letters_wait_from_the_moment_they_were_written(engine: Engine, lived: list[str], url: str) -> None:
    rows = look(url, "SELECT * FROM outbox WHERE case_id = 2 ORDER BY id")

    opened, registered, asked = rows
    for row, seq, letter, role in (
        (opened, 1, "invitation", "applicant"),
        (registered, 2, "registration_received", "applicant"),
        (asked, 2, "enrichment_requested", "asr"),
    ):
        at = text(engine.history(lived[1])[seq - 1].event.at)
        assert (row["seq"], row["letter"], row["role"]) == (seq, letter, role)
        assert (text(row["created_at"]), text(row["due_at"])) == (at, at)
        assert (row["state"], row["attempts"], bool(row["is_reminder"])) == ("pending", 0, False)
        empty = ("reason", "token", "lease_until", "message_id", "subject", "message", "sha256", "finished_at")
        assert [row[name] for name in (*empty, "merged_into")] == [None] * 9
