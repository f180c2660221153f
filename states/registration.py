"""The rules of step 2, the form: names, address, contract, DGAs, payroll period and thirteenth month."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from states.codes import Code, problem
from states.names import Field
from states.reading import as_text, held, held_frequencies, held_rows, held_text, is_four_weekly
from workflow.facts import Context, Facts, Json, Problem

LONGEST_NAME = 70
"""What Loket.nl keeps of a company name."""

_CONTRACT_PREFIX = "A020"
_KVK = re.compile(r"[0-9]{8}")
_WHOLE_NUMBER = re.compile(r"[0-9]+")
_PLAIN_ADDRESS = re.compile(
    r"[a-z0-9]+(?:[._+-][a-z0-9]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+(?:be|biz|com|de|eu|info|net|nl|nu|org)"
)
_LONGEST_PLAIN = 64


class Address(NamedTuple):
    """An e-mail address that was found right."""

    sendable: str
    """With its domain in punycode, as SMTP wants it."""
    has_idn: bool
    needs_smtputf8: bool


@lru_cache(maxsize=8192)
def read_address(given: str) -> Address | None:
    """The address that this text is; None when it is none. Looks nothing up."""
    if len(given) <= _LONGEST_PLAIN and _PLAIN_ADDRESS.fullmatch(given):
        return Address(given, has_idn=False, needs_smtputf8=False)  # a test holds this short cut against the library
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415  (30 ms, for addresses few have)

    try:
        found = validate_email(given, check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return None
    sendable = f"{found.local_part}@{found.ascii_domain}"
    return Address(sendable, not given.rpartition("@")[2].isascii(), not found.local_part.isascii())


def company_name(facts: Facts, context: Context) -> Iterator[Problem]:
    """The employer has a name that Loket.nl can hold."""
    name = held_text(facts, Field.COMPANY_NAME)
    length = len(unicodedata.normalize("NFC", name))
    if not name:
        yield problem(Code.NAME_MISSING, Field.COMPANY_NAME)
    elif length > LONGEST_NAME:
        yield problem(Code.NAME_GT_70, Field.COMPANY_NAME, length=length)


def duplicates(facts: Facts, context: Context) -> Iterator[Problem]:
    """No older open case is about the same employer, or about a namesake."""
    if not context.others:
        return
    identity = (Field.WAGE_TAX_NUMBER, Field.LOKET_EMPLOYER_ID)
    if namesakes := _references(context, "name"):
        about = (Field.COMPANY_NAME, Field.LOKET_EMPLOYER_ID)
        yield problem(Code.NAME_DUPLICATE, Field.COMPANY_NAME, about, references=namesakes)
    if same := _references(context, "coupling"):
        yield problem(Code.CASE_DUPLICATE, Field.WAGE_TAX_NUMBER, identity, references=same)


def email(facts: Facts, context: Context) -> Iterator[Problem]:
    """The applicant can be mailed."""
    given = held_text(facts, Field.EMAIL)
    if not given:
        yield problem(Code.EMAIL_MISSING, Field.EMAIL)
        return
    address = read_address(given)
    if address is None:
        yield problem(Code.EMAIL_SYNTAX, Field.EMAIL)
        return
    if address.has_idn:
        yield problem(Code.EMAIL_IDN, Field.EMAIL)
    if address.needs_smtputf8:
        yield problem(Code.EMAIL_SMTPUTF8, Field.EMAIL)


def framework_contract(facts: Facts, context: Context) -> Iterator[Problem]:
    """There is a contract with a.s.r.; its number usually begins with A020 (manual, step 2)."""
    contract = held_text(facts, Field.FRAMEWORK_CONTRACT)
    if not contract:
        yield problem(Code.RW_MISSING, Field.FRAMEWORK_CONTRACT)
    elif not contract.startswith(_CONTRACT_PREFIX):
        yield problem(Code.RW_PREFIX, Field.FRAMEWORK_CONTRACT)


def dgas(facts: Facts, context: Context) -> Iterator[Problem]:
    """Each DGA has a name and a personnel number, or it is said that there are none."""
    rows = held_rows(facts, Field.DGAS)
    if rows is None:
        yield problem(Code.DGA_UNANSWERED, Field.DGAS)
        return
    for index, dga in enumerate(rows):
        path = f"{Field.DGAS}[{index}]"
        if not as_text(dga.get("name")):
            yield problem(Code.DGA_NAME_MISSING, f"{path}.name", number=index + 1)
        if not _is_personnel_number(dga.get("employee_number")):
            yield problem(Code.DGA_NUMBER_MISSING, f"{path}.employee_number", number=index + 1)


def payroll_period(facts: Facts, context: Context) -> Iterator[Problem]:
    """Exactly one of monthly and four-weekly."""
    ticked = held_frequencies(facts)
    if not ticked:
        yield problem(Code.PERIOD_MISSING, Field.PAYROLL_FREQUENCY)
    elif len(ticked) > 1:
        yield problem(Code.PERIOD_BOTH, Field.PAYROLL_FREQUENCY)


def thirteenth_month(facts: Facts, context: Context) -> Iterator[Problem]:
    """Answered; and together with four-weekly payroll, which has thirteen periods, confirmed."""
    answer = held(facts, Field.THIRTEENTH_MONTH)
    if answer is None:
        yield problem(Code.T13_MISSING, Field.THIRTEENTH_MONTH)
    elif answer and is_four_weekly(facts):
        about = (Field.PAYROLL_FREQUENCY, Field.THIRTEENTH_MONTH)
        yield problem(Code.T13_4W_CONFIRM, Field.THIRTEENTH_MONTH, about)


def kvk_number(facts: Facts, context: Context) -> Iterator[Problem]:
    """Optional; when given, eight digits."""
    number = held_text(facts, Field.KVK_NUMBER)
    if number and not _KVK.fullmatch(number):
        yield problem(Code.KVK_FORMAT, Field.KVK_NUMBER)


def _references(context: Context, kind: str) -> list[Json]:
    return [other.reference for other in context.others if other.kind == kind]


def _is_personnel_number(value: Json) -> bool:
    number = as_text(value)
    return _WHOLE_NUMBER.fullmatch(number) is not None and number.strip("0") != ""
