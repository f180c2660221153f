"""A mail server that fails is let be for a while: it costs few letters, and locks no account."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from employers import bring
from looking import look
from sink import ADDRESS, DESK, WORKER, Sink, delivery

from notifications import delivery as delivering
from notifications.delivery import Delivery
from notifications.patience import Patience
from notifications.smtp import Outcome, Phase, Reply
from notifications.smtp_url import Server
from notifications.tally import Delivered
from workflow import Engine
from workflow.clock import SetClock

SERVER = Server(ADDRESS, 587, user="us", password="wrong", hello_name="tests.example.org")
AWAY = Reply(Outcome.RETRY, Phase.CONNECT, None, "nobody listens")
WRONG = Reply(Outcome.RETRY, Phase.LOGIN, 535, "5.7.8 wrong password")
BUSY = Reply(Outcome.RETRY, Phase.LOGIN, 454, "4.7.0 come back later")
DOUBT = Reply(Outcome.UNKNOWN, Phase.DATA, None, "Connection lost")
SECOND = timedelta(seconds=1)


class _Closing(Sink):
    """Closes the connection after the final dot, as long as it is unwell."""

    is_unwell = True
    in_hand = 0

    async def handle_DATA(self, server: Any, *words: Any) -> str:
        if not self.is_unwell:
            return await super().handle_DATA(server, *words)
        self.in_hand += 1
        await asyncio.sleep(0.1)  # the others have theirs by then
        server.transport.abort()
        return "250 nobody hears"


def test_a_server_that_closes_after_the_dot_leaves_few_letters_in_doubt_and_gets_the_others_when_it_is_well(
    engine: Engine, url: str, clock: SetClock
) -> None:
    for _ in range(30):
        bring(engine, "rights_pending")

    with _Closing() as sink:
        worker = delivery(engine, sink, connections=10)
        first, at_once = worker.run_once(), worker.run_once()
        clock.moment += 10 * SECOND
        second = worker.run_once()
        clock.moment += 20 * SECOND
        sink.is_unwell = False
        third = worker.run_once()

    assert 1 <= first.unknown <= 10
    assert first.said["unknown"].phase is Phase.DATA
    assert at_once == Delivered(pending=30 - first.unknown)
    assert second == Delivered(unknown=1, pending=29 - first.unknown)
    assert third == Delivered(sent=29 - first.unknown)
    assert max(sink.copies().values()) == 1
    assert {row["attempts"] for row in look(url, "SELECT attempts FROM outbox")} == {1}


class _Shut:
    """A connection that is refused, or no longer so."""

    refusal: Reply | None
    opened: list[Server]

    def __init__(self, server: Server) -> None:
        self._server, self.is_open = server, False

    async def open(self) -> Reply | None:
        self.opened.append(self._server)
        await asyncio.sleep(0)  # others have their turn meanwhile, as with a network
        self.is_open = self.refusal is None
        return self.refusal

    async def offer(self, *_: object) -> Reply | None:
        return None

    async def transmit(self, _message: bytes) -> Reply:
        return Reply(Outcome.SENT, Phase.DATA, 250, "OK")

    async def reset(self) -> bool:
        return True

    async def close(self) -> None:
        self.is_open = False


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> type[_Shut]:
    class Shut(_Shut):
        refusal, opened = WRONG, []

    monkeypatch.setattr(delivering, "Connection", Shut)
    return Shut


@pytest.fixture
def worker(sqlite_engine: Engine) -> Delivery:
    """A worker with thirty letters that are due."""
    for _ in range(30):
        bring(sqlite_engine, "rights_pending")
    engine = sqlite_engine
    return Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER)


def test_a_wrong_password_is_tried_once_a_pass_and_again_after_five_minutes(
    worker: Delivery, shut: type[_Shut], clock: SetClock
) -> None:
    began = clock.moment
    while clock.moment < began + timedelta(minutes=20):
        worker.run_once()
        clock.moment += 10 * SECOND

    assert shut.opened == [SERVER] * 3, "at once, after five minutes, and ten later"


def test_another_password_is_tried_at_once(worker: Delivery, shut: type[_Shut]) -> None:
    worker.run_once()
    worker.server = replace(SERVER, password="another")
    worker.run_once()

    assert shut.opened == [SERVER, worker.server]


def test_a_server_that_is_back_gets_one_letter_and_then_the_others_over_all_connections(
    worker: Delivery, shut: type[_Shut], clock: SetClock
) -> None:
    shut.refusal = AWAY
    worker.run_once()
    clock.moment += 10 * SECOND
    shut.refusal = None

    done = worker.run_once()

    assert (done.sent, done.pending) == (30, 0)
    assert len(shut.opened) == 1 + 1 + 10


@pytest.mark.usefixtures("worker")
def test_what_a_connection_sent_counts_though_it_is_not_let_in_again(
    sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Once(_Shut):
        refusal, opened = None, []

        async def open(self) -> Reply | None:
            await super().open()
            self.number = len(self.opened)
            return None if self.number <= 2 else AWAY

        async def transmit(self, message: bytes) -> Reply:
            self.is_open = self.number != 1
            return await super().transmit(message)

    monkeypatch.setattr(delivering, "Connection", Once)
    engine = sqlite_engine

    done = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER, connections=2).run_once()

    assert (len(Once.opened), done.sent, done.retried) == (3, 30, 0)


def test_a_connection_that_broke_while_it_rested_costs_the_letter_it_takes_no_try(
    sqlite_engine: Engine, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server starts anew while it has the first of six letters of a case; the others wait for that one."""
    bring(sqlite_engine, "keylane_configuring")

    class Restarting(_Shut):
        refusal, opened, old = None, [], set[object]()
        has_restarted = False

        async def open(self) -> Reply | None:
            (self.old.discard if self.has_restarted else self.old.add)(self)
            return await super().open()

        async def offer(self, *_: object) -> Reply | None:
            return AWAY if self in self.old and self.has_restarted else None

        async def transmit(self, message: bytes) -> Reply:
            if not self.has_restarted:
                await asyncio.sleep(0.1)  # the others open meanwhile, and rest
                Restarting.has_restarted = True
                self.is_open = False
            return await super().transmit(message)

        async def reset(self) -> bool:
            self.is_open = self.is_open and self not in self.old
            return self.is_open

    monkeypatch.setattr(delivering, "Connection", Restarting)
    engine = sqlite_engine

    done = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER).run_once()

    assert (done.sent, done.retried) == (6, 0)
    assert {row["attempts"] for row in look(sqlite_url, "SELECT attempts FROM outbox")} == {1}


