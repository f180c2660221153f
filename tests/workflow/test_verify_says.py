"""What verify.py says to whoever runs it, word for word: on its two streams, as JSON, and by its exit code."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from forging import Files, counted, events, manifest, records, unpack
from rfc9162 import mth, subproof
from specimens import STRANGER, VKEY, changed, named, shown, signer, specimen

from workflow.ledger import verify as verifier
from workflow.ledger.verify import Unreadable, VerifierKey, leaf_hash, read_checkpoint, read_key, verify_export

Run = Callable[..., tuple[int, str, str]]
WHOLE = (
    "An export of everything, made at 2026-04-21T08:24:00.000000Z by aud.\n"
    "Read: 11 events of 3 cases, 11 leaves, 4 checkpoints.\n"
    "The last checkpoint: 11 leaves at 2026-04-21T08:24:00.000000Z.\n"
)
PART = (
    "An export of a selection of cases, made at 2026-04-21T08:24:00.000000Z by aud.\n"
    "Read: 4 events of 1 cases, 4 leaves, 2 checkpoints.\n"
    "The last checkpoint: 11 leaves at 2026-04-21T08:24:00.000000Z.\n"
)
FOR_READING = "Its report and lists are for reading: nothing holds them against the events, which are what counts.\n"
NOTHING = (
    "Nothing is wrong with it: hashes, chains, leaves, roots, signatures, rules and time order agree.\n" + FOR_READING
)
LEFT_OUT = (
    "What was left out of a selection cannot be seen in it. That a case ends where it does here is not proved\n"
    "either, as events may have followed: only an export of everything proves that.\n"
)
ITS_OWN = (
    f"It is signed by {VKEY}\n"
    "Compare it with the one you hold (--key): whoever made up a history can sign it with a key of their own.\n"
)
REWRITTEN = "Whether whoever has the key rewrote it all shows only against a checkpoint kept elsewhere (--against).\n"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run it with these words: exit code, what it printed, what it complained of."""

    def verify(*words: object) -> tuple[int, str, str]:
        code = verifier.main([str(word) for word in words])
        out, err = capsys.readouterr()
        return code, named(out), err

    return verify


def kept(name: str, number: int) -> str:
    """The note of one of the checkpoints in an export."""
    note: str = json.loads(unpack(specimen(name))["checkpoints.jsonl"].splitlines()[number])["note"]
    return note


# -- honest ------------------------------------------------------------------------------------------------------------


def test_an_honest_export_is_proved_with_the_key_one_holds(run: Run) -> None:
    proved = f"Proved with the key you gave, {VKEY}.\n"

    assert run(specimen("whole"), "--key", VKEY) == (0, WHOLE + NOTHING + proved + REWRITTEN, "")


def test_without_a_key_it_says_whose_it_is_and_what_that_is_worth(run: Run) -> None:
    assert run(specimen("whole")) == (0, WHOLE + NOTHING + ITS_OWN + REWRITTEN, "")


def test_what_a_selection_cannot_show_is_said(run: Run) -> None:
    assert run(specimen("part")) == (0, PART + NOTHING + LEFT_OUT + ITS_OWN + REWRITTEN, "")


def test_the_end_of_a_case_can_be_cut_from_a_selection_so_that_is_said(run: Run, tmp_path: Path) -> None:
    """Leaves and proofs go with the events: nothing in a selection shows how far a case goes."""

    def change(files: Files) -> None:
        counted(events(lambda rows: rows.pop()), events=3)(files)
        records("leaves.jsonl", lambda rows: rows.pop())(files)
        records("proofs.jsonl", lambda rows: rows.pop())(files)

    path = changed("part", change, tmp_path)
    cut_part = PART.replace("4 events of 1 cases, 4 leaves", "3 events of 1 cases, 3 leaves")
    proved = f"Proved with the key you gave, {VKEY}.\n"

    assert run(path, "--key", VKEY) == (0, cut_part + NOTHING + LEFT_OUT + proved + REWRITTEN, "")
    assert json.loads(run(path, "--json")[1])["complete"] is False


def test_the_checkpoints_one_holds_are_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(kept("whole", 1) + "\n" + kept("whole", 3), "utf-8")
    proved = f"Proved with the key you gave, {VKEY}, and against 2 checkpoints you hold.\n"

    told = run(specimen("whole"), "--key", VKEY, "--against", tmp_path / "notes.txt")

    assert told == (0, WHOLE + NOTHING + proved, "")
    assert run(specimen("whole"), "--against", tmp_path / "notes.txt") == (0, WHOLE + NOTHING + ITS_OWN, "")


