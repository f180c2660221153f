"""Reminders that can become one letter: who would get several, and the letters that are part of another."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, and_, bindparam, func, literal, or_, select, text, update

from workflow.schedule import TimerKind
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.outbox_queries import ENDED, IS_PENDING, IS_UNSENT, letters_where
from workflow.storage.store import Store
from workflow.storage.tables import MERGEABLE, cases, outbox, timers


def mergeable(store: Store, until: datetime) -> list[list[OutboxRow]]:
    """Reminders that were due by then and were never tried, grouped where one reader would get several."""
    readers = [
        {"address": row["recipient"], "to_role": row["role"], "until": until}
        for row in store.select(_readers_of_several, {"until": until})
    ]
    asked = [store.select(_reminders_of_reader, reader) for reader in readers]
    groups = [[OutboxRow(**row) for row in found] for found in asked]
    return [group for group in groups if len(group) > 1]  # another worker may have taken some meanwhile


def last_number(store: Store, until: datetime) -> int:
    """The number of the newest such reminder; 0 when there is none."""
    return int(next(store.select(_last_number, {"until": until}))["last"] or 0)


def merge_into(store: Store, rows: Iterable[OutboxRow], letter_id: int, now: datetime) -> None:
    """Make these letters part of another one."""
    said = {"whole": letter_id, "now": now, "why": f"part of letter {letter_id}"}
    store.run_many(_merge, [{"number": row.id, **said} for row in rows])


def take_outdated_apart(store: Store, now: datetime) -> None:
    """End what waits about several cases once one of them moved on, went on hold or has another address.

    The reminders of the others wait again, to be merged anew. It stays as it is while somebody holds a part of it.
    """
    for digest in list(store.select(_outdated_digests, {})):
        named = {"whole": digest["id"], "number": digest["id"], "now": now}
        if len(list(store.select(_parts_if_free, named))) == digest["parts"]:
            store.run(_end_parts, named)
            take_apart(store, digest["id"])
            store.run(_end_letter, {**named, "why": "taken apart: one of its cases moved on or has another address"})


def take_apart(store: Store, letter_id: int) -> None:
    """Let the reminders that became part of a letter wait again, to be merged anew."""
    store.run(_free_parts, {"whole": letter_id})


def _last_number() -> Executable:
    """The number of the newest reminder that was due by then and was never tried."""
    return select(func.max(outbox.c.id).label("last")).where(text(MERGEABLE), outbox.c.due_at <= bindparam("until"))


def _readers_of_several() -> Executable:
    """Who would get more than one reminder that was due by then and was never tried."""
    return (
        select(outbox.c.recipient, outbox.c.role)
        .where(text(MERGEABLE), outbox.c.due_at <= bindparam("until"))
        .group_by(outbox.c.recipient, outbox.c.role)
        .having(func.count() > 1)
        .order_by(outbox.c.recipient, outbox.c.role)
    )


def _reminders_of_reader() -> Executable:
    """The reminders of one reader that were due by then and never tried, kept from workers that would send one."""
    mine = and_(outbox.c.recipient == bindparam("address"), outbox.c.role == bindparam("to_role"))
    mergeable = text(MERGEABLE.replace("state", "outbox.state"))
    found = letters_where(mergeable, outbox.c.due_at <= bindparam("until"), mine)
    return found.with_for_update(of=outbox, skip_locked=True)


def _merge() -> Executable:
    """A letter that waits becomes part of another one."""
    waiting = and_(outbox.c.id == bindparam("number"), IS_PENDING)
    values = {"state": str(LetterState.MERGED), "merged_into": bindparam("whole"), "finished_at": bindparam("now")}
    return update(outbox).where(waiting).values(**values, reason=bindparam("why"))


def _outdated_digests() -> Executable:
    """Letters that wait of which a part would not be sent any more, or not there; and how many parts each has."""
    parts, others = outbox.alias("parts"), outbox.alias("others")
    elsewhere = parts.c.recipient.is_distinct_from(outbox.c.recipient)
    outdated = select(parts.c.id).where(parts.c.merged_into == outbox.c.id, or_(elsewhere, _is_over(parts)))
    count = select(func.count()).select_from(others).where(others.c.merged_into == outbox.c.id).scalar_subquery()
    return (
        select(outbox.c.id, count.label("parts"))
        .where(IS_PENDING, IS_UNSENT, outbox.c.case_id.is_(None), outdated.exists())
        .with_for_update(of=outbox, skip_locked=True)
    )


def _parts_if_free() -> Executable:
    """What became part of a letter and nobody holds, kept from others."""
    mine = outbox.c.merged_into == bindparam("whole")
    return select(outbox.c.id).where(mine).with_for_update(skip_locked=True)


def _end_parts() -> Executable:
    """Of a letter those parts that nobody needs any more."""
    mine = and_(outbox.c.merged_into == bindparam("whole"), _is_over(outbox))
    why = literal("its case moved on or went on hold before it was sent")
    return update(outbox).where(mine).values(**ENDED, reason=why, merged_into=None)


def _free_parts() -> Executable:
    """What became part of a letter waits again."""
    mine = outbox.c.merged_into == bindparam("whole")
    waits = {"state": str(LetterState.PENDING), "merged_into": None, "finished_at": None, "reason": None}
    return update(outbox).where(mine).values(**waits)


def _end_letter() -> Executable:
    """A letter that waits is not to be sent."""
    mine = and_(outbox.c.id == bindparam("number"), IS_PENDING)
    return update(outbox).where(mine).values(**ENDED, reason=bindparam("why"))


def _is_over(reminder: Any) -> Any:
    """Whether the case of a reminder left the state it reminded in, or is on hold."""
    held = select(timers.c.case_id).where(timers.c.case_id == cases.c.id, timers.c.kind == str(TimerKind.HOLD)).exists()
    mine = select(cases.c.id).where(cases.c.id == reminder.c.case_id)
    return mine.where(or_(cases.c.entered_at >= reminder.c.created_at, held)).exists()
