"""Random commands against a model in plain Python: state, version, facts, timers, and replay equal to what is stored.

SCHAKEL_LONG multiplies the number of runs.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import pytest
from employers import FORWARD, LONG
from examples import facts as complete
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from looking import look

from states import EMPLOYER_COUPLING
from workflow import Conflict, Engine, Origin, Refused, UsageError, open_database
from workflow.calendar import WorkingDays
from workflow.clock import AMSTERDAM, SetClock
from workflow.schedule import due_at, timers_of

START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
MOVES = {
    ("rights_pending", "register"): "registered",
    ("registered", "enrich"): "enriched",
    ("enriched", "hand_over"): "keylane_configuring",
    ("keylane_configuring", "confirm"): "confirmed",
    **{(s, "return_to_applicant"): "rights_pending" for s in ("registered", "enriched", "keylane_configuring")},
    **{(s, "return_to_asr"): "registered" for s in ("enriched", "keylane_configuring")},
    **{(s, "withdraw"): "withdrawn" for s in ("rights_pending", "registered", "enriched", "keylane_configuring")},
}
FINAL = ("confirmed", "withdrawn")
AMENDABLE = {
    "confirmed": {"realisation.first_exchange_date", "registration.email"},
    "withdrawn": {"registration.email"},
}
TRIGGERS = sorted({trigger for _, trigger in MOVES})
NEED_REASON = ("return_to_applicant", "return_to_asr", "withdraw")
WARNINGS = ("RW_PREFIX", "KVK_FORMAT", "T13_4W_CONFIRM", "RIGHTS_EXTRA")
MAY: dict[str, list[Any]] = {
    # a few values of each field: right, wrong, warned of, cleared
    "loket_user.active": [True, False, None],
    "loket_user.rights": [complete("loket_user")["loket_user"]["rights"], ["Raadplegen HRM"], None],
    "loket_user.user_name": ["koppeling.a", "koppeling.b", None],
    "registration.framework_contract_number": ["A020990001", "B1", "B2"],
    "registration.kvk_number": ["00000001", "12", None],
    "registration.email": ["a@example.com", "geen adres", None],
    "registration.contact_name": ["Jan", " Jan ", "Piet", None],
    "registration.dgas": [[], [{"name": "A. Fictief", "employee_number": 7}], None],
    "registration.payroll_frequency": ["monthly", "four_weekly"],
    "registration.thirteenth_month": [True, False],
    "policy.policies": [complete("policy")["policy"]["policies"], [], None],
    "handover.keylane_reference": ["KL-1", 77, None],
    "handover.authorisations_set": [True, False],
    "realisation.first_exchange_date": ["2031-06-04", "2031-06-05", None],
    "realisation.realised_on": ["2026-05-06", None],
}
changes = st.dictionaries(st.sampled_from(sorted(MAY)), st.integers(0, 3), min_size=1, max_size=3).map(
    lambda chosen: {path: MAY[path][index % len(MAY[path])] for path, index in chosen.items()}
)


SET_FOR_A_USER = ("handover.contacted_on", "handover.authorisations_set")
KEPT = (
    "registration.framework_contract_number",
    "registration.payroll_frequency",
    "registration.thirteenth_month",
)
"""What every case here has, so that the model needs fewer rules."""


def nested(flat: dict[str, Any]) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for path, value in flat.items():
        sheet, _, name = path.partition(".")
        made.setdefault(sheet, {})[name] = copy.deepcopy(value)
    return made


@dataclass
class Model:
    """What a case should be, by the words of the design."""

    facts: dict[str, Any]
    state: str = "rights_pending"
    version: int = 1
    events: list[str] = field(default_factory=lambda: ["opened"])
    accepted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    held_until: date | None = None
    keys: dict[str, tuple[Any, tuple[str, int]]] = field(default_factory=dict)
    past: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def happened(self, kind: str) -> None:
        self.events.append(kind)
        self.version += kind in ("recorded", "moved", "held", "resumed")
        self.past.append((self.state, dict(self.facts)))

    def change(self, flat: dict[str, Any]) -> dict[str, Any]:
        """The fields that differ."""
        trimmed = {path: value.strip() if isinstance(value, str) else value for path, value in flat.items()}
        differing = {path: value for path, value in trimmed.items() if self.facts.get(path) != value}
        replaced = "loket_user.user_name" in self.facts and "loket_user.user_name" in differing
        if replaced and self.state not in FINAL:
            ended = [path for path in SET_FOR_A_USER if path in self.facts and path not in flat]
            differing |= dict.fromkeys(ended)
        return differing

    def take(self, differing: dict[str, Any]) -> None:
        self.facts = {p: v for p, v in (self.facts | differing).items() if v is not None}
        self.accepted = {code: about for code, about in self.accepted.items() if not set(about) & set(differing)}

    def problems(self, trigger: str, differing: dict[str, Any]) -> tuple[set[str], set[str]]:
        """Errors and warnings of a move, for the values that this test records."""
        facts = {p: v for p, v in (self.facts | differing).items() if v is not None}
        errors, warnings = set(), set()
        if trigger in NEED_REASON:
            return errors, warnings
        asked = FORWARD.index(trigger)
        rights = facts.get("loket_user.rights", [])
        errors |= {"USER_BLOCKED"} if facts.get("loket_user.active") is not True else set()
        errors |= {"RIGHTS_MISSING"} if len(rights) < 6 else set()
        mail = facts.get("registration.email")
        errors |= {"EMAIL_MISSING"} if mail is None else {"EMAIL_SYNTAX"} if "@" not in mail else set()
        errors |= {"DGA_UNANSWERED"} if "registration.dgas" not in facts else set()
        if asked >= 1 and not facts.get("policy.policies"):
            errors.add("POLICY_MISSING")
        if asked >= 2 and "handover.keylane_reference" not in facts:
            errors.add("HANDOVER_REFERENCE_MISSING")
        if asked >= 3:
            errors |= set() if facts.get("handover.authorisations_set") else {"AUTHORISATIONS_NOT_SET"}
            errors |= set() if "handover.contacted_on" in facts else {"CONTACT_DATE_MISSING"}
            errors |= set() if "realisation.realised_on" in facts else {"REALISED_MISSING"}
            errors |= set() if "realisation.first_exchange_date" in facts else {"FIRST_EXCHANGE_MISSING"}
        if not facts["registration.framework_contract_number"].startswith("A020"):
            warnings.add("RW_PREFIX")
        if facts.get("registration.kvk_number") == "12":
            warnings.add("KVK_FORMAT")
        if facts["registration.payroll_frequency"] == "four_weekly" and facts["registration.thirteenth_month"]:
            warnings.add("T13_4W_CONFIRM")
        standing = {code for code, about in self.accepted.items() if not set(about) & set(differing)}
        return errors, warnings - standing


ABOUT = {
    "RW_PREFIX": ("registration.framework_contract_number",),
    "KVK_FORMAT": ("registration.kvk_number",),
    "T13_4W_CONFIRM": ("registration.payroll_frequency", "registration.thirteenth_month"),
}


class Couplings(RuleBasedStateMachine):
    """Commands on a few cases, in any order, at any time."""

    url: ClassVar[str]
    cases = Bundle("cases")

    @initialize()
    def open_the_database(self) -> None:
        self.clock = SetClock(START)
        self.database = open_database(self.url)
        self.engine = Engine(
            self.database, EMPLOYER_COUPLING, clock=self.clock, origin=Origin("anna", "anna-os", "python")
        )
        self.models: dict[str, Model] = {}
        self.touched: str | None = None

    def teardown(self) -> None:
        if hasattr(self, "database"):
            self.database.dispose()

    @rule(target=cases, whole=st.booleans(), flat=changes)
    def open_case(self, whole: bool, flat: dict[str, Any]) -> str:
        start = complete()
        start["registration"] |= {
            "company_name": f"Werkgever {os.urandom(6).hex()}",
            "loket_employer_id": str(int.from_bytes(os.urandom(3)) + 1),
        }
        start["realisation"]["first_exchange_date"] = "2031-06-04"
        given = {path: value for path, value in _flat(start).items() if whole or path in KEPT or path not in MAY} | flat
        opened = self.engine.open_case(nested(given))
        model = Model({})
        model.take(model.change(given))
        model.past.append((model.state, dict(model.facts)))
        self.models[opened.case.reference] = model
        self.touched = opened.case.reference
        return opened.case.reference

    @rule(case=cases, flat=changes)
    def record(self, case: str, flat: dict[str, Any]) -> None:
        model = self.models[case]
        differing = model.change(flat)
        ended = model.state in FINAL
        changeable = not ended or set(differing or flat) <= AMENDABLE[model.state]
        unfit = ended and any(value in (None, "geen adres") for value in differing.values())
        self.touched = case
        try:
            recorded = self.engine.record(case, nested(flat))
        except Refused:
            assert not changeable or unfit
            model.happened("refused")
            return
        assert not differing or (changeable and not unfit)
        assert set(recorded.changed) == set(differing)
        if differing:
            model.take(differing)
            model.happened("recorded")

    @rule(
        case=cases,
        trigger=st.none() | st.sampled_from(TRIGGERS),
        accept=st.lists(st.sampled_from(WARNINGS), max_size=2, unique=True),
        everything=st.booleans(),
        reason=st.sampled_from([None, "op verzoek", " "]),
        flat=st.just({}) | changes,
        key=st.sampled_from([None, None, "k1", "k2"]),
        expected=st.sampled_from([None, None, 0, 1]),
    )
    def advance(
        self,
        case: str,
        trigger: str | None,
        accept: list[str],
        everything: bool,
        reason: str | None,
        flat: dict[str, Any],
        key: str | None,
        expected: int | None,
    ) -> None:
        model = self.models[case]
        version = None if expected is None else model.version - expected
        asked = (trigger, sorted(accept), everything, reason, json.dumps(nested(flat), sort_keys=True))
        forward = next((t for (s, t) in MOVES if s == model.state and t in FORWARD), None)
        self.touched = case
        try:
            moved = self.engine.advance(
                case,
                trigger,
                facts=nested(flat),
                accept=accept,
                accept_warnings=everything,
                reason=reason,
                expect_version=version,
                key=key,
            )
        except Conflict:
            stale = key not in model.keys and version not in (None, model.version)
            assert stale or (key in model.keys and model.keys[str(key)][0] != asked)
            return
        except Refused as error:
            assert key not in model.keys
            assert version in (None, model.version)
            wanted = trigger or forward
            if wanted is not None and (model.state, wanted) in MOVES:
                codes = {problem.code for problem in error.problems}
                assert codes
                assert codes == self._refuses(model, wanted, accept, everything, reason, flat)
            model.happened("refused")
            return
        if moved.repeated:
            assert key is not None
            assert model.keys[key] == (asked, (moved.target, moved.version))
            return
        assert key not in model.keys
        wanted = trigger or forward
        assert wanted is not None
        assert not self._refuses(model, wanted, accept, everything, reason, flat)
        differing = model.change(flat)
        _, fresh = model.problems(wanted, differing)
        model.take(differing)
        model.accepted |= {code: ABOUT[code] for code in fresh}
        assert set(moved.accepted) == fresh
        model.state = MOVES[model.state, wanted]
        model.held_until = None
        model.happened("moved")
        assert (moved.target, moved.version) == (model.state, model.version)
        if key is not None:
            model.keys[key] = (asked, (model.state, model.version))

    def _refuses(
        self,
        model: Model,
        trigger: str,
        accept: list[str],
        everything: bool,
        reason: str | None,
        flat: dict[str, Any],
    ) -> set[str]:
        errors, warnings = model.problems(trigger, model.change(flat))
        if trigger in NEED_REASON and not (reason or "").strip():
            errors = errors | {"REASON_MISSING"}
        return errors | (set() if everything else warnings - set(accept))

    @rule(case=cases, steps=st.integers(1, 4))
    def go_on(self, case: str, steps: int) -> None:
        """Runs reach the later states often enough this way."""
        for _ in range(steps):
            self.advance(case, None, [], True, None, {}, None, None)

    @rule(case=cases, bsn=st.booleans())
    def note(self, case: str, bsn: bool) -> None:
        self.touched = case
        try:
            self.engine.note(case, "nummer 123456782" if bsn else "gebeld")
        except Refused:
            assert bsn
            self.models[case].happened("refused")
            return
        assert not bsn
        self.models[case].happened("noted")

    @rule(case=cases, days=st.integers(-1, 20))
    def hold(self, case: str, days: int) -> None:
        model = self.models[case]
        today = self.clock.now().astimezone(AMSTERDAM).date()
        until = today + timedelta(days=days)
        self.touched = case
        try:
            self.engine.hold(case, until, "wacht")
        except UsageError:
            assert days <= 0
        except Refused:
            assert model.state in FINAL
            model.happened("refused")
        else:
            assert days > 0
            assert model.state not in FINAL
            model.held_until = until
            model.happened("held")

    @rule(case=cases)
    def resume(self, case: str) -> None:
        model = self.models[case]
        today = self.clock.now().astimezone(AMSTERDAM).date()
        self.touched = case
        try:
            self.engine.resume(case)
        except Refused:
            assert model.held_until is None or model.held_until <= today
            model.happened("refused")
        else:
            assert model.held_until is not None
            assert model.held_until > today
            model.held_until = None
            model.happened("resumed")

    @rule(hours=st.sampled_from([1, 14, 24, 72, 240]))
    def wait(self, hours: int) -> None:
        self.clock.moment += timedelta(hours=hours)

    @rule(case=cases, trigger=st.sampled_from(["regster", "open", ""]))
    def mistype(self, case: str, trigger: str) -> None:
        with pytest.raises(UsageError):
            self.engine.advance(case, trigger)
        self.touched = case

    @invariant()
    def the_case_is_what_the_model_says(self) -> None:
        if not getattr(self, "touched", None):
            return
        reference, self.touched = str(self.touched), None
        model = self.models[reference]
        stored = self.engine.case(reference).case
        assert (stored.state, stored.version, stored.seq) == (model.state, model.version, len(model.events))
        assert _flat(stored.facts) == model.facts
        assert {code: tuple(about) for code, about in stored.accepted.items()} == model.accepted
        assert stored.held_until == model.held_until
        self._timers_follow(reference, stored)
        self._history_is_whole(reference, model)

    def _timers_follow(self, reference: str, stored: Any) -> None:
        (row,) = look(self.url, f"SELECT id, due_at FROM cases WHERE reference = '{reference}'")
        rows = look(self.url, f"SELECT kind, rung, due_at FROM timers WHERE case_id = {row['id']}")
        calendar = WorkingDays()
        derived = {(str(t.kind), t.rung, t.due_at) for t in timers_of(EMPLOYER_COUPLING, calendar, stored)}
        assert {(timer["kind"], timer["rung"], _moment(timer["due_at"])) for timer in rows} == derived
        assert _moment(row["due_at"]) == due_at(EMPLOYER_COUPLING, calendar, stored)

    def _history_is_whole(self, reference: str, model: Model) -> None:
        rows = look(
            self.url,
            "SELECT e.seq, e.at, e.kind, e.prev_hash, e.hash FROM events e JOIN cases c ON c.id = e.case_id"
            f" WHERE c.reference = '{reference}' ORDER BY e.seq",
        )
        assert [row["kind"] for row in rows] == model.events
        assert [row["prev_hash"] for row in rows] == ["0" * 64, *(row["hash"] for row in rows[:-1])]
        assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
        assert self.engine.replay(reference).matches_stored
        for seq, (state, facts) in enumerate(model.past, 1):
            then = self.engine.replay(reference, seq=seq).case
            assert (then.state, _flat(then.facts)) == (state, facts)


def _flat(facts: Any) -> dict[str, Any]:
    return {f"{sheet}.{name}": value for sheet, fields in facts.items() for name, value in fields.items()}


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def run(url: str) -> None:
    """Run the machine on this database; every run works on cases of its own in it."""
    machine = type("CouplingsHere", (Couplings,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12 * LONG,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_case_is_what_the_model_says_after_every_command(url: str) -> None:
    run(url)
