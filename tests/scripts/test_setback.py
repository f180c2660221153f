"""A clock that was set back is noticed, one that is kept right or set ahead is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scripts.setback import Setback
from workflow.clock import SetClock

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moved", "gone"), [(0.0, 0.0), (-1.9, 0.0), (-2.0, 2.0), (-86_400.0, 86_400.0), (86_400.0, 0.0)]
)
def test_only_what_is_more_than_keeping_a_clock_right_counts_and_once(moved: float, gone: float) -> None:
    machine, steady = SetClock(NOON), [50.0]
    clock = Setback(machine, lambda: steady[0])
    machine.moment += timedelta(seconds=10 + moved)
    steady[0] += 10

    assert clock.seconds() == pytest.approx(gone)
    assert clock.seconds() == 0.0


def test_a_clock_that_was_set_back_twice_is_noticed_twice() -> None:
    machine = SetClock(NOON)
    clock = Setback(machine, lambda: 0.0)
    told = []

    for seconds in (100, 100, 0):
        machine.moment -= timedelta(seconds=seconds)
        told += [clock.seconds()]

    assert told == [100.0, 100.0, 0.0]
