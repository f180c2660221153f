"""An export is verified by one lone file: honest ones hold, others' files and checkpoints show, nonsense is refused.

What was planted in a history, and what is said of it, stands in test_verify_words.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from employers import LONG, bring
from forging import Files, counted, definition, events, manifest, pack, records, unpack
from histories import Life
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from states import EMPLOYER_COUPLING
from workflow import Engine, Origin
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.ledger import verify as verifier
from workflow.ledger.audit import verify_database
from workflow.ledger.export import Order, export
from workflow.ledger.selection import Asked
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Report, Unreadable, read_notes, verify_export
from workflow.storage import ledger as ledger_rows

AUDITOR = Origin("aud", "aud-os", "cli")


@dataclass
class Desk:
    """A database with a signed ledger, and exports of it."""

    engine: Engine
    clock: SetClock
    signer: Signer
    folder: Path

    def sequence(self) -> str:
        """The newest checkpoint."""
        run_once(self.engine.database, self.signer, self.clock.now())
        with self.engine.database.reading() as store:
            head = ledger_rows.last_checkpoint(store)
        assert head is not None
        return head.note

    def export(self, *cases: str, reveal: bool = False, against: str | None = None) -> Path:
        out = self.folder / "export.zip"
        sizes = tuple(note.size for note in read_notes(against).checkpoints) if against else ()
        asked, now = Asked(cases), self.clock.now()
        order = Order(out, asked, AUDITOR, now, reveal, sizes, force=True, key=str(self.signer.key))
        export(self.engine.database, self.engine.rules, order, lambda _: iter(["<html>"]), lambda *_: None)
        return out

    def verify(self, path: Path, *notes: str) -> Report:
        return verify_export(path, self.signer.key, [one for note in notes for one in read_notes(note).checkpoints])[0]


@pytest.fixture
def desk(sqlite_engine: Engine, clock: SetClock, tmp_path: Path) -> Desk:
    make_key(tmp_path / "key", "schakel/test")
    return Desk(sqlite_engine, clock, read_signer(tmp_path / "key"), tmp_path)


@pytest.fixture
def cases(desk: Desk) -> list[str]:
    """Three cases under two checkpoints, a day apart."""
    found = [bring(desk.engine, "confirmed")]
    desk.sequence()
    desk.clock.moment += timedelta(days=1)
    found += [bring(desk.engine, "enriched"), bring(desk.engine, "withdrawn")]
    desk.engine.note(found[1], "gebeld")
    desk.sequence()
    return found


# -- honest ------------------------------------------------------------------------------------------------------------


def test_an_honest_export_holds(desk: Desk, cases: list[str]) -> None:
    report = desk.verify(desk.export())

    assert report.findings == []
    assert (report.events, report.cases, report.leaves, report.checkpoints) == (11, 3, 11, 2)


def test_an_honest_selection_holds(desk: Desk, cases: list[str]) -> None:
    report = desk.verify(desk.export(cases[1]))

    assert report.findings == []
    assert (report.events, report.cases, report.leaves) == (4, 1, 4)


def test_revealed_values_open_what_was_committed_to(desk: Desk, cases: list[str]) -> None:
    assert desk.verify(desk.export(reveal=True)).findings == []
    assert desk.verify(desk.export(cases[0], reveal=True)).findings == []


def test_an_export_of_nothing_holds(desk: Desk) -> None:
    assert desk.verify(desk.export()).findings == []
    desk.sequence()
    assert desk.verify(desk.export()).findings == []


def test_events_too_new_for_a_leaf_are_counted(desk: Desk, cases: list[str]) -> None:
    desk.engine.note(cases[0], "net nog")

    report = desk.verify(desk.export())

    assert report.ok
    assert report.unsequenced == 1


def test_an_export_agrees_with_a_checkpoint_from_before(desk: Desk) -> None:
    empty = desk.sequence()
    bring(desk.engine, "enriched")
    early = desk.sequence()
    case = bring(desk.engine, "confirmed")
    last = desk.sequence()

    assert desk.verify(desk.export(), empty, early, last).findings == []
    assert desk.verify(desk.export(case, against=early), empty, early, last).findings == []


def test_an_export_holds_after_a_case_was_erased(desk: Desk, cases: list[str]) -> None:
    erase(desk.engine.database, desk.engine.rules, desk.clock.now(), AUDITOR, cases[2], Wish("x", "AVG art. 17", 7))
    desk.sequence()

    assert desk.verify(desk.export()).findings == []


@pytest.mark.parametrize("number", range(2 * LONG))
def test_random_honest_exports_hold_and_agree_with_the_audit(desk: Desk, number: int) -> None:
    life, notes = Life(desk.engine, desk.clock, 1_000 + number), []
    for _ in range(3):
        life.go(40)
        notes.append(desk.sequence())
    desk.clock.moment += timedelta(days=60)  # a life's clock may stand behind its checkpoints
    chosen = life.chance.sample(life.cases, min(3, len(life.cases)))

    whole = desk.verify(desk.export(), *notes)
    part = desk.verify(desk.export(*chosen, reveal=True, against="".join(notes)), *notes)
    audit = verify_database(desk.engine.database, EMPLOYER_COUPLING, desk.signer.key)

    assert (whole.findings, part.findings, audit.findings) == ([], [], [])
    assert whole.events <= audit.events


# -- its files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["events.jsonl", "leaves.jsonl", "report.html", "verify.py", "README.txt", "lists/cases.csv"]
)
def test_a_file_that_is_not_the_one_of_the_manifest_is_found(desk: Desk, cases: list[str], name: str) -> None:
    files = unpack(desk.export())
    files[name] += b" \n"

    report = desk.verify(pack(files, desk.folder / "forged.zip", honest_manifest=False))

    said = f"{name}: the file is not the one the manifest names."
    assert ("MANIFEST", said) in [(finding.code, finding.message) for finding in report.findings]


# -- against what others hold ------------------------------------------------------------------------------------------


def test_a_stranger_s_key_is_named(desk: Desk, cases: list[str]) -> None:
    make_key(desk.folder / "other", "schakel/test")
    stranger = read_signer(desk.folder / "other")

    report, archive = verify_export(desk.export(), stranger.key)

    assert {finding.code for finding in report.findings} == {"CHECKPOINT_KEY"}
    assert archive.key == desk.signer.key


# -- the command line of the lone file ---------------------------------------------------------------------------------


def lone(desk: Desk, *words: str) -> subprocess.CompletedProcess[str]:
    """Run verify.py, alone in an empty folder, with nothing of ours importable."""
    folder = desk.folder / "lone"
    folder.mkdir(exist_ok=True)
    shutil.copy(verifier.__file__, folder / "verify.py")
    command = [sys.executable, "-I", "verify.py", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_lone_file_proves_an_export_with_the_key_one_holds(desk: Desk, cases: list[str]) -> None:
    note = desk.folder / "note.txt"
    note.write_text(desk.sequence())

    done = lone(desk, str(desk.export()), "--key", str(desk.signer.key), "--against", str(note))

    assert (done.returncode, done.stderr) == (0, "")
    assert "Proved" in done.stdout


def test_the_lone_file_says_what_is_wrong(desk: Desk, cases: list[str]) -> None:
    files = unpack(desk.export())
    counted(events(lambda rows: rows.pop()), events=10)(files)
    path = pack(files, desk.folder / "forged.zip")

    text, document = lone(desk, str(path)), lone(desk, str(path), "--json")

    assert (text.returncode, document.returncode) == (8, 8)
    assert "LEAF_WITHOUT_EVENT" in text.stdout
    assert "proved" not in text.stdout.lower()
    found = json.loads(document.stdout)
    assert found["ok"] is False
    assert [finding["code"] for finding in found["findings"]] == ["LEAF_WITHOUT_EVENT"]
    assert found["findings"][0].keys() == {"code", "case", "seq", "message"}


def test_the_lone_file_agrees_with_the_audit(desk: Desk, cases: list[str]) -> None:
    audit = verify_database(desk.engine.database, EMPLOYER_COUPLING, desk.signer.key)
    audit.prove()

    done = lone(desk, str(desk.export()), "--json", "--key", str(desk.signer.key))

    said = json.loads(done.stdout)
    assert said.pop("key") == str(desk.signer.key)
    assert said.pop("key_given") is True
    assert said.pop("complete") is True
    assert said == audit.document()


# -- nonsense and bombs ------------------------------------------------------------------------------------------------


def test_an_export_that_holds_nothing_but_a_manifest_gives_findings(desk: Desk) -> None:
    path = pack({"manifest.json": b'{"format":"schakel-export/1"}'}, desk.folder / "x.zip", honest_manifest=False)

    assert {finding.code for finding in desk.verify(path).findings} == {"MANIFEST"}


HALF = "\ud800"
"""Half a character: JSON can say it, UTF-8 cannot."""


@pytest.mark.parametrize(
    "change",
    [
        manifest(key=f"{HALF}+00000000+AAAA", made_at=HALF, made_by={"a": [HALF]}),
        manifest(checkpoint=HALF, files={HALF: HALF}),
        records("leaves.jsonl", lambda rows: rows[0].update(case=HALF)),
        records("checkpoints.jsonl", lambda rows: rows[0].update(note=rows[0]["note"].replace("time", HALF))),
        records("openings.jsonl", lambda rows: rows[0].update(case=HALF, path=HALF, salt=HALF, value=HALF)),
        records("proofs.jsonl", lambda rows: rows[0].update(hash=HALF, path=[HALF])),
        definition(lambda data: data.replace(b'"final":true', b'"final":"\\ud800"')),
        definition(lambda data: data.replace(b'"name":', b'"\\ud800":')),
        lambda files: files.update({"events.jsonl": files["events.jsonl"].replace(b'"anna"', b'"\\ud800"')}),
    ],
)
def test_what_no_text_can_hold_is_a_finding_and_no_crash(
    desk: Desk, cases: list[str], change: Callable[[Files], None], capsys: pytest.CaptureFixture[str]
) -> None:
    files = unpack(desk.export(reveal=True))
    change(files)
    path = pack(files, desk.folder / "half.zip", honest_manifest=b'{"\\ud800"' not in files["manifest.json"])

    assert verifier.main([str(path)]) in (0, 8)
    assert verifier.main([str(path), "--json"]) in (0, 8)
    json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))


@settings(max_examples=150 * LONG, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_export_gives_findings_or_is_refused_and_never_breaks(desk: Desk, data: st.DataObject) -> None:
    """Bytes flipped, cut or put in anywhere in the zip, or in one of its files."""
    whole = desk.folder / "whole.zip"
    if not whole.exists():
        bring(desk.engine, "enriched")
        desk.sequence()
        desk.export(reveal=True).rename(whole)
    damaged = desk.folder / "damaged.zip"
    if data.draw(st.booleans()):
        content = bytearray(whole.read_bytes())
        _damage(content, data)
        damaged.write_bytes(content)
    else:
        files = unpack(whole)
        name = data.draw(st.sampled_from(sorted(name for name in files if name.endswith((".jsonl", ".json")))))
        content = bytearray(files[name])
        _damage(content, data)
        pack(files | {name: bytes(content)}, damaged, honest_manifest=False)
    try:
        report = desk.verify(damaged)
    except Unreadable:
        return

    assert not report.ok or _history_of(damaged) == _history_of(whole)


def _history_of(path: Path) -> Files:
    """All but the manifest, which nothing vouches for: it vouches for the others."""
    return {name: data for name, data in unpack(path).items() if name != "manifest.json"}


def _damage(content: bytearray, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "insert", "swap"])):
        case "flip":
            content[place] ^= data.draw(st.integers(1, 255))
        case "cut":
            del content[place : place + data.draw(st.integers(1, 50))]
        case "insert":
            content[place:place] = data.draw(st.binary(min_size=1, max_size=20) | st.just(b"\n") | st.just(b'"'))
        case _:
            other = data.draw(st.integers(0, len(content) - 1))
            content[place], content[other] = content[other] ^ 1, content[place]
