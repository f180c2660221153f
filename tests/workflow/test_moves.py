"""Every state × every trigger × (facts complete, one required thing missing), on both databases.

What must happen stands here in the words of the design, not read from the table that is tested.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, case_row, count, events_of, look, traces

from states import EMPLOYER_COUPLING
from workflow import Database, Engine, Origin, Refused, UsageError, open_database
from workflow.clock import SetClock

STATES = ("rights_pending", "registered", "enriched", "keylane_configuring", "confirmed", "withdrawn")
TRIGGERS = ("register", "enrich", "hand_over", "confirm", "return_to_applicant", "return_to_asr", "withdraw")
GOES = {
    ("rights_pending", "register"): "registered",
    ("registered", "enrich"): "enriched",
    ("enriched", "hand_over"): "keylane_configuring",
    ("keylane_configuring", "confirm"): "confirmed",
    ("registered", "return_to_applicant"): "rights_pending",
    ("enriched", "return_to_applicant"): "rights_pending",
    ("keylane_configuring", "return_to_applicant"): "rights_pending",
    ("enriched", "return_to_asr"): "registered",
    ("keylane_configuring", "return_to_asr"): "registered",
    ("rights_pending", "withdraw"): "withdrawn",
    ("registered", "withdraw"): "withdrawn",
    ("enriched", "withdraw"): "withdrawn",
    ("keylane_configuring", "withdraw"): "withdrawn",
}
LETTERS = {
    "register": [("registration_received", "applicant"), ("enrichment_requested", "asr")],
    "enrich": [("keylane_handover", "keylane"), ("keylane_will_contact", "applicant")],
    "hand_over": [("configuration_started", "applicant")],
    "confirm": [("coupling_confirmed", "applicant"), ("coupling_confirmed", "asr")],
    "return_to_applicant": [("returned_to_applicant", "applicant")],
    "return_to_asr": [("enrichment_requested", "asr")],
    "withdraw": [("case_withdrawn", "applicant")],
}
COMPLETE, REASON = "nothing", "reason"
RIGHTS = tuple(employer("loket_user")["loket_user"]["rights"])
MISSING: Mapping[str, tuple[str, str, str]] = {
    # what is missing                    asked for from   refused as                    about the field
    "registration.company_name": ("register", "NAME_MISSING", "registration.company_name"),
    "registration.email": ("register", "EMAIL_MISSING", "registration.email"),
    "registration.framework_contract_number": ("register", "RW_MISSING", "registration.framework_contract_number"),
    "registration.wage_tax_number": ("register", "LH_MISSING", "registration.wage_tax_number"),
    "registration.loket_employer_id": ("register", "WGID_MISSING", "registration.loket_employer_id"),
    "registration.dgas": ("register", "DGA_UNANSWERED", "registration.dgas"),
    "registration.dgas.0.name": ("register", "DGA_NAME_MISSING", "registration.dgas[0].name"),
    "registration.dgas.0.employee_number": ("register", "DGA_NUMBER_MISSING", "registration.dgas[0].employee_number"),
    "registration.payroll_frequency": ("register", "PERIOD_MISSING", "registration.payroll_frequency"),
    "registration.thirteenth_month": ("register", "T13_MISSING", "registration.thirteenth_month"),
    "loket_user.kind": ("register", "USER_TYPE", "loket_user.kind"),
    "loket_user.dedicated": ("register", "USER_NOT_DEDICATED", "loket_user.dedicated"),
    "loket_user.active": ("register", "USER_BLOCKED", "loket_user.active"),
    "loket_user.access_via": ("register", "USER_NO_ACCESS", "loket_user.access_via"),
    "loket_user.rights": ("register", "RIGHTS_MISSING", "loket_user.rights"),
    **{f"loket_user.rights.{n}": ("register", "RIGHTS_MISSING", "loket_user.rights") for n in range(len(RIGHTS))},
    "policy.policies": ("enrich", "POLICY_MISSING", "policy.policies"),
    "policy.policies.0.policy_number": ("enrich", "POLICY_NUMBER_MISSING", "policy.policies[0].policy_number"),
    "policy.policies.0.start_date": ("enrich", "POLICY_START_MISSING", "policy.policies[0].start_date"),
    "policy.policies.0.pension_act": ("enrich", "POLICY_BASIS_MISSING", "policy.policies[0].pension_act"),
    "handover.keylane_reference": ("hand_over", "HANDOVER_REFERENCE_MISSING", "handover.keylane_reference"),
    "handover.contacted_on": ("confirm", "CONTACT_DATE_MISSING", "handover.contacted_on"),
    "handover.authorisations_set": ("confirm", "AUTHORISATIONS_NOT_SET", "handover.authorisations_set"),
    "realisation.realised_on": ("confirm", "REALISED_MISSING", "realisation.realised_on"),
    "realisation.first_exchange_date": ("confirm", "FIRST_EXCHANGE_MISSING", "realisation.first_exchange_date"),
}
ENDS = ("loket_user.access_via", "registration.loket_employer_id")
"""Without these nobody knows for whom Keylane set what it did."""
LAPSED = tuple(MISSING[path][1:] for path in ("handover.contacted_on", "handover.authorisations_set"))
ONWARD = ("register", "enrich", "hand_over", "confirm")
NEEDS_REASON = ("return_to_applicant", "return_to_asr", "withdraw")
FINAL = ("confirmed", "withdrawn")


@dataclass(frozen=True)
class Trial:
    """What became of one attempt: where the case is, why it was refused, and what it left behind."""

    state: str
    problems: tuple[tuple[str, str], ...] | None
    untouched: bool
    added: tuple[dict[str, Any], ...]
    letters: tuple[tuple[str, str], ...]


@dataclass
class Workshop:
    """Makes cases with one thing missing, and uses a case again for as long as it only was refused."""

    engine: Engine
    looking: Any
    cases: dict[tuple[str, str], str]

    def attempt(self, state: str, trigger: str, missing: str) -> Trial:
        reference = self.cases.get((state, missing)) or self._make(state, missing)
        before, events = traces(self.looking, reference), events_of(self.looking, reference)
        problems = None
        try:
            reason = "op verzoek" if missing != REASON and trigger in NEEDS_REASON else None
            self.engine.advance(reference, trigger, reason=reason)
            self.cases.pop((state, missing), None)
        except Refused as error:
            self.cases[state, missing] = reference
            problems = tuple((problem.code, problem.field) for problem in error.problems)
        after = traces(self.looking, reference)
        added = tuple(events_of(self.looking, reference)[len(events) :])
        sent = look(
            self.looking,
            f"SELECT letter, role FROM outbox WHERE case_id = {case_row(self.looking, reference)['id']}"
            f" AND seq > {len(events)} ORDER BY id",
        )
        return Trial(
            state=self.engine.case(reference).case.state,
            problems=problems,
            untouched=after == before,
            added=added,
            letters=tuple((row["letter"], row["role"]) for row in sent),
        )

    def _make(self, state: str, missing: str) -> str:
        reference = bring(self.engine, state)
        if missing not in (COMPLETE, REASON):
            sheet, name, *inside = missing.split(".")
            self.engine.record(reference, {sheet: {name: _without(employer(sheet)[sheet][name], inside)}})
        return reference


def _without(value: Any, path: list[str]) -> Any:
    if not path:
        return None
    left = copy.deepcopy(value)
    if len(path) == 1:
        del left[int(path[0])]
    else:
        left[int(path[0])][path[1]] = None
    return left


def lacks(state: str) -> tuple[str, ...]:
    """What can be missing in this state; the facts of a final one are closed."""
    return (COMPLETE, REASON) if state in FINAL else (COMPLETE, REASON, *MISSING)


def expected(state: str, trigger: str, missing: str) -> tuple[str, tuple[tuple[str, str], ...] | None]:
    """Where the case is afterwards, and the one thing that is named when it may not move."""
    target = GOES.get((state, trigger))
    if target is None:
        return state, ()
    if missing == REASON and trigger in NEEDS_REASON:
        return state, (("REASON_MISSING", "reason"),)
    if missing in MISSING and trigger in ONWARD:
        asked_from, code, field = MISSING[missing]
        if ONWARD.index(asked_from) <= ONWARD.index(trigger):
            ended = LAPSED if missing in ENDS and trigger == "confirm" else ()
            return state, ((code, field), *ended)
    return target, None


Trials = Mapping[tuple[str, str, str], Trial]


@pytest.fixture(scope="module")
def shared(shared_url: str) -> Iterator[Database]:
    database = open_database(shared_url)
    yield database
    database.dispose()


@pytest.fixture(scope="module")
def steady(shared: Database) -> Engine:
    clock = SetClock(datetime(2026, 4, 20, 8, 0, tzinfo=UTC))
    return Engine(shared, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "anna-os", "python"))


@pytest.fixture(scope="module")
def trials(steady: Engine, shared_url: str) -> Trials:
    """Every attempt there is, each made once."""
    with bare(shared_url) as connection:
        workshop = Workshop(steady, connection, {})
        return {
            (state, trigger, missing): workshop.attempt(state, trigger, missing)
            for state, trigger in itertools.product(STATES, TRIGGERS)
            for missing in lacks(state)
        }


PAIRS = tuple(itertools.product(STATES, TRIGGERS))


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_a_move_goes_where_the_table_says_or_names_exactly_what_is_missing(
    trials: Trials, state: str, trigger: str
) -> None:
    wanted = {missing: expected(state, trigger, missing) for missing in lacks(state)}

    found = {
        missing: (trials[state, trigger, missing].state, trials[state, trigger, missing].problems) for missing in wanted
    }

    assert found == wanted


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_a_refused_move_leaves_no_trace_but_its_refusal(trials: Trials, state: str, trigger: str) -> None:
    refused = [trials[state, trigger, missing] for missing in lacks(state)]
    refused = [trial for trial in refused if trial.problems is not None]

    left = [(trial.untouched, [event["kind"] for event in trial.added]) for trial in refused]

    assert left == [(True, ["refused"])] * len(refused)


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_a_refusal_holds_its_trigger_codes_and_fields_and_no_value(trials: Trials, state: str, trigger: str) -> None:
    refused = [trials[state, trigger, missing] for missing in lacks(state)]
    refused = [trial for trial in refused if trial.problems is not None]

    said = [json.loads(bytes(trial.added[0]["canonical"])) for trial in refused]

    for trial, event in zip(refused, said, strict=True):
        assert (event["trigger"], event["from"], event["to"]) == (trigger, state, state)
        assert event["body"] == {"problems": [{"code": code, "field": field} for code, field in trial.problems or ()]}
        assert event["commitments"] == {}


@pytest.mark.parametrize(("state", "trigger"), sorted(GOES))
def test_a_move_appends_one_event_and_writes_its_letters(trials: Trials, state: str, trigger: str) -> None:
    keylane_knows = trigger == "withdraw" and state in ("enriched", "keylane_configuring")
    wanted = [*LETTERS[trigger], *([("case_withdrawn", "keylane")] if keylane_knows else [])]

    trial = trials[state, trigger, COMPLETE]

    assert [event["kind"] for event in trial.added] == ["moved"]
    assert (trial.added[0]["from_state"], trial.added[0]["to_state"]) == (state, GOES[state, trigger])
    assert list(trial.letters) == wanted


@pytest.mark.parametrize("state", STATES)
def test_an_unknown_trigger_is_a_usage_error_and_appends_nothing(steady: Engine, shared_url: str, state: str) -> None:
    reference = bring(steady, state)
    before = count(shared_url, "events")

    with pytest.raises(UsageError, match=r"regster.*register"):
        steady.advance(reference, "regster")

    assert count(shared_url, "events") == before


@pytest.mark.parametrize("state", STATES)
def test_without_a_trigger_the_one_forward_move_is_made(steady: Engine, state: str) -> None:
    reference = bring(steady, state)
    forward = {start: target for (start, trigger), target in GOES.items() if trigger in ONWARD}

    if state in FINAL:
        with pytest.raises(Refused, match="final"):
            steady.advance(reference)
    else:
        steady.advance(reference)

    assert steady.case(reference).case.state == forward.get(state, state)


@pytest.mark.parametrize("state", STATES)
def test_why_says_of_each_move_what_advance_would_do(steady: Engine, state: str) -> None:
    reference = bring(steady, state)

    why = steady.why(reference)

    leaving = {trigger: target for (start, trigger), target in GOES.items() if start == state}
    assert {str(move.trigger): str(move.target) for move in why.moves} == leaving
    assert [move.trigger for move in why.moves if not move.allowed] == []
    assert {move.trigger for move in why.moves if "reason" in move.asks} == set(leaving) & set(NEEDS_REASON)


def test_a_refused_move_keeps_none_of_the_facts_given_along(steady: Engine, shared_url: str) -> None:
    reference = bring(steady, "rights_pending", employer("registration"))
    before = traces(shared_url, reference)

    with pytest.raises(Refused):
        steady.advance(reference, facts={"loket_user": {"kind": "standard"}})

    assert traces(shared_url, reference) == before


def test_facts_given_along_are_kept_in_the_event_of_the_move(steady: Engine, shared_url: str) -> None:
    whole = employer()
    reference = bring(steady, "rights_pending", {"registration": whole["registration"]})

    steady.advance(reference, facts={"loket_user": whole["loket_user"]})

    last = json.loads(bytes(events_of(shared_url, reference)[-1]["canonical"]))
    assert (last["kind"], last["body"]["facts"]["loket_user"]["kind"]) == ("moved", "standard")
    assert steady.case(reference).case.facts["loket_user"] == whole["loket_user"]


def test_all_reasons_are_named_at_once(steady: Engine) -> None:
    reference = steady.open_case({}).case.reference

    with pytest.raises(Refused) as refusal:
        steady.advance(reference, "register")

    asked = {code for trigger, code, _ in MISSING.values() if trigger == "register"}
    assert {problem.code for problem in refusal.value.problems} == asked - {"DGA_NAME_MISSING", "DGA_NUMBER_MISSING"}


def test_a_later_move_checks_the_earlier_sheets_again(steady: Engine) -> None:
    reference = bring(steady, "keylane_configuring")
    steady.record(reference, {"loket_user": {"active": False}})

    with pytest.raises(Refused) as refusal:
        steady.advance(reference, "confirm")

    assert [problem.code for problem in refusal.value.problems] == ["USER_BLOCKED"]
