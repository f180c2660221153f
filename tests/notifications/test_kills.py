"""A worker that is killed at random, again and again, loses no letter and repeats none by itself."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from employers import LONG, bring
from looking import look
from sink import Sink, delivery

from workflow import Database, Engine, open_database
from workflow.clock import SetClock

ROOT = Path(__file__).parents[2]
KILLS, LETTERS, CONNECTIONS = 10 * LONG, min(100 * LONG, 500), 4
LEASES = timedelta(hours=1)
"""After which those of the worker before have ended."""
CHILD = """
import sys
from datetime import datetime
from notifications.delivery import Delivery
from notifications.desk import Desk
from notifications.smtp_url import Server
from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock
url, port, now, connections = sys.argv[1:]
engine = Engine(open_database(url), EMPLOYER_COUPLING, clock=SetClock(datetime.fromisoformat(now)))
server = Server("127.0.0.1", int(port), "none", hello_name="tests.example.org")
desk = Desk(sender="schakel@example.org")
origin = Origin("worker", "test", "worker")
worker = Delivery(engine.database, engine.rules, engine.clock, origin, desk, server, connections=int(connections))
while True:
    worker.run_once()
"""


class Killed(NamedTuple):
    """What a kill found: connections that were open, and letters that had left or were about to."""

    connections: int
    sending: int


def test_a_worker_that_is_killed_again_and_again_loses_no_letter_and_repeats_none(
    url: str, make_engine: Callable[[Database], Engine], clock: SetClock
) -> None:
    database = open_database(url)
    engine = make_engine(database)
    cases = [bring(engine, "rights_pending") for _ in range(LETTERS)]
    chance = random.Random(url.startswith("sqlite"))
    kills: list[Killed] = []

    with Sink() as sink:
        while len(kills) < KILLS and unfinished(url):
            clock.moment += LEASES
            steps = chance.randint(1, max(2, LETTERS // KILLS))
            if killed := kill_after(sink, steps, chance.uniform(0, 0.004), url, clock.moment):
                kills.append(killed)
        clock.moment += LEASES
        delivery(engine, sink).run_once()

    rows = look(url, "SELECT message_id, state FROM outbox")
    states = Counter(row["state"] for row in rows)
    sent = {row["message_id"] for row in rows if row["state"] == "sent"}
    assert len(kills) >= 0.9 * KILLS
    assert (len(rows), set(states) - {"sent", "unknown"}) == (LETTERS, set()), "lost"
    assert max(sink.copies().values()) == 1, "sent twice"
    assert sent <= set(sink.copies()), "said to be sent, but it never came"
    assert [killed for killed in kills if killed.sending > killed.connections] == []
    assert states["unknown"] <= sum(killed.connections for killed in kills)
    assert {tuple(str(step.event.kind) for step in engine.history(case)) for case in cases} <= {
        ("opened", "letter_sent"),
        ("opened", "letter_unknown"),
    }
    assert all(engine.replay(case).matches_stored for case in cases)
    database.dispose()


def unfinished(url: str) -> bool:
    return bool(look(url, "SELECT id FROM outbox WHERE state IN ('pending', 'claimed', 'sending') LIMIT 1"))


def kill_after(sink: Sink, steps: int, seconds: float, url: str, now: datetime) -> Killed | None:
    """Let a worker go until the sink has seen so many more steps, and a moment longer, then kill it; None: too late."""
    target = sink.steps + steps
    command = [sys.executable, "-c", CHILD, url, str(sink.port), now.isoformat(), str(CONNECTIONS)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as worker:
        sink.wait_for(lambda: sink.steps >= target or worker.poll() is not None or not unfinished(url))
        threading.Event().wait(seconds)
        worker.send_signal(signal.SIGSTOP)  # it is dead from here on, but its connections can still be counted
        connections = sink.connections
        worker.kill()
        _, said = worker.communicate()
    assert worker.returncode == -signal.SIGKILL, said.decode()
    sending = look(url, "SELECT id FROM outbox WHERE state = 'sending'")
    return Killed(connections, len(sending)) if unfinished(url) else None
