"""A key makes a repeat harmless, and what is checked first decides what a caller hears."""

from __future__ import annotations

import secrets
from dataclasses import replace

import pytest
from employers import bring, employer
from looking import count, traces

from workflow import Conflict, Engine, NoSuchCase, Refused, UsageError
from workflow.text import MAX_BYTES


def test_a_repeat_gets_the_first_answer_and_changes_nothing(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    first = engine.advance(case, "register", key="k1")
    before, events = traces(url, case), count(url, "events")

    again = engine.advance(case, "register", key="k1")

    assert again == replace(first, repeated=True)
    assert (traces(url, case), count(url, "events")) == (before, events)


def test_a_repeat_gets_the_first_answer_also_after_the_case_moved_on(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    first = engine.advance(case, "register", key="k1")
    engine.advance(case, "enrich")
    engine.advance(case, "withdraw", reason="op verzoek")

    again = engine.advance(case, "register", key="k1")

    assert again == replace(first, repeated=True)
    assert engine.case(case).case.state == "withdrawn"


@pytest.mark.parametrize(
    "other",
    [
        {"trigger": "enrich"},
        {"trigger": "register", "reason": "toch"},
        {"trigger": "register", "accept": ["NAME_GT_70"]},
        {"trigger": "register", "accept_warnings": True},
        {"trigger": "register", "facts": {"registration": {"contact_name": "Iemand"}}},
    ],
    ids="-".join,
)
def test_a_key_of_another_command_is_a_conflict_and_appends_nothing(
    engine: Engine, url: str, other: dict[str, object]
) -> None:
    case = bring(engine, "rights_pending")
    engine.advance(case, "register", key="k1")
    before = count(url, "events")

    with pytest.raises(Conflict, match=r"k1.* for another command"):
        engine.advance(case, key="k1", **other)  # type: ignore[arg-type]

    assert engine.advance(case, "register", key="k1", letters=False).repeated  # what is asked is the same
    assert count(url, "events") == before


def test_a_key_belongs_to_one_case(engine: Engine) -> None:
    one, other = bring(engine, "rights_pending"), bring(engine, "rights_pending")
    engine.advance(one, "register", key="k1")

    moved = engine.advance(other, "register", key="k1")

    assert (moved.case, moved.repeated) == (other, False)


def test_a_refused_attempt_does_not_use_its_key_up(engine: Engine) -> None:
    whole = employer()
    case = engine.open_case({"registration": whole["registration"]}).case.reference
    with pytest.raises(Refused):
        engine.advance(case, "register", key="k1")
    engine.record(case, {"loket_user": whole["loket_user"]})

    moved = engine.advance(case, "register", key="k1")

    assert (moved.target, moved.repeated) == ("registered", False)


def test_a_repeat_is_answered_before_its_version_is_looked_at(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    first = engine.advance(case, "register", key="k1", expect_version=1)

    again = engine.advance(case, "register", key="k1", expect_version=1)

    assert again == replace(first, repeated=True)


def test_another_command_with_the_key_is_heard_before_a_stale_version(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    engine.advance(case, "register", key="k1")

    with pytest.raises(Conflict, match="k1") as conflict:
        engine.advance(case, "enrich", key="k1", expect_version=99)

    assert conflict.value.case == case


def test_a_stale_version_is_a_conflict_and_appends_nothing(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    before = count(url, "events")

    with pytest.raises(Conflict, match=r"version 1, not 7") as conflict:
        engine.advance(case, "register", expect_version=7)

    assert (conflict.value.case, conflict.value.version) == (case, 1)
    assert count(url, "events") == before


def test_a_stale_version_is_heard_before_the_table(engine: Engine) -> None:
    case = bring(engine, "rights_pending")

    with pytest.raises(Conflict):
        engine.advance(case, "confirm", expect_version=7)


def test_a_stale_version_is_heard_before_the_validators(engine: Engine) -> None:
    case = engine.open_case({}).case.reference

    with pytest.raises(Conflict):
        engine.advance(case, "register", expect_version=7)


def test_the_table_is_heard_before_the_validators(engine: Engine) -> None:
    case = engine.open_case({}).case.reference

    with pytest.raises(Refused) as refusal:
        engine.advance(case, "confirm")

    assert refusal.value.problems == ()
    assert "register" in str(refusal.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"trigger": "regster"},
        {"accept": ["NAME_GT_7"]},
        {"facts": {"registraton": {}}},
        {"facts": {"registration": {"mail": "x"}}},
        {"facts": {"registration": {"email": 5}}},
        {"reason": "a\x00b"},
        {"key": "a\x00b"},
        {"key": "\ud800"},
        {"key": ""},
        {"key": " \t"},
        {"expect_version": "1"},
        {"expect_version": True},
    ],
    ids=repr,
)
def test_usage_is_heard_before_the_case_its_key_and_its_version(engine: Engine, wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        engine.advance("K-0000-0000", **{"key": "k1", "expect_version": 7, **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["K-0000-0000", "nergens", "", " ", "a\x00b", "\ud800", "K-ZZZZ-ZZZZ", "x" * 5000])
def test_an_unknown_case_is_no_such_case_on_both_databases(engine: Engine, text: str) -> None:
    with pytest.raises(NoSuchCase):
        engine.advance(text, "register", key="k1")


@pytest.mark.parametrize(
    ("named", "typed"), [("W01", "w01"), ("w01", " W01"), ("Klant-7a", "klant-7a"), ("Étage-9 Noord", "étage-9 noord")]
)
def test_a_reference_that_differs_only_in_its_capitals_is_named_but_not_taken(
    engine: Engine, named: str, typed: str
) -> None:
    engine.open_case(employer(), external_reference=named)

    with pytest.raises(NoSuchCase) as refused:
        engine.note(typed, "gebeld")

    said = f"There is no case '{typed.strip()}', but there is '{named}', which differs only in its capitals."
    assert (str(refused.value), refused.value.meant) == (said, named)


def test_a_reference_may_be_typed_without_dashes_and_in_any_case(engine: Engine) -> None:
    case = bring(engine, "rights_pending")

    found = engine.case(f"  {case.replace('-', '').lower()} ")

    assert found.case.reference == case


def test_a_note_is_no_conflict_for_who_expects_a_version(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    version = engine.case(case).case.version
    engine.note(case, "gebeld")

    moved = engine.advance(case, "register", expect_version=version)

    assert moved.version == version + 1


def test_a_refusal_is_no_conflict_for_who_expects_a_version(engine: Engine) -> None:
    case = bring(engine, "rights_pending")
    with pytest.raises(Refused):
        engine.advance(case, "confirm", expect_version=1)

    moved = engine.advance(case, "register", expect_version=1)

    assert moved.version == 2


def test_the_longest_reference_and_key_fit_and_longer_ones_are_named(engine: Engine) -> None:
    """Random, so that nothing of them can be compressed away."""
    text = secrets.token_urlsafe(3_000)
    case = engine.open_case(employer(), external_reference=text[:MAX_BYTES]).case

    first = engine.advance(text[:MAX_BYTES], "register", key=text[:MAX_BYTES])

    assert engine.advance(case.reference, "register", key=text[:MAX_BYTES]) == replace(first, repeated=True)
    with pytest.raises(UsageError, match=r"^external_reference is 3900 bytes long"):
        engine.open_case(employer(), external_reference=text[:3_900])
    with pytest.raises(UsageError, match=r"^key is 3900 bytes long"):
        engine.advance(case.reference, "enrich", key=text[:3_900])
