"""Restores of an older copy: reminders that are due by then are held until somebody releases them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Executable, FromClause, and_, exists, insert, or_, select, update

from workflow.schedule import TimerKind
from workflow.storage import letters
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.store import ALWAYS, Place, Store, Unread
from workflow.storage.tables import cases, checkpoints, outbox, restores, timers, workers

PAGE = 1_000
"""Cases with held reminders that are read at a time."""
IN_DOUBT = (LetterState.PENDING, LetterState.CLAIMED, LetterState.SENDING)
"""How a letter is in a copy that may have gone out since."""


@dataclass(frozen=True, slots=True)
class Restore:
    """A copy that was put back: when that was told, the newest trace in it, and how many letters were in doubt."""

    at: datetime
    copied_at: datetime | None
    letters: int
    released_at: datetime | None


def open_restore(store: Store) -> Restore | None:
    """The restore of which reminders are still held; None when there is none."""
    row = store.first(_open, {})
    return Restore(row["at"], row["copied_at"], row["letters"], row["released_at"]) if row else None


def begin(store: Store, restore: Restore) -> None:
    """Hold what is due by then."""
    values = {"at": restore.at, "copied_at": restore.copied_at, "letters": restore.letters, "released_at": None}
    store.change(insert(restores).values(**values))


def release(store: Store, now: datetime) -> None:
    """Hold nothing any more."""
    store.change(update(restores).where(restores.c.released_at.is_(None)).values(released_at=now))


def held_until(store: Store) -> datetime:
    """Reminders that were due by then are held, since an older copy was restored; before everything: none are."""
    restore = open_restore(store)
    return restore.at if restore else ALWAYS


def newest_trace(store: Store) -> datetime | None:
    """The newest moment in the database: of an event, a checkpoint or a worker's heartbeat."""
    newest = (
        select(checkpoints.c.at).order_by(checkpoints.c.id.desc()).limit(1),
        select(workers.c.seen_at.label("at")).order_by(workers.c.seen_at.desc()).limit(1),
    )
    found = [row["at"] for query in newest for row in store.read(query)]
    return max(filter(None, [store.last_event_at(), *found]), default=None)


def letters_in_doubt(store: Store) -> list[OutboxRow]:
    """Letters that may have gone out after the copy was made: those that waited in it, or were on their way."""
    return [row for state in IN_DOUBT for row in letters.pages_of(store, state=state)]


def doubt(store: Store, row: OutboxRow, reason: str, now: datetime) -> bool:
    """Nobody knows whether this letter arrived: a person decides. False: it is no more as it was seen."""
    values = {"state": str(LetterState.UNKNOWN), "token": None, "lease_until": None, "finished_at": now}
    as_seen = and_(outbox.c.id == row.id, outbox.c.state == row.state)
    return bool(store.change(update(outbox).where(as_seen).values(**values, reason=reason), outbox.c.id))


def held_cases(store: Store, until: datetime) -> Iterator[Unread]:
    """The cases of which the next timer was due by then; longest due first, a page at a time, each read by itself."""
    page = store.unread(_held(until))
    while page:
        yield from page
        last = page[-1]
        page = store.unread(_held(until, (last.part("timer_due_at"), last.case_id)))


def cases_in_doubt(store: Store) -> list[Unread]:
    """The cases that letters in doubt are about, each read by itself."""
    whole, part = outbox.alias("whole"), outbox.alias("part")
    own = select(whole.c.case_id).where(_is_in_doubt(whole))
    merged = select(part.c.case_id).join(whole, part.c.merged_into == whole.c.id).where(_is_in_doubt(whole))
    return store.unread(select(cases).where(or_(cases.c.id.in_(own), cases.c.id.in_(merged))).order_by(cases.c.id))


def _is_in_doubt(letter: FromClause) -> ColumnElement[bool]:
    return or_(*(letter.c.state == str(state) for state in IN_DOUBT))


def _open() -> Executable:
    return select(restores).where(restores.c.released_at.is_(None)).order_by(restores.c.id.desc()).limit(1)


def _held(until: datetime, after: Place | None = None) -> Executable:
    due = timers.c.due_at.label("timer_due_at")
    holds = timers.alias()
    on_hold = exists().where(holds.c.case_id == timers.c.case_id, holds.c.kind == str(TimerKind.HOLD))
    following = or_(timers.c.kind == str(TimerKind.HOLD), ~on_hold)  # no rung before a hold ends
    held = select(cases, due).join(timers, timers.c.case_id == cases.c.id).where(following, timers.c.due_at <= until)
    if after is not None:
        place, number = after
        held = held.where(or_(timers.c.due_at > place, and_(timers.c.due_at == place, timers.c.case_id > number)))
    return held.order_by(timers.c.due_at, timers.c.case_id).limit(PAGE)
