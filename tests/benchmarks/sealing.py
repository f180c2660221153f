"""Events made leaves of the ledger's tree, and histories replayed, against bare loops over the same rows by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from typing import Any, Protocol, TypeVar

import psycopg

from tests.benchmarks.byhand import to_psycopg
from tests.benchmarks.databases import Place, sqlite_path
from tests.benchmarks.moves import MOVED, ORIGIN, engine_on, references_of
from tests.benchmarks.proof import EVENTS, short_cases
from tests.benchmarks.rounds import Contestant, Line, speed, take_turns
from tests.benchmarks.sameness import rows_of
from workflow import Engine, commands
from workflow.encoding import compact_json
from workflow.ledger import sequencer
from workflow.storage.sqlite_file import PRAGMAS
from workflow.work import Work

T = TypeVar("T")
_WAITING = "SELECT id, case_id, seq, hash FROM events ORDER BY id"
_LEAF = "INSERT INTO leaves (id, case_id, seq, hash) VALUES (:id, :case_id, :seq, :hash)"
_PROGRESS = "UPDATE sequencer SET size = :size, last_event = :last_event, peaks = :peaks WHERE id = 1"
_HISTORY = (
    "SELECT e.canonical FROM events AS e JOIN cases AS c ON c.id = e.case_id "
    "WHERE c.reference = :reference ORDER BY e.seq"
)
_WRITTEN = ("SELECT * FROM leaves ORDER BY id", "SELECT * FROM sequencer")
"""What both must have written."""


class Hand(Protocol):
    """A connection to do either by hand with."""

    def sequence(self) -> int:
        """Append a leaf for every event, in one transaction; how many."""

    def history(self, reference: str) -> list[Any]:
        """What the bytes of each event of a case say."""

    def close(self) -> None:
        """Close the connection."""


class Sqlite:
    """sqlite3 with the pragmas that Schakel sets."""

    def __init__(self, url: str) -> None:
        self._connection = sqlite3.connect(sqlite_path(url), isolation_level=None)
        for name, (value, _) in PRAGMAS.items():
            self._connection.execute(f"PRAGMA {name}={value}")

    def sequence(self) -> int:
        """Append a leaf for every event, in one transaction; how many."""
        self._connection.execute("BEGIN IMMEDIATE")
        leaves, progress = _grow(self._connection.execute(_WAITING).fetchall())
        self._connection.executemany(_LEAF, leaves)
        self._connection.execute(_PROGRESS, progress)
        self._connection.execute("COMMIT")
        return len(leaves)

    def history(self, reference: str) -> list[Any]:
        """What the bytes of each event of a case say."""
        return [json.loads(row[0]) for row in self._connection.execute(_HISTORY, {"reference": reference})]

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Server:
    """psycopg, whose `executemany` is one pipeline."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, options="-c TimeZone=UTC")
        self._history = to_psycopg(_HISTORY)

    def sequence(self) -> int:
        """Append a leaf for every event, in one transaction; how many."""
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.execute("SELECT size FROM sequencer WHERE id = 1 FOR UPDATE")
            leaves, progress = _grow(cursor.execute(_WAITING).fetchall())
            cursor.executemany(to_psycopg(_LEAF), leaves)
            cursor.execute(to_psycopg(_PROGRESS), progress)
        return len(leaves)

    def history(self, reference: str) -> list[Any]:
        """What the bytes of each event of a case say."""
        found = self._connection.execute(self._history, {"reference": reference}).fetchall()
        return [json.loads(row[0]) for row in found]

    def close(self) -> None:
        """Close the connection."""
        with suppress(psycopg.Error):
            self._connection.close()


HANDS: Mapping[str, Callable[[str], Hand]] = {"SQLite": Sqlite, "PostgreSQL": Server}


def run(
    place: Place, *, rounds: int = 15, events: int = 8_000, long: int = 1_000, short: int = 200, times: int = 7
) -> list[Line]:
    """`events` sequenced, `times` at most; a case of `long` events replayed, and `short` cases of four."""
    return [
        _sequencing(place, events, min(rounds, times)),
        *_replaying(place, rounds, long, short),
    ]


