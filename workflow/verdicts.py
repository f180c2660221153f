"""The verdict on each move of a history: by the rules it was judged by then, or by the rules of now.

Only moves and the opening get one; any other event only when the table forbids it. A refusal moved nothing, and what
was refused was not kept, so there is nothing to judge again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from workflow.answers import Answer, Case, Ruling
from workflow.clock import local_day
from workflow.definition import Move
from workflow.events import Event, Kind
from workflow.facts import Context, Facts, Json, Problem
from workflow.history import Values, changed_facts, evolve
from workflow.judgement import Examination, judge
from workflow.ledger.verify import Legality, Says, read_event
from workflow.work import Rules

ERASED = "What today's rules ask about was erased."
_JUDGED = (Kind.OPENED, Kind.MOVED)
_NOT_KEPT = ("DEFINITION_UNKNOWN", "DEFINITION_DIFFERS")
_ACCEPTED = "NOT_ACCEPTED"
Forms = Mapping[tuple[str, str], Mapping[str, Any]]
"""The canonical forms of the definitions that were kept, by name and version."""


def rulings_then(forms: Forms, events: Iterable[Event]) -> Iterator[Ruling]:
    """By the table of the version that each event records, and by what the event says was accepted."""
    legality = Legality(forms)
    for event in events:
        faults = _faults(legality, event)
        is_known = not faults or any(code not in _NOT_KEPT for code, _ in faults)
        answer = Answer.UNKNOWN if not is_known else Answer.NO if faults else Answer.YES
        if event.kind in _JUDGED or answer is Answer.NO:
            yield Ruling(event, answer, reasons=tuple(message for _, message in faults))


def rulings_now(rules: Rules, history: Iterable[tuple[Event, Values]]) -> Iterator[Ruling]:
    """By today's table, and by today's validators on the facts and the day (Amsterdam) of the event.

    Other cases are left out: what they looked like then is not this case's history.
    """
    today = rules.stamp
    legality = Legality({today[:2]: json.loads(rules.canonical)})
    erased = set[str]()
    case: Case | None = None
    for event, values in history:
        case = evolve(rules.definition, case, event, values)
        _follow_erased(erased, event, values)
        # what was accepted is held against what today's validators find, not against today's list of warnings
        reasons = tuple(message for code, message in _faults(legality, event, today) if code != _ACCEPTED)
        if event.kind in _JUDGED:
            problems, is_blind = _problems_now(rules, case, event, values, erased)
            yield _ruling(event, problems, reasons, is_blind=is_blind)


def _faults(legality: Legality, event: Event, stamp: tuple[str, str, str] | None = None) -> list[tuple[str, str]]:
    """What the table finds at the next event; with a `stamp` as if that version had judged it."""
    try:
        says: Says = read_event(event.canonical)
    except ValueError as error:
        return [("EVENT_UNREADABLE", f"It is no event: {error}.")]
    if stamp is not None:
        says = {**says, "definition": dict(zip(("name", "version", "digest"), stamp, strict=True))}
    return legality.check(says)


def _ruling(event: Event, problems: tuple[Problem, ...], reasons: tuple[str, ...], *, is_blind: bool) -> Ruling:
    if problems or reasons:
        return Ruling(event, Answer.NO, problems, reasons)
    return Ruling(event, Answer.UNKNOWN, reasons=(ERASED,)) if is_blind else Ruling(event, Answer.YES)


def _problems_now(
    rules: Rules, after: Case, event: Event, values: Values, erased: set[str]
) -> tuple[tuple[Problem, ...], bool]:
    """What would stand in the way of an opening or a move today, and whether something erased might too."""
    domain = rules.definition.domain
    if event.kind is Kind.OPENED:
        external = after.external_reference
        return (tuple(domain.judge_text("external_reference", external)) if external else ()), False
    text = values.get("reason")
    problems = list(domain.judge_text("reason", text)) if isinstance(text, str) else []
    is_blind = "reason" in event.commitments and "reason" not in values
    move = next((move for move in rules.definition.moves_from(event.source or "") if _is_by(move, event)), None)
    if move is not None:
        recollection = Recollection()
        context = Context(local_day(event.at), rules.calendar)
        facts = _remembered(after.facts, erased)
        # what the case carries after the move is what it carried before and what was accepted with the move
        judgement = judge(move, facts, context, standing=after.accepted, examination=recollection)
        problems += judgement.blocking
        is_blind = is_blind or recollection.is_blind
    return tuple(problems), is_blind


def _is_by(move: Move, event: Event) -> bool:
    return (move.trigger, move.target) == (event.trigger, event.target)


def _follow_erased(erased: set[str], event: Event, values: Values) -> None:
    """Keep up which fields hold a value that is there no more."""
    for sheet, fields in changed_facts(event, values).items():
        erased -= {f"{sheet}.{name}" for name in fields}
    erased |= {path for path in event.commitments if "." in path and path not in values}


class _ValueErased(Exception):
    """A validator asked for a value that was erased."""


class _Remains(Mapping[str, Json]):
    """A sheet of which values were erased: whoever asks for one of those gets no answer, not even 'unanswered'."""

    def __init__(self, left: Mapping[str, Json], erased: frozenset[str]) -> None:
        self._left, self._erased = left, erased

    def __getitem__(self, name: str) -> Json:
        if name in self._erased:
            raise _ValueErased
        return self._left[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._left.keys() | self._erased

    def __len__(self) -> int:
        return len(self._left.keys() | self._erased)


def _remembered(facts: Facts, erased: set[str]) -> Facts:
    """The facts, with a mark where a value was erased."""
    gone: dict[str, set[str]] = {}
    for path in erased:
        sheet, _, name = path.partition(".")
        gone.setdefault(sheet, set()).add(name)
    return {**facts, **{sheet: _Remains(facts.get(sheet, {}), frozenset(names)) for sheet, names in gone.items()}}


@dataclass
class Recollection(Examination):
    """An examination of facts of which some were erased: a validator says what it can before it asks for one."""

    is_blind: bool = field(default=False)
    """Whether a validator asked for what was erased, so that it might have said more."""

    def problems(self, move: Move, facts: Facts, context: Context) -> tuple[Problem, ...]:
        """What the validators find without what was erased."""
        found: list[Problem] = []
        for validator in move.validators:
            try:
                for problem in validator(facts, context):
                    found.append(problem)  # noqa: PERF402  (what came before the exception counts)
            except _ValueErased:
                self.is_blind = True
        return tuple(found)
