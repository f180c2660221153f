"""A database that fails in the middle of a pass: nothing is lost or sent twice, and the same worker goes on later."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from employers import bring
from looking import look
from sink import Sink, delivery

from workflow import Engine
from workflow.clock import SetClock
from workflow.errors import StoreError

LETTERS = 8
HOUR = timedelta(hours=1)
"""After which every lease has ended."""


def fails_from(number: int) -> tuple[list[str], object]:
    """A failpoint at which the database is gone from its `number`th statement on, and the statements it saw."""
    seen: list[str] = []

    def failpoint(sql: str) -> None:
        seen.append(sql)
        if len(seen) >= number:
            raise OSError("the database is gone")

    return seen, failpoint


@pytest.mark.parametrize("first", range(4, 44, 8))
def test_a_worker_whose_database_went_away_goes_on_when_it_is_back(
    engine: Engine, url: str, clock: SetClock, first: int
) -> None:
    cases = [bring(engine, "rights_pending") for _ in range(LETTERS)]

    with Sink() as sink:
        worker = delivery(engine, sink)
        seen, engine.database.failpoint = fails_from(first)  # type: ignore[assignment]
        with pytest.raises(StoreError, match="gone"):
            worker.run_once()
        engine.database.failpoint = None
        clock.moment += HOUR
        worker.run_once()

    rows = look(url, "SELECT message_id, state FROM outbox")
    sent = {row["message_id"] for row in rows if row["state"] == "sent"}
    assert len(seen) >= first
    assert Counter(row["state"] for row in rows) - Counter(["unknown"] * 4) == Counter(sent=len(sent))
    assert max(sink.copies().values()) == 1
    assert sent <= set(sink.copies())
    assert {str(step.event.kind) for case in cases for step in engine.history(case)[1:]} <= {
        "letter_sent",
        "letter_unknown",
    }
    assert all(engine.replay(case).matches_stored for case in cases)


def test_letters_whose_outcomes_could_not_be_recorded_together_are_recorded_one_by_one(
    engine: Engine, url: str
) -> None:
    together, broken, rounds = 0, False, 0

    def failpoint(sql: str) -> None:
        nonlocal together, broken
        together = 0 if sql.startswith("BEGIN") else together + sql.startswith("INSERT INTO outbox_attempts")
        if together == 2 and not broken:
            broken = True
            raise OSError("the database is gone")

    with Sink() as sink:
        while not broken and rounds < 20:  # how many are recorded together is a matter of time
            rounds += 1
            engine.database.failpoint = None
            for _ in range(LETTERS):
                bring(engine, "rights_pending")
            engine.database.failpoint = failpoint
            done = delivery(engine, sink).run_once()
            assert (done.sent, done.unknown) == (LETTERS, 0)

    assert broken
    assert Counter(row["state"] for row in look(url, "SELECT state FROM outbox")) == {"sent": LETTERS * rounds}
    assert max(sink.copies().values()) == 1