def test_of_the_checkpoints_one_holds_those_that_were_cut_off_are_counted(run: Run, tmp_path: Path) -> None:
    notes = [kept("whole", number) for number in (1, 3)]
    (tmp_path / "notes.txt").write_text(f"{notes[0][:-21]}\n\n{notes[1]}", "utf-8")
    words = (specimen("whole"), "--key", VKEY, "--against", tmp_path / "notes.txt")
    proved = f"Proved with the key you gave, {VKEY}, and against 1 checkpoints you hold.\n"
    cut_off = "Checkpoints that you hold and that are cut off, so that they say nothing: 1.\n"

    assert run(*words) == (0, WHOLE + cut_off + NOTHING + proved, "")
    assert json.loads(run(*words, "--json")[1])["cut_off"] == 1


def test_a_checkpoint_one_holds_of_another_history_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text(signer().checkpoint(11, bytes(32), "2026-04-21T08:24:00.000000Z"), "utf-8")
    told = (
        "  FORK  The checkpoint of 2026-04-21T08:24:00.000000Z over 11 leaves, which you hold, "
        "was signed over another history than the one that is here now.\n"
    )

    code, out, _ = run(specimen("whole"), "--key", VKEY, "--against", tmp_path / "note.txt")

    assert (code, out) == (8, f"{WHOLE}{told}1 finding: this is not the history as it was.\n")


def test_events_that_wait_for_a_leaf_are_told(run: Run) -> None:
    code, out, err = run(specimen("fresh"), "--key", VKEY)

    assert (code, err) == (0, "")
    assert out.splitlines()[1:7] == [
        "Read: 12 events of 3 cases, 11 leaves, 4 checkpoints.",
        "The last checkpoint: 11 leaves at 2026-04-21T08:24:00.000000Z.",
        "1 events are too new to have a leaf: they follow from their case, no more.",
        *NOTHING.splitlines(),
        f"Proved with the key you gave, {VKEY}: 11 of 12 events; the others are too new to be signed.",
    ]
    assert json.loads(run(specimen("fresh"), "--key", VKEY, "--json")[1])["proved"] == 11
    assert json.loads(run(specimen("fresh"), "--json")[1])["proved"] == 0


def unsigned(files: Files) -> None:
    """Take away every signature, as if the export was made before the first."""
    files.update(dict.fromkeys(("leaves.jsonl", "checkpoints.jsonl", "proofs.jsonl", "consistency.jsonl"), b""))
    events(lambda rows: [row.update(leaf=None) for row in rows])(files)
    manifest(checkpoint=None)(files)


@pytest.mark.parametrize("name", ["whole", "part", "revealed"])
def test_a_key_proves_nothing_where_nothing_is_signed(run: Run, tmp_path: Path, name: str) -> None:
    path = changed(name, unsigned, tmp_path)

    code, out, err = run(path, "--key", VKEY)
    said = json.loads(run(path, "--key", VKEY, "--json")[1])

    assert (code, err, "Proved" in out) == (8, "", False)
    assert out.splitlines()[-2:] == [
        "  NO_CHECKPOINT  Nothing here is signed: no checkpoint covers any of the events, "
        "so the key proves nothing of them.",
        "1 finding: nothing proves that this is the history as it was.",
    ]
    assert (said["ok"], said["proved"], said["unsequenced"]) == (False, 0, said["events"])


def test_a_checkpoint_over_other_events_proves_nothing_of_these(run: Run, tmp_path: Path) -> None:
    """A real checkpoint over nothing, put beside a history that somebody made up."""

    def change(files: Files) -> None:
        unsigned(files)
        events(lambda rows: [row["event"].update(at=row["event"]["at"].replace("-20T", "-21T")) for row in rows])(files)
        events(lambda rows: rows.__delitem__(slice(1, None)))(files)
        note = json.loads(unpack(specimen("whole"))["checkpoints.jsonl"].splitlines()[0])
        records("checkpoints.jsonl", lambda rows: rows.append(note))(files)
        manifest(checkpoint=note["note"], events=1, cases=1)(files)

    code, out, _ = run(changed("whole", change, tmp_path), "--key", VKEY)

    assert (code, out.splitlines()[-2].split()[0]) == (8, "NO_CHECKPOINT")


