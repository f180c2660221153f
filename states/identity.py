"""The rules for the two numbers that say which payroll is coupled: wage tax number and Loket employer id."""

from __future__ import annotations

from collections.abc import Iterator

from states.codes import Code, problem
from states.masking import mask_name, mask_numbers
from states.names import Field
from states.numbers import WageTaxNumber, employer_id
from states.numbers import wage_tax_number as read_wage_tax_number
from states.reading import held_text
from workflow.domain import Key
from workflow.facts import Context, Facts, Problem
from workflow.text import fold


def wage_tax_number(facts: Facts, context: Context) -> Iterator[Problem]:
    """Nine digits, L, two digits; the digits pass the eleven test and the subnumber is not 00."""
    number = held_wage_tax_number(facts)
    wrong = _wrong_form(number)
    if wrong is not None:
        yield problem(wrong, Field.WAGE_TAX_NUMBER)
    if wrong is Code.LH_MISSING:
        return
    if number.separators_removed:
        yield problem(Code.LH_SEPARATORS_REMOVED, Field.WAGE_TAX_NUMBER)
    if number.case_changed:
        yield problem(Code.LH_CASE_NORMALISED, Field.WAGE_TAX_NUMBER)
    if wrong is not None:
        return
    if not number.passes:
        yield problem(Code.LH_ELFPROEF, Field.WAGE_TAX_NUMBER)
    if number.normal.endswith("00"):
        yield problem(Code.LH_SUB00, Field.WAGE_TAX_NUMBER)
    if number.may_hold_bsn:
        yield problem(Code.LH_POSSIBLE_BSN, Field.WAGE_TAX_NUMBER)


def loket_employer_id(facts: Facts, context: Context) -> Iterator[Problem]:
    """A positive 32-bit integer, as Loket.nl shows it at Bedrijfsgegevens."""
    number = employer_id(held_text(facts, Field.LOKET_EMPLOYER_ID))
    if not number.given:
        yield problem(Code.WGID_MISSING, Field.LOKET_EMPLOYER_ID)
    elif number.is_uuid:
        yield problem(Code.WGID_UUID, Field.LOKET_EMPLOYER_ID)
    elif not number.normal:
        yield problem(Code.WGID_FORMAT, Field.LOKET_EMPLOYER_ID)
    elif number.normal != number.given:
        yield problem(Code.WGID_NORMALISED, Field.LOKET_EMPLOYER_ID)


def held_wage_tax_number(facts: Facts) -> WageTaxNumber:
    """The wage tax number of a case, normalised."""
    return read_wage_tax_number(held_text(facts, Field.WAGE_TAX_NUMBER))


def names_sole_trader(facts: Facts) -> bool:
    """Whether the wage tax number may be a person's BSN, which makes the company's name personal."""
    return held_wage_tax_number(facts).may_hold_bsn


def shown_company(facts: Facts) -> str:
    """The company's name as people may see it; '' when it is not known."""
    mask = mask_name if names_sole_trader(facts) else mask_numbers
    return str(mask(held_text(facts, Field.COMPANY_NAME)))


def keys(facts: Facts) -> tuple[Key, ...]:
    """The values by which cases find each other: the folded name, and the coupling of two right numbers."""
    found: list[Key] = []
    number = held_wage_tax_number(facts)
    employer = employer_id(held_text(facts, Field.LOKET_EMPLOYER_ID)).normal
    if name := fold(held_text(facts, Field.COMPANY_NAME)):
        found.append(Key("name", name, detail=employer, differing=True))
    if number.is_right and employer:
        found.append(Key("coupling", f"{number.normal}/{employer}"))
    return tuple(found)


def _wrong_form(number: WageTaxNumber) -> Code | None:
    """The one code that says what is wrong with the form; the order is the domain's."""
    if number.is_right:
        return None
    if not number.normal:
        return Code.LH_MISSING
    if number.is_vat:
        return Code.LH_IS_BTW
    if number.lost_zero:
        return Code.LH_LEADING_ZERO_LOST
    return Code.LH_DIGIT_FOR_L if number.one_for_l else Code.LH_FORMAT
