"""Letters that follow a fact: rights that turn out to miss, and a first exchange that is postponed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import case_row, events_of, look

from notifications.rendering import TEMPLATES
from states import EMPLOYER_COUPLING
from workflow import Engine, Refused
from workflow.clock import SetClock
from workflow.definition import Definition
from workflow.ledger.audit import verify_database

RIGHTS = tuple(employer("loket_user")["loket_user"]["rights"])


def sent(url: str, case: str, letter: str) -> list[dict[str, Any]]:
    return look(
        url,
        f"SELECT * FROM outbox WHERE letter = '{letter}' AND case_id = {case_row(url, case)['id']} ORDER BY id",
    )


def timers(url: str, case: str) -> list[tuple[str, datetime]]:
    rows = look(url, f"SELECT kind, due_at FROM timers WHERE case_id = {case_row(url, case)['id']}")
    return [(row["kind"], _moment(row["due_at"])) for row in rows]


def _moment(value: Any) -> datetime:
    return value.astimezone(UTC) if isinstance(value, datetime) else datetime.fromisoformat(value)


def lacking(*rights: str, **more: Any) -> dict[str, dict[str, Any]]:
    return {"loket_user": {"rights": [right for right in RIGHTS if right not in rights], **more}}


def opened(engine: Engine, **user: Any) -> str:
    facts = employer("registration")
    return engine.open_case(facts | ({"loket_user": user} if user else {})).case.reference


def test_rights_that_miss_are_told_when_they_are_recorded(engine: Engine, url: str) -> None:
    case = opened(engine)

    recorded = engine.record(case, lacking(RIGHTS[3], active=True))

    assert recorded.letters == ("rights_missing",)
    (letter,) = sent(url, case, "rights_missing")
    assert (letter["role"], letter["recipient"], letter["language"]) == ("applicant", "salaris01@example.com", "nl")
    assert json.loads(letter["context"])["missing_rights"] == [RIGHTS[3]]


def test_a_letter_on_hold_counts_no_day_of_it_and_asks_for_an_answer_by_the_next_reminder(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = opened(engine, active=True)
    engine.hold(case, date(2026, 4, 30), "wacht op accountant")
    clock.moment += timedelta(days=3)
    engine.record(case, lacking(RIGHTS[3]))

    (letter,) = sent(url, case, "rights_missing")
    says = json.loads(letter["context"])
    assert (says["letter"], says["role"], says["language"]) == ("rights_missing", "applicant", "nl")
    assert (says["today"], says["working_days"]) == ("23 april 2026", 0)
    assert says["answer_by"] == "6 mei 2026", "five working days from the end of the hold"


def test_the_command_that_opens_a_case_never_tells_of_rights(engine: Engine, url: str) -> None:
    facts = employer("registration") | lacking(RIGHTS[0], active=True)

    opening = engine.open_case(facts)

    assert opening.letters == ("invitation",)
    assert sent(url, opening.case.reference, "rights_missing") == []


def test_complete_rights_tell_nothing(engine: Engine) -> None:
    case = opened(engine, active=True)

    assert engine.record(case, lacking()).letters == ()


def test_a_blocked_user_is_not_told_of_rights(engine: Engine) -> None:
    case = opened(engine)

    assert engine.record(case, lacking(RIGHTS[0], active=False)).letters == ()


def test_a_user_of_whom_it_is_unknown_whether_it_is_active_is_not_told_of_rights(engine: Engine) -> None:
    case = opened(engine)

    assert engine.record(case, lacking(RIGHTS[0])).letters == ()


def test_a_user_that_becomes_active_is_told_of_rights_that_were_recorded_before(engine: Engine) -> None:
    case = opened(engine, active=False, rights=[RIGHTS[0]])

    assert engine.record(case, {"loket_user": {"active": True}}).letters == ("rights_missing",)
    assert engine.record(case, {"loket_user": {"active": False}}).letters == ()
    assert engine.record(case, {"loket_user": {"active": True}}).letters == ()


def test_a_right_that_is_lost_again_is_told_again(engine: Engine, url: str) -> None:
    case = opened(engine, active=True)
    rounds = (RIGHTS[:5], RIGHTS, RIGHTS[:5], RIGHTS[:4], RIGHTS[:5], RIGHTS)

    told = [engine.record(case, {"loket_user": {"rights": [*held]}}).letters for held in rounds]

    letter = ("rights_missing",)
    assert told == [letter, (), letter, letter, letter, ()]
    assert engine.replay(case).matches_stored


def test_a_right_that_a_move_put_in_order_is_told_when_it_is_lost_again(engine: Engine) -> None:
    case = engine.open_case(employer()).case.reference
    engine.record(case, lacking(RIGHTS[0]))
    engine.advance(case, "register", facts=lacking())

    assert engine.record(case, lacking(RIGHTS[0])).letters == ("rights_missing",)


@pytest.mark.parametrize("state", ["registered", "enriched", "keylane_configuring"])
def test_an_applicant_hears_that_the_user_was_blocked_while_others_work(engine: Engine, url: str, state: str) -> None:
    """The reminders of these states go to others, who can do nothing about it."""
    case = bring(engine, state)

    told = [engine.record(case, {"loket_user": {"active": active}}).letters for active in (False, None, True, False)]

    letter = ("user_blocked",)
    assert told == [letter, (), (), letter]
    assert {row["role"] for row in sent(url, case, "user_blocked")} == {"applicant"}
    assert engine.replay(case).matches_stored


def test_a_blocked_user_of_a_case_that_waits_for_the_applicant_is_left_to_its_reminders(engine: Engine) -> None:
    case = bring(engine, "rights_pending")

    assert engine.record(case, {"loket_user": {"active": False}}).letters == ()


def test_other_facts_tell_nothing_of_rights(engine: Engine) -> None:
    case = opened(engine, active=True, rights=[RIGHTS[0]])

    assert engine.record(case, {"registration": {"contact_name": "Iemand anders"}}).letters == ()


def test_the_same_missing_rights_are_told_once(engine: Engine, url: str) -> None:
    case = opened(engine, active=True)
    engine.record(case, lacking(RIGHTS[0], RIGHTS[1]))

    again = engine.record(case, {"loket_user": {"rights": [*reversed(RIGHTS[2:])]}})

    assert again.letters == ()
    assert len(sent(url, case, "rights_missing")) == 1


def test_other_missing_rights_are_told_anew(engine: Engine, url: str) -> None:
    case = opened(engine, active=True)
    engine.record(case, lacking(RIGHTS[0], RIGHTS[1]))

    again = engine.record(case, lacking(RIGHTS[1]))

    assert again.letters == ("rights_missing",)
    assert len(sent(url, case, "rights_missing")) == 2


def test_rights_are_told_of_a_later_state_too(engine: Engine) -> None:
    case = bring(engine, "enriched")

    assert engine.record(case, lacking(RIGHTS[0])).letters == ("rights_missing",)


def test_without_letters_nothing_is_sent_and_the_event_says_so(engine: Engine, url: str) -> None:
    case = opened(engine, active=True)

    recorded = engine.record(case, lacking(RIGHTS[0]), letters=False)

    assert recorded.letters == ()
    assert sent(url, case, "rights_missing") == []
    assert recorded.event is not None
    assert recorded.event.body["no_letters"] is True


def test_what_was_not_told_for_lack_of_letters_is_told_later(engine: Engine) -> None:
    case = opened(engine, active=True)
    engine.record(case, lacking(RIGHTS[0]), letters=False)
    engine.record(case, lacking())

    assert engine.record(case, lacking(RIGHTS[0])).letters == ("rights_missing",)


def test_a_missing_address_never_stops_a_letter_from_being_written(engine: Engine, url: str) -> None:
    facts = employer()
    facts["registration"]["email"] = "geen adres"

    case = engine.open_case(facts).case.reference

    (letter,) = sent(url, case, "invitation")
    assert (letter["state"], letter["recipient"]) == ("pending", None)


def test_a_postponement_confirms_again_with_the_next_sequence(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")

    recorded = engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})

    assert recorded.letters == ("coupling_confirmed", "coupling_confirmed")
    letters = sent(url, case, "coupling_confirmed")
    assert [letter["role"] for letter in letters] == ["applicant", "asr", "applicant", "asr"]
    assert [json.loads(letter["context"])["sequence"] for letter in letters] == [0, 0, 1, 1]


def test_each_postponement_counts_on(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")

    for day in ("2026-06-15", "2026-06-16", "2026-06-15"):
        engine.record(case, {"realisation": {"first_exchange_date": day}})

    sequences = [json.loads(letter["context"])["sequence"] for letter in sent(url, case, "coupling_confirmed")]
    assert sequences == [0, 0, 1, 1, 2, 2, 3, 3]


def handed_over_again(engine: Engine, before: Definition = EMPLOYER_COUPLING) -> str:
    """A case that went to Keylane by these rules, came back, and went there again with another policy."""
    case = bring(Engine(engine.database, before, clock=engine.clock), "enriched")
    engine.advance(case, "return_to_asr", reason="de polis klopt niet")
    (policy,) = employer("policy")["policy"]["policies"]
    engine.record(case, {"policy": {"policies": [policy | {"policy_number": "P-2"}]}})
    engine.advance(case, "enrich")
    return case


TO_KEYLANE = ("keylane_handover", "keylane_will_contact")
"""The letters of a move to Keylane, each of which says whether it is the first."""


def sequences(url: str, case: str) -> list[int]:
    """What each handover of a case says of how many went before it, as the letters to its applicant do."""
    handovers, others = (
        [json.loads(row["context"])["sequence"] for row in sent(url, case, name)] for name in TO_KEYLANE
    )
    assert handovers == others
    return handovers


def counts(url: str, case: str) -> list[object]:
    """What each move to Keylane says in the history of what was told."""
    moves = [event for event in events_of(url, case) if event["trigger"] == "enrich"]
    return [json.loads(event["canonical"])["body"].get("told") for event in moves]


def counted(count: int) -> dict[str, dict[str, int | None]]:
    return {name: {"count": count, "value": None} for name in TO_KEYLANE}


def test_a_second_handover_says_that_it_takes_the_place_of_the_first(engine: Engine, url: str) -> None:
    case = handed_over_again(engine)

    assert sequences(url, case) == [0, 1]
    assert counts(url, case) == [counted(1), counted(2)]
    assert verify_database(engine.database, EMPLOYER_COUPLING, None).findings == []


def stopped(url: str, case: str) -> list[str]:
    return [row["role"] for row in sent(url, case, "case_withdrawn")]


@pytest.mark.parametrize(
    ("back", "further"), [("return_to_applicant", ()), ("return_to_applicant", ("register",)), ("return_to_asr", ())]
)
def test_keylane_hears_that_a_case_which_it_knows_was_withdrawn_after_a_return(
    engine: Engine, url: str, back: str, further: tuple[str, ...]
) -> None:
    case = bring(engine, "keylane_configuring")
    engine.advance(case, back, reason="dat klopt niet")
    for trigger in further:
        engine.advance(case, trigger)

    moved = engine.advance(case, "withdraw", reason="de werkgever stopt")

    assert stopped(url, case) == ["applicant", "keylane"]
    assert moved.letters == ("case_withdrawn", "case_withdrawn")


@pytest.mark.parametrize("state", ["rights_pending", "registered"])
def test_keylane_hears_nothing_of_a_case_that_it_never_got(engine: Engine, url: str, state: str) -> None:
    case = bring(engine, "registered")
    engine.advance(case, "enrich", letters=False)
    engine.advance(case, "return_to_applicant", reason="dat klopt niet")
    if state == "registered":
        engine.advance(case, "register")
    engine.advance(case, "withdraw", reason="de werkgever stopt")

    assert stopped(url, case) == ["applicant"]


def test_a_handover_that_was_not_sent_is_none_that_the_next_one_replaces(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    engine.advance(case, "enrich", letters=False)
    engine.advance(case, "return_to_asr", reason="de polis klopt niet")
    engine.advance(case, "enrich")

    assert sequences(url, case) == [0]


def test_a_handover_of_before_they_were_counted_is_legal_and_counts_for_none(engine: Engine, url: str) -> None:
    case = handed_over_again(engine, replace(EMPLOYER_COUPLING, version="2026.9", counted=()))

    assert sequences(url, case) == [0, 0]
    assert counts(url, case) == [None, counted(1)]
    assert verify_database(engine.database, EMPLOYER_COUPLING, None).findings == []


@pytest.mark.parametrize("letter", sorted({to.letter for to in EMPLOYER_COUPLING.letters()}))
def test_every_letter_that_shows_for_which_time_it_goes_out_is_counted(letter: str) -> None:
    sources = [file.read_text("utf-8") for file in TEMPLATES.glob(f"*/{letter}.j2")]

    assert sources
    assert letter in EMPLOYER_COUPLING.remembered or not any("sequence" in source for source in sources)


def test_a_postponement_moves_the_timer(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")
    before = timers(url, case)

    engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})

    assert before == [("rung", datetime(2026, 6, 8, 7, tzinfo=UTC))]
    assert timers(url, case) == [("rung", datetime(2026, 6, 22, 7, tzinfo=UTC))]


def test_a_postponement_stays_in_the_same_state(engine: Engine) -> None:
    case = bring(engine, "confirmed")

    engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})

    assert engine.case(case).case.state == "confirmed"
    assert engine.replay(case).matches_stored


def test_the_same_date_again_sends_nothing(engine: Engine, url: str) -> None:
    case = bring(engine, "confirmed")

    recorded = engine.record(case, {"realisation": {"first_exchange_date": "2026-06-01"}})

    assert (recorded.event, recorded.letters) == (None, ())
    assert len(sent(url, case, "coupling_confirmed")) == 2


@pytest.mark.parametrize(
    "facts",
    [
        {"realisation": {"realised_on": "2026-05-07"}},
        {"realisation": {"first_exchange_date": "2026-06-15", "realised_on": "2026-05-07"}},
        {"registration": {"company_name": "Anders"}},
    ],
)
def test_nothing_else_of_a_confirmed_case_may_change(engine: Engine, facts: dict[str, dict[str, object]]) -> None:
    case = bring(engine, "confirmed")

    with pytest.raises(Refused):
        engine.record(case, facts)

    assert engine.case(case).case.facts["realisation"] == employer("realisation")["realisation"]
    assert engine.history(case)[-1].event.kind == "refused"


@pytest.mark.parametrize(
    ("day", "code"), [("2026-05-05", "FIRST_EXCHANGE_BEFORE_REALISED"), (None, "FIRST_EXCHANGE_MISSING")]
)
def test_a_new_date_that_is_wrong_is_refused(engine: Engine, url: str, day: str | None, code: str) -> None:
    case = bring(engine, "confirmed")

    with pytest.raises(Refused) as refusal:
        engine.record(case, {"realisation": {"first_exchange_date": day}})

    assert [problem.code for problem in refusal.value.problems] == [code]
    assert len(sent(url, case, "coupling_confirmed")) == 2


@pytest.mark.parametrize(
    ("day", "today", "code"),
    [
        ("2026-06-13", None, "FIRST_EXCHANGE_NOT_WORKDAY"),
        ("2026-06-15", datetime(2026, 6, 16, 8, tzinfo=UTC), "FIRST_EXCHANGE_IN_PAST"),
    ],
)
def test_a_new_date_that_is_doubtful_is_kept_and_said_to_be(
    engine: Engine, clock: SetClock, day: str, today: datetime | None, code: str
) -> None:
    case = bring(engine, "confirmed")
    clock.moment = today or clock.moment
    new = {"realisation": {"first_exchange_date": day}}

    recorded, repeated = engine.record(case, new), engine.record(case, new)

    assert [(problem.code, problem.field) for problem in recorded.problems] == [
        (code, "realisation.first_exchange_date")
    ]
    assert (repeated.event, repeated.problems) == (None, ())
    assert engine.case(case).case.facts["realisation"]["first_exchange_date"] == day


def test_a_new_date_is_kept_whatever_else_today_s_rules_would_say_of_the_case(sqlite_engine: Engine) -> None:
    older = bring(sqlite_engine, "registered")
    case = bring(sqlite_engine, "confirmed")
    twin = sqlite_engine.case(case).case.facts["registration"]
    same = {name: twin[name] for name in ("wage_tax_number", "loket_employer_id")}
    sqlite_engine.record(older, {"registration": same})

    recorded = sqlite_engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})

    assert (recorded.changed, recorded.problems) == (("realisation.first_exchange_date",), ())
    assert recorded.letters == ("coupling_confirmed", "coupling_confirmed")


def test_a_postponement_is_told_to_each_in_their_own_language(engine: Engine, url: str) -> None:
    facts = employer()
    facts["registration"]["language"] = "en"
    case = bring(engine, "confirmed", facts)

    engine.record(case, {"realisation": {"first_exchange_date": "2026-06-15"}})

    languages = [(letter["role"], letter["language"]) for letter in sent(url, case, "coupling_confirmed")[2:]]
    assert languages == [("applicant", "en"), ("asr", "nl")]


def test_a_letter_is_due_now_also_when_the_history_is_ahead_of_the_clock(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "rights_pending")
    now = clock.moment
    clock.moment = now + timedelta(days=365)
    engine.note(case, "met een klok die een jaar voorloopt")
    clock.moment = now

    engine.advance(case, "register")

    (letter,) = sent(url, case, "registration_received")
    assert (_moment(letter["due_at"]), _moment(letter["created_at"])) == (now, now + timedelta(days=365))
