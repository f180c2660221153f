"""Firing what falls due: rungs of ladders and the ends of holds, many cases a transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from workflow.answers import Case
from workflow.arguments import in_utc
from workflow.calendar import REMINDER_HOUR, WorkingDays, at_midnight
from workflow.clock import AMSTERDAM, local_day
from workflow.definition import LetterTo, Rung
from workflow.domain import Key
from workflow.errors import CannotFire, Conflict, HistoryBroken
from workflow.events import Event, Kind, Origin
from workflow.facts import Json
from workflow.returns import returns_of
from workflow.schedule import Timer, TimerKind, timers_of
from workflow.storage import Database
from workflow.storage.restores import held_until
from workflow.storage.store import ALWAYS, FIRST, Due, Store
from workflow.work import Rules, Work

BATCH = 100
"""Cases fired in one transaction."""
_NAMED = 20
"""How many cases a message names."""
_NOBODY = Origin("reminders", "", "worker")
"""Who fires what is only looked at."""


@dataclass(frozen=True, slots=True)
class Fired:
    """What one pass over the due timers did."""

    reminders: int = 0
    escalations: int = 0
    holds_ended: int = 0

    def __add__(self, other: Fired) -> Fired:
        return Fired(
            self.reminders + other.reminders,
            self.escalations + other.escalations,
            self.holds_ended + other.holds_ended,
        )


def run_once(database: Database, rules: Rules, now: datetime, origin: Origin) -> Fired:
    """Fire every timer that is due; reminders only on working days from 09:00. Each batch commits by itself.

    Two workers share the work: what one has taken the other passes by, and what fired is no longer due. A case that
    cannot be read, fired or written takes no other with it. Raises CannotFire when all others are done: it names each
    such case. UsageError: `now` does not say its zone.
    """
    now = in_utc("now", now)
    total, kinds, after, size = Fired(), kinds_at(rules.calendar, now), FIRST, BATCH
    faults: dict[str, Exception] = {}
    is_more = True
    while is_more:
        found: list[Due] = []
        try:
            with database.writing() as store:
                since = held_until(store)
                found = store.due_cases(now, kinds, size, since=since, after=after)
                fired = _fire_all(store, rules, partial(Work, rules, origin, now), found, since, faults)
        except (Conflict, HistoryBroken) as error:
            if not found:
                raise
            if size > 1:  # the row of one of them was altered: from here on each goes by itself
                size = 1
                continue
            faults[found[0].reference], fired = error, Fired()
        total += fired
        is_more = len(found) == size
        after = found[-1].place if found else after
    if faults:
        raise CannotFire(_said(faults), faults) from next(iter(faults.values()))
    return total


def _fire_all(
    store: Store,
    rules: Rules,
    work_on: Callable[[int, Case], Work],
    found: Iterable[Due],
    since: datetime,
    faults: dict[str, Exception],
) -> Fired:
    """Fire what is due of these cases, and write it."""
    works: list[tuple[Work, tuple[Key, ...]]] = []
    for due in {due.case_id: due for due in found}.values():
        with _noting(faults, due.reference):
            work = work_on(due.case_id, due.read())
            works.append((work, rules.definition.domain.keys(work.case.facts)))
    others = store.older_open_cases([(work.case_id, keys) for work, keys in works])
    returns = returns_of(store, rules.definition, [(work.case_id, work.case) for work, _ in works])
    total = Fired()
    fired: list[Work] = []
    for (work, _), seen, returned in zip(works, others, returns, strict=True):
        with _noting(faults, work.case.reference):
            work.others, work.returned = seen, returned
            total += fire_due(work, since)
            fired.append(work)
    store.write(fired)
    store.rewrite_timers([work for work in fired if not work.events])
    return total


@contextmanager
def _noting(faults: dict[str, Exception], case: str) -> Iterator[None]:
    """Whatever a case raises is told when all others are done."""
    try:
        yield
    except Exception as error:  # noqa: BLE001  (what it is depends on what stands in the row)
        faults[case] = error


def _said(faults: Mapping[str, Exception]) -> str:
    """The cases, and the type of what each raised: its text may hold a value of a person."""
    named = [f"{case} ({type(error).__name__})" for case, error in faults.items()]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return f"{', '.join(named[:_NAMED])}{more}: what is due cannot be fired; for all other cases it was."


def kinds_at(calendar: WorkingDays, now: datetime) -> tuple[TimerKind, ...]:
    """What may fire at this moment: holds always, rungs during working days from 09:00 Amsterdam on."""
    local = now.astimezone(AMSTERDAM)
    at_work = calendar.is_working_day(local.date()) and local.time() >= REMINDER_HOUR
    return (TimerKind.HOLD, TimerKind.RUNG) if at_work else (TimerKind.HOLD,)


def last_chance(calendar: WorkingDays, until: datetime) -> datetime:
    """The last moment up to this one at which rungs could fire: it itself, or the end of the working day before it."""
    if TimerKind.RUNG in kinds_at(calendar, until):
        return until
    day = local_day(until) - timedelta(days=1)
    while not calendar.is_working_day(day):
        day -= timedelta(days=1)
    return at_midnight(day + timedelta(days=1))


def fire_due(work: Work, since: datetime = ALWAYS) -> Fired:
    """Fire what the case itself says is due now, hold first; a rung that is past leads on to the next.

    What was due until `since` is held: an older copy of the database was restored then.
    """
    fired = Fired()
    kinds = kinds_at(work.rules.calendar, work.now)
    while timer := next_due(work, kinds, since):
        fired += _fire(work, timer)
    return fired


def next_due(work: Work, kinds: tuple[TimerKind, ...], since: datetime = ALWAYS) -> Timer | None:
    """The timer of the case that is due first, if one is due; none but the hold's own while it is on hold."""
    timers = timers_of(work.rules.definition, work.rules.calendar, work.case)
    held = work.case.held_until is not None
    due = [
        timer
        for timer in timers
        if since < timer.due_at <= work.now and timer.kind in kinds and (not held or timer.kind is TimerKind.HOLD)
    ]
    return min(due, key=lambda timer: timer.due_at, default=None)


def due_rungs(rules: Rules, case: Case, now: datetime) -> Iterator[tuple[datetime, Rung]]:
    """The rungs that would fire for this case if it were a working hour now, and when each was due."""
    work = Work(rules, _NOBODY, now, 0, case)
    while timer := next_due(work, tuple(TimerKind)):
        if timer.kind is TimerKind.RUNG:
            yield timer.due_at, _rung(work, timer)
        _happen(work, timer)


def _fire(work: Work, timer: Timer) -> Fired:
    if timer.kind is TimerKind.HOLD:
        _happen(work, timer)
        return Fired(holds_ended=1)
    told, rung = work.case.told, _rung(work, timer)
    event = _happen(work, timer)
    work.write_letters(event, (LetterTo(rung.letter, rung.role),), told=told)
    return Fired(reminders=1) if event.kind is Kind.REMINDED else Fired(escalations=1)


def _happen(work: Work, timer: Timer) -> Event:
    """What a timer that fires writes into the history."""
    if timer.kind is TimerKind.HOLD:
        return work.append(Kind.RESUMED, {})
    rung = _rung(work, timer)
    body: dict[str, Json] = {"letters": [rung.letter], "rung": rung.name}
    if rung.kind not in (Kind.REMINDED, Kind.ESCALATED):  # another would not climb, and fire again without end
        raise ValueError(f"a rung is no '{rung.kind}'")
    return work.append(Kind(rung.kind), body)


def _rung(work: Work, timer: Timer) -> Rung:
    return work.rules.definition.state(work.case.state).ladder[timer.rung]
