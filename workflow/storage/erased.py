"""Which cases are erased: of some that are named, or of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Executable, select, true

from workflow.encoding import compact_json
from workflow.storage.packing import unpacked
from workflow.storage.store import Store
from workflow.storage.tables import cases


def not_erased(store: Store, references: Sequence[str]) -> list[str]:
    """Those of these cases that are here and hold what erasing takes away, in the order in which they were opened."""
    wanted = {"wanted": compact_json([[reference] for reference in references])}
    return [row["reference"] for row in store.select(_not_erased, wanted)]


def all_erased(store: Store) -> Iterator[str]:
    """The references of all erased cases. It reads every row, for want of an index."""
    return (row["reference"] for row in store.select(_all_erased, {}))


def _not_erased() -> Executable:
    named = cases.c.reference.in_(select(unpacked("wanted").c.value[0].as_string()))
    return select(cases.c.reference).where(named, cases.c.erased.is_not(true())).order_by(cases.c.id)


def _all_erased() -> Executable:
    return select(cases.c.reference).where(cases.c.erased.is_(true()))
