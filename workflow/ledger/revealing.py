"""Leaves an event in each case whose personal values an export reveals: who did it and when is in its own history."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice

from workflow.answers import Case
from workflow.errors import HistoryBroken
from workflow.events import Kind, Origin
from workflow.history import FORGED
from workflow.storage import Database
from workflow.storage.store import Store
from workflow.work import Rules, Work

BATCH = 200
"""Cases to which the event is written in one transaction."""


def reveal(
    database: Database, rules: Rules, origin: Origin, now: datetime, case_ids: Iterable[int], count: int
) -> None:
    """Append a `revealed` event to each of these cases, but not to an erased one: there is nothing left to reveal.

    `count` is how many cases the export holds. Commits a batch at a time, so an export that is broken off has said
    more than it revealed, never less. Raises HistoryBroken: a case cannot be read, so its history cannot say it.
    """
    rest = iter(case_ids)
    while batch := list(islice(rest, BATCH)):
        with database.writing() as store:
            works = [Work(rules, origin, now, *case) for case in _cases(store, batch)]
            for work in works:
                work.append(Kind.REVEALED, {"cases": count})
            store.write(works)


def _cases(store: Store, case_ids: list[int]) -> list[tuple[int, Case]]:
    """Those of these cases of which there is something to reveal."""
    try:
        return [(case_id, case) for case_id, case in store.cases_by_id(case_ids) if not case.erased]
    except FORGED as error:
        said = "The row of a case in it cannot be read: somebody altered it, so nothing was revealed."
        raise HistoryBroken(f"{said} To see which, run: schakel audit verify") from error
