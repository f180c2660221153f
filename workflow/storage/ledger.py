"""What the sequencer reads and writes: events that wait for a leaf, leaves, checkpoints, and how far it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, bindparam, func, insert, select, update

from workflow.encoding import compact_json, read_json
from workflow.errors import HistoryBroken
from workflow.storage.store import Store
from workflow.storage.tables import SAME_EVENT, checkpoints, events, leaves, sequencer

_NUMBERS_GIVEN = (
    "SELECT last_value FROM pg_sequences WHERE schemaname = current_schema() AND sequencename = 'events_id_seq'"
)
"""The last number that PostgreSQL gave an event; no row for who may not read the sequence."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event that is to become a leaf: its numbers, its hash (hex), and when it happened."""

    id: int
    case_id: int
    seq: int
    hash: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of events that were not there when higher ones were: still being written, or never.

    Whoever may still write one of them has a transaction number below `until`.
    """

    first: int
    last: int
    until: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the sequencer came: leaves, the last event it saw, what it skipped, and the tree's peaks (hex)."""

    size: int = 0
    last_event: int = 0
    skipped: tuple[Gap, ...] = ()
    peaks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    """A checkpoint as it is kept."""

    at: datetime
    size: int
    root: str
    note: str = field(repr=False)


def take_progress(store: Store) -> Progress | None:
    """How far the sequencer came, held until the transaction ends; None: another sequencer is at work.

    Raises HistoryBroken, as `read_progress` does: its row is none that a sequencer wrote.
    """
    row = store.first(_progress_locked, {})
    return _progress(row) if row else None


def read_progress(store: Store) -> Progress:
    """How far the sequencer came. Raises HistoryBroken."""
    row = store.first(_progress_row, {})
    if row is None:
        raise _unreadable("is gone")
    return _progress(row)


def save_progress(store: Store, progress: Progress) -> None:
    """Note how far the sequencer came."""
    values = {
        "new_size": progress.size,
        "new_last": progress.last_event,
        "new_skipped": compact_json([[gap.first, gap.last, gap.until] for gap in progress.skipped]),
        "new_peaks": compact_json(progress.peaks),
    }
    store.run(_save_progress, values)


def entries_after(store: Store, last_event: int, limit: int) -> list[Entry]:
    """The next events by number."""
    return [Entry(**row) for row in store.select(_entries_after, {"last_event": last_event, "limit": limit})]


def entries_in(store: Store, gap: Gap) -> list[Entry]:
    """The events that have come into a gap and have no leaf yet."""
    return [Entry(**row) for row in store.select(_entries_in, {"first": gap.first, "last": gap.last})]


def running(store: Store) -> tuple[int, int]:
    """The lowest transaction number that is still at work, and the first that is not given out yet (PostgreSQL)."""
    sql = (
        "SELECT CAST(CAST(pg_snapshot_xmin(s) AS text) AS bigint), CAST(CAST(pg_snapshot_xmax(s) AS text) AS bigint)"
        " FROM pg_current_snapshot() AS s"
    )
    lowest, following = store.execute(sql).fetchone()
    return int(lowest), int(following)


def append_leaves(store: Store, size: int, entries: Sequence[Entry]) -> None:
    """Append leaves behind the first `size`."""
    rows = [
        {"id": size + index, "case_id": entry.case_id, "seq": entry.seq, "hash": entry.hash}
        for index, entry in enumerate(entries)
    ]
    store.run_many(_insert_leaf, rows)


def add_checkpoint(store: Store, head: Head) -> None:
    """Keep a checkpoint."""
    store.run(_insert_checkpoint, {"at": head.at, "size": head.size, "root": head.root, "note": head.note})


def last_checkpoint(store: Store) -> Head | None:
    """The newest checkpoint; None when there is none."""
    row = store.first(_last_checkpoint, {})
    return Head(row["at"], row["size"], row["root"], row["note"]) if row else None


def checkpoint_upto(store: Store, size: int) -> Head | None:
    """The newest checkpoint over at most so many leaves; None when there is none. Sizes never go back."""
    row = store.first(_checkpoint_upto, {"most": size})
    return Head(row["at"], row["size"], row["root"], row["note"]) if row else None


def waiting(store: Store) -> int:
    """How many events have no leaf yet, by their numbers."""
    row = next(store.read(select(func.count().label("count")).where(events.c.id > read_progress(store).last_event)))
    return int(row["count"])


def newest_leaf(store: Store) -> tuple[int, int]:
    """How many leaves there are by the number of the newest, and the number of its event (0: it has none)."""
    row = store.first(_newest_leaf, {})
    return (int(row["id"]) + 1, int(row["event"] or 0)) if row else (0, 0)


