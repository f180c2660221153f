"""An auditor gets a file and checks it alone: `schakel audit export`, then verify.py in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from exports import Unzipped

from tests.scripts.conftest import bare_desk, desk, environ, write  # noqa: F401  (fixtures)
from tests.scripts.desk import SAMPLE, Desk
from workflow.ledger.signing import make_key

ROOT = Path(__file__).parents[2]


@pytest.fixture
def office(desk: Desk) -> Desk:  # noqa: F811
    """A desk with cases, two of them handled by somebody whose name a spreadsheet would run."""
    make_key(Path(desk.environ["SCHAKEL_SIGNING_KEY"]), "schakel/test")
    desk.ask(f"import {SAMPLE} --advance --accept-warnings")
    assert desk.run("note E06 'gesproken met mevrouw Verzonnen'", SCHAKEL_ACTOR="=cmd|' /C calc'!A0").exit_code == 0
    desk.ask("advance E07 withdraw --reason 'op verzoek van de heer Onvindbaar'")
    desk.ask("tick")
    return desk


def alone(folder: Path, export: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Run verify.py in an empty folder with nothing but the export; its exit code and its answer."""
    folder.mkdir()
    with zipfile.ZipFile(export) as zipped:
        zipped.extract("verify.py", folder)
    shutil.copy(export, folder / "export.zip")
    command = [sys.executable, "-I", "verify.py", "export.zip", "--json", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    "options", ["", "--case E06 --case E07", "--sample 4 --seed 7", "--from 2026-04-20", "--reveal"]
)
def test_an_auditor_checks_an_export_alone(office: Desk, tmp_path: Path, options: str) -> None:
    answer = office.ask(f"audit export {tmp_path / 'proof.zip'} {options}")

    key = office.ask("audit key")["key"]
    code, said = alone(tmp_path / "empty", tmp_path / "proof.zip", "--key", key)
    assert (code, said["ok"], said["findings"]) == (0, True, [])
    assert (said["events"], said["cases"]) == (answer["events"], answer["cases"])
    assert office.ask("audit verify")["ok"] is True


def test_the_answer_has_the_keys_of_the_contract(office: Desk, tmp_path: Path) -> None:
    answer = office.ask(f"audit export {tmp_path / 'proof.zip'}")

    head = office.ask("audit checkpoint")
    assert set(answer) == {"file", "events", "cases", "complete", "seed", "checkpoint", "sha256"}
    assert (answer["file"], answer["complete"]) == (str(tmp_path / "proof.zip"), True)
    assert {name: answer["checkpoint"][name] for name in ("size", "root", "at")} == {
        name: head[name] for name in ("size", "root", "at")
    }


def test_a_checkpoint_that_was_kept_is_proved_to_be_a_beginning(office: Desk, tmp_path: Path) -> None:
    held = tmp_path / "held.txt"
    held.write_text(office.run("audit checkpoint").stdout)
    office.ask("note E06 'later'")
    office.ask("tick")

    office.ask(f"audit export {tmp_path / 'proof.zip'} --case E07 --against {held}")

    code, said = alone(tmp_path / "empty", tmp_path / "proof.zip", "--against", str(held))
    assert (code, said["findings"]) == (0, [])


def test_revealing_says_in_each_history_who_did_it(office: Desk, tmp_path: Path) -> None:
    office.ask(f"audit export {tmp_path / 'proof.zip'} --case E06 --case E07 --reveal --actor bea")

    told = office.ask("history E06")[-1]
    assert (told["kind"], told["actor"], told["via"]) == ("revealed", "bea", "cli")
    assert "revealed: personal values in an export, cases: 2" in office.run("history E06").output
    assert office.ask("history E01")[-1]["kind"] != "revealed"
    assert "salaris06@example.com" in (Unzipped(tmp_path / "proof.zip").files["openings.jsonl"]).decode()


