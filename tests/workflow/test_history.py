"""History is the truth and provable: chain, canonical bytes, commitments; and what is accepted stands in it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from employers import bring, employer
from hypothesis import given
from hypothesis import strategies as st
from looking import bare, case_row, events_of, look

from workflow import Engine, Refused, UsageError
from workflow.answers import Case
from workflow.clock import SetClock
from workflow.events import GENESIS, canonical_bytes, commit
from workflow.history import is_same

REASON, NOTE = "De heer Geheim belt terug", "Gesproken met mevrouw Vertrouwelijk"


def rfc_8785(value: Any) -> bytes:
    """The canonical bytes of values without floats, written anew from the RFC: UTF-16 order, shortest escapes."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return b"{" + b",".join(rfc_8785(name) + b":" + rfc_8785(inner) for name, inner in members) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(rfc_8785, value)) + b"]"
    return json.dumps(value, ensure_ascii=False).encode()


def personal_employer() -> dict[str, dict[str, Any]]:
    facts = employer()
    facts["loket_user"]["user_name"] = "koppeling.geheim"
    facts["registration"] |= {
        "company_name": "Eenmanszaak Jansen-Özkaya",
        "email": "m.jansen@prive.example",
        "dgas": [{"name": "M. Jansen-Özkaya", "employee_number": "8675309"}],
        "contact_name": "Mies Contactpersoon",
    }
    facts["handover"]["contact_name"] = "Karel van Keylane"
    return facts


PERSONAL = (
    "koppeling.geheim",
    "Jansen",
    "Özkaya",
    "m.jansen",
    "prive.example",
    "8675309",
    "Mies",
    "Contactpersoon",
    "Karel",
    "999900110",
    "Geheim",
    "Vertrouwelijk",
    "gebeld",
    "nieuw@adres.example",
    "123456782",
)


@pytest.fixture
def lived(engine: Engine, clock: SetClock) -> str:
    """A case that saw every kind of command, with personal values in all of them."""
    facts = personal_employer()
    case = engine.open_case(facts, external_reference="EXT-1").case.reference
    engine.note(case, NOTE)
    engine.record(case, {"registration": {"email": "nieuw@adres.example"}})
    clock.moment += timedelta(hours=3)
    with pytest.raises(Refused):
        engine.advance(case, "register", facts={"registration": {"email": None, "contact_name": "Geheim"}})
    with pytest.raises(Refused):
        engine.note(case, "zijn nummer is 123456782")
    with pytest.raises(Refused):
        engine.advance(case, "withdraw", reason="zijn nummer is 123456782")
    engine.advance(case, "register", facts={"registration": {"contact_name": "Mies Contactpersoon-Geheim"}})
    engine.hold(case, datetime(2026, 4, 24, tzinfo=UTC).date(), REASON)
    clock.moment += timedelta(days=1)
    engine.resume(case)
    engine.advance(case, "return_to_applicant", reason=REASON)
    for _ in range(4):
        engine.advance(case, accept_warnings=True)
    return case


def test_no_personal_value_stands_in_the_bytes_of_an_event(lived: str, url: str) -> None:
    written = [bytes(row["canonical"]) for row in events_of(url, lived)]

    found = {
        (word, number)
        for word in PERSONAL
        for number, canonical in enumerate(written, 1)
        for spelling in (word, json.dumps(word)[1:-1])
        if spelling.casefold().encode() in canonical.decode().casefold().encode()
    }

    assert found == set()


def test_no_personal_value_stands_in_another_column_of_events(lived: str, url: str) -> None:
    rows = [{name: value for name, value in row.items() if name != "canonical"} for row in events_of(url, lived)]

    assert [word for word in PERSONAL if word in repr(rows)] == []


def test_the_chain_links_every_event_to_the_one_before(lived: str, url: str) -> None:
    rows = events_of(url, lived)

    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert [row["prev_hash"] for row in rows] == [GENESIS, *(row["hash"] for row in rows[:-1])]
    assert case_row(url, lived)["head"] == rows[-1]["hash"]


def test_a_hash_is_the_sha_256_of_the_canonical_bytes(lived: str, url: str) -> None:
    rows = events_of(url, lived)

    assert [row["hash"] for row in rows] == [hashlib.sha256(bytes(row["canonical"])).hexdigest() for row in rows]


def test_the_canonical_bytes_are_those_of_rfc_8785(lived: str, url: str) -> None:
    written = [bytes(row["canonical"]) for row in events_of(url, lived)]

    assert [rfc_8785(json.loads(canonical)) for canonical in written] == written


def test_every_commitment_is_opened_by_the_value_and_salt_that_are_kept_apart(lived: str, url: str) -> None:
    kept = look(url, f"SELECT * FROM private_values WHERE case_id = {case_row(url, lived)['id']}")
    opened = {
        (row["seq"], row["path"]): hmac.digest(bytes(row["salt"]), rfc_8785(json.loads(row["value"])), "sha256").hex()
        for row in kept
    }

    committed = {
        (row["seq"], path): commitment
        for row in events_of(url, lived)
        for path, commitment in json.loads(bytes(row["canonical"]))["commitments"].items()
    }

    assert opened == committed
    assert len(committed) > 10


