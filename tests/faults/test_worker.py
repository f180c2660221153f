"""A worker that is stopped longer than its lease, or whose clock jumps."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest
from aftermath import LEASES, check, settle
from employers import LONG, bring
from handiwork import MONDAY, FileClock
from hands import Hands, Process, killed
from looking import look
from sink import Sink, eventually

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SetClock
from workflow.ledger.signing import Signer

LETTERS, CONNECTIONS = 40, 4
JUMPS = (2, -2, -2, 2) * LONG
"""Days by which a worker's clock jumps, one after another."""
UNSETTLED = "SELECT id FROM outbox WHERE state IN ('pending', 'claimed', 'sending') LIMIT 1"
pytestmark = pytest.mark.slow


@pytest.fixture
def cases(url: str) -> None:
    """Cases with an invitation each that waits."""
    bring_more(url, LETTERS)


def bring_more(url: str, number: int) -> None:
    """More cases with an invitation, opened while workers work."""
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SetClock(MONDAY))
    for _ in range(number):
        bring(engine, "rights_pending")
    database.dispose()


def settled(url: str) -> bool:
    return not look(url, UNSETTLED)


class _Lulling(Sink):
    """Stops the worker while that waits for the answer to its letter, so in no transaction."""

    sleeper: Process | None = None
    after = 5

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.sleeper is not None and len(self.letters) == self.after:
            self.sleeper.send_signal(signal.SIGSTOP)
        return await super().handle_DATA(server, session, envelope)


def test_a_worker_that_slept_longer_than_its_lease_repeats_nothing_when_it_wakes(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: None
) -> None:
    with _Lulling() as sink:
        sleeper = sink.sleeper = crew.worker(sink.port, connections=1)
        assert sink.wait_for(lambda: len(sink.letters) > sink.after)
        file_clock.jump(LEASES)
        second = crew.worker(sink.port, connections=CONNECTIONS)
        taken_over = eventually(lambda: settled(url))
        sleeper.send_signal(signal.SIGCONT)
        bring_more(url, 5)
        assert eventually(lambda: settled(url))
        killed(second)
        killed(sleeper)
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)

    assert taken_over
    assert states == {"sent": LETTERS - 1 + 5, "unknown": 1}


def test_a_worker_whose_clock_jumps_two_days_loses_no_letter_and_repeats_none(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: None
) -> None:
    with Sink() as sink:
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        writer = crew.writer()
        for days in JUMPS:
            target = len(sink.letters) + 8
            assert sink.wait_for(lambda target=target: len(sink.letters) >= target)
            file_clock.jump(timedelta(days=days))
        killed(writer)
        killed(worker)
        now = file_clock.now() + timedelta(days=3)  # past every moment that was ever put down
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now, crew.told)

    assert set(states) <= {"sent", "unknown", "merged"}
    assert states["unknown"] <= CONNECTIONS * (1 + len(JUMPS))
