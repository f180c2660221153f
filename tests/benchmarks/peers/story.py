"""What one move of a peer writes: the words are the same for all of them, and as many as Schakel's own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

OPENED = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)
MOVED = datetime(2026, 4, 22, 9, 30, 0, 123456, tzinfo=UTC)
FIRST_DUE = datetime(2026, 4, 28, 7, 0, tzinfo=UTC)
NEXT_DUE = datetime(2026, 4, 29, 7, 0, tzinfo=UTC)
ACTOR = "anna"
NO_HEAD = "0" * 64

RIGHTS_PENDING, REGISTERED, ENRICHED = "rights_pending", "registered", "enriched"
KEYLANE_CONFIGURING, CONFIRMED, WITHDRAWN = "keylane_configuring", "confirmed", "withdrawn"
STATES = (RIGHTS_PENDING, REGISTERED, ENRICHED, KEYLANE_CONFIGURING, CONFIRMED, WITHDRAWN)
OPEN_STATES = STATES[:4]
MOVES = (
    # trigger     from                   to
    ("register",  (RIGHTS_PENDING,),      REGISTERED),
    ("enrich",    (REGISTERED,),          ENRICHED),
    ("hand_over", (ENRICHED,),            KEYLANE_CONFIGURING),
    ("confirm",   (KEYLANE_CONFIGURING,), CONFIRMED),
    ("withdraw",  OPEN_STATES,            WITHDRAWN),
)  # fmt: skip


FACTS: dict[str, Any] = {
    "loket_user": {
        "user_name": "koppeling.0000000",
        "kind": "api",
        "dedicated": True,
        "active": True,
        "access_via": "role",
        "rights": ["bsn", "rewards", "employments", "hrm", "payroll_output", "variable_data"],
    },
    "registration": {
        "company_name": "Verzonnen Werkgever 0000000 B.V.",
        "email": "salaris0000000@example.com",
        "framework_contract_number": "A0200000000",
        "wage_tax_number": "900000004L01",
        "loket_employer_id": "8000000",
        "dgas": [{"name": "A. den Fictief", "employee_number": "1"}],
        "payroll_frequency": "monthly",
        "thirteenth_month": False,
        "contact_name": "B. Verzonnen 0000000",
        "language": "nl",
    },
}
"""What is known of each case; it stands in the case, as in Schakel's."""


class Entry(NamedTuple):
    """An event of a case's chain, ready to be stored."""

    canonical: bytes
    prev_hash: str
    hash: str


class Letter(NamedTuple):
    """A row of the outbox."""

    letter: str
    role: str
    recipient: str | None
    context: str


def reference_of(number: int) -> str:
    """The reference of the case with this number."""
    return f"K-{number:08d}"


def is_complete(facts: Mapping[str, Any]) -> bool:
    """The one rule that a peer judges: every fact is there. Schakel judges its whole table of validators here."""
    known = facts.get("registration", {})
    return bool(facts.get("loket_user", {}).get("active")) and all(known.get(name) is not None for name in _ASKED)


def entry(reference: str, seq: int, head: str, kind: str, *, trigger: str | None, start: str | None, to: str) -> Entry:
    """The next event after the one whose hash is `head`: some 400 bytes, in which that hash stands."""
    at = OPENED if kind == "opened" else MOVED
    canonical = json.dumps(
        {
            "actor": ACTOR,
            "at": at.isoformat(),
            "body": {"letters": ["registration_received", "enrichment_requested"]},
            "case": reference,
            "definition": {"digest": _DIGEST, "name": "employer_coupling", "version": "2026.4"},
            "from": start,
            "kind": kind,
            "os_user": "anna-os",
            "prev_hash": head,
            "seq": seq,
            "to": to,
            "trigger": trigger,
            "via": "python",
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    return Entry(canonical, head, hashlib.sha256(canonical).hexdigest())


def opening(reference: str) -> Entry:
    """The event a case begins with."""
    return entry(reference, 1, NO_HEAD, "opened", trigger=None, start=None, to=RIGHTS_PENDING)


def registering(reference: str, seq: int, head: str) -> Entry:
    """The event of the move that is measured."""
    return entry(reference, seq, head, "moved", trigger="register", start=RIGHTS_PENDING, to=REGISTERED)


def letters(reference: str) -> tuple[Letter, ...]:
    """The two letters of the move, as long as Schakel's."""
    context = _CONTEXT.replace("REFERENCE", reference)
    return (
        Letter("registration_received", "applicant", "salaris@example.com", context),
        Letter("enrichment_requested", "asr", None, context),
    )


_ASKED = tuple(FACTS["registration"])
_DIGEST = hashlib.sha256(b"employer_coupling").hexdigest()
_CONTEXT = json.dumps(
    {"reference": "REFERENCE", "language": "nl", "words": "Alles is gezien op de dag zelf. " * 32, "today": "22 april"}
)
