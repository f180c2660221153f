"""What stands in the way of a move: all problems at once, and which of them the case or the caller has accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from workflow.answers import Case, Verdict
from workflow.definition import Definition, Move, State
from workflow.errors import UsageError
from workflow.facts import Context, Facts, Json, Problem, Severity, Validator


class Judgement(NamedTuple):
    """Every problem of a move, sorted by what it means for that move."""

    problems: tuple[Problem, ...]
    """As found, in the order of the validators, info included."""
    blocking: tuple[Problem, ...]
    """Errors, and warnings that nobody accepted."""
    accepted: tuple[Problem, ...]
    """Warnings that the case carries as accepted, or that the caller accepts now."""
    standing: tuple[Problem, ...]
    """Of those, the ones the case carried already."""
    missing: tuple[str, ...] = ()
    """Sheets that the move requires, of which nothing is known and no problem tells."""

    @property
    def refuses(self) -> bool:
        """Whether the move cannot be made."""
        return bool(self.blocking or self.missing)

    @property
    def open(self) -> tuple[Problem, ...]:
        """What a person is shown: everything but the accepted warnings."""
        return tuple(problem for problem in self.problems if problem not in self.accepted)


_NONE: Mapping[str, Collection[str]] = MappingProxyType({})
_NOTHING_WRONG = Judgement((), (), (), ())


@dataclass
class Examination:
    """What validators said of one and the same facts: a move, its letters and an import ask the same ones again."""

    facts: Facts | None = None
    context: Context | None = None
    found: dict[Validator, tuple[Problem, ...]] = field(default_factory=dict)
    last: tuple[Move, tuple[Problem, ...]] | None = None
    """The move that was examined last, and all that was found."""

    def problems(self, move: Move, facts: Facts, context: Context) -> tuple[Problem, ...]:
        """What the validators of a move find, in their order; validators are pure, so each is asked once."""
        if (facts, context) != (self.facts, self.context):
            self.facts, self.context, self.found, self.last = facts, context, {}, None
        if self.last is not None and self.last[0] is move:
            return self.last[1]
        problems: list[Problem] = []
        for validator in move.validators:
            found = self.found.get(validator)
            if found is None:
                found = self.found[validator] = tuple(validator(facts, context))
            problems += found
        self.last = (move, tuple(problems))
        return self.last[1]


def judge(
    move: Move,
    facts: Facts,
    context: Context,
    *,
    standing: Mapping[str, Collection[str]] = _NONE,
    accept: Collection[str] = (),
    accept_all: bool = False,
    examination: Examination | None = None,
) -> Judgement:
    """Run the validators of a move; `standing` is what the case has accepted, `accept` the codes accepted now.

    What stands covers a warning of the same code about no other fields than those it was accepted for.
    """
    problems = (examination or Examination()).problems(move, facts, context)
    if not problems and all(map(facts.get, move.requires)):
        return _NOTHING_WRONG
    warnings = [problem for problem in problems if problem.severity == Severity.WARNING]
    stands = tuple(w for w in warnings if w.code in standing and set(w.fields).issubset(standing[w.code]))
    accepted = tuple(w for w in warnings if accept_all or w in stands or w.code in accept)
    blocking = tuple(p for p in problems if p.severity != Severity.INFO and p not in accepted)
    told = {problem.field.partition(".")[0] for problem in blocking}
    missing = tuple(sheet for sheet in move.requires if not facts.get(sheet) and sheet not in told)
    return Judgement(problems, blocking, accepted, stands, missing)


def check_acceptable(definition: Definition, warnings: Iterable[Problem]) -> None:
    """Raises UsageError: one has a code that stands for no warning, so that no verifier would take it as accepted."""
    for warning in warnings:
        if definition.domain.codes.get(warning.code) != Severity.WARNING:
            raise UsageError(f"{warning.code} cannot be accepted: '{definition.name}' has no warning of that code.")


def accepted_by_code(warnings: Iterable[Problem]) -> list[Json]:
    """What an event says of accepted warnings: each code once, about all the fields it was accepted for."""
    about: dict[str, dict[str, None]] = {}
    for warning in warnings:
        about.setdefault(warning.code, {}).update(dict.fromkeys(warning.fields))
    return [{"about": [*fields], "code": code} for code, fields in about.items()]


def verdicts(definition: Definition, case: Case, context: Context, trigger: str | None = None) -> Iterable[Verdict]:
    """The verdict on each move that leaves the case's state (or on the one of `trigger`)."""
    for move in definition.moves_from(case.state):
        if trigger in (None, move.trigger):
            judgement = judge(move, case.facts, context, standing=case.accepted)
            asks = ("reason",) if move.needs_reason else ()
            yield Verdict(move.trigger, move.target, not judgement.refuses, judgement.open, asks, judgement.missing)


def open_problems(
    definition: Definition, case: Case, context: Context, examination: Examination | None = None
) -> tuple[Problem, ...]:
    """What the forward move of the case's state still misses; nothing in a final state."""
    move = definition.forward_from(case.state)
    if move is None:
        return ()
    return judge(move, case.facts, context, standing=case.accepted, examination=examination).open


def closed_words(case: str, state: State, closed: Collection[str], *, by_hand: bool) -> str:
    """What is said of fields that an ended case keeps; by an import it keeps also those that a person may change."""
    named = ", ".join(closed)
    if by_hand:
        may = f" Only {', '.join(state.amendable)} may still change." if state.amendable else ""
        return f"{case} is {state.name}: its facts are closed, so {named} cannot change.{may}"
    said = f"{case} is {state.name}: an import changes nothing in an ended case, so {named} cannot change."
    for path in (path for path in closed if path in state.amendable):
        sheet, _, name = path.partition(".")
        said += f" By hand {path} can: schakel record {case} {sheet} {name}=…."
    return f"{said} A new request takes a new external_reference."


def amendment_problems(
    definition: Definition, facts: Facts, context: Context, changed: Collection[str]
) -> tuple[Problem, ...]:
    """What the moves would say of fields that change in a final state; the one that led there may ask nothing."""
    validators = dict.fromkeys(validator for move in definition.moves for validator in move.validators)
    found = (problem for validator in validators for problem in validator(facts, context))
    return tuple(problem for problem in found if problem.field in changed)


def problems_after(
    definition: Definition, case: Case, context: Context, changed: Collection[str], examination: Examination
) -> tuple[Problem, ...]:
    """What is open once facts were recorded; in a final state, what is said of the fields that changed."""
    if not definition.state(case.state).final:
        return open_problems(definition, case, context, examination)
    return amendment_problems(definition, case.facts, context, changed) if changed else ()
