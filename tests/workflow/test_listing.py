"""The list of cases: what a plain look at every case chooses, in the same order, however it is cut into pages."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from employers import REACHED_BY, bring, employer

from workflow import Engine, Origin
from workflow.answers import Summary
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.errors import UsageError
from workflow.retention import allowed_from

NAMES = ("100% Zon B.V.", "100 Zonnen B.V.", "Zon_en Zee", "Zonnen Zee", "ÉTÉ  Groep", "Kaas\\Melk")
SEARCHES = (None, "100%", "zon_", "été groep", "\\", "zonne", "RELATIE-1", "relatie_1", "niemand")
BOB = Origin("bob", "bob-os", "cli")
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


def retained(engine: Engine, moment: datetime, clock: SetClock) -> str:
    """A case that was withdrawn at this moment."""
    clock.moment = moment
    return bring(engine, "withdrawn")


def test_what_may_be_erased_is_listed_from_the_very_moment_and_until_it_is(engine: Engine, clock: SetClock) -> None:
    ended = datetime(2019, 10, 27, 0, 30, tzinfo=UTC)  # the night the clocks went back, the first 02:30
    later = retained(engine, ended + timedelta(minutes=45), clock)  # 02:15, so its term ends a quarter earlier
    first = retained(engine, ended, clock)
    live = bring(engine, "registered")
    leap = retained(engine, datetime(2020, 2, 29, 9, tzinfo=UTC), clock)
    passed = {later: "2026-10-27T01:15Z", first: "2026-10-27T01:30Z", leap: "2027-03-01T09:00Z"}

    for case, moment in passed.items():
        clock.moment = datetime.fromisoformat(moment) - timedelta.resolution
        assert case not in {one.case for one in engine.cases(retention_years=7)}
        clock.moment += timedelta.resolution
        assert case in {one.case for one in engine.cases(retention_years=7)}
        assert allowed_from(engine.case(case).case.ended_at, 7) == clock.moment
    erase(engine.database, engine.rules, clock.moment, BOB, later, Wish("termijn voorbij", None, 7))

    assert [(one.case, one.ended_at) for one in engine.cases(retention_years=7)] == [
        (first, ended),
        (leap, datetime(2020, 2, 29, 9, tzinfo=UTC)),
    ]
    assert {one.case for one in engine.cases(retention_years=0)} == {first, leap}
    assert live not in {one.case for one in engine.cases(retention_years=0)}


def test_what_may_be_erased_is_listed_whole_however_it_is_cut_and_filtered(
    engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.storage.listing.PAGE", 2)
    start = datetime(2019, 5, 1, 9, tzinfo=UTC)
    cases = [retained(engine, start + timedelta(days=day), clock) for day in (0, 9, 1, 9, 9, 2, 3)]
    clock.moment = datetime(2026, 5, 4, 9, tzinfo=UTC)
    over = [cases[place] for place in (0, 2, 5, 6)]

    for limit in range(1, 6):
        assert [one.case for one in engine.cases(retention_years=7, limit=limit)] == over[:limit]
        found = engine.cases(retention_years=7, limit=limit, state="withdrawn")
        assert [one.case for one in found] == over[:limit]
    assert list(engine.cases(retention_years=7, state="confirmed")) == []
    assert [one.case for one in engine.cases(retention_years=7, search=over[1])] == [over[1]]


@pytest.mark.parametrize("years", [-1, 101, 1.5, "7", True])
def test_a_term_that_is_none_is_a_usage_error(sqlite_engine: Engine, years: object) -> None:
    with pytest.raises(UsageError, match="retention_years must be"):
        list(sqlite_engine.cases(retention_years=years))
