"""Made-up contexts, so that every letter can be looked at without a case."""

from __future__ import annotations

from typing import Any

_ROLES = {
    "enrichment_requested": "asr",
    "reminder_asr": "asr",
    "keylane_handover": "keylane",
    "reminder_keylane": "keylane",
    "escalation": "operations",
    "withdraw_question": "operations",
    "first_exchange_check": "operations",
    "ready_to_register": "operations",
    "daily_overview": "operations",
    "ledger_checkpoint": "auditor",
}
_REFERENCE = "K-7Q2M-4XZ9"
_RIGHTS = [
    "Beheren en raadplegen BSN",
    "Raadplegen beloningen",
    "Raadplegen dienstverbanden",
    "Raadplegen HRM",
    "Raadplegen loonoutput beperkt",
    "Raadplegen variabele gegevens",
]
_INSIDE = ("asr", "operations")
_SALUTATIONS = {"keylane": "Beste collega's van Keylane", "asr": "Beste collega", "operations": "Beste collega"}
_TASKS = {
    "asr": ["Er is nog geen polis. Leg minstens één polis vast, met polisnummer en ingangsdatum."],
    "keylane": ["De datum van het eerste contact met de aanvrager ontbreekt. Neem contact op en geef de datum door."],
    "operations": [],
}
"""What is open for readers other than the applicant, whose own is among the words below."""
_WORDS: dict[str, dict[str, Any]] = {
    "nl": {
        "salutation": "Beste Sam Salaris",
        "reason": "het raamwerkcontract hoort bij een andere werkgever",
        "state_label": "voorbereiding door de aanvrager",
        "period_label": "per 4 weken",
        "thirteenth_month_label": "ja",
        "today": "23 november 2026",
        "entered_on": "16 november 2026",
        "due_on": "30 november 2026",
        "answer_by": "30 november 2026",
        "withdraw_question_on": "28 december 2026",
        "realised_on": "1 december 2026",
        "first_exchange_date": "4 december 2026",
        "first_check_on": "11 december 2026",
        "open_items": [
            "De Loket.nl-gebruiker heeft deze rechten nog niet: Raadplegen HRM, Raadplegen beloningen.",
            "Het loonheffingennummer ontbreekt. Vul 9 cijfers, de letter L en 2 cijfers in.",
        ],
        "warnings": ["De verloning is per 4 weken én er is een 13e maand."],
    },
    "en": {
        "salutation": "Dear Sam Salaris",
        "reason": "the framework contract belongs to another employer",
        "state_label": "preparation by the applicant",
        "period_label": "per 4 weeks",
        "thirteenth_month_label": "yes",
        "today": "23 November 2026",
        "entered_on": "16 November 2026",
        "due_on": "30 November 2026",
        "answer_by": "30 November 2026",
        "withdraw_question_on": "28 December 2026",
        "realised_on": "1 December 2026",
        "first_exchange_date": "4 December 2026",
        "first_check_on": "11 December 2026",
        "open_items": [
            "The Loket.nl user does not have these rights yet: Raadplegen HRM, Raadplegen beloningen.",
            "The wage tax number is missing. Give 9 digits, the letter L and 2 digits.",
        ],
        "warnings": ["Wages are paid per 4 weeks and there is a 13th month."],
    },
}


def sample_context(letter: str, language: str, role: str | None = None) -> dict[str, Any]:
    """A plausible context of this letter; without a role for the reader it usually has."""
    role = role or _ROLES.get(letter, "applicant")
    address = {"letter": letter, "role": role, "language": language}
    if letter == "reminder_digest":
        cases = _waiting_cases(language, role)
        asking = [case for case in cases if role == "operations" or not case["waits_for"]]
        return address | {"reference": "", "count": len(asking), "cases": cases}
    if letter == "daily_overview":
        return address | {"reference": ""} | _overview()
    if letter == "ledger_checkpoint":
        note = f"schakel/sample\n4096\n{'A' * 43}=\ntime 2026-11-23T07:00:00.000000Z\n\n— schakel/sample {'A' * 91}=\n"
        return address | {"reference": "", "size": 4096, "at": "23-11-2026 08:00", "root": "0" * 64, "note": note}
    words = _WORDS[language]
    by_hand_over = letter == "keylane_handover"
    return (
        words
        | address
        | {
            "salutation": _SALUTATIONS.get(role, words["salutation"]),
            "reference": _REFERENCE,
            "sequence": 0,
            "working_days": 5,
            "company": "Drie Dennen Holding B.V.",
            "company_short": "Drie Dennen Holding B.V.",
            "loket_employer_id": "9900006",
            "framework_contract": "A020990006",
            "wage_tax_number_masked": "9999•••••L01",
            "keylane_reference": "KL-77",
            "dga_count": 1,
            "policy_count": 2,
            "open_items": _TASKS.get(role, words["open_items"]),
            "elsewhere": ["Bij de aanvrager: Het loonheffingennummer ontbreekt."] if role in _INSIDE else [],
            "waits_for": "de aanvrager" if role == "operations" else "",
            "required_rights": _RIGHTS,
            "missing_rights": _RIGHTS[1:4],
            "is_known": False,
            "first_exchange_iso": "2026-12-04",
            "exchanged": False,
            "contact_name": "Sam Salaris" if by_hand_over else "",
            "contact_email": "salaris06@example.com" if by_hand_over else "",
        }
    )


