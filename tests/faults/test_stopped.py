"""A writer that is stopped in the middle of a transaction: others go on or are told why not, and nothing is lost."""

from __future__ import annotations

import signal
from pathlib import Path
from urllib.parse import quote

import pytest
from aftermath import LEASES, answers, check, settle
from employers import bring
from handiwork import FileClock
from hands import Hands, Nursery, hands, killed
from looking import count, look
from sink import Sink, eventually
from stopping import holders, stop_in_transaction

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.ledger.signing import Signer

SOON = quote("-c transaction_timeout=20s -c idle_in_transaction_session_timeout=20s")
"""Options of a URL, by which PostgreSQL is less patient than by default."""
LETTERS, CONNECTIONS = 200, 4
WAITING = "SELECT id FROM outbox WHERE state IN ('pending', 'claimed', 'sending')"
pytestmark = pytest.mark.slow


def told(crew: Hands, life: int) -> list[dict[str, object]]:
    """What a writer was told so far."""
    return answers(crew.told).get(f"writer-{life}", [])


def test_postgresql_ends_a_writer_that_is_stopped_in_a_transaction_and_the_others_go_on_meanwhile(
    postgres_url: str, nursery: Nursery, tmp_path: Path, signer: Signer, file_clock: FileClock
) -> None:
    url = f"{postgres_url}&options={SOON}"
    with Sink() as sink, hands(nursery, url, tmp_path) as crew:
        sleeper = crew.writer()
        assert eventually(lambda: len(told(crew, 1)) > 40)
        sessions = stop_in_transaction(sleeper, url)
        waiting = count(postgres_url, "outbox")
        crew.writer(seconds=5)
        crew.worker(sink.port)
        went_on = eventually(lambda: len(told(crew, 2)) > 20 and len(sink.letters) > waiting // 2)
        kept = holders(postgres_url) >= sessions

        database = open_database(url)
        engine = Engine(database, EMPLOYER_COUPLING, clock=file_clock)
        for case in {str(one["case"]) for one in told(crew, 1) if "case" in one}:
            engine.note(case, "er werd op gewacht")
        database.dispose()
        ended = eventually(lambda: not holders(postgres_url) & sessions)
        before = len(told(crew, 1))
        sleeper.send_signal(signal.SIGCONT)
        woke = eventually(lambda: len(told(crew, 1)) > before + 20)
        crew.end()
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        check(url, signer, sink, now, crew.told)
        felt = [str(one["unknown"]) for one in told(crew, 1) if "unknown" in one]

    assert went_on
    assert kept, "the others did not go on until PostgreSQL had ended it"
    assert (ended, woke) == (True, True)
    assert len(felt) == 1, felt


def test_a_worker_that_postgresql_ended_in_a_transaction_repeats_nothing_when_it_wakes(
    postgres_url: str, nursery: Nursery, tmp_path: Path, signer: Signer, file_clock: FileClock
) -> None:
    url = f"{postgres_url}&options={SOON}"
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=file_clock)
    for _ in range(LETTERS):
        bring(engine, "rights_pending")
    with Sink() as sink, hands(nursery, url, tmp_path) as crew:
        sleeper = crew.worker(sink.port, connections=CONNECTIONS)
        assert sink.wait_for(lambda: len(sink.letters) > 5)
        sessions = stop_in_transaction(sleeper, url)
        before = len(sink.letters)
        second = crew.worker(sink.port, connections=CONNECTIONS)
        for _ in range(5):
            bring(engine, "rights_pending")
        went_on = sink.wait_for(lambda: len(sink.letters) >= before + 5)
        kept = holders(postgres_url) >= sessions
        ended = eventually(lambda: not holders(postgres_url) & sessions)
        file_clock.jump(LEASES)
        taken_over = eventually(lambda: not look(url, WAITING))
        sleeper.send_signal(signal.SIGCONT)
        bring(engine, "rights_pending")
        settled = eventually(lambda: not look(url, WAITING))
        for worker in (sleeper, second):
            killed(worker)
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now)
    database.dispose()

    assert (went_on, kept, ended, taken_over, settled) == (True,) * 5
    assert sum(states.values()) == LETTERS + 6
    assert set(states) <= {"sent", "unknown"}
    assert states["unknown"] <= CONNECTIONS


def test_a_writer_stopped_with_the_write_lock_of_sqlite_costs_others_one_clear_error_and_loses_nothing(
    sqlite_url: str, nursery: Nursery, tmp_path: Path, signer: Signer, file_clock: FileClock
) -> None:
    database = open_database(sqlite_url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=file_clock)
    with Sink() as sink, hands(nursery, sqlite_url, tmp_path) as crew:
        sleeper = crew.writer()
        assert eventually(lambda: len(told(crew, 1)) > 40)
        stop_in_transaction(sleeper, sqlite_url)
        crew.writer()
        worker = crew.worker(sink.port)
        seen = engine.case(str(told(crew, 1)[0]["case"]))
        felt = eventually(lambda: bool(told(crew, 2)) and "busy" in worker.complaints())
        sleeper.send_signal(signal.SIGCONT)
        counts = [len(told(crew, life)) for life in (1, 2)]
        went_on = eventually(lambda: all(len(told(crew, life)) > counts[life - 1] + 20 for life in (1, 2)))
        sent = sink.wait_for(lambda: len(sink.letters) > 40)
        crew.end()
        now = file_clock.now() + LEASES
        settle(sqlite_url, signer, sink, now)

        check(sqlite_url, signer, sink, now, crew.told)
        failed = [one for life in (1, 2) for one in told(crew, life) if "unknown" in one]
    database.dispose()

    assert seen.case.version > 0
    assert (felt, went_on, sent) == (True, True, True)
    assert len(failed) == 1, failed
    assert "stayed busy for 30 seconds" in str(failed[0]["unknown"])
    assert float(str(failed[0]["took"])) > 29