def test_what_is_revealed_after_a_clock_ran_ahead_proves_well_where_the_key_is(office: Desk, tmp_path: Path) -> None:
    """Where it is not, nothing can be signed: then it is said why verify.py will find fault with it."""
    key = office.ask("audit key")["key"]
    office.clock.moment += timedelta(days=1)
    office.ask("tick")
    office.clock.moment -= timedelta(days=1)

    with_key = office.run(f"audit export {tmp_path / 'with.zip'} --reveal")
    no_key = {"SCHAKEL_SIGNING_KEY": str(tmp_path / "none")}
    without = office.run(f"audit export {tmp_path / 'without.zip'} --reveal", **no_key)

    said = "so verify.py takes them for put in later"
    assert [said in " ".join(done.stderr.split()) for done in (with_key, without)] == [False, True]
    assert alone(tmp_path / "first", tmp_path / "with.zip", "--key", key)[0] == 0
    code, found = alone(tmp_path / "second", tmp_path / "without.zip", "--key", key)
    assert (code, {one["code"] for one in found["findings"]}) == (8, {"EVENT_NOT_SEQUENCED"})
    office.ask("tick")
    assert office.ask("audit verify")["ok"] is True


def test_what_an_erased_case_held_is_in_no_later_export(office: Desk, tmp_path: Path) -> None:
    office.ask("audit erase E07 --reason 'Bewaartermijn' --ground 'AVG art. 17' --yes")

    office.ask(f"audit export {tmp_path / 'proof.zip'} --reveal")

    export = Unzipped(tmp_path / "proof.zip")
    case = office.ask("show E07")["case"]
    assert [one for one in export.lines("openings.jsonl") if one["case"] == case] == []
    assert [event["kind"] for event in export.events() if event["case"] == case][-1] == "erased"
    assert not any(b"Onvindbaar" in content for content in export.contents())
    code, said = alone(tmp_path / "empty", tmp_path / "proof.zip")
    assert (code, said["findings"]) == (0, [])


def test_nothing_that_people_typed_runs_in_a_spreadsheet(office: Desk, tmp_path: Path) -> None:
    office.ask(f"audit export {tmp_path / 'proof.zip'}")

    events = Unzipped(tmp_path / "proof.zip").files["lists/events.csv"].decode()
    assert ";'=cmd|' /C calc'!A0;" in events
    assert ";=cmd" not in events


def test_the_report_is_in_the_language_of_the_settings(office: Desk, tmp_path: Path) -> None:
    for language, title in (("en", "History of cases"), ("nl", "Geschiedenis van zaken")):
        out = tmp_path / f"{language}.zip"
        assert office.run(f"audit export {out}", SCHAKEL_LANGUAGE=language).exit_code == 0

        assert f"<h1>{title}</h1>".encode() in Unzipped(out).files["report.html"]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ("--case NOPE", 3, "There is no case 'NOPE'"),
        ("--case E06 --from 2026-04-01", 2, "--case names the cases"),
        ("--from 2026-04-02 --to 2026-04-01", 2, "turn them round"),
        ("--from soon", 2, "'soon' is not a day"),
        ("--sample 0", 2, "0"),
        ("--seed x", 2, "--seed goes with --sample N: alone it draws nothing."),
        ("--against README.md", 2, "--against README.md"),
        ("--against missing.txt", 2, "does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_file(
    office: Desk, tmp_path: Path, options: str, code: int, said: str
) -> None:
    answer = office.ask(f"audit export {tmp_path / 'proof.zip'} {options}", code=code)

    assert said in answer["message"]
    assert not (tmp_path / "proof.zip").exists()


def test_a_file_that_exists_is_kept_unless_forced(office: Desk, tmp_path: Path) -> None:
    out = tmp_path / "proof.zip"
    office.ask(f"audit export {out}")
    before = out.read_bytes()
    office.ask("note E06 'later'")

    refused = office.ask(f"audit export {out}", code=2)

    assert "--force" in refused["message"]
    assert out.read_bytes() == before
    office.ask(f"audit export {out} --force")
    assert out.read_bytes() != before


