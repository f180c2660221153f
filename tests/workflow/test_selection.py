"""Which cases an export holds: what may be asked together, what the manifest says of it, and how cases are drawn."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from employers import bring

from workflow import Engine, UsageError
from workflow.clock import SetClock, local_day
from workflow.ledger.selection import Asked, Chosen, choose, lot
from workflow.storage.store import Store

DAY = date(2026, 4, 20)
WITH_CASES = "--case names the cases; leave out --from, --to and --sample."
TOGETHER = "A sample is drawn by --sample N and a seed: give both, so that others can draw the same cases."


@pytest.fixture
def store(sqlite_engine: Engine) -> Iterator[Store]:
    with sqlite_engine.database.reading() as store:
        yield store


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"cases": ("K",), "since": DAY}, WITH_CASES),
        ({"cases": ("K",), "until": DAY}, WITH_CASES),
        ({"cases": ("K",), "sample": 1, "seed": "x"}, WITH_CASES),
        ({"since": date(1899, 12, 31)}, "1899-12-31 is no day on which anything can have happened; mind the year."),
        ({"until": date(9001, 1, 1)}, "9001-01-01 is no day on which anything can have happened; mind the year."),
        (
            {"since": DAY, "until": date(2026, 4, 19)},
            "--from 2026-04-20 lies after --to 2026-04-19; turn them round.",
        ),
        ({"sample": 0, "seed": "x"}, "--sample 0 takes nothing; give 1 or more."),
        ({"sample": 1}, TOGETHER),
        ({"seed": "x"}, TOGETHER),
    ],
)
def test_what_makes_no_sense_together_is_said_in_words(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as refusal:
        Asked(**wrong)

    assert str(refusal.value) == said


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, {}),
        ({"cases": ("K-1", "E07")}, {"cases": ["K-1", "E07"]}),
        ({"since": date(1900, 1, 1)}, {"from": "1900-01-01"}),
        ({"until": date(9000, 12, 31)}, {"to": "9000-12-31"}),
        (
            {"since": DAY, "until": DAY, "sample": 1, "seed": "7"},
            {"from": "2026-04-20", "to": "2026-04-20", "sample": 1, "seed": "7"},
        ),
    ],
)
def test_the_manifest_says_what_was_asked_and_nothing_else(asked: dict[str, Any], said: dict[str, Any]) -> None:
    assert Asked(**asked).document() == said
    assert Asked(**asked).everything == (not asked)


@pytest.mark.parametrize(
    ("numbers", "ranges"),
    [
        ([], []),
        ([7], [(7, 7)]),
        ([1, 5, 9, 14, 15], [(1, 9), (14, 15)]),
        ([0, 5], [(0, 0), (5, 5)]),
    ],
)
def test_cases_that_lie_close_are_read_in_one_range(numbers: list[int], ranges: list[tuple[int, int]]) -> None:
    chosen = Chosen(array("q", numbers))

    assert list(chosen.ranges()) == ranges
    assert [number for number in range(20) if number in chosen] == numbers


def test_cases_are_chosen_by_name_by_day_and_by_lot(sqlite_engine: Engine, clock: SetClock, store: Store) -> None:
    names = []
    for _ in range(3):
        names += [bring(sqlite_engine, "rights_pending") for _ in range(2)]
        clock.moment += timedelta(days=1)
    first = local_day(clock.moment) - timedelta(days=3)
    second = first + timedelta(days=1)

    def by_lot(seed: str) -> list[int]:
        return sorted(range(1, 7), key=lambda number: lot(seed, names[number - 1]))

    def numbers(**asked: Any) -> list[int]:
        chosen = choose(store, Asked(**asked))
        return list(chosen.case_ids(store))

    assert numbers() == [1, 2, 3, 4, 5, 6]
    assert numbers(cases=(names[4], names[1], names[4].lower())) == [2, 5]
    assert numbers(since=second) == [3, 4, 5, 6]
    assert numbers(until=second) == [1, 2, 3, 4]
    assert numbers(since=second, until=second) == [3, 4]
    for seed in "abcdef":
        assert numbers(sample=3, seed=seed) == sorted(by_lot(seed)[:3])
        assert numbers(since=second, sample=1, seed=seed) == [number for number in by_lot(seed) if number > 2][:1]
    assert numbers(sample=9, seed="7") == [1, 2, 3, 4, 5, 6]
