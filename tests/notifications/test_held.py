"""What somebody else holds keeps a worker from that alone: a row, a claim, the turn to merge (PostgreSQL)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
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
LETTERS_OF_HELD = 6
"""How many letters a case has that was brought to keylane_configuring."""
LEAVING = "SELECT case_id FROM outbox WHERE state = 'sending'"


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


@pytest.mark.parametrize("connections", [1, 2, 4, 10])
def test_the_letters_of_a_case_that_somebody_holds_wait_for_the_next_pass_and_no_connection_with_them(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection, connections: int
) -> None:
    """However many they are: a worker that waited for each on a connection of its own would stand still."""
    held = bring(engine, "keylane_configuring")
    cases = [bring(engine, "rights_pending") for _ in range(CASES)]
    somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [held])

    with Sink() as sink:
        first = delivery(engine, sink, connections=connections).run_once()
        there, offered = states(postgres_url), sink.steps - len(sink.letters)
        somebody.commit()
        second = delivery(engine, sink, connections=connections).run_once()

    rounds = 2  # once more after the others were sent
    assert offered <= CASES + rounds * min(connections, LETTERS_OF_HELD), "one letter tells that its case is held"
    assert (first.sent, first.pending) == (CASES, LETTERS_OF_HELD)
    assert there == {"sent": CASES, "pending": LETTERS_OF_HELD}
    assert (second.sent, second.pending) == (LETTERS_OF_HELD, 0)
    assert len(sink.letters) == CASES + LETTERS_OF_HELD
    assert all(engine.replay(case).matches_stored for case in [held, *cases])


def test_what_was_put_aside_is_sent_in_the_same_pass_when_its_case_is_free_after_the_others(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    held = bring(engine, "keylane_configuring")
    for _ in range(CASES):
        bring(engine, "rights_pending")

    class Freeing(Sink):
        async def handle_DATA(self, *words: Any) -> str:
            if len(self.letters) == CASES // 2:
                somebody.commit()
            return await super().handle_DATA(*words)

    with Freeing() as sink:
        somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [held])
        done = delivery(engine, sink).run_once()

    assert (done.sent, done.pending) == (CASES + LETTERS_OF_HELD, 0)
    assert set(sink.copies().values()) == {1}


@pytest.mark.parametrize("refused", ["the letter", "its words"])
def test_a_letter_of_a_held_case_that_cannot_leave_is_put_aside_too(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection, refused: str
) -> None:
    """Why it cannot is an event of its case; nothing left, so nothing is lost when it is tried again."""
    held, free = (bring(engine, "rights_pending") for _ in range(2))
    if refused == "its words":
        with engine.database.writing() as store:
            store.execute("UPDATE outbox SET context = '{}'")
    somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [held])

    addresses = [row["recipient"] for row in look(postgres_url, "SELECT recipient FROM outbox")]

    with Sink(dict.fromkeys(addresses, "550 nee")) as sink:
        first = delivery(engine, sink).run_once()
        there = states(postgres_url)
        somebody.commit()
        second = delivery(engine, sink).run_once()

    assert (first.failed, first.pending, there) == (1, 1, {"failed": 1, "pending": 1})
    assert (second.failed, second.pending) == (1, 0)
    assert all(engine.replay(case).matches_stored for case in (held, free))


def test_a_letter_about_several_cases_is_put_aside_when_somebody_holds_one_of_them(
    engine: Engine, clock: SetClock, somebody: psycopg.Connection
) -> None:
    _, held = (engine.open_case(employer("loket_user", "registration"), letters=False).case.reference for _ in range(2))
    clock.moment += FIVE_DAYS
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [held])

    with Sink() as sink:
        first = delivery(engine, sink).run_once()
        somebody.commit()
        second = delivery(engine, sink).run_once()

    assert (first.merged, first.sent, first.pending) == (2, 0, 1)
    assert (second.sent, second.pending, len(sink.letters)) == (1, 0, 1)


def test_a_letter_whose_worker_disappeared_is_settled_when_nobody_holds_its_case(
    engine: Engine, clock: SetClock, postgres_url: str, somebody: psycopg.Connection
) -> None:
    held, _ = (bring(engine, "rights_pending") for _ in range(2))
    with engine.database.writing() as store:
        lease = clock.moment + timedelta(minutes=1)
        for row in letters.claim(store, now=clock.moment, lease_until=lease, token="gone", limit=2):
            assert letters.beginning(store, row, lease_until=lease)()
    clock.moment += timedelta(minutes=1)
    somebody.execute("SELECT 1 FROM cases WHERE reference = %s FOR UPDATE", [held])

    with Sink() as sink:
        first = delivery(engine, sink).run_once()
        there = states(postgres_url)
        somebody.commit()
        second = delivery(engine, sink).run_once()

    assert (first.unknown, there) == (1, {"sending": 1, "unknown": 1})
    assert (second.unknown, states(postgres_url)) == (1, {"unknown": 2})
    assert sink.letters == []


def test_a_case_that_is_taken_while_its_letter_leaves_keeps_only_that_connection_waiting(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    cases = [bring(engine, "rights_pending") for _ in range(CASES)]

    class Eager(Sink):
        async def handle_DATA(self, *words: Any) -> str:
            if not self.letters:
                somebody.execute(f"SELECT 1 FROM cases WHERE id IN ({LEAVING}) LIMIT 1 FOR UPDATE")
            return await super().handle_DATA(*words)

    with Eager() as sink, ThreadPoolExecutor(1) as thread:
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
