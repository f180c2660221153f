"""The options, arguments and value types that commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

import click

from scripts.wiring import Session
from workflow.clock import AMSTERDAM

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""The one way to write a day; Python also takes 2027-W02-1 and 20270111."""
_DAY_AND_TIME = re.compile(rf"{_DAY.pattern}([T ].+)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,4000}")
"""Plain digits; Python also takes those of other scripts, and lines between them."""


class Day(click.ParamType[date]):
    """A calendar day, written as 2026-12-04."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day a text says, or a usage error."""
        if isinstance(value, date):
            return value
        try:
            if not _DAY.fullmatch(value):
                raise ValueError(value)
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"'{value}' is not a day; write it as 2026-12-04.", param, ctx)


class Whole(click.IntRange):
    """A whole number; click calls what is none 'not a valid integer range'."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number a text says, or a usage error."""
        if not isinstance(value, int) and not _NUMBER.fullmatch(value):
            self.fail(f"'{value}' is not a whole number.", param, ctx)
        return int(super().convert(value, param, ctx))


COUNT = Whole(1, 1_000_000_000)
"""How many at most."""
LETTER = Whole(1, 2**63 - 1)
"""The number of a letter, as a database can hold it."""


class Words(click.ParamType[str]):
    """Free text; '-' takes it from standard input, so that it stands in no history of a shell or list of processes."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, read when it is to be."""
        if value != "-":
            return str(value)
        from scripts.reading import read_words  # brings what reads JSON, and the help of all commands would wait for it

        return read_words()


class NeverWas(ValueError):
    """A time that no clock in Amsterdam showed, as summer time began."""


class Moment(click.ParamType[datetime]):
    """A moment: 2026-12-04 or 2026-12-04T09:30 (the end of that day or minute), in Amsterdam if without offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment a text says, in UTC, or a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment(value)
        except NeverWas:
            self.fail(f"'{value}' never was in Amsterdam: the clock was put forward then.", param, ctx)
        except (ValueError, OverflowError):
            self.fail(f"'{value}' is not a moment; write 2026-12-04 or 2026-12-04T09:30.", param, ctx)


_LENGTHS = {1: timedelta(hours=1), 2: timedelta(minutes=1), 3: timedelta(seconds=1)}
"""Of what a time of so many parts names, when it says no fraction of a second."""


def parse_moment(text: str) -> datetime:
    """The last moment of what a text names, in UTC: a day, a minute, a second. Raises ValueError or OverflowError.

    In the hour that occurs twice it is the second time, so that nothing is left out. In the hour that is skipped it
    raises NeverWas.
    """
    if not _DAY_AND_TIME.fullmatch(text):
        raise ValueError(text)
    try:
        at, length = datetime.combine(date.fromisoformat(text), time.max), timedelta.resolution
    except ValueError:
        at = datetime.fromisoformat(text)
        clock = re.match(r".+?[T ](\d\d)(:?\d\d)?(:?\d\d)?([.,])?", text)
        parts = [part for part in clock.groups() if part] if clock else []
        length = _LENGTHS.get(len(parts), timedelta.resolution)
    last = at + (length - timedelta.resolution)
    if last.tzinfo:
        return last.astimezone(UTC)
    moment = last.replace(tzinfo=AMSTERDAM, fold=1).astimezone(UTC)
    if moment.astimezone(AMSTERDAM).replace(tzinfo=None) != last:
        raise NeverWas
    return moment


def _take_json(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(Session).json = True


def _take_actor(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    session = ctx.ensure_object(Session)
    if session.actor_given is not None:  # before the command and behind it
        raise click.UsageError("'--actor' is given twice; keep one.", ctx)
    session.actor_given = value


def _take_case(ctx: click.Context, _param: click.Parameter, value: str) -> str:
    ctx.ensure_object(Session).case = value
    return value


def json_option(command: Decorated) -> Decorated:
    """`--json`, which may stand before the command too."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_take_json,
        help="Answer with one JSON document.",
    )(command)


def actor_option(command: Decorated) -> Decorated:
    """`--actor`, which may stand before the command too."""
    return click.option(
        "--actor",
        metavar="NAME",
        expose_value=False,
        callback=_take_actor,
        help="Who acts (else SCHAKEL_ACTOR, else you).",
    )(command)


def case_argument(command: Decorated) -> Decorated:
    """CASE: a reference or an external reference."""
    return click.argument("case", metavar="CASE", callback=_take_case)(command)


def examples(*lines: str) -> str:
    """An epilog with examples, kept as written."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
