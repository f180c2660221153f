"""What the verifier makes of bytes and events: canonical form, chains, values, and whether the rules allowed them.

What is said of each fault, word for word, stands in test_verify_parts.py and test_verify_rules.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import rfc8785
from examples import RIGHTS
from hypothesis import given
from hypothesis import strategies as st
from telling import FORM, STAMP, START, Told

from states import EMPLOYER_COUPLING
from workflow.clock import format_time
from workflow.digest import digest_of
from workflow.events import GENESIS, Kind, Origin, canonical_bytes, seal
from workflow.history import evolve
from workflow.ledger.verify import (
    Chain,
    History,
    Legality,
    Opening,
    Report,
    canonical_json,
    parse_json,
    read_event,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


# -- canonical JSON ----------------------------------------------------------------------------------------------------


@given(json_values)
def test_canonical_bytes_are_those_of_the_library(value: Any) -> None:
    expected = rfc8785.dumps(value)

    assert canonical_json(value) == expected
    assert parse_json(expected) == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'"\xff"',
        b"",
        b"{} {}",
        b'"\n"',
    ],
)
def test_what_history_never_holds_is_not_read(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(text)


# -- events ------------------------------------------------------------------------------------------------------------


def codes_of(told: Told, form: dict[str, Any] | None = FORM) -> list[tuple[int, str]]:
    """The number of each event that is at fault, and the code."""
    legality = Legality({STAMP[:2]: form} if form is not None else {})
    return [(says["seq"], code) for says in told.says() for code, _ in legality.check(says)]


@pytest.mark.parametrize(
    "spell",
    [
        lambda says: json.dumps(says).encode(),
        lambda says: json.dumps(says, separators=(",", ":"), sort_keys=True).encode() + b"\n",
        lambda says: canonical_bytes(says).replace(b'"anna"', b'"\\u0061nna"'),
        lambda says: canonical_bytes(says).replace(b'"seq":1', b'"seq":1,"seq":1'),
        lambda says: canonical_bytes(says).replace(b'"seq":1', b'"seq":-0'),
    ],
)
def test_the_same_event_spelt_otherwise_is_not_read(spell: Callable[[Any], bytes]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        read_event(spell(json.loads(Told().opened().events[0].canonical)))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    report = Report()

    assert History(report, Legality({})).read(data) is None
    assert [finding.code for finding in report.findings] == ["EVENT_UNREADABLE"]


# -- chains ------------------------------------------------------------------------------------------------------------


def chained(*links: tuple[bytes, str]) -> list[tuple[int, str]]:
    chain = Chain()
    return [(chain.seq, code) for link in links for code, _ in chain.take(*link)]


def links(count: int) -> list[tuple[bytes, str]]:
    told = Told().opened()
    for _ in range(count - 1):
        told.tell("noted", personal={"text": "x"})
    return [(event.canonical, event.hash) for event in told.events]


def test_a_whole_chain_has_no_fault_one_by_one_or_at_once() -> None:
    whole = links(12)
    chain = Chain()

    assert chained(*whole) == []
    assert chain.follows(whole)
    assert chain.seq == 12


def test_a_decoy_inside_an_event_does_not_link_it() -> None:
    """An event may hold words that look like its own end; only its own count."""
    one, two = links(2)
    decoy = f',"prev_hash":"{one[1]}","seq":2,"to":'
    honest = json.loads(two[0])
    in_text = canonical_bytes({**honest, "actor": decoy, "prev_hash": "f" * 64})
    in_body = canonical_bytes({**honest, "body": {"o": "", "prev_hash": one[1], "seq": 2, "to": 1}, "seq": 7})

    for canonical in (in_text, in_body):
        chain = Chain()
        assert not chain.take(*one)
        assert chain.take(canonical, digest_of(canonical))


@pytest.mark.parametrize("odd", ["equalised", 'q","seq":1,"to":', "q" * 300])
def test_words_with_a_q_behind_the_link_do_no_harm(odd: str) -> None:
    event = seal(
        case="K-0000-0000",
        seq=1,
        at=START,
        origin=Origin("anna", "anna", odd),
        kind=Kind.OPENED,
        trigger=None,
        source=None,
        target=odd,
        definition=STAMP,
        body={},
        previous=GENESIS,
    )

    assert chained((event.canonical, event.hash)) == []


# -- values ------------------------------------------------------------------------------------------------------------


def judged(told: Told, openings: list[list[Opening]] | None) -> list[tuple[int, str]]:
    report = Report()
    history = History(report, Legality({STAMP[:2]: FORM}))
    history.begin("K-0000-0000")
    for number, event in enumerate(told.events):
        says = history.read(event.canonical)
        assert says is not None
        history.take(says, openings[number] if openings is not None else None)
    history.end()
    return [(finding.seq, finding.code) for finding in report.findings]


def test_the_values_that_were_committed_to_open_their_commitments() -> None:
    told = Told().opened().tell("noted", personal={"text": "gebeld"})

    assert judged(told, told.openings) == []
    assert judged(told, None) == []


def test_a_value_without_commitment_and_a_commitment_without_value_are_found() -> None:
    told = Told().opened().tell("noted", personal={"text": "gebeld"})

    assert judged(told, [[Opening("policy.x", 1, b"")], []]) == [(1, "OPENING_UNKNOWN"), (2, "OPENING_MISSING")]


# -- rules -------------------------------------------------------------------------------------------------------------


def test_a_whole_case_is_legal() -> None:
    told = Told().opened("loket_user").tell("reminded", {"rung": "reminder_1"})
    told.tell("recorded", {"facts": {"loket_user": {"rights": RIGHTS}}}, personal={"registration.email": "a@b.nl"})
    told.tell("held", {"until": "2026-05-01"}, personal={"reason": "x"}).tell("held", {"until": "2026-05-02"})
    told.tell("resumed").tell("reminded", {"rung": "reminder_2"}).tell("escalated", {"rung": "escalation"})
    told.tell("refused", {"problems": []}, trigger="register").tell("revealed", {"cases": 1})
    told.moved("register", "registered", body={"accepted": [{"code": "RW_PREFIX", "about": []}]})
    told.tell("recorded", {"facts": {"policy": {"policies": [1]}}}).moved("enrich", "enriched")
    told.moved("return_to_asr", "registered", personal={"reason": "x"}).moved("enrich", "enriched")
    told.tell("recorded", personal={"handover.contact_name": "x"}).moved("hand_over", "keylane_configuring")
    told.moved("confirm", "confirmed", body={"facts": {"realisation": {"realised_on": "2026-05-06"}}})
    told.tell("reminded", {"rung": "first_exchange_check"})
    told.tell("recorded", {"facts": {"realisation": {"first_exchange_date": "2026-06-02"}}})
    told.tell("reminded", {"rung": "first_exchange_check"})
    told.tell("noted").tell("erased").tell("letter_failed").tell("refused", {"problems": []})

    assert codes_of(told) == []


def test_a_version_from_before_sheets_were_required_asks_for_none() -> None:
    old = {**FORM, "moves": [{k: v for k, v in move.items() if k != "requires"} for move in FORM["moves"]]}
    stamp = (*STAMP[:2], digest_of(canonical_bytes(old)))
    told = Told().tell("opened", to="rights_pending", definition=stamp)
    told.moved("register", "registered", definition=stamp)

    assert codes_of(told, old) == []


def test_time_may_stand_still_but_not_go_back() -> None:
    still, back = Told().opened().tell("noted"), Told().opened().tell("noted")
    still.events[1] = _at(still.events[1], START)
    back.events[1] = _at(back.events[1], START - timedelta(microseconds=1))

    assert judged(still, None) == []
    assert judged(back, None) == [(2, "TIME_BACKWARDS")]


@given(st.sampled_from(list(Kind)), json_values, json_values, json_values)
def test_no_event_however_odd_breaks_the_judge(kind: Kind, facts: Any, accepted: Any, rung: Any) -> None:
    told = Told().opened("loket_user")
    told.tell(str(kind), {"facts": facts, "accepted": accepted, "rung": rung, "until": facts})

    codes_of(told)


days = st.sampled_from(["2026-05-01", "20260501", "2026-99-99", "", "2026-W18-5"])
warning = st.fixed_dictionaries({}, optional={"code": st.just("RW_PREFIX"), "about": json_values})
bodies = st.fixed_dictionaries(
    {},
    optional={
        "until": days | json_values,
        "accepted": st.lists(warning, max_size=2) | json_values,
        "facts": st.dictionaries(st.sampled_from(["loket_user", "policy"]), json_values) | json_values,
        "told": json_values,
    },
)


@given(st.sampled_from([Kind.HELD, Kind.MOVED, Kind.RECORDED, Kind.NOTED]), bodies)
def test_what_cannot_be_replayed_is_not_called_lawful(kind: Kind, body: dict[str, Any]) -> None:
    """An export holds no row of the case to be compared with its replay, so the rules must find it."""
    told = Told().opened("loket_user", "registration")
    move = {"to": "registered", "trigger": "register"} if kind is Kind.MOVED else {}
    told.tell(str(kind), {"letters": [], **body}, **move)

    if codes_of(told) == []:
        opened, event = told.events
        evolve(EMPLOYER_COUPLING, evolve(EMPLOYER_COUPLING, None, opened, {}), event, {})


@given(json_values)
def test_no_definition_however_odd_breaks_the_judge(form: Any) -> None:
    assert codes_of(Told().opened(), form if isinstance(form, dict) else None)


def _at(event: Any, at: datetime) -> Any:
    says = json.loads(event.canonical)
    says["at"] = format_time(at)
    return event._replace(at=at, canonical=canonical_bytes(says))
