"""`workflow impact` lists exactly the live cases that a change of rules would leave stuck, and on what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, case_row, look

from states import EMPLOYER_COUPLING
from workflow import Engine, Refused
from workflow.answers import Stuck
from workflow.calendar import WorkingDays
from workflow.clock import SetClock, local_day
from workflow.definition import Definition
from workflow.facts import Context, Facts, Problem, Severity, Validator
from workflow.impact import stuck_cases
from workflow.storage import listing
from workflow.work import Rules

NUMBER = "registration.framework_contract_number"
LIVE = ("rights_pending", "registered", "enriched", "keylane_configuring")


def a_prefix(prefix: str, code: str = "NEW_RULE", severity: Severity = Severity.ERROR) -> Validator:
    """A rule about the framework contract number, which every case gives before it is registered."""

    def asks_for_another_prefix(facts: Facts, context: Context) -> Iterator[Problem]:
        if str(facts.get("registration", {}).get("framework_contract_number", "")).startswith(prefix):
            yield Problem(code, severity, NUMBER, "applicant", (NUMBER,))

    return asks_for_another_prefix


def asking(*extra: Validator, of: str | None = None, **changed: Any) -> Definition:
    """The rules as they are to become: the same table with these validators more on each move forward, or on one."""
    moves = tuple(
        replace(move, validators=(*move.validators, *extra)) if move.forward and of in (None, move.trigger) else move
        for move in EMPLOYER_COUPLING.moves
    )
    return replace(EMPLOYER_COUPLING, version="2099.1", moves=moves, **changed)


def impact(engine: Engine, definition: Definition) -> dict[str, list[str]]:
    """What would be stuck on what: case → codes."""
    return {stuck.case: [problem.code for problem in stuck.problems] for stuck in found(engine, definition)}


def found(engine: Engine, definition: Definition) -> list[Stuck]:
    with engine.database.reading() as store:
        rules = Rules(definition, WorkingDays())
        return list(stuck_cases(store, rules, local_day(engine.clock.now()), lambda: None))


def opened(engine: Engine, state: str, number: str) -> str:
    """A case in this state whose framework contract number is this; warnings accepted."""
    facts = employer()
    facts["registration"]["framework_contract_number"] = number
    case = engine.open_case(facts).case.reference
    for _ in range(LIVE.index(state)):
        engine.advance(case, accept_warnings=True)
    return case


def test_a_stricter_rule_lists_exactly_the_cases_it_hits(engine: Engine) -> None:
    hit = {opened(engine, state, "B1") for state in LIVE[1:]}
    for state in LIVE[1:]:
        opened(engine, state, "A020990001")
    opened(engine, "rights_pending", "B1")  # was never judged: it waits as before
    ended = opened(engine, "registered", "B1")
    engine.advance(ended, "withdraw", reason="op verzoek")

    assert impact(engine, asking(a_prefix("B"))) == {case: ["NEW_RULE"] for case in hit}


def test_under_the_rules_they_were_judged_by_no_case_is_stuck_whatever_it_waits_for(engine: Engine) -> None:
    for state in LIVE:
        bare_facts = employer("loket_user", "registration") if state in LIVE[:2] else None
        bring(engine, state, bare_facts)
    spoiled = bring(engine, "enriched")
    engine.record(spoiled, {"registration": {"email": "geen adres", "framework_contract_number": "B1"}})

    assert impact(engine, EMPLOYER_COUPLING) == {}


@pytest.mark.parametrize("state", LIVE)
def test_what_a_case_must_do_next_does_not_make_it_stuck(engine: Engine, state: str) -> None:
    sheets = ("loket_user", "registration", "policy", "handover")
    needed = (1, 2, 3, 4)[LIVE.index(state)]
    bring(engine, state, employer(*sheets[:needed]))

    assert impact(engine, asking(a_prefix("B"))) == {}


def test_a_new_rule_for_the_next_move_about_an_earlier_sheet_makes_it_stuck(engine: Engine) -> None:
    waits = opened(engine, "enriched", "B1")
    opened(engine, "registered", "B1")

    assert impact(engine, asking(a_prefix("B"), of="hand_over")) == {waits: ["NEW_RULE"]}


def test_a_new_rule_about_the_next_sheet_does_not(engine: Engine) -> None:
    def a_date(facts: Facts, context: Context) -> Iterator[Problem]:
        if not facts.get("realisation", {}).get("realised_on"):
            yield Problem("NEW_RULE", Severity.ERROR, "realisation.realised_on", "keylane")

    bring(engine, "enriched", employer("loket_user", "registration", "policy"))

    assert impact(engine, asking(a_date)) == {}


def test_what_the_next_move_asks_for_the_first_time_of_an_earlier_sheet_is_waited_for(engine: Engine) -> None:
    facts = employer("loket_user", "registration", "policy", "handover")
    facts["handover"] = {"keylane_reference": "KL-1"}  # who spoke to whom is only asked when it is confirmed
    waits = bring(engine, "keylane_configuring", facts)

    assert [problem.code for problem in engine.case(waits).problems if problem.field.startswith("handover.")]
    assert impact(engine, EMPLOYER_COUPLING) == {}
    assert impact(engine, asking(a_prefix("B"))) == {}


def test_a_warning_that_became_an_error_counts_although_it_was_accepted(engine: Engine) -> None:
    case = opened(engine, "registered", "B1")
    harder = a_prefix("B", "RW_PREFIX", Severity.ERROR)

    assert impact(engine, asking(harder)) == {case: ["RW_PREFIX"]}


def test_a_new_warning_counts_until_somebody_accepts_it_and_an_accepted_one_does_not(engine: Engine) -> None:
    case = opened(engine, "registered", "B1")

    assert impact(engine, asking(a_prefix("B", "NEW_RULE", Severity.WARNING))) == {case: ["NEW_RULE"]}
    assert impact(engine, asking(a_prefix("B", "RW_PREFIX", Severity.WARNING))) == {}
    assert impact(engine, asking(a_prefix("B", "NEW_RULE", Severity.INFO))) == {}


def test_a_rule_that_kept_its_code_but_became_stricter_counts(engine: Engine) -> None:
    case = opened(engine, "enriched", "A02099")

    assert impact(engine, asking(a_prefix("A", "RW_MISSING"))) == {case: ["RW_MISSING"]}


def test_a_value_that_changed_since_was_not_judged_by_the_old_rules_so_it_counts(engine: Engine) -> None:
    case = opened(engine, "enriched", "A02099")
    engine.record(case, {"registration": {"framework_contract_number": "A02077"}})

    assert impact(engine, asking(a_prefix("A02077", "RW_MISSING"))) == {case: ["RW_MISSING"]}


def test_a_value_that_was_put_right_since_does_not_count(engine: Engine) -> None:
    case = opened(engine, "enriched", "B1")
    engine.record(case, {"registration": {"framework_contract_number": "A020990001"}})

    assert impact(engine, asking(a_prefix("B"))) == {}


def test_time_that_passed_is_not_the_rules_doing(engine: Engine, clock: SetClock) -> None:
    until = date(2026, 4, 22)

    def was_there_already(facts: Facts, context: Context) -> Iterator[Problem]:
        if context.today > until:
            yield Problem("POLICY_MISSING", Severity.ERROR, "policy.policies", "asr")

    bring(engine, "enriched")
    clock.moment = datetime(2026, 4, 24, 8, 0, tzinfo=UTC)
    judged_after = bring(engine, "enriched")

    assert impact(engine, asking(was_there_already)) == {judged_after: ["POLICY_MISSING"]}


def test_another_case_is_not_the_rules_doing_unless_the_rule_is_new(engine: Engine) -> None:
    facts = employer()
    older, younger = engine.open_case(facts).case.reference, bring(engine, "registered")
    engine.record(younger, {"registration": facts["registration"] | {"email": "b@example.com"}})
    with pytest.raises(Refused):
        engine.advance(younger)

    def no_twins(facts: Facts, context: Context) -> Iterator[Problem]:
        for _ in [other for other in context.others if other.kind == "coupling"]:
            yield Problem("NEW_RULE", Severity.ERROR, NUMBER, "operations")

    assert impact(engine, EMPLOYER_COUPLING) == {}
    assert "NEW_RULE" in impact(engine, asking(no_twins))[younger]
    assert older not in impact(engine, asking(no_twins))


def test_after_a_return_only_what_was_needed_to_be_there_counts(engine: Engine) -> None:
    to_asr, to_applicant = opened(engine, "enriched", "B1"), opened(engine, "enriched", "B1")
    engine.advance(to_asr, "return_to_asr", reason="polis")
    engine.advance(to_applicant, "return_to_applicant", reason="formulier")

    def no_policies(facts: Facts, context: Context) -> Iterator[Problem]:
        yield Problem("NEW_POLICY_RULE", Severity.ERROR, "policy.policies", "asr")

    assert impact(engine, asking(a_prefix("B"), no_policies)) == {to_asr: ["NEW_RULE"]}


def test_it_reads_page_by_page_in_the_order_of_opening_and_counts_each_live_case(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 3)
    cases = [opened(engine, "registered", "B1") for _ in range(7)]
    bring(engine, "withdrawn")
    steps: list[None] = []

    with engine.database.reading() as store:
        rules = Rules(asking(a_prefix("B")), WorkingDays())
        stuck = list(stuck_cases(store, rules, date(2026, 4, 20), lambda: steps.append(None)))
        assert len(steps) == listing.count_live(store) == 7

    assert [each.case for each in stuck] == cases


def test_it_writes_nothing_not_even_the_rules_it_asks_about(engine: Engine, url: str) -> None:
    opened(engine, "registered", "B1")
    before = [look(url, f"SELECT * FROM {table}") for table in ("cases", "events", "definitions", "timers")]

    same_version = replace(asking(a_prefix("B")), version=EMPLOYER_COUPLING.version)
    assert len(impact(engine, same_version)) == 1

    after = [look(url, f"SELECT * FROM {table}") for table in ("cases", "events", "definitions", "timers")]
    assert after == before


def test_the_rules_of_then_may_be_gone(engine: Engine, url: str, clock: SetClock) -> None:
    case = opened(engine, "registered", "B1")
    clock.moment += timedelta(days=1)
    with bare(url) as connection:
        connection.execute("DELETE FROM definitions")

    assert impact(engine, asking(a_prefix("B"))) == {case: ["NEW_RULE"]}


# -- what exactly is compared ------------------------------------------------------------------------------------------


def a_rule(field: str, *about: str, when: Callable[[Facts, Context], object]) -> Validator:
    """A stricter rule under a code that there was, so that it only counts for what was never judged by the old one."""

    def asks(facts: Facts, context: Context) -> Iterator[Problem]:
        if when(facts, context):
            yield Problem("RW_MISSING", Severity.ERROR, field, "applicant", about)

    return asks


def named(facts: Facts, *words: str) -> bool:
    """Whether the first director and major shareholder has one of these names."""
    return any(word in str(facts["registration"]["dgas"]) for word in words)


@pytest.mark.parametrize(
    ("field", "about", "stuck"),
    [
        ("registration.dgas", (), True),
        ("registration.dgas[0].name", (), True),
        ("registration.email", (), False),
        ("registration.email[0].dgas", (), False),
        ("registration.email", ("registration.dgas",), True),
        ("registration.dgas", ("registration.email",), False),
        ("registration.email", ("realisation.realised_on", "registration.dgas"), True),  # a sheet that is not there
        ("registration.email", ("realisation.realised_on",), False),
    ],
)
def test_what_changed_since_is_looked_for_in_what_the_problem_is_about_or_else_in_its_field(
    sqlite_engine: Engine, field: str, about: tuple[str, ...], stuck: bool
) -> None:
    case = bring(sqlite_engine, "registered", employer("loket_user", "registration"))
    sqlite_engine.record(case, {"registration": {"dgas": [{"name": "X. Ander", "employee_number": "1"}]}})

    rule = a_rule(field, *about, when=lambda facts, _: named(facts, "X. Ander"))

    assert impact(sqlite_engine, asking(rule)) == ({case: ["RW_MISSING"]} if stuck else {})


def test_the_answer_holds_the_case_who_has_the_ball_and_the_whole_problem(sqlite_engine: Engine) -> None:
    case = opened(sqlite_engine, "registered", "B1")
    kept = tuple(state for state in EMPLOYER_COUPLING.states if state.name != "registered")
    ways = tuple(move for move in EMPLOYER_COUPLING.moves if "registered" not in (*move.sources, move.target))
    gone = replace(EMPLOYER_COUPLING, version="2099.1", states=kept, moves=ways)
    pit = replace(EMPLOYER_COUPLING, version="2099.1", moves=ways)

    assert found(sqlite_engine, asking(a_prefix("B"))) == [
        Stuck(case, None, "registered", "asr", (Problem("NEW_RULE", Severity.ERROR, NUMBER, "applicant", (NUMBER,)),))
    ]
    assert found(sqlite_engine, gone) == [
        Stuck(case, None, "registered", None, reasons=("There is no state 'registered'.",))
    ]
    assert found(sqlite_engine, pit) == [
        Stuck(case, None, "registered", "asr", reasons=("No move leads forward from 'registered'.",))
    ]


def test_a_return_is_no_judgement_so_its_day_does_not_count(sqlite_engine: Engine, clock: SetClock) -> None:
    case = bring(sqlite_engine, "enriched")
    clock.moment += timedelta(days=4)
    sqlite_engine.advance(case, "return_to_asr", reason="polis")
    rule = a_rule("registration.email", when=lambda _, context: context.today > date(2026, 4, 22))

    assert impact(sqlite_engine, asking(rule)) == {}


def test_a_rule_may_ask_the_calendar_what_the_day_of_the_judgement_was(sqlite_engine: Engine, clock: SetClock) -> None:
    bring(sqlite_engine, "registered")
    clock.moment += timedelta(days=5)
    on_saturday = bring(sqlite_engine, "registered")
    clock.moment += timedelta(days=1)
    rule = a_rule("registration.email", when=lambda _, context: not context.calendar.is_working_day(context.today))

    assert impact(sqlite_engine, asking(rule)) == {on_saturday: ["RW_MISSING"]}


def test_an_acceptance_that_ended_with_its_value_is_not_the_rules_doing(sqlite_engine: Engine) -> None:
    case = opened(sqlite_engine, "registered", "B1")
    sqlite_engine.record(case, {"registration": {"framework_contract_number": "B2"}})

    assert [problem.code for problem in sqlite_engine.case(case).problems] == ["RW_PREFIX"]
    assert impact(sqlite_engine, EMPLOYER_COUPLING) == {}


def test_a_new_warning_about_another_case_counts_as_a_new_error_does(sqlite_engine: Engine) -> None:
    facts = employer()
    sqlite_engine.open_case(facts)
    younger = bring(sqlite_engine, "registered")
    sqlite_engine.record(younger, {"registration": {"company_name": facts["registration"]["company_name"]}})

    def no_namesakes(_: Facts, context: Context) -> Iterator[Problem]:
        if context.others:
            yield Problem("NEW_RULE", Severity.WARNING, "registration.email", "operations")

    assert impact(sqlite_engine, asking(no_namesakes))[younger][-1] == "NEW_RULE"


def test_a_case_that_was_never_judged_is_not_stuck_although_rules_lead_to_where_it_is(sqlite_engine: Engine) -> None:
    opened(sqlite_engine, "rights_pending", "B1")
    moves = tuple(
        replace(move, requires=("registration",)) if move.target == "rights_pending" else move
        for move in asking(a_prefix("B")).moves
    )

    assert found(sqlite_engine, replace(EMPLOYER_COUPLING, version="2099.1", moves=moves)) == []


def test_a_case_whose_history_cannot_be_read_is_named_and_the_others_are_judged(engine: Engine, url: str) -> None:
    odd, hit = opened(engine, "registered", "B1"), opened(engine, "registered", "B1")
    with bare(url) as connection:
        connection.execute(f"UPDATE private_values SET value = 'no json' WHERE case_id = {case_row(url, odd)['id']}")

    first, second = found(engine, asking(a_prefix("B")))

    assert (first.case, first.state, first.holder, first.problems) == (odd, "registered", "asr", ())
    assert ("cannot be read" in first.reasons[0], "audit verify" in first.reasons[0]) == (True, True)
    assert (second.case, second.reasons) == (hit, ())


@pytest.mark.parametrize("altered", ["facts = '[1]'", "progress = '{}'", "facts = '{'"])
def test_a_case_that_cannot_be_read_is_named_and_the_others_are_judged(engine: Engine, url: str, altered: str) -> None:
    engine.open_case(employer("loket_user", "registration"), external_reference="E1")
    odd, hit = engine.case("E1").case.reference, opened(engine, "registered", "B1")
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET {altered} WHERE reference = '{odd}'")

    first, second = found(engine, asking(a_prefix("B")))

    assert (first.case, first.external_reference, first.state) == (odd, "E1", "rights_pending")
    assert ("cannot be read" in first.reasons[0], "audit verify" in first.reasons[0]) == (True, True)
    assert (second.case, [problem.code for problem in second.problems]) == (hit, ["NEW_RULE"])