def test_a_pipe_is_not_a_file_that_may_be_overwritten(office: Desk, tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "proof.zip")

    refused = office.ask(f"audit export {pipe} --force --reveal", code=2)

    assert refused["message"] == f"{pipe} is a pipe, not a file; choose another name for the export."
    assert pipe.is_fifo()
    assert [step["kind"] for step in office.ask("history E06")][-1] != "revealed"


def test_a_seed_that_was_not_given_is_drawn_and_told(office: Desk, tmp_path: Path) -> None:
    said = office.run(f"audit export {tmp_path / 'proof.zip'} --sample 2").output

    seed = Unzipped(tmp_path / "proof.zip").manifest["selection"]["seed"]
    assert f"seed {seed}" in said


@pytest.mark.parametrize(
    ("options", "seed"), [("", None), ("--sample 2 --seed ' Q3 '", "Q3"), ("--sample 2", r"[0-9a-f]{8}")]
)
def test_a_program_is_told_the_seed_too(office: Desk, tmp_path: Path, options: str, seed: str | None) -> None:
    answer = office.ask(f"audit export {tmp_path / 'proof.zip'} {options}")

    assert answer["seed"] == Unzipped(tmp_path / "proof.zip").manifest["selection"].get("seed")
    assert answer["seed"] is None if seed is None else re.fullmatch(seed, answer["seed"])


def test_people_are_told_what_they_have_and_what_is_missing(office: Desk, tmp_path: Path) -> None:
    office.ask("note E06 'te nieuw'")

    done = office.run(f"audit export {tmp_path / 'p.zip'}")

    assert done.exit_code == 0
    assert "1 event not in the ledger yet" in done.output
    assert "SHA-256" in done.output
    assert "verify.py" in done.output
    empty = office.run(f"audit export {tmp_path / 'none.zip'} --from 2031-01-01")
    assert (empty.exit_code, "No case matches" in empty.output) == (0, True)


def test_the_command_that_checks_an_export_runs_as_it_is_printed(office: Desk, tmp_path: Path) -> None:
    """In another folder, by a shell, with the verifier that came with the program."""
    said = office.run(f"audit export '{tmp_path / 'my proof.zip'}'").stderr

    (line,) = [line for line in said.splitlines() if line.startswith("Next: ")]
    done = subprocess.run(
        line.removeprefix("Next: "), shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert office.ask("audit key")["key"] in line
    assert "never from the export that it is to judge" in " ".join(said.split())


def test_without_the_key_the_command_leaves_it_open(office: Desk, tmp_path: Path) -> None:
    office.environ["SCHAKEL_SIGNING_KEY"] = str(tmp_path / "none.key")

    assert office.run(f"audit export {tmp_path / 'p.zip'}").stderr.splitlines()[-1].endswith("p.zip --key KEY")


_WAITING = """
import os, signal
from scripts.cli import main
from workflow.ledger import spreadsheets

cell, seen = spreadsheets._cell, []

def waiting(sheet, value):
    seen.append(value)
    if len(seen) == 100:
        os.write(1, b"half-way\\n")
        while True:
            signal.pause()
    return cell(sheet, value)

spreadsheets._cell = waiting
main()
"""


def test_an_export_that_is_asked_to_stop_leaves_no_personal_value_anywhere(office: Desk, tmp_path: Path) -> None:
    """SIGTERM while the workbook of a revealed export is being written, as a service manager or `kill` gives it."""
    there, temporary = tmp_path / "there", tmp_path / "temporary"
    there.mkdir()
    temporary.mkdir()
    command = [sys.executable, "-c", _WAITING, "audit", "export", str(there / "all.zip"), "--reveal"]
    given = {**os.environ, **office.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"half-way\n", process.stderr.read()
        halfway = [path.name for path in (*there.iterdir(), *temporary.iterdir())]
        process.terminate()
        code = process.wait(timeout=60)
        said = process.stdout.read() + process.stderr.read()

    assert halfway == [".all.zip.part"]
    assert (code, said) == (143, b"")
    assert [*there.iterdir(), *temporary.iterdir()] == []
