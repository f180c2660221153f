"""Writers and workers that are killed at random: what was acknowledged is stored, and no letter is lost or came twice.

A round is 20 kills on a fresh database; SCHAKEL_LONG=N runs N rounds of them on each, up to 5,000 kills. Each round is
a test of its own with its own seed, so a long run goes on where it stopped: `-k 'round117 or round118'`.
"""

from __future__ import annotations

import random
import time

import pytest
from aftermath import LEASES, answers, check, settle
from employers import LONG
from hands import FileClock, Hands, Process, killed
from sink import Sink

from workflow.ledger.signing import Signer

KILLS, WRITERS, CONNECTIONS = 20, 2, 4
ROUNDS = min(LONG, 250)
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("number", range(ROUNDS), ids="round{}".format)
def test_what_was_acknowledged_is_stored_and_no_letter_is_lost_or_came_twice(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, number: int
) -> None:
    chance = random.Random(number)
    killed_workers = 0

    with Sink() as sink:
        alive: list[tuple[str, Process]] = [("write", crew.writer()) for _ in range(WRITERS)]
        alive.append(("work", crew.worker(sink.port, connections=CONNECTIONS)))
        sink.wait_for(lambda: len(sink.letters) > 0)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 0.7))
            role, victim = alive.pop(chance.randrange(len(alive)))
            killed(victim)
            killed_workers += role == "work"
            anew = crew.writer() if role == "write" else crew.worker(sink.port, connections=CONNECTIONS)
            alive.append((role, anew))
        for _, process in alive:
            killed(process)
        killed_workers += 1
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now, crew.told)

    assert sum(map(len, answers(crew.told).values())) > KILLS
    assert set(states) <= {"sent", "unknown"}
    assert states["sent"] > 0
    assert states["unknown"] <= killed_workers * CONNECTIONS
