"""Which cases an export holds: all of them, some by name, those of certain days, or a sample anyone can draw again."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol, TypeVar

from workflow.calendar import at_midnight
from workflow.errors import UsageError
from workflow.facts import Json
from workflow.finding import find_case
from workflow.storage.exporting import EVERYTHING, Range, active_cases, references_between
from workflow.storage.store import Store

_NEAR = 4
"""Cases whose numbers lie this close are read in one range; what lies between is read and dropped."""

_FIRST_YEAR, _LAST_YEAR = 1900, 9000


class _OfCase(Protocol):
    """A row that belongs to a case."""

    @property
    def case_id(self) -> int: ...


T = TypeVar("T", bound=_OfCase)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked to export; nothing given: everything.

    `since` and `until` are days in Amsterdam, both included; a case belongs to them when something happened to it
    then, and is exported whole, since half a chain proves nothing. `sample` draws so many of these cases by `seed`.
    """

    cases: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    sample: int | None = None
    seed: str = ""

    def __post_init__(self) -> None:
        if self.cases and (self.since or self.until or self.sample is not None):
            raise UsageError("--case names the cases; leave out --from, --to and --sample.")
        for day in filter(None, (self.since, self.until)):
            if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
                raise UsageError(f"{day} is no day on which anything can have happened; mind the year.")
        if self.since and self.until and self.since > self.until:
            raise UsageError(f"--from {self.since} lies after --to {self.until}; turn them round.")
        if self.sample is not None and self.sample < 1:
            raise UsageError(f"--sample {self.sample} takes nothing; give 1 or more.")
        if bool(self.seed) != (self.sample is not None):
            raise UsageError(
                "A sample is drawn by --sample N and a seed: give both, so that others can draw the same cases."
            )

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Asked()

    def document(self) -> dict[str, Json]:
        """What was asked, for the manifest; only what was given."""
        said: dict[str, Json] = {
            "cases": list(self.cases) or None,
            "from": self.since.isoformat() if self.since else None,
            "to": self.until.isoformat() if self.until else None,
            "sample": self.sample,
            "seed": self.seed or None,
        }
        return {name: value for name, value in said.items() if value is not None}


@dataclass(frozen=True)
class Chosen:
    """The cases that were chosen, by number, ascending (8 bytes each); None: all there are."""

    numbers: array[int] | None

    def __contains__(self, case_id: int) -> bool:
        if self.numbers is None:
            return True
        place = bisect_left(self.numbers, case_id)
        return place < len(self.numbers) and self.numbers[place] == case_id

    def ranges(self) -> Iterator[Range]:
        """The numbers in as few ranges as makes sense; a range may hold cases that were not chosen."""
        yield from (EVERYTHING,) if self.numbers is None else _ranges(self.numbers)

    def of(self, store: Store, read: Callable[[Store, Range], Iterator[T]]) -> Iterator[T]:
        """What is read of the chosen cases, range by range."""
        return (row for between in self.ranges() for row in read(store, between) if row.case_id in self)

    def case_ids(self, store: Store) -> Iterator[int]:
        """The numbers of the cases, ascending."""
        if self.numbers is not None:
            yield from self.numbers
            return
        for case_id, _ in references_between(store, EVERYTHING):
            yield case_id


def choose(store: Store, asked: Asked) -> Chosen:
    """The cases that were asked for. Raises NoSuchCase."""
    if asked.everything:
        return Chosen(None)
    if asked.cases:
        return Chosen(array("q", sorted({find_case(store, case)[0] for case in asked.cases})))
    chosen = Chosen(None)
    if asked.since or asked.until:
        since = at_midnight(asked.since) if asked.since else None
        before = at_midnight(asked.until + timedelta(days=1)) if asked.until else None
        chosen = Chosen(array("q", active_cases(store, since, before)))
    if asked.sample is not None:
        chosen = Chosen(array("q", sorted(_drawn(store, chosen, asked.sample, asked.seed))))
    return chosen


def lot(seed: str, reference: str) -> str:
    """What a case draws: the lowest are in the sample, so whoever has the seed and the references finds the same."""
    return hashlib.sha256(f"{seed}:{reference}".encode()).hexdigest()


def _drawn(store: Store, chosen: Chosen, count: int, seed: str) -> Iterable[int]:
    lots = (
        (lot(seed, reference), case_id)
        for between in chosen.ranges()
        for case_id, reference in references_between(store, between)
        if case_id in chosen
    )
    return (case_id for _, case_id in heapq.nsmallest(count, lots))


def _ranges(numbers: Iterable[int]) -> Iterator[Range]:
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = last = number
        elif number - last <= _NEAR:
            last = number
        else:
            yield first, last
            first = last = number
    if first is not None and last is not None:
        yield first, last
