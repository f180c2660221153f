"""What a pass over the outbox did: how many letters came to which end, and what was said of the first of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from notifications.smtp import Reply
from workflow.storage.letter_states import LetterState


@dataclass(frozen=True, slots=True)
class Delivered:
    """What one pass did, by outcome; `pending` counts every letter that still waits."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    retried: int = 0
    merged: int = 0
    pending: int = 0
    said: Mapping[str, Reply] = field(default_factory=dict, compare=False)
    """What was said of the first letter that `failed`, was `retried` or is `unknown`, addresses masked."""

    @property
    def counts(self) -> dict[str, int]:
        """The counts, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "said"}


class Tally:
    """Counts outcomes as they come in."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._said: dict[str, Reply] = {}

    @property
    def total(self) -> int:
        """How many outcomes were counted."""
        return self._count.total()

    def add(self, state: LetterState | None, reply: Reply) -> None:
        """Count what became of a letter by a reply; None: it was not ours to say."""
        if state is None:
            return
        name = "retried" if state is LetterState.PENDING else str(state)
        self._count[name] += 1
        if state is not LetterState.SENT:
            self._said.setdefault(name, reply)

    def result(self, merged: int, pending: int) -> Delivered:
        """What was counted, with what others counted."""
        return Delivered(**self._count, merged=merged, pending=pending, said=self._said)
