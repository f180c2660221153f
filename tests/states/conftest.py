"""A complete case, a fake calendar, and a way to change one fact of it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from datetime import date

import pytest

from states.rights import REQUIRED_RIGHTS
from workflow.calendar import WorkingDays
from workflow.facts import Context, Facts, Json, Other, Problem, Validator

TODAY = date(2026, 11, 23)
Change = Callable[..., dict[str, dict[str, Json]]]
Codes = Callable[..., list[str]]


class WeekdaysOnly(WorkingDays):
    """A calendar without holidays."""

    def is_working_day(self, day: date) -> bool:
        return day.weekday() < 5


COMPLETE: dict[str, dict[str, Json]] = {
    "loket_user": {
        "kind": "standard",
        "dedicated": True,
        "active": True,
        "access_via": "employer",
        "rights": [*REQUIRED_RIGHTS],
        "user_name": "koppeling-drie-dennen",
    },
    "registration": {
        "company_name": "Drie Dennen Holding B.V.",
        "email": "salaris06@example.com",
        "framework_contract_number": "A020990006",
        "wage_tax_number": "999900171L01",
        "loket_employer_id": "9900006",
        "dgas": [{"name": "A. den Fictief", "employee_number": "17"}],
        "payroll_frequency": "monthly",
        "thirteenth_month": False,
        "kvk_number": "00000006",
        "contact_name": "Sam Salaris",
        "language": "nl",
    },
    "policy": {
        "policies": [
            {"policy_number": "P-1", "product": "Pensioen", "start_date": "2026-01-01", "pension_act": True},
        ]
    },
    "handover": {
        "keylane_reference": "KL-77",
        "contact_name": "Kim Keylane",
        "contacted_on": "2026-11-20",
        "authorisations_set": True,
    },
    "realisation": {"realised_on": "2026-12-01", "first_exchange_date": "2026-12-04"},
}


def changed(**fields: Json) -> dict[str, dict[str, Json]]:
    """The complete case with these fields ('sheet__field') set to something else."""
    facts = copy.deepcopy(COMPLETE)
    for path, value in fields.items():
        sheet, _, name = path.partition("__")
        facts[sheet][name] = value
    return facts


def codes_of(rules: Validator | Iterable[Validator], facts: Facts, *others: Other, today: date = TODAY) -> list[str]:
    """The codes that these rules find, in order."""
    return [problem.code for problem in problems_of(rules, facts, *others, today=today)]


def problems_of(
    rules: Validator | Iterable[Validator], facts: Facts, *others: Other, today: date = TODAY
) -> list[Problem]:
    """The problems that these rules find, in order."""
    context = Context(today, WeekdaysOnly(), others)
    chosen = [rules] if callable(rules) else rules
    return [problem for rule in chosen for problem in rule(facts, context)]


@pytest.fixture
def case() -> Change:
    return changed


@pytest.fixture
def codes() -> Codes:
    return codes_of


@pytest.fixture
def problems() -> Callable[..., list[Problem]]:
    return problems_of


@pytest.fixture
def calendar() -> WorkingDays:
    return WeekdaysOnly()
