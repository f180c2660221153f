"""The tries to send letters: how far each came, and what the server said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflow.encoding import compact_json
from workflow.storage import outbox_queries
from workflow.storage.letters import OutboxRow
from workflow.storage.store import Store


@dataclass(frozen=True, slots=True)
class Try:
    """One try to send a letter: how far it came, what the server said (addresses masked)."""

    at: datetime
    phase: str
    outcome: str
    code: int | None
    words: str | None


def add(store: Store, row: OutboxRow, one: Try) -> None:
    """Remember a try, with the server's words."""
    tried = {name: getattr(one, name) for name in ("at", "phase", "outcome", "code", "words")}
    store.run(outbox_queries.insert_attempt, {"outbox_id": row.id, "case_id": row.case_id, **tried})


def of_letter(store: Store, letter_id: int) -> list[Try]:
    """The tries to send a letter, oldest first."""
    return [_try(row) for row in store.select(outbox_queries.attempts_of_letter, {"number": letter_id})]


def last_in_vain(store: Store) -> Try | None:
    """The last try to send any letter, when that one still waits; None: it does not, or nothing was tried."""
    return next((_try(row) for row in store.select(outbox_queries.last_attempt_in_vain, {})), None)


def count(store: Store, letter_ids: Sequence[int]) -> dict[int, int]:
    """How often each of these letters was tried, also before a person put it back.

    A letter's own `attempts` begin again then, since its waits do.
    """
    wanted = {"wanted": compact_json([[str(number)] for number in letter_ids])}
    return {row["outbox_id"]: row["count"] for row in store.select(outbox_queries.count_attempts, wanted)}


def _try(row: Mapping[str, Any]) -> Try:
    return Try(row["at"], row["phase"], row["outcome"], row["code"], row["words"])
