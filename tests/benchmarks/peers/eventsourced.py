"""eventsourcing: the case is an aggregate, its state the fold of its events, its outbox the notification log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from tests.benchmarks.peers import story
from tests.benchmarks.peers.address import is_sqlite, parts, sqlite_path


class Case(Aggregate):
    """A coupling."""

    @event("Opened")
    def __init__(self, reference: str, facts: dict[str, Any], canonical: str, head: str) -> None:
        self.reference = reference
        self.facts = facts
        self.head = head
        self.state = story.RIGHTS_PENDING

    @staticmethod
    def create_id(reference: str) -> UUID:
        """The id that the library asks for, found from the reference."""
        return uuid5(NAMESPACE_URL, f"/cases/{reference}")

    def register(self) -> None:
        """The move: judged here, told by an event that holds the hash of the one before."""
        if self.state != story.RIGHTS_PENDING or not story.is_complete(self.facts):
            raise AssertionError(self.reference)
        entry = story.registering(self.reference, self.version + 1, self.head)
        letters = [letter._asdict() for letter in story.letters(self.reference)]
        self.move(story.REGISTERED, entry.canonical.decode(), entry.hash, letters)

    @event("Moved")
    def move(self, to: str, canonical: str, head: str, letters: list[dict[str, Any]]) -> None:
        """What the event changes."""
        self.state = to
        self.head = head


class Desk(Application[UUID]):
    """Loads, moves and saves cases."""

    def open(self, reference: str) -> None:
        """Save a new case."""
        entry = story.opening(reference)
        self.save(Case(reference, story.FACTS, entry.canonical.decode(), entry.hash))

    def register(self, reference: str) -> None:
        """One move; the primary key of its event refuses whoever comes second."""
        case: Case = self.repository.get(Case.create_id(reference))
        case.register()
        self.save(case)


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    desk = Desk(env=_settings(url))
    for number in range(1, cases + 1):
        desk.open(story.reference_of(number))
    return desk.register


def _settings(url: str) -> dict[str, str]:
    if is_sqlite(url):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": sqlite_path(url)}
    where = parts(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": where["dbname"],
        "POSTGRES_USER": where["user"],
        "POSTGRES_HOST": where["host"],
        "POSTGRES_PASSWORD": "-",
    }
