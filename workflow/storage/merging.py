"""Reminders that can become one letter: who would get several, and the letters that are part of another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workflow.storage import outbox_queries
from workflow.storage.letters import OutboxRow
from workflow.storage.store import Store


def mergeable(store: Store, until: datetime) -> list[list[OutboxRow]]:
    """Reminders that were due by then and were never tried, grouped where one reader would get several."""
    readers = [
        {"address": row["recipient"], "to_role": row["role"], "until": until}
        for row in store.select(outbox_queries.readers_of_several, {"until": until})
    ]
    asked = [store.select(outbox_queries.reminders_of_reader, reader) for reader in readers]
    groups = [[OutboxRow(**row) for row in found] for found in asked]
    return [group for group in groups if len(group) > 1]  # another worker may have taken some meanwhile


def last_number(store: Store, until: datetime) -> int:
    """The number of the newest such reminder; 0 when there is none."""
    return int(next(store.select(outbox_queries.last_number, {"until": until}))["last"] or 0)


def merge_into(store: Store, rows: Iterable[OutboxRow], letter_id: int, now: datetime) -> None:
    """Make these letters part of another one."""
    said = {"whole": letter_id, "now": now, "why": f"part of letter {letter_id}"}
    store.run_many(outbox_queries.merge, [{"number": row.id, **said} for row in rows])
