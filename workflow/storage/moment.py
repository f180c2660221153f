"""A moment as both databases keep it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import DateTime, String, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from workflow.clock import format_time, parse_time, told_anywhere

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(9999, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """A moment in UTC: timestamptz in PostgreSQL, fixed-width text in SQLite. Refuses naive values.

    With `garbled` a text that is none reads as that, where nothing is proved by it: so that a letter or timer that was
    altered does not stop whoever reads it with others. Without, reading it raises ValueError.
    """

    impl = String(27)
    cache_ok = True

    def __init__(self, garbled: datetime | None = None) -> None:
        super().__init__()
        self.garbled = garbled

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text where the database has no type that keeps the zone."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else String(27))

    # both without the detour by the type underneath, which has nothing to add

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any]:
        """What refuses a naive value; SQLite gets text that sorts as time does."""
        return _aware if dialect.name == "postgresql" else _text_of

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:
        """What makes a value aware, in UTC."""
        read = _in_utc if dialect.name == "postgresql" else _moment_of
        return partial(_moment_or, self.garbled, read) if self.garbled else read


@lru_cache(maxsize=1024)
def _text_of(moment: datetime | None) -> str | None:
    return format_time(moment) if moment is not None else None


@lru_cache(maxsize=1024)
def _moment_of(text: str | None) -> datetime | None:
    return parse_time(text) if text is not None else None


def _moment_or(garbled: datetime, read: Callable[[Any], datetime | None], stored: Any) -> datetime | None:
    try:
        return read(stored)
    except (ValueError, TypeError, OverflowError):
        return garbled


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a time without a zone is not a moment; pass an aware datetime")
    return moment


def _in_utc(moment: datetime | None) -> datetime | None:
    return told_anywhere(moment.astimezone(UTC)) if moment is not None else None
