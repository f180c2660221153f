"""Leaves an event in each case whose personal values an export reveals: who did it and when is in its own history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from workflow.events import Kind, Origin
from workflow.storage import Database
from workflow.work import Rules, Work

BATCH = 200
"""Cases to which the event is written in one transaction."""


def reveal(
    database: Database, rules: Rules, origin: Origin, now: datetime, case_ids: Iterable[int], count: int
) -> None:
    """Append a `revealed` event to each of these cases, but not to an erased one: there is nothing left to reveal.

    `count` is how many cases the export holds. Commits a batch at a time, so an export that is broken off has said
    more than it revealed, never less.
    """
    rest = iter(case_ids)
    while batch := list(islice(rest, BATCH)):
        with database.writing() as store:
            found = [(case_id, case) for case_id, case in store.cases_by_id(batch) if not case.erased]
            works = [Work(rules, origin, now, case_id, case) for case_id, case in found]
            for work in works:
                work.append(Kind.REVEALED, {"cases": count})
            store.write(works)
