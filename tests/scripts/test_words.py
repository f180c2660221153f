"""Notes and reasons that are read from standard input, so that no history of a shell or list of processes has them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.scripts.desk import Desk

ROOT = Path(__file__).parents[2]
SAID = "Belt “vanmiddag” terug;\nzijn zoon is ziek."


def told(desk: Desk, case: str = "E06") -> str | None:
    """The note or reason of the last event of a case."""
    text = desk.ask(f"history {case}")[-1]["text"]
    return str(text) if text is not None else None


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (SAID, SAID),
        (f"{SAID}\n", SAID),
        (f"{SAID}\r\n", SAID),
        (f"{SAID}\n\n", f"{SAID}\n"),
        (f"\ufeff{SAID}\n", SAID),
        ("-\n", "-"),
    ],
)
def test_a_note_is_what_stands_on_standard_input_but_for_the_newline_that_ends_it(
    desk: Desk, given: str, kept: str
) -> None:
    desk.open()

    desk.ask("note E06 -", given)

    assert told(desk) == kept


@pytest.mark.parametrize("command", ["hold E06 --until 2026-05-04", "advance E06 withdraw"])
def test_a_reason_is_read_from_it_too(desk: Desk, command: str) -> None:
    desk.open()

    desk.ask(f"{command} --reason -", f"{SAID}\n")

    assert told(desk) == SAID


def test_the_reason_of_an_erasure_is_read_from_it_too(desk: Desk) -> None:
    desk.open()
    desk.ask("advance E06 withdraw --reason -", "Op verzoek\n")
    erase = "audit erase E06 --reason - --ground 'AVG art. 17'"

    assert "give --yes" in desk.ask(erase, "Verzoek van 3 mei\n", code=2)["message"]
    desk.ask(f"{erase} --yes", "Verzoek van 3 mei\n")

    assert "Verzoek van 3 mei" in desk.run("history E06 --full").stdout


def test_the_ground_of_an_erasure_is_read_from_it_too_but_not_after_its_reason_was(desk: Desk) -> None:
    desk.open()
    desk.ask("advance E06 withdraw --reason -", "Op verzoek\n")

    both = desk.ask("audit erase E06 --reason - --ground - --yes", "Op verzoek\n", code=2)
    desk.ask("audit erase E06 --reason 'op verzoek' --ground - --yes", "AVG art. 17, lid 1\n")

    assert both["message"] == "Standard input is empty."
    assert "AVG art. 17, lid 1" in desk.run("history E06 --full").stdout


@pytest.mark.parametrize("command", ["note E06 -", "advance E06 withdraw --reason -"])
@pytest.mark.parametrize(
    ("given", "says"), [("", "Standard input is empty."), ("\n", "Standard input is empty."), (b"\xff", "not UTF-8")]
)
def test_what_is_no_text_there_is_a_usage_error_and_leaves_no_trace(
    desk: Desk, command: str, given: str | bytes, says: str
) -> None:
    desk.open()
    before = desk.ask("history E06")

    refused = desk.run(command, given)

    assert (refused.exit_code, says in refused.stderr) == (2, True)
    assert desk.ask("history E06") == before


def test_who_sits_at_a_terminal_is_told_that_the_text_is_awaited(desk: Desk) -> None:
    desk.open()
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"Belt terug.\n\x04")

    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts", "note", "E06", "-"],
        cwd=ROOT,
        env={**os.environ, **desk.environ, "PYTHONPATH": str(ROOT)},
        stdin=terminal,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    os.close(terminal)
    os.close(keyboard)

    assert done.stderr == "Reading the text from the keyboard; end it with Enter and Ctrl-D.\n"
    assert told(desk) == "Belt terug."


@pytest.mark.parametrize("command", ["note", "hold", "advance", "mail resolve", "audit erase"])
def test_the_help_says_so(desk: Desk, command: str) -> None:
    assert "standard input" in " ".join(desk.run(f"{command} --help").stdout.split())
