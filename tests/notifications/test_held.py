"""What somebody else holds keeps a worker from that alone: a row, a claim, the turn to merge (PostgreSQL)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote

import psycopg
import pytest
from employers import bring, employer
from looking import look
from sink import Sink, delivery, eventually

from workflow import Database, Engine, Origin, open_database, reminders
from workflow.clock import SetClock
from workflow.storage import letters

IMPATIENT = quote("-c lock_timeout=5s")
"""So that whoever waits for a lock says so, where it would hang."""
FIVE_DAYS = timedelta(days=8, minutes=1)
"""Five working days after START, one minute past the hour of reminders."""
WORKER = Origin("worker", "test", "worker")
CASES = 20


@pytest.fixture
def held_url(postgres_url: str) -> str:
    return f"{postgres_url}&options={IMPATIENT}"


@pytest.fixture
def engine(held_url: str, make_engine: Callable[[Database], Engine]) -> Iterator[Engine]:
    database = open_database(held_url)
    yield make_engine(database)
    database.dispose()


@pytest.fixture
def somebody(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A session that holds what its transaction touches until it commits: as somebody who was stopped."""
    with psycopg.connect(postgres_url) as connection:
        yield connection


def states(url: str) -> dict[str, int]:
    return dict(Counter(row["state"] for row in look(url, "SELECT state FROM outbox")))


def test_a_case_that_somebody_holds_keeps_only_the_connection_of_its_letter_waiting(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    cases = [bring(engine, "rights_pending") for _ in range(CASES)]
    somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [cases[3]])

    with Sink() as sink, ThreadPoolExecutor(1) as thread:
        done = thread.submit(delivery(engine, sink).run_once)
        went_on = eventually(lambda: states(postgres_url).get("sent", 0) >= CASES - 2, 4)  # it has taken the next one
        somebody.commit()
        sent = done.result().sent

    assert went_on
    assert sent == CASES
    assert states(postgres_url) == {"sent": CASES}
    assert len(sink.letters) == CASES
    assert all(engine.replay(case).matches_stored for case in cases)


def test_whoever_has_the_turn_to_merge_keeps_no_other_worker_from_sending(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    bring(engine, "rights_pending")
    somebody.execute("SELECT pg_advisory_xact_lock(5230418)")

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert done.sent == 1
    assert states(postgres_url) == {"sent": 1}


def test_new_reminders_wait_for_the_next_pass_when_another_worker_has_the_turn_to_merge(
    engine: Engine, clock: SetClock, somebody: psycopg.Connection
) -> None:
    for _ in range(2):
        engine.open_case(employer("loket_user", "registration"), letters=False)
    clock.moment += FIVE_DAYS
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    somebody.execute("SELECT pg_advisory_xact_lock(5230418)")

    with Sink() as sink:
        first = delivery(engine, sink).run_once()
        somebody.commit()
        second = delivery(engine, sink).run_once()

    assert (first.merged, first.sent, first.pending) == (0, 0, 2)
    assert (second.merged, second.sent, second.pending) == (2, 1, 0)


def test_a_letter_that_somebody_holds_keeps_no_other_from_being_taken_back(
    engine: Engine, clock: SetClock, postgres_url: str, somebody: psycopg.Connection
) -> None:
    for _ in range(CASES):
        bring(engine, "rights_pending")
    with engine.database.writing() as store:
        letters.claim(store, now=clock.moment, lease_until=clock.moment, token="stopped", limit=CASES)
    somebody.execute("SELECT 1 FROM outbox ORDER BY id LIMIT 1 FOR UPDATE")

    with Sink() as sink:
        first = delivery(engine, sink).run_once()
        somebody.commit()
        second = delivery(engine, sink).run_once()

    assert (first.sent, second.sent) == (CASES - 1, 1)


def test_a_reminder_that_another_worker_takes_while_it_is_merged_is_told_once(
    engine: Engine, clock: SetClock, held_url: str
) -> None:
    for _ in range(3):
        engine.open_case(employer("loket_user", "registration"), letters=False)
    clock.moment += FIVE_DAYS
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    other = open_database(held_url)
    taken: list[int] = []

    def take(sql: str) -> None:
        if sql.startswith("INSERT INTO outbox") and not taken:
            with other.writing() as store:
                lease = clock.moment + timedelta(minutes=5)
                found = letters.claim(store, now=clock.moment, lease_until=lease, token="other", limit=1)
            taken.extend([row.id for row in found] or [0])

    engine.database.failpoint = take
    with Sink() as sink:
        delivery(engine, sink).run_once()
        engine.database.failpoint = None
        with other.writing() as store:
            letters.release(store, "other")
        delivery(engine, sink).run_once()
    other.dispose()

    assert taken
    assert (len(sink.letters), states(held_url)) == (1, {"merged": 3, "sent": 1})
