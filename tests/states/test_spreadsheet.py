"""Rows of an import file, among them the made-up employers with the result expected of each."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from states.domain import EmployerCoupling
from states.spreadsheet import read_row
from states.table import READY_TO_REGISTER
from workflow.errors import UsageError
from workflow.facts import Other, Severity

COMMAS = "has several rights with ',' or ';' between; separate them with '|'."
SAMPLES = Path(__file__).parents[1] / "data" / "employers.csv"


def samples() -> list[dict[str, str]]:
    with SAMPLES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def older_namesakes(facts, domain, earlier):
    """The older cases that share the name but not the employer id, as the engine would look them up."""
    (name, *_) = domain.keys(facts)
    return [
        Other("name", reference) for reference, key in earlier if key.value == name.value and key.detail != name.detail
    ]


def test_each_sample_employer_is_judged_as_its_row_says(problems):
    domain, earlier, results = EmployerCoupling(), [], {}
    for row in samples():
        reference, given = read_row(row)
        facts = {sheet: domain.parse(sheet, fields) for sheet, fields in given.items()}
        found = problems(READY_TO_REGISTER, facts, *older_namesakes(facts, domain, earlier))
        severities = {problem.severity for problem in found}
        result = "reject" if Severity.ERROR in severities else "warn" if Severity.WARNING in severities else "accept"
        results[reference] = (result, "|".join(problem.code for problem in found))
        earlier.append((reference, domain.keys(facts)[0]))

    assert results == {row["case_id"]: (row["expected_result"], row["expected_codes"]) for row in samples()}


@pytest.mark.parametrize(
    ("column", "cell", "path", "expected"),
    [
        ("dga_lijst", "", "registration.dgas", []),
        ("dga_lijst", "Nee", "registration.dgas", []),
        ("dga_lijst", "geen", "registration.dgas", []),
        ("dga_lijst", "A. B:1;", "registration.dgas", [{"name": "A. B", "employee_number": "1"}]),
        ("werkgever_id", " 9900003 ", "registration.loket_employer_id", "9900003"),
        ("werkgever_id", " ", "registration.loket_employer_id", None),
        ("verloning", "maand|4weken", "registration.payroll_frequency", ["monthly", "four_weekly"]),
        ("verloning", "", "registration.payroll_frequency", None),
        ("dertiende_maand", "ja", "registration.thirteenth_month", True),
        ("dertiende_maand", "nee", "registration.thirteenth_month", False),
        ("dertiende_maand", "", "registration.thirteenth_month", None),
        ("gebruiker_uitsluitend", "nee", "loket_user.dedicated", False),
        ("gebruiker_uitsluitend", "", "loket_user.dedicated", True),
        ("rechten", "a | b|", "loket_user.rights", ["a", "b"]),
        ("rechten", "", "loket_user.rights", None),
        ("taal", "EN", "registration.language", "en"),
    ],
)
def test_a_cell_becomes_the_value_of_its_field(column, cell, path, expected):
    _, facts = read_row({"case_id": "E1", column: cell})

    sheet, _, name = path.partition(".")
    assert facts[sheet][name] == expected


def test_a_row_attests_that_the_user_is_dedicated_and_columns_not_there_say_nothing():
    assert read_row({"case_id": "12", "reason": "x"}) == ("12", {"loket_user": {"dedicated": True}})


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("verloning", "week", "'verloning' cannot have this value"),
        ("dertiende_maand", "misschien", "'dertiende_maand' must be yes or no"),
        ("gebruiker_soort", "robot", "'gebruiker_soort' cannot have this value"),
        ("gebruiker_uitsluitend", "soms", "'gebruiker_uitsluitend' must be yes or no"),
        ("rechten", "raadplegen hrm, Raadplegen beloningen", f"'rechten' {COMMAS}"),
        ("rechten", "Raadplegen HRM; Raadplegen beloningen;iets", f"'rechten' {COMMAS}"),
        ("rechten", "iets|Raadplegen HRM,Raadplegen beloningen", f"'rechten' {COMMAS}"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused_by_its_column(column, cell, expected):
    with pytest.raises(UsageError) as refusal:
        read_row({"case_id": "E1", column: cell})

    assert expected in str(refusal.value)


@pytest.mark.parametrize("right", ["Raadplegen HRM, verzuim", "a, b, c", "a;b"])
def test_a_right_may_have_a_comma_in_its_name(right):
    assert read_row({"case_id": "E1", "rechten": f"{right}|d"})[1]["loket_user"]["rights"] == [right, "d"]


def test_every_cell_of_a_row_that_makes_no_sense_is_named():
    row = {"case_id": "E1", "verloning": "week", "dertiende_maand": "ja", "gebruiker_actief": "x", "taal": "klingon"}

    with pytest.raises(UsageError) as refusal:
        read_row(row)

    words = (
        "4 wekelijks, 4 weken, 4-wekelijks, 4weken, four_weekly, maand, maandelijks, monthly, per 4 weken, per maand"
    )
    words += ", vier weken, vierwekelijks"
    assert str(refusal.value) == (
        f"'verloning' cannot have this value. There are: {words}. "
        "'gebruiker_actief' must be yes or no (ja or nee). "
        "'taal' cannot have this value. There are: dutch, en, engels, english, nederlands, nl."
    )
