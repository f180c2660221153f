"""Many writers on different cases never wait for each other's locks, and workers share what is due without overlap."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from looking import look

from tests.benchmarks.databases import Server
from tests.benchmarks.hands import deliver, move, remind, together
from tests.benchmarks.moves import engine_on, open_cases, references_of
from tests.benchmarks.sink import KINDS, running

MOVES, WRITERS = 25, 4
pytestmark = pytest.mark.slow


@pytest.fixture
def place(postgres_server: str) -> Server:
    return Server(postgres_server.format(name="postgres"))


def test_writers_of_different_cases_do_not_wait_for_each_others_locks(place: Server) -> None:
    url = open_cases(place, MOVES * WRITERS)
    engine = engine_on(url)
    references = references_of(engine)
    engine.database.dispose()

    done = together(url, [partial(move, references[number::WRITERS]) for number in range(WRITERS)])

    assert len(done.took) == MOVES * WRITERS
    assert done.waits == []


def test_two_workers_share_letters_and_reminders_and_do_none_twice(place: Server) -> None:
    url = open_cases(place, MOVES)
    engine = engine_on(url)
    for reference in references_of(engine):
        engine.advance(reference, "register")
    engine.database.dispose()

    with running(next(iter(KINDS))) as port:
        sent = together(url, [partial(deliver, port)] * 2)
        reminded = together(url, [partial(remind, port)] * 2)

    kinds = look(url, "SELECT case_id, kind, canonical FROM events WHERE kind IN ('reminded', 'escalated')")
    attempts = look(url, "SELECT outbox_id FROM outbox_attempts WHERE outcome = 'sent'")
    rungs = Counter((row["case_id"], bytes(row["canonical"]).partition(b'"rung":')[2][:20]) for row in kinds)
    assert len(sent.took) == len(attempts) == len({row["outbox_id"] for row in attempts})
    assert len(reminded.took) == len(kinds) > 0
    assert max(rungs.values()) == 1
