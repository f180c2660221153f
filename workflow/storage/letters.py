"""The outbox as rows: who may take a letter, and how a row goes from one state of the delivery protocol to the next.

    pending   waits for its time, for an address, or for a server
    claimed   a worker has it, until its lease ends; nothing has left yet
    sending   committed before DATA; from here on the letter may have arrived
    sent      the server took it
    failed    the server refused it for good, or five days passed
    unknown   nobody knows whether it arrived; a person decides
    merged    it became part of a digest
    cancelled its case was erased before it left

Every change names the state and the token it expects, so whoever lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, func, insert, or_, select, text, update

from workflow.storage import outbox_queries
from workflow.storage.rows import letter_row
from workflow.storage.store import Store
from workflow.storage.tables import MERGEABLE, cases, outbox, timers
from workflow.work import Letter


class LetterState(StrEnum):
    """Where a letter is in the delivery protocol."""

    PENDING = "pending"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"
    MERGED = "merged"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A letter as it lies in the outbox; `case` is the reference of its case, None for a letter about several."""

    id: int
    case_id: int | None
    case: str | None
    seq: int | None
    letter: str
    role: str
    language: str
    recipient: str | None
    state: str
    reason: str | None
    context: str
    created_at: datetime
    due_at: datetime
    attempts: int
    token: str | None
    lease_until: datetime | None
    message_id: str | None
    subject: str | None
    message: bytes | None
    sha256: str | None
    finished_at: datetime | None
    merged_into: int | None
    first_message_id: str | None
    """Message-ID of the first letter of the case that was built; None: this is the first."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to send a letter: how far it came, what the server said (addresses masked)."""

    at: datetime
    phase: str
    outcome: str
    code: int | None
    words: str | None


_NO_LIMIT = 2**62
_CLAIMABLE = and_(outbox.c.state == "pending", outbox.c.recipient.is_not(None))


def fill_addresses(store: Store, role: str, address: str) -> None:
    """Give the letters that wait for an address of this role theirs."""
    waiting = and_(outbox.c.state == "pending", outbox.c.recipient.is_(None), outbox.c.role == role)
    store.change(update(outbox).where(waiting).values(recipient=address))


def claim(
    store: Store, *, now: datetime, lease_until: datetime, token: str, limit: int, reminders_until: int = _NO_LIMIT
) -> list[OutboxRow]:
    """Take letters that are due, oldest first, for one worker; of reminders never tried, those up to a number."""
    mature = or_(text(f"NOT ({MERGEABLE})"), outbox.c.id <= reminders_until)
    due = select(outbox.c.id).where(_CLAIMABLE, outbox.c.due_at <= now, mature)
    due = due.order_by(outbox.c.due_at, outbox.c.id)
    taken = update(outbox).where(outbox.c.id.in_(due.limit(limit).with_for_update(skip_locked=True)))
    store.change(taken.values(state="claimed", token=token, lease_until=lease_until))
    return sorted(_rows(store, outbox.c.token == token, outbox.c.state == "claimed"), key=lambda row: row.id)


def release(store: Store, token: str) -> None:
    """Put back what this token claimed and did not begin to send."""
    mine = and_(outbox.c.token == token, outbox.c.state == "claimed", outbox.c.lease_until.is_not(None))
    store.change(update(outbox).where(mine).values(state="pending", token=None, lease_until=None))


def release_expired(store: Store, now: datetime) -> None:
    """Put back what a worker claimed and then let lie."""
    expired = and_(outbox.c.state == "claimed", outbox.c.lease_until <= now)
    store.change(update(outbox).where(expired).values(state="pending", token=None, lease_until=None))


def expired_sending(store: Store, now: datetime, limit: int) -> list[OutboxRow]:
    """Letters whose worker disappeared while sending: nobody knows whether they arrived."""
    return _rows(store, outbox.c.state == "sending", outbox.c.lease_until <= now, limit=limit)


def begin_sending(store: Store, row: OutboxRow, *, lease_until: datetime) -> bool:
    """Commit that DATA follows, with the bytes that will go out; False: the claim was lost, so nothing may be sent."""
    values = {"number": row.id, "held_token": row.token, "lease_until": lease_until, **_built(row)}
    return any(True for _ in store.select(outbox_queries.begin_sending, values))


def settle(
    store: Store,
    row: OutboxRow,
    state: LetterState,
    *,
    expected: Sequence[LetterState],
    now: datetime,
    reason: str | None = None,
    due_at: datetime | None = None,
) -> bool:
    """Give a letter the state that was decided; False: it was in none of the expected states (one or two) any more."""
    states = [str(one) for one in expected]
    values = {
        "number": row.id,
        "expected": states[0],
        "or_expected": states[-1],
        "any_token": row.token is None,
        "held_token": row.token,
        "state": str(state),
        "reason": reason,
        "token": None,
        "lease_until": None,
        "due_at": due_at or row.due_at,
        "finished_at": None if state is LetterState.PENDING else now,
        "attempts": row.attempts,
        **_built(row),
    }
    return any(True for _ in store.select(outbox_queries.settle, values))


