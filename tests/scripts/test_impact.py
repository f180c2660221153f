"""`schakel workflow impact`: a new program asks, before it goes live, which cases it would leave stuck."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tampering import run

from states import EMPLOYER_COUPLING
from tests.scripts.desk import GOOD, Desk
from workflow.facts import Context, Facts, Problem, Severity


@pytest.fixture
def stricter(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> tuple[str, str]:
    """The new program, and two registered cases: the one it would leave stuck, the one it would not."""
    stuck = desk.open("E1", registration={**GOOD["registration"], "company_name": "Een", "loket_employer_id": "1"})
    fine = desk.open(
        "E2",
        registration={
            **GOOD["registration"],
            "company_name": "Twee",
            "loket_employer_id": "2",
            "kvk_number": "00000001",
        },
    )
    for case in (stuck, fine):
        desk.ask(f"advance {case}")

    def a_kvk_number(facts: Facts, context: Context) -> Iterator[Problem]:
        if not facts.get("registration", {}).get("kvk_number"):
            yield Problem("KVK_FORMAT", Severity.ERROR, "registration.kvk_number", "applicant")

    moves = tuple(
        replace(move, validators=(*move.validators, a_kvk_number)) if move.forward else move
        for move in EMPLOYER_COUPLING.moves
    )
    monkeypatch.setattr("states.EMPLOYER_COUPLING", replace(EMPLOYER_COUPLING, moves=moves))
    return stuck, fine


def test_the_case_that_would_be_stuck_is_listed_with_what_on(desk: Desk, stricter: tuple[str, str]) -> None:
    said = desk.ask("workflow impact", code=5)

    assert said["cases"] == 2
    (stuck,) = said["stuck"]
    assert (stuck["case"], stuck["external_reference"]) == (stricter[0], "E1")
    assert (stuck["state"], stuck["holder"], stuck["reasons"]) == ("registered", "asr", [])
    (problem,) = stuck["problems"]
    assert set(problem) == {"code", "severity", "field", "holder", "message"}
    assert problem["code"] == "KVK_FORMAT"


def test_for_people_it_is_a_table_that_fits_and_a_sum(desk: Desk, stricter: tuple[str, str]) -> None:
    result = desk.run("workflow impact")

    assert result.exit_code == 5
    head, line, *rest = result.stdout.splitlines()
    assert head.split() == ["CASE", "STATE", "HOLDER", "CODES"]
    assert line.split() == [stricter[0], "registered", "asr", "KVK_FORMAT"]
    assert "1 of 2 live cases would be stuck" in rest[0]
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert result.stderr == ""  # no bar where there is no terminal


def test_a_case_that_cannot_be_read_is_listed_and_keeps_no_other_from_it(desk: Desk, stricter: tuple[str, str]) -> None:
    stuck, odd = stricter
    run(desk.environ["SCHAKEL_DATABASE_URL"], f"UPDATE cases SET facts = '[1]' WHERE reference = '{odd}'")

    said = desk.ask("workflow impact", code=5)
    shown = desk.run("workflow impact").stdout

    assert [(one["case"], one["holder"], len(one["reasons"])) for one in said["stuck"]] == [
        (stuck, "asr", 0),
        (odd, None, 1),
    ]
    assert "schakel audit verify CASE" in said["stuck"][1]["reasons"][0]
    assert (odd in shown, "2 of 2 live cases" in shown, "cannot be read" in shown) == (True, True, True)
    assert max(map(len, shown.splitlines())) <= 80


def test_the_rules_that_judged_the_cases_leave_none_stuck(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06")

    assert desk.ask("workflow impact") == {"cases": 1, "stuck": []}
    assert "None of 1 live case would be stuck" in desk.run("workflow impact").stdout


def test_an_empty_database_has_no_case_to_be_stuck(desk: Desk) -> None:
    assert desk.ask("workflow impact") == {"cases": 0, "stuck": []}
    assert "no live cases" in desk.run("workflow impact").stdout


def test_a_program_that_may_not_write_may_ask(desk: Desk, stricter: tuple[str, str]) -> None:
    before = desk.ask(f"history {stricter[0]}")

    refused = desk.ask(f"note {stricter[0]} x", code=1)
    desk.ask("workflow impact", code=5)

    assert "new version" in refused["message"]
    assert desk.ask(f"history {stricter[0]}") == before
