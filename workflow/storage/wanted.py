"""Which letters nobody needs any more, or not where they would go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import and_, or_, select

from workflow.encoding import compact_json
from workflow.events import Kind
from workflow.schedule import TimerKind
from workflow.storage.packing import unpacked
from workflow.storage.tables import events, outbox, timers


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
    hold = timers.c.kind == str(TimerKind.HOLD)
    first = and_(timers.c.kind == str(TimerKind.RUNG), timers.c.rung == 0)
    stands = select(timers.c.case_id).where(timers.c.case_id == reminder.c.case_id, or_(hold, first))
    since = and_(events.c.case_id == reminder.c.case_id, events.c.seq > reminder.c.seq)
    left = select(events.c.id).where(since, events.c.kind == str(Kind.MOVED))
    return and_(reminder.c.is_reminder, or_(stands.exists(), left.exists()))
