"""Many writers on different cases never wait for each other's locks, and workers share what is due without overlap."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from looking import look

from tests.benchmarks.databases import Server
from tests.benchmarks.hands import WARMING_UP, deliver, move, remind, together
from tests.benchmarks.moves import engine_on, open_cases, references_of
from tests.benchmarks.sink import KINDS, running

MOVES, SHARED = 25, 60
"""Cases that each writer moves, and cases of which workers share the letters: three each, of which two by one move."""
LOOK = 0.002
"""Seconds between two looks at who waits for a lock: a wait for a commit takes longer."""
pytestmark = pytest.mark.slow


@pytest.fixture
def place(postgres_server: str) -> Server:
    return Server(postgres_server.format(name="postgres"))


def registered(place: Server, cases: int) -> str:
    """A database with cases that have letters waiting."""
    url = open_cases(place, cases)
    engine = engine_on(url)
    for reference in references_of(engine):
        engine.advance(reference, "register")
    engine.database.dispose()
    return url


@pytest.mark.parametrize("writers", [4, 8])
def test_writers_of_different_cases_do_not_wait_for_each_others_locks(place: Server, writers: int) -> None:
    url = open_cases(place, (MOVES + WARMING_UP) * writers)
    engine = engine_on(url)
    references = references_of(engine)
    engine.database.dispose()

    acts = [partial(move, references[number::writers]) for number in range(writers)]
    done = together(url, acts, look_every=LOOK)

    assert len(done.took) == MOVES * writers
    assert done.waits == []


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_that_share_letters_and_reminders_do_not_wait_for_locks_even_of_one_case(
    place: Server, workers: int
) -> None:
    url = registered(place, SHARED)

    with running(next(iter(KINDS))) as port:
        sent = together(url, [partial(deliver, port)] * workers, look_every=LOOK)
        reminded = together(url, [partial(remind, port)] * workers, look_every=LOOK)

    assert len(sent.took) == 3 * SHARED
    assert len(reminded.took) > SHARED
    assert (sent.waits, reminded.waits) == ([], [])


def test_two_workers_share_letters_and_reminders_and_do_none_twice(place: Server) -> None:
    url = registered(place, MOVES)

    with running(next(iter(KINDS))) as port:
        sent = together(url, [partial(deliver, port)] * 2)
        reminded = together(url, [partial(remind, port)] * 2)

    kinds = look(url, "SELECT case_id, kind, canonical FROM events WHERE kind IN ('reminded', 'escalated')")
    attempts = look(url, "SELECT outbox_id FROM outbox_attempts WHERE outcome = 'sent'")
    rungs = Counter((row["case_id"], bytes(row["canonical"]).partition(b'"rung":')[2][:20]) for row in kinds)
    assert len(sent.took) == len(attempts) == len({row["outbox_id"] for row in attempts})
    assert len(reminded.took) == len(kinds) > 0
    assert max(rungs.values()) == 1
