"""What the report of an export tells: a summary, and one timeline a case, handed out as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TypeAlias

from workflow.clock import parse_time
from workflow.definition import Definition
from workflow.ledger.entries import Entry, entry_of, moment
from workflow.ledger.lists import shown_facts
from workflow.ledger.selection import Asked, Chosen
from workflow.ledger.verify import NoteError, read_checkpoint
from workflow.storage.exporting import StoredCase, cases_between, events_between
from workflow.storage.ledger import Head
from workflow.storage.store import Store

MOST_CASES = 1_000
"""Timelines in one report: nobody reads or prints more, and the lists hold them all."""
MOST_EVENTS = 500
"""Events in one timeline."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A case and what happened to it; `entries` can be gone through once, before the next timeline is asked for."""

    case: str
    external_reference: str
    title: str
    state: str
    holder: str
    opened_at: datetime | None
    """None, as the end too, when what was stored is no moment."""
    ended_at: datetime | None
    erased: bool
    events: int
    entries: Iterator[Entry]

    @property
    def more(self) -> int:
        """How many events the timeline leaves out."""
        return max(0, self.events - MOST_EVENTS)


@dataclass(frozen=True, slots=True)
class Seal:
    """The last checkpoint in words; `at` is None when its note cannot be read."""

    size: int
    root: str
    at: datetime | None
    signed_by: str


@dataclass(frozen=True, slots=True)
class Account:
    """Everything the report tells; `timelines` can be gone through once."""

    made_at: datetime
    made_by: str
    asked: Asked
    revealed: bool
    events: int
    cases: int
    waiting: int
    """Events that have no leaf yet."""
    seal: Seal | None
    key: str | None
    timelines: Iterator[Timeline]

    @property
    def more(self) -> int:
        """How many cases the report leaves out."""
        return max(0, self.cases - MOST_CASES)


Render: TypeAlias = Callable[[Account], Iterator[str]]
"""Makes a page of HTML out of an account, piece by piece."""


def seal_of(checkpoint: Head | None) -> Seal | None:
    """The checkpoint as its note says it, or as its row does when the note cannot be read."""
    if checkpoint is None:
        return None
    try:
        said = read_checkpoint(checkpoint.note)
        return Seal(said.size, said.root.hex(), parse_time(said.at), ", ".join(sign.name for sign in said.signatures))
    except (NoteError, ValueError):
        return Seal(checkpoint.size, checkpoint.root, None, "")


def timelines(store: Store, definition: Definition, chosen: Chosen, *, revealed: bool) -> Iterator[Timeline]:
    """The first cases of an export, each with its first events."""
    for case in islice(chosen.of(store, cases_between), MOST_CASES):
        yield _timeline(store, definition, case, revealed=revealed)


def _timeline(store: Store, definition: Definition, case: StoredCase, *, revealed: bool) -> Timeline:
    state = definition.by_name.get(case.state)
    title = definition.domain.title(shown_facts(definition.domain, case.facts, revealed=True)) if revealed else ""
    stored = events_between(store, (case.case_id, case.case_id))
    return Timeline(
        case=case.reference,
        external_reference=case.external_reference or "",
        title=title,
        state=case.state,
        holder=(state.holder if state else None) or "",
        opened_at=moment(case.opened_at),
        ended_at=moment(case.ended_at),
        erased=case.erased,
        events=case.seq,
        entries=(entry_of(event, case.reference) for event in islice(stored, MOST_EVENTS)),
    )
