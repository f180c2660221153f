"""Which letters the next pass ends instead of sending: what nobody needs any more, and letters of nothing but that."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, and_, bindparam, or_, select

from workflow.definition import Definition
from workflow.storage.outbox_queries import IS_PENDING, IS_UNSENT
from workflow.storage.store import Store
from workflow.storage.tables import outbox
from workflow.storage.wanted import asks_in_vain, endings, is_over, why_over


def outdated_letters(store: Store, definition: Definition) -> frozenset[int]:
    """The numbers of the letters that wait and will not go out."""
    return frozenset(row["id"] for row in store.select(_that_wait, endings(definition)))


def why_outdated(store: Store, number: int, definition: Definition) -> str | None:
    """Why nobody needs this letter any more; None: it goes out, or went."""
    for row in store.select(_by_number, {"number": number, **endings(definition)}):
        if row["case_id"] is None:
            return "each of its cases moved on, went on hold or has another day"
        return str(row["why"])
    return None


def _that_wait() -> Executable:
    return _outdated(IS_PENDING, IS_UNSENT)


def _by_number() -> Executable:
    return _outdated(outbox.c.id == bindparam("number"))


def _outdated(*where: Any) -> Executable:
    parts = outbox.alias("parts")
    mine = parts.c.merged_into == outbox.c.id
    is_whole = select(parts.c.id).where(mine).exists()
    is_wanted = select(parts.c.id).where(mine, ~is_over(parts)).exists()
    of_one = and_(outbox.c.case_id.is_not(None), or_(is_over(outbox), asks_in_vain(outbox)))
    over = or_(of_one, and_(outbox.c.case_id.is_(None), is_whole, ~is_wanted))
    return select(outbox.c.id, outbox.c.case_id, why_over(outbox).label("why")).where(*where, over)
