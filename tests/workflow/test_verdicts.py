"""`replay --rules then|now`: whether each move was legal by the table of then, and what today's rules say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pytest
from employers import REACHED_BY, bring, employer

from states import EMPLOYER_COUPLING
from states.domain import EmployerCoupling
from workflow import Engine, Origin, Refused
from workflow.answers import Answer, RulesOf, Ruling
from workflow.calendar import WorkingDays
from workflow.clock import SetClock
from workflow.digest import canonical_form, digest_of
from workflow.events import GENESIS, Event, Kind, canonical_bytes, read_event, seal
from workflow.facts import Context, Facts, Problem, Severity, Validator
from workflow.finding import find_case
from workflow.history import Values
from workflow.verdicts import rulings_now, rulings_then
from workflow.work import Rules

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
RULES = Rules(EMPLOYER_COUPLING, WorkingDays())
NAMED = (EMPLOYER_COUPLING.name, EMPLOYER_COUPLING.version)
KEPT = {NAMED: json.loads(canonical_form(EMPLOYER_COUPLING))}
START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
Told = list[tuple[Event, Values]]


def told_of(engine: Engine, case: str) -> Told:
    with engine.database.reading() as store:
        return list(store.history(find_case(store, case)[0]))


def forge(events: Sequence[dict[str, Any]], definition: tuple[str, str, str] = RULES.stamp) -> list[Event]:
    """A whole chain with right hashes, of events that say whatever the test wants."""
    made: list[Event] = []
    for number, says in enumerate(events, 1):
        given: dict[str, Any] = {"trigger": None, "body": {}, "commitments": {}, **says}
        event = seal(
            case="K-7QDM-4XTR",
            seq=number,
            at=START + timedelta(hours=number),
            origin=Origin("mallory", "mallory", "cli"),
            definition=definition,
            previous=made[-1].hash if made else GENESIS,
            **given,
        )
        made.append(read_event(event.canonical, event.hash))
    return made


SHEETS = ("loket_user", "registration", "policy", "handover", "realisation")


def opened(*sheets: str, **more: Any) -> dict[str, Any]:
    body = {"facts": {sheet: {"x": 1} for sheet in sheets}}
    return {"kind": Kind.OPENED, "source": None, "target": "rights_pending", "body": body, **more}


def moved(trigger: str, source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"kind": Kind.MOVED, "trigger": trigger, "source": source, "target": target, **more}


def stays(kind: Kind, state: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "source": state, "target": state, **more}


REGISTER = moved("register", "rights_pending", "registered")
REASON = {"reason": "0" * 64}
LEGAL = {
    "opened": [opened()],
    "registered": [opened("loket_user", "registration"), REGISTER],
    "its own facts count": [
        opened("loket_user"),
        moved("register", "rights_pending", "registered", commitments={"registration.email": "0" * 64}),
    ],
    "withdrawn for a reason": [opened(), moved("withdraw", "rights_pending", "withdrawn", commitments=REASON)],
    "an accepted warning": [
        opened("loket_user", "registration"),
        {**REGISTER, "body": {"accepted": [{"code": "RW_PREFIX", "about": ["registration.kvk_number"]}]}},
    ],
    "postponed after it ended": [
        opened(*SHEETS),
        REGISTER,
        moved("enrich", "registered", "enriched"),
        moved("hand_over", "enriched", "keylane_configuring"),
        moved("confirm", "keylane_configuring", "confirmed"),
        stays(Kind.RECORDED, "confirmed", body={"facts": {"realisation": {"first_exchange_date": "2026-06-01"}}}),
    ],
}
ILLEGAL = {
    "no such move": ([opened(*SHEETS), moved("confirm", "rights_pending", "confirmed")], 2, "no move 'confirm'"),
    "no such trigger": ([opened(*SHEETS), moved("fly", "rights_pending", "registered")], 2, "no move 'fly'"),
    "to another state": ([opened(*SHEETS), moved("register", "rights_pending", "enriched")], 2, "to 'enriched'"),
    "to no state": ([opened(*SHEETS), moved("register", "rights_pending", "limbo")], 2, "to 'limbo'"),
    "from where it was not": ([opened(*SHEETS), moved("enrich", "registered", "enriched")], 2, "'rights_pending'"),
    "out of a final state": (
        [
            opened(*SHEETS),
            moved("withdraw", "rights_pending", "withdrawn", commitments=REASON),
            moved("register", "withdrawn", "registered"),
        ],
        3,
        "from 'withdrawn'",
    ),
    "a sheet was never recorded": ([opened("loket_user"), REGISTER], 2, "never recorded: registration"),
    "only an empty answer was recorded": (
        [opened("loket_user", body={"facts": {"loket_user": {"kind": "x"}, "registration": {"x": None}}}), REGISTER],
        2,
        "never recorded: registration",
    ),
    "recorded only afterwards": (
        [
            opened("loket_user"),
            REGISTER,
            stays(Kind.RECORDED, "registered", body={"facts": {"registration": {"x": 1}}}),
        ],
        2,
        "never recorded: registration",
    ),
    "no reason": ([opened(), moved("withdraw", "rights_pending", "withdrawn")], 2, "reason"),
    "an error accepted": (
        [opened(*SHEETS), {**REGISTER, "body": {"accepted": [{"code": "EMAIL_MISSING", "about": []}]}}],
        2,
        "EMAIL_MISSING",
    ),
    "an unknown code accepted": (
        [opened(*SHEETS), {**REGISTER, "body": {"accepted": [{"code": "FINE", "about": []}]}}],
        2,
        "FINE",
    ),
    "opened further on": ([opened(target="enriched")], 1, "'enriched'"),
    "opened twice": ([opened(), opened()], 2, "open already"),
    "a note that moves": ([opened(), {**stays(Kind.NOTED, "rights_pending"), "target": "confirmed"}], 2, "'noted'"),
    "recorded after it ended": (
        [
            opened(),
            moved("withdraw", "rights_pending", "withdrawn", commitments=REASON),
            stays(Kind.RECORDED, "withdrawn", commitments={"registration.contact_name": "0" * 64}),
        ],
        3,
        "registration.contact_name",
    ),
}


@pytest.mark.parametrize("name", LEGAL)
def test_what_the_table_of_then_allows_is_legal(name: str) -> None:
    rulings = list(rulings_then(KEPT, forge(LEGAL[name])))

    assert [(ruling.answer, ruling.reasons) for ruling in rulings] == [(YES, ())] * len(rulings)
    assert rulings


@pytest.mark.parametrize("name", ILLEGAL)
def test_what_the_table_of_then_forbids_is_found_at_its_event_and_says_why(name: str) -> None:
    events, seq, words = ILLEGAL[name]

    first = next(ruling for ruling in rulings_then(KEPT, forge(events)) if ruling.answer is not YES)

    assert (first.event.seq, first.answer) == (seq, NO)
    assert any(words in reason for reason in first.reasons), first.reasons


MOVES = [name for name, (events, seq, _) in ILLEGAL.items() if events[seq - 1]["kind"] in ("opened", "moved")]


@pytest.mark.parametrize("name", [name for name in MOVES if "accepted" not in name])
def test_what_today_s_table_forbids_is_no_by_the_rules_of_now_too(name: str) -> None:
    events, seq, words = ILLEGAL[name]
    history: Told = [(event, {}) for event in forge(events)]

    (found,) = [ruling for ruling in rulings_now(RULES, history) if ruling.event.seq == seq]

    assert found.answer is NO
    assert any(words in reason for reason in found.reasons), found.reasons


@pytest.mark.parametrize("state", REACHED_BY)
def test_an_honest_history_is_legal_then_and_now(engine: Engine, state: str) -> None:
    case = bring(engine, state)
    moves = [1, *range(2, len(REACHED_BY[state]) + 2)]

    for by in RulesOf:
        rulings = engine.replay(case, by=by).rulings
        assert [(ruling.event.seq, ruling.answer) for ruling in rulings] == [(seq, YES) for seq in moves]
        assert all(ruling.problems == ruling.reasons == () for ruling in rulings)


def test_a_history_with_everything_in_it_is_legal_then_and_now(engine: Engine, clock: SetClock) -> None:
    facts = employer()
    facts["registration"]["framework_contract_number"] = "B1"
    facts["policy"] = {}
    case = engine.open_case(facts).case.reference
    with pytest.raises(Refused):
        engine.advance(case)
    engine.advance(case, accept=["RW_PREFIX"])
    clock.moment += timedelta(days=1)
    engine.hold(case, date(2026, 5, 1), "wacht")
    engine.record(case, {"policy": employer("policy")["policy"], "registration": {"kvk_number": "12"}})
    engine.advance(case, accept_warnings=True)
    engine.advance(case, "return_to_applicant", reason="opnieuw")
    for _ in range(4):
        engine.advance(case)

    for by in RulesOf:
        rulings = engine.replay(case, by=by).rulings
        assert {ruling.answer for ruling in rulings} == {YES}
        assert [r.event.kind for r in rulings] == ["opened", *["moved"] * 7]


def test_a_refusal_moved_nothing_and_gets_no_verdict(engine: Engine) -> None:
    case = engine.open_case({}).case.reference
    with pytest.raises(Refused):
        engine.advance(case)

    assert [ruling.event.kind for ruling in engine.replay(case, by=RulesOf.THEN).rulings] == ["opened"]


def test_only_the_moves_up_to_the_moment_are_judged(engine: Engine) -> None:
    case = bring(engine, "enriched")

    assert [ruling.event.seq for ruling in engine.replay(case, seq=2, by=RulesOf.THEN).rulings] == [1, 2]


# -- the table of then -------------------------------------------------------------------------------------------------


def test_a_move_is_judged_by_the_version_it_names_and_not_by_another() -> None:
    older = replace(EMPLOYER_COUPLING, version="2025.1", moves=EMPLOYER_COUPLING.moves[1:])
    kept = KEPT | {(older.name, older.version): json.loads(canonical_form(older))}
    events = LEGAL["registered"]

    stamps = (RULES.stamp, Rules(older, RULES.calendar).stamp)

    newer, older_s = (rulings_then(kept, forge(events, stamp)) for stamp in stamps)

    assert [ruling.answer for ruling in newer] == [YES, YES]
    assert [ruling.answer for ruling in older_s] == [YES, NO]


def test_a_version_from_before_sheets_were_required_asks_for_none() -> None:
    old = json.loads(canonical_form(EMPLOYER_COUPLING))
    for row in old["moves"]:
        del row["requires"]
    events = forge([opened(), REGISTER], (*NAMED, digest_of(canonical_bytes(old))))

    assert [ruling.answer for ruling in rulings_then({NAMED: old}, events)] == [YES, YES]


@pytest.mark.parametrize("kept", [{}, {NAMED: {}}, {NAMED: KEPT[NAMED] | {"initial": "registered"}}])
def test_without_the_table_of_then_as_it_was_nothing_is_known(kept: Any) -> None:
    rulings = list(rulings_then(kept, forge(LEGAL["registered"])))

    assert [ruling.answer for ruling in rulings] == [UNKNOWN, UNKNOWN]
    assert all(EMPLOYER_COUPLING.version in ruling.reasons[0] for ruling in rulings)


def test_an_event_that_is_none_is_not_legal() -> None:
    first, second = forge(LEGAL["registered"])
    broken = second._replace(canonical=second.canonical.replace(b'"via"', b'"vix"'))

    assert [ruling.answer for ruling in rulings_then(KEPT, [first, broken])] == [YES, NO]


# -- the rules of now --------------------------------------------------------------------------------------------------


def stricter(*extra: Validator) -> Rules:
    """Today's rules: the same table, with validators more on each move forward."""
    moves = tuple(
        replace(move, validators=(*move.validators, *extra)) if move.forward else move
        for move in EMPLOYER_COUPLING.moves
    )
    return Rules(replace(EMPLOYER_COUPLING, version="later", moves=moves), WorkingDays())


