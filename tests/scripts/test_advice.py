"""The commands that a refusal advises: each does what it says when it is typed as it stands."""

from __future__ import annotations

import shlex

from click.testing import Result

from tests.scripts.desk import GOOD, Desk


def advised(refused: Result) -> str:
    """The command after 'Next:', without the program's name."""
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("Next: schakel "), refused.stderr
    return last.removeprefix("Next: schakel ")


def without(*fields: str) -> dict[str, object]:
    """A good registration without these fields."""
    return {name: value for name, value in GOOD["registration"].items() if name not in fields}


def test_facts_given_along_are_repeated_beside_the_one_that_is_missing(desk: Desk) -> None:
    desk.open("E06", registration=without("company_name", "email"))

    refused = desk.run("""advance E06 register "company_name=Bakker's Brood & Co" """)
    next_one = advised(refused)

    assert refused.exit_code == 5
    assert "The facts given along were not kept." in " ".join(refused.stderr.split())
    assert shlex.split(next_one)[3:] == ["company_name=Bakker's Brood & Co", "registration.email=…"]
    assert desk.run(next_one.replace("…", "a@example.com")).exit_code == 0


def test_facts_given_along_are_repeated_with_the_warnings_to_accept(desk: Desk) -> None:
    desk.open("E06", registration=without("framework_contract_number", "company_name"))
    long = "x" * 71

    refused = desk.run(f"advance E06 framework_contract_number=B1 company_name={long} --accept NAME_GT_70")

    assert advised(refused).endswith(
        f"framework_contract_number=B1 company_name={long} --accept NAME_GT_70 --accept RW_PREFIX"
    )
    assert desk.run(advised(refused)).exit_code == 0


def test_a_fact_given_along_that_is_wrong_itself_is_asked_for_anew(desk: Desk) -> None:
    case = desk.open("E06")

    refused = desk.run("advance E06 email=nobody kvk_number=12345678")

    assert advised(refused) == f"advance {case} kvk_number=12345678 registration.email=…"


def test_without_facts_given_along_nothing_is_said_of_them(desk: Desk) -> None:
    case = desk.open("E06", registration=without("email"))

    refused = desk.run("advance E06")

    assert "given along" not in refused.stderr
    assert advised(refused) == f"record {case} registration email=…"


def test_a_move_that_lacks_its_reason_is_repeated_with_its_facts(desk: Desk) -> None:
    case = desk.open("E06")

    refused = desk.run("advance E06 withdraw 'registration.contact_name=A. Fictief'")

    assert advised(refused) == f"""advance {case} withdraw 'registration.contact_name=A. Fictief' --reason "…\""""
    assert desk.run(advised(refused)).exit_code == 0