def test_without_a_key_it_says_that_nothing_is_signed(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(changed("whole", unsigned, tmp_path))

    assert code == 0
    assert out.splitlines()[-5:] == [
        "Nothing is wrong with it: hashes, chains, rules and time order agree.",
        FOR_READING[:-1],
        "Nothing in it is signed, so nothing shows who made it, or when: anybody can make up such a history.",
        "Ask for an export made after the next checkpoint, and verify that with the key you hold (--key).",
        REWRITTEN[:-1],
    ]


def test_the_key_proves_nothing_where_nothing_is(run: Run, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        files.update({name: b"" for name in files if name.endswith(".jsonl")})
        manifest(events=0, cases=0, checkpoint=None)(files)

    code, out, _ = run(changed("whole", change, tmp_path), "--key", VKEY)

    assert (code, "There are no events in it, so there is nothing to prove." in out.splitlines()) == (0, True)


def test_an_export_of_nothing_that_nobody_signed_holds(run: Run, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        files.update({name: b"" for name in files if name.endswith(".jsonl")})
        manifest(events=0, cases=0, checkpoint=None, key=None, made_at="1" * 81, made_by="2" * 81)(files)

    path = changed("whole", change, tmp_path)

    assert run(path) == (
        0,
        f"An export of everything, made at {'1' * 80} by {'2' * 80}.\n"
        f"Read: 0 events of 0 cases, 0 leaves, 0 checkpoints.\n{NOTHING}"
        f"It is signed by nobody\n{ITS_OWN.splitlines(keepends=True)[1]}{REWRITTEN}",
        "",
    )
    assert json.loads(run(path, "--json")[1]) == {
        "ok": True, "events": 0, "cases": 0, "leaves": 0, "checkpoints": 0, "unsequenced": 0, "proved": 0,
        "cut_off": 0, "checkpoint": None, "findings": [], "complete": True, "key": None, "key_given": False,
    }  # fmt: skip


# -- with findings -----------------------------------------------------------------------------------------------------


def cut(files: Files) -> None:
    counted(events(lambda rows: rows.pop()), events=10)(files)


def test_one_finding_is_told_with_its_case_and_event(run: Run, tmp_path: Path) -> None:
    assert run(changed("whole", cut, tmp_path), "--key", VKEY) == (
        8,
        WHOLE.replace("11 events", "10 events")
        + "  LEAF_WITHOUT_EVENT  THIRD event 2: Leaf 9 stands for an event that is not here, or not as it was.\n"
        "1 finding: this is not the history as it was.\n",
        "",
    )


def test_findings_of_no_case_and_of_no_event_are_told_without(run: Run, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        files["events.jsonl"] += b"{}\n"

    assert run(changed("whole", change, tmp_path)) == (
        8,
        WHOLE.replace("11 events", "12 events")
        + "  EVENT_UNREADABLE  THIRD: Line 12 of events.jsonl holds no event, hash and leaf.\n"
        "  MANIFEST  The manifest counts other events than the 12 that are here.\n"
        "2 findings: this is not the history as it was.\n",
        "",
    )


def test_the_answer_for_programs_says_the_same(run: Run, tmp_path: Path) -> None:
    code, out, err = run(changed("whole", cut, tmp_path), "--json")

    expected = {
        "ok": False,
        "events": 10,
        "cases": 3,
        "leaves": 11,
        "checkpoints": 4,
        "unsequenced": 0,
        "proved": 0,
        "cut_off": 0,
        "checkpoint": {
            "size": 11,
            "root": "175a1c5af7b655b238e0ae5c33a6e9bdf83bc8136224065aeed31b8242852901",
            "at": "2026-04-21T08:24:00.000000Z",
            "origin": "PeterNeumann",
        },
        "findings": [
            {
                "code": "LEAF_WITHOUT_EVENT",
                "case": "THIRD",
                "seq": 2,
                "message": "Leaf 9 stands for an event that is not here, or not as it was.",
            }
        ],
        "complete": True,
        "key": VKEY,
        "key_given": False,
    }
    assert (code, out, err) == (8, json.dumps(expected, indent=2) + "\n", "")


def test_the_answer_for_programs_says_which_key_was_given(run: Run) -> None:
    code, out, _ = run(specimen("whole"), "--json", "--key", STRANGER)

    said = json.loads(out)
    assert (code, said["key"], said["key_given"]) == (8, STRANGER, True)


def test_the_key_one_holds_counts_and_not_that_of_the_export(run: Run) -> None:
    _, out, _ = run(specimen("whole"), "--key", STRANGER)

    said = [
        f"The checkpoint of 2026-04-{at}:00.000000Z over {size} leaves: "
        "It was signed by another key than EnochRoot+af0cfe78."
        for at, size in (("20T08:00", 0), ("20T08:02", 5), ("20T08:22", 5), ("21T08:24", 11))
    ]
    told = "".join(f"  CHECKPOINT_KEY  {sentence}\n" for sentence in said)
    assert out == f"{WHOLE}{told}4 findings: this is not the history as it was.\n"


@pytest.mark.parametrize("named_key", [None, 7, "x", VKEY.replace("c74f", "c74e")])
@pytest.mark.parametrize("which", ["whole", "part"])
def test_without_any_key_signatures_are_not_called_checked(
    run: Run, tmp_path: Path, which: str, named_key: object
) -> None:
    code, out, _ = run(changed(which, manifest(key=named_key), tmp_path))

    assert code == 8
    assert out.splitlines()[3:] == [
        "  CHECKPOINT_KEY  There is no key to check the signatures of checkpoints by; "
        "give the one you hold with --key.",
        "1 finding: this is not the history as it was.",
    ]


def test_what_an_export_is_called_clears_no_terminal_and_adds_no_line(run: Run, tmp_path: Path) -> None:
    """Whoever makes up an export also makes up the names in it: none may look like a verdict."""
    proved = "Proved with the key you gave."
    raw = base64.b64decode(STRANGER.rpartition("+")[2])
    name = f"x\n{proved}"
    stranger = VerifierKey(name, raw[1:])

    def change(files: Files) -> None:
        files.update({name: b"" for name in files if name.endswith(".jsonl")})
        manifest(
            events=0, cases=0, checkpoint=None, key=str(stranger), made_at="1\u2028\r2", made_by="a\x1b[2Jb\nc\u202ed"
        )(files)

    path = changed("whole", change, tmp_path)

    assert run(path) == (
        0,
        "An export of everything, made at 1??2 by a?[2Jb?c?d.\n"
        f"Read: 0 events of 0 cases, 0 leaves, 0 checkpoints.\n{NOTHING}"
        f"It is signed by x?{proved}+{stranger.key_id.hex()}+{STRANGER.rpartition('+')[2]}\n"
        f"{ITS_OWN.splitlines(keepends=True)[1]}{REWRITTEN}",
        "",
    )


def test_a_finding_is_one_line_whatever_the_case_is_called(run: Run, tmp_path: Path) -> None:
    change = records("openings.jsonl", lambda rows: rows.append({**rows[-1], "case": "x\ny", "path": "a\nb\x7f"}))
    path = changed("revealed", change, tmp_path)

    _, out, _ = run(path, "--key", VKEY)
    answer = run(path, "--key", VKEY, "--json")[1]

    assert out.splitlines()[4:] == [
        "  OPENING_UNKNOWN  x?y event 4: a?b?: a value of an event that is not there.",
        "1 finding: this is not the history as it was.",
    ]
    assert answer.isascii()
    assert json.loads(answer)["findings"] == [
        {
            "code": "OPENING_UNKNOWN",
            "case": "x\ny",
            "seq": 4,
            "message": "a\nb\x7f: a value of an event that is not there.",
        }
    ]


# -- against what one holds --------------------------------------------------------------------------------------------

BEFORE, LAST = "2026-04-21T08:23:30.000000Z", "2026-04-21T08:24:00.000000Z"


def held(size: int, root: bytes = bytes(32), at: str = BEFORE, name: str = "PeterNeumann") -> str:
    return signer(name).checkpoint(size, root, at)


def found(which: str, *notes: str) -> list[str]:
    report, _ = verify_export(specimen(which), read_key(VKEY), [read_checkpoint(note) for note in notes])
    return shown(report.findings)


def of(size: int, said: str, at: str = BEFORE) -> str:
    return f"The checkpoint of {at} over {size} leaves, which you hold, {said}"


FORK = "was signed over another history than the one that is here now."
MORE = "names more leaves than the ledger had when this was made. It was cut off or put back to an older state."
ALSO = ", and so do 2 others that you hold."
CUT = "The ledger was cut off or put back to an older state:"
YET = "(an event that is here but has no leaf yet may be one of them)."
ASK = "cannot be compared: ask for an export made with --against it."
FORGED = "Its signature is not over what it says: it was changed or forged."
STRANGE = "It was signed by another key than PeterNeumann+c74f20a3."


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([kept("whole", number) for number in (3, 0, 2, 1)], []),
        ([kept("part", 0), held(11, read_checkpoint(kept("whole", 3)).root)], []),
        ([held(11)], ["FORK [ 0] " + of(11, FORK)]),
        ([held(7), held(0)], ["FORK [ 0] " + of(0, FORK), "FORK [ 0] " + of(7, FORK)]),
        ([held(7), kept("whole", 1), held(7, at=LAST)], ["FORK [ 0] " + of(7, FORK, LAST), "FORK [ 0] " + of(7, FORK)]),
        (
            [held(12)],
            ["ROLLED_BACK [ 0] " + of(12, f"names more than the 11 leaves there are. {CUT} its last leaf is missing"
                f" here, so at most one event is gone {YET}")],
        ),
        (
            [held(13), held(12)],
            ["ROLLED_BACK [ 0] " + of(13, "names more than the 11 leaves there are, and so does 1 other that you hold."
                f" {CUT} its last 2 leaves are missing here, so at most 2 events are gone {YET}")],
        ),
        ([held(11, name="Somebody")], ["CHECKPOINT_KEY [ 0] " + of(11, "").rstrip(", ") + f": {STRANGE}"]),
        (
            [held(7).replace("\n7\n", "\n8\n")],
            ["CHECKPOINT_SIGNATURE [ 0] " + of(8, "").rstrip(", ") + f": {FORGED}"],
        ),
    ],
)  # fmt: skip
def test_what_one_holds_is_compared_with_everything(notes: list[str], expected: list[str]) -> None:
    assert found("whole", *notes) == expected


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        ([kept("whole", number) for number in (3, 0, 2, 1)], []),
        ([held(11)], ["FORK [ 0] " + of(11, FORK)]),
        ([held(5)], ["FORK [ 0] " + of(5, FORK)]),
        ([held(0)], ["FORK [ 0] " + of(0, FORK)]),
        ([held(7)], ["FORK [ 0] " + of(7, FORK)]),
        ([held(6)], ["PROOF [ 0] " + of(6, ASK)]),
        ([held(12)], ["ROLLED_BACK [ 0] " + of(12, MORE)]),
        (
            [held(12), held(14), held(0), held(13)],
            ["FORK [ 0] " + of(0, FORK), "ROLLED_BACK [ 0] " + of(14, MORE.replace(".", ALSO, 1))],
        ),
        ([held(5, name="Somebody")], ["CHECKPOINT_KEY [ 0] " + of(5, "").rstrip(", ") + f": {STRANGE}"]),
    ],
)  # fmt: skip
def test_what_one_holds_is_compared_with_a_selection(notes: list[str], expected: list[str]) -> None:
    assert found("part", *notes) == expected


