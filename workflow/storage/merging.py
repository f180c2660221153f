"""Reminders that can become one letter, the letters that are part of another, and what nobody needs any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    and_,
    bindparam,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)

from workflow.definition import Definition
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.outbox_queries import ENDED, IS_PENDING, IS_UNSENT, if_free, letters_where
from workflow.storage.store import Store
from workflow.storage.tables import MERGEABLE, outbox
from workflow.storage.wanted import asks_in_vain, endings, holds_outdated, is_over, roles, why_over


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


def end_outdated(store: Store, now: datetime, definition: Definition) -> None:
    """End what waits and nobody needs any more: reminders, and what asks something for a case that has ended.

    So it is with those that became part of a letter that waits. It is taken apart, as is one of which a part has
    another address since, where cases hold those: the reminders of its other cases wait again, to be merged anew.
    """
    for digest in list(store.select(_outdated_digests, roles(definition.domain.in_facts))):
        _end_digest(store, digest, now, "one of its cases moved on, went on hold, or has another day or address")
    store.run(_end_outdated, {"now": now, **endings(definition)})


def separate(store: Store, letter_id: int, now: datetime, why: str) -> None:
    """Take a letter that waits apart for good: it would keep back cases that can be reminded of by themselves."""
    for digest in list(store.select(_waiting_digest, {"whole": letter_id})):
        _end_digest(store, digest, now, why, merges=False)


def take_apart(store: Store, letter_id: int, *, alone: str | None = None) -> None:
    """Let the reminders that became part of a letter wait again: to be merged anew, or each `alone`, which says why."""
    store.run(_free_parts, {"whole": letter_id, "why": alone})


def _end_digest(store: Store, digest: Mapping[str, Any], now: datetime, why: str, *, merges: bool = True) -> None:
    named = {"whole": digest["id"], "now": now, "why": f"taken apart: {why}"}
    if len(list(store.select(_parts_if_free, named))) == digest["parts"]:  # else somebody holds one
        take_apart(store, digest["id"], alone=None if merges else f"letter {digest['id']} was {named['why']}")
        store.run(_cancel_digest, named)


def _last_number() -> Executable:
    """The number of the newest reminder that was due by then and was never tried.

    The plus keeps SQLite from looking for it among all letters, newest first.
    """
    number: ColumnElement[int] = literal_column("+outbox.id")
    return (
        select(func.max(number).label("last"))
        .select_from(outbox)
        .where(text(MERGEABLE), outbox.c.due_at <= bindparam("until"))
    )


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
    """Letters of which a part would not be sent any more, or not there."""
    return _digests_where(holds_outdated())


def _waiting_digest() -> Executable:
    """A letter that waits, and how many parts it has; nothing when it has none, or somebody holds it."""
    parts = outbox.alias("parts")
    is_whole = select(parts.c.id).where(parts.c.merged_into == outbox.c.id).exists()
    return _digests_where(outbox.c.id == bindparam("whole"), is_whole)


def _digests_where(*conditions: ColumnElement[bool]) -> Executable:
    """Letters about several cases that wait and nobody holds, kept from others; and how many parts each has."""
    others = outbox.alias("others")
    count = select(func.count()).select_from(others).where(others.c.merged_into == outbox.c.id).scalar_subquery()
    return (
        select(outbox.c.id, count.label("parts"))
        .where(IS_PENDING, IS_UNSENT, outbox.c.case_id.is_(None), *conditions)
        .with_for_update(of=outbox, skip_locked=True)
    )


def _parts_if_free() -> Executable:
    """What became part of a letter and nobody holds, kept from others."""
    mine = outbox.c.merged_into == bindparam("whole")
    return select(outbox.c.id).where(mine).with_for_update(skip_locked=True)


def _free_parts() -> Executable:
    """What became part of a letter waits again; with a reason it is not merged any more."""
    mine = outbox.c.merged_into == bindparam("whole")
    waits = {"state": str(LetterState.PENDING), "merged_into": None, "finished_at": None}
    return update(outbox).where(mine).values(**waits, reason=bindparam("why"))


def _cancel_digest() -> Executable:
    """A letter that was taken apart."""
    mine = and_(outbox.c.id == bindparam("whole"), IS_PENDING)
    return update(outbox).where(mine).values(**ENDED, reason=bindparam("why"))


def _end_outdated() -> Executable:
    """What waits and nobody needs any more; passing by what somebody holds."""
    why = why_over(outbox).concat(literal(" before it was sent"))
    over = and_(IS_PENDING, IS_UNSENT, or_(is_over(outbox), asks_in_vain(outbox)))
    return update(outbox).where(if_free(over)).values(**ENDED, reason=why)
