"""The wage tax number and the Loket employer id, each code at its boundary and in its order."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from states.identity import keys, loket_employer_id, wage_tax_number
from states.numbers import elfproef
from workflow.domain import Key
from workflow.facts import Severity

SAMPLES = Path(__file__).parents[1] / "data" / "loonheffingennummers.csv"


def samples() -> list[dict[str, str]]:
    with SAMPLES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", samples(), ids=lambda row: row["value"] or "leeg")
def test_each_sample_number_is_judged_as_its_row_says(case, problems, row):
    found = problems(wage_tax_number, case(registration__wage_tax_number=row["value"]))

    severities = {problem.severity for problem in found}
    result = "reject" if Severity.ERROR in severities else "warn" if Severity.WARNING in severities else "accept"
    assert [problem.code for problem in found] == [code for code in row["code"].split("|") if code]
    assert result == row["expected_result"]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, ["LH_MISSING"]),
        (" - ", ["LH_MISSING"]),
        ("999900110L01", []),
        ("9999.00.110-L 01", ["LH_SEPARATORS_REMOVED"]),
        ("9999\u00a000110L01", ["LH_SEPARATORS_REMOVED"]),
        ("9999\u201300110L01", ["LH_SEPARATORS_REMOVED"]),
        ("999900110l01", ["LH_CASE_NORMALISED"]),
        ("9999 00110 l01", ["LH_SEPARATORS_REMOVED", "LH_CASE_NORMALISED"]),
        ("999900110B01", ["LH_IS_BTW"]),
        ("NL999900110B01", ["LH_IS_BTW"]),
        ("NL999900110L01", ["LH_FORMAT"]),
        ("12345672L01", ["LH_LEADING_ZERO_LOST"]),
        ("12345673L01", ["LH_FORMAT"]),
        ("999900110101", ["LH_DIGIT_FOR_L"]),
        ("999900110201", ["LH_FORMAT"]),
        ("999900110", ["LH_FORMAT"]),
        ("999900110L1", ["LH_FORMAT"]),
        ("999900110L001", ["LH_FORMAT"]),
        ("999900111L01", ["LH_ELFPROEF"]),
        ("999900110L00", ["LH_SUB00"]),
        ("999900110L99", []),
        ("799900117L00", ["LH_ELFPROEF", "LH_SUB00", "LH_POSSIBLE_BSN"]),
        ("000000012L01", ["LH_ELFPROEF", "LH_POSSIBLE_BSN"]),
        ("012345672L01", ["LH_POSSIBLE_BSN"]),
    ],
)
def test_a_wage_tax_number_is_judged(case, codes, number, expected):
    assert codes(wage_tax_number, case(registration__wage_tax_number=number)) == expected


@pytest.mark.parametrize(("first", "expected"), [("7", ["LH_POSSIBLE_BSN"]), ("8", [])])
def test_eight_is_the_first_digit_that_no_bsn_begins_with(case, codes, first, expected):
    nine = next(f"{first}0000{n:04}" for n in range(10_000) if elfproef(f"{first}0000{n:04}"))

    assert codes(wage_tax_number, case(registration__wage_tax_number=f"{nine}L01")) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (None, ["WGID_MISSING"]),
        ("", ["WGID_MISSING"]),
        (8106825, []),
        ("8106825", []),
        ("08106825", ["WGID_NORMALISED"]),
        ("8 106 825", ["WGID_NORMALISED"]),
        ("1", []),
        (2147483647, []),
        (2147483648, ["WGID_FORMAT"]),
        ("9" * 900, ["WGID_FORMAT"]),
        ("0", ["WGID_FORMAT"]),
        (0, ["WGID_FORMAT"]),
        (-5, ["WGID_FORMAT"]),
        ("8106825.0", ["WGID_FORMAT"]),
        ("b14acd0d-75d7-4fc8-8b22-4a3924585cab", ["WGID_UUID"]),
        ("B14ACD0D75D74FC88B224A3924585CAB", ["WGID_UUID"]),
    ],
)
def test_a_loket_employer_id_is_judged(case, codes, number, expected):
    assert codes(loket_employer_id, case(registration__loket_employer_id=number)) == expected


def test_cases_find_each_other_by_folded_name_and_by_normalised_numbers(case):
    facts = case(
        registration__company_name="  DRIE  dennen ",
        registration__wage_tax_number="9999.00171l01",
        registration__loket_employer_id="09900006",
    )

    assert keys(facts) == (
        Key("name", "drie dennen", detail="9900006", differing=True),
        Key("coupling", "999900171L01/9900006"),
    )


def test_a_name_alone_is_a_key_without_detail_and_a_wrong_number_is_no_key(case):
    facts = case(registration__loket_employer_id="onbekend", registration__wage_tax_number="999900171")

    assert keys(facts) == (Key("name", "drie dennen holding b.v.", detail="", differing=True),)
    assert keys({}) == ()


@given(st.integers(min_value=1_000_000, max_value=999_999_999), st.integers(0, 8), st.integers(1, 9))
def test_the_eleven_test_finds_every_single_changed_digit(number, place, shift):
    digits = f"{number:09}"
    other = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]

    assert not (elfproef(digits) and elfproef(other))


@given(st.from_regex(r"[0-9]{9}", fullmatch=True))
def test_the_eleven_test_is_its_formula(digits):
    total = sum(weight * int(digit) for weight, digit in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), digits, strict=True))

    assert elfproef(digits) == (total % 11 == 0 and not digits.startswith("000"))
