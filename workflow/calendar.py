"""Working days in the Netherlands, and the hour at which reminders go out.

The days come from the `holidays` library. Importing it costs more than a whole command may take, so the years 2020 to
2060 lie beside this module as a table that a test holds against the library; other years ask the library itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from importlib import resources
from typing import Literal, TypeAlias

from workflow.clock import AMSTERDAM

LiberationDay: TypeAlias = Literal["always", "lustrum", "never"]
"""Whether Bevrijdingsdag (5 May) is a day off: every year, in lustrum years (2025, 2030, …), or never."""

REMINDER_HOUR = time(9)
_ONE_DAY = timedelta(days=1)


class WorkingDays:
    """Monday to Friday, less the public holidays; `liberation_day` decides about 5 May. Not made to be subclassed."""

    def __init__(self, liberation_day: LiberationDay = "lustrum") -> None:
        self.liberation_day = liberation_day

    def is_working_day(self, day: date) -> bool:
        """Whether people are at work on this day."""
        return day.weekday() < 5 and day not in self._days_off(day.year)

    def next_working_day(self, day: date) -> date:
        """This day, or the first working day after it."""
        while not self.is_working_day(day):
            day += _ONE_DAY
        return day

    def add(self, start: date, count: int, holds: Iterable[tuple[date, date]] = ()) -> date:
        """The day that is `count` working days after `start`; days inside a hold [from, until) do not count."""
        return _add(start, count, tuple(holds), self.liberation_day)

    def between(self, start: date, end: date, holds: Iterable[tuple[date, date]] = ()) -> int:
        """How many working days lie after `start`, up to and including `end`, days on hold not counted."""
        return _between(start, end, tuple(holds), self.liberation_day)

    def _days_off(self, year: int) -> frozenset[date]:
        return _days_off(year, self.liberation_day)


@lru_cache(maxsize=4096)
def at_reminder_hour(day: date) -> datetime:
    """09:00 in Amsterdam on this day, as a moment in UTC."""
    return datetime.combine(day, REMINDER_HOUR, AMSTERDAM).astimezone(UTC)


def at_midnight(day: date) -> datetime:
    """00:00 in Amsterdam at the start of this day, as a moment in UTC."""
    return datetime.combine(day, time(0), AMSTERDAM).astimezone(UTC)


@lru_cache(maxsize=256)
def _days_off(year: int, liberation_day: LiberationDay) -> frozenset[date]:
    free = _table().get(year) or frozenset(library_holidays(year))
    fifth = date(year, 5, 5)
    counts = liberation_day == "always" or (liberation_day == "lustrum" and year % 5 == 0)
    return free | {fifth} if counts else free


@lru_cache(maxsize=4096)
def _add(start: date, count: int, holds: tuple[tuple[date, date], ...], liberation_day: LiberationDay) -> date:
    calendar, day = WorkingDays(liberation_day), start
    while count > 0:
        day += _ONE_DAY
        if calendar.is_working_day(day) and not any(first <= day < end for first, end in holds):
            count -= 1
    return day


@lru_cache(maxsize=4096)
def _between(start: date, end: date, holds: tuple[tuple[date, date], ...], liberation_day: LiberationDay) -> int:
    calendar = WorkingDays(liberation_day)
    days = (start + timedelta(days=n) for n in range(1, (end - start).days + 1))
    return sum(calendar.is_working_day(day) and not any(a <= day < b for a, b in holds) for day in days)


@lru_cache(maxsize=1)
def _table() -> dict[int, frozenset[date]]:
    text = resources.files("workflow").joinpath("dutch_holidays.txt").read_text("ascii")
    days = [date.fromisoformat(line) for line in text.split()]
    return {year: frozenset(day for day in days if day.year == year) for year in {day.year for day in days}}


def library_holidays(year: int) -> Iterator[date]:
    """The public holidays of a year by the `holidays` library, less Bevrijdingsdag: a setting decides about that."""
    import holidays  # noqa: PLC0415  (0.4 s: only for years outside the table)

    for day, name in holidays.country_holidays("NL", years=[year], language="nl").items():
        if name != "Bevrijdingsdag":
            yield day
