"""What an export reads, each a page at a time inside one snapshot, so that a million events cost no memory.

Values are handed on as they are stored: an export of an altered database must show the alteration, not stumble over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Executable,
    Select,
    Table,
    Text,
    and_,
    bindparam,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.types import NullType

from workflow.storage.evidence import as_bytes, as_text
from workflow.storage.moment import Moment
from workflow.storage.store import Store
from workflow.storage.tables import SAME_EVENT, cases, events, leaves, private_values

PAGE = 1_000
"""Rows read at once."""
Range = tuple[int, int]
"""Numbers of cases, first and last, both in it."""
EVERYTHING: Range = (-(2**62), 2**62)
_BEFORE_ANY = -(2**31)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event as it is stored; `leaf` is the index of its leaf, None when it has none."""

    case_id: int
    seq: int
    canonical: bytes
    hash: str
    leaf: int | None


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case's row as people may want to see it; JSON texts and moments as they are stored, 0 for what is no number."""

    case_id: int
    reference: str
    external_reference: str | None
    state: str
    version: int
    seq: int
    facts: str
    progress: str
    opened_at: str
    entered_at: str
    due_at: str
    ended_at: str
    erased: bool


@dataclass(frozen=True, slots=True)
class StoredOpening:
    """A personal value with its salt, by the event that committed to it; `value` is JSON text."""

    case_id: int
    case: str
    seq: int
    path: str
    value: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class StoredLeaf:
    """A leaf: its index, and the event it stands for."""

    index: int
    case_id: int
    case: str
    seq: int
    hash: str


def events_between(store: Store, between: Range) -> Iterator[StoredEvent]:
    """The events of these cases, by case and in order."""
    for row in _by_case(store, _events, between):
        yield StoredEvent(row["case_id"], row["seq"], as_bytes(row["canonical"]), row["hash"], row["leaf"])


def openings_between(store: Store, between: Range) -> Iterator[StoredOpening]:
    """The personal values of these cases, by case, event and path."""
    after = {"case_id": between[0], "seq": _BEFORE_ANY, "path": ""}
    while page := list(store.select(_openings, {**after, "last": between[1], "page": PAGE})):
        for row in page:
            yield StoredOpening(
                row["case_id"], row["case"] or "", row["seq"], row["path"], row["value"], as_bytes(row["salt"])
            )
        after = {name: page[-1][name] for name in after}


def leaves_between(store: Store, between: Range) -> Iterator[StoredLeaf]:
    """The leaves of these cases, by case and in order."""
    yield from map(_leaf, _by_case(store, _leaves_of_cases, between))


def all_leaves(store: Store) -> Iterator[StoredLeaf]:
    """Every leaf, by index."""
    yield from map(_leaf, _by_number(store, _leaves))


def leaf_at(store: Store, index: int) -> StoredLeaf | None:
    """The leaf with this index."""
    return next((_leaf(row) for row in store.select(_leaf_at, {"index": index})), None)


def cases_between(store: Store, between: Range) -> Iterator[StoredCase]:
    """These cases, in the order they were opened."""
    moments = ("opened_at", "entered_at", "due_at", "ended_at")
    for row in _by_number(store, _cases, between):
        told = {**row, **{name: str(as_text(row[name]) or "") for name in moments}, "erased": bool(row["erased"])}
        told |= {name: row[name] if isinstance(row[name], int) else 0 for name in ("version", "seq")}
        yield StoredCase(told.pop("id"), **told)


def references_between(store: Store, between: Range) -> Iterator[tuple[int, str]]:
    """The number and the reference of each of these cases."""
    for row in _by_number(store, _references, between):
        yield row["id"], row["reference"]


