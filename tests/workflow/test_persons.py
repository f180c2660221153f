"""Finding a person: every case that holds a text in a personal value, now or before, or in where a letter went."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from employers import bring, employer

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.errors import UsageError

BOB = Origin("bob", "bob-os", "cli")
NAME = 'Zoë "Zus" \\ Łęcka-O’Neill'


def found(engine: Engine, person: str, **more: Any) -> list[str]:
    return [one.case for one in engine.cases(person=person, **more)]


def opened(engine: Engine, **registration: object) -> str:
    given = employer("loket_user", "registration")
    given["registration"] |= registration
    return engine.open_case(given).case.reference


def leaves(value: object) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from leaves(inner)
    elif isinstance(value, (str, int)):
        yield str(value)


def test_each_personal_value_finds_the_cases_that_hold_it_now_or_held_it_before(engine: Engine) -> None:
    case, before = bring(engine, "confirmed"), engine.open_case(employer()).case.reference
    bring(engine, "confirmed", employer() | {"registration": {**employer()["registration"], "dgas": []}})
    held = {
        path: text
        for sheet, fields in engine.case(case).case.facts.items()
        for path, value in ((f"{sheet}.{name}", value) for name, value in fields.items())
        if EMPLOYER_COUPLING.domain.is_personal(path, value)
        for text in leaves(value)
    }
    marked = {path: f"Nergens{place}@anders.example" for place, path in enumerate(held)}
    facts = employer()
    for path, mark in marked.items():
        sheet, _, name = path.partition(".")
        facts[sheet][name] = [{"name": mark, "employee_number": "9"}] if name == "dgas" else mark
    engine.record(before, facts)
    engine.record(before, employer())

    assert len(held) >= 7
    for path, text in held.items():
        assert case in found(engine, text), path
        assert found(engine, marked[path].upper()) == [before], path


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", [NAME, NAME.upper(), 'zoë "zus"', "\\ łęcka", "O’NEILL", '  zoë   "ZUS" '])
def test_a_person_is_found_however_his_name_is_typed(engine: Engine, form: str, asked: str) -> None:
    case = opened(engine, contact_name=unicodedata.normalize(form, NAME))
    other = opened(engine, dgas=[{"name": unicodedata.normalize(form, NAME), "employee_number": "7"}])
    opened(engine, contact_name="Zoe Lecka")

    for typed in ("NFC", "NFD"):
        assert found(engine, unicodedata.normalize(typed, asked)) == [case, other]


@pytest.mark.parametrize(
    "asked", ["0612345678", "06-1234 5678", "06 12 34 56 78", "12.34.56", "999900110l01", "9999.00.110"]
)
def test_a_number_is_found_however_it_is_split(engine: Engine, asked: str) -> None:
    case = opened(engine, wage_tax_number="9999 00 110-L01")
    engine.note(case, "Belt morgen:\n06-12 34 56 78.")
    opened(engine, wage_tax_number="999900109L01")

    assert found(engine, asked) == [case]


def test_a_name_is_not_found_across_the_words_of_another(sqlite_engine: Engine) -> None:
    opened(sqlite_engine, contact_name="Jan Naber")

    assert found(sqlite_engine, "Anna") == []


def test_notes_and_reasons_are_looked_through_and_hashes_are_not(engine: Engine, clock: SetClock) -> None:
    noted, held, sent_back = opened(engine), opened(engine), bring(engine, "registered")
    engine.note(noted, "Gesproken met Ada.")
    engine.hold(held, clock.moment.date() + timedelta(days=9), "ada is ziek")
    engine.advance(sent_back, "return_to_applicant", reason="Naam van Ada klopt niet")
    engine.note(opened(engine), f"SHA-256: {'0ada' * 16}")

    assert found(engine, "ADA") == [noted, held, sent_back]


def test_who_got_a_letter_is_found_also_under_an_address_of_before(engine: Engine, clock: SetClock) -> None:
    case, other = (opened(engine, email="oud@example.com") for _ in range(2))
    engine.record(case, {"registration": {"email": "nieuw@example.com"}})
    with engine.database.writing() as store:
        store.execute("UPDATE outbox SET recipient = 'eerder@example.com' WHERE id = (SELECT min(id) FROM outbox)")
        store.execute("UPDATE outbox SET recipient = 'gebeld@example.com' WHERE id = (SELECT max(id) FROM outbox)")
        store.execute(
            "INSERT INTO outbox (letter, role, language, recipient, state, context, created_at, due_at, attempts, "
            "is_reminder) SELECT letter, role, language, 'allen@example.com', state, context, created_at, due_at, 0, "
            "is_reminder FROM outbox WHERE id = (SELECT max(id) FROM outbox)"
        )
        store.execute(
            "UPDATE outbox SET merged_into = (SELECT max(id) FROM outbox) WHERE id = (SELECT max(id) - 1 FROM outbox)"
        )

    assert found(engine, "oud@EXAMPLE.com") == [case, other]
    assert found(engine, "nieuw@") == found(engine, "eerder@") == [case]
    assert found(engine, "gebeld@") == found(engine, "allen@") == [other]


def test_of_an_erased_case_nothing_is_found(engine: Engine, clock: SetClock) -> None:
    case, other = (opened(engine, contact_name=NAME) for _ in range(2))
    engine.advance(case, "withdraw", reason=f"{NAME} belde")

    erase(engine.database, engine.rules, clock.moment, BOB, case, Wish("op verzoek", "AVG art. 17", 7))

    assert found(engine, NAME) == [other]


def test_it_goes_with_every_other_filter_however_it_is_cut(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.storage.listing.PAGE", 2)
    monkeypatch.setattr("workflow.storage.persons.PAGE", 3)
    monkeypatch.setattr("workflow.storage.exporting.PAGE", 4)
    states = itertools.cycle(("rights_pending", "registered", "withdrawn"))
    cases = {}
    for number in range(11):
        given = employer()
        given["registration"]["contact_name"] = NAME if number % 4 else "Iemand Anders"
        state = next(states)
        cases[bring(engine, state, given)] = (state, bool(number % 4))
    with_it = [case for case, (_, named) in cases.items() if named]

    for limit in (None, 1, 2, 5, 9):
        assert found(engine, NAME, limit=limit) == with_it[:limit]
        expected = [case for case in with_it if cases[case][0] == "registered"]
        assert found(engine, NAME, state="registered", limit=limit) == expected[:limit]
    assert found(engine, NAME, search=with_it[3]) == [with_it[3]]
    ended = [case for case in with_it if cases[case][0] == "withdrawn"]
    assert found(engine, NAME, retention_years=0) == ended


@pytest.mark.parametrize(
    ("person", "words"),
    [
        ("", "person is empty; give a name, an address or a number of somebody, or a part of it."),
        (" \t", "person is empty; give a name, an address or a number of somebody, or a part of it."),
        (7, "person must be text, not int."),
        ("a\0b", "person holds a control character (U+0000) at position 2."),
    ],
)
def test_what_is_no_person_is_a_usage_error(sqlite_engine: Engine, person: object, words: str) -> None:
    with pytest.raises(UsageError) as refused:
        list(sqlite_engine.cases(person=person))

    assert str(refused.value) == words
