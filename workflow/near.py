"""Who shares a key with whom among cases that one transaction writes, which no look-up in the database can see yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from workflow.domain import Key
from workflow.facts import Other


@dataclass
class Near:
    """The keys of cases that this transaction writes, which a look-up in the database cannot see yet."""

    known: dict[tuple[str, str], dict[int, tuple[str, str]]] = field(default_factory=dict)
    places: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    """References of cases whose keys in the database are those of before."""

    def add(self, case_id: int, reference: str, keys: Iterable[Key]) -> None:
        """Take over a case's keys as they are now, instead of those it had."""
        self.changed.add(reference)
        for place in self.places.pop(case_id, ()):
            self.known[place].pop(case_id, None)
        self.places[case_id] = [(key.kind, key.value) for key in keys]
        for key in keys:
            self.known.setdefault((key.kind, key.value), {})[case_id] = (key.detail, reference)

    def older(self, case_id: int, keys: Iterable[Key], found: Iterable[Other]) -> tuple[Other, ...]:
        """What the database found and, for kinds it found nothing of, what stands in this transaction."""
        others: dict[str, Other] = {}
        for other in found:
            if other.reference not in self.changed:
                others.setdefault(other.kind, other)
        for key in keys:
            for number, (detail, reference) in self.known.get((key.kind, key.value), {}).items():
                fits = not key.differing or (detail and key.detail and detail != key.detail)
                if fits and number < case_id and key.kind not in others:
                    others[key.kind] = Other(key.kind, reference)
        return tuple(others.values())
