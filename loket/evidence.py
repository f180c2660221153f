"""What a check rests on: the parts of the answers that were used, and the SHA-256 that an event keeps of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from loket.check import access_of, enabled_rights
from loket.reading import Reading
from workflow.events import canonical_bytes
from workflow.facts import Json


def evidence(found: Reading, conceal: Callable[[str], str], nonce: str) -> dict[str, Json]:
    """Everything that was used, with no more of it than that; `conceal` seals a wage tax number.

    The nonce is random: without it nobody can find out by trying what a SHA-256 was made of.
    """
    user, integrations, running = found.user, found.integrations, found.administrations
    rights = enabled_rights(found)
    return {
        "nonce": nonce,
        "employers": found.employers,
        "employer": found.employer,
        "users": found.users,
        "user": user.id if user else None,
        "access": access_of(user) if user else None,
        "integrations": None if integrations is None else [{"isBlocked": one.is_blocked} for one in integrations],
        "rights": None if rights is None else [*sorted(rights)],
        "administrations": None
        if running is None
        else [
            {
                "id": one.id,
                "payrollTaxesNumber": conceal(one.payroll_taxes_number) if one.payroll_taxes_number else None,
                "payrollPeriodType": one.payroll_period_type.key if one.payroll_period_type else None,
                "endDate": one.end_date.isoformat() if one.end_date else None,
            }
            for one in running
        ],
        "withheld": {question: why.value for question, why in found.withheld.items()},
    }


def digest(evidence: dict[str, Json]) -> str:
    """SHA-256 of the evidence's RFC 8785 bytes, as hex."""
    return hashlib.sha256(canonical_bytes(evidence)).hexdigest()
