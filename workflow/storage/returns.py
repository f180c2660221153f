"""Which move led a case to where it is, with the reason that was given: one look through an index a case."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Executable, and_, bindparam, select

from workflow.encoding import read_json
from workflow.events import Kind
from workflow.history import FORGED
from workflow.storage.store import Store
from workflow.storage.tables import events, private_values


class LastMove(NamedTuple):
    """The last move of a case; the reason is None when there was none, or it was erased."""

    at: datetime
    trigger: str
    source: str | None
    reason: str | None


def last_moves(store: Store, case_ids: Sequence[int]) -> Iterator[LastMove | None]:
    """The last move of each case, None of one that never moved, or whose move cannot be read.

    All are asked before the first is read.
    """
    asked = [store.select(_last_move, {"case_id": case_id}) for case_id in case_ids]
    return map(_read, asked)


def _read(rows: Iterator[dict[str, Any]]) -> LastMove | None:
    with suppress(*FORGED):  # one that somebody altered keeps no other case from its reminder
        for row in rows:
            return LastMove(row["at"], row["trigger"], row["from_state"], _text(row["value"]))
    return None


def _text(value: str | None) -> str | None:
    said = None
    with suppress(*FORGED):
        said = read_json(value) if value is not None else None
    return said if isinstance(said, str) else None


def _last_move() -> Executable:
    opening = and_(
        private_values.c.case_id == events.c.case_id,
        private_values.c.seq == events.c.seq,
        private_values.c.path == "reason",
    )
    return (
        select(events.c.at, events.c.trigger, events.c.from_state, private_values.c.value)
        .outerjoin(private_values, opening)
        .where(events.c.case_id == bindparam("case_id"), events.c.kind == str(Kind.MOVED))
        .order_by(events.c.seq.desc())
        .limit(1)
    )
