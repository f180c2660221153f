"""A mail server that refuses by turns, that resets connections at every point, and that goes down and comes up."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from aftermath import LEASES, check, settle
from employers import LONG, bring
from flapping import ANSWERED, IN_DOUBT, UNSENT, Flapping
from handiwork import MONDAY, FileClock
from hands import Hands, killed
from looking import look
from sink import Sink, eventually

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SetClock
from workflow.ledger.signing import Signer

LETTERS, CONNECTIONS = 40, 4
POINTS = (*UNSENT, *IN_DOUBT, ANSWERED)
WAITING = "SELECT id FROM outbox WHERE state IN ('pending', 'claimed', 'sending')"
PAUSE = LEASES * 4
"""Longer than any pause between two tries."""
HALF_AN_HOUR = timedelta(minutes=30)
pytestmark = pytest.mark.slow


@pytest.fixture
def cases(url: str) -> None:
    """Cases with an invitation each that waits."""
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SetClock(MONDAY))
    for _ in range(LETTERS):
        bring(engine, "rights_pending")
    database.dispose()


def waiting(url: str) -> int:
    return len(look(url, WAITING))


def refused(url: str) -> int:
    """How often nobody listened where the mail server should be."""
    return len(look(url, "SELECT id FROM outbox_attempts WHERE phase = 'connect'"))


class _Slow(Flapping):
    """Takes its time for each letter, so that whoever watches it can take it down before all are gone."""

    async def handle_DATA(self, *words: Any) -> str:
        await asyncio.sleep(0.05)
        return await super().handle_DATA(*words)


class _Moody(Sink):
    """Refuses now, is full later, then hangs up: by turns, for each letter another way."""

    turns = 0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.turns += 1
        if self.turns % 3 == 0:
            return "451 not now"
        if self.turns % 7 == 0:
            return "421 closing"
        return await super().handle_RCPT(server, session, envelope, address, options)


def test_a_mail_server_that_refuses_by_turns_gets_every_letter_once(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: None
) -> None:
    with _Moody() as sink:
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        for _ in range(20 * LONG):
            if eventually(lambda: waiting(url) == 0, 0.4):
                break
            file_clock.jump(PAUSE)
        killed(worker)
        sink.__class__ = Sink  # from here on it is well
        now = file_clock.now() + PAUSE
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)

    assert sum(states.values()) == LETTERS
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= CONNECTIONS


@pytest.mark.parametrize("seed", range(LONG))
def test_a_mail_server_that_resets_at_every_point_leaves_unknown_only_what_may_have_left(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: None, seed: int
) -> None:
    dooms = random.Random(seed).sample(POINTS * 3, len(POINTS) * 3)

    with Flapping(dooms=dooms) as sink:
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        for _ in range(len(dooms)):
            if eventually(lambda: waiting(url) == 0, 0.4):
                break
            file_clock.jump(PAUSE)
        left = waiting(url)
        killed(worker)
        now = file_clock.now() + PAUSE
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)
        cut = Counter(sink.cut)

    doubted = sum(cut[point] for point in IN_DOUBT)
    assert left == 0
    assert set(cut) == set(POINTS)  # some connections are given up before they reach theirs
    assert set(states) == {"sent", "unknown"}
    assert doubted <= states["unknown"] <= doubted + cut[ANSWERED]


@pytest.mark.parametrize("seed", range(LONG))
def test_a_mail_server_that_goes_down_and_comes_up_gets_every_letter_once(
    url: str, crew: Hands, signer: Signer, file_clock: FileClock, cases: None, seed: int
) -> None:
    chance, refusals = random.Random(seed), 0

    with _Slow() as sink:
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        while waiting(url):
            target = len(sink.letters) + chance.randrange(4, 12)
            while not eventually(lambda target=target: len(sink.letters) >= target or not waiting(url), 2):
                file_clock.jump(HALF_AN_HOUR)
            sink.down()
            while not eventually(lambda known=refusals: refused(url) > known or not waiting(url), 2):
                file_clock.jump(HALF_AN_HOUR)  # what was under way was put off
            refusals = refused(url)
            sink.up()
            file_clock.jump(HALF_AN_HOUR)
        killed(worker)
        now = file_clock.now() + PAUSE
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)

    assert refusals > 1
    assert sum(states.values()) == LETTERS
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] < LETTERS / 2
