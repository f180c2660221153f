"""Facts of a made-up employer that is complete, and what each sheet looks like when a step is ready."""

from __future__ import annotations

import copy
from typing import Any

RIGHTS = [
    "Beheren en raadplegen BSN",
    "Raadplegen beloningen",
    "Raadplegen dienstverbanden",
    "Raadplegen HRM",
    "Raadplegen loonoutput beperkt",
    "Raadplegen variabele gegevens",
]
_FACTS: dict[str, dict[str, Any]] = {
    "loket_user": {
        "user_name": "koppeling.tst21",
        "kind": "standard",
        "dedicated": True,
        "active": True,
        "access_via": "employer",
        "rights": RIGHTS,
    },
    "registration": {
        "company_name": "WerkgeverTST21",
        "email": "salaris01@example.com",
        "framework_contract_number": "A020990001",
        "wage_tax_number": "999900110L01",
        "loket_employer_id": "8106825",
        "dgas": [{"name": "A. den Fictief", "employee_number": "1"}],
        "payroll_frequency": "monthly",
        "thirteenth_month": False,
        "contact_name": "B. Verzonnen",
        "language": "nl",
    },
    "policy": {
        "policies": [{"policy_number": "P-1", "product": "WIA", "start_date": "2026-07-01", "pension_act": False}]
    },
    "handover": {
        "keylane_reference": "KL-77",
        "contact_name": "K. Laan",
        "contacted_on": "2026-04-21",
        "authorisations_set": True,
    },
    "realisation": {"realised_on": "2026-05-06", "first_exchange_date": "2026-06-01"},
}


def facts(*sheets: str) -> dict[str, dict[str, Any]]:
    """A fresh copy of these sheets, complete; without names all five."""
    return copy.deepcopy({sheet: _FACTS[sheet] for sheet in sheets or _FACTS})


def step_1_and_2() -> dict[str, dict[str, Any]]:
    """What a case needs to be registered."""
    return facts("loket_user", "registration")