def no_b(facts: Facts, context: Context) -> Iterator[Problem]:
    """A plain field, an error."""
    if str(facts["registration"].get("framework_contract_number")).startswith("B"):
        yield Problem("RW_MISSING", Severity.ERROR, "registration.framework_contract_number", "applicant")


def no_example(facts: Facts, context: Context) -> Iterator[Problem]:
    """A personal field, a warning."""
    if "example" in str(facts["registration"]["email"]):
        yield Problem("EMAIL_SMTPUTF8", Severity.WARNING, "registration.email", "applicant")


def not_on(day: date) -> Validator:
    def refuses_on_the_day(facts: Facts, context: Context) -> Iterator[Problem]:
        if context.today == day:
            yield Problem("FIRST_EXCHANGE_IN_PAST", Severity.WARNING, "realisation.realised_on", "keylane")

    return refuses_on_the_day


def answers(rulings: Iterator[Ruling]) -> list[tuple[int, Answer, list[str]]]:
    return [(r.event.seq, r.answer, [problem.code for problem in r.problems]) for r in rulings]


@pytest.fixture
def told(sqlite_engine: Engine, clock: SetClock) -> Told:
    """A case that was enriched with an accepted warning, a note in between."""
    facts = employer()
    facts["registration"]["framework_contract_number"] = "B1"
    case = sqlite_engine.open_case(facts).case.reference
    sqlite_engine.advance(case, accept=["RW_PREFIX"])
    sqlite_engine.note(case, "gebeld")
    clock.moment = datetime(2026, 4, 21, 22, 30, tzinfo=UTC)  # Wednesday in Amsterdam
    sqlite_engine.advance(case)
    return told_of(sqlite_engine, case)


