"""The program as a process whose standard output takes nothing, or that is stopped before it began."""

from __future__ import annotations

import csv
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from tests.scripts.desk import GOOD, SAMPLE

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]
FULL = "(standard output: No space left on device)."


@pytest.fixture
def run(sqlite_url: str, tmp_path: Path) -> Run:
    """Runs a command in a shell, with what is behind it for its streams; it hears Ctrl-C, whatever runs the tests."""
    settings = tmp_path / "schakel.toml"
    settings.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    names = {"DATABASE_URL": sqlite_url, "SETTINGS": str(settings), "ACTOR": "anna"}
    environ = kept | {f"SCHAKEL_{name}": value for name, value in names.items()}

    def run(words: str, given: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        line = f"{shlex.quote(sys.executable)} -m scripts {words}"
        return subprocess.run(
            ["/bin/sh", "-c", line], cwd=ROOT, env=environ | more, input=given, capture_output=True, text=True,
            check=False, timeout=60, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    return run


@pytest.fixture
def case(run: Run) -> str:
    opened = run("open - --json", json.dumps({"external_reference": "E06", **GOOD}))
    return str(json.loads(opened.stdout)["case"])


@pytest.mark.parametrize("words", ["list --json", "list", "show E06", "--help", "mail show 1 --raw"])
def test_an_answer_that_cannot_be_printed_is_one_line_and_exit_1(run: Run, case: str, words: str) -> None:
    done = run(f"{words} >/dev/full")

    assert (done.returncode, done.stderr) == (1, f"The answer could not be printed {FULL}\n")


@pytest.mark.parametrize("words", ["list --json", "list"])
def test_an_output_that_is_closed_is_one_line_too(run: Run, case: str, words: str) -> None:
    done = run(f"{words} >&-")

    assert (done.returncode, done.stderr) == (1, "The answer could not be printed (standard output: it is closed).\n")


@pytest.mark.parametrize("words", ["note E06 hoi", "note E06 hoi --json", "advance E06"])
def test_what_was_done_is_not_called_refused_because_nothing_could_be_printed(run: Run, case: str, words: str) -> None:
    done = run(f"{words} >/dev/full")

    assert (done.returncode, done.stderr) == (1, f"The command was done, but its answer could not be printed {FULL}\n")
    assert len(json.loads(run(f"history {case} --json").stdout)) == 2


def test_an_import_says_that_it_ended_where_it_could_tell_no_more(run: Run, tmp_path: Path) -> None:
    done = run("import scripts/sample/employers.csv >/dev/full")

    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        1,
        f"The answer could not be printed {FULL} What was done until then is kept; the rest was not done.",
    )


def test_an_error_document_that_cannot_be_printed_is_said_in_words(run: Run, case: str) -> None:
    done = run("show nobody --json >/dev/full")

    assert done.returncode == 3
    assert done.stderr.startswith("There is no case 'nobody'")


def test_in_a_pipe_nothing_of_a_row_is_cut_so_that_it_can_be_searched(run: Run) -> None:
    name = "Coöperatieve Vereniging De Drie Dennen en Omstreken U.A., vestiging Zuidoost"
    registration = {**GOOD["registration"], "company_name": name}
    run("open -", json.dumps({"external_reference": "E06", **GOOD, "registration": registration}))

    in_pipe, in_eighty = (run("list", COLUMNS=columns).stdout for columns in ("", "80"))

    assert (name in in_pipe, name in in_eighty) == (True, False)
    assert run("show E06", COLUMNS="").stdout.count(name) == 2  # at its head, and among what is known


@pytest.mark.parametrize("words", ["--help", "--version", "list --help", "mail --help", "list --json"])
def test_a_reader_that_left_ends_it_without_a_word_whatever_was_asked(run: Run, tmp_path: Path, words: str) -> None:
    os.mkfifo(gone := tmp_path / "gone")

    done = run(f"{words} 3<>{gone} 4>{gone} 3<&- >&4")

    assert (done.returncode, done.stdout, done.stderr) == (141, "", "")


@pytest.mark.parametrize("lost", ["2>/dev/full", "2>&-", "3<>{gone} 4>{gone} 3<&- 2>&4"])
def test_a_message_that_cannot_be_written_changes_no_exit(run: Run, case: str, tmp_path: Path, lost: str) -> None:
    os.mkfifo(gone := tmp_path / "gone")

    done = run(f"show nobody {lost.format(gone=gone)}")

    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")


def test_an_interrupt_while_the_program_is_still_being_imported_is_quiet(run: Run, tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")

    done = run("list", PYTHONPATH=str(tmp_path))

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("open", "Standard input is empty."),
        ("record E06 registration --file -", "Standard input is empty."),
        ("audit erase E06 --reason x", "There is no terminal to ask on: give --yes to erase without being asked."),
    ],
)
def test_an_input_that_is_closed_is_empty_and_no_terminal(run: Run, case: str, words: str, said: str) -> None:
    done = run(f"{words} <&-")

    assert (done.returncode, done.stdout) == (2, "")
    assert " ".join(done.stderr.split()).startswith(said)
    assert len(json.loads(run(f"history {case} --json").stdout)) == 1


@pytest.mark.parametrize(
    "words", ["import {pipe} --dry-run --json", "import /dev/stdin --dry-run --json <{pipe}"], ids=["named", "stdin"]
)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_import_reads_a_pipe_as_the_file_it_holds_and_leaves_no_copy(
    run: Run, tmp_path: Path, words: str, kind: str
) -> None:
    given, pipe, copies = tmp_path / f"employers.{kind}", tmp_path / "pipe", tmp_path / "copies"
    rows = list(csv.reader(SAMPLE.read_text("utf-8").splitlines()))
    if kind == "csv":
        given.write_bytes(SAMPLE.read_bytes())
    else:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(given)
    os.mkfifo(pipe)
    copies.mkdir()

    of_file = run(f"import {given} --dry-run --json")
    of_pipe = run(f"{words.format(pipe=pipe)} & cat {given} >{pipe}; wait $!", TMPDIR=str(copies))
    of_input = run(f"import /dev/stdin --dry-run --json <{given}", TMPDIR=str(copies))

    assert (of_input.returncode, of_input.stdout) == (of_file.returncode, of_file.stdout)
    assert (of_pipe.returncode, of_pipe.stdout) == (of_file.returncode, of_file.stdout)
    assert len(json.loads(of_pipe.stdout)) == len(rows) - 1
    assert list(copies.iterdir()) == []
