"""How long a case is kept after it ended, before it may be erased without another ground."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from workflow.clock import AMSTERDAM

MOST_YEARS = 100
"""Of a retention term; as the settings have it."""


def allowed_from(ended_at: datetime, years: int) -> datetime:
    """When the retention term ends: so many years later, same day and hour in Amsterdam; 1 March for 29 February."""
    local = ended_at.astimezone(AMSTERDAM)
    try:
        return local.replace(year=local.year + years)
    except ValueError:
        return local.replace(year=local.year + years, month=3, day=1)


@dataclass(frozen=True, slots=True)
class Term:
    """A retention term of so many years, as it is judged at a moment."""

    years: int
    now: datetime

    @property
    def latest(self) -> datetime:
        """The latest moment at which a case whose term has passed can have ended; leap days make it generous."""
        return self.now - timedelta(days=365 * self.years) + timedelta(days=1)

    def has_passed(self, ended_at: datetime) -> bool:
        """Whether a case that ended then may be erased."""
        return self.now >= allowed_from(ended_at, self.years)