def test_a_rule_made_stricter_since_says_no_with_its_problems_and_then_stays_yes(told: Told) -> None:
    now = rulings_now(stricter(no_b), told)
    then = rulings_then(KEPT, (event for event, _ in told))

    assert answers(now) == [(1, YES, []), (2, NO, ["RW_MISSING"]), (4, NO, ["RW_MISSING"])]
    assert [ruling.answer for ruling in then] == [YES, YES, YES]


def test_a_warning_that_nobody_accepted_says_no_and_the_accepted_one_is_not_raised(told: Told) -> None:
    assert answers(rulings_now(stricter(no_example), told))[1:] == [
        (2, NO, ["EMAIL_SMTPUTF8"]),
        (4, NO, ["EMAIL_SMTPUTF8"]),
    ]


def test_the_day_is_that_of_the_event_in_amsterdam(told: Told) -> None:
    days = [date(2026, 4, day) for day in (20, 21, 22)]

    said = [answers(rulings_now(stricter(not_on(day)), told)) for day in days]

    assert [[seq for seq, answer, _ in rulings if answer is NO] for rulings in said] == [[2], [], [4]]


def test_the_facts_are_those_of_the_event(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "registered")
    sqlite_engine.record(case, {"registration": {"framework_contract_number": "B1"}})
    sqlite_engine.advance(case, accept_warnings=True)

    assert answers(rulings_now(stricter(no_b), told_of(sqlite_engine, case))) == [
        (1, YES, []),
        (2, YES, []),
        (4, NO, ["RW_MISSING"]),
    ]


