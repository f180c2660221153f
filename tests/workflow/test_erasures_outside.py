"""Each erasure is noted in a file outside the database, which an older copy that is put back is compared with."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from employers import bring, employer
from looking import events_of, traces
from remains import rewrite

from workflow import Engine, Origin, Refused, StoreError
from workflow.erasure import Erased, Wish, erase
from workflow.ledger.erasures import keep_erasure, kept_erasures

OPERATOR = Origin("olga", "olga-os", "python")
NAME = "Zoe Wielewaal-Kwartel"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "erasures.txt"


def wipe(engine: Engine, case: str, path: Path | None) -> Erased:
    wish = Wish("op verzoek", "AVG art. 17", 7, path)
    return erase(engine.database, engine.rules, engine.clock.now(), OPERATOR, case, wish)


def withdrawn(engine: Engine) -> str:
    given: dict[str, Any] = employer()
    given["registration"]["contact_name"] = NAME
    return bring(engine, "withdrawn", given)


def test_each_erasure_is_a_line_of_reference_moment_and_hash(engine: Engine, url: str, path: Path) -> None:
    cases = [withdrawn(engine), withdrawn(engine)]

    for case in cases:
        wipe(engine, case, path)

    hashes = [events_of(url, case)[-1]["hash"] for case in cases]
    assert path.read_text() == "".join(
        f"{case} 2026-04-20T08:00:00.000000Z {said}\n" for case, said in zip(cases, hashes, strict=True)
    )
    assert kept_erasures(path) == tuple(cases)


def test_an_erasure_that_could_not_be_noted_is_done_all_the_same_and_a_repeat_only_notes_it(
    engine: Engine, url: str, path: Path
) -> None:
    case = withdrawn(engine)
    path.mkdir()

    with pytest.raises(StoreError) as told:
        wipe(engine, case, path)
    after = traces(url, case)
    with pytest.raises(StoreError):
        wipe(engine, case, path)
    path.rmdir()
    repeated = wipe(engine, case, path)

    assert str(told.value) == (
        f"{case} was erased, but {path}, which is to say so when an older copy is put back, cannot be written: "
        "Is a directory. Repeat the same command: it does only what is left to do."
    )
    *_, erased = events_of(url, case)
    assert (erased["kind"], repeated.hash, repeated.repeated) == ("erased", erased["hash"], True)
    assert kept_erasures(path) == (case,)
    assert traces(url, case) == after
    kept = path.read_text()
    rewrite(url)
    with pytest.raises(Refused, match="erased already"):
        wipe(engine, case, path)
    assert path.read_text() == kept


def test_a_refused_erasure_is_not_noted(engine: Engine, path: Path) -> None:
    case = bring(engine, "registered")

    with pytest.raises(Refused):
        wipe(engine, case, path)

    assert not path.exists()


def test_a_line_that_a_crash_cut_off_names_nothing_and_hides_nothing(engine: Engine, path: Path) -> None:
    path.write_bytes(b"K-0000-0000 2026-04-20T08:00:00.000000Z 01\xe2\x80")
    moment = engine.clock.now()

    for _ in range(2):
        keep_erasure(path, "K-1111-1111", moment, "a" * 64)
        _, *whole = path.read_bytes().splitlines()
        assert whole == [b"K-1111-1111 2026-04-20T08:00:00.000000Z " + b"a" * 64]

    assert kept_erasures(path) == ("K-1111-1111",)


def test_a_pipe_in_its_place_makes_nobody_wait(path: Path) -> None:
    os.mkfifo(path)
    found = list[tuple[str, ...]]()

    reader = threading.Thread(target=lambda: found.append(kept_erasures(path)), daemon=True)
    reader.start()
    reader.join(10)

    assert found == [()]
