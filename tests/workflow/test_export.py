from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import signal
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from employers import LONG, bring, employer
from exports import AUDITOR, FILES, Unzipped, make
from looking import events_of, look
from remains import remains
from tampering import put

from states import EMPLOYER_COUPLING
from workflow import Database, Engine, NoSuchCase, Origin, SchakelError, UsageError, commands
from workflow.clock import AMSTERDAM, SetClock, local_day
from workflow.errors import HistoryBroken
from workflow.events import Kind, commit
from workflow.ledger.selection import lot
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Report, read_checkpoint, verify_export
from workflow.reference import new_reference
from workflow.storage.store import Store
from workflow.work import Work

HARD = 'Zoë 😀 \\u00e9 "q" \u2028'
"""A note that is written differently in JSON, CSV and HTML."""
START = datetime(2026, 4, 20, 10, tzinfo=AMSTERDAM)
"""When the first case is opened."""


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    path = tmp_path / "keys" / "signing.key"
    make_key(path, "schakel/test")
    return read_signer(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where exports are written; nothing else is in it."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


@pytest.fixture
def cases(engine: Engine, clock: SetClock, signer: Signer) -> list[str]:
    """Four cases over some days, the first three in the ledger; a checkpoint a day."""
    found = []
    for state in ("confirmed", "withdrawn", "registered"):
        found.append(bring(engine, state))
        engine.note(found[-1], HARD)
        run_once(engine.database, signer, clock.now())
        clock.moment += timedelta(days=1)
    found.append(bring(engine, "rights_pending"))
    return found


def checked(path: Path, signer: Signer) -> Report:
    """What the verifier says of an export; without any finding."""
    report, _ = verify_export(path, signer.key)
    assert report.findings == []
    return report


# -- everything ------------------------------------------------------------------------------------------------------


def test_an_export_holds_every_event_byte_for_byte(
    engine: Engine, url: str, cases: list[str], folder: Path, signer: Signer
) -> None:
    done = make(engine, folder / "all.zip", key=str(signer.key))

    lines = Unzipped(folder / "all.zip").files["events.jsonl"].splitlines()
    rows = [row for case in cases for row in events_of(url, case)]
    leaves = {(row["case_id"], row["seq"]): row["id"] for row in look(url, "SELECT * FROM leaves")}
    assert lines == [
        b'{"event":%s,"hash":"%s","leaf":%s}'
        % (
            bytes(row["canonical"]),
            row["hash"].encode(),
            json.dumps(leaves.get((row["case_id"], row["seq"]))).encode(),
        )
        for row in rows
    ]
    assert (done.events, done.cases, done.complete) == (len(rows), 4, True)
    assert done.waiting == len(rows) - len(leaves) > 0
    checked(folder / "all.zip", signer)


def test_the_manifest_says_what_the_files_are(
    engine: Engine, clock: SetClock, cases: list[str], folder: Path, signer: Signer
) -> None:
    done = make(engine, folder / "all.zip", key=str(signer.key))

    export = Unzipped(folder / "all.zip")
    said = dict(export.manifest)
    files = said.pop("files")
    assert files == {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in export.files.items()
        if name != "manifest.json"
    }
    assert said == {
        "format": "schakel-export/1",
        "made_at": clock.moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        "made_by": "auditor",
        "complete": True,
        "selection": {},
        "revealed": False,
        "events": done.events,
        "cases": 4,
        "key": str(signer.key),
        "checkpoint": export.lines("checkpoints.jsonl")[-1]["note"],
    }
    assert done.sha256 == hashlib.sha256((folder / "all.zip").read_bytes()).hexdigest()
    assert list(export.files) == FILES


def test_the_same_database_and_selection_give_the_same_bytes(
    engine: Engine, clock: SetClock, cases: list[str], folder: Path
) -> None:
    given = {"sample": 2, "seed": "7"}
    make(engine, folder / "first.zip", **given)
    clock.moment += timedelta(days=300)
    make(engine, folder / "second.zip", **given)

    first, second = (Unzipped(folder / f"{name}.zip").files for name in ("first", "second"))
    differ = {name for name in first if first[name] != second[name]}
    assert differ <= {"README.txt", "manifest.json", "report.html", "lists/cases.xlsx"}


def test_an_empty_database_and_one_without_checkpoints_can_be_exported(engine: Engine, folder: Path) -> None:
    empty = make(engine, folder / "empty.zip")
    bring(engine, "registered")
    unsigned = make(engine, folder / "unsigned.zip")

    assert (empty.events, empty.cases, empty.checkpoint) == (0, 0, None)
    assert (unsigned.waiting, unsigned.checkpoint) == (2, None)
    assert Unzipped(folder / "unsigned.zip").manifest["checkpoint"] is None
    assert Unzipped(folder / "unsigned.zip").files["proofs.jsonl"] == b""


@pytest.mark.parametrize(
    ("name", "versions", "files"),
    [
        ("../../../etc/passwd", ["1"], ["__.._.._etc_passwd-1.json"]),
        ("..", ["."], ["_-..json"]),
        ("a", ["b/1", "b 1"], ["a-b_1-2.json", "a-b_1.json"]),
    ],
)
def test_rules_with_a_hostile_name_stay_in_their_folder(
    database: Database, clock: SetClock, folder: Path, name: str, versions: list[str], files: list[str]
) -> None:
    for version in versions:
        hostile = dataclasses.replace(EMPLOYER_COUPLING, name=name, version=version)
        engine = Engine(database, hostile, clock=clock, origin=AUDITOR)
        engine.open_case(employer())

    make(engine, folder / "all.zip")

    names = [name for name in Unzipped(folder / "all.zip").files if name.startswith("definitions")]
    assert sorted(names) == [f"definitions/{file}" for file in files]
    assert verify_export(folder / "all.zip", None)[0].findings == []


# -- a selection -----------------------------------------------------------------------------------------------------


def test_cases_are_exported_whole_and_proved_one_by_one(
    engine: Engine, url: str, cases: list[str], folder: Path, signer: Signer
) -> None:
    external = engine.open_case(employer(), external_reference="E99").case.reference
    done = make(engine, folder / "some.zip", cases=(cases[2].lower(), "E99", cases[0], cases[2]))

    export = Unzipped(folder / "some.zip")
    assert export.cases() == [cases[0], cases[2], external]
    assert done.events == sum(len(events_of(url, case)) for case in (cases[0], cases[2], external))
    assert (done.complete, export.manifest["complete"]) == (False, False)
    assert export.manifest["selection"] == {"cases": [cases[2].lower(), "E99", cases[0], cases[2]]}
    sealed = [line["leaf"] for line in export.lines("events.jsonl") if line["leaf"] is not None]
    assert [line["leaf"] for line in export.lines("proofs.jsonl")] == sealed
    assert {line["case"] for line in export.lines("leaves.jsonl")} == {cases[0], cases[2]}
    assert [line["leaf"] for line in export.lines("leaves.jsonl")] == sorted(sealed)
    checked(folder / "some.zip", signer)


def test_days_choose_the_cases_to_which_something_happened_then_in_amsterdam(
    engine: Engine, clock: SetClock, folder: Path
) -> None:
    found = {}
    for name, hour in (("before", 21), ("first", 22), ("last", 45), ("after", 46)):
        clock.moment = datetime(2026, 4, 20, tzinfo=UTC) + timedelta(hours=hour, minutes=30)
        found[name] = bring(engine, "rights_pending")
    clock.moment += timedelta(days=30)
    engine.note(found["last"], "later")

    def chosen(**days: date) -> set[str]:
        make(engine, folder / "days.zip", force=True, **days)
        export = Unzipped(folder / "days.zip")
        return {name for name, case in found.items() if case in export.cases()}

    day = date(2026, 4, 21)
    assert chosen(since=day, until=day) == {"first", "last"}
    assert chosen(since=day) == {"first", "last", "after"}
    assert chosen(until=day) == {"before", "first", "last"}
    assert chosen(since=date(2026, 6, 1)) == set()
    make(engine, folder / "days.zip", force=True, since=day, until=day)
    whole = [event["kind"] for event in Unzipped(folder / "days.zip").events() if event["case"] == found["last"]]
    assert whole == ["opened", "noted"]


def test_a_sample_can_be_drawn_again_by_anyone(engine: Engine, folder: Path) -> None:
    everyone = [engine.open_case(employer()).case.reference for _ in range(12)]

    def drawn(name: str, seed: str) -> list[str]:
        make(engine, folder / name, sample=5, seed=seed)
        return Unzipped(folder / name).cases()

    first, again, other = drawn("1.zip", "2026-Q3"), drawn("2.zip", "2026-Q3"), drawn("3.zip", "2026-Q4")

    lowest = sorted(everyone, key=lambda case: hashlib.sha256(f"2026-Q3:{case}".encode()).hexdigest())[:5]
    assert lot("s", "K") == hashlib.sha256(b"s:K").hexdigest()
    assert first == again == [case for case in everyone if case in lowest]
    assert set(other) != set(first)
    assert Unzipped(folder / "1.zip").manifest["selection"] == {"sample": 5, "seed": "2026-Q3"}
    assert b"2026-Q3" in Unzipped(folder / "1.zip").files["report.html"]


def test_a_sample_may_be_of_certain_days(engine: Engine, clock: SetClock, folder: Path) -> None:
    bring(engine, "rights_pending")
    clock.moment += timedelta(days=2)
    late = [bring(engine, "rights_pending") for _ in range(3)]

    make(engine, folder / "some.zip", since=local_day(clock.moment), sample=2, seed="x")

    assert len(Unzipped(folder / "some.zip").cases()) == 2
    assert set(Unzipped(folder / "some.zip").cases()) < set(late)


def test_a_selection_holds_the_last_checkpoint_of_each_day_and_proofs_between_them(
    engine: Engine, clock: SetClock, cases: list[str], folder: Path, signer: Signer
) -> None:
    for hour in (20, 21, 23):  # UTC: the last is the next day in Amsterdam
        clock.moment = datetime(2026, 5, 1, hour, tzinfo=UTC)
        engine.note(cases[3], "nog een")
        run_once(engine.database, signer, clock.now())

    make(engine, folder / "all.zip")
    make(engine, folder / "some.zip", cases=(cases[0],))

    every = Unzipped(folder / "all.zip").lines("checkpoints.jsonl")
    some = Unzipped(folder / "some.zip").lines("checkpoints.jsonl")
    assert len(every) == 6
    assert some == [*every[:3], *every[4:]]
    assert [(read_checkpoint(one["note"]).size, one["root"]) for one in some] == [
        (one["size"], read_checkpoint(one["note"]).root.hex()) for one in some
    ]
    proofs = Unzipped(folder / "some.zip").lines("consistency.jsonl")
    assert [(proof["from"], proof["to"]) for proof in proofs] == [(one["size"], every[-1]["size"]) for one in some]
    assert "consistency.jsonl" not in Unzipped(folder / "all.zip").files
    checked(folder / "some.zip", signer)


def test_a_case_that_does_not_exist_leaves_no_file(engine: Engine, folder: Path) -> None:
    with pytest.raises(NoSuchCase):
        make(engine, folder / "some.zip", cases=("E1",))

    assert list(folder.iterdir()) == []


# -- personal values -------------------------------------------------------------------------------------------------


def test_no_personal_value_stands_anywhere_in_an_export(
    engine: Engine, url: str, cases: list[str], folder: Path
) -> None:
    engine.record(cases[3], {"registration": {"company_name": "Dubbelganger Vof", "kvk_number": "99000042"}})
    engine.hold(cases[2], date(2026, 9, 1), "wacht op mevrouw Verzonnen")

    make(engine, folder / "all.zip")
    make(engine, folder / "some.zip", cases=tuple(cases))

    stored = [json.loads(row["value"]) for row in look(url, "SELECT value FROM private_values")]
    values = {value for value in stored if isinstance(value, str)} | {"A. den Fictief", "Dubbelganger Vof", HARD}
    assert len(values) > 10
    for name in ("all.zip", "some.zip"):
        assert remains(values, (folder / name).read_bytes(), *Unzipped(folder / name).contents()) == set()


def test_the_lists_show_what_is_not_personal_and_mask_the_rest(engine: Engine, cases: list[str], folder: Path) -> None:
    make(engine, folder / "all.zip")

    export = Unzipped(folder / "all.zip")
    rows = list(csv.DictReader(export.files["lists/cases.csv"].decode("utf-8-sig").splitlines(), delimiter=";"))
    assert [row["case"] for row in rows] == cases
    assert [row["state"] for row in rows] == ["confirmed", "withdrawn", "registered", "rights_pending"]
    assert {row["registration.email"] for row in rows} == {"s•••••"}
    assert {row["registration.company_name"] for row in rows} == {"•••••"}
    assert {row["registration.framework_contract_number"] for row in rows} == {"A020990001"}
    assert rows[0]["opened_at"] == "2026-04-20 10:00:00"
    sheet = openpyxl.load_workbook(BytesIO(export.files["lists/cases.xlsx"]))["cases"]
    titles, first = (list(row) for row in sheet.iter_rows(max_row=2, values_only=True))
    assert titles == list(rows[0])
    assert first[titles.index("opened_at")] == START.replace(tzinfo=None)
    told = list(csv.DictReader(export.files["lists/events.csv"].decode("utf-8-sig").splitlines(), delimiter=";"))
    assert [(row["case"], int(row["seq"])) for row in told] == [(one["case"], one["seq"]) for one in export.events()]
    assert told[1]["trigger"] == "register"


def test_revealing_adds_what_opens_each_commitment(
    engine: Engine, cases: list[str], folder: Path, signer: Signer
) -> None:
    run_once(engine.database, signer, engine.clock.now())
    make(engine, folder / "all.zip", reveal=True)

    export = Unzipped(folder / "all.zip")
    committed = {
        (event["case"], event["seq"], path): digest
        for event in export.events()
        for path, digest in event["commitments"].items()
    }
    opened = {
        (one["case"], one["seq"], one["path"]): commit(one["value"], bytes.fromhex(one["salt"]))
        for one in export.lines("openings.jsonl")
    }
    assert opened == committed
    assert len(opened) > 20
    order = [(event["case"], event["seq"]) for event in export.events()]
    places = [order.index((one["case"], one["seq"])) for one in export.lines("openings.jsonl")]
    assert places == sorted(places)
    assert export.manifest["revealed"] is True
    checked(folder / "all.zip", signer)


def test_revealing_is_in_the_history_of_each_case_and_changes_nothing_else(
    engine: Engine, cases: list[str], folder: Path
) -> None:
    before = [engine.case(case).case for case in cases]

    make(engine, folder / "some.zip", cases=tuple(cases[:3]), reveal=True)

    told = [engine.history(case)[-1].event for case in cases]
    assert [event.kind is Kind.REVEALED for event in told] == [True, True, True, False]
    for event in told[:3]:
        assert (event.origin, event.at) == (AUDITOR, engine.clock.now())
        assert (event.body, event.commitments) == ({"cases": 3}, {})
        assert event.source == event.target
    after = [engine.case(case).case for case in cases]
    assert [(case.state, case.version, case.facts) for case in after] == [
        (case.state, case.version, case.facts) for case in before
    ]
    assert [case.seq for case in after] == [case.seq + (place < 3) for place, case in enumerate(before)]
    assert all(engine.replay(case).matches_stored for case in cases)
    assert [event["kind"] for event in Unzipped(folder / "some.zip").events()].count("revealed") == 3


@pytest.mark.parametrize("ahead", [timedelta(minutes=16), timedelta(days=1)], ids=str)
def test_what_is_revealed_after_a_clock_ran_ahead_is_not_called_altered(
    engine: Engine, clock: SetClock, cases: list[str], folder: Path, signer: Signer, ahead: timedelta
) -> None:
    """By the right time its events are older than the last checkpoint: only with a leaf they are not put in later."""
    clock.moment += ahead
    engine.note(cases[0], "vooruit")
    run_once(engine.database, signer, clock.now())
    clock.moment -= ahead

    done = make(engine, folder / "all.zip", reveal=True, signer=signer)

    report = checked(folder / "all.zip", signer)
    assert (done.waiting, report.unsequenced, report.proved) == (0, 0, report.events)
    assert [engine.history(case)[-1].event.at == clock.now() for case in cases] == [False, True, True, True]


def test_what_is_revealed_by_a_clock_that_is_right_waits_for_its_leaf(
    engine: Engine, cases: list[str], folder: Path, signer: Signer
) -> None:
    """Nothing that lies in the ledger's way gets a leaf by being exported."""
    run_once(engine.database, signer, engine.clock.now())

    assert make(engine, folder / "all.zip", reveal=True, signer=signer).waiting == 4


def test_after_a_clock_ran_ahead_another_key_seals_nothing_that_is_revealed(
    engine: Engine, clock: SetClock, cases: list[str], folder: Path, signer: Signer, tmp_path: Path
) -> None:
    run_once(engine.database, signer, clock.now() + timedelta(days=1))
    make_key(tmp_path / "other", "schakel/other")

    done = make(engine, folder / "all.zip", reveal=True, signer=read_signer(tmp_path / "other"))

    assert (done.waiting, done.checkpoint and done.checkpoint.size) == (4, done.events - 4)


def test_a_case_that_is_opened_while_others_are_told_is_told_too(
    engine: Engine, cases: list[str], folder: Path, signer: Signer
) -> None:
    class Busy:
        """A database in which a case is opened whenever an export is about to read it again, twice."""

        def __init__(self) -> None:
            self.reads = 0
            self.dialect, self.writing = engine.database.dialect, engine.database.writing

        @contextmanager
        def reading(self) -> Iterator[Store]:
            self.reads += 1
            if self.reads in (3, 4):
                bring(engine, "registered")
            with engine.database.reading() as store:
                yield store

    make(engine, folder / "all.zip", Busy(), reveal=True)  # type: ignore[arg-type]

    export = Unzipped(folder / "all.zip")
    assert len(export.cases()) == 6
    assert [event["kind"] for event in export.events()].count("revealed") == 6
    assert [event["body"]["cases"] for event in export.events() if event["kind"] == "revealed"] == [4, 4, 4, 4, 5, 6]
    checked(folder / "all.zip", signer)


def test_an_export_that_cannot_be_written_reveals_nothing(engine: Engine, cases: list[str], folder: Path) -> None:
    with pytest.raises(UsageError):
        make(engine, folder / "missing" / "all.zip", reveal=True)

    assert all(step.event.kind is not Kind.REVEALED for case in cases for step in engine.history(case))


# -- the file --------------------------------------------------------------------------------------------------------


def test_an_export_is_overwritten_only_when_asked(engine: Engine, folder: Path) -> None:
    (folder / "all.zip").write_text("mine")

    with pytest.raises(UsageError, match="--force"):
        make(engine, folder / "all.zip")
    assert (folder / "all.zip").read_text() == "mine"
    make(engine, folder / "all.zip", force=True)

    assert Unzipped(folder / "all.zip").manifest["events"] == 0
    assert [path.name for path in folder.iterdir()] == ["all.zip"]
    assert (folder / "all.zip").stat().st_mode & 0o777 == 0o600


def test_what_a_killed_export_left_is_gone_after_the_next_one(sqlite_engine: Engine, folder: Path) -> None:
    """It may hold personal values, so it is not left lying about."""
    sqlite_engine.database.dispose()
    child = os.fork()
    if child == 0:
        try:
            make(sqlite_engine, folder / "all.zip", watch=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    (left,) = folder.iterdir()
    assert left.stat().st_mode & 0o777 == 0o600
    left.write_bytes(b"Zwaluwstaart" * 100_000)

    make(sqlite_engine, folder / "all.zip")

    assert [path.name for path in folder.iterdir()] == ["all.zip"]
    assert b"Zwaluwstaart" not in (folder / "all.zip").read_bytes()
    assert Unzipped(folder / "all.zip").manifest["events"] == 0


def test_two_exports_to_one_place_do_not_write_through_each_other(sqlite_engine: Engine, folder: Path) -> None:
    told: list[str] = []

    def meanwhile(*_: object) -> None:
        if not told:
            with pytest.raises(UsageError, match="another export") as refusal:
                make(sqlite_engine, folder / "all.zip")
            told.append(str(refusal.value))

    make(sqlite_engine, folder / "all.zip", watch=meanwhile)

    assert told
    assert Unzipped(folder / "all.zip").manifest["events"] == 0
    assert [path.name for path in folder.iterdir()] == ["all.zip"]


@pytest.mark.parametrize("file", ["events.jsonl", "leaves.jsonl", "lists/cases.xlsx", "report.html", "manifest.json"])
def test_a_disk_that_fills_up_leaves_nothing_behind(
    sqlite_engine: Engine, folder: Path, signer: Signer, file: str
) -> None:
    bring(sqlite_engine, "registered")
    run_once(sqlite_engine.database, signer, sqlite_engine.clock.now())
    (folder / "all.zip").write_text("the one before")

    def full(name: str, _size: int) -> None:
        if name == file:
            raise OSError(28, "No space left on device")

    with pytest.raises(SchakelError, match=r"all\.zip could not be written: No space left on device"):
        make(sqlite_engine, folder / "all.zip", force=True, watch=full)

    assert [path.name for path in folder.iterdir()] == ["all.zip"]
    assert (folder / "all.zip").read_text() == "the one before"


def test_an_export_that_is_broken_off_leaves_nothing_behind(sqlite_engine: Engine, folder: Path) -> None:
    def stop(_name: str, _size: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(sqlite_engine, folder / "all.zip", watch=stop)

    assert list(folder.iterdir()) == []


# -- altered databases -----------------------------------------------------------------------------------------------

ALTERED = (
    "UPDATE events SET canonical = ?",
    "UPDATE events SET hash = ?",
    "UPDATE leaves SET hash = ?",
    "UPDATE private_values SET value = ?, path = 'x'",
    "UPDATE cases SET facts = ?",
    "UPDATE cases SET progress = ?",
    "UPDATE cases SET state = ?",
    "UPDATE checkpoints SET note = ?",
    "UPDATE definitions SET canonical = ?",
)


@pytest.mark.parametrize("sql", ALTERED)
@pytest.mark.parametrize("value", ["nonsense\n", '["a"]', "{}", "null", ""])
def test_an_altered_database_is_exported_as_it_is(
    sqlite_engine: Engine, sqlite_url: str, signer: Signer, folder: Path, sql: str, value: str
) -> None:
    bring(sqlite_engine, "registered")
    run_once(sqlite_engine.database, signer, sqlite_engine.clock.now())
    chosen = " WHERE case_id = 1 AND seq = 1" if sql.startswith("UPDATE events") else ""
    put(sqlite_url, (sql + chosen).replace("'x'", "path" if "private" in sql else "'x'"), value)

    make(sqlite_engine, folder / "all.zip")
    make(sqlite_engine, folder / "some.zip", sample=1, seed="x")

    assert not verify_export(folder / "all.zip", signer.key)[0].ok or "cases" in sql or "private" in sql


MISPLACED = {
    "UPDATE events SET hash = ? WHERE case_id = 1 AND seq = 1": [b"\xff\x00"],
    "UPDATE events SET canonical = ? WHERE case_id = 1 AND seq = 1": ["text", 5],
    "UPDATE leaves SET hash = ? WHERE id = 0": [b"\xff", "?"],
    "UPDATE checkpoints SET note = ?": [b"\xff"],
    "UPDATE checkpoints SET size = ?": ["q", -1, b"\xff"],
    "UPDATE checkpoints SET at = ?": ["q", b"\xff"],
    "UPDATE private_values SET salt = ? WHERE path = 'registration.email'": ["text"],
    "UPDATE private_values SET value = ? WHERE path = 'registration.email'": [
        b"\xff",
        "[" * 50_000,
        "[" * 900 + "]" * 900,
    ],
    "UPDATE private_values SET path = ? WHERE path = 'registration.email'": [b"\xff"],
}


@pytest.mark.parametrize(("sql", "value"), [(sql, value) for sql, all_ in MISPLACED.items() for value in all_])
def test_whatever_stands_in_a_row_is_exported_and_found_by_the_verifier(
    sqlite_engine: Engine, sqlite_url: str, signer: Signer, folder: Path, sql: str, value: object
) -> None:
    """SQLite keeps anything anywhere; who altered a row must not keep an auditor from the others."""
    case = bring(sqlite_engine, "registered")
    run_once(sqlite_engine.database, signer, sqlite_engine.clock.now())
    put(sqlite_url, sql, value)

    make(sqlite_engine, folder / "all.zip", reveal=True)
    make(sqlite_engine, folder / "some.zip", cases=(case,), reveal=True, against=(1,))

    for name in ("all", "some"):
        assert not verify_export(folder / f"{name}.zip", signer.key)[0].ok


def test_values_of_a_case_that_cannot_be_read_are_not_revealed(engine: Engine, url: str, folder: Path) -> None:
    bring(engine, "registered")
    put(url, "UPDATE cases SET facts = ?", "[]")

    with pytest.raises(HistoryBroken, match=r"somebody altered it, so nothing was revealed.*audit verify"):
        make(engine, folder / "all.zip", reveal=True)

    assert list(folder.iterdir()) == []
    make(engine, folder / "all.zip")


def test_missing_rows_are_no_obstacle(sqlite_engine: Engine, sqlite_url: str, signer: Signer, folder: Path) -> None:
    gone, left = bring(sqlite_engine, "registered"), bring(sqlite_engine, "registered")
    run_once(sqlite_engine.database, signer, sqlite_engine.clock.now())
    put(sqlite_url, "DELETE FROM cases WHERE reference = ?", gone)
    put(sqlite_url, "DELETE FROM leaves WHERE id = ?", 1)

    make(sqlite_engine, folder / "all.zip", against=(1, 2))
    make(sqlite_engine, folder / "some.zip", cases=(left,), reveal=True)

    assert Unzipped(folder / "all.zip").cases() == [gone, left]
    assert "LEAF_GAP" in {one.code for one in verify_export(folder / "all.zip", signer.key)[0].findings}


# -- size ------------------------------------------------------------------------------------------------------------


def fill(engine: Engine, cases: int, notes: int) -> None:
    """Open cases with so many notes each, as fast as the database can."""
    origin = Origin("anna", "anna-os", "python")
    with engine.database.writing() as store:
        works = []
        for case_id in store.new_case_ids(cases):
            work = Work(engine.rules, origin, engine.clock.now(), case_id, None)
            given = commands.parse_facts(engine.rules, employer())
            commands.open_case(work, new_reference(), given, None, letters=False)
            for number in range(notes):
                commands.note(work, f"notitie {number}")
            works.append(work)
        store.write(works)


def test_memory_does_not_grow_with_the_number_of_events(sqlite_engine: Engine, signer: Signer, folder: Path) -> None:
    """From 2,000 events to 5,000 and more, in as many times as many cases."""
    given = {"since": date(2026, 4, 1)}
    make(sqlite_engine, folder / "warm.zip", **given)
    peaks = []
    for cases in (40, 60 * LONG):
        fill(sqlite_engine, cases, 49)
        while run_once(sqlite_engine.database, signer, sqlite_engine.clock.now()).leaves:
            pass
        tracemalloc.start()
        done = make(sqlite_engine, folder / "measured.zip", force=True, **given)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert done.events == 2_000 + 3_000 * LONG
    assert peaks[1] < 1.2 * peaks[0], peaks
