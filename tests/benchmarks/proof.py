"""Verifying a ledger, against a bare loop that reads the stored bytes and hashes them; and the memory it takes."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from states import EMPLOYER_COUPLING
from tests.benchmarks import employers
from tests.benchmarks.databases import Files, Place
from tests.benchmarks.memory import peak
from tests.benchmarks.moves import ORIGIN, engine_on
from tests.benchmarks.rounds import Line, cost, line, rate, take_turns
from workflow import Database, Engine, commands, open_database
from workflow.ledger.audit import verify_database, verify_integrity
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Report
from workflow.storage.evidence import CHUNK, Evidence
from workflow.storage.store import Store
from workflow.work import Work

AIM, RATE, FLAT = "≤ 3", 8_000, "≤ 1.1"
IN_TABLE, IN_CASE = "", " ORDER BY case_id, seq"
EVENTS = 4
"""Events of each case: opened, registered, a note, and back for a reason."""


def run(place: Place, *, rounds: int = 10, events: int = 100_000) -> list[Line]:
    """Everything by its bytes, and the whole verification, of so many events in one database."""
    with tempfile.TemporaryDirectory() as folder:
        signer = _signer(Path(folder))
        url = _ledger(place, events // EVENTS, signer)
        database = open_database(url)
        bare, ordered, ours, whole = "bare loop", "bare loop, case by case", "bytes, chains, tree", "whole verification"
        samples = take_turns(
            {
                bare: lambda: _hash_all(database, IN_TABLE),
                ordered: lambda: _hash_all(database, IN_CASE),
                ours: lambda: _verify_bytes(database, signer),
                whole: lambda: _verify(database, signer),
            },
            rounds,
        )
        database.dispose()
        paces = [1 / seconds / RATE for seconds in samples[whole]]
        lines = [
            cost(samples, ours, bare, aim=AIM),
            cost(samples, ours, ordered, aim=AIM),
            line(whole, f"{RATE:,} events a second", paces, aim="≥ 1", remark=rate(samples, whole)),
        ]
        if isinstance(place, Files):
            lines.append(_memory(place, url, signer, events))
        return lines


def short_cases(place: Place, cases: int) -> str:
    """The URL of a database with so many cases of four events each, none of which has a leaf."""
    url = place.create()
    engine = engine_on(url)
    for result in engine.import_rows(employers.rows(0, cases), advance=True):
        assert result.state == "registered", result
    for first in range(1, cases + 1, 500):
        _return(engine, range(first, min(first + 500, cases + 1)))
    engine.database.dispose()
    return url


def _ledger(place: Place, cases: int, signer: Signer) -> str:
    """The URL of a database with a sequenced and signed ledger."""
    url = short_cases(place, cases)
    engine = engine_on(url)
    run_once(engine.database, signer, engine.clock.now() + timedelta(minutes=1))
    engine.database.dispose()
    return url


def _return(engine: Engine, case_ids: range) -> None:
    with engine.database.writing() as store:
        works = [
            Work(engine.rules, ORIGIN, engine.clock.now(), case_id, case)
            for case_id, case in store.cases_by_id(case_ids)
        ]
        for work in works:
            commands.note(work, "gebeld")
            commands.advance(work, "return_to_applicant", facts={}, reason="op verzoek")
        store.write(works)


def _hash_all(database: Database, order: str) -> int:
    """Read the bytes of every event and hash them, nothing else."""
    count = 0
    with database.reading() as store:
        for rows in _pages(store, f"SELECT canonical FROM events{order}"):
            for (canonical,) in rows:
                hashlib.sha256(canonical).digest()
            count += len(rows)
    return count


def _pages(store: Store, sql: str) -> Iterator[Sequence[tuple[bytes]]]:
    if store.is_sqlite:
        cursor = store.execute(sql)
        while rows := cursor.fetchmany(CHUNK):
            yield rows
        return
    store.execute(f"DECLARE bare NO SCROLL CURSOR FOR {sql}")
    while rows := store.execute(f"FETCH {CHUNK} FROM bare").fetchall():
        yield rows


def _verify_bytes(database: Database, signer: Signer) -> int:
    report = Report()
    with database.reading() as store:
        verify_integrity(Evidence(store), report, signer.key, (), lambda: None)
    assert report.ok, report.findings[:3]
    return report.leaves


def _verify(database: Database, signer: Signer) -> int:
    report = verify_database(database, EMPLOYER_COUPLING, signer.key)
    assert report.ok, report.findings[:3]
    return report.events


def _memory(place: Place, url: str, signer: Signer, events: int) -> Line:
    """How much higher the memory of a process of its own peaks with all events than with a tenth of them."""
    few = _peak(_ledger(place, events // EVENTS // 10, signer), signer)
    many = _peak(url, signer)
    remark = f"{many / 1024:.0f} MB : {few / 1024:.0f} MB"
    return line(f"peak memory, {events:,} events", f"{events // 10:,}", [many / few], aim=FLAT, remark=remark)


def _peak(url: str, signer: Signer) -> int:
    command = [sys.executable, "-P", "-m", "tests.benchmarks.proof", url, str(signer.key)]
    return int(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _signer(folder: Path) -> Signer:
    make_key(folder / "key", "schakel/bench")
    return read_signer(folder / "key")


if __name__ == "__main__":
    from workflow.ledger.verify import read_key

    assert verify_database(open_database(sys.argv[1]), EMPLOYER_COUPLING, read_key(sys.argv[2])).ok
    sys.stdout.write(json.dumps(peak()))
