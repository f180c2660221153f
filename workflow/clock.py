"""The one place that reads the time; everything else is told what time it is."""

from __future__ import annotations

from datetime import MAXYEAR, UTC, date, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


class Clock(Protocol):
    """Anything that can say what time it is, in UTC."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present moment in UTC, to the microsecond."""
        return datetime.now(UTC)


class SetClock:
    """A clock that stands still until it is moved: for the demo and for tests."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        """The moment the clock was last set to."""
        return self.moment


@lru_cache(maxsize=1024)
def local_day(moment: datetime) -> date:
    """The calendar day in Amsterdam at this moment."""
    return moment.astimezone(AMSTERDAM).date()


@lru_cache(maxsize=1024)
def format_time(moment: datetime) -> str:
    """A moment as fixed-width UTC text, 'YYYY-MM-DDTHH:MM:SS.ffffffZ'. Raises ValueError on a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone is not a moment; pass an aware datetime")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def parse_time(text: str) -> datetime:
    """The moment that `format_time` wrote. Raises ValueError: none, or of the last year there is."""
    return told_anywhere(datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC))


def told_anywhere(moment: datetime) -> datetime:
    """The moment. Raises ValueError: it is of the last year there is, of which Amsterdam cannot tell every one."""
    if moment.year == MAXYEAR:
        raise ValueError("no clock of ours says this")
    return moment
