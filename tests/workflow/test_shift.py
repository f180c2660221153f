"""Heartbeats and slots: each worker has its own, and what is done once a day is done by one."""

from __future__ import annotations

from datetime import timedelta

from workflow.clock import SetClock, local_day
from workflow.storage import Database, shift
from workflow.storage.shift import Heartbeat

MINUTE = timedelta(minutes=1)


def test_a_worker_that_starts_beats_or_stops_leaves_the_others_as_they_are(database: Database, clock: SetClock) -> None:
    now = clock.now()
    with database.writing() as store:
        shift.begin(store, "early", now)
        shift.begin(store, "late", now + MINUTE)
    with database.writing() as store:
        shift.beat(store, "early", now + 3 * MINUTE, stopped=True)
    with database.writing() as store:
        shift.begin(store, "late", now + 4 * MINUTE)
        shift.beat(store, "late", now + 5 * MINUTE)
        shift.begin(store, "third", now + 2 * MINUTE)

    with database.reading() as store:
        beats = shift.heartbeats(store)

    assert beats == [
        Heartbeat("late", now + 4 * MINUTE, now + 5 * MINUTE, None),
        Heartbeat("early", now, now + 3 * MINUTE, now + 3 * MINUTE),
        Heartbeat("third", now + 2 * MINUTE, now + 2 * MINUTE, None),
    ]


def test_a_worker_that_comes_back_is_no_longer_stopped(database: Database, clock: SetClock) -> None:
    now = clock.now()
    with database.writing() as store:
        shift.begin(store, "w1", now)
        shift.beat(store, "w1", now, stopped=True)
        shift.begin(store, "w1", now + MINUTE)

        assert shift.heartbeats(store) == [Heartbeat("w1", now + MINUTE, now + MINUTE, None)]


def test_a_tick_takes_the_row_of_the_one_that_ended_longest_ago(database: Database, clock: SetClock) -> None:
    """So that the newest sign of life stays."""
    now = clock.now()
    with database.writing() as store:
        names = [shift.begin_tick(store, program, now) for program in ("vm:1", "vm:2", "vm:3")]
        for minutes, name in zip((2, 1, 3), names, strict=True):
            shift.beat(store, name, now + minutes * MINUTE, stopped=True)
        fourth = shift.begin_tick(store, "vm:4", now + 10 * MINUTE)

        assert [beat.name for beat in shift.heartbeats(store)] == [fourth, names[2], names[0]]


def test_a_slot_is_taken_once_a_day_and_each_day_and_name_has_its_own(database: Database, clock: SetClock) -> None:
    now, today = clock.now(), local_day(clock.now())
    tomorrow = today + timedelta(days=1)
    asked = [("overview", today), ("overview", today), ("digest", today), ("overview", tomorrow)]
    taken = []
    for name, day in asked:
        with database.writing() as store:
            taken.append(shift.take_slot(store, name, day, now))

    with database.reading() as store:
        served = [shift.served(store, today), shift.served(store, tomorrow)]

    assert taken == [True, False, True, True]
    assert served == [{"overview", "digest"}, {"overview"}]


def test_a_slot_that_is_held_is_free_again_at_the_moment_it_was_held_until(database: Database, clock: SetClock) -> None:
    now, today = clock.now(), local_day(clock.now())
    taken = {}
    for minutes in (0, 4, 5, 9, 10):
        with database.writing() as store:
            at = now + minutes * MINUTE
            taken[minutes] = shift.hold_slot(store, "loket", today, at, at + 5 * MINUTE)
    with database.writing() as store:
        shift.hold_slot(store, "other", today, now, now + 60 * MINUTE)
        shift.keep_slot(store, "loket", today, now + 11 * MINUTE)
        kept = shift.hold_slot(store, "loket", today, now + 11 * MINUTE, now + 16 * MINUTE)
        other = shift.hold_slot(store, "other", today, now + 59 * MINUTE, now + 70 * MINUTE)

    assert taken == {0: True, 4: False, 5: True, 9: False, 10: True}
    assert (kept, other) == (True, False)