def test_other_cases_are_left_out(engine: Engine) -> None:
    facts = employer()
    engine.open_case(facts)
    twin = engine.open_case(facts).case.reference
    with pytest.raises(Refused) as refusal:
        engine.advance(twin)
    assert [problem.code for problem in refusal.value.problems] == ["CASE_DUPLICATE"]
    engine.record(twin, {"registration": {"loket_employer_id": "77"}})
    engine.advance(twin, accept=["NAME_DUPLICATE"])

    assert {ruling.answer for ruling in engine.replay(twin, by=RulesOf.NOW).rulings} == {YES}


def test_a_reason_that_today_s_rules_would_refuse_says_no() -> None:
    events = forge([opened(), moved("withdraw", "rights_pending", "withdrawn", commitments=REASON)])
    history: Told = [(events[0], {}), (events[1], {"reason": "zijn BSN is 123456782"})]

    assert answers(rulings_now(RULES, history))[1] == (2, NO, ["BSN_IN_TEXT"])


def test_an_external_reference_that_today_s_rules_would_refuse_says_no() -> None:
    (event,) = forge([opened(body={"facts": {}, "external_reference": "klant 123456782"})])

    assert answers(rulings_now(RULES, [(event, {})])) == [(1, NO, ["BSN_IN_TEXT"])]


def test_a_text_that_today_s_rules_would_refuse_is_named_by_its_field() -> None:
    number = "123456782"
    first, second = forge(
        [
            opened(body={"facts": {}, "external_reference": f"klant {number}"}),
            moved("withdraw", "rights_pending", "withdrawn", commitments=REASON),
        ]
    )

    told = [(first, {}), (second, {"reason": f"van {number}"})]

    found = [[problem.field for problem in ruling.problems] for ruling in rulings_now(RULES, told)]
    assert found == [["external_reference"], ["reason"]]


def test_where_a_whole_sheet_was_erased_the_rest_of_it_is_unanswered_and_no_crash() -> None:
    commitments = {"registration.email": "0" * 64}
    history: Told = [(event, {}) for event in forge([opened("loket_user", commitments=commitments), REGISTER])]

    first, second = rulings_now(RULES, history)

    assert (first.answer, second.answer) == (YES, NO)
    assert {"NAME_MISSING", "RW_MISSING"} <= {problem.code for problem in second.problems}
    assert "EMAIL_MISSING" not in {problem.code for problem in second.problems}


def test_a_move_that_today_s_table_leads_elsewhere_says_no(told: Told) -> None:
    moves = tuple(
        replace(move, target="keylane_configuring") if move.trigger == "enrich" else move
        for move in EMPLOYER_COUPLING.moves
    )
    today = Rules(replace(EMPLOYER_COUPLING, version="later", moves=moves), WorkingDays())

    last = list(rulings_now(today, told))[-1]

    assert last.answer is NO
    assert "no move 'enrich' from 'registered' to 'enriched'" in last.reasons[0]