def test_every_salt_is_fresh_and_of_32_bytes(lived: str, url: str) -> None:
    salts = [bytes(row["salt"]) for row in look(url, "SELECT salt FROM private_values")]

    assert {len(salt) for salt in salts} == {32}
    assert len(set(salts)) == len(salts)


def test_each_event_names_the_definition_it_was_judged_by_and_that_is_stored(lived: str, url: str) -> None:
    stored = {(row["name"], row["version"]): row for row in look(url, "SELECT * FROM definitions")}

    for row in events_of(url, lived):
        rules = json.loads(bytes(row["canonical"]))["definition"]
        found = stored[rules["name"], rules["version"]]
        assert rules["digest"] == found["digest"] == hashlib.sha256(bytes(found["canonical"])).hexdigest()


def test_history_shows_old_and_new_without_showing_personal_values(lived: str, engine: Engine) -> None:
    steps = engine.history(lived)

    corrected = next(step for step in steps if step.event.kind == "recorded")
    assert list(corrected.changes) == ["registration.email"]
    old, new = corrected.changes["registration.email"]
    assert old != new
    shown = repr([step.changes for step in steps])
    readable = {"Jansen", "Özkaya", "prive.example"}  # a company's name and the domain of an address may be shown
    assert [word for word in PERSONAL if word in shown and word not in readable] == []


def test_history_shows_notes_and_reasons(lived: str, engine: Engine) -> None:
    texts = [step.text for step in engine.history(lived) if step.text]

    assert texts == [NOTE, REASON, REASON]


def test_the_stored_case_equals_the_fold_of_its_history(lived: str, engine: Engine) -> None:
    replayed = engine.replay(lived)

    assert replayed.matches_stored
    assert replayed.case == engine.case(lived).case


def test_a_row_that_was_changed_behind_our_back_does_not_match(lived: str, engine: Engine, url: str) -> None:
    with bare(url) as connection:
        connection.execute("UPDATE cases SET state = 'withdrawn'")

    assert not engine.replay(lived).matches_stored


def test_a_case_can_be_seen_as_it_was_at_any_moment(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "rights_pending")
    then = clock.moment
    clock.moment += timedelta(hours=1)
    engine.advance(case)

    earlier, later = engine.replay(case, at=then), engine.replay(case, at=clock.moment)

    assert (earlier.case.state, later.case.state) == ("rights_pending", "registered")


@pytest.mark.parametrize("asked", [{"seq": 0}, {"seq": 99}, {"seq": -1}, {"at": datetime(2026, 4, 1, tzinfo=UTC)}])
def test_a_moment_or_event_that_was_not_there_is_a_usage_error(engine: Engine, asked: dict[str, Any]) -> None:
    case = bring(engine, "registered")

    with pytest.raises(UsageError):
        engine.replay(case, **asked)


def test_at_is_never_before_the_event_before_it_when_the_clock_goes_back(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "rights_pending")
    clock.moment -= timedelta(days=3)

    engine.note(case, "de klok ging terug")
    engine.advance(case)

    moments = [row["at"] for row in events_of(url, case)]
    assert moments == sorted(moments)
    assert engine.replay(case).matches_stored


