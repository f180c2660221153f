"""What is kept about a copy that was put back: the newest trace in it, letters in doubt, reminders that are held."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from employers import bring
from looking import look
from sqlalchemy import Insert, insert, select

from workflow import Engine, Origin, reminders
from workflow.clock import SetClock
from workflow.reminders import due_rungs
from workflow.schedule import TimerKind
from workflow.storage import restores
from workflow.storage.restores import Restore
from workflow.storage.tables import cases, checkpoints, timers, workers


def held(engine: Engine, until: datetime) -> list[tuple[datetime, str]]:
    """The cases that are held until then, and when the first timer of each was due."""
    with engine.database.reading() as store:
        known = select(timers.c.case_id, timers.c.due_at, cases.c.reference).join(cases, cases.c.id == timers.c.case_id)
        due: dict[str, datetime] = {}
        for row in store.read(known.order_by(timers.c.due_at)):
            due.setdefault(row["reference"], row["due_at"])
        return [(due[case.reference], case.reference) for case in restores.held_cases(store, until)]


def test_held_cases_come_longest_due_first_each_once_however_they_are_cut_into_pages(
    engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):  # five at one moment, and five at another
        for _ in range(5):
            bring(engine, "rights_pending")
        clock.moment += timedelta(days=1)
    with engine.database.reading() as store:
        known = "SELECT reference FROM timers JOIN cases ON cases.id = case_id WHERE kind = 'rung'"
        waiting = sorted(row[0] for row in store.execute(known).fetchall())
    whole = held(engine, clock.moment + timedelta(days=30))

    for page in (1, 2, 3, 5, 10, 11):
        monkeypatch.setattr(restores, "PAGE", page)
        assert held(engine, clock.moment + timedelta(days=30)) == whole
        assert held(engine, whole[4][0]) == whole[:5]

    assert sorted(case for _, case in whole) == waiting
    assert len(waiting) == 10
    assert [case[0] for case in whole] == sorted(case[0] for case in whole)
    assert whole[4][0] < whole[5][0]
    assert held(engine, whole[0][0] - timedelta(microseconds=1)) == []


def test_what_is_held_is_every_rung_that_would_fire_now(engine: Engine, clock: SetClock) -> None:
    cases = [bring(engine, state) for state in ("rights_pending", "registered", "enriched")]
    on_hold = bring(engine, "registered")
    engine.hold(on_hold, (clock.moment + timedelta(days=2)).date(), "wacht")
    clock.moment += timedelta(days=16)
    with engine.database.reading() as store:
        found = [one.read() for one in restores.held_cases(store, clock.moment)]
        due = [(case, rung) for case in found for _, rung in due_rungs(engine.rules, case, clock.now())]

    reminders.run_once(engine.database, engine.rules, clock.now(), Origin("worker", "test", "worker"))

    fired = [
        (case, str(step.event.body["rung"]))
        for case in [*cases, on_hold]
        for step in engine.history(case)
        if "rung" in step.event.body
    ]
    assert sorted((case.reference, rung.name) for case, rung in due) == sorted(fired)
    assert len(fired) > len({case for case, _ in fired}) == 4


def test_a_case_on_hold_is_held_once_and_from_the_end_of_its_hold(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "rights_pending")
    engine.hold(case, (clock.moment + timedelta(days=2)).date(), "wacht")
    with engine.database.reading() as store:
        kinds = {row[0] for row in store.execute("SELECT kind FROM timers").fetchall()}
    ((ends, _),) = held(engine, clock.moment + timedelta(days=30))

    assert kinds == {TimerKind.HOLD, TimerKind.RUNG}
    assert held(engine, ends) == [(ends, case)]
    assert held(engine, ends - timedelta(microseconds=1)) == []


def test_a_restore_is_open_until_it_is_released_and_the_newest_one_counts(engine: Engine, clock: SetClock) -> None:
    first = Restore(clock.moment, clock.moment - timedelta(days=1), 3, None)
    second = Restore(clock.moment + timedelta(hours=1), None, 0, None)
    with engine.database.writing() as store:
        before = restores.open_restore(store)
        restores.begin(store, first)
        one = restores.open_restore(store)
        restores.begin(store, second)
        two = restores.open_restore(store)
        restores.release(store, clock.moment + timedelta(hours=2))
        after = restores.open_restore(store)
        released = store.execute("SELECT count(*) FROM restores WHERE released_at IS NOT NULL").fetchone()

    assert (before, one, two, after) == (None, first, second, None)
    assert tuple(released) == (2,)


def test_the_newest_trace_is_the_latest_of_an_event_a_checkpoint_and_a_heartbeat(
    engine: Engine, clock: SetClock
) -> None:
    def written(what: Insert | None = None) -> datetime | None:
        with engine.database.writing() as store:
            if what is not None:
                store.change(what)
            return restores.newest_trace(store)

    def checkpoint(minute: int) -> Insert:
        values = {"size": minute, "root": "00" * 32, "note": "note", "at": clock.moment + timedelta(minutes=minute)}
        return insert(checkpoints).values(**values)

    def heartbeat(name: str, minute: int) -> Insert:
        at = clock.moment + timedelta(minutes=minute)
        return insert(workers).values(name=name, started_at=clock.moment - timedelta(days=9), seen_at=at)

    seen = [written()]
    bring(engine, "rights_pending")
    seen.append(written())
    seen += [written(checkpoint(minute)) for minute in (3, 5)]
    seen += [written(heartbeat(name, minute)) for name, minute in (("b", 4), ("c", 7), ("a", 6))]

    minutes = [at and (at - clock.moment) // timedelta(minutes=1) for at in seen]
    assert minutes == [None, 0, 3, 5, 5, 7, 7]


def test_a_letter_in_doubt_is_taken_from_whoever_had_it_and_says_why(engine: Engine, url: str, clock: SetClock) -> None:
    for _ in range(2):
        bring(engine, "rights_pending")
    with engine.database.writing() as store:
        store.execute("UPDATE outbox SET state = 'claimed', token = 'x', lease_until = due_at")
        first, second = sorted(restores.letters_in_doubt(store), key=lambda letter: letter.id)
        assert restores.doubt(store, first, "the copy is older", clock.moment)
        assert not restores.doubt(store, replace(second, state="pending"), "the copy is older", clock.moment)

    columns = "id, state, token, reason, lease_until IS NULL AS free, finished_at IS NOT NULL AS finished"
    rows = look(url, f"SELECT {columns} FROM outbox ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [
        (first.id, "unknown", None, "the copy is older", True, True),
        (second.id, "claimed", "x", None, False, False),
    ]
