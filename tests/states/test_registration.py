"""The rules of the form, each at its boundary."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from employers import LONG
from hypothesis import example, given, settings
from hypothesis import strategies as st

from states.registration import (
    company_name,
    dgas,
    duplicates,
    email,
    framework_contract,
    kvk_number,
    payroll_period,
    read_address,
    thirteenth_month,
)
from states.table import READY_TO_CONFIRM
from workflow.facts import Other


def test_a_complete_case_has_no_problem_at_all(case, codes):
    assert codes(READY_TO_CONFIRM, case()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (None, ["NAME_MISSING"]),
        ("   ", ["NAME_MISSING"]),
        ("x", []),
        ("x" * 70, []),
        ("x" * 71, ["NAME_GT_70"]),
        ("e\u0301" * 70, []),
    ],
)
def test_a_name_is_there_and_loket_can_hold_it(case, codes, name, expected):
    assert codes(company_name, case(registration__company_name=name)) == expected


def test_a_namesake_warns_and_names_the_other_case(case, problems):
    (found,) = problems(duplicates, case(), Other("name", "K-AAAA-BBBB"))

    assert (found.code, found.severity, found.holder) == ("NAME_DUPLICATE", "warning", "operations")
    assert found.about == ("registration.company_name", "registration.loket_employer_id")
    assert found.details == {"references": ["K-AAAA-BBBB"]}


def test_the_same_coupling_is_refused_as_a_duplicate(case, codes):
    both = Other("name", "K-1"), Other("coupling", "K-2")

    assert codes(duplicates, case(), *both) == ["NAME_DUPLICATE", "CASE_DUPLICATE"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (None, ["EMAIL_MISSING"]),
        ("", ["EMAIL_MISSING"]),
        ("naam@bedrijf", ["EMAIL_SYNTAX"]),
        ("naam bedrijf.nl", ["EMAIL_SYNTAX"]),
        ("naam@bedrijf.nl, ander@bedrijf.nl", ["EMAIL_SYNTAX"]),
        ("Naam <naam@bedrijf.nl>", ["EMAIL_SYNTAX"]),
        ("naam@voorbeeld.invalid", ["EMAIL_SYNTAX"]),
        ("naam@example.com", []),
        ("naam@bäckerei.example", ["EMAIL_IDN"]),
        ("naam@xn--bckerei-5wa.example", []),
        ("zoë@example.com", ["EMAIL_SMTPUTF8"]),
        ("zoë@bäckerei.example", ["EMAIL_IDN", "EMAIL_SMTPUTF8"]),
    ],
)
def test_an_address_can_be_mailed(case, codes, address, expected):
    assert codes(email, case(registration__email=address)) == expected


@pytest.mark.parametrize(
    ("contract", "expected"),
    [(None, ["RW_MISSING"]), ("A020", []), ("A020990001", []), ("A021", ["RW_PREFIX"]), (7719900, ["RW_PREFIX"])],
)
def test_a_contract_usually_begins_with_a020(case, codes, contract, expected):
    assert codes(framework_contract, case(registration__framework_contract_number=contract)) == expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, ["DGA_UNANSWERED"]),
        ([], []),
        ([{"name": "A", "employee_number": "1"}], []),
        ([{"name": "A", "employee_number": 1}], []),
        ([{"name": "A", "employee_number": "017"}], []),
        ([{"name": "A", "employee_number": 0}], ["DGA_NUMBER_MISSING"]),
        ([{"name": "A", "employee_number": "000"}], ["DGA_NUMBER_MISSING"]),
        ([{"name": "A", "employee_number": -1}], ["DGA_NUMBER_MISSING"]),
        ([{"name": "A", "employee_number": "1.5"}], ["DGA_NUMBER_MISSING"]),
        ([{"name": "A"}], ["DGA_NUMBER_MISSING"]),
        ([{"employee_number": 3}], ["DGA_NAME_MISSING"]),
        ([{}], ["DGA_NAME_MISSING", "DGA_NUMBER_MISSING"]),
    ],
)
def test_each_dga_has_a_name_and_a_number(case, codes, rows, expected):
    assert codes(dgas, case(registration__dgas=rows)) == expected


def test_a_problem_of_a_dga_points_at_its_row_and_is_about_the_whole_list(case, problems):
    rows = [{"name": "A", "employee_number": 1}, {"name": "B"}]

    (found,) = problems(dgas, case(registration__dgas=rows))

    assert found.field == "registration.dgas[1].employee_number"
    assert found.about == ("registration.dgas",)


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        (None, ["PERIOD_MISSING"]),
        ([], ["PERIOD_MISSING"]),
        ("monthly", []),
        (["four_weekly"], []),
        (["monthly", "monthly"], []),
        (["monthly", "four_weekly"], ["PERIOD_BOTH"]),
    ],
)
def test_exactly_one_payroll_period_is_ticked(case, codes, frequency, expected):
    assert codes(payroll_period, case(registration__payroll_frequency=frequency)) == expected


@pytest.mark.parametrize(
    ("frequency", "answer", "expected"),
    [
        ("monthly", None, ["T13_MISSING"]),
        ("monthly", False, []),
        ("monthly", True, []),
        ("four_weekly", False, []),
        ("four_weekly", True, ["T13_4W_CONFIRM"]),
        (["four_weekly"], True, ["T13_4W_CONFIRM"]),
        (["monthly", "four_weekly"], True, []),
        (None, True, []),
    ],
)
def test_the_thirteenth_month_is_answered_and_confirmed_with_four_weeks(case, codes, frequency, answer, expected):
    facts = case(registration__payroll_frequency=frequency, registration__thirteenth_month=answer)

    assert codes(thirteenth_month, facts) == expected


def test_confirming_the_thirteenth_month_ends_when_the_period_changes(case, problems):
    facts = case(registration__payroll_frequency="four_weekly", registration__thirteenth_month=True)

    (found,) = problems(thirteenth_month, facts)

    assert found.about == ("registration.payroll_frequency", "registration.thirteenth_month")


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, []),
        ("12345678", []),
        ("1234567", ["KVK_FORMAT"]),
        ("123456789", ["KVK_FORMAT"]),
        ("1234567x", ["KVK_FORMAT"]),
    ],
)
def test_a_kvk_number_is_optional_but_has_eight_digits(case, codes, number, expected):
    assert codes(kvk_number, case(registration__kvk_number=number)) == expected


PIECES = st.sampled_from(["a", "b1", ".", "_", "+", "-", "A", "é", " ", '"'])
LABELS = st.sampled_from(["a", "1", "a-b", "a--b", "ab--c", "xn--80ak6aa92e", "-a", "a-", "", "é", "9" * 63, "9" * 64])
ENDINGS = st.sampled_from(["nl", "com", "org", "test", "local", "onion", "NL", "n", "nl.", "eu", "1"])
LOCALS = st.just("a") | st.lists(PIECES, max_size=5).map("".join)
DOMAINS = st.builds("{}.{}".format, st.lists(LABELS, min_size=1, max_size=2).map(".".join), ENDINGS)


@settings(max_examples=500 * LONG)
@given(st.builds("{}@{}".format, LOCALS, DOMAINS))
@example("a" * 65 + "@voorbeeld.nl")
@example("a..b@voorbeeld.nl")
@example("info.@voorbeeld.nl")
def test_an_address_is_read_as_the_library_reads_it(address):
    try:
        found = validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        assert read_address(address) is None
    else:
        assert read_address(address).sendable == f"{found.local_part}@{found.ascii_domain}"
