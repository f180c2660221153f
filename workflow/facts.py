"""What is known of a case, and what a rule says of it: the words in which validators are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as attribute
from datetime import date
from enum import StrEnum
from typing import TypeAlias

from workflow.calendar import WorkingDays

Json: TypeAlias = "None | bool | int | str | list[Json] | dict[str, Json]"
Sheet: TypeAlias = "Mapping[str, Json]"
Facts: TypeAlias = "Mapping[str, Sheet]"
"""What is known of a case: sheet → field → value."""


class Severity(StrEnum):
    """Errors refuse; warnings refuse until accepted by code; info never refuses."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a case cannot move (or, as info, what normalising did).

    `field` is a path such as 'registration.email' or 'registration.dgas[1].name' ('' = the case as a whole);
    `holder` is the role that must act; `about` are the fields whose change ends an acceptance of this problem;
    `details` fill in the message and may hold personal values, so they never go into an event.
    """

    code: str
    severity: Severity
    field: str
    holder: str
    about: tuple[str, ...] = ()
    details: Mapping[str, Json] = attribute(default_factory=dict)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it is about: those told, else the one it was found in."""
        return self.about or (self.field.partition("[")[0],)


@dataclass(frozen=True, slots=True)
class Other:
    """Another, older, open case that shares a key of `kind` with the one that is judged."""

    kind: str
    reference: str


@dataclass(frozen=True, slots=True)
class Context:
    """What a validator may know besides the facts: the day (Amsterdam), the calendar and the older open cases."""

    today: date
    calendar: WorkingDays
    others: tuple[Other, ...] = ()


Validator: TypeAlias = Callable[[Facts, Context], Iterable[Problem]]
