"""field=value, as typed."""

from __future__ import annotations

import pytest

from states.domain import EmployerCoupling
from states.inline import parse_inline
from states.spreadsheet import read_row
from workflow.errors import UsageError


@pytest.mark.parametrize(
    ("sheet", "field", "text", "expected"),
    [
        ("registration", "company_name", "Drie Dennen", "Drie Dennen"),
        ("registration", "company_name", "", None),
        ("registration", "thirteenth_month", "", None),
        ("registration", "wage_tax_number", "012345672L01", "012345672L01"),
        ("registration", "loket_employer_id", "9900006", "9900006"),
        ("registration", "thirteenth_month", "Ja", True),
        ("registration", "thirteenth_month", "0", False),
        ("loket_user", "active", "yes", True),
        ("loket_user", "dedicated", "nee", False),
        ("loket_user", "kind", "standaard", "standard"),
        ("loket_user", "access_via", "Werkgever", "employer"),
        ("loket_user", "rights", "Raadplegen HRM | Raadplegen beloningen", ["Raadplegen HRM", "Raadplegen beloningen"]),
        ("loket_user", "rights", "Raadplegen HRM,Raadplegen beloningen", ["Raadplegen HRM", "Raadplegen beloningen"]),
        ("loket_user", "rights", '["Raadplegen HRM"]', ["Raadplegen HRM"]),
        ("registration", "payroll_frequency", "maand", "monthly"),
        ("registration", "payroll_frequency", "monthly|4weken", ["monthly", "four_weekly"]),
        ("registration", "dgas", "geen", []),
        ("registration", "dgas", "None", []),
        ("registration", "dgas", "nee", []),
        ("registration", "dgas", "No", []),
        ("registration", "dgas", "A. B:17", [{"name": "A. B", "employee_number": "17"}]),
        (
            "registration",
            "dgas",
            "A:1; B:",
            [{"name": "A", "employee_number": "1"}, {"name": "B", "employee_number": None}],
        ),
        ("registration", "dgas", '[{"name": "A", "employee_number": 1}]', [{"name": "A", "employee_number": 1}]),
        ("policy", "policies", '[{"policy_number": "P"}]', [{"policy_number": "P"}]),
        ("handover", "authorisations_set", "true", True),
    ],
)
def test_text_becomes_the_value_of_its_field(sheet, field, text, expected):
    value = parse_inline(sheet, field, text)

    assert value == expected
    assert EmployerCoupling().parse(sheet, {field: value}) == {field: expected}


@pytest.mark.parametrize(
    "text",
    [
        *("-", "0", "1", "Ja", "n.v.t.", "NVT", "n/a", ";"),
        *("Jansen:7|Pieters:8", "Jansen, J.:7, Pieters, P.:8", "Pieters:8; Jansen:7:8", "Jansen|Pieters"),
    ],
)
def test_a_list_of_dgas_that_can_be_read_in_two_ways_is_refused_with_how_to_write_it(text):
    with pytest.raises(UsageError) as refusal:
        parse_inline("registration", "dgas", text)
    with pytest.raises(UsageError, match=r"^'dga_lijst' ") as of_a_cell:
        read_row({"case_id": "E1", "dga_lijst": text})

    for said in (str(refusal.value), str(of_a_cell.value)):
        assert "write it as name:number;name:number, or as none (geen) when there is no DGA." in said
        assert "Jansen" not in said


@pytest.mark.parametrize(
    ("sheet", "field", "text", "expected"),
    [
        ("registration", "thirteenth_month", "misschien", "'registration.thirteenth_month' must be yes or no"),
        ("registration", "payroll_frequency", "week", "'registration.payroll_frequency' cannot have this value."),
        ("registration", "dgas", "[{", "'registration.dgas' must be a JSON array"),
        ("policy", "policies", "P-1", "'policy.policies' must be a JSON array"),
        ("policy", "policies", "{}", "'policy.policies' must be a JSON array"),
        ("policy", "policies", "[" * 100_000, "'policy.policies' must be a JSON array"),
        ("polis", "policies", "[]", "There is no sheet 'polis'. Did you mean 'policy'?"),
        ("policy", "policy", "[]", "There is no field 'policy.policy'."),
    ],
)
def test_text_that_makes_no_sense_is_refused(sheet, field, text, expected):
    with pytest.raises(UsageError) as refusal:
        parse_inline(sheet, field, text)

    assert expected in str(refusal.value)
