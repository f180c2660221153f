"""Child processes that use one database at the same time, each telling what it was promised."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock

Act = Callable[[Engine, int], list[Any]]


def crowd(url: str, clock: SetClock, size: int, folder: Path, act: Act) -> list[list[Any]]:
    """Run `act` in so many processes at once; what each returned. Raises AssertionError when one failed."""
    start, go = os.pipe()
    children = [_child(url, clock, number, folder, act, start, go) for number in range(size)]
    os.close(start)
    os.close(go)  # the children wait until nobody holds this end
    failed = [number for number, child in enumerate(children) if os.waitpid(child, 0)[1]]
    assert not failed, "\n".join((folder / f"{number}.json").read_text() for number in failed)
    return [json.loads((folder / f"{number}.json").read_text()) for number in range(size)]


def _child(url: str, clock: SetClock, number: int, folder: Path, act: Act, start: int, go: int) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    answer = folder / f"{number}.json"
    try:
        database = open_database(url)
        engine = Engine(database, EMPLOYER_COUPLING, clock=clock, origin=Origin(f"worker-{number}", "test", "python"))
        os.close(go)
        os.read(start, 1)
        answer.write_text(json.dumps(act(engine, number)))
        database.dispose()
        status = 0
    except BaseException:  # noqa: BLE001 the parent says it
        answer.write_text(traceback.format_exc())
    finally:
        os._exit(status)
