"""What follows from an attempt to send a letter: its new state, when to try again, and the event in its history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from notifications.patience import doubled
from notifications.smtp import OPENING, Outcome, Phase, Reply
from workflow.errors import SchakelError
from workflow.events import Kind
from workflow.facts import Json
from workflow.storage import letters, tries
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.store import Store
from workflow.storage.tries import Try
from workflow.work import Work

CLAIM_LEASE = timedelta(minutes=5)
SENDING_LEASE = timedelta(minutes=15)
"""Longer than the ten minutes a server may take to answer the final dot."""
LOST = Reply(Outcome.UNKNOWN, Phase.DATA, None, "the worker that was sending it disappeared")
FIRST_RETRY = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=3)
GIVE_UP = timedelta(days=5)

_STATES = {
    Outcome.SENT: LetterState.SENT,
    Outcome.FAILED: LetterState.FAILED,
    Outcome.UNKNOWN: LetterState.UNKNOWN,
    Outcome.RETRY: LetterState.PENDING,
}
_KINDS = {
    LetterState.SENT: Kind.LETTER_SENT,
    LetterState.FAILED: Kind.LETTER_FAILED,
    LetterState.UNKNOWN: Kind.LETTER_UNKNOWN,
}


def settle_letter(
    store: Store,
    works: Mapping[int, Work],
    row: OutboxRow,
    reply: Reply,
    *,
    expected: LetterState,
    now: datetime,
) -> Callable[[], LetterState | None]:
    """Ask to record an attempt and what follows; `works` are the cases the letter is about.

    What it returns reads the answer: None: the letter was no longer ours, so nothing was recorded.
    """
    tried = replace(row, attempts=row.attempts + 1)
    state, is_its_own = _STATES[reply.outcome], reply.phase not in OPENING
    if state is LetterState.PENDING and is_its_own and _gives_up(store, tried, now):
        state = LetterState.FAILED
    # while the server is away no letter is put off, so that all go as soon as it is back, and in their order
    retry_at = now + wait_before(tried.attempts) if state is LetterState.PENDING and is_its_own else None
    reason = None if state is LetterState.SENT else _reason(reply)
    is_ours = letters.settling(store, tried, state, expected=(expected,), now=now, reason=reason, due_at=retry_at)

    def tell() -> LetterState | None:
        if not is_ours():
            return None
        tries.add(store, row, Try(now, str(reply.phase), str(reply.outcome), reply.code, reply.words))
        if state in _KINDS:
            tell_cases(works, row, _KINDS[state], {"phase": str(reply.phase), "code": reply.code})
        elif row.case_id is not None:  # its address may have been corrected while it was on its way
            for work in works.values():
                letters.readdress(store, row, work.rules.definition.domain, work.case.facts)
        return state

    return tell


def tell_cases(
    works: Mapping[int, Work], row: OutboxRow, kind: Kind, facts: Mapping[str, Json], *, reason: str | None = None
) -> None:
    """Append the outcome to the history of every case the letter is about; the hash of its bytes is committed to."""
    body: dict[str, Json] = {"letter": row.letter, "outbox": row.id, "role": row.role, **facts}
    personal: dict[str, Json] = {"message": row.sha256} if row.sha256 else {}
    if reason is not None:
        personal["reason"] = reason
    for work in works.values():
        work.append(kind, body, personal=personal)


def cannot_record(row: OutboxRow, error: Exception) -> SchakelError:
    """The error about a letter whose outcome cannot be written: it, or one of its cases, is not as it should be."""
    if row.case is None:
        said = f"Letter {row.id}, about several cases: it or one of them cannot be written ({type(error).__name__})."
        return SchakelError(f"{said} To see which, run: schakel audit verify")
    said = f"Letter {row.id}: it or its case {row.case} cannot be written ({type(error).__name__})."
    return SchakelError(f"{said} To see whether it is the case, run: schakel audit verify {row.case}")


def wait_before(attempts: int) -> timedelta:
    """How long to wait after this many attempts: 5 minutes, doubling, at most 3 hours."""
    return doubled(FIRST_RETRY, LONGEST_WAIT, attempts - 1)


def _gives_up(store: Store, row: OutboxRow, now: datetime) -> bool:
    """Whether it was tried for long enough; no try counts that the server was away, or before a person let it go."""
    earlier = tries.of_letter(store, row.id)
    since = [one for one in earlier[max(0, len(earlier) - (row.attempts - 1)) :] if one.phase not in OPENING]
    return bool(since) and now - since[0].at >= GIVE_UP


def _reason(reply: Reply) -> str:
    code = f"{reply.code} " if reply.code else ""
    return f"{reply.phase}: {code}{reply.words}"[:300]
