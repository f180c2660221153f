"""What somebody else holds keeps a worker from that alone: a row, a claim, the turn to merge (PostgreSQL)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from employers import bring, employer
from looking import WAITS, look
from sink import Sink, delivery, eventually

from workflow import Database, Engine, Origin, open_database, reminders
from workflow.answers import Row
from workflow.clock import SetClock
from workflow.finding import find_case
from workflow.ledger import sequencer
from workflow.storage import letters
from workflow.storage.lookups import find_external
from workflow.storage.store import Store

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


HELD_BY = {
    "who decides": "SELECT 1 FROM cases WHERE reference = %s FOR NO KEY UPDATE",
    "who writes": "UPDATE cases SET state = state WHERE reference = %s",
    "who does what no statement of ours does": "SELECT 1 FROM cases WHERE reference = %s FOR UPDATE",
}


@pytest.mark.parametrize("connections", [1, 2, 4, 10])
@pytest.mark.parametrize("holder", HELD_BY)
def test_the_letters_of_a_case_that_somebody_holds_wait_for_the_next_pass_and_no_connection_with_them(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection, connections: int, holder: str
) -> None:
    """However many they are: a worker that waited for each on a connection of its own would stand still."""
    held = bring(engine, "keylane_configuring")
    cases = [bring(engine, "rights_pending") for _ in range(CASES)]
    somebody.execute(HELD_BY[holder], [held])

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


def test_who_puts_letters_back_waits_for_nobody_who_takes_them_out_of_its_hands(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    """A command that corrects an address holds the letters of its case one by one; waiting crosswise is a deadlock."""
    for _ in range(3):
        bring(engine, "rights_pending")
    now = engine.clock.now()
    with engine.database.writing() as store:
        letters.claim(store, now=now, lease_until=now + timedelta(minutes=5), token="hand", limit=9)
    somebody.execute("UPDATE outbox SET state = 'pending', token = NULL, lease_until = NULL WHERE id = 2")

    with engine.database.writing() as store:
        put_back = letters.release(store, "hand")
    somebody.commit()

    assert (put_back, states(postgres_url)) == (2, {"pending": 3})


@pytest.mark.parametrize(
    ("state", "letters_of_held"), [("keylane_configuring", LETTERS_OF_HELD), ("rights_pending", 1)]
)
def test_what_was_put_aside_is_sent_in_the_same_pass_when_its_case_is_free_after_the_others(
    engine: Engine, somebody: psycopg.Connection, state: str, letters_of_held: int
) -> None:
    held = bring(engine, state)
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

    assert (done.sent, done.pending) == (CASES + letters_of_held, 0)
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
    engine: Engine, clock: SetClock, somebody: psycopg.Connection
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


def test_a_letter_that_was_put_aside_leaves_before_a_later_one_that_another_worker_has(
    engine: Engine, held_url: str, somebody: psycopg.Connection, make_engine: Callable[[Database], Engine]
) -> None:
    held, *_ = [bring(engine, "rights_pending") for _ in range(6)]
    database = open_database(held_url)
    other = make_engine(database)

    class Meanwhile(Sink):
        is_free = False

        async def handle_DATA(self, *words: Any) -> str:
            if len(self.letters) == 2 and not self.is_free:  # the first of the held case was put aside by now
                self.is_free = True
                somebody.commit()
                await asyncio.to_thread(other.advance, held, "register")
                await asyncio.to_thread(delivery(other, self, connections=1).run_once)
            return await super().handle_DATA(*words)

    with Meanwhile() as sink:
        somebody.execute(HELD_BY["who decides"], [held])
        delivery(engine, sink, connections=1).run_once()
        delivery(engine, sink, connections=1).run_once()
        order = [number_of(message) for message in sink.messages() if held in str(message["Message-ID"])]
    database.dispose()

    assert order == sorted(order)
    assert states(held_url) == {"sent": 8}


def number_of(message: EmailMessage) -> int:
    """The number of a letter, as its Message-ID says it."""
    return int(str(message["Message-ID"]).split(".")[1])


def test_sealing_the_events_of_a_case_that_somebody_holds_waits_for_nobody(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection, clock: SetClock
) -> None:
    held = bring(engine, "rights_pending")
    somebody.execute(HELD_BY["who decides"], [held])

    sealed = sequencer.run_once(engine.database, None, clock.now())

    assert sealed.leaves == len(look(postgres_url, "SELECT id FROM events"))


def test_what_keeps_a_case_lets_its_events_be_sealed(
    engine: Engine, held_url: str, clock: SetClock, opening: Callable[[str], Database]
) -> None:
    case = engine.open_case(employer(), external_reference="E1").case.reference
    keeps: tuple[Callable[[Store], object], ...] = (
        lambda store: store.cases_by_id([1]),
        lambda store: find_case(store, case, lock=True),
        lambda store: find_external(store, ["E1"], lock=True),
    )

    for keep in keeps:
        engine.note(case, "gezien")
        with opening(held_url).writing() as store:
            keep(store)
            assert sequencer.run_once(engine.database, None, clock.now()).leaves > 0


def test_an_import_keeps_no_case_while_it_waits_for_another(
    engine: Engine, postgres_url: str, somebody: psycopg.Connection
) -> None:
    files = [Row(number, f"E{number}", employer()) for number in range(3)]
    for row in files:
        engine.open_case(row.facts, external_reference=row.external_reference)
    somebody.execute("SELECT 1 FROM cases WHERE external_reference = 'E2' FOR NO KEY UPDATE")

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(lambda: list(engine.import_rows(files)))
        waits = eventually(lambda: bool(look(postgres_url, WAITS)))
        engine.note("E0", "gebeld")  # fails after five seconds if it had to wait
        somebody.commit()
        results = done.result()

    assert waits
    assert [row.result for row in results] == ["unchanged"] * 3
