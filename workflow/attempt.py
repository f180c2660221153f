"""A command that carries a key: a repeat is answered with the first answer instead of being done again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from workflow.answers import Case, Moved
from workflow.arguments import check_whole
from workflow.encoding import compact_json
from workflow.errors import Conflict
from workflow.events import canonical_bytes
from workflow.storage.store import Store
from workflow.text import check_key
from workflow.work import Work


@dataclass(frozen=True, slots=True)
class Attempt:
    """One advance as it was asked for: its key (None: it may be done again), and what exactly was asked."""

    key: str | None
    command: str
    """Digest of what was asked; '' without a key, since nothing is compared with it then."""
    expect_version: int | None

    @classmethod
    def of(cls, key: str | None, expect_version: int | None, *asked: Any) -> Attempt:
        """An attempt at what `asked` says (JSON values). Raises UsageError: the key or the version is none."""
        check_key(key)
        check_whole("expect_version", expect_version)
        command = hashlib.sha256(canonical_bytes(list(asked))).hexdigest() if key is not None else ""
        return cls(key, command, expect_version)

    def earlier_answer(self, store: Store, case_id: int, case: Case) -> Moved | None:
        """The answer to the first attempt, if there was one. Raises Conflict (another command, stale)."""
        known = store.answer(case_id, self.key) if self.key is not None else None
        if known is None:
            check_version(case, self.expect_version)
            return None
        command, answer = known
        if command != self.command:
            said = f"Key '{self.key}' was used on {case.reference} for another command; take a new key."
            raise Conflict(said, case.reference)
        return _moved(answer)

    def remember(self, work: Work, answer: Moved) -> Moved:
        """Have the answer stored with the work, if there is a key; the answer."""
        if self.key is not None:
            work.key = (self.key, self.command, compact_json(asdict(answer)))
        return answer


def check_version(case: Case, expected: int | None) -> None:
    """Raises Conflict when the case is not at the version its caller read."""
    if expected is not None and expected != case.version:
        said = f"{case.reference} is at version {case.version}, not {expected}: somebody changed it since you read it."
        raise Conflict(f"{said} Look at it again and decide anew.", case.reference, case.version)


def _moved(answer: Any) -> Moved:
    moved = Moved(**answer)
    until = answer.get("hold_ended")  # answers of before it was told have none
    return replace(
        moved,
        letters=tuple(moved.letters),
        accepted=tuple(moved.accepted),
        hold_ended=date.fromisoformat(until) if until else None,
        repeated=True,
    )
