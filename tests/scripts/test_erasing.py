"""What `audit erase` asks before it erases for good."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from employers import bring

from tests.scripts.desk import Desk
from workflow import Engine

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


def test_what_is_part_of_a_letter_that_waits_counts_as_what_waits(
    desk: Desk, engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.environ |= {"SCHAKEL_DATABASE_URL": url, "SCHAKEL_MAIL_OPERATIONS": "beheer@example.org"}
    monkeypatch.setattr("scripts.commands.audit_erase.has_terminal", lambda: True)
    case, _ = bring(engine, "confirmed"), bring(engine, "confirmed")
    desk.clock.moment += timedelta(days=120)
    desk.ask("tick")
    (part,) = [row for row in desk.ask(f"mail list --case {case}") if row["state"] == "merged"]

    done = " ".join(desk.run(f"audit erase {case} --reason verzoek --ground 'AVG art. 17'", "y\n").stdout.split())

    assert part["letter"] == "first_exchange_check"
    asked, cancelled = re.search(r"(\d+) letters wait and would", done), re.search(r"\((\d+) that waited are", done)
    assert asked is not None
    assert cancelled is not None
    assert asked[1] == cancelled[1] == "4"  # what asked something ended with the case


def test_a_reference_that_stays_and_repeats_what_went_is_told(desk: Desk) -> None:
    case = desk.open("zaak-Wielewaal-7")
    desk.ask(f"record {case} registration 'contact_name=Zoe Wielewaal'")
    desk.ask(f"advance {case} withdraw --reason verzoek")
    other = desk.open("zaak-8")
    desk.ask(f"advance {other} withdraw --reason verzoek")
    options = "--reason 'op verzoek' --ground 'AVG art. 17' --yes"

    told = " ".join(desk.run(f"audit erase {case} {options}").stderr.split())
    silent = desk.ask(f"audit erase {other} {options}")

    assert "Its external reference, which stays in its history for good, repeats a name" in told
    assert "registration.contact_name" in told
    assert "reference_repeats" not in silent


def test_that_is_in_the_json_answer_too(desk: Desk) -> None:
    case = desk.open("zaak-Wielewaal-7")
    desk.ask(f"record {case} registration 'contact_name=Zoe Wielewaal'")
    desk.ask(f"advance {case} withdraw --reason verzoek")

    done = desk.ask(f"audit erase {case} --reason 'op verzoek' --ground 'AVG art. 17' --yes")

    assert done["reference_repeats"].endswith("stands in registration.contact_name")
