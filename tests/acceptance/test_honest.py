"""Honest histories give no finding, whatever happened in them: in the database, in its export, and to the lone file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import LONG
from exports import make
from histories import Life
from looking import count, look

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock
from workflow.ledger import verify as verifier
from workflow.ledger.audit import verify_database
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import make_key, read_signer
from workflow.ledger.verify import read_notes

SLICES = 10
HISTORIES = 4 * LONG
"""Histories of cases in each slice: 10,000 in all with SCHAKEL_LONG=250."""


@pytest.mark.parametrize("part", range(SLICES))
def test_random_honest_histories_give_no_finding_anywhere(
    part: int, sqlite_template: Path, tmp_path: Path, clock: SetClock
) -> None:
    """Lives of some twenty cases each, sequenced four times on the way and held against every checkpoint."""
    shutil.copy(verifier.__file__, tmp_path / "verify.py")
    began, lived, number = clock.now(), 0, 0
    while lived < HISTORIES:
        clock.moment = began
        lived += _live(part * 1_000_000 + number, sqlite_template, tmp_path, clock)
        number += 1


def _live(number: int, template: Path, folder: Path, clock: SetClock) -> int:
    """Lead one life in a database of its own and have it checked in three ways; how many cases it had."""
    url = f"sqlite:///{folder / 'life.db'}"
    shutil.copyfile(template, folder / "life.db")
    (folder / "key").unlink(missing_ok=True)
    make_key(folder / "key", "schakel/test")
    signer, database = read_signer(folder / "key"), open_database(url)
    life = Life(Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin("anna", "os", "python")), clock, number)
    for _ in range(4):
        life.go(max(15, min(60, 4 * HISTORIES)))
        run_once(database, signer, clock.now())
    clock.moment += timedelta(days=60)  # a life's clock may stand behind its checkpoints
    notes = "".join(row["note"] for row in look(url, "SELECT note FROM checkpoints ORDER BY id"))
    (folder / "held").write_text(notes)
    make(life.engine, folder / "out.zip", force=True, key=str(signer.key))

    audited = verify_database(database, EMPLOYER_COUPLING, signer.key, read_notes(notes).checkpoints)
    alone = _verify_alone(folder, str(signer.key))

    assert (audited.findings, alone["findings"]) == ([], []), f"life {number}"
    assert (audited.events, audited.cases) == (alone["events"], alone["cases"])
    assert (audited.events, audited.cases) == (count(url, "events"), count(url, "cases"))
    database.dispose()
    for name in ("life.db", "life.db-wal", "life.db-shm"):
        (folder / name).unlink(missing_ok=True)
    return audited.cases


def _verify_alone(folder: Path, key: str) -> dict[str, Any]:
    command = [sys.executable, "-I", "verify.py", "out.zip", "--json", "--key", key, "--against", "held"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 8), done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said
