"""What each command and question answers, whole, and what its event says: not only the part one happens to look at."""

from __future__ import annotations

import json
import os
import pwd
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import events_of, look

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, Refused
from workflow.answers import Case, Moved, Opened, Recorded, Step, Summary, View
from workflow.calendar import WorkingDays
from workflow.clock import SetClock
from workflow.erasure import Erased, Wish, erase
from workflow.facts import Problem
from workflow.reminders import Fired, run_once
from workflow.schedule import Timer, TimerKind, timers_of
from workflow.storage import restores
from workflow.storage.restores import Restore

ANNA, BOB = Origin("anna", "anna-os", "python"), Origin("bob", "bob-os", "form")
EVERY_RIGHT = [
    "Beheren en raadplegen BSN",
    "Raadplegen HRM",
    "Raadplegen beloningen",
    "Raadplegen dienstverbanden",
    "Raadplegen loonoutput beperkt",
    "Raadplegen variabele gegevens",
]
PERSONAL = ("company_name", "contact_name", "dgas", "email", "wage_tax_number")
START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
"""When the clock of a test begins."""
NOON = datetime(2026, 4, 23, 10, 0, tzinfo=UTC)
"""Thursday, three working days after the start."""


def said(url: str, case: str) -> dict[str, Any]:
    """What the newest event of a case says."""
    says: dict[str, Any] = json.loads(events_of(url, case)[-1]["canonical"])
    return says


def codes(problems: tuple[Problem, ...]) -> list[str]:
    return [problem.code for problem in problems]


def two_warnings() -> dict[str, dict[str, Any]]:
    facts = employer()
    facts["registration"] |= {"framework_contract_number": "B999", "kvk_number": "12"}
    return facts


