"""Days that a letter asks for something by, left out when they have passed before it leaves.

A context is frozen when its letter is written; a letter that waits for an address may leave weeks later.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

ASKED_BY = ("answer_by", "due_on", "withdraw_question_on", "first_check_on")
"""What a context holds of days that are to come, '' when there is none; every template can do without."""

_DUTCH = "januari februari maart april mei juni juli augustus september oktober november december"
_ENGLISH = "january february march april may june july august september october november december"
_MONTHS = {name: number for names in (_DUTCH, _ENGLISH) for number, name in enumerate(names.split(), 1)}
_WRITTEN = re.compile(r"(\d{1,2}) ([A-Za-z]+) (\d{4})")


def without_passed(context: Mapping[str, Any], today: date) -> Mapping[str, Any]:
    """A context without the days by which nothing can be done any more; the day itself is too late for 'before' it.

    It also says, as of today, whether the first exchange has been: on its day that is still to come.
    """
    passed = [name for name in ASKED_BY if (day := written_day(context.get(name))) is not None and day <= today]
    changed: dict[str, Any] = dict.fromkeys(passed, "")
    if isinstance(cases := context.get("cases"), list):  # of a letter about several
        changed["cases"] = [without_passed(case, today) if isinstance(case, dict) else case for case in cases]
    if (first := context.get("first_exchange_iso")) is not None:
        changed["exchanged"] = bool(first) and date.fromisoformat(first) < today
    return {**context, **changed} if changed else context


def written_day(text: object) -> date | None:
    """The day that '4 december 2026' or '4 December 2026' names; None of anything else."""
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    month = _MONTHS.get(found[2].lower()) if found else None
    return date(int(found[3]), month, int(found[1])) if found and month else None
