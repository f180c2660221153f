"""kill -9 at every statement of a command: afterwards the case is wholly before or wholly after.

A child process runs the command and ends itself at statement 0, 1, 2, … until it gets through; what it left is then
looked at as after a restart. PostgreSQL runs its statements one by one while a failpoint is set.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from dying import Command, die_at
from employers import bring, employer
from looking import bare, count, events_of, traces

from workflow import Database, Engine, Refused, StoreError, open_database
from workflow.answers import Row

MOST_STATEMENTS = 60


def _be_refused(engine: Engine, case: str) -> None:
    with pytest.raises(Refused):
        engine.advance(case, "confirm")


COMMANDS: dict[str, Command] = {
    "advance": lambda engine, case: engine.advance(
        case, "enrich", key="k1", facts={"registration": {"contact_name": "Iemand anders"}}, accept_warnings=True
    ),
    "record": lambda engine, case: engine.record(case, {"registration": {"company_name": "Een nieuwe naam"}}),
    "refusal": _be_refused,
    "hold": lambda engine, case: engine.hold(case, engine.clock.now().date().replace(day=28), "wacht"),
    "import": lambda engine, case: list(
        engine.import_rows([Row(n, f"NEW-{n}", employer()) for n in range(3)], advance=True)
    ),
}


def whole(url: str, case: str) -> tuple[object, int, int, int]:
    return traces(url, case), len(events_of(url, case)), count(url, "cases"), count(url, "events")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_is_killed_happened_wholly_or_not_at_all(
    url: str, make_engine: Callable[[Database], Engine], name: str
) -> None:
    case = prepared(url, make_engine)
    before = whole(url, case)
    killed = 0

    while status := die_at(url, make_engine, COMMANDS[name], case, killed):
        assert os.WIFSIGNALED(status), "the child ended by itself, in an error"
        assert whole(url, case) == before, f"killed before statement {killed}"
        assert is_whole(url, make_engine, case)
        killed += 1
        assert killed < MOST_STATEMENTS

    assert killed >= 2
    assert whole(url, case) != before
    assert is_whole(url, make_engine, case)


def test_a_command_that_is_killed_after_its_commit_happened(
    url: str, make_engine: Callable[[Database], Engine]
) -> None:
    case = prepared(url, make_engine)

    def advance_and_die(engine: Engine, reference: str) -> None:
        engine.advance(reference, "enrich", key="k1")
        os.kill(os.getpid(), signal.SIGKILL)

    status = die_at(url, make_engine, advance_and_die, case, MOST_STATEMENTS)

    database = open_database(url)
    again = make_engine(database).advance(case, "enrich", key="k1")
    database.dispose()
    assert os.WIFSIGNALED(status)
    assert (again.repeated, len(events_of(url, case))) == (True, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_a_command_that_is_interrupted_at_any_statement_leaves_the_engine_usable(
    database: Database, engine: Engine, url: str, error: type[BaseException]
) -> None:
    case = bring(engine, "registered")
    before = whole(url, case)
    left = interrupted = 0

    def failpoint(_sql: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise error

    database.failpoint = failpoint
    while interrupted < MOST_STATEMENTS:
        left = interrupted
        try:
            engine.advance(case, "enrich")
        except (error, StoreError):
            assert whole(url, case) == before
            interrupted += 1
        else:
            break

    assert interrupted >= 2
    assert engine.case(case).case.state == "enriched"
    assert engine.replay(case).matches_stored


def prepared(url: str, make_engine: Callable[[Database], Engine]) -> str:
    database = open_database(url)
    case = bring(make_engine(database), "registered")
    database.dispose()
    return case


def is_whole(url: str, make_engine: Callable[[Database], Engine], case: str) -> bool:
    """Whether the database is sound and the stored case equals its history, as after a restart."""
    if url.startswith("sqlite"):
        with bare(url) as connection:
            checks: Any = connection.execute("PRAGMA integrity_check").fetchall()
            assert isinstance(connection, sqlite3.Connection)
            assert checks == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    database = open_database(url)
    matches = make_engine(database).replay(case).matches_stored
    database.dispose()
    return matches
