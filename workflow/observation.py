"""What was read elsewhere and led to facts, as an event keeps it; and the sheets that only such events fill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from workflow.domain import Domain
from workflow.errors import UsageError, check_known
from workflow.facts import Json


@dataclass(frozen=True, slots=True)
class Observation:
    """What an event says besides the facts that were read; the empty one is none."""

    body: dict[str, Json] = field(default_factory=dict)
    personal: dict[str, Json] = field(default_factory=dict)
    """What the event only commits to."""

    def __bool__(self) -> bool:
        return bool(self.body or self.personal)


NOTHING_OBSERVED = Observation()


def check_sheets(domain: Domain, given: object) -> None:
    """Raises UsageError: there is no such sheet, it has no fields, or nobody fills it by hand but what is read."""
    if not isinstance(given, Mapping):
        raise UsageError(f"facts must be an object with sheets, not {type(given).__name__}.")
    for sheet, fields in given.items():
        check_known("sheet", sheet, domain.sheets)
        if not isinstance(fields, Mapping):
            raise UsageError(f"'{sheet}' must be an object with fields.")
        if sheet in domain.observed:
            raise UsageError(f"'{sheet}' is not filled by hand, but by: {domain.observed[sheet]}")
