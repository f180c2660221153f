"""SQLite on a disk that gives EIO: one clear error and exit 1, nothing half-written, and on afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from aftermath import LEASES, answers, check, is_sound, settle
from employers import LONG, bring, employer
from failing import Disk, Done, broken_disk
from handiwork import FileClock
from hands import Nursery, hands
from looking import events_of
from sink import Sink, eventually

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SystemClock
from workflow.ledger.signing import Signer

FAILED = 1
STRIDE = 8 if LONG == 1 else 1
"""Of how many calls to the disk one fails in the short run: each command begins at another one."""
COMMANDS = {
    # what            its words; CASE stands for a case that can be advanced    how many events it appends to it
    "advance":        (("advance", "CASE"), 1),
    "note":           (("note", "CASE", "gebeld"), 1),
    "record":         (("record", "CASE", "registration", "contact_name=Iemand NR"), 1),
    "open":           (("open", "FILE"), 0),
    "tick":           (("tick",), 0),
    "show":           (("show", "CASE"), 0),
    "list":           (("list",), 0),
    "audit verify":   (("audit", "verify"), 0),
}  # fmt: skip
ONE_IN, ERRORS, WRITERS, CONNECTIONS = 200, 10, 2, 4
"""One call to the disk in so many fails, until writers were told of so many errors."""
pytestmark = pytest.mark.slow


@pytest.fixture
def file(sqlite_url: str) -> Path:
    return Path(sqlite_url.removeprefix("sqlite:///"))


@pytest.fixture
def disk(sqlite_url: str, file: Path, signer: Signer, tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "schakel.toml").touch()
    own = {
        "DATABASE_URL": sqlite_url,
        "SETTINGS": tmp_path / "schakel.toml",
        "SIGNING_KEY": tmp_path / "signing.key",
        "ACTOR": "anna",
    }
    nursery = Nursery("failing:command", broken_disk(tmp_path, file))
    yield Disk(nursery, tmp_path, {f"SCHAKEL_{name}": str(value) for name, value in own.items()})
    nursery.close()


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from_then_on"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_whose_disk_fails_at_any_call_says_so_and_leaves_all_or_nothing(
    sqlite_url: str, disk: Disk, signer: Signer, tmp_path: Path, name: str, lasts: bool
) -> None:
    words, appends = COMMANDS[name]
    database = open_database(sqlite_url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock())
    failures, failing = 0, 1 + list(COMMANDS).index(name) % STRIDE
    case = bring(engine, "registered")
    while True:
        if engine.case(case).case.state != "registered":
            case = bring(engine, "registered")
        engine.note(case, "er is iets te verzegelen")
        before = len(events_of(sqlite_url, case))
        given = filled_in(words, case, failing, tmp_path)

        done = disk.run(*given, failing=failing, lasts=lasts)

        if not done.hits:
            break
        check_told(done)
        gained = len(events_of(sqlite_url, case)) - before
        assert gained in ({appends} if done.code == 0 else {0, appends})
        assert engine.replay(case).matches_stored
        assert is_sound(sqlite_url)
        again = disk.run(*(given if gained == 0 else ("tick",)))
        assert again.code == 0, again
        failures += done.code == FAILED
        failing += STRIDE
    database.dispose()

    now = SystemClock().now() + timedelta(hours=1)
    with Sink() as sink:
        settle(sqlite_url, signer, sink, now)
        check(sqlite_url, signer, sink, now)
    assert failures > 0


def filled_in(words: tuple[str, ...], case: str, number: int, folder: Path) -> tuple[str, ...]:
    """The words of a command, about this case or with the facts of a new one; the number makes a value another one."""
    (folder / "facts.json").write_text(json.dumps(employer()))
    own = {"CASE": case, "FILE": str(folder / "facts.json")}
    return tuple(own.get(word, word.replace("NR", str(number))) for word in words)


def check_told(done: Done) -> None:
    """The command ended well, or said what is wrong in one message."""
    assert done.code in {0, FAILED}, done
    assert "Traceback" not in done.complaints, done.complaints
    assert done.code == 0 or "disk" in done.said, done.said


@pytest.mark.parametrize("seed", range(LONG))
def test_writers_and_a_worker_on_a_disk_that_fails_now_and_then_go_on_and_lose_nothing(
    sqlite_url: str, file: Path, tmp_path: Path, signer: Signer, file_clock: FileClock, seed: int
) -> None:
    chance = {"EIO_ONE_IN": str(ONE_IN), "EIO_SEED": str(seed)}
    nursery = Nursery(environ=broken_disk(tmp_path, file) | chance)

    with Sink() as sink, hands(nursery, sqlite_url, tmp_path) as crew:
        crew_members = [crew.worker(sink.port, connections=CONNECTIONS), *(crew.writer() for _ in range(WRITERS))]
        worker = crew_members[0]
        felt = eventually(lambda: len(errors(crew.told)) >= ERRORS and "disk" in worker.complaints())
        sent = len(sink.letters)
        went_on = sink.wait_for(lambda: len(sink.letters) > sent + 20)
        ended = [process.poll() for process in crew_members]
        crew.end()
        now = file_clock.now() + LEASES
        settle(sqlite_url, signer, sink, now)

        states = check(sqlite_url, signer, sink, now, crew.told)
        said = errors(crew.told)
    nursery.close()

    assert ended == [None] * (WRITERS + 1)
    assert (felt, went_on) == (True, True)
    assert [words for words in said if "disk" not in words] == []
    assert set(states) <= {"sent", "unknown"}


def errors(told: Path) -> list[str]:
    """What writers were told that went wrong."""
    return [str(one["unknown"]) for given in answers(told).values() for one in given if "unknown" in one]
