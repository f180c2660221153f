"""The auditor's letter: each working morning the signed head of the ledger, so that one copy lies outside."""

from __future__ import annotations

from datetime import datetime

from notifications.building import CHECKPOINT_LETTER
from notifications.overview import is_to_be_written
from workflow.clock import AMSTERDAM, local_day
from workflow.encoding import compact_json
from workflow.errors import Conflict
from workflow.storage import Database, ledger, letters
from workflow.storage.shift import take_slot
from workflow.work import Letter, Rules

ROLE, LANGUAGE = "auditor", "nl"


def run_once(database: Database, rules: Rules, now: datetime) -> bool:
    """Write today's letter if its hour has come and nobody did; whether one was written."""
    if not is_to_be_written(database, rules, CHECKPOINT_LETTER, now):
        return False
    try:
        with database.writing() as store:
            head = ledger.last_checkpoint(store)
            if head is None or not take_slot(store, CHECKPOINT_LETTER, local_day(now), now):
                return False
            context = {
                "letter": CHECKPOINT_LETTER,
                "role": ROLE,
                "language": LANGUAGE,
                "reference": "",
                "size": head.size,
                "at": head.at.astimezone(AMSTERDAM).strftime("%d-%m-%Y %H:%M"),
                "root": head.root,
                "note": head.note,
            }
            text = compact_json(context)
            letters.add_letter(store, Letter(0, CHECKPOINT_LETTER, ROLE, LANGUAGE, None, text, now))
            return True
    except Conflict:
        return False  # another worker took the slot at the same moment
