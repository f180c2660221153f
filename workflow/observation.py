"""What was read elsewhere and led to facts, as an event keeps it; and the sheets that only such events fill."""

from __future__ import annotations

from collections.abc import Iterable
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


def check_sheets(domain: Domain, sheets: Iterable[str]) -> None:
    """Raises UsageError: there is no such sheet, or it holds what was read elsewhere and nobody gives by hand."""
    for sheet in sheets:
        check_known("sheet", sheet, domain.sheets)
        if sheet in domain.observed:
            raise UsageError(f"'{sheet}' is not filled by hand, but by: {domain.observed[sheet]}")