def _sequencing(place: Place, events: int, rounds: int) -> Line:
    """Every turn has a copy of its own in which no event has a leaf."""
    template = short_cases(place, events // EVENTS)
    copies = [(place.copy(template), place.copy(template)) for _ in range(rounds + 1)]
    engines = [engine_on(ours) for ours, _ in copies]
    hands = [HANDS[place.name](theirs) for _, theirs in copies]
    samples = take_turns(
        {"engine": _each(engines, _sequence), "by hand": _each(hands, lambda hand: hand.sequence())}, rounds
    )
    for engine in engines:
        engine.database.dispose()
    for hand in hands:
        hand.close()
    for sql in _WRITTEN:
        assert rows_of(copies[0][0], sql) == rows_of(copies[0][1], sql), f"by hand differs: {sql}"
    return speed(samples, "engine", "by hand", what=f"leaves sequenced, {events:,} events")


def _sequence(engine: Engine) -> int:
    return sequencer.run_once(engine.database, None, MOVED + timedelta(minutes=1)).leaves


def _each(items: Sequence[T], act: Callable[[T], int]) -> Contestant:
    following = iter(items)
    return lambda: act(next(following))


def _grow(rows: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The leaves that the events become, and the sequencer's row after them (RFC 9162, 2.1.1)."""
    leaves: list[dict[str, Any]] = []
    peaks: list[bytes] = []
    for size, (_, case_id, seq, digest) in enumerate(rows):
        leaves.append({"id": size, "case_id": case_id, "seq": seq, "hash": digest})
        node, at = sha256(b"\x00" + bytes.fromhex(digest)).digest(), size
        while at & 1:
            node, at = sha256(b"\x01" + peaks.pop() + node).digest(), at >> 1
        peaks.append(node)
    told = compact_json([peak.hex() for peak in peaks])
    return leaves, {"size": len(leaves), "last_event": rows[-1][0], "peaks": told}


def _replaying(place: Place, rounds: int, long: int, short: int) -> Iterator[Line]:
    url = short_cases(place, short)
    engine = engine_on(url)
    *few, many = references_of(engine)
    _live_long(engine, short, long)
    hand = HANDS[place.name](url)
    assert len(hand.history(many)) == len(engine.replay(many).steps) == long, many
    for what, references in (
        (f"replay, a case of {long:,} events", [many]),
        (f"replay, {len(few)} cases of four", few),
    ):
        samples = take_turns(
            {
                "engine": _over(references, lambda one: len(_replay(engine, one))),
                "by hand": _over(references, lambda one: len(hand.history(one))),
            },
            rounds,
        )
        yield speed(samples, "engine", "by hand", what=what)
    engine.database.dispose()
    hand.close()


def _replay(engine: Engine, reference: str) -> Sequence[object]:
    replayed = engine.replay(reference)
    assert replayed.matches_stored, reference
    return replayed.steps


def _over(references: Sequence[str], act: Callable[[str], int]) -> Contestant:
    return lambda: sum(act(reference) for reference in references)


def _live_long(engine: Engine, case_id: int, events: int) -> None:
    """A case goes on until it has so many events: notes, corrections, and moves to and fro."""
    with engine.database.writing() as store:
        ((_, case),) = store.cases_by_id([case_id])
        work = Work(engine.rules, ORIGIN, engine.clock.now(), case_id, case)
        while work.case.seq < events:
            _live_on(work)
        store.write([work])


def _live_on(work: Work) -> None:
    match work.case.seq % 4:
        case 0:
            commands.record(work, {"registration": {"contact_name": f"C. Verzonnen {work.case.seq}"}}, letters=False)
        case 2 if work.case.state == "rights_pending":
            commands.advance(work, "register", facts={}, letters=False)
        case 2:
            commands.advance(work, "return_to_applicant", facts={}, reason="Nog eens.", letters=False)
        case _:
            commands.note(work, "Gebeld: komt eraan.")
