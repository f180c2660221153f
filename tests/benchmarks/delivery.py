"""Letters rendered, built, recorded and sent, against plain aiosmtplib sending the same bytes when they are ready."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta

from aiosmtplib import SMTP

from notifications.delivery import CONNECTIONS, Delivery
from notifications.desk import Desk
from notifications.smtp_url import Server
from notifications.tally import Delivered
from tests.benchmarks import employers, sink
from tests.benchmarks.databases import Place
from tests.benchmarks.moves import MOVED, ORIGIN, engine_on
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns
from workflow import Engine
from workflow.clock import SetClock

AIM = "≥ 0.4"
DESK = Desk(
    sender="schakel@example.org",
    addresses={"asr": "asr@example.org"},
    reply_to="team@example.org",
    team_name="Team Koppelingen",
)
_MINUTE = timedelta(minutes=1)
_PER_CASE = 2
"""Letters that registering a case sends: one to the applicant, one to a.s.r."""

Ready = list[tuple[str, bytes]]
"""Recipient and bytes."""


def run(place: Place, *, rounds: int = 30, cases: int = 100) -> list[Line]:
    """`cases` × 2 letters a round over 10 connections, for each kind of sink."""
    return [_against(place, kind, rounds, cases) for kind in sink.KINDS]


def _against(place: Place, kind: str, rounds: int, cases: int) -> Line:
    engine, clock = _written(place, rounds + 1, cases)
    plain = f"plain aiosmtplib, to {kind}"
    with sink.running(kind) as port:
        samples = take_turns(
            {
                "delivery": _delivery(engine, clock, port, cases),
                plain: _plain(_ready(place, cases, port), port),
            },
            rounds,
        )
    engine.database.dispose()
    aim = AIM if kind == next(iter(sink.KINDS)) else ""  # the bare one answers faster than any server
    return speed(samples, "delivery", plain, aim=aim, what="letters, from context to history")


def _written(place: Place, turns: int, cases: int) -> tuple[Engine, SetClock]:
    """A database in which the letters of each turn fall due a minute after those before."""
    engine = engine_on(place.create())
    clock = engine.clock
    assert isinstance(clock, SetClock)
    for turn in range(turns):
        clock.moment = MOVED + turn * _MINUTE
        for result in engine.import_rows(employers.rows(turn * cases, cases), advance=True):
            assert result.state == "registered", result
    return engine, clock


def _delivery(engine: Engine, clock: SetClock, port: int, cases: int) -> Contestant:
    """One pass of a worker a turn."""
    worker = _worker(engine, port)
    moments = (MOVED + turn * _MINUTE for turn in range(10**9))

    def turn() -> int:
        clock.moment = next(moments)
        done = worker.run_once()
        assert done.sent == cases * _PER_CASE, done
        return done.sent

    return turn


def _worker(engine: Engine, port: int) -> Delivery:
    server = Server(sink.HOST, port, "none", hello_name="bench.example.org")
    return Delivery(engine.database, engine.rules, engine.clock, ORIGIN, DESK, server)


def _ready(place: Place, cases: int, port: int) -> Ready:
    """The bytes of one turn's letters, as they went out once."""
    engine, _clock = _written(place, 1, cases)
    assert _worker(engine, port).run_once() == Delivered(sent=cases * _PER_CASE)
    with engine.database.reading() as store:
        rows = store.execute("SELECT recipient, message FROM outbox ORDER BY id").fetchall()
    engine.database.dispose()
    return [(str(row[0]), bytes(row[1])) for row in rows]


def _plain(letters: Ready, port: int) -> Contestant:
    """As its manual says: connect, `sendmail` one after another, quit."""

    async def work_off(queue: Iterator[tuple[str, bytes]]) -> None:
        async with SMTP(hostname=sink.HOST, port=port, start_tls=False, local_hostname="bench.example.org") as client:
            for recipient, message in queue:
                await client.sendmail(DESK.sender, [recipient], message)

    async def send() -> None:
        queue = iter(letters)
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(work_off(queue))

    def turn() -> int:
        asyncio.run(send())
        return len(letters)

    return turn