@pytest.mark.parametrize("which", ["whole", "part"])
def test_without_any_key_what_one_holds_is_compared_all_the_same(tmp_path: Path, which: str) -> None:
    path = changed(which, manifest(key=None), tmp_path)

    report, _ = verify_export(path, None, [read_checkpoint(held(11)), read_checkpoint(held(0))])

    assert sorted(shown(report.findings)) == [
        "CHECKPOINT_KEY [ 0] There is no key to check the signatures of checkpoints by; "
        "give the one you hold with --key.",
        "FORK [ 0] " + of(0, FORK),
        "FORK [ 0] " + of(11, FORK),
    ]


def test_a_selection_is_consistent_with_every_checkpoint_from_before(tmp_path: Path) -> None:
    """As if it had been made with --against each of them; 1, 2, 4 and 8 leaves are trees without a gap."""
    hashes = [
        bytes.fromhex(json.loads(line)["hash"]) for line in unpack(specimen("whole"))["leaves.jsonl"].splitlines()
    ]
    leaves = [leaf_hash(entry) for entry in hashes]
    proofs = [
        {"from": size, "to": 11, "path": [step.hex() for step in subproof(size, leaves)]} for size in range(1, 12)
    ]

    def change(files: Files) -> None:
        records("consistency.jsonl", lambda rows: rows.__setitem__(slice(None), proofs))(files)
        earlier = unpack(specimen("whole"))["checkpoints.jsonl"].splitlines(keepends=True)[1]
        files["checkpoints.jsonl"] = earlier + files["checkpoints.jsonl"]

    path = changed("part", change, tmp_path)
    honest = [read_checkpoint(held(size, mth(leaves[:size]))) for size in range(12)]
    forged = [read_checkpoint(held(size, mth(leaves[:size][::-1]))) for size in range(2, 12)]

    report, _ = verify_export(path, read_key(VKEY), honest)
    assert shown(report.findings) == []
    report, _ = verify_export(path, read_key(VKEY), forged)
    assert shown(report.findings) == ["FORK [ 0] " + of(size, FORK) for size in range(2, 12)]


