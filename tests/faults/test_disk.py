"""SQLite on a disk that is full, fails or may not be written: one clear error, nothing half-done, and on afterwards."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from aftermath import check, settle
from employers import bring, employer
from hands import ROOT
from looking import count, look
from sink import Sink

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SystemClock
from workflow.ledger.signing import Signer

pytestmark = pytest.mark.slow
Fault = Callable[[], None]
FAILED = 1


@pytest.fixture
def case(sqlite_url: str) -> str:
    database = open_database(sqlite_url)
    reference = bring(Engine(database, EMPLOYER_COUPLING, clock=SystemClock()), "registered")
    database.dispose()
    return reference


@pytest.fixture
def environ(sqlite_url: str, signer: Signer, tmp_path: Path) -> dict[str, str]:
    settings = tmp_path / "schakel.toml"
    settings.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    own = {"DATABASE_URL": sqlite_url, "SETTINGS": settings, "SIGNING_KEY": tmp_path / "signing.key", "ACTOR": "anna"}
    return kept | {f"SCHAKEL_{name}": str(value) for name, value in own.items()}


def schakel(environ: dict[str, str], *words: str, fault: Fault | None = None, text: str = "") -> tuple[int, str]:
    """Run a command with `--json`, in a process with this fault: its exit code and what it says is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts", *words, "--json"],
        cwd=ROOT,
        env=environ,
        input=text,
        capture_output=True,
        text=True,
        preexec_fn=fault,
        check=False,
    )
    assert "Traceback" not in done.stderr
    found = json.loads(done.stdout)
    checks = [found] if "message" in found else found.get("checks", ()) if isinstance(found, dict) else ()
    return done.returncode, " ".join(one["message"] for one in checks if one.get("result", "fail") == "fail")


def no_file_grows_beyond(size: int) -> Fault:
    """The disk gives no more than this: writing past it fails with EFBIG, as SQLite sees a failing or full disk."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    return limit


def commands(case: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    return (
        (("advance", case), ""),
        (("note", case, "gebeld"), ""),
        (("record", case, "registration", "contact_name=Iemand anders"), ""),
        (("open", "-"), json.dumps(employer())),
        (("tick",), ""),
    )


def path_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def is_well_again(url: str, environ: dict[str, str], signer: Signer, case: str) -> None:
    assert schakel(environ, "advance", case) == (0, "")
    assert look(url, f"SELECT state FROM cases WHERE reference = '{case}'") == [{"state": "enriched"}]
    now = SystemClock().now() + timedelta(hours=1)
    with Sink() as sink:
        settle(url, signer, sink, now)
        check(url, signer, sink, now)


@pytest.mark.parametrize("room", [0, 3 * 4096 + 500])
def test_a_disk_that_takes_no_more_gives_one_error_and_leaves_nothing_half_written(
    sqlite_url: str, environ: dict[str, str], signer: Signer, case: str, room: int
) -> None:
    keeper = sqlite3.connect(path_of(sqlite_url))  # keeps the log as it is, so that all must write into it
    keeper.execute("SELECT count(*) FROM events").fetchone()
    before = count(sqlite_url, "events")
    log = path_of(sqlite_url).with_name(path_of(sqlite_url).name + "-wal")
    size = log.stat().st_size if log.exists() else 0

    told = [
        schakel(environ, *words, fault=no_file_grows_beyond(size + room), text=text) for words, text in commands(case)
    ]

    failed = [said for code, said in told if code]
    assert {code for code, _ in told} <= {0, FAILED}
    assert len(failed) >= 4
    assert [said for said in failed if "disk" not in said] == []
    assert count(sqlite_url, "events") - before <= len(told) - len(failed)
    keeper.close()
    is_well_again(sqlite_url, environ, signer, case)


def test_doctor_says_that_a_disk_takes_no_more_and_leaves_no_trace_of_having_tried(
    sqlite_url: str, environ: dict[str, str], case: str
) -> None:
    keeper = sqlite3.connect(path_of(sqlite_url))
    keeper.execute("SELECT count(*) FROM events").fetchone()
    log = path_of(sqlite_url).with_name(path_of(sqlite_url).name + "-wal")
    before = {path: path.stat().st_size for path in log.parent.iterdir()}

    full = schakel(environ, "doctor", fault=no_file_grows_beyond(2**19))
    well = schakel(environ, "doctor")
    after = {path: path.stat().st_size for path in log.parent.iterdir()}
    keeper.close()

    assert (full[0], well) == (FAILED, (0, ""))
    assert "It cannot be written" in full[1]
    assert after == before


def test_a_file_with_no_room_for_another_page_says_that_the_disk_is_full(
    sqlite_url: str, environ: dict[str, str], signer: Signer, case: str
) -> None:
    database = open_database(sqlite_url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock())
    before = count(sqlite_url, "events")
    with database.writing() as store:
        (pages,) = store.execute("PRAGMA page_count").fetchone()
        store.execute(f"PRAGMA max_page_count = {pages}")
    said = ""
    for _ in range(200):
        try:
            bring(engine, "rights_pending")
        except Exception as error:  # noqa: BLE001  (which one it is, is what is asked)
            said = f"{type(error).__name__}: {error}"
            break
    stored = count(sqlite_url, "cases")
    with database.writing() as store:
        store.execute("PRAGMA max_page_count = 1000000")
    engine.note(case, "er is weer plaats")
    bring(engine, "rights_pending")
    database.dispose()

    assert "StoreError" in said
    assert "no room left" in said
    assert count(sqlite_url, "cases") == stored + 1
    assert count(sqlite_url, "events") > before
    is_well_again(sqlite_url, environ, signer, case)


def test_a_folder_that_may_not_be_written_gives_one_error(
    sqlite_url: str, environ: dict[str, str], signer: Signer, case: str, tmp_path: Path
) -> None:
    if os.geteuid() or subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=False).returncode:
        pytest.skip("only root can make a folder read-only for itself")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", tmp_path], check=True)
        told = [schakel(environ, *words, text=text) for words, text in commands(case)]
    finally:
        subprocess.run(["umount", tmp_path], check=True)

    assert {code for code, _ in told} == {FAILED}
    assert [said for _, said in told if "read-only" not in said and "cannot be opened" not in said] == []
    is_well_again(sqlite_url, environ, signer, case)


def test_a_log_that_a_reader_keeps_open_grows_and_is_emptied_when_the_reader_is_gone(
    sqlite_url: str, environ: dict[str, str], signer: Signer, case: str
) -> None:
    database = open_database(sqlite_url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock())
    log = path_of(sqlite_url).with_name(path_of(sqlite_url).name + "-wal")
    connection = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM events").fetchone()

    with database.writing() as store:
        store.execute("PRAGMA wal_autocheckpoint = 100")  # pages: the same as the usual 10,000, in less time

    while log.stat().st_size < 3_000_000:
        engine.note(case, "x" * 4000)
    held = log.stat().st_size
    connection.close()
    for _ in range(200):
        engine.note(case, "x" * 4000)
    freed = log.stat().st_size
    matches = engine.replay(case).matches_stored
    database.dispose()

    assert freed < held * 1.1
    assert matches
    assert not log.exists()
    is_well_again(sqlite_url, environ, signer, case)
