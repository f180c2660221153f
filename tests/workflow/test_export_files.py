"""The files of an export, each by itself: exactly which lines stand in it, also when the database was altered."""

from __future__ import annotations

import csv
import json
import random
import zipfile
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from employers import bring, employer
from exports import AUDITOR, FILES, Unzipped, make
from looking import look
from rfc9162 import mth, path, subproof
from tampering import put, run

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.ledger import files, revealing, verify
from workflow.ledger.archive import Archive, new_archive
from workflow.ledger.export import FORMAT, Order, export
from workflow.ledger.files import Counted
from workflow.ledger.proofs import TreeFile
from workflow.ledger.selection import Asked, Chosen
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import make_key, read_signer
from workflow.ledger.verify import leaf_hash
from workflow.storage.store import Store

ALL = Chosen(None)
SOME = Chosen(array("q", [1, 3]))
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
HASHES = [bytes([number]) * 32 for number in range(6)]


@pytest.fixture
def engine(sqlite_engine: Engine, clock: SetClock, tmp_path: Path) -> Engine:
    """Three cases of two events; a checkpoint an hour over two leaves more each time; and one event that waits."""
    make_key(tmp_path / "signing.key", "schakel/test")
    signer = read_signer(tmp_path / "signing.key")
    for _ in range(3):
        case = bring(sqlite_engine, "rights_pending", employer("registration"))
        sqlite_engine.note(case, "é")
        clock.moment += timedelta(hours=1)
        run_once(sqlite_engine.database, signer, clock.now())
    sqlite_engine.note(case, "later")
    return sqlite_engine


@contextmanager
def tree_of(folder: Path, hashes: list[bytes]) -> Iterator[TreeFile]:
    with TreeFile(folder) as tree:
        for one in hashes:
            tree.append(leaf_hash(one))
        yield tree


def written(engine: Engine, folder: Path, write: Callable[[Archive, Store], Any]) -> tuple[Any, dict[str, bytes]]:
    """What writing answers, and the files it wrote."""
    out = folder / "a.zip"
    with (
        engine.database.reading() as store,
        new_archive(out, MADE_AT, force=True, watch=lambda *_: None) as archive,
    ):
        answer = write(archive, store)
    with zipfile.ZipFile(out) as zipped:
        return answer, {name: zipped.read(name) for name in zipped.namelist()}


def only(found: dict[str, bytes], name: str) -> list[Any]:
    """The lines of the only file, which has this name."""
    assert list(found) == [name]
    return [json.loads(line) for line in found[name].decode().splitlines()]


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# -- events, values and leaves -----------------------------------------------------------------------------------------


