"""How finished works are written: a statement a table for all of them; of few rows, on PostgreSQL, one for all."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

from sqlalchemy import Executable, bindparam, select

from workflow.errors import Conflict, StoreError
from workflow.storage import outbox_queries, queries, rows
from workflow.storage.session import Change, Session
from workflow.storage.tables import definitions
from workflow.work import Rules, Work

_FIRST_OF_ALL = 5_230_419
"""Number of the advisory lock under which a definition is stored (PostgreSQL)."""
_UPDATES = (queries.update_case, queries.update_case_not_facts)


def write(session: Session, works: Sequence[Work]) -> None:
    """Write finished works, all of them together. Raises Conflict when a case was changed."""
    live = [work for work in works if work.events]
    afterwards = (*_key_changes(live), _addresses(live))
    _ensure_definition(session, live)
    # one statement is a transaction by itself
    alone = not any(values for _, values in afterwards)
    with nullcontext() if alone else session.transaction():
        _write(session, live)
        for query, values in afterwards:
            session.run_many(query, values)


def _write(session: Session, live: Sequence[Work]) -> None:
    opened, changed, moved = _parted(live)
    timers = [rows.timer_changes(work) for work in live]
    changes: tuple[Change, ...] = (
        (queries.insert_case, [rows.row_of(work) for work in opened]),
        (queries.update_case, [rows.row_of(work) for work in changed]),
        (queries.update_case_not_facts, [rows.row_of(work) for work in moved]),
        (queries.insert_event, [row for work in live for row in rows.event_rows(work)]),
        (queries.insert_private, [row for work in live for row in rows.private_rows(work)]),
        (queries.insert_letter, [row for work in live for row in rows.letter_rows(work)]),
        (queries.delete_timer, [row for ended, _ in timers for row in ended]),
        (queries.put_timer, [row for _, put in timers for row in put]),
        (queries.insert_answer, [row for work in live for row in rows.answer_rows(work)]),
    )
    if session.change_at_once(changes):
        return
    with session.transaction():
        _change_in_order(session, changes)


def _parted(works: Sequence[Work]) -> tuple[list[Work], list[Work], list[Work]]:
    """The works that open a case, those that change its facts, and those that leave them as they are."""
    parted: tuple[list[Work], list[Work], list[Work]] = ([], [], [])
    for work in works:
        parted[0 if work.before is None else 1 if work.before.facts is not work.case.facts else 2].append(work)
    return parted


def _change_in_order(session: Session, changes: Sequence[Change]) -> None:
    for query, values in changes:
        touched = session.run_many(query, values)
        # PostgreSQL: (case, seq) is unique, and every change of a case writes an event
        if session.is_sqlite and query in _UPDATES and touched != len(values):
            raise Conflict("The case was changed by somebody else while this command ran; nothing was written.")


def _key_changes(works: Sequence[Work]) -> tuple[Change, Change]:
    stale: list[dict[str, Any]] = []
    fresh: list[dict[str, Any]] = []
    for work in works:
        if work.before is not None and work.before.facts == work.case.facts:
            continue
        keys_of = work.rules.definition.domain.keys
        keys = keys_of(work.case.facts)
        if work.before is not None:
            if keys_of(work.before.facts) == keys:
                continue
            stale.append({"case_id": work.case_id})
        fresh += rows.key_rows(work.case_id, keys)
    return (queries.delete_keys, stale), (queries.insert_key, fresh)


def _ensure_definition(session: Session, works: Sequence[Work]) -> None:
    """Before anything is held: it harms nobody when the rest is not written then."""
    for rules in {id(work.rules): work.rules for work in works}.values():
        if rules.stored_in is not session.dialect:
            _store_definition(session, rules)
            session.after_commit.append(partial(setattr, rules, "stored_in", session.dialect))


def _store_definition(session: Session, rules: Rules) -> None:
    name, version, digest = rules.stamp
    named = {"name": name, "version": version}
    known = session.first(queries.definition_digest, named)
    if known is None:
        with session.transaction():
            if not session.is_sqlite:  # two workflows that write first at the same moment must see each other
                session.execute(f"SELECT pg_advisory_xact_lock({_FIRST_OF_ALL})")
            if other := session.first(_other_definition, named):
                raise StoreError(
                    f"The cases of this database are of '{other['name']}'; "
                    f"'{name}' needs a database of its own: nothing was written."
                )
            session.run(queries.insert_definition, {**named, "digest": digest, "canonical": rules.canonical})
            known = session.first(queries.definition_digest, named)
    if known is None or known["digest"] != digest:
        raise StoreError(
            f"Version {version} of '{name}' was stored with other rules than this program has. "
            "Rules that change need a new version: nothing was written."
        )


def _other_definition() -> Executable:
    """A definition of another name, in a database that holds no version of this one."""
    mine = definitions.alias("mine")
    is_known = select(mine.c.version).where(mine.c.name == bindparam("name")).exists()
    return select(definitions.c.name).where(definitions.c.name != bindparam("name"), ~is_known).limit(1)


def _addresses(works: Sequence[Work]) -> Change:
    """A corrected address goes for the letters of before too; without one they wait. Erasing sees to letters itself."""
    found: list[dict[str, Any]] = []
    for work in works:
        domain, before = work.rules.definition.domain, work.before
        if before is None or work.case.erased or before.facts == work.case.facts:
            continue
        for role in domain.in_facts:
            address = domain.recipient(role, work.case.facts)
            if address != domain.recipient(role, before.facts):
                found.append({"case": work.case_id, "to_role": role, "address": address})
    return outbox_queries.readdress_case, found