def test_a_checkpoint_of_a_size_that_a_selection_has_needs_no_proof(tmp_path: Path) -> None:
    path = changed("part", records("consistency.jsonl", lambda rows: rows.clear()), tmp_path)
    unproved = (
        "PROOF [ 0] The checkpoint of 2026-04-20T08:22:00.000000Z over 5 leaves "
        "is not proved to be a beginning of the last one."
    )

    report, _ = verify_export(path, read_key(VKEY), [read_checkpoint(kept("whole", number)) for number in (1, 3)])
    assert shown(report.findings) == [unproved]
    report, _ = verify_export(path, read_key(VKEY), [read_checkpoint(held(size)) for size in (5, 11)])
    assert shown(report.findings) == [unproved, "FORK [ 0] " + of(5, FORK), "FORK [ 0] " + of(11, FORK)]


def test_a_selection_that_was_never_signed_is_behind_everything_one_holds(tmp_path: Path) -> None:
    path = changed("part", records("checkpoints.jsonl", lambda rows: rows.clear()), tmp_path)

    report, _ = verify_export(path, read_key(VKEY), [read_checkpoint(kept("whole", 0))])

    assert shown(report.findings)[0] == "ROLLED_BACK [ 0] " + of(0, MORE, "2026-04-20T08:00:00.000000Z")


