"""Which letters the next pass ends instead of sending: reminders that are over, and letters of nothing but those."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, and_, select

from workflow.storage.outbox_queries import IS_PENDING, IS_UNSENT
from workflow.storage.store import Store
from workflow.storage.tables import outbox
from workflow.storage.wanted import is_over, why_over


def outdated_letters(store: Store) -> frozenset[int]:
    """The numbers of the letters that wait and will not go out."""
    return frozenset(row["id"] for row in store.read(_outdated(IS_PENDING, IS_UNSENT)))


def why_outdated(store: Store, number: int) -> str | None:
    """Why nobody needs this letter any more; None: it goes out, or went."""
    for row in store.read(_outdated(outbox.c.id == number)):
        if row["case_id"] is None:
            return "each of its cases moved on, went on hold or has another day"
        return str(row["why"])
    return None


def _outdated(*where: Any) -> Select[Any]:
    parts = outbox.alias("parts")
    mine = parts.c.merged_into == outbox.c.id
    is_whole = select(parts.c.id).where(mine).exists()
    is_wanted = select(parts.c.id).where(mine, ~is_over(parts)).exists()
    over = and_(outbox.c.case_id.is_not(None), is_over(outbox)) | and_(outbox.c.case_id.is_(None), is_whole, ~is_wanted)
    return select(outbox.c.id, outbox.c.case_id, why_over(outbox).label("why")).where(*where, over)
