"""What the engine answers: frozen values that a command line, a web page or a program can show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from workflow.events import Event
from workflow.facts import Facts, Json, Problem

_NONE: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A case as it stands after its last event; equal to the fold of its history."""

    reference: str
    external_reference: str | None
    state: str
    version: int
    seq: int
    head: str
    """Hash of the last event."""
    at: datetime
    """When the last event happened."""
    facts: Facts
    opened_at: datetime
    entered_at: datetime
    """When the present state was entered."""
    holds: tuple[tuple[date, date], ...] = ()
    """Days [from, until) on hold since the state was entered; they do not count as working days."""
    held_until: date | None = None
    """Set while the case is on hold; the hold ends at 00:00 Amsterdam of this day."""
    accepted: Mapping[str, tuple[str, ...]] = _NONE
    """Accepted warnings: code → all fields it was accepted for; when one of them changes, none of it stands."""
    told: Mapping[str, Json] = _NONE
    """Per letter what was last told, and how often it went out."""
    rung: int = 0
    """How many rungs of the present state's ladder were fired."""
    ended_at: datetime | None = None
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A case was opened; `problems` is what the forward move still misses."""

    case: Case
    event: Event
    letters: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Facts were recorded; `event` is None and `changed` empty when nothing differed."""

    case: Case
    event: Event | None
    changed: tuple[str, ...]
    letters: tuple[str, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """A case moved; `repeated` when the same key had done so before and this is the first answer again."""

    case: str
    trigger: str
    source: str
    target: str
    version: int
    seq: int
    hash: str
    letters: tuple[str, ...]
    accepted: tuple[str, ...]
    repeated: bool = False
    hold_ended: date | None = None
    """The day until which a hold was to last that the move ended; None: the case was not on hold."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one move is open to a case now, and every reason why not; `asks` are inputs such as 'reason'.

    `missing` are sheets that the move requires, of which nothing is known and no problem tells.
    """

    trigger: str
    target: str
    allowed: bool
    problems: tuple[Problem, ...]
    asks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


class Returned(NamedTuple):
    """A case was sent back to the state it is in; the reason is None where it is not known any more."""

    at: datetime
    trigger: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Why:
    """The verdict on each move that leaves the present state, and how the case was sent back there if it was."""

    case: str
    state: str
    moves: tuple[Verdict, ...]
    returned: Returned | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A case with what follows from it now."""

    case: Case
    holder: str | None
    due_at: datetime | None
    overdue: bool
    on_hold: bool
    problems: tuple[Problem, ...]
    """Of the forward move: errors, warnings not yet accepted, and info."""
    ball: Mapping[str, int]
    """Working days each holder has had the ball, the present state included."""
    returned: Returned | None = None
    """How it was sent back to its state, if it was."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list of cases."""

    case: str
    external_reference: str | None
    title: str
    state: str
    holder: str | None
    entered_at: datetime
    due_at: datetime | None
    overdue: bool
    ball_days: int
    """Working days the present holder has had the ball in this state."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """An event with what it changed: field → (before, after), personal values masked."""

    event: Event
    changes: Mapping[str, tuple[Json, Json]]
    text: str | None
    """Its note or reason, '[erased]' where it was erased; None: it has none."""
    hold_ended: date | None = None
    """The day until which a hold was to last that this move ended."""


class RulesOf(StrEnum):
    """By which rules a history is judged: those that each event names, or today's."""

    THEN = "then"
    NOW = "now"


class Answer(StrEnum):
    """Whether rules allow a move that was made; unknown: what they ask about is gone."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a set of rules says of a move that was made: the problems it raises, and the reasons of the table."""

    event: Event
    answer: Answer
    problems: tuple[Problem, ...] = ()
    """Errors, and warnings that were not accepted."""
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Replayed:
    """A case folded from its history up to one event; the first two answers are about the whole history."""

    case: Case
    matches_stored: bool
    is_intact: bool
    """Each event has the hash of its bytes and follows the one before, and each value is the one committed to."""
    steps: tuple[Step, ...] = ()
    """Every event up to that one, with what it changed."""
    rulings: tuple[Ruling, ...] = ()
    """The verdict on each move up to that one, if they were asked for."""
    known: Facts = field(default_factory=dict)
    """What is known of the case by now, which may say that more is personal."""


@dataclass(frozen=True, slots=True)
class Stuck:
    """A case that could not go on under today's rules, and on what: problems, what the table lacks, or altered rows."""

    case: str
    """Its reference."""
    external_reference: str | None
    state: str
    holder: str | None
    """Who has the ball; None: today's table does not know the state."""
    problems: tuple[Problem, ...] = ()
    reasons: tuple[str, ...] = ()


class Row(NamedTuple):
    """One employer to import: the line it stands on, its reference elsewhere, and its facts."""

    number: int
    external_reference: str
    facts: Mapping[str, Mapping[str, object]]


class RowResult(NamedTuple):
    """What became of an imported row: 'accept', 'warn', 'reject', 'unchanged', or 'error' with a message."""

    row: int
    external_reference: str
    result: str
    case: str | None
    state: str | None
    problems: tuple[Problem, ...] = ()
    """Everything found, info and accepted warnings included."""
    message: str | None = None
    changed: tuple[str, ...] = ()
    """Fields of a case that was there before, to which the row gave another value."""
    kept: tuple[str, ...] = ()
    """Fields that stay as somebody made them since an import last said what the row says of them."""
