"""How a letter is told: as a document, as a row of a table, and what it waits for."""

from __future__ import annotations

from scripts.output import local, moment
from scripts.wiring import Session
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow


def letter_document(row: OutboxRow) -> dict[str, object]:
    """A letter, for JSON."""
    return {
        "id": row.id,
        "case": row.case,
        "letter": row.letter,
        "role": row.role,
        "recipient": masked(row.recipient),
        "state": row.state,
        "subject": row.subject,
        "reason": row.reason,
        "attempts": row.attempts,
        "created_at": moment(row.created_at),
    }


def masked(address: str | None) -> object:
    """An address as lists may show it."""
    from states.masking import mask_email

    return mask_email(address)


def waits_for(session: Session, row: OutboxRow) -> str:
    """Why a letter without an address waits; '' of any other."""
    from scripts.mail_settings import desk_of

    if row.recipient is not None or row.state != LetterState.PENDING:
        return ""
    known = row.role in desk_of(session.settings).addresses
    return "gets its address at the next pass" if known else f"no address for {row.role}"


def next_try(session: Session, row: OutboxRow) -> str:
    """When a letter that waits goes; '' of any other, and of one that first needs an address."""
    if row.state != LetterState.PENDING or row.recipient is None:
        return ""
    return f", next try at {local(row.due_at)}" if row.due_at > session.clock.now() else ", goes at the next pass"


def letter_row(row: OutboxRow, waits: str) -> tuple[str, ...]:
    """A letter as a row of a table; `waits`: what it waits for."""
    said = row.reason or waits or row.subject or ""
    return (
        str(row.id),
        row.case or "–",
        row.letter,
        str(masked(row.recipient) or row.role),
        row.state,
        str(row.attempts),
        said,
    )
