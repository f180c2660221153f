"""After an older copy was put back: what may have gone out since is in doubt, what fell due since is held.

A copy does not know what happened after it was made. So nothing that waited in it is sent by itself, and no reminder
that is due by now fires, until a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from notifications import overview
from notifications.building import CHECKPOINT_LETTER
from notifications.outcomes import tell_cases
from notifications.recorder import Recorder
from workflow.clock import AMSTERDAM, Clock, format_time, local_day
from workflow.errors import HistoryBroken
from workflow.events import Kind, Origin
from workflow.finding import check_keeps_up
from workflow.history import readable
from workflow.schedule import timers_of
from workflow.storage import Database, letters, restores, shift
from workflow.storage.restores import Restore
from workflow.storage.store import Store
from workflow.work import Rules, Work


@dataclass(frozen=True, slots=True)
class Waiting:
    """What would go out by itself while a restore is open: letters that wait, and whether reminders fell due since."""

    letters: int = 0
    reminders: bool = False

    def __bool__(self) -> bool:
        return bool(self.letters or self.reminders)


def after_restore(
    database: Database, rules: Rules, origin: Origin, clock: Clock, *, is_again: bool = False
) -> tuple[Restore, Waiting, tuple[str, ...]]:
    """Doubt and hold, in one transaction; repeated, it tells of the restore that is open, and of what waits since.

    Letters that wait or are on their way become unknown, each an event in the history of its cases; but not of one
    that was altered, so that it cannot be written: those are named, third in the answer. With `is_again` that is done
    also while a restore is open: a copy made meanwhile was put back, and looks just as the database itself would at
    that moment, so only a person can say so. Raises StillAtWork.
    """
    now = clock.now()
    with database.reading() as store:
        known = restores.open_restore(store)
        if known is not None and not is_again:
            return known, _waiting(store, known, now), ()
        shift.refuse_at_work(shift.heartbeats(store), now, "if it ran while the copy was made and runs no more")
        copied_at = restores.newest_trace(store)
        doubted = restores.letters_in_doubt(store)
        about = {row.id: letters.cases_of(store, row) for row in doubted}
        altered = _altered(store, rules)
    said = f"a copy of {format_time(copied_at)} was restored" if copied_at else "a copy was restored"

    def act(store: Store, works: Mapping[int, Work]) -> Callable[[], Restore]:
        count = 0
        for row in doubted:
            odd = [altered[number] for number in about[row.id] if number in altered]
            if restores.doubt(store, row, "; ".join([f"{said}: it may have gone out since", *map(_untold, odd)]), now):
                mine = {number: works[number] for number in about[row.id] if number not in altered}
                tell_cases(mine, row, Kind.LETTER_UNKNOWN, {"phase": "restored", "code": None})
                count += 1
        restore = Restore(now, copied_at, count, None)
        restores.begin(store, restore)
        _pass_over_the_morning(store, now)
        return lambda: restore

    sound = {number for cases in about.values() for number in cases} - altered.keys()
    restore = Recorder(database, rules, origin, clock).run_now(act, sorted(sound))
    return restore, Waiting(), tuple(altered.values())


def _pass_over_the_morning(store: Store, now: datetime) -> None:
    """Today's overview and the auditor's letter may have gone out since the copy was made: they are not made up."""
    if now.astimezone(AMSTERDAM).time() >= overview.SLOT_BEGINS:
        for letter in (overview.LETTER, CHECKPOINT_LETTER):
            shift.take_slot(store, letter, local_day(now), now)


def _altered(store: Store, rules: Rules) -> dict[int, str]:
    """Number → reference of the cases of letters in doubt that were altered, so that nothing can be written of them."""
    odd: dict[int, str] = {}
    for found in restores.cases_in_doubt(store):
        try:
            with readable(found.reference):
                case = found.read()
                timers_of(rules.definition, rules.calendar, case)
            check_keeps_up(store, found.case_id, case)
        except HistoryBroken:
            odd[found.case_id] = found.reference
    return odd


def _untold(case: str) -> str:
    return f"{case} was altered, so that its history cannot say it: schakel audit verify {case}"


def _waiting(store: Store, restore: Restore, now: datetime) -> Waiting:
    """What waits here was written since, or let go again by a person, unless this is a copy: then it may have left."""
    counts = letters.count_unsent(store)
    return Waiting(sum(counts.get(state, 0) for state in restores.IN_DOUBT), store.has_due_rung(now, since=restore.at))
