"""What people see of a case: who has the ball and how long, what is due, and what each event changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import date, datetime
from functools import partial

from workflow.answers import Case, Returned, Step, Summary, View
from workflow.clock import local_day
from workflow.definition import Definition
from workflow.events import Event, Kind
from workflow.facts import Context, Facts, Json
from workflow.history import Values, changed_facts, evolve
from workflow.judgement import open_problems
from workflow.schedule import due_at, is_on_hold
from workflow.work import Rules

ERASED = "[erased]"
"""What stands where a personal value was erased."""


def view_of(
    rules: Rules,
    case: Case,
    context: Context,
    stays: Iterable[Event],
    now: datetime,
    returned: Returned | None,
) -> View:
    """A case with what follows from it now; `stays` are the events that opened, moved, held or resumed it."""
    due = due_at(rules.definition, rules.calendar, case)
    return View(
        case=case,
        holder=rules.definition.state(case.state).holder,
        due_at=due,
        overdue=due is not None and now >= due,
        on_hold=is_on_hold(case, now),
        problems=open_problems(rules.definition, case, context),
        ball=_ball(rules, stays, case, now),
        returned=returned,
    )


def summary_of(rules: Rules, case: Case, now: datetime) -> Summary:
    """A case as one line of a list."""
    due = due_at(rules.definition, rules.calendar, case)
    state = rules.definition.state(case.state)
    return Summary(
        case=case.reference,
        external_reference=case.external_reference,
        title=title_of(rules.definition, case),
        state=case.state,
        holder=state.holder,
        entered_at=case.entered_at,
        due_at=due,
        overdue=due is not None and now >= due,
        ball_days=0 if state.final else _days(rules, case, now),
        ended_at=case.ended_at,
    )


def title_of(definition: Definition, case: Case) -> str:
    """What people call a case; of one that was erased only that it was."""
    return ERASED if case.erased else definition.domain.title(case.facts)


def steps_of(definition: Definition, history: Iterable[tuple[Event, Values]], known: Facts) -> Iterator[Step]:
    """Each event with the fields it changed, before and after, what is personal as far as is `known` by now masked."""
    masked = partial(definition.domain.mask, known=known)
    case: Case | None = None
    committed: set[str] = set()
    for event, values in history:
        before = case
        case = evolve(definition, case, event, values)
        changes = _changes(masked, before, case, event, values, committed)
        yield Step(event, changes, _text(event, values), _ended_hold(before, event))
        committed |= event.commitments.keys()


def _ended_hold(before: Case | None, event: Event) -> date | None:
    """The day until which a hold was to last that a move ended; one whose day had come ended by itself."""
    if event.kind is Kind.MOVED and before is not None and is_on_hold(before, event.at):
        return before.held_until
    return None


def _changes(
    masked: Callable[[Facts], Facts],
    before: Case | None,
    after: Case,
    event: Event,
    values: Values,
    committed: Collection[str],
) -> dict[str, tuple[Json, Json]]:
    """What an event changed; `committed` are the paths that events before it committed to."""
    if event.kind not in (Kind.OPENED, Kind.RECORDED, Kind.MOVED):
        return {}
    old: Facts = masked(before.facts) if before else {}
    new = masked(after.facts)
    changes: dict[str, tuple[Json, Json]] = {}
    for sheet, fields in changed_facts(event, values).items():
        for name in fields:
            changes[f"{sheet}.{name}"] = (old.get(sheet, {}).get(name), new.get(sheet, {}).get(name))
    for path in event.commitments:
        if "." in path and path not in values:
            sheet, _, name = path.partition(".")
            was = ERASED if path in committed else None
            changes[path] = (old.get(sheet, {}).get(name, was), ERASED)
    return changes


def _text(event: Event, values: Values) -> str | None:
    """An event's note or reason; those of erasing stand in the event itself, with the ground."""
    if event.kind is Kind.ERASED:
        said = (event.body.get("reason"), event.body.get("ground"))
        return "; ground: ".join(text for text in said if isinstance(text, str))
    for path in ("text", "reason"):
        if path in event.commitments:
            text = values.get(path, ERASED)
            return text if isinstance(text, str) else None
    return None


def _ball(rules: Rules, stays: Iterable[Event], case: Case, now: datetime) -> dict[str, int]:
    """Working days each holder had the ball, the present state included."""
    days: dict[str, int] = {}
    past: Case | None = None
    for event in stays:
        if past is not None and event.kind is Kind.MOVED:
            _add(rules, days, past, event.at)
        past = evolve(rules.definition, past, event, {})
    _add(rules, days, case, now)
    return days


def _add(rules: Rules, days: dict[str, int], case: Case, until: datetime) -> None:
    holder = rules.definition.state(case.state).holder
    if holder is not None:
        days[holder] = days.get(holder, 0) + _days(rules, case, until)


def _days(rules: Rules, case: Case, until: datetime) -> int:
    return rules.calendar.between(local_day(case.entered_at), local_day(until), case.holds)
