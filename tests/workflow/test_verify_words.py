"""What is found in an export that somebody changed: each finding in full, its code, its case, its event and its words.

The manifest was made to fit, so that not its hashes but the history itself shows it. What is found stands in
tests/data/exports/findings.txt, under the name of what was done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forging import Files, counted, cut, definition, events, manifest, records, unpack
from specimens import FOLDER, changed, heard, signer, specimen

from workflow.events import canonical_bytes
from workflow.ledger.verify import Checkpoint, read_checkpoint

Change = Callable[[Files], None]
LATER = "2026-04-21T08:39:00.000000Z"
"""A quarter of an hour after the last checkpoint."""


@pytest.mark.parametrize("name", ["whole", "part", "fresh", "revealed", "revealed_part"])
def test_an_export_that_was_made_in_november_2026_is_still_proved(name: str) -> None:
    assert heard(specimen(name)) == []


# -- ways to change one ------------------------------------------------------------------------------------------------


def both(first: Change, second: Change) -> Change:
    def change(files: Files) -> None:
        first(files)
        second(files)

    return change


def appended(name: str, data: bytes) -> Change:
    return lambda files: files.update({name: files[name] + data})


def last_replaced(name: str, old: bytes, new: bytes) -> Change:
    return lambda files: files.update({name: new.join(files[name].rsplit(old, 1))})


def emptied(name: str) -> Change:
    return lambda files: files.update({name: b""})


def dropped(name: str) -> Change:
    return lambda files: files.__delitem__(name)


def kept(name: str, number: int) -> Any:
    """One of the checkpoints of an export, as it is kept there."""
    return json.loads(unpack(specimen(name))["checkpoints.jsonl"].splitlines()[number])


def renoted(edit: Callable[[list[Any]], Any]) -> Change:
    """Edit the checkpoints, and have the manifest name the one that is the last then."""

    def change(files: Files) -> None:
        records("checkpoints.jsonl", edit)(files)
        notes = [json.loads(line)["note"] for line in files["checkpoints.jsonl"].splitlines()]
        manifest(checkpoint=notes[-1] if notes else None)(files)

    return change


def checkpoint(first: int, sign: Callable[[Checkpoint], str], last: int | None = None) -> Change:
    """Sign the checkpoints from the first to the last of these numbers anew, and what stands beside them with it."""

    def edit(rows: list[Any]) -> None:
        for number in range(first, (first if last is None else last) + 1):
            note = sign(read_checkpoint(rows[number]["note"]))
            said = read_checkpoint(note)
            rows[number] = {"at": said.at, "size": said.size, "root": said.root.hex(), "note": note}

    return renoted(edit)


def dated(number: int, size: int, at: str) -> Change:
    """Sign a checkpoint anew, of so many leaves, at another moment."""
    return checkpoint(number, lambda one: signer().checkpoint(size, one.root, at))


def relinked(number: int, **values: Any) -> Change:
    """Make the last event of a case say something else, and its leaf with it."""

    def change(files: Files) -> None:
        events(lambda rows: rows[number]["event"].update(values))(files)
        event = json.loads(files["events.jsonl"].splitlines()[number])
        digest = hashlib.sha256(canonical_bytes(event["event"])).hexdigest()
        records("leaves.jsonl", lambda rows: rows[event["leaf"]].update(hash=digest))(files)

    return change


# -- what was done to which export, and how ---------------------------------------------------------------------------

FAULTS: dict[str, dict[str, tuple[str, Change]]] = {
    "events": {
        "an actor": ("whole", events(lambda rows: rows[1]["event"].update(actor="eve"), rehash=False)),
        "an actor, and the hash beside it": ("whole", events(lambda rows: rows[1]["event"].update(actor="eve"))),
        "an actor of a selection": ("part", events(lambda rows: rows[-1]["event"].update(actor="eve"))),
        "an event dropped": ("whole", counted(events(lambda rows: rows.pop(2)), events=10)),
        "two events dropped": ("whole", counted(events(lambda rows: rows.__delitem__(slice(2, 4))), events=9)),
        "a tail cut": ("whole", counted(events(lambda rows: rows.pop()), events=10)),
        "a tail cut of a selection": ("part", counted(events(lambda rows: rows.pop()), events=3)),
        "an event twice": ("whole", counted(events(lambda rows: rows.insert(2, rows[1])), events=12)),
        "events in another order": ("whole", events(lambda rows: rows.insert(2, rows.pop(1)))),
        "an event put among those of another case": ("whole", events(lambda rows: rows.insert(7, rows.pop(4)))),
        "a case told twice": ("whole", counted(events(lambda rows: rows.extend(rows[:2])), events=13)),
        "another event in the place of one": (
            "whole",
            events(lambda rows: rows[6]["event"].update(prev_hash="f" * 64)),
        ),
        "a note back-dated": ("whole", events(lambda rows: rows[8]["event"].update(at="2026-04-21T08:21:59.999999Z"))),
        "a note dated after the checkpoint over it": (
            "whole",
            events(lambda rows: rows[8]["event"].update(at="2026-04-21T08:24:00.000001Z"), rehash=False),
        ),
        "a note of a selection dated after the checkpoint over it": (
            "part",
            events(lambda rows: rows[3]["event"].update(at="2026-04-21T08:24:00.000001Z"), rehash=False),
        ),
        "an event dated after its checkpoint, to the letter": ("whole", relinked(4, at="2026-04-20T08:22:00.000001Z")),
        "an event dated at its checkpoint": ("whole", relinked(4, at="2026-04-20T08:02:00.000000Z")),
        "a line that is no event": ("whole", appended("events.jsonl", b"{}\n")),
        "an event that is no JSON": ("whole", last_replaced("events.jsonl", b'"actor":"anna"', b'"actor":anna')),
        "an event that is no text": ("whole", last_replaced("events.jsonl", b'"anna"', b'"\xff"')),
        "an event with a field too many": ("whole", events(lambda rows: rows[0]["event"].update(more=1))),
        "an event spelt otherwise": ("whole", last_replaced("events.jsonl", b'"anna"', b'"\\u0061nna"')),
        "an event with a number twice": ("whole", last_replaced("events.jsonl", b'"seq":1,', b'"seq":1,"seq":1,')),
        "an event nested deeply": ("whole", last_replaced("events.jsonl", b'"anna"', b"[" * 20_000 + b"]" * 20_000)),
        "a case with a long name": ("whole", events(lambda rows: rows[-1]["event"].update(case="long" * 11))),
        "a leaf denied": ("whole", events(lambda rows: rows[0].update(leaf=None))),
        "two leaves denied": ("whole", events(lambda rows: [row.update(leaf=None) for row in rows[5:7]])),
        "the newest leaf denied": ("whole", events(lambda rows: rows[8].update(leaf=None))),
        "a leaf claimed twice": ("whole", events(lambda rows: rows[1].update(leaf=0))),
        "a leaf that is not there": ("whole", events(lambda rows: rows[1].update(leaf=11))),
        "a leaf that is not there, of a selection": ("part", events(lambda rows: rows[1].update(leaf=0))),
        "the leaf of another event": ("whole", events(lambda rows: [rows[1].update(leaf=2), rows[2].update(leaf=1)])),
    },
    "leaves": {
        "leaves in another order": ("whole", records("leaves.jsonl", lambda rows: rows.reverse())),
        "the last leaf dropped": ("whole", records("leaves.jsonl", lambda rows: rows.pop())),
        "the first leaf dropped": ("whole", records("leaves.jsonl", lambda rows: rows.pop(0))),
        "a leaf dropped from a selection": ("part", records("leaves.jsonl", lambda rows: rows.pop())),
        "the hash of a leaf": ("whole", records("leaves.jsonl", lambda rows: rows[0].update(hash="0" * 64))),
        "the case of a leaf": ("whole", records("leaves.jsonl", lambda rows: rows[0].update(case="x" * 41))),
        "the number of a leaf's event": ("whole", records("leaves.jsonl", lambda rows: rows[0].update(seq=2))),
        "a leaf that is no hash": ("whole", records("leaves.jsonl", lambda rows: rows[-1].update(hash="x"))),
        "a leaf without hash, of a case with a long name": (
            "whole",
            records("leaves.jsonl", lambda rows: rows[-1].update(hash="x", case="x" * 41)),
        ),
        "a leaf twice": ("whole", records("leaves.jsonl", lambda rows: rows.insert(1, rows[0]))),
        "a leaf of another shape": ("whole", records("leaves.jsonl", lambda rows: rows[-1].update(more=1))),
        "a leaf whose number is text": ("whole", records("leaves.jsonl", lambda rows: rows[-1].update(leaf="10"))),
        "a leaf whose number is true": ("whole", records("leaves.jsonl", lambda rows: rows[1].update(leaf=True))),
        "a leaf of a case with a long name behind a gap": (
            "whole",
            records("leaves.jsonl", lambda rows: [rows.pop(5), rows[5].update(case="x" * 41)]),
        ),
        "leaves of a case with a long name, of a selection": (
            "part",
            records("leaves.jsonl", lambda rows: rows[-1].update(case="x" * 41)),
        ),
        "a leaf more": ("whole", records("leaves.jsonl", lambda rows: rows.append({**rows[0], "leaf": 11}))),
        "a leaf more, of a selection": (
            "part",
            records("leaves.jsonl", lambda rows: rows.append({**rows[0], "leaf": 11})),
        ),
        "no leaves": ("whole", emptied("leaves.jsonl")),
        "no file of leaves": ("whole", dropped("leaves.jsonl")),
        "a leaf more, of a case with a long name": (
            "whole",
            records("leaves.jsonl", lambda rows: rows.append({**rows[0], "leaf": 11, "case": "x" * 41})),
        ),
        "a leaf in the middle dropped, and an event before it": (
            "whole",
            both(
                counted(events(lambda rows: rows.pop(4)), events=10), records("leaves.jsonl", lambda rows: rows.pop(5))
            ),
        ),
    },
    "checkpoints": {
        "the last checkpoint dropped": ("whole", records("checkpoints.jsonl", lambda rows: rows.pop())),
        "the last checkpoint dropped, and its name": ("whole", renoted(lambda rows: rows.pop())),
        "the heartbeat dropped": ("whole", records("checkpoints.jsonl", lambda rows: rows.pop(2))),
        "all checkpoints dropped": ("whole", records("checkpoints.jsonl", lambda rows: rows.clear())),
        "all checkpoints of a selection dropped": ("part", records("checkpoints.jsonl", lambda rows: rows.clear())),
        "checkpoints in another order": ("whole", records("checkpoints.jsonl", lambda rows: rows.reverse())),
        "the heartbeat before its checkpoint": (
            "whole",
            records("checkpoints.jsonl", lambda rows: rows.insert(1, rows.pop(2))),
        ),
        "a checkpoint more in a selection": (
            "part",
            records("checkpoints.jsonl", lambda rows: rows.insert(0, kept("whole", 1))),
        ),
        "a heartbeat more in a selection": (
            "part",
            renoted(
                lambda rows: rows.append(
                    {**rows[1], "at": LATER, "note": signer().checkpoint(11, bytes.fromhex(rows[1]["root"]), LATER)}
                )
            ),
        ),
        "a checkpoint twice": ("whole", records("checkpoints.jsonl", lambda rows: rows.insert(1, rows[1]))),
        "a checkpoint that is none": ("whole", records("checkpoints.jsonl", lambda rows: rows[1].update(note="x"))),
        "a checkpoint that is no record": ("whole", records("checkpoints.jsonl", lambda rows: rows[1].pop("root"))),
        "a checkpoint without time": (
            "whole",
            checkpoint(1, lambda one: signer().checkpoint(one.size, one.root, "yesterday")),
        ),
        "the size beside a checkpoint": ("whole", records("checkpoints.jsonl", lambda rows: rows[1].update(size=1))),
        "the time beside a checkpoint": (
            "whole",
            records("checkpoints.jsonl", lambda rows: rows[1].update(at="2026-04-20T08:02:00.000001Z")),
        ),
        "the root beside a checkpoint": (
            "whole",
            records("checkpoints.jsonl", lambda rows: rows[1].update(root="0" * 64)),
        ),
        "the time of a checkpoint, without the key": (
            "whole",
            records(
                "checkpoints.jsonl",
                lambda rows: rows[1].update(
                    note=rows[1]["note"].replace("08:02", "08:03"), at="2026-04-20T08:03:00.000000Z"
                ),
            ),
        ),
        "a checkpoint of another key": (
            "whole",
            checkpoint(1, lambda one: signer("Somebody").checkpoint(one.size, one.root, one.at)),
        ),
        "a checkpoint of our key under another name": (
            "whole",
            checkpoint(
                1, lambda one: signer().checkpoint(one.size, one.root, one.at).replace("PeterNeumann\n5", "Somebody\n5")
            ),
        ),
        "a checkpoint signed under another name only": (
            "whole",
            checkpoint(
                1, lambda one: signer().checkpoint(one.size, one.root, one.at).replace("— PeterNeumann", "— Somebody")
            ),
        ),
        "a root, with the stolen key": ("whole", checkpoint(1, lambda one: signer().checkpoint(5, bytes(32), one.at))),
        "the root of nothing, with the stolen key": (
            "whole",
            checkpoint(0, lambda one: signer().checkpoint(0, bytes(32), one.at)),
        ),
        "roots that differ one after another, with the stolen key": (
            "whole",
            checkpoint(1, lambda one: signer().checkpoint(5, bytes(32), one.at), 2),
        ),
        "a root that differs again later, with the stolen key": (
            "whole",
            both(
                checkpoint(1, lambda one: signer().checkpoint(5, bytes(32), one.at)),
                checkpoint(3, lambda one: signer().checkpoint(11, bytes(32), one.at)),
            ),
        ),
        "a size, with the stolen key": ("whole", checkpoint(3, lambda one: signer().checkpoint(12, one.root, one.at))),
        "sizes beyond, with the stolen key": (
            "whole",
            checkpoint(2, lambda one: signer().checkpoint(one.size + 10, one.root, one.at), 3),
        ),
        "a time before that of the checkpoint before it, with the stolen key": (
            "whole",
            dated(2, 5, "2026-04-20T08:01:59.999999Z"),
        ),
        "a checkpoint of the first hour of time": (
            "fresh",
            dated(3, 11, "0001-01-01T00:10:00.000000Z"),
        ),
        "an event that should have its leaf by now": (
            "fresh",
            dated(3, 11, "2026-04-21T08:40:00.000001Z"),
        ),
        "an event that may still wait for its leaf": (
            "fresh",
            dated(3, 11, "2026-04-21T08:40:00.000000Z"),
        ),
        "the time of the first checkpoint of a selection, with the stolen key": (
            "part",
            dated(0, 5, "2026-04-21T08:22:30.000000Z"),
        ),
    },
    "proofs": {
        "an inclusion proof": ("part", records("proofs.jsonl", lambda rows: rows[0].update(path=["0" * 64]))),
        "the size of an inclusion proof": ("part", records("proofs.jsonl", lambda rows: rows[0].update(size=10))),
        "the hash of an inclusion proof": ("part", records("proofs.jsonl", lambda rows: rows[0].update(hash="x"))),
        "an inclusion proof of everything": (
            "whole",
            records("proofs.jsonl", lambda rows: rows[0].update(hash="0" * 64)),
        ),
        "an inclusion proof with numbers for hashes": (
            "whole",
            records("proofs.jsonl", lambda rows: rows[0]["path"].append(7)),
        ),
        "an inclusion proof with text for a path": (
            "whole",
            records("proofs.jsonl", lambda rows: rows[0].update(path="0" * 64)),
        ),
        "an inclusion proof dropped": ("part", records("proofs.jsonl", lambda rows: rows.pop())),
        "an inclusion proof dropped where all leaves are": ("whole", records("proofs.jsonl", lambda rows: rows.pop())),
        "an inclusion proof of another shape": ("part", records("proofs.jsonl", lambda rows: rows[1].pop("size"))),
        "inclusion proofs exchanged": (
            "part",
            records("proofs.jsonl", lambda rows: [rows[0].update(leaf=6), rows[1].update(leaf=5)]),
        ),
        "a consistency proof": ("part", records("consistency.jsonl", lambda rows: rows[0].update(path=["0" * 64]))),
        "a consistency proof dropped": ("part", records("consistency.jsonl", lambda rows: rows.pop(0))),
        "a consistency proof of nothing": ("part", records("consistency.jsonl", lambda rows: rows[0].update(path=[]))),
        "a consistency proof with numbers for hashes": (
            "part",
            records("consistency.jsonl", lambda rows: rows[0]["path"].__setitem__(0, 7)),
        ),
        "a consistency proof with capitals": (
            "part",
            records("consistency.jsonl", lambda rows: rows[0].update(path=[step.upper() for step in rows[0]["path"]])),
        ),
        "a consistency proof of another shape": (
            "part",
            records("consistency.jsonl", lambda rows: rows[0].update(path="x")),
        ),
        "the root of the first checkpoint of a selection, with the stolen key": (
            "part",
            checkpoint(0, lambda one: signer().checkpoint(5, bytes(32), one.at)),
        ),
    },
    "values": {
        "a value": ("revealed", records("openings.jsonl", lambda rows: rows[7].update(value="anders"))),
        "a salt": ("revealed", records("openings.jsonl", lambda rows: rows[7].update(salt="0" * 64))),
        "a salt that is none": ("revealed", records("openings.jsonl", lambda rows: rows[7].update(salt="no hex"))),
        "a value dropped": ("revealed", records("openings.jsonl", lambda rows: rows.pop(7))),
        "all values of an event dropped": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.__delitem__(slice(0, 7))),
        ),
        "six values of an event dropped": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.__delitem__(slice(0, 6))),
        ),
        "five values of an event dropped": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.__delitem__(slice(0, 5))),
        ),
        "no values": ("revealed", emptied("openings.jsonl")),
        "a value more": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.append({**rows[-1], "path": "x" * 81})),
        ),
        "a value with a long path that differs": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.insert(1, {**rows[0], "path": "x" * 81})),
        ),
        "a value of nobody": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.append({**rows[-1], "case": "x" * 41, "path": "y" * 81})),
        ),
        "two values of nobody": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.extend({**rows[-1], "case": case} for case in "xy")),
        ),
        "a value of an event that does not exist": (
            "revealed",
            records("openings.jsonl", lambda rows: rows.append({**rows[-1], "seq": 9})),
        ),
        "values of events that do not exist, first and last": (
            "revealed",
            records(
                "openings.jsonl",
                lambda rows: [rows.insert(0, {**rows[0], "seq": 0}), rows.insert(8, {**rows[0], "seq": 3})],
            ),
        ),
        "values in another order": ("revealed", records("openings.jsonl", lambda rows: rows.append(rows.pop(7)))),
        "a value of another shape": ("revealed", records("openings.jsonl", lambda rows: rows[-1].update(seq="4"))),
        "values that were erased": (
            "revealed",
            records(
                "openings.jsonl",
                lambda rows: rows.append({**rows[-1], "case": "K-G7FR-2P5A", "seq": 2, "path": "reason"}),
            ),
        ),
        "values in an export that says it has none": ("revealed", manifest(revealed=False)),
        "no file of values": ("revealed", dropped("openings.jsonl")),
        "a value of a selection": (
            "revealed_part",
            records("openings.jsonl", lambda rows: rows[7].update(value="anders")),
        ),
    },
    "definitions": {
        "a definition": ("whole", definition(lambda data: data.replace(b'"final":true', b'"final":null'))),
        "a definition spelt otherwise": ("whole", definition(lambda data: data + b" ")),
        "a definition that is none": ("whole", definition(lambda data: b"{")),
        "a definition without a name": ("whole", definition(lambda data: data.replace(b'"initial":', b'"begin":'))),
        "a definition of another version": (
            "whole",
            definition(lambda data: data.replace(b'"version":"2026.6"', b'"version":"2026.7"')),
        ),
        "a definition with a long file name": ("whole", lambda files: files.update({"definitions/" + "x" * 80: b"{}"})),
        "no definitions": ("whole", dropped("definitions/employer_coupling-2026.6.json")),
    },
    "the manifest": {
        "how many events": ("whole", manifest(events=12)),
        "how many cases": ("whole", manifest(cases="3")),
        "no checkpoint in the manifest": ("whole", manifest(checkpoint=None)),
        "another checkpoint in the manifest": (
            "whole",
            manifest(checkpoint=signer().checkpoint(11, bytes(32), "2026-04-21T08:24:00.000000Z")),
        ),
        "nonsense for the checkpoint in the manifest": ("whole", manifest(checkpoint="x")),
        "nonsense for a checkpoint in the manifest where none is": (
            "whole",
            both(records("checkpoints.jsonl", lambda rows: rows.clear()), manifest(checkpoint="x")),
        ),
        "a number for the checkpoint in the manifest": ("whole", manifest(checkpoint=11)),
        "a file without its end": ("whole", cut("checkpoints.jsonl", 1)),
        "a file with an empty line": ("whole", appended("proofs.jsonl", b"\n")),
        "a file with a line that is no JSON": ("whole", appended("proofs.jsonl", b"x\n")),
        "a file with a line that is a list": ("whole", appended("proofs.jsonl", b"[]\n")),
        "a selection that calls itself whole": ("part", manifest(complete=True)),
        "a whole that calls itself a selection": ("whole", manifest(complete=False)),
        "a whole that only nearly calls itself whole": ("whole", manifest(complete=1)),
        "values that are only nearly said to be there": (
            "revealed",
            both(manifest(revealed=1), records("openings.jsonl", lambda rows: rows[7].update(value="anders"))),
        ),
    },
}


def expected() -> dict[str, list[str]]:
    sections = (FOLDER / "findings.txt").read_text("utf-8").split("== ")[1:]
    return {name: lines for name, *lines in map(str.splitlines, sections)}


def test_each_fault_stands_in_the_file_of_findings() -> None:
    assert list(expected()) == [name for faults in FAULTS.values() for name in faults]


@pytest.mark.parametrize("part", FAULTS)
def test_each_thing_that_was_changed_is_told_in_full(tmp_path: Path, part: str) -> None:
    found = {name: heard(changed(which, change, tmp_path)) for name, (which, change) in FAULTS[part].items()}

    assert found == {name: expected()[name] for name in found}


@pytest.mark.parametrize(
    ("which", "name", "wrong"),
    [
        ("whole", "checkpoints", {"at": 7, "size": "7", "root": 7, "note": 7}),
        ("whole", "leaves", {"leaf": "7", "case": 7, "seq": "7", "hash": 7}),
        ("whole", "proofs", {"leaf": "7", "hash": 7, "size": "7", "path": "7"}),
        ("part", "consistency", {"from": "7", "to": "7", "path": "7"}),
        ("revealed", "openings", {"case": 7, "seq": "7", "path": 7, "salt": 7}),
    ],
)
def test_each_field_of_each_line_is_of_its_type(tmp_path: Path, which: str, name: str, wrong: dict[str, Any]) -> None:
    for field, value in wrong.items():
        change = records(f"{name}.jsonl", lambda rows, one=(field, value): rows[0].update([one]))

        found = heard(changed(which, change, tmp_path))

        assert found[0] == f"MANIFEST [ 0] {name}.jsonl: line 1 is not what such a line holds."
