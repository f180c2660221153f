"""What a writer or a worker does in its process, until it is killed, stopped or cut off.

A writer appends one JSON line to its own file for each answer it got, and fsyncs it before its next command. So after
a kill at most its last command is in the database and not in the file.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from employers import employer

from notifications.delivery import Delivery
from notifications.desk import Desk
from notifications.smtp_url import Server
from states import EMPLOYER_COUPLING
from workflow import Conflict, Engine, Origin, Refused, StoreError, open_database, reminders
from workflow.errors import SchakelError
from workflow.ledger import sequencer
from workflow.ledger.signing import read_signer

MONDAY = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
"""Where the clocks of hands begin: 10:00 in Amsterdam, so that reminders may go out whenever the tests run."""
ADDRESSES = {"asr": "asr@example.org", "keylane": "keylane@example.org", "operations": "beheer@example.org"}


class FileClock:
    """The machine's clock, shifted by the seconds that stand in a file: whoever writes it makes clocks jump."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        """The present moment, as the file has it."""
        return datetime.fromtimestamp(time.time() + float(self._path.read_text()), UTC)

    def jump(self, by: timedelta) -> None:
        """Set every clock that reads this file on (or back)."""
        shift = float(self._path.read_text()) + by.total_seconds()
        new = self._path.with_suffix(".new")
        new.write_text(str(shift))
        new.replace(self._path)


def set_clock(folder: Path, to: datetime = MONDAY) -> FileClock:
    """A file from which hands read the time, and its clock."""
    path = folder / "clock"
    path.write_text(str(to.timestamp() - time.time()))
    return FileClock(path)


def labour(url: str, folder: str, clock: str, role: str, *words: str) -> None:
    """Write ('write', life, seconds) or work ('work', port, connections) on a database, once it can be opened."""
    while True:
        try:
            database = open_database(url)
            break
        except StoreError:
            time.sleep(0.1)
    origin = Origin(f"writer-{words[0]}", "test", "python")
    engine = Engine(database, EMPLOYER_COUPLING, clock=FileClock(Path(clock)), origin=origin)
    if role == "write":
        _write(engine, Path(folder), int(words[0]), float(words[1]))
    else:
        _work(engine, Path(folder), int(words[0]), int(words[1]))
    database.dispose()


def _write(engine: Engine, folder: Path, life: int, seconds: float) -> None:
    chance, mine, turn = random.Random(life), list[str](), 0
    descriptor = os.open(folder / "told" / f"writer-{life}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn += 1
        start = time.perf_counter()
        answer = _command(engine, chance, mine, f"{life:04}{turn:05}")
        answer["took"] = time.perf_counter() - start
        os.write(descriptor, json.dumps(answer).encode() + b"\n")
        os.fsync(descriptor)
        if "unknown" in answer:
            time.sleep(0.02)


def _command(engine: Engine, chance: random.Random, mine: list[str], name: str) -> dict[str, Any]:
    """One command, and what came of it."""
    case = chance.choice(mine[-20:]) if mine else ""
    how = chance.choices(("open", "record", "advance", "note"), (2, 2, 4, 2))[0] if mine else "open"
    try:
        match how:
            case "open":
                facts = employer()
                facts["registration"] |= {"company_name": f"Werkgever {name}", "loket_employer_id": name}
                opened = engine.open_case(facts)
                mine.append(opened.case.reference)
                case, event = opened.case.reference, opened.event
            case "record":
                found = engine.record(case, {"registration": {"contact_name": f"Iemand {name}"}}).event
                if found is None:
                    return {"nothing": case}
                event = found
            case "advance":
                moved = engine.advance(case, accept_warnings=True)
                return {"case": case, "seq": moved.seq, "hash": moved.hash}
            case _:
                event = engine.note(case, f"gebeld over {name}")
    except Refused:
        return {"refused": case}
    except Conflict as error:
        return {"conflict": str(error)}
    except StoreError as error:
        return {"unknown": str(error)}
    return {"case": case, "seq": event.seq, "hash": event.hash}


def _work(engine: Engine, folder: Path, port: int, connections: int) -> None:
    server = Server("127.0.0.1", port, "none", hello_name="tests.example.org", timeout=20, data_timeout=20)
    origin, signer = Origin("worker", "test", "worker"), read_signer(folder / "signing.key")
    desk = Desk(sender="schakel@example.org", addresses=ADDRESSES)
    delivery = Delivery(engine.database, engine.rules, engine.clock, origin, desk, server, connections=connections)
    while True:
        try:
            reminders.run_once(engine.database, engine.rules, engine.clock.now(), origin)
            delivery.run_once()
            sequencer.run_once(engine.database, signer, engine.clock.now())
        except SchakelError as error:  # as the worker's own wake-ups: said, and tried again at the next
            sys.stderr.write(f"{type(error).__name__}: {error}\n")
            sys.stderr.flush()
        time.sleep(0.02)
