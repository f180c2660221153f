"""The outbox as rows: who may take a letter, and how a row goes from one `LetterState` to the next.

Every change names the state and the token it expects, so whoever lost its lease changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from workflow.domain import Domain
from workflow.facts import Facts
from workflow.storage import outbox_queries, wanted
from workflow.storage.letter_states import LetterState
from workflow.storage.rows import letter_row
from workflow.storage.store import Store
from workflow.storage.tables import outbox
from workflow.work import Letter


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
    is_reminder: bool
    event: str | None
    """The hash of the event that wrote it; None: it is about several cases, or about none."""
    first_message_id: str | None
    """Message-ID of the first letter of the case that was built; None: this is the first."""

    @property
    def is_erased(self) -> bool:
        """Whether its words were erased, with a case that it was about."""
        return self.context == ERASED


Answer = Callable[[], bool]
"""Waits for what was asked, and says whether it was done: on PostgreSQL more can be asked before."""
ERASED = ""
"""The context of a letter whose words were erased."""
_NO_LIMIT = 2**62
_PAGE = 1000
_NO_LEASE = timedelta(hours=1)
"""Longer than any lease that is given."""
_NO_WAIT = timedelta(days=1)
"""Longer than any letter waits, for its first try or the next."""


def fill_addresses(store: Store, role: str, address: str) -> None:
    """Give the letters of this role that wait this address, also those that had another one before the setting changed.

    Of two workers with different settings the one whose pass it is wins, for that pass.
    """
    store.run(outbox_queries.fill_addresses, {"to_role": role, "address": address})


def readdress(store: Store, row: OutboxRow, domain: Domain, facts: Facts) -> None:
    """A letter that waits again goes to the address of now; without one it waits for it. Settings see to their own."""
    if row.role in domain.in_facts:
        address = domain.recipient(row.role, facts)
        store.run(outbox_queries.readdress_letter, {"number": row.id, "address": address})


def claim(
    store: Store, *, now: datetime, lease_until: datetime, token: str, limit: int, reminders_until: int = _NO_LIMIT
) -> list[OutboxRow]:
    """Take letters that are due, oldest first, for one worker; of reminders never tried, those up to a number."""
    wanted = {"now": now, "limit": limit, "reminders_until": reminders_until}
    store.run(outbox_queries.claim, {**wanted, "held_token": token, "until": lease_until})
    return [OutboxRow(**row) for row in store.select(outbox_queries.claimed_by, {"held_token": token})]


def release(store: Store, token: str) -> int:
    """Put back what this token claimed and did not begin to send; how many letters that were."""
    return len(list(store.select(outbox_queries.release, {"held_token": token})))


def release_expired(store: Store, now: datetime) -> None:
    """Put back what a worker claimed and then let lie, and let what waits longer than any letter does be due."""
    store.run(outbox_queries.release_expired, _leases(now))
    store.run(outbox_queries.recall, {"now": now, "no_try_until": now + _NO_WAIT})


def expired_sending(store: Store, now: datetime, limit: int) -> list[OutboxRow]:
    """Letters whose worker disappeared while sending: nobody knows whether they arrived."""
    values = {**_leases(now), "limit": limit}
    return [OutboxRow(**row) for row in store.select(outbox_queries.expired_sending, values)]


def beginning(store: Store, row: OutboxRow, *, lease_until: datetime, in_facts: Iterable[str] = ()) -> Answer:
    """Ask to write that DATA follows, with the bytes that will go out.

    The answer is False when nothing may be sent: the claim was lost, nobody needs it any more, or not there (of a
    letter about several cases to a role whose address cases hold), or somebody else holds the case (PostgreSQL; of a
    letter about several cases that is not looked at).
    """
    values = {"number": row.id, "held_token": row.token, "lease_until": lease_until, **_built(row)}
    if row.is_reminder or row.case_id is None:
        values |= wanted.roles(in_facts)
        query = outbox_queries.begin_reminding if store.is_sqlite else outbox_queries.begin_reminding_if_free
    else:
        query = outbox_queries.begin_sending if store.is_sqlite else outbox_queries.begin_sending_if_free
    return _answer(store, store.select(query, values))


def settling(
    store: Store,
    row: OutboxRow,
    state: LetterState,
    *,
    expected: Sequence[LetterState],
    now: datetime,
    reason: str | None = None,
    due_at: datetime | None = None,
) -> Answer:
    """Ask to give a letter the state that was decided; one that is to wait again is built anew, as days passed.

    The answer is False when it was in none of the expected states (one or two) any more.
    """
    states, waits = [str(one) for one in expected], state is LetterState.PENDING
    with_built = waits or LetterState.CLAIMED in expected
    query = outbox_queries.settle_and_built if with_built else outbox_queries.settle
    values = {
        "number": row.id,
        "expected": states[0],
        "or_expected": states[-1],
        "any_token": row.token is None,
        "to_end": not waits,
        "held_token": row.token,
        "state": str(state),
        "reason": reason,
        "token": None,
        "lease_until": None,
        "due_at": due_at or row.due_at,
        "finished_at": None if waits else now,
        "attempts": row.attempts,
        **_built(row),
        **(outbox_queries.UNBUILT if waits else {}),
    }
    answer = _answer(store, store.select(query, values))
    if state is LetterState.SENT and row.case_id is None:
        store.run(outbox_queries.told_there, {"number": row.id})
    return answer


def letter_by_id(store: Store, letter_id: int) -> OutboxRow | None:
    """One letter; None when there is none of that number."""
    return next(iter(_rows(store, outbox.c.id == letter_id)), None)


def letters_of(
    store: Store,
    *,
    case_id: int | None = None,
    state: str | None = None,
    after: int = 0,
    limit: int = _PAGE,
    erased: bool = True,
) -> list[OutboxRow]:
    """A page of letters in the order they were written; `erased` is off where a person could do nothing with those."""
    where: list[Any] = [outbox.c.id > after]
    if case_id is not None:
        where.append(outbox.c.case_id == case_id)
    if state is not None:
        where.append(outbox.c.state == state)
        if state != LetterState.SENT:
            where.append(outbox_queries.IS_UNSENT)
    if not erased:
        where.append(outbox.c.context != ERASED)
    return _rows(store, *where, limit=limit)


def count_unsent(store: Store) -> dict[str, int]:
    """How many letters are in each state but 'sent', of which there may be millions."""
    return {row["state"]: row["count"] for row in store.select(outbox_queries.count_unsent, {})}


def count_homeless(store: Store) -> dict[str, int]:
    """How many letters of each role wait for an address."""
    return {row["role"]: row["count"] for row in store.select(outbox_queries.count_homeless, {})}


def homeless(store: Store, before: datetime, *, but: Iterable[str], limit: int) -> list[OutboxRow]:
    """Letters, but for those to these roles, that have waited for an address since before a moment."""
    since = (outbox.c.created_at < before, *(outbox.c.role != role for role in but))
    return _rows(store, outbox_queries.IS_HOMELESS, *since, limit=limit)


def count_pending(store: Store) -> int:
    """How many letters wait to be sent."""
    return int(next(store.select(outbox_queries.count_pending, {}))["count"])


def cases_of(store: Store, row: OutboxRow) -> list[int]:
    """The cases a letter is about: its own, or those whose reminders became part of it."""
    if row.case_id is not None:
        return [row.case_id]
    merged = select(outbox.c.case_id).where(outbox.c.merged_into == row.id).order_by(outbox.c.case_id).distinct()
    return [part["case_id"] for part in store.read(merged)]


def parts_of(store: Store, row: OutboxRow) -> list[OutboxRow]:
    """The reminders that became part of a letter."""
    return _rows(store, outbox.c.merged_into == row.id)


def add_letter(store: Store, letter: Letter) -> int:
    """Write a letter about several cases, or about none; its number."""
    row = {**letter_row(None, letter, letter.created_at), "seq": None, "attempts": 0}
    added = store.read(insert(outbox).values(**row).returning(outbox.c.id))
    return int(next(added)["id"])


def pages_of(
    store: Store, *, case_id: int | None = None, state: str | None = None, limit: int | None = None
) -> Iterator[OutboxRow]:
    """Letters in the order they were written, read a page at a time; at most so many."""
    after, left = 0, _NO_LIMIT if limit is None else limit
    while page := letters_of(store, case_id=case_id, state=state, after=after, limit=min(_PAGE, left)):
        yield from page
        after, left = page[-1].id, left - len(page)


def _leases(now: datetime) -> dict[str, datetime]:
    return {"now": now, "no_lease_until": now + _NO_LEASE}


def _answer(store: Store, rows: Iterable[Any]) -> Answer:
    if store.is_sqlite:  # which can commit nothing on a connection that has a half-read UPDATE, not even later
        rows = list(rows)
    return lambda: any(True for _ in rows)


def _built(row: OutboxRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("message_id", "subject", "message", "sha256")}


def _rows(store: Store, *where: Any, limit: int | None = None) -> list[OutboxRow]:
    query = outbox_queries.letters_where(*where).limit(limit)
    return [OutboxRow(**row) for row in store.read(query)]