def is_passed_by(store: Store, last_event: int) -> bool:
    """Whether the last event that the sequencer saw is none with a leaf, or one has a number that it never looks at."""
    sealed = select(leaves.c.id).join(events, SAME_EVENT).where(events.c.id == last_event)
    if last_event and not any(True for _ in store.read(sealed)):
        return True
    return any(True for _ in store.read(select(events.c.id).where(events.c.id <= 0).limit(1)))


def out_of_turn(store: Store) -> int:
    """The highest number of an event when the database gave it to none, so that all later ones come before it; else 0.

    SQLite counts on from whatever is there, but for the last number there is. 0 also for who may not read the sequence.
    """
    row = store.first(_highest_event, {})
    highest = int(row["id"]) if row else 0
    if store.is_sqlite:
        given: int | None = 2**63 - 2
    else:  # read after the number: both only grow
        given = next((last for (last,) in store.execute(_NUMBERS_GIVEN).fetchall()), None)
    return highest if given is not None and highest > given else 0


def gaps_of(stored: Any, last_event: int) -> tuple[Gap, ...]:
    """What the sequencer skipped: in order, below the last event. Raises TypeError, ValueError: it wrote no such."""
    gaps = tuple(Gap(*numbers) for numbers in read_json(stored))
    before = 0
    for gap in gaps:
        if not all(type(number) is int for number in (gap.first, gap.last, gap.until)):
            raise TypeError("a gap lies between whole numbers")
        if not before < gap.first <= gap.last < last_event:
            raise ValueError("gaps follow each other")
        before = gap.last
    return gaps


def leaf_at(store: Store, number: int) -> datetime | None:
    """When the event happened that this leaf stands for; None: there is no such leaf."""
    at = select(events.c.at).join(leaves, SAME_EVENT).where(leaves.c.id == number)
    return next((row["at"] for row in store.read(at)), None)


def _progress(row: dict[str, Any]) -> Progress:
    size, last_event = row["size"], row["last_event"]
    try:
        if not all(type(number) is int and number >= 0 for number in (size, last_event)):
            raise TypeError("it counts in whole numbers")
        peaks = tuple(bytes.fromhex(peak).hex() for peak in read_json(row["peaks"]))
        return Progress(size, last_event, gaps_of(row["skipped"], last_event), peaks)
    except (TypeError, ValueError) as error:
        raise _unreadable("cannot be read") from error


def _unreadable(why: str) -> HistoryBroken:
    return HistoryBroken(
        f"The row of the sequencer {why}: somebody altered it. To see where, run: schakel audit verify"
    )


def _progress_row() -> Executable:
    return select(sequencer).where(sequencer.c.id == 1)


def _progress_locked() -> Executable:
    return select(sequencer).where(sequencer.c.id == 1).with_for_update(skip_locked=True)


def _save_progress() -> Executable:
    return (
        update(sequencer)
        .where(sequencer.c.id == 1)
        .values(
            size=bindparam("new_size"),
            last_event=bindparam("new_last"),
            skipped=bindparam("new_skipped"),
            peaks=bindparam("new_peaks"),
        )
    )


def _entries_after() -> Executable:
    wanted = select(events.c.id, events.c.case_id, events.c.seq, events.c.hash, events.c.at)
    return wanted.where(events.c.id > bindparam("last_event")).order_by(events.c.id).limit(bindparam("limit"))


def _entries_in() -> Executable:
    wanted = select(events.c.id, events.c.case_id, events.c.seq, events.c.hash, events.c.at)
    found = wanted.outerjoin(leaves, SAME_EVENT).where(leaves.c.id.is_(None))
    return found.where(events.c.id.between(bindparam("first"), bindparam("last"))).order_by(events.c.id)


def _newest_leaf() -> Executable:
    newest = select(leaves.c.id, events.c.id.label("event")).outerjoin(events, SAME_EVENT)
    return newest.order_by(leaves.c.id.desc()).limit(1)


def _highest_event() -> Executable:
    return select(events.c.id).order_by(events.c.id.desc()).limit(1)


def _insert_leaf() -> Executable:
    return insert(leaves).values({column.name: bindparam(column.name) for column in leaves.c})


def _insert_checkpoint() -> Executable:
    return insert(checkpoints).values({name: bindparam(name) for name in ("at", "size", "root", "note")})


def _last_checkpoint() -> Executable:
    return select(checkpoints).order_by(checkpoints.c.id.desc()).limit(1)


def _checkpoint_upto() -> Executable:
    upto = select(checkpoints).where(checkpoints.c.size <= bindparam("most"))
    return upto.order_by(checkpoints.c.id.desc()).limit(1)
