"""What the value of a field looks like on a command line, where a single word does not say it."""

from __future__ import annotations

from collections.abc import Mapping
from shlex import quote
from types import MappingProxyType

from states.names import Field

POLICIES = '[{"policy_number": "P-1", "product": "WIA", "start_date": "2026-05-01", "pension_act": true}]'
"""One policy. Whether `pension_act` may also be 'ja' is for the rules to say, not for the command line."""
_POLICY = '[{"policy_number": "…", "product": "…", "start_date": "YYYY-MM-DD", "pension_act": true}]'
"""The same to be filled in: typed as it stands it is refused, so that no made-up policy is recorded by accident."""
JSON_FORMS: Mapping[str, str] = MappingProxyType(
    {
        Field.POLICIES.value: POLICIES,
        Field.DGAS.value: '[{"name": "A. Fictief", "employee_number": "12"}]',
        Field.RIGHTS.value: '["Raadplegen HRM", "Raadplegen beloningen"]',
        Field.PAYROLL_FREQUENCY.value: '["monthly"]',
    }
)
"""A JSON array for each field that may be one."""
_SHORT: Mapping[str, str] = MappingProxyType(
    {
        Field.POLICIES.value: _POLICY,
        Field.DGAS.value: "NAME:NUMBER;NAME:NUMBER",
        Field.RIGHTS.value: "RIGHT|RIGHT",
    }
)


def form_of(path: str, *, full: bool) -> str:
    """An assignment to be filled in, quoted for a shell: 'email=…', or a whole example of a list; `full`: by its path.

    A plain '…' stands without quotes, since it is typed over.
    """
    name = path if full else path.partition(".")[2]
    form = _SHORT.get(path)
    return f"{name}=…" if form is None else quote(f"{name}={form}")
