"""When things fall due: the timers a case must have follow from the case alone, so they can always be derived anew."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from workflow.answers import Case
from workflow.calendar import WorkingDays, at_midnight, at_reminder_hour
from workflow.clock import local_day
from workflow.definition import Definition, Rung


class TimerKind(StrEnum):
    """What a timer does when it fires."""

    RUNG = "rung"
    """Climbs the next rung of the state's ladder."""
    HOLD = "hold"
    """Ends the hold."""


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that falls due for a case; `rung` is the index on its state's ladder (0 for a hold)."""

    kind: TimerKind
    rung: int
    due_at: datetime


def timers_of(definition: Definition, calendar: WorkingDays, case: Case) -> tuple[Timer, ...]:
    """The timers this case must have: the next rung of its ladder and, on hold, the end of the hold."""
    timers = []
    ladder = definition.state(case.state).ladder
    if case.rung < len(ladder) and (due := rung_due(calendar, case, ladder[case.rung])):
        if case.held_until is not None:  # one that was late before the hold waits until it is over
            due = max(due, at_reminder_hour(calendar.next_working_day(case.held_until)))
        timers.append(Timer(TimerKind.RUNG, case.rung, due))
    if case.held_until is not None:
        timers.append(Timer(TimerKind.HOLD, 0, at_midnight(case.held_until)))
    return tuple(timers)


def rung_due(calendar: WorkingDays, case: Case, rung: Rung) -> datetime | None:
    """09:00 Amsterdam on the rung's working day; None while the date it is anchored on is unknown, or is none."""
    if rung.anchor is None:
        return at_reminder_hour(calendar.add(local_day(case.entered_at), rung.after, case.holds))
    sheet, _, name = rung.anchor.partition(".")
    anchor = case.facts.get(sheet, {}).get(name)
    if isinstance(anchor, str):
        with suppress(ValueError, OverflowError):  # what was recorded may be no date, or the last one there is
            return at_reminder_hour(calendar.add(date.fromisoformat(anchor), rung.after))
    return None


def due_at(definition: Definition, calendar: WorkingDays, case: Case) -> datetime | None:
    """When the present holder should have acted: the first rung of the state's ladder; None in a final state."""
    state = definition.state(case.state)
    return None if state.final or not state.ladder else rung_due(calendar, case, state.ladder[0])


def is_on_hold(case: Case, now: datetime) -> bool:
    """Whether the clock of this case stands still now."""
    return case.held_until is not None and now < at_midnight(case.held_until)
