"""What people see when they may not see personal values, and what stays out of the history."""

from __future__ import annotations

import json

import pytest

from states.domain import EmployerCoupling
from states.sheets import SHEETS

domain = EmployerCoupling()

PERSONAL = {
    "loket_user.user_name",
    "registration.company_name",
    "registration.email",
    "registration.wage_tax_number",
    "registration.dgas",
    "registration.contact_name",
    "handover.contact_name",
    "loket_seen.about",
    "loket_seen.user_uuid",
    "loket_seen.tax_number_seen",
}


def test_exactly_these_fields_and_free_text_are_personal():
    paths = {f"{sheet}.{name}" for sheet, names in SHEETS.items() for name in names}

    assert {path for path in paths if domain.is_personal(path)} == PERSONAL
    assert domain.is_personal("registration.dgas[0].name")
    assert domain.is_personal("reason")
    assert domain.is_personal("text")


def test_personal_values_are_masked_and_the_rest_is_not(case):
    masked = domain.mask(case())

    assert masked["registration"] | {"email": masked["registration"]["email"]} == case()["registration"] | {
        "email": "s•••••@example.com",
        "wage_tax_number": "9999•••••L01",
        "dgas": [{"name": "A•••••", "employee_number": "•••••"}],
        "contact_name": "S•••••",
    }
    assert masked["loket_user"]["user_name"] == "k•••••"
    assert masked["handover"]["contact_name"] == "K•••••"
    assert masked["policy"] == case()["policy"]


def test_a_sole_traders_name_and_number_are_hidden(case):
    facts = case(registration__wage_tax_number="012345672L01", registration__company_name="Bakkerij Jansen")

    shown = json.dumps([domain.mask(facts), domain.title(facts)], ensure_ascii=False)

    assert domain.title(facts) == "B•••••"
    assert domain.mask(facts)["registration"]["wage_tax_number"] == "•••••••••L01"
    assert "Jansen" not in shown
    assert "0123" not in shown


@pytest.mark.parametrize(
    ("number", "hidden"),
    [
        (None, False),
        ("999900171L01", False),
        ("899900179L01", False),
        ("123456782L01", True),
        ("12345672L01", True),
        ("99990000L01", True),
        ("123456782", True),
        ("NL123456782B01", True),
        ("1234.56.782", True),
        ("onbekend", False),
        ("99990O006L01", False),
    ],
)
def test_a_title_is_masked_when_a_bsn_may_be_read_from_the_number(case, number, hidden):
    title = domain.title(case(registration__wage_tax_number=number))

    assert (title != "Drie Dennen Holding B.V.") == hidden


def test_a_number_of_a_wrong_form_and_an_address_that_is_none_are_masked_too(case):
    facts = case(registration__wage_tax_number="12-34", registration__email="piet")

    masked = domain.mask(facts)["registration"]

    assert (masked["wage_tax_number"], masked["email"]) == ("•••••", "p•••••")


def test_masking_leaves_what_is_unanswered(case):
    facts = case(registration__email=None, registration__dgas=None)

    assert domain.mask(facts)["registration"]["email"] is None
    assert domain.mask(facts)["registration"]["dgas"] is None
    assert domain.mask({}) == {}
    assert domain.title({}) == ""


@pytest.mark.parametrize(
    ("path", "value", "shown"),
    [
        ("registration.framework_contract_number", "012345672L01", "•••••••••"),
        ("registration.kvk_number", "1112.22.333", "•••••••••"),
        ("handover.keylane_reference", "BSN111.222.333", "BSN•••••••••"),
        (
            "policy.policies",
            [{"policy_number": 111222333, "product": "x", "start_date": None, "pension_act": True}],
            [{"policy_number": "•••••••••", "product": "x", "start_date": None, "pension_act": True}],
        ),
    ],
)
def test_a_bsn_in_a_field_that_is_not_personal_is_kept_and_shown_as_one_that_is(path, value, shown):
    sheet, _, name = path.partition(".")

    assert domain.is_personal(path, value)
    assert domain.mask({sheet: {name: value}}) == {sheet: {name: shown}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("registration.framework_contract_number", "A020990001"),
        ("registration.loket_employer_id", 111222333),
        ("policy.policies", [{"policy_number": 4711, "product": "Basis", "start_date": "2026-06-01"}]),
        ("loket_user.active", True),
        ("registration.kvk_number", None),
    ],
)
def test_what_holds_no_such_number_stays_as_it_is(path, value):
    sheet, _, name = path.partition(".")

    assert not domain.is_personal(path, value)
    assert domain.mask({sheet: {name: value}}) == {sheet: {name: value}}
