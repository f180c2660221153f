"""Which letters nobody needs any more, or not where they would go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, case, literal, or_, select

from workflow.definition import Definition
from workflow.encoding import compact_json
from workflow.events import Kind
from workflow.schedule import TimerKind
from workflow.storage.packing import unpacked
from workflow.storage.tables import cases, events, outbox, timers

_HOLD = timers.c.kind == str(TimerKind.HOLD)


def roles(in_facts: Iterable[str]) -> dict[str, str]:
    """The roles whose address cases hold, as a value for these conditions."""
    return {"roles": _packed(in_facts)}


def endings(definition: Definition) -> dict[str, str]:
    """The letters that ask something and the states in which a case has ended, as values for these conditions."""
    return {"asking": _packed(definition.asking), "final": _packed(definition.final)}


def is_wanted() -> Any:
    """Whether a letter is no reminder that is over, nor one about several cases that holds one that is outdated."""
    return and_(~is_over(outbox), or_(outbox.c.case_id.is_not(None), ~holds_outdated()))


def holds_outdated() -> Any:
    """Whether a part of a letter is over, or has another address since, where cases hold those."""
    parts = outbox.alias("parts")
    of_facts = parts.c.role.in_(_named("roles"))
    elsewhere = and_(of_facts, parts.c.recipient.is_distinct_from(outbox.c.recipient))
    outdated = select(parts.c.id).where(parts.c.merged_into == outbox.c.id, or_(elsewhere, is_over(parts)))
    return outdated.exists()


def is_over(reminder: Any) -> Any:
    """Whether nobody needs a reminder any more: its case left the state, is on hold, or its rung is yet to be climbed.

    The first timer of a state stands there as long as no rung was climbed in it, or since all are to be climbed anew.
    That the state was left is seen by the numbers of events: their moments may be the same, as clocks differ.
    """
    first = and_(timers.c.kind == str(TimerKind.RUNG), timers.c.rung == 0)  # the kind, for PostgreSQL to see its index
    return and_(reminder.c.is_reminder, or_(_stands(reminder, or_(_HOLD, first)), _was_left(reminder)))


def asks_in_vain(letter: Any) -> Any:
    """Whether a letter asks something for a case that has ended since (see `endings`)."""
    its_case = and_(cases.c.id == letter.c.case_id, cases.c.state.in_(_named("final")))
    return and_(letter.c.letter.in_(_named("asking")), select(cases.c.id).where(its_case).exists(), _was_left(letter))


def why_over(letter: Any) -> Any:
    """Why nobody needs a letter any more: a reminder that is over, or one that asks in vain."""
    asked = (letter.c.is_reminder.is_(False), literal("its case ended"))
    held = (_stands(letter, _HOLD), literal("its case went on hold"))
    left = (_was_left(letter), literal("its case moved on"))
    return case(asked, held, left, else_=literal("the day that it counts from was changed"))


def _stands(reminder: Any, which: Any) -> Any:
    return select(timers.c.case_id).where(timers.c.case_id == reminder.c.case_id, which).exists()


def _was_left(letter: Any) -> Any:
    since = and_(events.c.case_id == letter.c.case_id, events.c.seq > letter.c.seq)
    return select(events.c.id).where(since, events.c.kind == str(Kind.MOVED)).exists()


def _packed(names: Iterable[str]) -> str:
    return compact_json([[str(name)] for name in names])


def _named(parameter: str) -> Any:
    """The names that a value holds which `_packed` made."""
    return select(unpacked(parameter).c.value[0].as_string())
