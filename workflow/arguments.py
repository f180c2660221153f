"""What a Python caller gives as a moment, a day, a number or an origin: a wrong kind is said, before it is used."""

from __future__ import annotations

from datetime import UTC, date, datetime

from workflow.clock import Clock
from workflow.errors import UsageError
from workflow.events import Origin
from workflow.text import check_text

_LARGEST = 2**63 - 1
"""What a database can hold."""


def in_utc(name: str, given: object) -> datetime:
    """The same moment in UTC. Raises UsageError: it is no datetime that says its zone."""
    if not isinstance(given, datetime) or given.utcoffset() is None:
        raise UsageError(f"{name} must be a datetime with its time zone, such as UTC, not {_kind(given)}.")
    return given.astimezone(UTC)


class ClockInUtc:
    """A clock of anybody's, whatever its zone: in its own, a moment equals another one of the night clocks go back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """The present moment in UTC. Raises UsageError: the clock does not say its zone."""
        return in_utc("now of the clock", self._clock.now())


def check_day(name: str, given: object) -> None:
    """Raises UsageError: it is no date, or a datetime, of which nobody knows in which zone its day is meant."""
    if isinstance(given, datetime) or not isinstance(given, date):
        raise UsageError(f"{name} must be a date, not {_kind(given)}.")


def check_whole(name: str, given: object) -> None:
    """Raises UsageError: it is no whole number, or none that a database can hold."""
    if given is None:
        return
    if not isinstance(given, int) or isinstance(given, bool):
        raise UsageError(f"{name} must be a whole number, not {_kind(given)}.")
    if abs(given) > _LARGEST:
        raise UsageError(f"{name} is too large a number.")


def check_count(name: str, given: int | None, most: int) -> None:
    """Raises UsageError: it is no whole number from 0 to `most`."""
    check_whole(name, given)
    if given is None or not 0 <= given <= most:
        raise UsageError(f"{name} must be from 0 to {most}, not {given}.")


def check_origin(given: Origin) -> Origin:
    """What was given. Raises UsageError: what it says is no text, which an event could not say either."""
    if not isinstance(given, Origin):
        raise UsageError(f"origin must be an Origin, not {_kind(given)}.")
    for name, said in (("actor", given.actor), ("os_user", given.os_user), ("via", given.via)):
        if not isinstance(said, str):
            raise UsageError(f"{name} must be text, not {_kind(said)}.")
        check_text(name, said, one_line=True)
    return given


def _kind(given: object) -> str:
    """What it is, in a word; not the value, which may be anybody's."""
    if isinstance(given, datetime):
        return "a datetime" if given.tzinfo else "a datetime without one"
    return type(given).__name__