def test_opening_answers_the_case_its_event_its_letter_and_what_is_missing(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    facts = employer("registration")

    opened = sqlite_engine.open_case(facts, external_reference=" E42 ", origin=BOB)

    event, case = opened.event, opened.case
    assert case == Case(case.reference, "E42", "rights_pending", 1, 1, event.hash, START, facts, START, START)
    assert opened == Opened(case, event, ("invitation",), sqlite_engine.case("E42").problems)
    assert codes(opened.problems) == [
        "USER_TYPE",
        "USER_NOT_DEDICATED",
        "USER_BLOCKED",
        "USER_NO_ACCESS",
        "RIGHTS_MISSING",
    ]
    plain = {name: value for name, value in facts["registration"].items() if name not in PERSONAL}
    assert event.body == {"external_reference": "E42", "facts": {"registration": plain}, "letters": ["invitation"]}
    assert (event.origin, event.at, event.seq, event.source, event.target) == (BOB, START, 1, None, "rights_pending")
    assert (event.trigger, sorted(event.commitments)) == (None, [f"registration.{name}" for name in PERSONAL])
    assert said(sqlite_url, case.reference)["body"] == event.body


def test_a_case_may_be_opened_with_nothing_known_and_no_letter(sqlite_engine: Engine, sqlite_url: str) -> None:
    opened = sqlite_engine.open_case({}, letters=False)

    assert (opened.case.facts, opened.case.external_reference, opened.letters) == ({}, None, ())
    assert opened.event.body == {"external_reference": None, "letters": [], "no_letters": True}
    assert (opened.event.commitments, opened.event.origin) == ({}, ANNA)
    assert look(sqlite_url, "SELECT * FROM outbox") == []


def test_recording_answers_what_changed_and_what_is_still_missing(sqlite_engine: Engine, clock: SetClock) -> None:
    facts = employer("loket_user", "registration")
    case = sqlite_engine.open_case(facts).case
    clock.moment = NOON
    given = {"registration": facts["registration"] | {"email": "nieuw@example.com", "kvk_number": "12345678"}}

    recorded = sqlite_engine.record(case.reference, given, origin=BOB)
    again = sqlite_engine.record(case.reference, given)

    event = recorded.event
    assert event is not None
    known = case._replace(version=2, seq=2, head=event.hash, at=NOON, facts=facts | given)
    assert recorded == Recorded(known, event, ("registration.email", "registration.kvk_number"), (), ())
    assert event.body == {"facts": {"registration": {"kvk_number": "12345678"}}, "letters": []}
    assert (event.origin, event.at, list(event.commitments)) == (BOB, NOON, ["registration.email"])
    assert again == Recorded(known, None, (), (), ())


def test_recording_answers_the_letter_that_follows_and_what_is_missing(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "rights_pending")

    told = sqlite_engine.record(case, {"loket_user": {"rights": ["Raadplegen HRM"]}})
    untold = sqlite_engine.record(case, {"loket_user": {"rights": ["Raadplegen beloningen"]}}, letters=False)

    assert (told.letters, codes(told.problems)) == (("rights_missing",), ["RIGHTS_MISSING"])
    assert told.event is not None
    lacking = [right for right in EVERY_RIGHT if right != "Raadplegen HRM"]
    assert told.event.body == {
        "facts": {"loket_user": {"rights": ["Raadplegen HRM"]}},
        "letters": ["rights_missing"],
        "told": {"rights_missing": {"count": 1, "value": lacking}},
    }
    assert (untold.letters, codes(untold.problems)) == ((), ["RIGHTS_MISSING"])
    assert untold.event is not None
    assert untold.event.body == {
        "facts": {"loket_user": {"rights": ["Raadplegen beloningen"]}},
        "letters": [],
        "no_letters": True,
    }


def test_each_time_something_is_told_the_event_says_for_which_time_and_what(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "rights_pending")
    bodies = []

    for right in EVERY_RIGHT[:3]:
        event = sqlite_engine.record(case, {"loket_user": {"rights": [right]}}).event
        assert event is not None
        bodies.append(event.body["told"])

    assert bodies == [
        {"rights_missing": {"count": time, "value": [other for other in EVERY_RIGHT if other != right]}}
        for time, right in enumerate(EVERY_RIGHT[:3], 1)
    ]


def test_a_move_answers_everything_and_the_same_again_under_its_key(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    case = sqlite_engine.open_case(two_warnings()).case.reference
    clock.moment = NOON
    asked: dict[str, Any] = {
        "accept": ["KVK_FORMAT", "RW_PREFIX"],
        "key": "k-1",
        "expect_version": 1,
        "reason": "in orde",
    }

    moved = sqlite_engine.advance(case, "register", **asked, origin=BOB)
    events = len(events_of(sqlite_url, case))
    again = sqlite_engine.advance(case, "register", **asked)

    says = said(sqlite_url, case)
    letters = ("registration_received", "enrichment_requested")
    head = events_of(sqlite_url, case)[-1]["hash"]
    accepted = ("RW_PREFIX", "KVK_FORMAT")
    assert moved == Moved(case, "register", "rights_pending", "registered", 2, 2, head, letters, accepted)
    assert (again, len(events_of(sqlite_url, case))) == (replace(moved, repeated=True), events)
    assert says["body"] == {
        "accepted": [
            {"about": ["registration.framework_contract_number"], "code": "RW_PREFIX"},
            {"about": ["registration.kvk_number"], "code": "KVK_FORMAT"},
        ],
        "letters": ["registration_received", "enrichment_requested"],
    }
    assert (says["actor"], says["via"], list(says["commitments"])) == ("bob", "form", ["reason"])


def test_a_move_says_only_what_was_accepted_with_it(sqlite_engine: Engine, sqlite_url: str) -> None:
    case = sqlite_engine.open_case(two_warnings()).case.reference
    sqlite_engine.advance(case, accept_warnings=True)

    moved = sqlite_engine.advance(case, accept_warnings=True, letters=False)

    assert (moved.accepted, moved.letters) == ((), ())
    assert said(sqlite_url, case)["body"] == {"letters": [], "no_letters": True}
    assert sqlite_engine.case(case).case.accepted == {
        "RW_PREFIX": ("registration.framework_contract_number",),
        "KVK_FORMAT": ("registration.kvk_number",),
    }


def test_a_move_that_brings_facts_keeps_them(sqlite_engine: Engine, sqlite_url: str) -> None:
    case = bring(sqlite_engine, "rights_pending")

    sqlite_engine.advance(case, facts={"registration": {"email": "nieuw@example.com", "kvk_number": "12345678"}})

    says = said(sqlite_url, case)
    assert says["body"]["facts"] == {"registration": {"kvk_number": "12345678"}}
    assert list(says["commitments"]) == ["registration.email"]
    assert sqlite_engine.case(case).case.facts["registration"]["email"] == "nieuw@example.com"


def test_a_note_a_hold_and_its_end_answer_what_they_wrote(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    case = bring(sqlite_engine, "registered")
    before = sqlite_engine.case(case).case
    clock.moment += timedelta(hours=1)

    note = sqlite_engine.note(case, "gebeld", origin=BOB)
    noted = said(sqlite_url, case)
    held = sqlite_engine.hold(case, date(2026, 4, 30), "wacht op derden", origin=BOB)
    hold = said(sqlite_url, case)
    clock.moment = NOON
    resumed = sqlite_engine.resume(case, origin=BOB)
    end = said(sqlite_url, case)

    assert (note.kind, note.body, note.seq, note.origin, list(note.commitments)) == ("noted", {}, 3, BOB, ["text"])
    assert (noted["kind"], noted["at"], noted["trigger"]) == ("noted", "2026-04-20T09:00:00.000000Z", None)
    assert (hold["kind"], hold["body"], list(hold["commitments"])) == ("held", {"until": "2026-04-30"}, ["reason"])
    assert (hold["actor"], hold["via"]) == ("bob", "form")
    assert (end["kind"], end["body"], end["commitments"], end["actor"]) == ("resumed", {}, {}, "bob")
    holds = ((date(2026, 4, 20), date(2026, 4, 30)),)
    assert held == before._replace(
        seq=4, version=3, at=START + timedelta(hours=1), head=held.head, holds=holds, held_until=date(2026, 4, 30)
    )
    cut = ((date(2026, 4, 20), date(2026, 4, 23)),)
    assert resumed == held._replace(seq=5, version=4, at=NOON, head=resumed.head, holds=cut, held_until=None)
    assert sqlite_engine.case(case).case == resumed


def test_who_does_not_say_who_asks_is_the_user_of_the_machine_whatever_a_variable_says(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "mallory")
    engine = Engine(sqlite_engine.database, EMPLOYER_COUPLING)
    user = pwd.getpwuid(os.getuid()).pw_name

    opened = engine.open_case(employer())

    assert opened.event.origin == Origin(user, user, "python")
    assert abs(opened.event.at - datetime.now(UTC)) < timedelta(minutes=5)


# -- questions ---------------------------------------------------------------------------------------------------------


def test_a_case_is_shown_with_who_has_the_ball_and_for_how_long(sqlite_engine: Engine, clock: SetClock) -> None:
    case = sqlite_engine.open_case(employer("loket_user", "registration")).case.reference
    clock.moment += timedelta(days=1)
    sqlite_engine.advance(case)
    clock.moment += timedelta(days=2)

    shown = sqlite_engine.case(case)
    missing = sqlite_engine.why(case).moves[0].problems

    assert shown == View(
        shown.case, "asr", datetime(2026, 4, 24, 7, 0, tzinfo=UTC), False, False, missing, {"applicant": 1, "asr": 2}
    )
    assert codes(shown.problems) == ["POLICY_MISSING"]


def test_a_case_on_hold_is_shown_so_until_the_hold_is_over(sqlite_engine: Engine, clock: SetClock) -> None:
    case = bring(sqlite_engine, "registered")
    sqlite_engine.hold(case, date(2026, 4, 22), "wacht")

    shown = []
    midnight = datetime(2026, 4, 21, 22, 0, tzinfo=UTC)
    due = datetime(2026, 4, 24, 7, 0, tzinfo=UTC)  # three working days after the start, without the one on hold
    for moment in (midnight - timedelta(seconds=1), midnight, due - timedelta(seconds=1), due):
        clock.moment = moment
        view = sqlite_engine.case(case)
        shown.append((view.on_hold, view.overdue, view.due_at))
        assert [one.overdue for one in sqlite_engine.cases()] == [view.overdue]

    assert shown == [(True, False, due), (False, False, due), (False, False, due), (False, True, due)]


def test_a_list_says_of_each_case_what_it_is_called_and_how_it_stands(sqlite_engine: Engine, clock: SetClock) -> None:
    facts = employer()
    name = facts["registration"]["company_name"]
    waits = sqlite_engine.open_case(facts, external_reference="E1").case.reference
    ended, gone = bring(sqlite_engine, "withdrawn"), bring(sqlite_engine, "withdrawn")
    other = sqlite_engine.case(ended).case.facts["registration"]["company_name"]
    erase(sqlite_engine.database, sqlite_engine.rules, clock.moment, BOB, gone, Wish("op verzoek", "AVG art. 17", 7))
    clock.moment = NOON

    assert list(sqlite_engine.cases()) == [
        Summary(
            waits, "E1", name, "rights_pending", "applicant", START, datetime(2026, 4, 28, 7, tzinfo=UTC), False, 3
        ),
        Summary(ended, None, str(other), "withdrawn", None, START, None, False, 0, START),
        Summary(gone, None, "[erased]", "withdrawn", None, START, None, False, 0, START),
    ]


def test_history_tells_what_each_event_changed_and_the_words_with_it(sqlite_engine: Engine, clock: SetClock) -> None:
    facts = {"registration": {"company_name": "Zon B.V.", "kvk_number": "12345678"}}
    case = sqlite_engine.open_case(facts).case.reference
    sqlite_engine.record(case, {"registration": {"kvk_number": "12345679", "email": "nieuw@example.com"}})
    sqlite_engine.record(case, {"registration": {"kvk_number": None}})
    sqlite_engine.note(case, "gebeld")
    with pytest.raises(Refused):
        sqlite_engine.advance(case)
    sqlite_engine.hold(case, date(2026, 4, 30), "wacht op derden")
    sqlite_engine.resume(case)
    sqlite_engine.advance(case, "withdraw", reason="op verzoek")

    told = [(str(step.event.kind), dict(step.changes), step.text) for step in sqlite_engine.history(case)]
    erase(sqlite_engine.database, sqlite_engine.rules, clock.moment, BOB, case, Wish("klaar", "AVG art. 17", 7))
    left = [(str(step.event.kind), dict(step.changes), step.text) for step in sqlite_engine.history(case)]

    name, number, email = "registration.company_name", "registration.kvk_number", "registration.email"
    rest = [("refused", {}, None)]
    assert told == [
        ("opened", {name: (None, "Zon B.V."), number: (None, "12345678")}, None),
        ("recorded", {number: ("12345678", "12345679"), email: (None, "n•••••@example.com")}, None),
        ("recorded", {number: ("12345679", None)}, None),
        ("noted", {}, "gebeld"),
        *rest,
        ("held", {}, "wacht op derden"),
        ("resumed", {}, None),
        ("moved", {}, "op verzoek"),
    ]
    assert left == [
        ("opened", {name: (None, "[erased]"), number: (None, "12345678")}, None),
        ("recorded", {number: ("12345678", "12345679"), email: (None, "[erased]")}, None),
        told[2],
        ("noted", {}, "[erased]"),
        *rest,
        ("held", {}, "[erased]"),
        ("resumed", {}, None),
        ("moved", {}, "[erased]"),
        ("erased", {}, "klaar; ground: AVG art. 17"),
    ]
    assert isinstance(sqlite_engine.history(case)[0], Step)


# -- letters and reminders ---------------------------------------------------------------------------------------------


def letter(url: str, name: str, role: str = "applicant") -> dict[str, Any]:
    """The newest letter of this name to this role, its context read."""
    row = look(url, f"SELECT * FROM outbox WHERE letter = '{name}' AND role = '{role}' ORDER BY id")[-1]
    return row | {"context": json.loads(row["context"])}


def test_a_letter_is_addressed_and_frozen_as_the_case_is_when_its_event_is_written(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    given = two_warnings()
    given["registration"]["language"] = "en"
    case = sqlite_engine.open_case(given).case.reference
    clock.moment += timedelta(days=2)
    sqlite_engine.advance(case, accept_warnings=True)
    clock.moment += timedelta(days=1)
    sqlite_engine.advance(case, "return_to_applicant", reason="kijk nog eens")
    sqlite_engine.advance(case, accept_warnings=True)

    invitation, received = letter(sqlite_url, "invitation"), letter(sqlite_url, "registration_received")
    asked, returned = letter(sqlite_url, "enrichment_requested", "asr"), letter(sqlite_url, "returned_to_applicant")
    addressed = ("seq", "language", "recipient", "state", "is_reminder")
    assert [[row[name] for name in addressed] for row in (invitation, received, asked, returned)] == [
        [1, "en", "salaris01@example.com", "pending", 0],
        [4, "en", "salaris01@example.com", "pending", 0],
        [4, "nl", None, "pending", 0],
        [3, "en", "salaris01@example.com", "pending", 0],
    ]
    dated = ("today", "entered_on", "due_on", "answer_by", "working_days", "reason")
    assert [[row["context"][name] for name in dated] for row in (invitation, asked, returned)] == [
        ["20 April 2026", "20 April 2026", "28 April 2026", "28 April 2026", 0, ""],
        ["23 april 2026", "23 april 2026", "29 april 2026", "29 april 2026", 0, ""],
        ["23 April 2026", "23 April 2026", "1 May 2026", "1 May 2026", 0, "kijk nog eens"],
    ]
    told = [
        (len(row["context"]["open_items"]), len(row["context"]["warnings"])) for row in (invitation, asked, returned)
    ]
    assert told == [(2, 0), (0, 2), (0, 0)]
    assert (asked["context"]["reference"], asked["context"]["company"]) == (case, given["registration"]["company_name"])
    assert [row["created_at"] for row in (invitation, asked)] == [
        "2026-04-20T08:00:00.000000Z",
        "2026-04-23T08:00:00.000000Z",
    ]


def test_what_two_passes_fired_adds_up() -> None:
    assert Fired(1, 2, 3) + Fired(10, 20, 30) == Fired(11, 22, 33)


def test_one_pass_answers_what_it_did_and_a_reminder_says_what_it_reminds_of(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    older = bring(sqlite_engine, "rights_pending")
    name = sqlite_engine.case(older).case.facts["registration"]["company_name"]
    worker = Origin("worker", "schakel", "worker")
    given = employer("registration")
    given["registration"]["company_name"] = name
    case = sqlite_engine.open_case(given).case.reference
    held = bring(sqlite_engine, "registered")
    sqlite_engine.hold(held, date(2026, 5, 5), "wacht")
    clock.moment = datetime(2026, 5, 6, 7, 0, tzinfo=UTC)  # eleven working days on

    fired = run_once(sqlite_engine.database, sqlite_engine.rules, clock.moment, worker)
    again = run_once(sqlite_engine.database, sqlite_engine.rules, clock.moment, worker)

    assert (fired, again) == (Fired(reminders=4, escalations=2, holds_ended=1), Fired())
    steps = [step.event for step in sqlite_engine.history(case)]
    assert [(event.kind, event.body, event.at, event.origin, event.trigger) for event in steps[1:]] == [
        ("reminded", {"letters": ["reminder_applicant"], "rung": "reminder_1"}, clock.moment, worker, None),
        ("reminded", {"letters": ["reminder_applicant_second"], "rung": "reminder_2"}, clock.moment, worker, None),
        ("escalated", {"letters": ["escalation"], "rung": "escalation"}, clock.moment, worker, None),
    ]
    first = letter(sqlite_url, "reminder_applicant")
    escalation = letter(sqlite_url, "escalation", "operations")
    assert [(row["case_id"], row["seq"], row["is_reminder"]) for row in (first, escalation)] == [(2, 2, 1), (2, 4, 1)]
    assert (first["context"]["working_days"], first["context"]["today"]) == (11, "6 mei 2026")
    assert older in str(escalation["context"]["open_items"])
    assert sqlite_engine.case(held).case.rung == 0
    resumed = sqlite_engine.history(held)[-1].event
    assert (resumed.kind, resumed.body, resumed.origin) == ("resumed", {}, worker)


def test_what_fell_due_up_to_the_moment_a_copy_was_put_back_is_held_and_what_comes_after_is_not(
    sqlite_engine: Engine, clock: SetClock
) -> None:
    case = bring(sqlite_engine, "registered")
    due = datetime(2026, 4, 23, 7, 0, tzinfo=UTC)
    with sqlite_engine.database.writing() as store:
        restores.begin(store, Restore(due, None, 0, None))

    fired = []
    for clock.moment in (due, due + timedelta(days=5) - timedelta(seconds=1), due + timedelta(days=5)):
        fired.append(run_once(sqlite_engine.database, sqlite_engine.rules, clock.moment, BOB))

    assert fired == [Fired(), Fired(), Fired()]  # the second rung waits for the first
    with sqlite_engine.database.writing() as store:
        restores.release(store, clock.moment)
    assert run_once(sqlite_engine.database, sqlite_engine.rules, clock.moment, BOB) == Fired(reminders=2)
    assert sqlite_engine.case(case).case.rung == 2


def test_one_pass_fires_all_that_is_due_however_many_fit_in_a_transaction(
    sqlite_engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.reminders.BATCH", 2)
    cases = [bring(sqlite_engine, "registered") for _ in range(5)]
    clock.moment = datetime(2026, 4, 23, 7, 0, tzinfo=UTC)

    fired = run_once(sqlite_engine.database, sqlite_engine.rules, clock.moment, BOB)

    assert fired == Fired(reminders=5)
    assert [sqlite_engine.case(case).case.rung for case in cases] == [1] * 5


def test_a_case_has_the_timer_of_its_next_rung_and_on_hold_also_of_its_end(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "registered")
    running = sqlite_engine.case(case).case
    held = sqlite_engine.hold(case, date(2026, 4, 30), "wacht")
    late = held._replace(holds=(), rung=1)

    def timers(case: Case) -> tuple[Timer, ...]:
        return timers_of(EMPLOYER_COUPLING, WorkingDays(), case)

    rung, hold = TimerKind.RUNG, TimerKind.HOLD
    midnight = datetime(2026, 4, 29, 22, tzinfo=UTC)
    assert timers(running) == (Timer(rung, 0, datetime(2026, 4, 23, 7, tzinfo=UTC)),)
    assert timers(held) == (Timer(rung, 0, datetime(2026, 5, 4, 7, tzinfo=UTC)), Timer(hold, 0, midnight))
    assert timers(late) == (Timer(rung, 1, datetime(2026, 4, 30, 7, tzinfo=UTC)), Timer(hold, 0, midnight))
    assert timers(running._replace(rung=3)) == ()


# -- erasing -----------------------------------------------------------------------------------------------------------


def test_erasing_answers_what_was_done_and_counts_it(sqlite_engine: Engine, sqlite_url: str, clock: SetClock) -> None:
    clock.moment = NOON
    case = bring(sqlite_engine, "rights_pending")
    sqlite_engine.advance(case, "withdraw", reason="op verzoek", key="k-1")
    kept = len(look(sqlite_url, "SELECT * FROM private_values"))

    done = erase(sqlite_engine.database, sqlite_engine.rules, NOON, BOB, case.lower(), Wish("klaar", None, 0))

    says = said(sqlite_url, case)
    assert look(sqlite_url, "SELECT * FROM answers") == []
    ended = [datetime.fromisoformat(row["finished_at"]) for row in look(sqlite_url, "SELECT finished_at FROM outbox")]
    assert ended == [NOON, NOON]
    assert done == Erased(case, NOON, 3, events_of(sqlite_url, case)[-1]["hash"], kept, 2, 2)
    assert (says["kind"], says["actor"], says["via"]) == ("erased", "bob", "form")
    assert says["body"] == {"ground": None, "reason": "klaar", "retention_years": 0}
    assert kept > 3