def add_attempt(store: Store, row: OutboxRow, attempt: Attempt) -> None:
    """Remember a try, with the server's words."""
    store.run(outbox_queries.insert_attempt, {"outbox_id": row.id, "case_id": row.case_id, **asdict(attempt)})


def attempts_of(store: Store, letter_id: int) -> list[Attempt]:
    """The tries to send a letter, oldest first."""
    found = store.select(outbox_queries.attempts_of_letter, {"number": letter_id})
    return [Attempt(r["at"], r["phase"], r["outcome"], r["code"], r["words"]) for r in found]


def letter_by_id(store: Store, letter_id: int) -> OutboxRow | None:
    """One letter; None when there is none of that number."""
    return next(iter(_rows(store, outbox.c.id == letter_id)), None)


def letters_of(
    store: Store,
    *,
    case_id: int | None = None,
    state: str | None = None,
    after: int = 0,
    limit: int = 1000,
) -> list[OutboxRow]:
    """A page of letters in the order they were written."""
    where = [outbox.c.id > after]
    if case_id is not None:
        where.append(outbox.c.case_id == case_id)
    if state is not None:
        where.append(outbox.c.state == state)
    return _rows(store, *where, limit=limit)


def count_by_state(store: Store) -> dict[str, int]:
    """How many letters are in each state."""
    query = select(outbox.c.state, func.count().label("count")).group_by(outbox.c.state)
    return {row["state"]: row["count"] for row in store.read(query)}


def merged_cases(store: Store, letter_id: int) -> list[tuple[int, str]]:
    """The cases, by number and reference, whose reminders became part of this digest."""
    query = (
        select(outbox.c.case_id, cases.c.reference)
        .join(cases, cases.c.id == outbox.c.case_id)
        .where(outbox.c.merged_into == letter_id)
        .order_by(outbox.c.case_id)
    )
    return list(dict.fromkeys((row["case_id"], row["reference"]) for row in store.read(query)))


def _built(row: OutboxRow) -> dict[str, Any]:
    return {
        "message_id": row.message_id,
        "subject": row.subject,
        "message": row.message,
        "sha256": row.sha256,
    }


def _rows(store: Store, *where: Any, limit: int | None = None) -> list[OutboxRow]:
    others = outbox.alias("others")
    first: Any = (
        select(others.c.message_id)
        .where(others.c.case_id == outbox.c.case_id, others.c.id < outbox.c.id, others.c.message_id.is_not(None))
        .order_by(others.c.id)
        .limit(1)
        .scalar_subquery()
    )
    columns = [column for column in outbox.c if column.name != "is_reminder"]
    query: Select[Any] = (
        select(*columns, cases.c.reference.label("case"), first.label("first_message_id"))
        .outerjoin(cases, cases.c.id == outbox.c.case_id)
        .where(*where)
        .order_by(outbox.c.id)
        .limit(limit)
    )
    return [OutboxRow(**row) for row in store.read(query)]


def timers_are_due(store: Store, now: datetime) -> bool:
    """Whether a rung waits to be fired, here or by another worker that has not committed yet."""
    due = select(timers.c.case_id).where(timers.c.due_at <= now, timers.c.kind == "rung").limit(1)
    return any(True for _ in store.read(due))


def mergeable(store: Store, now: datetime) -> list[list[OutboxRow]]:
    """Reminders that are due and were never tried, grouped where one reader would get several."""
    open_ones = and_(text(MERGEABLE.replace("state", "outbox.state")), outbox.c.due_at <= now)
    query = (
        select(outbox.c.recipient, outbox.c.role)
        .where(open_ones)
        .group_by(outbox.c.recipient, outbox.c.role)
        .having(func.count() > 1)
        .order_by(outbox.c.recipient, outbox.c.role)
    )
    return [
        _rows(store, open_ones, outbox.c.recipient == row["recipient"], outbox.c.role == row["role"])
        for row in list(store.read(query))
    ]


def last_number(store: Store) -> int:
    """The number of the newest letter; 0 when there is none."""
    row = next(store.read(select(func.max(outbox.c.id).label("last"))))
    return int(row["last"] or 0)


def add_letter(store: Store, letter: Letter) -> int:
    """Write a letter about several cases, or about none; its number."""
    row = {**letter_row(None, letter, letter.created_at), "seq": None, "attempts": 0}
    added = store.read(insert(outbox).values(**row).returning(outbox.c.id))
    return int(next(added)["id"])


def merge_into(store: Store, rows: Iterable[OutboxRow], letter_id: int, now: datetime) -> None:
    """Make these letters part of another one."""
    for row in rows:
        waiting = and_(outbox.c.id == row.id, outbox.c.state == "pending")
        reason = f"part of letter {letter_id}"
        merged = {"state": "merged", "merged_into": letter_id, "finished_at": now, "reason": reason}
        store.change(update(outbox).where(waiting).values(**merged))


def waiting(store: Store) -> list[OutboxRow]:
    """Every letter that waits to be sent."""
    return _rows(store, outbox.c.state == "pending")
