"""Lists of cases, read a page at a time so that a million of them cost no memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from operator import attrgetter

from sqlalchemy import Executable, Select, exists, false, func, literal, or_, select, tuple_

from workflow.arguments import check_count, check_whole
from workflow.definition import Definition
from workflow.errors import UsageError, check_known
from workflow.reference import parse_reference
from workflow.retention import MOST_YEARS, Term
from workflow.storage.store import Store, Unread
from workflow.storage.tables import case_keys, cases
from workflow.text import check_text, fold

PAGE = 1000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases a list holds; None: no limit on that point."""

    states: tuple[str, ...] | None
    overdue_at: datetime | None
    search: str | None
    limit: int | None
    due_after: datetime | None = None
    term: Term | None = None
    """The retention term that has passed; an erased case has none left."""
    person: str | None = None
    """What stands in a personal value, now or before, or in an address that a letter went to."""

    @classmethod
    def of(
        cls,
        definition: Definition,
        state: str | None,
        holder: str | None,
        overdue_at: datetime | None,
        search: str | None,
        limit: int | None,
    ) -> Filter:
        """The filter that these options ask for. Raises UsageError: no such state or holder."""
        names = [state.name for state in definition.states]
        holders = {state.holder for state in definition.states if state.holder}
        if state is not None:
            check_known("state", state, names)
        if holder is not None:
            check_known("holder", holder, holders)
        check_text("search", search)
        check_whole("limit", limit)
        if limit is not None and limit < 1:
            raise UsageError(f"--limit {limit} lists nothing; give 1 or more.")
        chosen = tuple(
            found.name
            for found in definition.states
            if state in (None, found.name) and (holder is None or found.holder == holder)
        )
        return cls(chosen if state or holder else None, overdue_at, search, limit)

    def kept_for(self, years: int | None, now: datetime) -> Filter:
        """The same, of cases that ended at least so many years ago; None: of any. Raises UsageError."""
        if years is None:
            return self
        check_count("retention_years", years, MOST_YEARS)
        return replace(self, term=Term(years, now))

    def holding(self, person: str | None) -> Filter:
        """The same, of cases that hold this text about a person; None: of any. Raises UsageError."""
        check_text("person", person)
        if person is not None and not person.strip():
            raise UsageError("person is empty; give a name, an address or a number of somebody, or a part of it.")
        return replace(self, person=person)


def find_cases(store: Store, wanted: Filter) -> Iterator[Unread]:
    """The cases a filter asks for, in the order they were opened; overdue ones longest due first."""
    found = _pages(store, wanted)
    if wanted.states and wanted.overdue_at is None:  # each state along its own index, in which they stand in order
        each = (_pages(store, replace(wanted, states=(state,))) for state in wanted.states)
        found = heapq.merge(*each, key=attrgetter("case_id"))
    if wanted.term:
        found = (one for one in found if wanted.term.has_passed(one.part("ended_at")))
    if wanted.person:
        from workflow.storage.persons import holding  # noqa: PLC0415  (brings what an export reads; rarely asked)

        found = holding(store, found, wanted.person)
    return islice(found, wanted.limit)


def _pages(store: Store, wanted: Filter) -> Iterator[Unread]:
    """Cases, a page at a time."""
    by_due = wanted.overdue_at is not None
    order = (cases.c.due_at, cases.c.id) if by_due else (cases.c.id,)
    query = _filtered(wanted).order_by(*order)
    left = None if wanted.term or wanted.person else wanted.limit  # those are sifted after they were found
    after: Select[tuple[object, ...]] = query
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = store.unread(after.limit(size))
        yield from page
        if len(page) < size:
            return
        left = None if left is None else left - size
        last = page[-1]
        # untyped, SQLite compares other text
        reached = (literal(last.part(column.name), column.type) for column in order)
        after = query.where(tuple_(*order) > tuple_(*reached))


def count_live(store: Store) -> int:
    """How many cases have not ended."""
    row = next(store.select(_live_count, {}))
    return int(row["count"])


def live_pages(store: Store) -> Iterator[list[Unread]]:
    """The cases that have not ended, in the order they were opened, a page at a time, each to be read by itself."""
    last = 0
    while page := store.unread(_live_page(last)):
        yield page
        last = page[-1].case_id


def drifted_cases(store: Store, name: str, most: int) -> list[Unread]:
    """Cases that have not ended and whose facts have a field of this name, which only drift has; the first so many."""
    live = select(cases).where(cases.c.ended_at.is_(None), cases.c.facts.contains(f'"{name}":', autoescape=True))
    return store.unread(live.order_by(cases.c.id).limit(most))


def _live_count() -> Executable:
    return select(func.count().label("count")).select_from(cases).where(cases.c.ended_at.is_(None))


def _live_page(after: int) -> Executable:
    live = select(cases).where(cases.c.ended_at.is_(None), cases.c.id > after)
    return live.order_by(cases.c.id).limit(PAGE)


def _filtered(wanted: Filter) -> Select[tuple[object, ...]]:
    query = select(cases)
    if wanted.states is not None:
        query = query.where(or_(false(), *(cases.c.state == state for state in wanted.states)))
    if wanted.overdue_at is not None:
        query = query.where(cases.c.due_at <= wanted.overdue_at)
    if wanted.due_after is not None:
        query = query.where(cases.c.due_at > wanted.due_after)
    if wanted.term:
        query = query.where(cases.c.ended_at <= wanted.term.latest, cases.c.erased.is_(False))
    if wanted.search:
        named = exists().where(
            case_keys.c.case_id == cases.c.id,
            case_keys.c.kind == "name",
            case_keys.c.value.contains(fold(wanted.search), autoescape=True),
        )
        reference = parse_reference(wanted.search) or wanted.search.strip().upper()
        query = query.where(
            or_(
                cases.c.reference.contains(reference, autoescape=True),
                cases.c.external_reference.icontains(wanted.search.strip(), autoescape=True),
                named,
            )
        )
    return query
