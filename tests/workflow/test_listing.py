"""The list of cases: what a plain look at every case chooses, in the same order, however it is cut into pages."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable
from datetime import timedelta

import pytest
from employers import REACHED_BY, bring, employer

from workflow import Engine
from workflow.answers import Summary
from workflow.clock import SetClock
from workflow.errors import UsageError

NAMES = ("100% Zon B.V.", "100 Zonnen B.V.", "Zon_en Zee", "Zonnen Zee", "ÉTÉ  Groep", "Kaas\\Melk")
SEARCHES = (None, "100%", "zon_", "été groep", "\\", "zonne", "RELATIE-1", "relatie_1", "niemand")
HOLDERS = ("applicant", "asr", "keylane")


@pytest.fixture
def names(engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Fourteen cases in every state, opened weeks apart and not in order of their due days: reference → name."""
    monkeypatch.setattr("workflow.storage.listing.PAGE", 3)
    clock.moment -= timedelta(days=200)
    found = {}
    states = itertools.cycle(REACHED_BY)
    for number, name in enumerate([*NAMES, *(f"Werkgever {letter}" for letter in "abcdefgh")]):
        given = employer()
        given["registration"]["company_name"] = name
        found[bring(engine, next(states), given)] = name
        clock.moment += timedelta(days=(11, 1, 17)[number % 3])
    given = employer()
    opened = engine.open_case(given, external_reference="Relatie-1001").case.reference
    return found | {opened: given["registration"]["company_name"]}


def fits(case: Summary, name: str, search: str | None) -> bool:
    """Whether a case is found by a text, as the command says: in its reference, external reference or name."""
    if search is None:
        return True
    wanted = " ".join(search.casefold().split())
    places = (case.case.casefold(), (case.external_reference or "").casefold(), " ".join(name.casefold().split()))
    return any(wanted in place for place in places)


@pytest.mark.parametrize("overdue", [False, True])
@pytest.mark.parametrize("limit", [None, 1, 3, 4, 7, 100])
def test_a_list_is_what_looking_at_each_case_gives(
    engine: Engine, names: dict[str, str], overdue: bool, limit: int | None
) -> None:
    everything = {case.case: case for case in engine.cases()}
    states = [None, *REACHED_BY]
    wrong = {}
    for state, holder, search in itertools.product(states, (None, *HOLDERS), SEARCHES):
        expected = [
            case
            for reference, name in names.items()
            if fits(case := everything[reference], name, search)
            and state in (None, case.state)
            and holder in (None, case.holder)
            and (case.overdue or not overdue)
        ]
        if overdue:
            expected.sort(key=lambda case: (case.due_at, list(names).index(case.case)))
        found = list(engine.cases(state=state, holder=holder, overdue=overdue, search=search, limit=limit))
        if found != expected[:limit]:
            wrong[state, holder, search] = ([case.case for case in found], [case.case for case in expected])

    assert list(everything) == list(names)
    assert sum(case.overdue for case in everything.values()) >= 4
    assert wrong == {}


@pytest.mark.parametrize("searched", ["NFC", "NFD"])
@pytest.mark.parametrize("named", ["NFC", "NFD"])
def test_a_name_is_found_however_its_accents_were_typed(engine: Engine, named: str, searched: str) -> None:
    given = employer()
    given["registration"]["company_name"] = unicodedata.normalize(named, "Coöperatie Één")
    opened = engine.open_case(given).case.reference

    found = engine.cases(search=unicodedata.normalize(searched, " COÖPERATIE  één"))

    assert [case.case for case in found] == [opened]


@pytest.mark.parametrize("typed", [str, str.lower, lambda reference: f" {reference.replace('-', '')} ".lower()])
def test_a_case_is_found_by_its_reference_however_that_is_typed(engine: Engine, typed: Callable[[str], str]) -> None:
    wanted, _ = bring(engine, "rights_pending"), bring(engine, "rights_pending")

    assert [case.case for case in engine.cases(search=typed(wanted))] == [wanted]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"state": "registred"}, "There is no state 'registred'. Did you mean 'registered'?"),
        ({"holder": "operations"}, "There is no holder 'operations'. There are: applicant, asr, keylane."),
        ({"limit": 0}, "--limit 0 lists nothing; give 1 or more."),
        ({"limit": 1.5}, "limit must be a whole number, not float."),
        ({"limit": 2**63}, "limit is too large a number."),
        ({"search": 5}, "search must be text, not int."),
    ],
)
def test_what_cannot_be_listed_is_a_usage_error(engine: Engine, options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        list(engine.cases(**options))

    assert str(refused.value) == words