# -- what cannot be read -----------------------------------------------------------------------------------------------


def test_what_cannot_be_read_is_said_in_a_sentence(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\x1b", "utf-8")
    (tmp_path / "latin").write_bytes(b"\xff")
    (tmp_path / "utf16").write_text(kept("whole", 1), "utf-16")
    (tmp_path / "late").write_text(signer().checkpoint(1, bytes(32), "yesterday"), "utf-8")
    whole = specimen("whole")
    said = {
        (tmp_path / "nothing.zip",): f"{tmp_path}/nothing.zip cannot be read: No such file or directory.",
        (tmp_path,): f"{tmp_path} cannot be read: Is a directory.",
        (tmp_path / "text",): f"{tmp_path}/text is not a zip file, or only a part of one.",
        (whole, "--key", "x+y+?"): "the verifier key is not base64",
        (whole, "--key", "x+y+AAAA"): "a verifier key reads NAME+ID+KEY and is of type Ed25519",
        (whole, "--key", VKEY.replace("c74f", "c74e")): (
            "the verifier key was mistyped: its ID does not belong to it"
        ),
        (whole, "--against", tmp_path / "nothing"): f"[Errno 2] No such file or directory: '{tmp_path}/nothing'",
        (whole, "--against", tmp_path / "text"): (
            f"--against {tmp_path}/text: this is no signed checkpoint: "
            "a text, an empty line and signatures are expected"
        ),
        (whole, "--against", tmp_path / "late"): (
            f"--against {tmp_path}/late: this is no signed checkpoint of Schakel: its time cannot be read"
        ),
        (whole, "--against", tmp_path / "latin"): f"--against {tmp_path}/latin: this is no text",
        (whole, "--against", tmp_path / "utf16"): f"--against {tmp_path}/utf16: this is no text",
        (whole, "--against", tmp_path / "nothing", "--key", ""): "--key is empty: give it a value, or leave it out",
        (whole, "--key", " \n"): "--key is empty: give it a value, or leave it out",
        (whole, "--against", ""): "--against is empty: give it a value, or leave it out",
        ("",): "EXPORT.zip is empty: give it a value, or leave it out",
    }  # fmt: skip
    for words, reason in said.items():
        assert run(*words) == (2, "", f"verify.py: {reason}\n")
        assert run(*words, "--json") == (2, json.dumps({"error": "usage", "message": reason}) + "\n", "")


def test_a_complaint_holds_nothing_that_moves_a_terminal(run: Run, tmp_path: Path) -> None:
    assert run(tmp_path / "a\x1bb") == (
        2,
        "",
        f"verify.py: {tmp_path}/a?b cannot be read: No such file or directory.\n",
    )


def test_an_empty_file_of_checkpoints_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("\n")

    told = run(specimen("whole"), "--against", tmp_path / "notes")

    assert told == (2, "", f"verify.py: --against {tmp_path}/notes: there is no signed checkpoint in it\n")


def test_without_the_package_for_signatures_it_says_how_to_get_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    reason = "signatures are checked with the package 'cryptography': pip install cryptography"

    assert run(specimen("whole"), "--key", VKEY) == (2, "", f"verify.py: {reason}\n")
    assert json.loads(run(specimen("whole"), "--json")[1]) == {"error": "usage", "message": reason}


USAGE = "usage: verify.py [-h] [--key VKEY] [--against NOTE_FILE] [--json] EXPORT.zip\n"
HELP = f"""\
{USAGE}
Prove that an export of Schakel is whole and legal.

positional arguments:
  EXPORT.zip           what schakel audit export wrote

options:
  -h, --help           show this help message and exit
  --key VKEY           the verifier key you hold, NAME+ID+KEY
  --against NOTE_FILE  checkpoints that were kept elsewhere
  --json               answer with one JSON document
"""


def test_help_says_what_to_give_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    with pytest.raises(SystemExit) as ended:
        verifier.main(["--help"])

    assert (ended.value.code, capsys.readouterr().out) == (0, HELP)


def test_without_an_export_it_says_how_it_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["verify.py"])

    with pytest.raises(SystemExit) as ended:
        verifier.main()

    assert ended.value.code == 2
    assert capsys.readouterr().err == (f"{USAGE}verify.py: error: the following arguments are required: EXPORT.zip\n")


# -- what is no export -------------------------------------------------------------------------------------------------


