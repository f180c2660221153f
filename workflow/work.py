"""The work on one case in one command: events appended in memory, each evolving the case, letters along.

Nothing here touches the database; the store writes a finished `Work` at once, or a hundred of them together.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from workflow.answers import Case, Returned
from workflow.calendar import WorkingDays
from workflow.clock import local_day
from workflow.definition import Definition, LetterTo
from workflow.digest import canonical_form, digest_of
from workflow.domain import Occasion
from workflow.encoding import compact_json
from workflow.errors import UsageError
from workflow.events import GENESIS, Event, Kind, Opening, Origin, commit_all, seal
from workflow.facts import Context, Json, Other, Problem
from workflow.history import evolve
from workflow.judgement import Examination, open_problems
from workflow.machine import MoveTable
from workflow.observation import NOTHING_OBSERVED, Observation
from workflow.schedule import due_at, rung_due

_NOT_KEPT = (
    "No history can hold that: a number with a fraction or beyond 2^53, half a character (a lone surrogate), or "
    "something that is no JSON. A domain's `parse` must refuse it; nothing was written."
)


@dataclass
class Rules:
    """Everything that decides besides the case: the definition, its table, the calendar and a source of salt."""

    definition: Definition
    calendar: WorkingDays
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    stored_in: object = None
    """The database that is known to hold this version of the definition."""

    @cached_property
    def table(self) -> MoveTable:
        """The table of moves, ready to be asked."""
        return MoveTable(self.definition)

    @cached_property
    def stamp(self) -> tuple[str, str, str]:
        """Name, version and digest of the definition, as each event records them."""
        return (self.definition.name, self.definition.version, digest_of(self.canonical))

    @cached_property
    def canonical(self) -> bytes:
        """The bytes that say the whole definition."""
        return canonical_form(self.definition)


class Letter(NamedTuple):
    """An outbox row to be: which letter, to which role, at which event, and the frozen context as JSON text."""

    seq: int
    letter: str
    role: str
    language: str
    recipient: str | None
    context: str
    created_at: datetime
    is_reminder: bool = False


@dataclass
class Work:
    """One case in the hands of one command; `case` is always the fold of what was before and the events so far."""

    rules: Rules
    origin: Origin
    now: datetime
    case_id: int
    before: Case | None
    others: tuple[Other, ...] = ()
    case: Case = field(init=False)
    events: list[Event] = field(default_factory=list)
    openings: list[tuple[int, Opening]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    key: tuple[str, str, str] | None = None
    """Key, digest of the command and answer (JSON text), when the caller gave a key."""
    examination: Examination = field(default_factory=Examination)
    observation: Observation = NOTHING_OBSERVED
    returned: Returned | None = None
    """How the case was sent back to its state, for letters that come after the one that said so."""
    _context: Context | None = field(default=None, init=False, repr=False)
    """Made anew when the day or the other cases are set to others; the same one otherwise, which compares fast."""

    def __post_init__(self) -> None:
        if self.before is not None:
            self.case = self.before

    @property
    def context(self) -> Context:
        """What validators may know besides the facts."""
        today = local_day(self.now)
        context = self._context
        if context is None or context.today != today or context.others is not self.others:
            context = self._context = Context(today, self.rules.calendar, self.others)
        return context

    def append(
        self,
        kind: Kind,
        body: Mapping[str, Json],
        *,
        reference: str | None = None,
        trigger: str | None = None,
        target: str | None = None,
        personal: Mapping[str, Json] | None = None,
    ) -> Event:
        """Append an event and evolve the case by it; `personal` values are committed to, never written into it.

        Raises UsageError: no history can hold what it would say.
        """
        values = personal or {}
        case = self.case if self.events or self.before else None
        try:
            commitments, openings = commit_all(values, self.rules.random_bytes) if values else ({}, ())
            event = seal(
                case=case.reference if case else reference or "",
                seq=case.seq + 1 if case else 1,
                at=max(self.now, case.at) if case else self.now,
                origin=self.origin,
                kind=kind,
                trigger=str(trigger) if trigger is not None else None,
                source=case.state if case else None,
                target=str(target or (case.state if case else self.rules.definition.initial)),
                definition=self.rules.stamp,
                body=body,
                commitments=commitments,
                previous=case.head if case else GENESIS,
            )
        except ValueError as error:
            if self.now.tzinfo is None:
                raise
            raise UsageError(_NOT_KEPT) from error
        self.case = evolve(self.rules.definition, case, event, values)
        self.events.append(event)
        self.openings += [(event.seq, opening) for opening in openings]
        return event

    def write_letters(
        self,
        event: Event,
        letters: Sequence[LetterTo],
        *,
        told: Mapping[str, Json],
        reason: str | None = None,
        accepted: tuple[Problem, ...] = (),
        in_language: str | None = None,
    ) -> None:
        """Write the outbox rows of an event; `told` is what the case had been told before it.

        `in_language` is for a letter that is only looked at; otherwise each is in the language of its reader.
        """
        if not letters:
            return
        definition, calendar, case = self.rules.definition, self.rules.calendar, self.case
        domain, today, entered = definition.domain, local_day(event.at), local_day(case.entered_at)
        due = due_at(definition, calendar, case)
        ladder = definition.state(case.state).ladder
        returned = self.returned
        following = rung_due(calendar, case, ladder[case.rung]) if case.rung < len(ladder) else None
        situation: dict[str, Any] = {
            "reference": case.reference,
            "state": case.state,
            "facts": case.facts,
            "today": today,
            "entered_on": entered,
            "due_on": local_day(due) if due else None,
            "next_due_on": local_day(following) if following else None,
            "working_days": calendar.between(entered, today, case.holds),
            "problems": open_problems(definition, case, self.context, self.examination),
            "accepted": accepted,
            "reason": returned.reason if returned else reason,
            "returned_on": local_day(returned.at) if returned else None,
            "calendar": calendar,
            "workings": {},
        }
        reminds = event.kind in (Kind.REMINDED, Kind.ESCALATED)
        for to in letters:
            language = in_language or domain.language(to.role, case.facts)
            earlier = times_told(told, to.letter)
            occasion = Occasion(to.letter, to.role, language, earlier, **situation)
            context = compact_json(domain.letter_context(occasion))
            recipient = domain.recipient(to.role, case.facts)
            self.letters.append(
                Letter(event.seq, str(to.letter), str(to.role), language, recipient, context, event.at, reminds)
            )


def times_told(told: Mapping[str, Json], letter: str) -> int:
    """How often a letter went out for a case, by what the case was told."""
    entry = told.get(letter)
    count = entry.get("count") if isinstance(entry, dict) else None
    return count if isinstance(count, int) else 0
