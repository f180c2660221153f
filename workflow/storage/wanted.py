"""Which letters nobody needs any more, or not where they would go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, case, literal, or_, select

from workflow.encoding import compact_json
from workflow.events import Kind
from workflow.schedule import TimerKind
from workflow.storage.packing import unpacked
from workflow.storage.tables import events, outbox, timers

_HOLD = timers.c.kind == str(TimerKind.HOLD)


def roles(in_facts: Iterable[str]) -> dict[str, str]:
    """The roles whose address cases hold, as a value for these conditions."""
    return {"roles": compact_json([[role] for role in in_facts])}


def is_wanted() -> Any:
    """Whether a letter is no reminder that is over, nor one about several cases that holds one that is outdated."""
    return and_(~is_over(outbox), or_(outbox.c.case_id.is_not(None), ~holds_outdated()))


def holds_outdated() -> Any:
    """Whether a part of a letter is over, or has another address since, where cases hold those."""
    parts = outbox.alias("parts")
    of_facts = parts.c.role.in_(select(unpacked("roles").c.value[0].as_string()))
    elsewhere = and_(of_facts, parts.c.recipient.is_distinct_from(outbox.c.recipient))
    outdated = select(parts.c.id).where(parts.c.merged_into == outbox.c.id, or_(elsewhere, is_over(parts)))
    return outdated.exists()


def is_over(reminder: Any) -> Any:
    """Whether nobody needs a reminder any more: its case left the state, is on hold, or its rung is yet to be climbed.

    The first timer of a state stands there as long as no rung was climbed in it, or since all are to be climbed anew.
    That the state was left is seen by the numbers of events: their moments may be the same, as clocks differ.
    """
    first = and_(timers.c.kind == str(TimerKind.RUNG), timers.c.rung == 0)
    return and_(reminder.c.is_reminder, or_(_stands(reminder, or_(_HOLD, first)), _was_left(reminder)))


def why_over(reminder: Any) -> Any:
    """Why nobody needs a reminder any more that is over."""
    held = (_stands(reminder, _HOLD), literal("its case went on hold"))
    left = (_was_left(reminder), literal("its case moved on"))
    return case(held, left, else_=literal("the day that it counts from was changed"))


def _stands(reminder: Any, which: Any) -> Any:
    return select(timers.c.case_id).where(timers.c.case_id == reminder.c.case_id, which).exists()


def _was_left(reminder: Any) -> Any:
    since = and_(events.c.case_id == reminder.c.case_id, events.c.seq > reminder.c.seq)
    return select(events.c.id).where(since, events.c.kind == str(Kind.MOVED)).exists()
