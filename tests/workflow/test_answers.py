"""What each command and question answers, whole, and what its event says: not only the part one happens to look at."""

from __future__ import annotations

import getpass
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import events_of, look

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, Refused
from workflow.answers import Case, Moved, Opened, Recorded, Step, Summary, View
from workflow.clock import SetClock
from workflow.definition import Problem
from workflow.erasure import Erased, Wish, erase

ANNA, BOB = Origin("anna", "anna-os", "python"), Origin("bob", "bob-os", "form")
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
    assert told.event.body["letters"] == ["rights_missing"]
    assert (untold.letters, codes(untold.problems)) == ((), ["RIGHTS_MISSING"])
    assert untold.event is not None
    assert untold.event.body == {
        "facts": {"loket_user": {"rights": ["Raadplegen beloningen"]}},
        "letters": [],
        "no_letters": True,
    }


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


@pytest.mark.parametrize(
    "other",
    [
        {"trigger": "withdraw"},
        {"facts": {"registration": {"kvk_number": "12345678"}}},
        {"accept": ["RW_PREFIX"]},
        {"accept_warnings": True},
        {"reason": "nu wel"},
    ],
)
def test_a_key_is_for_one_command_whatever_it_is_that_differs(sqlite_engine: Engine, other: dict[str, Any]) -> None:
    case = bring(sqlite_engine, "rights_pending")
    sqlite_engine.advance(case, "register", key="k-1")

    with pytest.raises(Exception, match="for another command; take a new key"):
        sqlite_engine.advance(case, **({"trigger": "register"} | other), key="k-1")

    assert sqlite_engine.advance(case, "register", key="k-1", letters=False).repeated  # what is asked is the same


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
    assert (end["kind"], end["body"], end["commitments"], end["actor"]) == ("resumed", {}, {}, "bob")
    holds = ((date(2026, 4, 20), date(2026, 4, 30)),)
    assert held == before._replace(
        seq=4, version=3, at=START + timedelta(hours=1), head=held.head, holds=holds, held_until=date(2026, 4, 30)
    )
    cut = ((date(2026, 4, 20), date(2026, 4, 23)),)
    assert resumed == held._replace(seq=5, version=4, at=NOON, head=resumed.head, holds=cut, held_until=None)
    assert sqlite_engine.case(case).case == resumed


def test_who_does_not_say_who_asks_is_the_user_of_the_machine(sqlite_engine: Engine) -> None:
    engine = Engine(sqlite_engine.database, EMPLOYER_COUPLING)

    opened = engine.open_case(employer())

    assert opened.event.origin == Origin(getpass.getuser(), getpass.getuser(), "python")
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
        Summary(ended, None, str(other), "withdrawn", None, START, None, False, 0),
        Summary(gone, None, "[erased]", "withdrawn", None, START, None, False, 0),
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
        ("opened", {name: ("[erased]", "[erased]"), number: (None, "12345678")}, None),
        ("recorded", {number: ("12345678", "12345679"), email: ("[erased]", "[erased]")}, None),
        told[2],
        ("noted", {}, "[erased]"),
        *rest,
        ("held", {}, "[erased]"),
        ("resumed", {}, None),
        ("moved", {}, "[erased]"),
        ("erased", {}, "klaar; ground: AVG art. 17"),
    ]
    assert isinstance(sqlite_engine.history(case)[0], Step)


# -- erasing -----------------------------------------------------------------------------------------------------------


def test_erasing_answers_what_was_done_and_counts_it(sqlite_engine: Engine, sqlite_url: str, clock: SetClock) -> None:
    case = bring(sqlite_engine, "withdrawn")
    kept = len(look(sqlite_url, "SELECT * FROM private_values"))
    clock.moment = NOON

    done = erase(sqlite_engine.database, sqlite_engine.rules, NOON, BOB, case.lower(), Wish("klaar", None, 0))

    says = said(sqlite_url, case)
    assert done == Erased(case, NOON, 3, events_of(sqlite_url, case)[-1]["hash"], kept, 2, 2)
    assert (says["kind"], says["actor"], says["via"]) == ("erased", "bob", "form")
    assert says["body"] == {"ground": None, "reason": "klaar", "retention_years": 0}
    assert kept > 3
