"""What the verifier reads of a database: rows as they are stored, in streams, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

from sqlalchemy import Executable, Select, exists, func, select

from workflow.clock import format_time
from workflow.storage.ledger import out_of_turn
from workflow.storage.statement import Statement
from workflow.storage.store import Store
from workflow.storage.tables import (
    SAME_EVENT,
    cases,
    checkpoints,
    definitions,
    events,
    leaves,
    private_values,
    sequencer,
)

CHUNK = 500
"""Rows read at once: few enough to stay in the processor's cache."""
EVENT_COLUMNS = tuple(one.name for one in events.c if one.name not in ("id", "case_id", "canonical", "hash"))
"""The columns of an event that repeat what its bytes say."""
Chunks = Iterator[Sequence[tuple[Any, ...]]]
ReadRow = Callable[[], tuple[dict[str, Any], dict[str, Any]]]
"""Reads a row: what it says, and what stands there as the driver gives it."""


class Evidence:
    """The rows of one transaction: of all cases, or of one where that makes sense."""

    def __init__(self, store: Store, case_id: int | None = None) -> None:
        self._store = store
        self._case_id = case_id
        self._cursors = count(1)
        self._named: tuple[Any, str] = (None, "")

    @property
    def is_of_one_case(self) -> bool:
        """Whether only one case's rows are read."""
        return self._case_id is not None

    def linked_events(self) -> Chunks:
        """Bytes, hash and case of each event in order, and whether its leaf has that hash (None: it has no leaf)."""
        wanted = select(events.c.canonical, events.c.hash, events.c.case_id, leaves.c.hash == events.c.hash)
        wanted = wanted.outerjoin(leaves, SAME_EVENT).order_by(events.c.case_id, events.c.seq)
        return self._stream(self._of_case(wanted, events))

    def whole_events(self) -> Chunks:
        """Case, bytes, hash and then `EVENT_COLUMNS` of each event in order."""
        repeated = (events.c[name] for name in EVENT_COLUMNS)
        wanted = select(events.c.case_id, events.c.canonical, events.c.hash, *repeated)
        return self._stream(self._of_case(wanted, events).order_by(events.c.case_id, events.c.seq))

    def openings(self) -> Chunks:
        """Case, event, path, value (JSON text) and salt, in the order of the events."""
        held = private_values.c
        wanted = select(held.case_id, held.seq, held.path, held.value, held.salt).order_by(held.case_id, held.seq)
        return self._stream(self._of_case(wanted, private_values))

    def cases(self) -> Iterator[tuple[int, Any, ReadRow]]:
        """Number and reference of each case in order, and what reads its row (which a forged value can make fail)."""
        wanted = select(cases) if self._case_id is None else select(cases).where(cases.c.id == self._case_id)
        wanted = wanted.order_by(cases.c.id)
        names = list(cases.c.keys())
        read = partial(_read_row, self._store.statement(wanted), names)
        place = names.index("reference")
        for rows in self._stream(wanted):
            for row in rows:
                yield row[0], row[place], partial(read, row)

    def leaf_hashes(self) -> Chunks:
        """Number and hash of each leaf, of all cases, in order."""
        return self._stream(select(leaves.c.id, leaves.c.hash).order_by(leaves.c.id))

    def leaf_times(self) -> Chunks:
        """Number of each leaf in order; case, number and time of its event."""
        wanted = select(leaves.c.id, events.c.case_id, events.c.seq, events.c.at).join(events, SAME_EVENT)
        return self._stream(self._of_case(wanted, events).order_by(leaves.c.id))

    def orphaned_leaves(self) -> Chunks:
        """Number, case and event of each leaf whose event is not there."""
        wanted = select(leaves.c.id, leaves.c.case_id, leaves.c.seq).where(~exists().where(SAME_EVENT))
        return self._stream(self._of_case(wanted, leaves).order_by(leaves.c.id))

    def checkpoints(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Time (as text), size, root and note of each checkpoint, in the order they were signed."""
        found = checkpoints.c
        for rows in self._stream(select(found.at, found.size, found.root, found.note).order_by(found.id)):
            for at, size, root, note in rows:
                yield as_text(at), size, root, note

    def definitions(self) -> Iterator[tuple[Any, Any, Any, Any]]:
        """Name, version, digest and bytes of each version of a definition."""
        found = definitions.c
        for rows in self._stream(select(found.name, found.version, found.digest, found.canonical)):
            yield from rows

    def reference_of(self, case_id: Any) -> str:
        """The reference of a case; '' when it has no row."""
        if self._named[0] != case_id:
            found = self._store.read(select(cases.c.reference.label("reference")).where(cases.c.id == case_id))
            self._named = (case_id, next((str(row["reference"]) for row in found), ""))
        return self._named[1]

    def count_chunks(self) -> int:
        """In how many chunks the events come."""
        counted = self._of_case(select(func.count().label("count")).select_from(events), events)
        return -(-int(next(self._store.read(counted))["count"]) // CHUNK)

    def sequenced(self) -> tuple[Any, Any] | None:
        """How many leaves the sequencer says it appended, and the peaks of their tree (JSON); None: its row is gone."""
        found = self._store.read(
            select(sequencer.c.size.label("size"), sequencer.c.peaks.label("peaks")).where(sequencer.c.id == 1)
        )
        return next(((row["size"], row["peaks"]) for row in found), None)

    def came_to(self) -> tuple[Any, Any] | None:
        """The last event that the sequencer saw, by its number, and what it skipped (JSON); None: its row is gone."""
        said = (sequencer.c.last_event.label("last_event"), sequencer.c.skipped.label("skipped"))  # as they stand there
        found = self._store.read(select(*said).where(sequencer.c.id == 1))
        return next(((row["last_event"], row["skipped"]) for row in found), None)

    def last_sealed(self) -> int:
        """The highest number of an event, of all cases, that has a leaf; 0: none has."""
        wanted = select(events.c.id).join(leaves, SAME_EVENT).order_by(events.c.id.desc()).limit(1)
        return next((int(row["id"]) for row in self._store.read(wanted)), 0)

    def passed_by(self, last: int) -> Chunks:
        """Number, case and its number there of each event up to that number that has no leaf."""
        wanted = select(events.c.id, events.c.case_id, events.c.seq).where(events.c.id <= last)
        wanted = wanted.outerjoin(leaves, SAME_EVENT).where(leaves.c.id.is_(None)).order_by(events.c.id)
        return self._stream(self._of_case(wanted, events))

    def out_of_turn(self) -> tuple[int, Any, Any] | None:
        """Number, case and its number there of the last event, when the database gave that number to none."""
        number = out_of_turn(self._store)
        if not number:
            return None
        wanted = select(events.c.case_id, events.c.seq).where(events.c.id == number)
        return next(((number, row["case_id"], row["seq"]) for row in self._store.read(wanted)), None)

    def _of_case(self, wanted: Select[Any], table: Any) -> Select[Any]:
        return wanted if self._case_id is None else wanted.where(table.c.case_id == self._case_id)

    def _stream(self, core: Executable) -> Chunks:
        """The rows of a query as the driver gives them, so many at a time; PostgreSQL keeps a cursor for it."""
        store, statement = self._store, self._store.statement(core)
        bound = statement.bind({})
        if store.is_sqlite:
            cursor = store.execute(statement.sql, bound)
            while rows := cursor.fetchmany(CHUNK):
                yield rows
            return
        name = f"evidence_{next(self._cursors)}"
        store.execute(f"DECLARE {name} NO SCROLL CURSOR FOR {statement.sql}", bound)
        while rows := store.execute(f"FETCH {CHUNK} FROM {name}").fetchall():
            yield rows
        store.execute(f"CLOSE {name}")


def _read_row(statement: Statement, names: Sequence[str], row: Sequence[Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return statement.row(row), dict(zip(names, row, strict=True))


def find(store: Store, *, reference: str | None, external: str) -> int | None:
    """The number of a case by either reference, without reading more of it."""
    named = cases.c.reference == reference if reference else cases.c.external_reference == external
    return next((int(row["id"]) for row in store.read(select(cases.c.id).where(named))), None)


def as_text(stored: Any) -> Any:
    """A moment as history writes it, whichever way the database gives it."""
    return format_time(stored) if isinstance(stored, datetime) else stored


def as_bytes(stored: Any) -> bytes:
    """The bytes of a column, also where somebody put something else in it."""
    return bytes(stored) if isinstance(stored, bytes | memoryview) else str(stored).encode()


def leaf_entry(stored: Any) -> bytes:
    """The 32 bytes that a leaf's hash says; of what is no hash some bytes that give no right root."""
    try:
        return bytes.fromhex(stored)
    except (TypeError, ValueError):
        return b""
