"""What of Loket.nl's answers we use: strict about that, blind to everything else that stands in them."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Generic, TypeAlias, TypeVar
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

T = TypeVar("T")

_LONGEST = 200
_FRINGES = str.maketrans("", "", "{}()-")


def _one_line(value: object) -> object:
    """Text without control characters, its spaces folded, at a length that no name has."""
    if not isinstance(value, str):
        return value
    seen = (letter if letter.isprintable() else " " for letter in value)
    return " ".join("".join(seen).split())[:_LONGEST]


def _uuid(value: object) -> object:
    """A uuid in the one way we write it; the description allows braces, and leaves dashes free."""
    return str(UUID(value.translate(_FRINGES))) if isinstance(value, str) else value


def _day(value: object) -> object:
    """A day; of a moment, its day."""
    return date.fromisoformat(value[:10]) if isinstance(value, str) else value


def _listed(value: object) -> object:
    """A collection, which comes as an array, as one object, or not at all."""
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list) else (value,)


Words: TypeAlias = Annotated[str, BeforeValidator(_one_line)]
Id: TypeAlias = Annotated[str, BeforeValidator(_uuid)]
Day: TypeAlias = Annotated[date, BeforeValidator(_day)]


class Said(BaseModel):
    """What all answers share: their names are in camelCase, and more may stand in them."""

    model_config = ConfigDict(
        extra="ignore", strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class Listed(Said):
    """A thing in a collection; its id tells it from others."""

    id: Id | None = None


class Employer(Listed):
    """An employer that our token may see."""

    id: Id
    employer_number: int


class AccessStatus(Said):
    """Whether a user can work, in words."""

    value: Words


class User(Listed):
    """A user of an employer."""

    id: Id
    user_name: Words | None = None
    access_status: AccessStatus | None = None


class Integration(Said):
    """An application that a user gave access to."""

    is_blocked: bool


class Right(Listed):
    """A right that a user can have for an employer, and whether it has it."""

    description: Words
    is_enabled: bool


class PeriodType(Said):
    """How often wages are paid, as a number."""

    key: int


class Administration(Listed):
    """A payroll administration of an employer."""

    payroll_taxes_number: Words | None = Field(None, repr=False)
    payroll_period_type: PeriodType | None = None
    end_date: Day | None = None


class Page(Said, Generic[T]):
    """A page of a collection."""

    items: Annotated[tuple[T, ...], BeforeValidator(_listed), Field(alias="_embedded")]
    total_pages: int | None = None


class Detail(Said, Generic[T]):
    """One thing by itself."""

    content: T
