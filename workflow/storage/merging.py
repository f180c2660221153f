"""Reminders that can become one letter: who would get several, and the letters that are part of another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import and_, text, update

from workflow.storage import outbox_queries
from workflow.storage.letters import OutboxRow, rows_where
from workflow.storage.store import Store
from workflow.storage.tables import MERGEABLE, outbox


def mergeable(store: Store, now: datetime) -> list[list[OutboxRow]]:
    """Reminders that are due and were never tried, grouped where one reader would get several."""
    open_ones = and_(text(MERGEABLE.replace("state", "outbox.state")), outbox.c.due_at <= now)
    return [
        rows_where(store, open_ones, outbox.c.recipient == row["recipient"], outbox.c.role == row["role"])
        for row in list(store.select(outbox_queries.readers_of_several, {"now": now}))
    ]


def last_number(store: Store) -> int:
    """The number of the newest letter; 0 when there is none."""
    return int(next(store.select(outbox_queries.last_number, {}))["last"] or 0)


def merge_into(store: Store, rows: Iterable[OutboxRow], letter_id: int, now: datetime) -> None:
    """Make these letters part of another one."""
    for row in rows:
        waiting = and_(outbox.c.id == row.id, outbox.c.state == "pending")
        reason = f"part of letter {letter_id}"
        merged = {"state": "merged", "merged_into": letter_id, "finished_at": now, "reason": reason}
        store.change(update(outbox).where(waiting).values(**merged))
