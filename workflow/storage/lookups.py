"""Look-ups for many at once: one statement whatever their number, each finding its rows through an index.

What is wanted travels as one JSON text, which both databases turn into rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, Executable, Select, and_, cast, or_, select

from workflow.answers import Case
from workflow.domain import Key
from workflow.encoding import compact_json
from workflow.errors import Conflict
from workflow.facts import Other
from workflow.history import readable
from workflow.storage.packing import unpacked
from workflow.storage.queries import differs, kept, older_open
from workflow.storage.rows import case_of, stored_value
from workflow.storage.store import Store, is_useful
from workflow.storage.tables import cases, events


def find_external(store: Store, externals: Sequence[str], *, lock: bool) -> dict[str, tuple[int, Case]]:
    """The cases that have one of these external references; with `lock`, kept from other writers.

    Raises Conflict: of several, somebody else has one in hand (PostgreSQL). Waiting for it with others kept would make
    commands on those wait too; for one alone it is waited. HistoryBroken: the row of one cannot be read.
    """
    wanted = {"wanted": compact_json([[external] for external in externals])}
    several = lock and len(externals) > 1 and not store.is_sqlite
    known = store.run(_references, wanted) if several else None
    query = _by_external if not lock else _by_external_if_free if several else _by_external_locked
    found: dict[str, tuple[int, Case]] = {}
    with readable():  # a moment in it may be none
        for row in store.select(query, wanted):
            with readable(row["reference"]):
                found[row["external_reference"]] = (row["id"], case_of(row))
    if known is not None and len(known.fetchall()) > len(found):
        raise Conflict("Somebody else is changing one of these cases at this moment.")
    return found


def lagging(store: Store, externals: Sequence[str]) -> frozenset[str]:
    """Those of these external references whose case's history goes on beyond its row: whoever wrote it would fail."""
    wanted = {"wanted": compact_json([[external] for external in externals])}
    return frozenset(row["external_reference"] for row in store.select(_lagging, wanted))


def first_older_open_cases(store: Store, wanted: Sequence[tuple[int, Iterable[Key]]]) -> list[tuple[Other, ...]]:
    """Per case and key the first older open case that shares the key: `Store.older_open_cases` for many."""
    asked = [(place, case_id, key) for place, (case_id, keys) in enumerate(wanted) for key in keys if is_useful(key)]
    looked_up = [
        [str(position), key.kind, stored_value(key), key.detail, "" if key.differing else "any", str(case_id)]
        for position, (_, case_id, key) in enumerate(asked)
    ]
    found: list[list[Other]] = [[] for _ in wanted]
    for row in store.select(_first_older, {"wanted": compact_json(looked_up)}):
        place, _, key = asked[row["position"]]
        if row["reference"] is not None:
            found[place].append(Other(key.kind, row["reference"]))
    return [tuple(others) for others in found]


def facts_of(store: Store, case_ids: Iterable[int]) -> dict[int, str]:
    """The facts of these cases, as they are stored: whoever reads them may find that somebody altered them."""
    wanted = {"wanted": compact_json([[str(case_id)] for case_id in case_ids])}
    return {row["id"]: row["facts"] for row in store.select(_facts, wanted)}


def _by_external() -> Select[Any]:
    """The cases with one of these external references, a JSON array of arrays of one text."""
    return _of_external(select(cases))


def _by_external_locked() -> Executable:
    """The same, kept from other writers until the transaction ends."""
    return kept(_by_external())


def _by_external_if_free() -> Executable:
    """The same, without those that somebody else keeps from us."""
    return kept(_by_external(), skip_locked=True)


def _references() -> Executable:
    """Which of these external references there are."""
    return _of_external(select(cases.c.id))


def _lagging() -> Executable:
    """Which of them have a next event; the number of the last may have been altered to the largest there is."""
    follows = and_(events.c.case_id == cases.c.id, events.c.seq == cast(cases.c.seq, BigInteger) + 1)
    return _of_external(select(cases.c.external_reference)).where(select(events.c.seq).where(follows).exists())


def _facts() -> Executable:
    """The facts of cases, by their numbers: a JSON array of arrays of one number as text."""
    number = cast(unpacked("wanted").c.value[0].as_string(), BigInteger)
    return select(cases.c.id, cases.c.facts).where(cases.c.id.in_(select(number)))


def _of_external(found: Select[Any]) -> Select[Any]:
    return found.where(cases.c.external_reference.in_(select(unpacked("wanted").c.value[0].as_string())))


def _first_older() -> Executable:
    """Per wanted key its position and the first older open case that has it too, if there is one.

    `wanted` is a JSON array of [position, kind, value, detail, any detail will do, number of the case].
    """
    rows = unpacked("wanted")
    wanted = rows.c.value
    position, kind, value, detail, any_detail, case_id = (wanted[place].as_string() for place in range(6))
    which = or_(any_detail == "any", differs(detail))
    first = older_open(cases, kind, value, cast(case_id, BigInteger), which).limit(1).correlate(rows)
    return select(cast(position, BigInteger).label("position"), first.scalar_subquery().label("reference"))
