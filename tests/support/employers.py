"""Made-up employers that are complete and no two alike, and how to bring their cases to a state."""

from __future__ import annotations

import itertools
import os
from typing import Any

from examples import facts

from workflow import Engine

_numbers = itertools.count(10_000)
FORWARD = ("register", "enrich", "hand_over", "confirm")
REACHED_BY = {
    "rights_pending": (),
    "registered": FORWARD[:1],
    "enriched": FORWARD[:2],
    "keylane_configuring": FORWARD[:3],
    "confirmed": FORWARD,
    "withdrawn": ("withdraw",),
}
LONG = max(1, int(os.environ.get("SCHAKEL_LONG", "1")))
"""How many times longer than by default the long runs are."""


def employer(*sheets: str) -> dict[str, dict[str, Any]]:
    """The complete facts of an employer that no other case is about; without names all five sheets."""
    number = next(_numbers)
    made = facts(*sheets)
    if "registration" in made:
        made["registration"] |= {"company_name": f"Werkgever {number}", "loket_employer_id": str(number)}
    return made


def bring(engine: Engine, state: str, given: dict[str, dict[str, Any]] | None = None) -> str:
    """Open a complete case, bring it to this state, and return its reference."""
    reference = engine.open_case(given or employer()).case.reference
    for trigger in REACHED_BY[state]:
        engine.advance(reference, trigger, reason="op verzoek" if trigger == "withdraw" else None)
    return reference
