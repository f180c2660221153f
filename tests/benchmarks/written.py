"""What one move writes, as values and as the statements that take them: the same bytes, hash and HMAC as a move makes.

It judges nothing, looks nobody up and renders nothing: what the letters say and when things fall due was found out
before by a rehearsal.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from workflow.clock import format_time
from workflow.events import Origin, canonical_bytes
from workflow.facts import Json


@dataclass(frozen=True)
class Rehearsed:
    """What a move of one example case wrote, as far as the next case's may be copied from it."""

    reference: str
    state: str
    now: datetime
    due_at: datetime
    rung: int
    progress: str
    body: dict[str, Json]
    definition: dict[str, Json]
    letters: tuple[tuple[str, str, str, str | None, str], ...]
    """Letter, role, language, recipient and context."""


class Writes(Protocol):
    """Knows the rows that something writes."""

    def statements(self) -> tuple[str, ...]:
        """What is run after the case was found; the first updates it."""

    def prepare(self, references: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The cases it is about, each with what its letters say."""

    def values(self, reference: str, contexts: tuple[str, ...], found: Sequence[Any]) -> dict[str, Any]:
        """Every value, by name; `found` are the case's id, state, version, seq and head."""


@dataclass(frozen=True)
class Writer:
    """Makes the values of a move's rows; `is_text`: moments are text (SQLite)."""

    rehearsed: Rehearsed
    origin: Origin
    reason: str | None
    is_text: bool

    def moment(self, moment: datetime) -> Any:
        """A moment as the database takes it."""
        return format_time(moment) if self.is_text else moment

    def prepare(self, references: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The cases to move, each with what its letters say."""
        model = self.rehearsed
        return [
            (reference, tuple(context.replace(model.reference, reference) for *_, context in model.letters))
            for reference in references
        ]

    def statements(self) -> tuple[str, ...]:
        """What a move runs after it found its case."""
        private = (PRIVATE,) if self.reason is not None else ()
        return (UPDATE, EVENT, *private, letters(len(self.rehearsed.letters)), NO_TIMERS, TIMER)

    def values(self, reference: str, contexts: tuple[str, ...], found: Sequence[Any]) -> dict[str, Any]:
        """Every value of the move, by name; `found` are the case's id, state, version, seq and head."""
        model, origin = self.rehearsed, self.origin
        case_id, state, version, seq, head = found
        commitments: dict[str, Json] = {}
        salt = value = None
        if self.reason is not None:
            salt, value = secrets.token_bytes(32), canonical_bytes(self.reason)
            commitments["reason"] = hmac.digest(salt, value, hashlib.sha256).hex()
        canonical = canonical_bytes(
            {
                "actor": origin.actor,
                "at": format_time(model.now),
                "body": model.body,
                "case": reference,
                "commitments": commitments,
                "definition": model.definition,
                "from": state,
                "kind": "moved",
                "os_user": origin.os_user,
                "prev_hash": head,
                "seq": seq + 1,
                "to": model.state,
                "trigger": "register",
                "via": origin.via,
            }
        )
        now, due = self.moment(model.now), self.moment(model.due_at)
        made: dict[str, Any] = {
            "case_id": case_id,
            "was_version": version,
            "was_seq": seq,
            "version": version + 1,
            "seq": seq + 1,
            "state": model.state,
            "from_state": state,
            "head": hashlib.sha256(canonical).hexdigest(),
            "was_head": head,
            "now": now,
            "due": due,
            "rung": model.rung,
            "progress": model.progress,
            "actor": origin.actor,
            "os_user": origin.os_user,
            "via": origin.via,
            "definition": model.definition["version"],
            "canonical": canonical,
            "salt": salt,
            "reason": value.decode() if value else None,
        }
        for number, ((letter, role, language, recipient, _), context) in enumerate(
            zip(model.letters, contexts, strict=True)
        ):
            made |= {
                f"letter{number}": letter,
                f"role{number}": role,
                f"language{number}": language,
                f"recipient{number}": recipient,
                f"context{number}": context,
            }
        return made


_EVENT = (
    "case_id, seq, at, actor, os_user, via, kind, trigger, from_state, to_state, definition_version, canonical, "
    "prev_hash, hash"
)
_LETTER = "case_id, seq, letter, role, language, recipient, state, context, created_at, due_at, attempts"
UPDATE = (
    "UPDATE cases SET state = :state, version = :version, seq = :seq, head = :head, at = :now, progress = :progress, "
    "entered_at = :now, due_at = :due WHERE id = :case_id AND version = :was_version AND seq = :was_seq"
)
EVENT = (
    f"INSERT INTO events ({_EVENT}) VALUES (:case_id, :seq, :now, :actor, :os_user, :via, 'moved', 'register', "
    ":from_state, :state, :definition, :canonical, :was_head, :head)"
)
PRIVATE = (
    "INSERT INTO private_values (case_id, seq, path, value, salt) VALUES (:case_id, :seq, 'reason', :reason, :salt)"
)
NO_TIMERS = "DELETE FROM timers WHERE case_id = :case_id"
TIMER = "INSERT INTO timers (case_id, kind, rung, due_at) VALUES (:case_id, 'rung', :rung, :due)"


def letters(count: int) -> str:
    """The statement that writes so many outbox rows at once."""
    rows = ", ".join(
        f"(:case_id, :seq, :letter{n}, :role{n}, :language{n}, :recipient{n}, 'pending', :context{n}, :now, :now, 0)"
        for n in range(count)
    )
    return f"INSERT INTO outbox ({_LETTER}) VALUES {rows}"
