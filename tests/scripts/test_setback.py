"""A clock that was set back is noticed, one that is kept right or set ahead is not."""

from __future__ import annotations

import pytest

from scripts.setback import Setback


@pytest.mark.parametrize(
    ("moved", "gone"), [(0.0, 0.0), (-1.9, 0.0), (-2.0, 2.0), (-86_400.0, 86_400.0), (86_400.0, 0.0)]
)
def test_only_what_is_more_than_keeping_a_clock_right_counts_and_once(moved: float, gone: float) -> None:
    now = {"wall": 1_000_000.0, "steady": 50.0}
    clock = Setback(lambda: now["wall"], lambda: now["steady"])
    now["wall"] += 10 + moved
    now["steady"] += 10

    assert clock.seconds() == pytest.approx(gone)
    assert clock.seconds() == 0.0


def test_a_clock_that_was_set_back_twice_is_noticed_twice() -> None:
    said = iter([500.0, 400.0, 300.0, 300.0])
    clock = Setback(lambda: next(said), lambda: 0.0)

    assert [clock.seconds() for _ in range(3)] == [100.0, 100.0, 0.0]
