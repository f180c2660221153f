"""What people see when they may not see personal values, and what stays out of the history."""

from __future__ import annotations

import json
from datetime import date

import pytest

from states.domain import EmployerCoupling
from states.rights import REQUIRED_RIGHTS, complete_rights
from states.sheets import SHEETS
from workflow.calendar import WorkingDays
from workflow.errors import UsageError
from workflow.facts import Context

domain = EmployerCoupling()
CONTEXT = Context(date(2026, 11, 23), WorkingDays())

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


@pytest.mark.parametrize("typed", ["Zaak 999900110L01 en 123456782", "Zaak 9999  00110L01 en\u3000123 456 782"])
def test_a_number_that_was_typed_into_a_companys_name_is_hidden_wherever_that_is_shown(case, typed):
    facts = case(registration__company_name=typed)

    assert domain.title(facts) == "Zaak ••••••••• en •••••••••"
    assert domain.mask(facts)["registration"]["company_name"] == "Zaak ••••••••• en •••••••••"
    assert domain.mask(facts, outside=True)["registration"]["company_name"] == "•••••"


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
        ("registration.framework_contract_number", "A020 111222333", "A020 •••••••••"),
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
        ("registration.framework_contract_number", "A02O-12345"),
        ("registration.framework_contract_number", "A0201234567"),
        ("registration.framework_contract_number", "a020 990 001"),
        ("registration.framework_contract_number", "B1"),
        ("registration.framework_contract_number", 20990001),
        ("registration.loket_employer_id", " 0099 00006 "),
        ("registration.loket_employer_id", "b14acd0d-75d7-4fc8-8b22-061234567801"),
        ("registration.loket_employer_id", "111222333"),
        ("registration.loket_employer_id", -5),
        ("registration.kvk_number", "12.34.56.7"),
        (
            "policy.policies",
            [{"policy_number": "88-204-118", "product": "WIA 80/20 (basis) & meer"}],
        ),
        ("handover.keylane_reference", "KL-2026-118"),
        ("loket_user.rights", ["Beheren en raadplegen BSN", "Muteren verlof (medewerker), incl. saldi"]),
        ("loket_seen.employer_uuid", "B14ACD0D-75D7-4FC8-8B22-4A3924585CAB"),
    ],
)
def test_what_holds_no_such_number_stays_as_it_is(path, value):
    sheet, _, name = path.partition(".")

    assert not domain.is_personal(path, value)
    assert domain.mask({sheet: {name: value}}) == {sheet: {name: value}}


SOMEBODYS = (
    "w.oosterkamp@example.com",
    "Oosterkamp＠example.com",
    "Wilhelmina Oosterkamp, 06-87654321",
    "Wilhelmina Oosterkamp +31 (0)6 8765 4321",
)
A_NAME = "Wilhelmina Oosterkamp"
A_PHONE = ("0687654321", "06-87 65 43 21", "0031687654321", "31 687654321", "+31687654321", "TEL 0687654321")
A_TAX_NUMBER = ("123456782L01", "12345672L01", "NL123456782B01")
NUMBERS = ("framework_contract_number", "kvk_number", "loket_employer_id")


def test_every_field_of_a_sheet_takes_few_words_is_personal_or_knows_what_does_not_belong_in_it():
    """Whatever field a name and a number are put into by mistake: refused, or kept out of history and hidden."""
    for sheet, names in SHEETS.items():
        if sheet in domain.observed:
            continue
        for name in names:
            for text in SOMEBODYS:
                for value in (text, [text], [{"product": text}], [{"policy_number": text}]):
                    try:
                        parsed = domain.parse(sheet, {name: value})[name]
                    except UsageError:
                        continue
                    assert domain.is_personal(f"{sheet}.{name}", parsed), (sheet, name, text)
                    if (sheet, name) != ("registration", "company_name"):
                        assert text not in str(domain.mask({sheet: {name: parsed}})), (sheet, name, text)


@pytest.mark.parametrize("text", [A_NAME, *A_PHONE, *A_TAX_NUMBER, "OOSTERKAMP1970"])
@pytest.mark.parametrize(
    "path", [*(f"registration.{name}" for name in NUMBERS), "handover.keylane_reference", "policy.policies"]
)
def test_a_name_a_phone_number_or_a_tax_number_in_the_place_of_a_number_is_kept_as_one_that_is_personal(path, text):
    sheet, _, name = path.partition(".")
    value = [{"policy_number": text, "product": "WIA"}] if name == "policies" else text
    hidden = [{"policy_number": "•••••", "product": "WIA"}] if name == "policies" else "•••••"

    assert domain.is_personal(path, value)
    assert domain.mask({sheet: {name: value}}) == {sheet: {name: hidden}}


def test_a_right_that_is_none_is_hidden_in_what_is_said_of_it(case):
    facts = case(loket_user__rights=[*REQUIRED_RIGHTS, "w.oosterkamp@example.com"])

    (found,) = complete_rights(facts, CONTEXT)

    assert (found.code, domain.phrase(found, "en").count("oosterkamp")) == ("RIGHTS_EXTRA", 0)
