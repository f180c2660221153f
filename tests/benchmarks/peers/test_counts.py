"""A peer that wrote less than it claims is found out; the rows here are made by hand, so that no peer is needed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.benchmarks.peers import story
from tests.benchmarks.peers.claims import PEERS
from tests.benchmarks.peers.counts import check

ORM = next(peer for peer in PEERS if peer.module == "transitions_orm")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """One case that was opened and moved."""
    path = tmp_path / "peer.db"
    first = story.opening("K-1")
    second = story.registering("K-1", 2, first.hash)
    with closing(sqlite3.connect(path)) as made:
        made.executescript(
            "CREATE TABLE cases (id, state, version, head, due_at);"
            "CREATE TABLE events (case_id, seq, kind, canonical, prev_hash, hash);"
            "CREATE TABLE timers (case_id, due_at);"
            "CREATE TABLE outbox (case_id, state, context);"
        )
        made.execute("INSERT INTO cases VALUES (1, 'registered', 2, ?, 'then')", (second.hash,))
        made.executemany("INSERT INTO events VALUES (1, ?, ?, ?, ?, ?)", [(1, "opened", *first), (2, "moved", *second)])
        made.execute("INSERT INTO timers VALUES (1, 'then')")
        for letter in story.letters("K-1"):
            made.execute("INSERT INTO outbox VALUES (1, 'pending', ?)", (letter.context,))
        made.commit()
    return path


def test_all_five_writes_pass(path: Path) -> None:
    check(ORM, f"sqlite:///{path}", 1)


@pytest.mark.parametrize(
    "spoiling",
    [
        "UPDATE cases SET version = 1",
        "DELETE FROM events WHERE seq = 2",
        "UPDATE events SET canonical = CAST(canonical || ' ' AS blob) WHERE seq = 2",
        "UPDATE events SET prev_hash = '0' WHERE seq = 2",
        "UPDATE cases SET head = '0'",
        "INSERT INTO timers VALUES (1, 'before')",
        "UPDATE timers SET due_at = 'before'",
        "DELETE FROM outbox WHERE rowid = 1",
    ],
)
def test_a_write_that_is_missing_or_wrong_is_found(path: Path, spoiling: str) -> None:
    with closing(sqlite3.connect(path)) as spoilt:
        spoilt.execute(spoiling)
        spoilt.commit()

    with pytest.raises(AssertionError, match=r"transitions \+ ORM"):
        check(ORM, f"sqlite:///{path}", 1)
