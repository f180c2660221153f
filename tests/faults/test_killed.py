"""Writers and workers that are killed at random: what was acknowledged is stored, and no letter is lost or came twice.

A round is 50 kills on a fresh database; SCHAKEL_LONG=N runs N rounds of them on each, up to 10,000 kills. Each is
a test of its own with its own seed, so a long run goes on where it stopped: `-k 'round17 or round18'`.
"""

from __future__ import annotations

import random
import time

import pytest
from aftermath import LEASES, answers, check, settle
from employers import LONG
from handiwork import FileClock
from hands import Hands, Process, killed
from sink import Sink

from workflow.ledger.signing import Signer

KILLS, WRITERS, CONNECTIONS = 50, 2, 4
ROUNDS = min(LONG, 100)
MOMENTS = (0.02, 0.25)
"""Seconds, at least and at most, from one kill to the next."""
ALL_AT_ONCE = 0.1
"""How likely it is that all die at the same moment, as when the power fails."""
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", range(ROUNDS), ids="round{}".format)
def test_what_was_acknowledged_is_stored_and_no_letter_is_lost_or_came_twice(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, number: int
) -> None:
    chance = random.Random(number)
    kills = killed_workers = 0

    with Sink() as sink:

        def born(role: str) -> tuple[str, Process]:
            return role, crew.writer() if role == "write" else crew.worker(sink.port, connections=CONNECTIONS)

        alive = [born(role) for role in ("write",) * WRITERS + ("work",)]
        sink.wait_for(lambda: len(sink.letters) > 0)
        while kills < KILLS:
            time.sleep(chance.uniform(*MOMENTS))
            victims = list(alive) if chance.random() < ALL_AT_ONCE else [chance.choice(alive)]
            for role, victim in victims:
                killed(victim)
                kills += 1
                killed_workers += role == "work"
            alive = [hand if hand not in victims else born(hand[0]) for hand in alive]
        for _, process in alive:
            killed(process)
        killed_workers += 1
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now, crew.told)

    assert sum(map(len, answers(crew.told).values())) > KILLS // 5  # some hundreds, unless the machine is busy
    assert set(states) <= {"sent", "unknown"}
    assert states["sent"] > 0
    assert states["unknown"] <= killed_workers * CONNECTIONS
