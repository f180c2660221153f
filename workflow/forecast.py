"""Which letters will go out, to whom and why: the timers' own code, run on a simulated clock over what was read.

Nothing is written: each case is evolved in memory and thrown away.
"""

from __future__ import annotations

import heapq
import pickle
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from tempfile import TemporaryFile
from typing import IO

from workflow.arguments import check_count, in_utc
from workflow.calendar import WorkingDays, at_reminder_hour
from workflow.clock import local_day
from workflow.events import Event, Origin
from workflow.finding import known_state, unless_altered
from workflow.history import readable, readable_rows
from workflow.reminders import fire_due, kinds_at
from workflow.schedule import Timer, timers_of
from workflow.storage import Database, letters
from workflow.storage.letter_states import LetterState
from workflow.storage.outdated import outdated_letters
from workflow.storage.store import Store
from workflow.work import Rules, Work

PART = 10_000
"""Letters that are sorted in memory; of more the parts lie on disk until they are merged."""
_MOST_DAYS = 3660
_NOBODY = Origin("forecast", "", "worker")


@dataclass(frozen=True, slots=True)
class Expected:
    """A letter that will go out at a moment if nothing changes until then."""

    at: datetime
    case: str | None
    letter: str
    role: str
    reason: str


def _order(expected: Expected) -> tuple[datetime, str, str]:
    return expected.at, expected.case or "", expected.letter


def forecast(
    database: Database, rules: Rules, now: datetime, days: int, at_home: Collection[str] = ()
) -> Iterator[Expected]:
    """The letters of the coming days, in order: those that wait in the outbox, and what the timers will write.

    The roles `at_home` have an address that the next pass gives to their letters. Raises UsageError: `now` is no
    moment, or `days` no number of them.
    """
    now = in_utc("now", now)
    check_count("days", days, _MOST_DAYS)
    with ExitStack() as files:
        with database.reading() as store:
            parts = list(_sorted_parts(_unsorted(store, rules, now, now + timedelta(days=days), at_home), files))
        yield from heapq.merge(*parts, key=_order)


def _unsorted(
    store: Store, rules: Rules, now: datetime, until: datetime, at_home: Collection[str]
) -> Iterator[Expected]:
    outdated = outdated_letters(store, rules.definition)
    with readable():
        for row in letters.pages_of(store, state=LetterState.PENDING):
            if row.due_at <= until and row.id not in outdated:
                leaves = row.recipient is not None or row.role in at_home
                why = "waits to be sent" if leaves else f"no address for {row.role}"
                yield Expected(max(row.due_at, now), row.case, row.letter, row.role, why)
    for case_id, case in readable_rows(store.cases_due_by(until)):
        known_state(rules.definition, case)
        with unless_altered(rules.definition, store, case_id, case):
            yield from simulate(Work(rules, _NOBODY, now, case_id, case), until)


def _sorted_parts(found: Iterator[Expected], files: ExitStack) -> Iterator[Iterable[Expected]]:
    """Parts that are in order; all but a single one lie in files without a name, so that memory stays flat."""
    part = sorted(islice(found, PART), key=_order)
    while following := sorted(islice(found, PART), key=_order):
        file = files.enter_context(TemporaryFile())  # noqa: SIM115  (the stack closes it)
        yield _in_file(part, file)
        part = following
    yield part


def _in_file(part: Iterable[Expected], file: IO[bytes]) -> Iterator[Expected]:
    for expected in part:
        pickle.dump(expected, file, pickle.HIGHEST_PROTOCOL)
    return _read(file)


def _read(file: IO[bytes]) -> Iterator[Expected]:
    file.seek(0)
    with suppress(EOFError):
        while True:
            yield pickle.load(file)


def simulate(work: Work, until: datetime) -> Iterator[Expected]:
    """Let the clock of one case run until a moment; the letters its timers write on the way."""
    rules = work.rules
    while timers := timers_of(rules.definition, rules.calendar, work.case):
        moment = min(_moment(rules.calendar, timer, work.now) for timer in timers)
        if moment > until:
            return
        work.now = moment
        written, happened = len(work.letters), len(work.events)
        fire_due(work)
        if len(work.events) == happened:
            return
        reasons = {event.seq: _reason(event) for event in work.events[happened:]}
        for letter in work.letters[written:]:
            yield Expected(moment, work.case.reference, letter.letter, letter.role, reasons[letter.seq])


def _moment(calendar: WorkingDays, timer: Timer, now: datetime) -> datetime:
    """When a timer will fire: at its time, or when it may if that has passed already."""
    moment = max(timer.due_at, now)
    if timer.kind in kinds_at(calendar, moment):
        return moment
    return at_reminder_hour(calendar.next_working_day(local_day(moment)))  # too early in the day, or a day off


def _reason(event: Event) -> str:
    return f"{event.body.get('rung')} of {event.source}"