def test_notes_and_refusals_lengthen_the_history_not_the_version(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    version = engine.case(case).case.version

    engine.note(case, "gebeld")
    with pytest.raises(Refused):
        engine.advance(case, "register")

    assert engine.case(case).case.version == version
    assert len(events_of(url, case)) == version + 2


# -- warnings ----------------------------------------------------------------------------------------------------------


def with_warnings() -> dict[str, dict[str, Any]]:
    facts = employer()
    facts["registration"] |= {"framework_contract_number": "B999", "kvk_number": "12"}
    return facts


def test_warnings_refuse_until_they_are_accepted(engine: Engine) -> None:
    case = engine.open_case(with_warnings()).case.reference

    with pytest.raises(Refused) as refusal:
        engine.advance(case, "register", accept=["RW_PREFIX"])

    assert [problem.code for problem in refusal.value.problems] == ["KVK_FORMAT"]


def test_who_accepted_what_is_in_the_event(engine: Engine, url: str) -> None:
    case = engine.open_case(with_warnings()).case.reference

    moved = engine.advance(case, "register", accept=["RW_PREFIX", "KVK_FORMAT", "NAME_GT_70"])

    says = json.loads(bytes(events_of(url, case)[-1]["canonical"]))
    assert says["actor"] == "anna"
    assert sorted(item["code"] for item in says["body"]["accepted"]) == ["KVK_FORMAT", "RW_PREFIX"]
    assert sorted(moved.accepted) == ["KVK_FORMAT", "RW_PREFIX"]


def test_accept_warnings_names_in_the_event_what_it_accepted(engine: Engine, url: str) -> None:
    case = engine.open_case(with_warnings()).case.reference

    engine.advance(case, "register", accept_warnings=True)

    says = json.loads(bytes(events_of(url, case)[-1]["canonical"]))
    assert sorted(item["code"] for item in says["body"]["accepted"]) == ["KVK_FORMAT", "RW_PREFIX"]


def test_an_acceptance_holds_for_the_case(engine: Engine) -> None:
    case = engine.open_case(with_warnings()).case.reference
    engine.advance(case, "register", accept_warnings=True)
    engine.record(case, {"registration": {"contact_name": "Iemand anders"}})

    moved = engine.advance(case, "enrich")

    assert moved.accepted == ()


def test_an_acceptance_survives_a_return(engine: Engine) -> None:
    case = engine.open_case(with_warnings()).case.reference
    engine.advance(case, "register", accept_warnings=True)
    engine.advance(case, "return_to_applicant", reason="nog eens kijken")

    moved = engine.advance(case, "register")

    assert moved.target == "registered"


@pytest.mark.parametrize("value", ["B998", "A020990001"])
def test_an_acceptance_ends_when_its_value_changes(engine: Engine, value: str) -> None:
    case = engine.open_case(with_warnings()).case.reference
    engine.advance(case, "register", accept_warnings=True)
    engine.record(case, {"registration": {"framework_contract_number": value}})
    engine.record(case, {"registration": {"framework_contract_number": "B999"}})

    with pytest.raises(Refused) as refusal:
        engine.advance(case, "enrich")

    assert [problem.code for problem in refusal.value.problems] == ["RW_PREFIX"]


def test_an_acceptance_ends_when_the_command_itself_changes_the_value(engine: Engine) -> None:
    case = engine.open_case(with_warnings()).case.reference
    engine.advance(case, "register", accept_warnings=True)

    with pytest.raises(Refused) as refusal:
        engine.advance(case, "enrich", facts={"registration": {"framework_contract_number": "C1"}})

    assert [problem.code for problem in refusal.value.problems] == ["RW_PREFIX"]


def test_a_refused_move_accepts_nothing(engine: Engine) -> None:
    facts = with_warnings()
    facts["registration"]["email"] = None
    case = engine.open_case(facts).case.reference
    with pytest.raises(Refused):
        engine.advance(case, "register", accept_warnings=True)
    engine.record(case, {"registration": {"email": "a@example.com"}})

    with pytest.raises(Refused) as refusal:
        engine.advance(case, "register")

    assert {problem.code for problem in refusal.value.problems} == {"RW_PREFIX", "KVK_FORMAT"}


def test_an_error_cannot_be_accepted(engine: Engine) -> None:
    facts = employer()
    facts["registration"]["email"] = None
    case = engine.open_case(facts).case.reference

    with pytest.raises(Refused):
        engine.advance(case, "register", accept=["EMAIL_MISSING"], accept_warnings=True)


def test_what_is_accepted_is_not_shown_as_a_problem_any_more(engine: Engine) -> None:
    case = engine.open_case(with_warnings()).case.reference
    before = {problem.code for problem in engine.case(case).problems}

    engine.advance(case, "register", accept_warnings=True)

    assert before == {"RW_PREFIX", "KVK_FORMAT"}
    assert engine.case(case).problems == ()


# -- what history can hold ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2**53 - 1, 2**53, 2**53 + 1, -(2**53), 2**64])
def test_a_number_too_large_for_history_is_a_usage_error(engine: Engine, number: int) -> None:
    case = bring(engine, "rights_pending")

    try:
        engine.record(case, {"registration": {"loket_employer_id": number}})
    except UsageError:
        kept = False
    else:
        kept = True

    assert kept is (abs(number) < 2**53)


@pytest.mark.parametrize("value", [12.0, 1e3, float("nan")])
def test_a_float_as_an_identifier_is_a_usage_error(engine: Engine, value: float) -> None:
    with pytest.raises(UsageError):
        engine.open_case({"registration": {"loket_employer_id": value}})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_value_has_the_canonical_bytes_that_the_rfc_says(value: Any) -> None:
    assert canonical_bytes(value) == rfc_8785(value) == rfc8785.dumps(value)


@given(json_values, st.binary(min_size=32, max_size=32))
def test_a_commitment_is_the_hmac_of_the_canonical_value(value: Any, salt: bytes) -> None:
    assert commit(value, salt) == hmac.new(salt, rfc_8785(value), hashlib.sha256).hexdigest()


def test_the_canonical_bytes_of_the_rfc_s_own_example() -> None:
    given_by_the_rfc = {
        "€": "Euro Sign",
        "\r": "CR",
        "\ufb33": "Hebrew",
        "1": "One",
        "😀": "Smiley",
        "\x80": "C",
        "ö": "o",
    }

    order = list(json.loads(canonical_bytes(given_by_the_rfc)))

    assert order == ["\r", "1", "\x80", "ö", "€", "😀", "\ufb33"]


@pytest.mark.parametrize("value", [True, 1.0, [1], None])
def test_a_case_is_the_same_when_each_value_is_of_the_same_kind(engine: Engine, value: Any) -> None:
    case = engine.case(bring(engine, "registered")).case

    def telling(told: Any) -> Case:
        return case._replace(told={"rights_missing": {"count": 1, "value": told}})

    assert is_same(telling(1), telling(1))
    assert not is_same(telling(value), telling(1))