def active_cases(store: Store, since: datetime | None, before: datetime | None) -> Iterator[int]:
    """The numbers of the cases to which something happened from `since` until just before `before`, in order."""
    when = [events.c.at >= since] if since else []
    when += [events.c.at < before] if before else []
    wanted = select(events.c.case_id).where(*when).group_by(events.c.case_id).order_by(events.c.case_id).limit(PAGE)
    last = EVERYTHING[0]
    while page := [row["case_id"] for row in store.read(wanted.where(events.c.case_id > last))]:
        yield from page
        last = page[-1]


def _by_case(store: Store, query: Callable[[], Executable], between: Range) -> Iterator[dict[str, Any]]:
    after = {"case_id": between[0], "seq": _BEFORE_ANY}
    while page := list(store.select(query, {**after, "last": between[1], "page": PAGE})):
        yield from page
        after = {name: page[-1][name] for name in after}


def _by_number(store: Store, query: Callable[[], Executable], between: Range = EVERYTHING) -> Iterator[dict[str, Any]]:
    after = between[0] - 1
    while page := list(store.select(query, {"after": after, "last": between[1], "page": PAGE})):
        yield from page
        after = page[-1]["id"]


def _events() -> Executable:
    # looked up row by row, since PostgreSQL may take a join as a reason to read all leaves for every page
    leaf = select(leaves.c.id).where(SAME_EVENT).scalar_subquery().label("leaf")
    wanted = select(*_as_stored(events, "case_id", "seq", "canonical", "hash"), leaf)
    return _paged_by_case(wanted, events.c.case_id, events.c.seq)


def _leaves_of_cases() -> Executable:
    return _paged_by_case(_leaf_columns(), leaves.c.case_id, leaves.c.seq)


def _leaves() -> Executable:
    return _paged_by_number(_leaf_columns(), leaves.c.id)


def _leaf_at() -> Executable:
    return _leaf_columns().where(leaves.c.id == bindparam("index"))


def _leaf_columns() -> Select[Any]:
    return select(*_as_stored(leaves, "id", "case_id", "seq", "hash"), _reference(leaves.c.case_id))


def _openings() -> Executable:
    values = private_values.c
    path = type_coerce(values.path, NullType()).label("path")  # the next page begins behind what stands there
    wanted = select(*_as_stored(private_values, "case_id", "seq", "value", "salt"), path, _reference(values.case_id))
    return _paged_by_case(wanted, values.case_id, values.seq, values.path)


def _reference(case_id: Column[Any]) -> ColumnElement[Any]:
    return select(cases.c.reference).where(cases.c.id == case_id).scalar_subquery().label("case")


def _cases() -> Executable:
    plain = ("id", "reference", "external_reference", "state", "version", "seq", "facts", "progress", "erased")
    moments = ("opened_at", "entered_at", "due_at", "ended_at")
    wanted = select(*_as_stored(cases, *plain, *moments))
    return _paged_by_number(wanted, cases.c.id)


def _references() -> Executable:
    return _paged_by_number(select(*_as_stored(cases, "id", "reference")), cases.c.id)


def _paged_by_case(wanted: Select[Any], *order: Column[Any]) -> Select[Any]:
    mark = tuple_(*(bindparam(column.name, type_=column.type) for column in order))
    within = and_(tuple_(*order) > mark, order[0] <= bindparam("last"))
    return wanted.where(within).order_by(*order).limit(bindparam("page"))


def _paged_by_number(wanted: Select[Any], number: Column[Any]) -> Select[Any]:
    within = and_(number > bindparam("after"), number <= bindparam("last"))
    return wanted.where(within).order_by(number).limit(bindparam("page"))


def _as_stored(table: Table, *names: str) -> list[ColumnElement[Any]]:
    """Columns without the reading that refuses what nobody writes there, moments as text."""
    return [
        (type_coerce(column, Text) if isinstance(column.type, Moment) else column).label(column.name)
        for column in (table.c[name] for name in names)
    ]


def _leaf(row: dict[str, Any]) -> StoredLeaf:
    return StoredLeaf(row["id"], row["case_id"], row["case"] or "", row["seq"], row["hash"])