def _waiting_cases(language: str, role: str) -> list[dict[str, Any]]:
    words = _WORDS[language]
    letters = {
        "applicant": ("reminder_applicant", "reminder_applicant_second", "reminder_applicant"),
        "operations": ("escalation", "first_exchange_check", "withdraw_question"),
    }.get(role, (f"reminder_{role}",) * 3)
    tasks = _TASKS.get(role, words["open_items"])
    others = {"applicant": "ons" if language == "nl" else "us", "keylane": "ons"}.get(role, "de aanvrager")
    elsewhere = ["Bij de aanvrager: Het loonheffingennummer ontbreekt."] if role in _INSIDE else []
    employers: tuple[tuple[str, str, int, list[str], str], ...] = (
        ("K-7Q2M-4XZ9", "Drie Dennen Holding B.V.", 5, tasks, ""),
        ("K-3F8N-P1TC", "Bakkerij De Gouden Leeuw", 10, tasks[:1], ""),
        ("K-9VH4-0JWE", "Stichting Zonnewijzer", 5, [], others),
    )
    return [
        {
            "reference": reference,
            "company": company,
            "state_label": words["state_label"],
            "open_items": items,
            "elsewhere": elsewhere if party else [],
            "waits_for": party,
            "working_days": days,
            "letter": letter,
            "keylane_reference": "KL-77",
            "loket_employer_id": "9900006",
            "answer_by": words["answer_by"],
            "withdraw_question_on": words["withdraw_question_on"],
        }
        for (reference, company, days, items, party), letter in zip(employers, letters, strict=True)
    ]


def _overview() -> dict[str, Any]:
    waiting, at_keylane = "voorbereiding door de aanvrager", "wacht op het kenmerk van Keylane"
    late = {"due_on": "20-11-2026", "working_days": 6}
    first = {"reference": "K-7Q2M-4XZ9", "company": "Drie Dennen Holding B.V.", "state_label": waiting} | late
    second = {"reference": "K-3F8N-P1TC", "company": "Bakkerij De Gouden Leeuw", "state_label": at_keylane} | late
    third = {"reference": "K-9VH4-0JWE", "company": "Stichting Zonnewijzer", "what": "wacht op polisgegevens"}
    refused = {"id": 12, "letter": "invitation", "role": "de aanvrager", "reference": "K-7Q2M-4XZ9"}
    lost = {"id": 15, "letter": "keylane_handover", "role": "Keylane", "reference": "K-3F8N-P1TC"}
    waits = {"id": 18, "letter": "rights_missing", "role": "de aanvrager", "reference": "K-9VH4-0JWE", "reason": ""}
    return {
        "today": "23-11-2026",
        "overdue": [{"holder": "de aanvrager", "cases": [first]}, {"holder": "Keylane", "cases": [second]}],
        "failed": [refused | {"reason": "rcpt: 550 no such mailbox"}],
        "unknown": [lost | {"reason": "data: the connection was lost"}],
        "homeless": [waits],
        "due_today": [third],
        "drift": ["K-3F8N-P1TC, Bakkerij De Gouden Leeuw: recht weg: Raadplegen HRM"],
        "altered": ["K-5D1R-8WBX"],
        "more": dict.fromkeys(("overdue", "due_today", "failed", "unknown", "homeless", "drift", "altered"), False),
    }
