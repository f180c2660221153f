"""A worker that is stopped longer than its lease, whose clock jumps, or whose mail server comes and goes."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aftermath import LEASES, check, settle
from employers import LONG, bring
from hands import FileClock, Hands, killed
from looking import look
from sink import Sink, eventually

from workflow import Database, Engine, open_database
from workflow.ledger.signing import Signer

LETTERS, CONNECTIONS = 40, 4
JUMPS = (2, -2, -2, 2) * LONG
"""Days by which a worker's clock jumps, one after another."""
UNSETTLED = "SELECT id FROM outbox WHERE state IN ('pending', 'claimed', 'sending') LIMIT 1"
pytestmark = pytest.mark.slow


@pytest.fixture
def cases(url: str, make_engine: Callable[[Database], Engine]) -> list[str]:
    """Cases with an invitation each that waits."""
    database = open_database(url)
    engine = make_engine(database)
    made = [bring(engine, "rights_pending") for _ in range(LETTERS)]
    database.dispose()
    return made


def settled(url: str) -> bool:
    return not look(url, UNSETTLED)


def test_a_worker_that_slept_longer_than_its_lease_repeats_nothing_when_it_wakes(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: list[str]
) -> None:
    with Sink() as sink:
        sleeper = crew.worker(sink.port, connections=CONNECTIONS)
        assert sink.wait_for(lambda: len(sink.letters) > 3)
        sleeper.send_signal(signal.SIGSTOP)
        file_clock.jump(LEASES)
        second = crew.worker(sink.port, connections=CONNECTIONS)
        if url.startswith("postgresql"):  # on SQLite it may sleep with the lock, so that everybody waits for it
            assert eventually(lambda: settled(url))
        sleeper.send_signal(signal.SIGCONT)
        assert eventually(lambda: settled(url))
        killed(second)
        killed(sleeper)
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)

    assert set(states) <= {"sent", "unknown"}
    assert sum(states.values()) == LETTERS
    assert states["unknown"] <= CONNECTIONS


def test_a_worker_whose_clock_jumps_two_days_loses_no_letter_and_repeats_none(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: list[str]
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

    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= CONNECTIONS * (1 + len(JUMPS))


class _Flapping(Sink):
    """Refuses now, is full later, then hangs up: by turns, for each letter another way."""

    turns = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.turns += 1
        if self.turns % 3 == 0:
            return "451 not now"
        if self.turns % 7 == 0:
            return "421 closing"
        return await super().handle_RCPT(server, session, envelope, address, options)


def test_a_mail_server_that_comes_and_goes_gets_every_letter_once(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: list[str]
) -> None:
    with _Flapping() as sink:
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        for _ in range(20 * LONG):
            if eventually(lambda: settled(url), 0.4):
                break
            file_clock.jump(LEASES * 4)  # longer than any pause between two tries
        killed(worker)
        sink.__class__ = Sink  # from here on it is well
        now = file_clock.now() + 4 * LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)

    assert sum(states.values()) == LETTERS
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= CONNECTIONS