def test_what_breaks_one_connection_is_told_after_the_others_finished_the_letter_in_hand(
    worker: Delivery, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(_Shut):
        refusal, opened, offered = None, [], list[str]()

        async def offer(self, *words: object) -> Reply | None:
            self.offered.append(str(words))
            if len(self.offered) == 2:
                raise RuntimeError("broken")
            return None

        async def transmit(self, message: bytes) -> Reply:
            await asyncio.sleep(0.1)  # the other breaks meanwhile
            return await super().transmit(message)

    monkeypatch.setattr(delivering, "Connection", Breaking)

    with pytest.raises(RuntimeError, match="broken"):
        worker.run_once()

    left = [row["state"] for row in look(sqlite_url, "SELECT state FROM outbox")]
    assert {*left} == {"sent", "pending"}
    assert left.count("sent") < len(Breaking.offered) <= 10


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [
        (AWAY, [10, 20, 40, 80, 160, 300, 300, 300]),
        (BUSY, [10, 20, 40, 80, 160, 300, 300, 300]),
        (DOUBT, [10, 20, 40, 80, 160, 300, 300, 300]),
        (WRONG, [300, 600, 1200, 2400, 3600, 3600, 3600, 3600]),
        (replace(WRONG, code=500), [300, 600, 1200, 2400, 3600, 3600, 3600, 3600]),
    ],
)
def test_the_wait_doubles_and_ends_when_all_goes_well(clock: SetClock, trouble: Reply, seconds: list[int]) -> None:
    patience, now, waits = Patience(), clock.moment, []
    assert not patience.is_tried_out

    for _ in seconds:
        assert patience.allows(SERVER, now)
        patience.learn(trouble, now)
        wait = next(n for n in range(1, 4000) if patience.allows(SERVER, now + n * SECOND))
        waits.append(wait)
        now += wait * SECOND
    tried_out = patience.is_tried_out
    patience.learn(None, now)

    assert waits == seconds
    assert (tried_out, patience.is_tried_out, patience.allows(SERVER, now)) == (True, False, True)


def test_neither_another_password_nor_a_clock_that_went_back_waits(clock: SetClock) -> None:
    patience, now = Patience(), clock.moment
    patience.learn(WRONG, now)
    patience.allows(SERVER, now)  # the first look makes it this server's
    patience.learn(WRONG, now)

    assert not patience.allows(SERVER, now)
    assert patience.allows(SERVER, now - SECOND)
    assert patience.allows(replace(SERVER, password="right"), now)
    assert not patience.is_tried_out
