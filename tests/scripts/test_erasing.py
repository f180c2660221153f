"""What `audit erase` asks before it erases for good."""

from __future__ import annotations

import pytest

from tests.scripts.desk import Desk

ERASE = "audit erase E06 --reason 'op verzoek' --ground 'AVG art. 17'"


@pytest.fixture
def ended(desk: Desk) -> str:
    """A withdrawn case, with three letters that wait."""
    case = desk.open("E06")
    desk.ask("advance E06")
    desk.ask("advance E06 withdraw --reason verzoek")
    return case


@pytest.mark.parametrize("more", ["", " --json"])
def test_without_a_terminal_and_without_yes_nothing_is_erased(desk: Desk, ended: str, more: str) -> None:
    refused = desk.run(ERASE + more, "y\n")

    assert refused.exit_code == 2
    assert "There is no terminal to ask on: give --yes" in refused.output
    assert desk.ask(f"show {ended}")["erased"] is False
    assert desk.ask(f"{ERASE} --yes")["values"]


@pytest.mark.parametrize(("answer", "code", "erased"), [("n\n", 130, False), ("y\n", 0, True)])
def test_on_a_terminal_it_asks_and_says_how_many_letters_wait(
    desk: Desk, ended: str, answer: str, code: int, erased: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scripts.commands.audit_erase.has_terminal", lambda: True)
    waiting = len(desk.ask("mail list --state pending"))

    done = desk.run(ERASE, answer)

    assert done.exit_code == code, done.output
    assert f"{waiting} letters wait and would be cancelled" in " ".join(done.output.split())
    assert ("Nothing was erased." in done.output) is not erased
    assert desk.ask("show E06")["erased"] is erased
