"""Which live cases today's rules would leave stuck although the rules they were judged by did not; it only reads.

A case is stuck when its forward move is refused for something that was settled when the case came where it is. What
that move asks for the first time, as it did by the old rules, is no fault: the case merely waits for it. And only the
rules count, so a problem is left out when it comes from the time that passed or from another case: then today's rules
have nothing against the facts and the day of the last move forward. A value that changed since was never judged by the
old rules, so it counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property

from workflow.answers import Case, Stuck
from workflow.clock import local_day
from workflow.definition import Move
from workflow.domain import Key
from workflow.errors import HistoryBroken
from workflow.events import Event, Kind
from workflow.facts import Context, Facts, Problem, Severity
from workflow.history import evolve, readable
from workflow.judgement import judge
from workflow.ledger.rulebook import Rulebook
from workflow.ledger.verify import Says
from workflow.storage.evidence import Evidence
from workflow.storage.listing import live_pages
from workflow.storage.store import Store, Unread
from workflow.work import Rules

_ALTERED = "It cannot be read, for somebody altered it: schakel audit verify CASE says where."
_WEIGHT: dict[str, int] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.ERROR: 2}


@dataclass(frozen=True, slots=True)
class _LastJudgement:
    """The last move forward of a case: the case as it came out of it, and the table that it was judged by."""

    event: Event
    case: Case
    table: Says
    """Today's, when the one of then was not kept as it was."""


def stuck_cases(store: Store, rules: Rules, today: date, step: Callable[[], None]) -> Iterator[Stuck]:
    """The live cases that would be stuck, in the order they were opened; `step` is called after each live case.

    One that cannot be read, or whose history cannot, is among them, and keeps no other from being judged.
    """
    survey = _Survey(store, rules)
    for page in live_pages(store):
        known = _read(rules, page)
        others = store.older_open_cases([(number, keys) for number, (_, keys) in known.items()])
        seen = {number: Context(today, rules.calendar, beside) for number, beside in zip(known, others, strict=True)}
        for found in page:
            number = found.case_id
            stuck = survey.examine(number, known[number][0], seen[number]) if number in known else _unreadable(found)
            if stuck is not None:
                yield stuck
            step()


def _read(rules: Rules, page: Iterable[Unread]) -> dict[int, tuple[Case, tuple[Key, ...]]]:
    """Number → case and keys, of those that can be read."""
    known: dict[int, tuple[Case, tuple[Key, ...]]] = {}
    for found in page:
        with suppress(HistoryBroken), readable(found.reference):
            case = found.read()
            known[found.case_id] = case, rules.definition.domain.keys(case.facts)
    return known


def _unreadable(found: Unread) -> Stuck:
    external, state = found.part("external_reference"), str(found.part("state"))
    return Stuck(found.reference, external, state, None, reasons=(_ALTERED,))


def _stuck(case: Case, holder: str | None, problems: tuple[Problem, ...] = (), reasons: tuple[str, ...] = ()) -> Stuck:
    return Stuck(case.reference, case.external_reference, case.state, holder, problems, reasons)


@dataclass
class _Survey:
    """Today's rules held against stored cases, and the tables those were judged by."""

    store: Store
    rules: Rules

    def examine(self, number: int, case: Case, context: Context) -> Stuck | None:
        """Whether a live case would be stuck today because of the rules, and on what."""
        definition = self.rules.definition
        state = definition.by_name.get(case.state)
        if state is None:
            return _stuck(case, None, reasons=(f"There is no state '{case.state}'.",))
        move = definition.forward_from(case.state)
        if move is None:
            return _stuck(case, state.holder, reasons=(f"No move leads forward from '{case.state}'.",))
        if not self._settled_problems(move, case, context):
            return None
        try:
            with readable(case.reference):
                last = self._last_judgement(number)
        except HistoryBroken:
            return _stuck(case, state.holder, reasons=(_ALTERED,))
        if last is None:
            return None
        asked = self._asked_before(move, case.state, last.table)
        problems = self._due_to_rules(asked, last, case, self._settled_problems(asked, case, context))
        return _stuck(case, state.holder, problems) if problems else None

    def _settled_problems(self, move: Move, case: Case, context: Context) -> tuple[Problem, ...]:
        """What refuses a move today, of the sheets that a case must have had to get where it is."""
        needed = {sheet for row in self.rules.definition.moves if row.target == case.state for sheet in row.requires}
        blocking = judge(move, case.facts, context, standing=case.accepted).blocking if needed else ()
        return tuple(problem for problem in blocking if problem.field.partition(".")[0] in needed)

    def _asked_before(self, move: Move, state: str, table: Says) -> Move:
        """The move with the questions of the moves that led here, and those that the old table did not ask next."""
        arrivals = [row for row in self.rules.definition.moves if row.target == state and row.forward]
        settled = {validator for row in arrivals for validator in row.validators}
        waited_for = {name for row in table["moves"] if _leads_on(row, state) for name in row["validators"]}
        kept = (one for one in move.validators if one in settled or one.__name__ not in waited_for)
        return replace(move, validators=tuple(kept))

    @cached_property
    def _today(self) -> Says:
        table: Says = json.loads(self.rules.canonical)
        return table

    @cached_property
    def _tables(self) -> dict[tuple[str, str, str], Says]:
        """Every table that was kept as it was, by what the events that it judged record of it."""
        return Rulebook(Evidence(self.store).definitions(), self.rules.definition).tables

    def _last_judgement(self, number: int) -> _LastJudgement | None:
        """The last move forward in a case's history; None: nothing was ever judged."""
        case: Case | None = None
        last: _LastJudgement | None = None
        for event, values in self.store.history(number):
            case = evolve(self.rules.definition, case, event, values)
            if event.kind is Kind.MOVED:
                table = self._tables.get(event.definition, self._today)
                if any(row["trigger"] == event.trigger and _leads_on(row, event.source) for row in table["moves"]):
                    last = _LastJudgement(event, case, table)
        return last

    def _due_to_rules(
        self, move: Move, last: _LastJudgement, case: Case, early: tuple[Problem, ...]
    ) -> tuple[Problem, ...]:
        """Those of the problems that the rules of the last judgement did not have."""
        was, weights = last.case, last.table["codes"]
        context = Context(local_day(last.event.at), self.rules.calendar)
        then = judge(move, was.facts, context, standing=was.accepted).blocking
        raised = {(problem.code, problem.field) for problem in then}
        is_changed = last.event.definition != self.rules.stamp

        def counts(problem: Problem) -> bool:
            is_harder = _WEIGHT.get(weights.get(problem.code, ""), -1) < _WEIGHT[problem.severity]
            is_unjudged = is_changed and _differs(was.facts, case.facts, problem)
            return (problem.code, problem.field) in raised or is_harder or is_unjudged

        return tuple(filter(counts, early))


def _leads_on(row: Says, state: str | None) -> bool:
    """Whether a row of a table is the move forward from this state."""
    return bool(row["forward"]) and state in row["from"]


def _differs(before: Facts, after: Facts, problem: Problem) -> bool:
    """Whether a value that a problem is about was changed."""
    parts = [path.partition(".") for path in problem.fields]
    return any(before.get(sheet, {}).get(name) != after.get(sheet, {}).get(name) for sheet, _, name in parts)
