"""What a pass over the outbox says over a connection, and what it makes of each answer; no server needed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from employers import bring
from looking import bare, look
from sink import ADDRESS, DESK, WORKER

from notifications import delivery as delivering
from notifications.delivery import Delivery
from notifications.smtp import Outcome, Phase, Reply
from notifications.smtp_url import Server
from notifications.tally import Delivered
from workflow import Engine
from workflow.clock import SetClock, format_time

SERVER = Server(ADDRESS, 25, "none", hello_name="tests.example.org")
SENT = Reply(Outcome.SENT, Phase.DATA, 250, "OK")
LATER = Reply(Outcome.RETRY, Phase.RCPT, 450, "busy")
NEVER = Reply(Outcome.FAILED, Phase.RCPT, 550, "nobody here")
DOUBT = Reply(Outcome.UNKNOWN, Phase.DATA, None, "gone")


@dataclass
class Script:
    """What connections answer, the next answer each time (without one all goes well), and what was said to them."""

    opens: list[Reply | None] = field(default_factory=list)
    offers: list[Reply | None] = field(default_factory=list)
    resets: list[bool] = field(default_factory=list)
    ends: list[Reply | Exception] = field(default_factory=list)
    drops: bool = False
    """Whether a refusal ends the connection."""
    on_offer: Callable[[], object] = lambda: None
    on_data: Callable[[], object] = lambda: None
    said: list[str] = field(default_factory=list)
    bytes: list[bytes] = field(default_factory=list)
    made: int = 0


class Scripted:
    """A connection that answers by its script."""

    def __init__(self, script: Script, server: Server) -> None:
        assert server is SERVER
        self._script, self.is_open = script, False
        script.made += 1

    async def open(self) -> Reply | None:
        self._script.said.append("open")
        refusal = self._script.opens.pop(0) if self._script.opens else None
        self.is_open = refusal is None
        return refusal

    async def offer(self, sender: str, recipient: str) -> Reply | None:
        assert sender == DESK.sender
        self._script.said.append(f"offer {recipient}")
        self._script.on_offer()
        refusal = self._script.offers.pop(0) if self._script.offers else None
        if refusal is not None and self._script.drops:
            self.is_open = False
        return refusal

    async def transmit(self, message: bytes) -> Reply:
        self._script.said.append("data")
        self._script.bytes.append(message)
        self._script.on_data()
        end = self._script.ends.pop(0) if self._script.ends else SENT
        if isinstance(end, Exception):
            raise end
        return end

    async def reset(self) -> bool:
        self._script.said.append("reset")
        return self._script.resets.pop(0) if self._script.resets else True

    async def close(self) -> None:
        self._script.said.append("close")
        self.is_open = False


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    made = Script()
    monkeypatch.setattr(delivering, "Connection", lambda server: Scripted(made, server))
    return made


@pytest.fixture
def engine(sqlite_engine: Engine, sqlite_url: str) -> Engine:
    """Three letters that are due, to a, b and c."""
    for name in "abc":
        bring(sqlite_engine, "rights_pending")
        with bare(sqlite_url) as connection:
            connection.execute(
                "UPDATE outbox SET recipient = ? WHERE id = (SELECT max(id) FROM outbox)", [f"{name}@x.nl"]
            )
    return sqlite_engine


def run(engine: Engine, connections: int = 1) -> Delivered:
    made = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER, connections=connections)
    return made.run_once()


A, B, C = (f"offer {name}@x.nl" for name in "abc")


@pytest.mark.parametrize(
    ("answers", "said", "done"),
    [
        ({}, ["open", A, "data", B, "data", C, "data", "close"], Delivered(sent=3)),
        ({"opens": [LATER]}, ["open", "close"], Delivered(retried=1, pending=3)),
        (
            {"ends": [NEVER, LATER, DOUBT]},
            ["open", A, "data", B, "data", C, "data", "close"],
            Delivered(unknown=1, failed=1, retried=1, pending=1),
        ),
        ({"ends": [DOUBT]}, ["open", A, "data", "close"], Delivered(unknown=1, pending=2)),
        (
            {"offers": [LATER, NEVER]},
            ["open", A, "reset", B, "reset", C, "data", "close"],
            Delivered(retried=1, failed=1, sent=1, pending=1),
        ),
        (
            {"offers": [LATER], "resets": [False]},
            ["open", A, "reset", "close", "open", B, "data", C, "data", "close"],
            Delivered(retried=1, sent=2, pending=1),
        ),
        (
            {"offers": [None, LATER], "drops": True, "opens": [None, LATER]},
            ["open", A, "data", B, "open", "close"],
            Delivered(sent=1, retried=2, pending=2),
        ),
    ],
)
def test_what_is_said_follows_from_what_was_answered_and_each_outcome_is_counted(
    engine: Engine, script: Script, answers: dict[str, Any], said: list[str], done: Delivered
) -> None:
    vars(script).update(deepcopy(answers))

    assert run(engine) == done

    assert script.said == said


def test_a_pass_tells_what_was_said_of_the_first_letter_of_each_end_but_of_those_that_were_sent(
    engine: Engine, script: Script
) -> None:
    script.offers = [NEVER, LATER]

    assert run(engine).said == {"failed": NEVER, "retried": LATER}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_letters_go_out_oldest_first_whatever_number_is_taken_at_once(
    engine: Engine, script: Script, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "BATCH", batch)

    assert run(engine) == Delivered(sent=3)

    assert [said for said in script.said if said.startswith("offer")] == [A, B, C]
    assert script.made == -(-3 // batch)


@pytest.mark.parametrize(("connections", "made"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_there_are_no_more_connections_than_letters(
    engine: Engine, script: Script, connections: int, made: int
) -> None:
    assert run(engine, connections) == Delivered(sent=3)

    assert script.made == made
    assert sorted(said for said in script.said if said.startswith("offer")) == [A, B, C]


def test_before_a_letter_leaves_its_bytes_and_a_lease_of_fifteen_minutes_are_committed(
    engine: Engine, script: Script, sqlite_url: str, clock: SetClock
) -> None:
    seen: list[tuple[Any, ...]] = []

    def looking(number: int) -> None:
        (row,) = look(sqlite_url, f"SELECT state, lease_until, token, message FROM outbox WHERE id = {number}")
        left = datetime.fromisoformat(row["lease_until"]) - clock.now()
        seen.append((row["state"], left, bool(row["token"]), row["message"]))

    script.on_offer = lambda: looking(len(script.bytes) + 1)
    script.on_data = lambda: looking(len(script.bytes))

    run(engine)

    offered, leaving = seen[::2], seen[1::2]
    assert offered == [("claimed", timedelta(minutes=5), True, None)] * 3
    assert leaving == [("sending", timedelta(minutes=15), True, message) for message in script.bytes]
    assert len(set(script.bytes)) == 3
    rows = look(sqlite_url, "SELECT state, token, lease_until, message FROM outbox ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("sent", None, None, message) for message in script.bytes]


def test_a_pass_that_is_stopped_finishes_the_letter_in_hand_and_gives_back_the_rest(
    engine: Engine, script: Script, sqlite_url: str
) -> None:
    worker = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER, connections=1)
    script.on_data = worker.stop

    assert worker.run_once() == Delivered(sent=1, pending=2)

    assert script.said == ["open", A, "data", "close"]
    rows = look(sqlite_url, "SELECT state, token FROM outbox ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("sent", None), ("pending", None), ("pending", None)]


def test_first_ended_claims_are_put_back_and_letters_get_the_address_of_their_role(
    engine: Engine, script: Script, sqlite_url: str, clock: SetClock
) -> None:
    ended, running = (repr(format_time(clock.now() + timedelta(minutes=minutes))) for minutes in (0, 1))
    with bare(sqlite_url) as connection:
        connection.execute(f"UPDATE outbox SET state = 'claimed', token = 'x', lease_until = {ended} WHERE id = 1")
        connection.execute(f"UPDATE outbox SET state = 'claimed', token = 'x', lease_until = {running} WHERE id = 2")
        connection.execute("UPDATE outbox SET role = 'asr', recipient = NULL WHERE id = 3")

    assert run(engine) == Delivered(sent=2)

    assert script.said == ["open", A, "data", "offer asr@example.org", "data", "close"]


def test_while_another_worker_puts_letters_in_order_new_reminders_and_all_that_is_left_behind_wait_for_it(
    engine: Engine, script: Script, sqlite_url: str, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "try_turn", lambda _store: False)
    ended = format_time(clock.now())
    with bare(sqlite_url) as connection:
        connection.execute(f"UPDATE outbox SET state = 'claimed', token = 'x', lease_until = '{ended}' WHERE id = 2")
        connection.execute("UPDATE outbox SET is_reminder = 1 WHERE id = 1")

    assert run(engine) == Delivered(sent=1, merged=0, pending=1)

    assert script.said == ["open", C, "data", "close"]


def test_a_letter_that_cannot_be_built_fails_without_being_offered_and_the_others_go_out(
    engine: Engine, script: Script, sqlite_url: str
) -> None:
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET letter = 'nonesuch' WHERE id = 2")

    assert run(engine) == Delivered(sent=2, failed=1)

    assert script.said == ["open", A, "data", C, "data", "close"]
    (row,) = look(sqlite_url, "SELECT state, attempts, reason FROM outbox WHERE id = 2")
    (tried,) = look(sqlite_url, "SELECT phase, outcome, code, words FROM outbox_attempts WHERE outbox_id = 2")
    assert (row["state"], row["attempts"]) == ("failed", 1)
    assert row["reason"] == f"render: {tried['words']}"
    assert "nonesuch" in tried["words"]
    assert (tried["phase"], tried["outcome"], tried["code"]) == ("render", "failed", None)
    (event,) = look(sqlite_url, "SELECT case_id, canonical FROM events WHERE kind = 'letter_failed'")
    body = json.loads(event["canonical"])["body"]
    assert (event["case_id"], body["outbox"], body["phase"], body["code"]) == (2, 2, "render", None)
    assert all(engine.replay(case.case).matches_stored for case in engine.cases())


def test_a_letter_that_somebody_else_has_meanwhile_is_not_sent(engine: Engine, script: Script, sqlite_url: str) -> None:
    def steal() -> None:
        with bare(sqlite_url) as connection:
            connection.execute("UPDATE outbox SET token = 'other' WHERE recipient = 'a@x.nl'")

    script.on_offer = steal

    assert run(engine) == Delivered(sent=2)

    assert script.said == ["open", A, "reset", B, "data", C, "data", "close"]
    rows = look(sqlite_url, "SELECT state, token, attempts FROM outbox ORDER BY id")
    assert tuple(rows[0].values()) == ("claimed", "other", 0)


def test_what_nobody_foresaw_ends_the_pass_closes_the_line_and_gives_back_what_did_not_leave(
    engine: Engine, script: Script, sqlite_url: str
) -> None:
    script.ends = [SENT, LookupError("nobody foresaw this")]

    with pytest.raises(LookupError, match=r"^nobody foresaw this$"):
        run(engine)

    assert script.said == ["open", A, "data", B, "data", "close"]
    rows = look(sqlite_url, "SELECT state, token IS NULL AS is_free FROM outbox ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("sent", 1), ("sending", 0), ("pending", 1)]


@pytest.mark.parametrize("batch", [1, 2, 3, 200])
def test_letters_whose_worker_disappeared_are_all_in_doubt_and_told_to_their_cases(
    engine: Engine, script: Script, sqlite_url: str, clock: SetClock, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "BATCH", batch)
    script.ends = [LookupError("killed")] * 3
    with pytest.raises(LookupError):
        run(engine, 3)
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET state = 'sending', lease_until = (SELECT max(lease_until) FROM outbox)")
    clock.moment += timedelta(minutes=15)

    assert run(engine) == Delivered(unknown=3)

    with engine.database.reading() as store:
        told = [row["kind"] for row in look(sqlite_url, "SELECT kind FROM events WHERE kind <> 'opened'")]
        assert store.last_event_at() == clock.now()
    assert told == ["letter_unknown"] * 3
    reasons = {row["reason"] for row in look(sqlite_url, "SELECT reason FROM outbox")}
    assert reasons == {"data: the worker that was sending it disappeared"}


def test_a_pass_that_is_stopped_while_a_connection_opens_takes_no_letter(
    engine: Engine, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Scripted):
        async def open(self) -> Reply | None:
            worker.stop()
            return await super().open()

    monkeypatch.setattr(delivering, "Connection", lambda server: Slow(script, server))
    worker = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER, connections=1)

    assert worker.run_once() == Delivered(pending=3)

    assert script.said == ["open", "close"]


def test_a_connection_that_was_opened_anew_when_the_pass_was_stopped_takes_no_letter(
    engine: Engine, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(Scripted):
        async def open(self) -> Reply | None:
            if script.said.count("open"):
                worker.stop()
            return await super().open()

    monkeypatch.setattr(delivering, "Connection", lambda server: Slow(script, server))
    worker = Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, SERVER, connections=1)
    script.offers, script.drops = [LATER], True

    assert worker.run_once() == Delivered(retried=1, pending=3)

    assert script.said == ["open", A, "open", "close"]


class Late(Scripted):
    """Of several connections, each but the first is open only when all letters have left."""

    def __init__(self, script: Script, server: Server) -> None:
        super().__init__(script, server)
        self._is_late = script.made > 1

    async def open(self) -> Reply | None:
        while self._is_late and len(self._script.bytes) < 3:
            await asyncio.sleep(0)
        return await super().open()


def test_a_connection_that_opens_when_others_took_the_last_letter_waits_for_none(
    engine: Engine, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "Connection", lambda server: Late(script, server))
    done: list[Delivered] = []
    worker = Thread(target=lambda: done.append(run(engine, connections=3)), daemon=True)

    worker.start()
    worker.join(20)

    assert done == [Delivered(sent=3)]
