"""What parse accepts, and the one sentence with which it refuses."""

from __future__ import annotations

import pytest

from states.domain import EmployerCoupling
from workflow.errors import UsageError

parse = EmployerCoupling().parse


def test_only_the_fields_given_come_back_and_null_clears_one():
    assert parse("registration", {"email": None, "company_name": "  Drie Dennen "}) == {
        "email": None,
        "company_name": "Drie Dennen",
    }


def test_wrong_values_of_the_right_type_are_kept_for_the_validators():
    given = {"email": "geen adres", "loket_employer_id": -5, "wage_tax_number": "?", "dgas": [{"name": "A"}]}

    assert parse("registration", given) == given


def test_empty_text_clears_and_an_explicit_none_means_no_dgas():
    assert parse("registration", {"email": "  ", "dgas": "none"}) == {"email": None, "dgas": []}


def test_a_list_of_frequencies_is_kept_as_a_list():
    assert parse("registration", {"payroll_frequency": ["monthly", "four_weekly"]}) == {
        "payroll_frequency": ["monthly", "four_weekly"]
    }


@pytest.mark.parametrize(
    ("sheet", "given", "expected"),
    [
        ("registraton", {}, "There is no sheet 'registraton'. Did you mean 'registration'?"),
        ("registration", {"emial": "x"}, "There is no field 'registration.emial'. Did you mean 'email'?"),
        ("registration", {"dgas": [{"nam": "x"}]}, "no field 'registration.dgas[0].nam'. Did you mean 'name'?"),
        ("registration", {"dgas": [{"name": 1}]}, "'registration.dgas[0].name' must be text, not a number."),
        ("registration", {"dgas": [5]}, "'registration.dgas[0]' must be an object with fields."),
        ("registration", {"dgas": 5}, "'registration.dgas' must be a list."),
        ("registration", {"dgas": [{}] * 1001}, "'registration.dgas' must hold at most 1000 items, not 1001."),
        ("registration", {"payroll_frequency": "week"}, "'registration.payroll_frequency' cannot have this value."),
        ("registration", {"payroll_frequency": ["monthly", 1]}, "'registration.payroll_frequency' must be text"),
        ("registration", {"thirteenth_month": "yes"}, "must be true or false, not text."),
        ("registration", {"thirteenth_month": 1}, "must be true or false, not a number."),
        ("registration", {"loket_employer_id": 1.0}, "not a number with decimals."),
        ("registration", {"loket_employer_id": True}, "must be text or a whole number"),
        ("registration", {"loket_employer_id": 2**53 + 1}, "at most 2^53"),
        ("registration", {"wage_tax_number": 12345678201}, "has lost its leading zeros."),
        ("registration", {"kvk_number": 12345678}, "has lost its leading zeros."),
        ("registration", {"company_name": "a\nb"}, "one line of text without control characters."),
        ("registration", {"company_name": "a\x00b"}, "one line of text without control characters."),
        ("registration", {"company_name": "a\u202eb"}, "one line of text without control characters."),
        ("registration", {"company_name": "a\ud800b"}, "one line of text without control characters."),
        ("registration", {"company_name": "x" * 1001}, "at most 1000 characters long, not 1001."),
        ("registration", {"language": "de"}, "'registration.language' cannot have this value. There are: en, nl."),
        ("registration", ["email"], "'registration' must be an object with fields."),
        ("loket_user", {"kind": "standaard"}, "Did you mean 'standard'?"),
        ("loket_user", {"access_via": "post"}, "'loket_user.access_via' cannot have this value."),
        ("loket_user", {"rights": "alles"}, "'loket_user.rights' must be a list of names, not text."),
        ("loket_user", {"rights": ["x"] * 1001}, "at most 1000 items, not 1001."),
        ("policy", {"policies": [{"start_date": "2026-1-1"}]}, "'policy.policies[0].start_date' must be a date"),
        ("realisation", {"realised_on": "2026-02-29"}, "must be a date that exists"),
        ("realisation", {"realised_on": "20260228"}, "must be a date that exists"),
        ("realisation", {"realised_on": "0026-12-04"}, "between the years 1900 and 2199."),
        ("realisation", {"realised_on": 20261204}, "'realisation.realised_on' must be text, not a number."),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence_that_names_the_field(sheet, given, expected):
    with pytest.raises(UsageError) as refusal:
        parse(sheet, given)

    assert expected in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_largest_values_still_fit():
    given = {"company_name": "x" * 1000, "loket_employer_id": 2**53 - 1, "dgas": [{"name": "A"}] * 1000}

    assert parse("registration", given) == given
