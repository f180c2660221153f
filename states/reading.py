"""Facts read by field, whatever is or is not there: a missing sheet, a missing field and null are all unanswered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from states.names import Field, Frequency
from workflow.facts import Facts, Json


def held(facts: Facts, field: Field) -> Json:
    """The value of a field; None when it is unanswered."""
    sheet = facts.get(field.sheet)
    return sheet.get(field.own_name) if sheet else None


def held_text(facts: Facts, field: Field) -> str:
    """The value of a field as text; '' when it is unanswered."""
    sheet = facts.get(field.sheet)  # as `held` and `as_text` say it; asked dozens of times a move
    value = sheet.get(field.own_name) if sheet else None
    return value.strip() if type(value) is str else as_text(value)


def held_day(facts: Facts, field: Field) -> date | None:
    """The value of a field as a day; None when it is unanswered."""
    return as_day(held(facts, field))


def held_rows(facts: Facts, field: Field) -> tuple[Mapping[str, Json], ...] | None:
    """The rows of a field; None when it is unanswered, empty when the answer is that there are none."""
    value = held(facts, field)
    return tuple(row for row in value if isinstance(row, dict)) if isinstance(value, list) else None


def held_frequencies(facts: Facts) -> frozenset[str]:
    """The payroll frequencies that were ticked."""
    value = held(facts, Field.PAYROLL_FREQUENCY)
    ticked = value if isinstance(value, list) else [value]
    return frozenset(option for option in ticked if isinstance(option, str) and option)


def is_four_weekly(facts: Facts) -> bool:
    """Whether wages are paid every four weeks, and only so."""
    return held_frequencies(facts) == {Frequency.FOUR_WEEKLY}


def as_text(value: Json) -> str:
    """Text of text or of a whole number, trimmed; '' of anything else."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def as_day(value: Json) -> date | None:
    """The day that ISO text names; None of anything else."""
    if not isinstance(value, str):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None