def test_events_stand_byte_for_byte_with_their_hash_and_leaf_and_are_counted(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    put(sqlite_url, "UPDATE events SET hash = ? WHERE case_id = 1 AND seq = 2", 'é"')
    rows = look(sqlite_url, "SELECT e.*, l.id AS leaf FROM events e LEFT JOIN leaves l USING (case_id, seq) ORDER BY 1")

    def lines(*numbers: int) -> bytes:
        chosen = sorted(
            (row for row in rows if row["case_id"] in numbers), key=lambda row: (row["case_id"], row["seq"])
        )
        return b"".join(
            b'{"event":%s,"hash":%s,"leaf":%s}\n'
            % (row["canonical"], compact(row["hash"]).encode(), compact(row["leaf"]).encode())
            for row in chosen
        )

    counted, found = written(engine, tmp_path, lambda archive, store: files.write_events(archive, store, SOME))
    assert found == {"events.jsonl": lines(1, 3)}
    assert counted == Counted(events=5, cases=2, waiting=1)

    counted, found = written(engine, tmp_path, lambda archive, store: files.write_events(archive, store, ALL))
    assert found == {"events.jsonl": lines(1, 2, 3)}
    assert counted == Counted(events=7, cases=3, waiting=1)


def test_values_stand_with_their_salts_and_as_text_where_they_are_no_json(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    put(sqlite_url, "UPDATE private_values SET value = '{é' WHERE case_id = 1 AND path = 'text'")
    sql = "SELECT p.*, c.reference FROM private_values p JOIN cases c ON c.id = p.case_id ORDER BY case_id, seq, path"
    rows = [row for row in look(sqlite_url, sql) if row["case_id"] != 2]

    _, found = written(engine, tmp_path, lambda archive, store: files.write_openings(archive, store, SOME))

    values = ["{é" if row["value"] == "{é" else json.loads(row["value"]) for row in rows]
    assert "{é" in values
    assert "é" in values
    assert found["openings.jsonl"].decode() == "".join(
        compact(
            {
                "case": row["reference"],
                "seq": row["seq"],
                "path": row["path"],
                "value": value,
                "salt": row["salt"].hex(),
            }
        )
        + "\n"
        for row, value in zip(rows, values, strict=True)
    )


def test_leaves_of_the_chosen_cases_stand_by_index_and_all_go_into_the_tree(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    put(sqlite_url, "UPDATE leaves SET hash = 'é' WHERE id = 1")
    rows = look(sqlite_url, "SELECT l.*, c.reference FROM leaves l JOIN cases c ON c.id = l.case_id ORDER BY l.id")
    entries = [b"" if row["id"] == 1 else bytes.fromhex(row["hash"]) for row in rows]

    with TreeFile(tmp_path) as tree:
        _, found = written(engine, tmp_path, lambda archive, store: files.write_leaves(archive, store, SOME, tree, 5))

        assert (tree.size, tree.root()) == (5, mth([leaf_hash(entry) for entry in entries[:5]]))

    lines = ({"leaf": r["id"], "case": r["reference"], "seq": r["seq"], "hash": r["hash"]} for r in rows)
    assert found["leaves.jsonl"].decode() == "".join(
        f"{compact(line)}\n" for line in lines if line["leaf"] in (0, 1, 4, 5)
    )


# -- checkpoints and proofs --------------------------------------------------------------------------------------------


def test_checkpoints_stand_all_or_the_last_of_each_day_and_their_sizes_are_told_once(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    moments = ("2026-04-20T21:59", "2026-04-20T22:00", "2026-04-21T21:59", "x", "x", "y")
    put(sqlite_url, "DELETE FROM checkpoints")
    for number, (at, size) in enumerate(zip(moments, (9, 2, 2, 4, 4, 2), strict=True), 1):
        text = f"{at}:00.000000Z" if "T" in at else at
        put(sqlite_url, "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?)", number, text, size, "ab", f"note {number} é")

    def listed(*, all_of_them: bool) -> tuple[list[int], list[Any]]:
        sizes, found = written(
            engine,
            tmp_path,
            lambda archive, store: files.write_checkpoints(archive, store, all_of_them=all_of_them),
        )
        return sizes, only(found, "checkpoints.jsonl")

    sizes, every = listed(all_of_them=True)
    assert sizes == [2, 4, 9]
    assert every == [
        {
            "at": f"{at}:00.000000Z" if "T" in at else at,
            "size": size,
            "root": "ab",
            "note": f"note {number} é",
        }
        for number, (at, size) in enumerate(zip(moments, (9, 2, 2, 4, 4, 2), strict=True), 1)
    ]
    sizes, some = listed(all_of_them=False)
    assert sizes == [2, 4, 9]
    assert some == [every[0], every[2], every[4], every[5]]
    run(sqlite_url, "DELETE FROM checkpoints")
    assert listed(all_of_them=False) == ([], [])


def test_each_leaf_of_a_chosen_case_is_proved_as_far_as_the_tree_goes(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    put(sqlite_url, "UPDATE leaves SET id = -1 WHERE id = 0")
    hashes = {row["id"]: row["hash"] for row in look(sqlite_url, "SELECT * FROM leaves")}

    with tree_of(tmp_path, HASHES[:5]) as tree:
        _, found = written(engine, tmp_path, lambda archive, store: files.write_proofs(archive, store, SOME, tree))

    proved = [leaf_hash(one) for one in HASHES[:5]]
    assert only(found, "proofs.jsonl") == [
        {"leaf": index, "hash": hashes[index], "size": 5, "path": [step.hex() for step in path(index, proved)]}
        for index in (1, 4)
    ]


def test_the_first_leaf_is_proved_and_of_all_cases_together_a_sample_that_the_tree_draws(
    engine: Engine, sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def proved() -> list[int]:
        with tree_of(tmp_path, HASHES) as tree:
            _, found = written(engine, tmp_path, lambda archive, store: files.write_proofs(archive, store, ALL, tree))
        return [line["leaf"] for line in only(found, "proofs.jsonl")]

    assert proved() == [0, 1, 2, 3, 4, 5]
    monkeypatch.setattr(files, "PROVED_OF_ALL", 3)
    root = mth([leaf_hash(one) for one in HASHES])
    drawn = sorted(random.Random(root.hex()).sample(range(6), 3))
    assert proved() == drawn
    put(sqlite_url, "DELETE FROM leaves WHERE id = ?", drawn[1])
    assert proved() == [drawn[0], drawn[2]]


def test_each_older_size_that_there_was_is_proved_to_have_become_the_tree(engine: Engine, tmp_path: Path) -> None:
    with tree_of(tmp_path, HASHES) as tree:
        _, found = written(
            engine, tmp_path, lambda archive, _: files.write_consistency(archive, tree, [-1, 0, 1, 3, 6, 7])
        )

    leaves = [leaf_hash(one) for one in HASHES]
    assert found["consistency.jsonl"].decode() == "".join(
        f"{compact({'from': size, 'to': 6, 'path': [step.hex() for step in subproof(size, leaves)]})}\n"
        for size in (1, 3, 6)
    )


def test_each_version_of_the_rules_stands_under_a_name_of_its_own(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    long = "x" * 200
    for name, version in (("a/b", "1"), ("a?b", "1"), ("a b", "1"), (".a", "b.c"), (long, "1")):
        content = f"{name} {version}"
        put(sqlite_url, "INSERT INTO definitions VALUES (?, ?, ?, ?)", name, version, "digest", content.encode())
    rules = {("a/b", "1"), ("a?b", "1"), ("a b", "1"), (".a", "b.c"), (long, "1"), ("nobody", "knows")}

    _, found = written(engine, tmp_path, lambda archive, store: files.write_definitions(archive, store, rules))

    assert found == {
        "definitions/_a-b.c.json": b".a b.c",
        "definitions/a_b-1.json": b"a b 1",
        "definitions/a_b-1-2.json": b"a/b 1",
        "definitions/a_b-1-3.json": b"a?b 1",
        f"definitions/{'x' * 100}.json": f"{long} 1".encode(),
    }


# -- the whole ---------------------------------------------------------------------------------------------------------


def test_the_manifest_and_the_readme_are_texts_that_people_can_read(
    engine: Engine, clock: SetClock, tmp_path: Path
) -> None:
    out = tmp_path / "é\udcff.zip"
    asked = Asked(since=clock.now().date())
    order = Order(out, asked, Origin("zoë\udcff", "x", "cli"), clock.now(), key="the key")

    done = export(engine.database, engine.rules, order, lambda _: iter(["page \ud800"]), lambda *_: None)

    found = Unzipped(out)
    assert found.files["README.txt"].decode().splitlines() == [
        "An export by Schakel: the history of cases, with proofs, rules and lists; report.html is for people.",
        "To check it, with a verify.py that you took from a release: python verify.py é\\udcff.zip --key KEY",
        "KEY is the verifier key that you were given before, not one from in here.",
        "Moments in lists/ and the report are by the clocks of Amsterdam (UTC+1, in summer UTC+2), all others in UTC.",
        "Personal values are masked in lists/, whatever was asked; an export with --reveal has them in openings.jsonl.",
    ]
    assert done.checkpoint is not None
    said = {
        "format": FORMAT,
        "made_at": "2026-04-20T11:00:00.000000Z",
        "made_by": "zoë\udcff",
        "complete": False,
        "selection": {"from": "2026-04-20"},
        "revealed": False,
        "events": 7,
        "cases": 3,
        "key": "the key",
        "checkpoint": done.checkpoint.note,
        "files": found.manifest["files"],
    }
    text = json.dumps(said, ensure_ascii=False, indent=2) + "\n"
    assert found.files["manifest.json"] == text.encode("utf-8", "backslashreplace")
    assert found.manifest == said
    assert found.files["report.html"] == b"page \\ud800"
    assert [line["from"] for line in found.lines("consistency.jsonl")] == [6]


def test_lists_hold_the_chosen_cases_only_and_masked_unless_they_are_revealed(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    cases = [row["reference"] for row in look(sqlite_url, "SELECT reference FROM cases ORDER BY id")]
    name = engine.case(cases[2]).case.facts["registration"]["company_name"]

    for given, company in (({}, "•••••"), ({"reveal": True}, name)):
        make(engine, tmp_path / "a.zip", force=True, cases=(cases[0], cases[2]), **given)

        found = Unzipped(tmp_path / "a.zip").files
        rows = list(csv.DictReader(found["lists/cases.csv"].decode("utf-8-sig").splitlines(), delimiter=";"))
        events = list(csv.DictReader(found["lists/events.csv"].decode("utf-8-sig").splitlines(), delimiter=";"))
        book = openpyxl.load_workbook(BytesIO(found["lists/cases.xlsx"]))
        sheet = [list(row) for row in book["cases"].iter_rows(values_only=True)]
        assert book.sheetnames == ["cases"]
        assert [row["case"] for row in rows] == [row[0] for row in sheet[1:]] == [cases[0], cases[2]]
        assert list(rows[0]) == sheet[0]
        assert rows[1]["registration.company_name"] == company
        assert sheet[2][sheet[0].index("registration.company_name")] == company
        assert [row["kind"] for row in events] == [
            *("opened", "noted", *["revealed"] * bool(given)),
            *("opened", "noted", "noted", *["revealed"] * bool(given)),
        ]


def test_leaves_that_no_checkpoint_covers_are_not_proved(engine: Engine, sqlite_url: str, tmp_path: Path) -> None:
    put(sqlite_url, "DELETE FROM checkpoints")

    make(engine, tmp_path / "a.zip")

    found = Unzipped(tmp_path / "a.zip")
    assert found.files["proofs.jsonl"] == found.files["checkpoints.jsonl"] == b""
    assert [line["leaf"] for line in found.lines("leaves.jsonl")] == [0, 1, 2, 3, 4, 5]
    assert found.manifest["checkpoint"] is None
    assert list(found.files) == FILES
    assert found.files["verify.py"] == Path(verify.__file__).read_bytes()


def test_a_selection_proves_the_checkpoints_it_holds_and_those_that_somebody_else_does(
    engine: Engine, sqlite_url: str, tmp_path: Path
) -> None:
    case = look(sqlite_url, "SELECT reference FROM cases")[0]["reference"]

    def proved(**given: Any) -> list[int] | None:
        make(engine, tmp_path / "a.zip", force=True, **given)
        found = Unzipped(tmp_path / "a.zip")
        return [one["from"] for one in found.lines("consistency.jsonl")] if "consistency.jsonl" in found.files else None

    assert proved() is None
    assert proved(against=(4, 3, 9)) == [3, 4]
    assert proved(cases=(case,)) == [6]
    assert proved(cases=(case,), against=(6, 5)) == [5, 6]


def test_cases_are_told_in_batches_that_they_are_revealed_and_erased_ones_are_not(
    engine: Engine, sqlite_url: str, clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revealing, "BATCH", 2)
    erased, *others = (row["reference"] for row in look(sqlite_url, "SELECT reference FROM cases ORDER BY id"))
    engine.advance(erased, "withdraw", reason="op verzoek")
    erase(engine.database, engine.rules, clock.now(), AUDITOR, erased, Wish("op verzoek", "AVG art. 17", 7))

    make(engine, tmp_path / "a.zip", reveal=True)

    found = Unzipped(tmp_path / "a.zip")
    told = [event for event in found.events() if event["kind"] == "revealed"]
    assert [(event["case"], event["actor"], event["body"]) for event in told] == [
        (case, "auditor", {"cases": 3}) for case in others
    ]
    assert {event["at"] for event in told} == {"2026-04-20T11:00:00.000000Z"}
    assert found.manifest["events"] == 11
    assert f"definitions/employer_coupling-{EMPLOYER_COUPLING.version}.json" in found.files