def zipped(path: Path, files: Files, way: int = zipfile.ZIP_STORED, comment: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", way) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = comment
    return path


def refused(path: Path) -> str:
    with pytest.raises(Unreadable) as error:
        verify_export(path, None)
    return str(error.value).removeprefix(str(path))


def test_a_zip_without_a_manifest_is_no_export(tmp_path: Path) -> None:
    assert refused(zipped(tmp_path / "x", {"a": b""})) == " holds no manifest.json: it is no export of Schakel."


@pytest.mark.parametrize("said", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}'])
def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path, said: bytes) -> None:
    path = zipped(tmp_path / "x", {"manifest.json": said})

    with pytest.raises(Unreadable) as error:
        verify_export(path, None)

    assert str(error.value) == f"The manifest.json in {path} cannot be read."


@pytest.mark.parametrize("said", [b"{}", b"[]", b"7", b'{"format":"schakel-export/2"}'])
def test_a_manifest_of_another_format_is_refused(tmp_path: Path, said: bytes) -> None:
    path = zipped(tmp_path / "x", {"manifest.json": said})

    assert refused(path) == " is no export that this verifier knows (schakel-export/1)."


def test_the_manifest_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """4 MiB; what is longer is read no further, and then is no JSON."""
    files = unpack(specimen("whole"))
    limit = 4 << 20
    full = files | {"manifest.json": files["manifest.json"].ljust(limit)}
    more = files | {"manifest.json": files["manifest.json"].rjust(limit + 1)}

    assert verify_export(zipped(tmp_path / "full", full), None)[0].ok
    with pytest.raises(Unreadable):
        verify_export(zipped(tmp_path / "more", more), None)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_packed_otherwise_is_refused(tmp_path: Path, way: int) -> None:
    path = zipped(tmp_path / "x", unpack(specimen("whole")), way)

    assert refused(path) == " is packed in a way that no export of Schakel is."


