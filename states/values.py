"""The types of single values: what each accepts, and the words that refuse anything else without repeating it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator, PlainValidator

from states.names import AccessVia, Frequency, Language, UserKind
from states.vocabulary import NONE_AT_ALL, not_one_of
from workflow.events import LARGEST
from workflow.text import fold

T = TypeVar("T")

LONGEST_TEXT = 1000
LONGEST_LIST = 1000

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1900, 2200)


def text(value: object) -> str | None:
    """One line of trimmed text; nothing left is None. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {_kind_of(value)}")
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"must be at most {LONGEST_TEXT} characters long, not {len(value)}")
    if _UNPRINTABLE.search(value):
        raise ValueError("must be one line of text without control characters")
    return value.strip() or None


def number_text(value: object) -> str | None:
    """A number whose leading zeros count, so it must come as text. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise ValueError("must be text: as a number it has lost its leading zeros")
    return text(value)


def identifier(value: object) -> str | int | None:
    """Text or a whole number, kept as given. Raises ValueError."""
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > LARGEST:
            raise ValueError("must be a whole number of at most 2^53, or text")
        return value
    if value is not None and not isinstance(value, str):
        raise ValueError(f"must be text or a whole number, not {_kind_of(value)}")
    return text(value)


def yes_or_no(value: object) -> bool | None:
    """True or false, nothing that resembles it. Raises ValueError."""
    if value is None or isinstance(value, bool):
        return value
    raise ValueError(f"must be true or false, not {_kind_of(value)}")


def day(value: object) -> str | None:
    """A day as 'YYYY-MM-DD', kept as text. Raises ValueError."""
    given = text(value)
    if given is None:
        return None
    if not _DATE.fullmatch(given) or not _exists(given):
        raise ValueError("must be a date that exists, written as YYYY-MM-DD, such as 2026-12-04")
    if int(given[:4]) not in _YEARS:
        raise ValueError(f"must be a date between the years {_YEARS[0]} and {_YEARS[-1]}")
    return given


def one_of(options: type[StrEnum]) -> Callable[[object], str | None]:
    """Make the check that a value is one of these words. The check raises ValueError."""
    known = {option.value for option in options}

    def choice(value: object) -> str | None:
        given = text(value)
        if given is None or given in known:
            return given
        raise ValueError(not_one_of(given, known))

    return choice


_frequency = one_of(Frequency)


def frequencies(value: object) -> str | list[str] | None:
    """A payroll frequency, or a list of those when more than one box was ticked. Raises ValueError."""
    if not isinstance(value, (list, tuple)):
        return _frequency(value)
    return [ticked for ticked in map(_frequency, at_most(value)) if ticked is not None]


def rights(value: object) -> list[str] | None:
    """A list of the names of rights. Raises ValueError."""
    if value is None:
        return None
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"must be a list of names, not {_kind_of(value)}")
    return [right for right in map(text, at_most(value)) if right is not None]


def none_or_rows(value: object) -> object:
    """Read an explicit 'none' (or 'geen') as an empty list; anything else stays as it is."""
    return [] if isinstance(value, str) and fold(value) in NONE_AT_ALL else at_most(value)


def at_most(value: T) -> T:
    """The value, unless it is a list that is too long. Raises ValueError."""
    if isinstance(value, (list, tuple)) and len(value) > LONGEST_LIST:
        raise ValueError(f"must hold at most {LONGEST_LIST} items, not {len(value)}")
    return value


def _exists(given: str) -> bool:
    try:
        date.fromisoformat(given)
    except ValueError:
        return False
    return True


def _kind_of(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number with decimals", str: "text"}
    if isinstance(value, (list, tuple)):
        return "a list"
    return "an object" if isinstance(value, dict) else names.get(type(value), f"a {type(value).__name__}")


Text: TypeAlias = Annotated[str | None, PlainValidator(text)]
NumberText: TypeAlias = Annotated[str | None, PlainValidator(number_text)]
Identifier: TypeAlias = Annotated[str | int | None, PlainValidator(identifier)]
YesNo: TypeAlias = Annotated[bool | None, PlainValidator(yes_or_no)]
Day: TypeAlias = Annotated[str | None, PlainValidator(day)]
Rights: TypeAlias = Annotated[list[str] | None, PlainValidator(rights)]
Kind: TypeAlias = Annotated[str | None, PlainValidator(one_of(UserKind))]
Access: TypeAlias = Annotated[str | None, PlainValidator(one_of(AccessVia))]
Ticked: TypeAlias = Annotated[str | list[str] | None, PlainValidator(frequencies)]
Reads: TypeAlias = Annotated[str | None, PlainValidator(one_of(Language))]
Bounded = BeforeValidator(at_most)
NoneOrRows = BeforeValidator(none_or_rows)