class WithoutThePrefix(EmployerCoupling):
    """The domain once nobody cares any more what a framework contract number begins with."""

    codes: ClassVar = {code: severity for code, severity in EmployerCoupling.codes.items() if code != "RW_PREFIX"}


def test_a_warning_that_was_accepted_then_and_is_none_today_does_not_matter(told: Told) -> None:
    moves = tuple(
        replace(move, validators=tuple(one for one in move.validators if one.__name__ != "framework_contract"))
        for move in EMPLOYER_COUPLING.moves
    )
    today = replace(EMPLOYER_COUPLING, version="later", moves=moves, domain=WithoutThePrefix())

    assert [ruling.answer for ruling in rulings_now(Rules(today, WorkingDays()), told)] == [YES, YES, YES]


def test_a_state_that_is_gone_is_no_and_no_crash(told: Told) -> None:
    gone = "enriched"
    states = tuple(state for state in EMPLOYER_COUPLING.states if state.name != gone)
    moves = tuple(move for move in EMPLOYER_COUPLING.moves if move.target != gone and gone not in move.sources)
    today = Rules(replace(EMPLOYER_COUPLING, version="later", states=states, moves=moves), WorkingDays())

    assert [ruling.answer for ruling in rulings_now(today, told)] == [YES, YES, NO]


# -- erased ------------------------------------------------------------------------------------------------------------


def erased(told: Told, *paths: str) -> Told:
    """The history without these values; without paths, without any."""
    return [
        (event, {path: value for path, value in values.items() if paths and path not in paths})
        for event, values in told
    ]


def test_where_values_were_erased_nobody_can_tell(told: Told) -> None:
    rulings = list(rulings_now(RULES, erased(told)))

    assert [ruling.answer for ruling in rulings] == [YES, UNKNOWN, UNKNOWN]
    assert all(ruling.problems == () and "erased" in ruling.reasons[0] for ruling in rulings[1:])


def test_what_was_erased_is_not_taken_for_an_answer_that_is_missing(told: Told) -> None:
    one_gone = erased(told, "registration.email")

    assert [ruling.answer for ruling in rulings_now(RULES, one_gone)] == [YES, UNKNOWN, UNKNOWN]


def test_what_is_left_can_still_say_no(told: Told) -> None:
    assert answers(rulings_now(stricter(no_b), erased(told)))[1:] == [
        (2, NO, ["RW_MISSING"]),
        (4, NO, ["RW_MISSING"]),
    ]


def test_a_value_that_no_rule_asks_for_may_be_erased(told: Told) -> None:
    assert [ruling.answer for ruling in rulings_now(RULES, erased(told, "text", "handover.contact_name"))] == [YES] * 3


def test_a_value_that_was_recorded_anew_is_known_again(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "registered")
    sqlite_engine.record(case, {"registration": {"email": "nieuw@example.com"}})
    sqlite_engine.advance(case)
    told = told_of(sqlite_engine, case)
    first_gone = erased(told[:1], "registration.email") + told[1:]

    assert [ruling.answer for ruling in rulings_now(RULES, first_gone)] == [YES, UNKNOWN, YES]


def test_a_reason_that_was_erased_leaves_nobody_to_tell(sqlite_engine: Engine) -> None:
    told = told_of(sqlite_engine, bring(sqlite_engine, "withdrawn"))

    assert [ruling.answer for ruling in rulings_now(RULES, erased(told))] == [YES, UNKNOWN]


@pytest.mark.parametrize(
    "asks",
    [
        dict,
        lambda sheet: {**sheet},
        lambda sheet: sheet["email"],
        lambda sheet: sheet.get("email"),
        lambda sheet: "email" in sheet,
        lambda sheet: list(sheet.items()),
        lambda sheet: list(sheet.values()),
        lambda sheet: sheet == {},
    ],
)
def test_however_a_validator_asks_for_an_erased_value_it_is_noticed(told: Told, asks: Callable[[Any], object]) -> None:
    def asking(facts: Facts, context: Context) -> Iterator[Problem]:
        asks(facts["registration"])
        return iter(())

    register = next(move for move in EMPLOYER_COUPLING.moves if move.trigger == "register")
    moves = (replace(register, validators=(asking,)), *EMPLOYER_COUPLING.moves[1:])
    today = Rules(replace(EMPLOYER_COUPLING, moves=moves), WorkingDays())

    assert list(rulings_now(today, erased(told, "registration.email")))[1].answer is UNKNOWN
    assert list(rulings_now(today, told))[1].answer is YES


def test_then_needs_no_value_at_all(told: Told) -> None:
    then = rulings_then(KEPT, (event for event, _ in erased(told)))

    assert [ruling.answer for ruling in then] == [YES, YES, YES]