@pytest.mark.parametrize("way", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_export_packed_again_holds(tmp_path: Path, way: int) -> None:
    assert verify_export(zipped(tmp_path / "x", unpack(specimen("whole")), way), None)[0].ok


def test_an_export_may_grow_two_hundredfold_and_a_mebibyte_but_no_more(tmp_path: Path) -> None:
    files = {"manifest.json": b'{"format":"schakel-export/1"}', "zeros": b""}
    base = len(zipped(tmp_path / "x", files, zipfile.ZIP_DEFLATED).read_bytes())
    files["zeros"] = bytes((1 << 20) + 200 * (base + 3_000) - len(files["manifest.json"]))
    packed = len(zipped(tmp_path / "x", files, zipfile.ZIP_DEFLATED).read_bytes())
    comment = b"x" * (base + 3_000 - packed)

    fits = zipped(tmp_path / "x", files, zipfile.ZIP_DEFLATED, comment)
    assert verify_export(fits, None)[0].leaves == 0
    more = zipped(tmp_path / "x", files, zipfile.ZIP_DEFLATED, comment[:-1])
    assert refused(more) == " would unpack to more than 200 times its size: it is no honest export."


def test_a_zip_that_is_broken_is_refused_and_says_where(tmp_path: Path) -> None:
    data = bytearray(specimen("whole").read_bytes())
    (tmp_path / "x").write_bytes(data[:-30])

    assert refused(tmp_path / "x") == " is not a zip file, or only a part of one."


# -- the files of an export --------------------------------------------------------------------------------------------


def judged(path: Path) -> list[str]:
    return shown(verify_export(path, read_key(VKEY))[0].findings)


LONG = "x" * 81


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_too_many_too_few_and_others_are_named(tmp_path: Path) -> None:
    files = unpack(specimen("whole"))
    said = json.loads(files["manifest.json"])
    said["files"] |= {LONG: said["files"]["leaves.jsonl"], "y" * 81: said["files"]["leaves.jsonl"], "odd": None}
    path = zipped(
        tmp_path / "x", files | {"manifest.json": json.dumps(said).encode(), LONG: b"", "z" * 81: b"", "odd": b""}
    )
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("z" * 81, b"")

    assert judged(path) == [
        f"MANIFEST [ 0] {'z' * 80}: the export holds it 2 times.",
        f"MANIFEST [ 0] {'z' * 80}: the manifest does not name this file.",
        f"MANIFEST [ 0] {'x' * 80}: the file is not the one the manifest names.",
        f"MANIFEST [ 0] {'y' * 80}: the manifest names this file, but it is not here.",
        "MANIFEST [ 0] odd: the file is not the one the manifest names.",
    ]


@pytest.mark.parametrize("wrong", [{"sha256": "0" * 64}, {"bytes": 3826}, {"bytes": None}, {"sha256": None}])
def test_hash_and_length_of_a_file_are_those_of_the_manifest(tmp_path: Path, wrong: dict[str, object]) -> None:
    files = unpack(specimen("whole"))
    said = json.loads(files["manifest.json"])
    said["files"]["proofs.jsonl"] |= wrong

    path = zipped(tmp_path / "x", files | {"manifest.json": json.dumps(said).encode()})

    assert judged(path) == ["MANIFEST [ 0] proofs.jsonl: the file is not the one the manifest names."]


def test_a_file_that_is_broken_in_the_zip_is_told(tmp_path: Path) -> None:
    """Its checksum fails at its end, so its lines are there, and are not to be trusted."""
    path = zipped(tmp_path / "x", unpack(specimen("whole")))
    data = bytearray(path.read_bytes())
    data[data.index(b'{"leaf":0,"hash"') + 9] ^= 1
    path.write_bytes(data)

    found = judged(path)

    assert found[0] == "MANIFEST [ 0] proofs.jsonl: the file is not the one the manifest names."
    assert "MANIFEST [ 0] proofs.jsonl: it cannot be read behind line 0." in found


def test_a_file_whose_name_is_no_text_where_it_lies_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x", unpack(specimen("whole")))
    with zipfile.ZipFile(path) as archive:
        begins = archive.getinfo("proofs.jsonl").header_offset
    data = bytearray(path.read_bytes())
    data[begins + 7] |= 0x08  # its header says that the name in it is UTF-8
    data[begins + 30] = 0xFF
    path.write_bytes(data)

    found = judged(path)

    assert found[0] == "MANIFEST [ 0] proofs.jsonl: the file is not the one the manifest names."
    assert "MANIFEST [ 0] proofs.jsonl: it cannot be read behind line 0." in found


def test_a_line_of_four_mebibytes_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    files = unpack(specimen("whole"))
    longest = (4 << 20) - 1
    fits = files | {"proofs.jsonl": files["proofs.jsonl"] + b" " * longest + b"\n"}
    more = files | {"proofs.jsonl": files["proofs.jsonl"] + b" " * longest + b" \n"}
    odd = "MANIFEST [ 0] proofs.jsonl: the file is not the one the manifest names."

    assert judged(zipped(tmp_path / "x", fits)) == [
        odd,
        "MANIFEST [ 0] proofs.jsonl: line 12 is not what such a line holds.",
    ]
    assert judged(zipped(tmp_path / "x", more)) == [
        odd,
        "MANIFEST [ 0] proofs.jsonl: line 12 is cut off or far too long.",
    ]


def test_definitions_have_four_mebibytes_together(tmp_path: Path) -> None:
    files = unpack(specimen("whole"))
    room = (4 << 20) - len(files["definitions/employer_coupling-2026.6.json"])
    form = '{"name":"a","text":"%s","version":"b"}'
    fits = (form % ("x" * (room - len(form) + 2))).encode()
    assert len(fits) == room
    more = fits.replace(b"x", b"xx", 1)

    def with_another(data: bytes) -> list[str]:
        path = zipped(tmp_path / "x", files | {"definitions/z.json": data})
        return [line for line in judged(path) if "not name" not in line]

    assert with_another(fits) == []
    assert with_another(more) == ["DEFINITION_DIFFERS [ 0] definitions/z.json is no definition in canonical form."]


LONE = Path(verifier.__file__)


@pytest.mark.parametrize("way", [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize("words", [(), ("--json",)])
def test_the_exit_code_is_the_verdict_whatever_becomes_of_the_output(
    tmp_path: Path, way: str, words: tuple[str, ...]
) -> None:
    wrong = changed("whole", cut, tmp_path)
    for path, code in ((specimen("whole"), 0), (wrong, 8), (tmp_path / "nothing", 2)):
        told = ["sh", "-c", f'exec "$0" -I "$@" {way}', sys.executable, LONE, path, *words]

        done = subprocess.run(told, capture_output=True, text=True, check=False)

        lost = way.startswith(">") and "2>" not in way and (code != 2 or bool(words))
        assert done.returncode == code
        assert ("the answer cannot be written: " in done.stderr) == lost
        assert "Traceback" not in done.stderr
        assert "Exception" not in done.stderr


def test_a_reader_that_went_away_changes_no_verdict(tmp_path: Path) -> None:
    for path, code in ((specimen("whole"), 0), (changed("whole", cut, tmp_path), 8)):
        reads, writes = os.pipe()
        os.close(reads)

        done = subprocess.run([sys.executable, "-I", LONE, path], stdout=writes, stderr=subprocess.PIPE, check=False)

        os.close(writes)
        assert (done.returncode, done.stderr) == (code, b"")


def test_any_stream_can_be_printed_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run of the file itself prints goes through `main`, which asks of its stream no more than to write."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)

    assert verifier.main([str(specimen("whole")), "--key", VKEY]) == 0
    assert out.getvalue().startswith(WHOLE)
