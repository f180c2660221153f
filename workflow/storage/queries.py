"""The statements of the hot path, each built once; every one of them finds its rows through an index."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from workflow.events import Kind
from workflow.schedule import TimerKind
from workflow.storage.packing import Packed
from workflow.storage.tables import answers, case_keys, cases, definitions, events, outbox, private_values, timers


def kept(found: Select[Any], **how: Any) -> Select[Any]:
    """These cases, kept from other writers; what refers to one (a leaf) can be written: nobody deletes a case."""
    return found.with_for_update(key_share=True, **how)


def case_by_reference() -> Select[Any]:
    """One case by its reference."""
    return select(cases).where(cases.c.reference == bindparam("reference"))


def case_by_reference_locked() -> Executable:
    """One case by its reference, kept from other writers until the transaction ends."""
    return kept(case_by_reference())


def case_by_external() -> Select[Any]:
    """One case by its external reference."""
    return select(cases).where(cases.c.external_reference == bindparam("external_reference"))


def case_by_external_locked() -> Executable:
    """One case by its external reference, kept from other writers until the transaction ends."""
    return kept(case_by_external())


def _case_by_id() -> Select[Any]:
    return select(cases).where(cases.c.id == bindparam("case_id"))


def case_by_id_locked() -> Executable:
    """One case by its number, kept from other writers until the transaction ends."""
    return kept(_case_by_id())


def case_by_id_if_free() -> Executable:
    """One case by its number, kept from other writers; none when somebody keeps it from us (PostgreSQL)."""
    return kept(_case_by_id(), skip_locked=True)


def older_open_case() -> Executable:
    """The first older open cases that share a key; with `differing`, those whose detail is known and another."""
    wanted = or_(bindparam("any_detail"), differs(bindparam("detail")))
    found = older_open(cases, bindparam("kind"), bindparam("value"), bindparam("case_id"), wanted)
    return found.limit(bindparam("most"))


def case_among_by_reference() -> Executable:
    """One case by its reference, and beside it its keys, each with the first older open case that shares it."""
    return _among(cases.c.reference == bindparam("reference"))


def case_among_by_external() -> Executable:
    """The same by its external reference."""
    return _among(cases.c.external_reference == bindparam("external_reference"))


def _among(named: ColumnElement[bool]) -> Executable:
    own, older = case_keys.alias("own"), cases.alias("older")

    def first(*more: ColumnElement[bool]) -> ScalarSelect[str]:
        found = older_open(older, own.c.kind, own.c.value, own.c.case_id, *more)
        return found.limit(1).correlate(own).scalar_subquery()

    packed = Packed(own.c.kind, own.c.value, own.c.detail, first(), first(differs(own.c.detail)))
    beside = select(packed).where(own.c.case_id == cases.c.id).correlate(cases).scalar_subquery()
    return select(cases, beside.label("beside")).where(named)


def older_open(owners: FromClause, kind: Any, value: Any, case_id: Any, *more: ColumnElement[bool]) -> Select[Any]:
    """The references of open cases that share a key and are older than a case, the oldest first."""
    return (
        select(owners.c.reference)
        .join(case_keys, case_keys.c.case_id == owners.c.id)
        .where(
            case_keys.c.kind == kind,
            case_keys.c.value == value,
            case_keys.c.case_id < case_id,
            owners.c.ended_at.is_(None),
            *more,
        )
        .order_by(case_keys.c.case_id)
    )


def differs(detail: Any) -> ColumnElement[bool]:
    """Whether the detail of a key is known and another."""
    return and_(case_keys.c.detail != "", case_keys.c.detail != detail)


def last_case_id() -> Executable:
    """The highest case id so far (SQLite, under its one write lock)."""
    return select(func.max(cases.c.id).label("id"))


def insert_case() -> Executable:
    """A new case."""
    return insert(cases).inline().values({column.name: bindparam(column.name) for column in cases.c})


def update_case() -> Executable:
    """A case's new row, if it is still at the version and event that were read."""
    return _update_case("id", "reference", "external_reference", "opened_at")


def update_case_not_facts() -> Executable:
    """The same of one whose facts stay as they are: most of a row's bytes."""
    return _update_case("id", "reference", "external_reference", "opened_at", "facts")


def _update_case(*fixed: str) -> Executable:
    return (
        update(cases)
        .where(
            cases.c.id == bindparam("case_id"),
            cases.c.version == bindparam("was_version"),
            cases.c.seq == bindparam("was_seq"),
        )
        .values({column.name: bindparam(column.name) for column in cases.c if column.name not in fixed})
    )


def insert_event() -> Executable:
    """One entry of history; the database numbers it."""
    return (
        insert(events)
        .inline()
        .values({column.name: bindparam(column.name) for column in events.c if column.name != "id"})
    )


def insert_private() -> Executable:
    """A personal value and its salt."""
    return insert(private_values).inline().values({column.name: bindparam(column.name) for column in private_values.c})


def delete_timer() -> Executable:
    """A timer of a case that it has no more."""
    return delete(timers).where(timers.c.case_id == bindparam("case_id"), timers.c.kind == bindparam("kind"))


def put_timer() -> Executable:
    """A timer of a case, instead of the one of its kind that it had."""
    instead = "ON CONFLICT (case_id, kind) DO UPDATE SET rung = excluded.rung, due_at = excluded.due_at"
    return _inserting(timers, instead)


_LETTER = (
    "case_id",
    "seq",
    "letter",
    "role",
    "language",
    "recipient",
    "state",
    "reason",
    "context",
    "created_at",
    "due_at",
    "is_reminder",
)


def insert_letter() -> Executable:
    """A letter that waits to be sent."""
    return insert(outbox).inline().values({name: bindparam(name) for name in _LETTER} | {"attempts": 0})


def due_cases() -> Executable:
    """Cases with a timer that is due, longest due first and from a place on, kept from other workers."""
    later = or_(timers.c.due_at > bindparam("since"), timers.c.case_id > bindparam("after"))
    due = and_(
        timers.c.due_at >= bindparam("since"),
        later,
        timers.c.due_at <= bindparam("now"),
        or_(bindparam("any_kind"), timers.c.kind == bindparam("kind")),
    )
    found = select(cases, timers.c.due_at.label("timer_due_at")).join(timers, timers.c.case_id == cases.c.id).where(due)
    first = found.order_by(timers.c.due_at, timers.c.case_id).limit(bindparam("limit"))
    return kept(first, of=cases, skip_locked=True)


def rung_that_is_due() -> Executable:
    """A case with a rung that waits to be fired."""
    due = and_(timers.c.due_at > bindparam("since"), timers.c.due_at <= bindparam("now"))
    return select(timers.c.case_id).where(due, timers.c.kind == str(TimerKind.RUNG)).limit(1)


def cases_due_by() -> Executable:
    """A page of the cases with a timer that falls due until a moment, from a number on."""
    due = select(timers.c.case_id).where(timers.c.due_at <= bindparam("moment"), timers.c.case_id > bindparam("after"))
    return select(cases).where(cases.c.id.in_(due)).order_by(cases.c.id).limit(bindparam("most"))


def delete_keys() -> Executable:
    """The keys by which other cases find this one."""
    return delete(case_keys).where(case_keys.c.case_id == bindparam("case_id"))


def insert_key() -> Executable:
    """A key by which other cases find this one."""
    return insert(case_keys).inline().values({column.name: bindparam(column.name) for column in case_keys.c})


def answer_of_key() -> Executable:
    """What a command with this key was answered before."""
    return select(answers).where(answers.c.case_id == bindparam("case_id"), answers.c.key == bindparam("key"))


def insert_answer() -> Executable:
    """What a command with a key was answered."""
    return insert(answers).inline().values({column.name: bindparam(column.name) for column in answers.c})


def events_of_case() -> Executable:
    """A case's history, in order."""
    return (
        select(events.c.seq, events.c.canonical, events.c.hash)
        .where(events.c.case_id == bindparam("case_id"))
        .order_by(events.c.seq)
    )


def event_of_case() -> Executable:
    """One entry of a case's history."""
    return select(events.c.seq, events.c.canonical, events.c.hash).where(
        events.c.case_id == bindparam("case_id"), events.c.seq == bindparam("seq")
    )


def stays_of_case() -> Executable:
    """The events that say where a case was and when."""
    kinds = [events.c.kind == kind for kind in (Kind.OPENED, Kind.MOVED, Kind.HELD, Kind.RESUMED)]
    return (
        select(events.c.seq, events.c.canonical, events.c.hash)
        .where(events.c.case_id == bindparam("case_id"), or_(*kinds))
        .order_by(events.c.seq)
    )


def private_of_case() -> Executable:
    """The personal values of a case that are still there."""
    return (
        select(private_values.c.seq, private_values.c.path, private_values.c.value)
        .where(private_values.c.case_id == bindparam("case_id"))
        .order_by(private_values.c.seq)
    )


def definition_digest() -> Executable:
    """The digest a version of a definition was stored with."""
    return select(definitions.c.digest).where(
        definitions.c.name == bindparam("name"), definitions.c.version == bindparam("version")
    )


def insert_definition() -> Executable:
    """A version of a definition, with the bytes that say all of it; nothing when another writer was first."""
    return _inserting(definitions, "ON CONFLICT DO NOTHING")


def _inserting(table: Table, otherwise: str) -> Executable:
    """An insert with what is to be done when the row exists; a dialect's own `insert` would bring that dialect."""
    columns = ", ".join(column.name for column in table.c)
    values = ", ".join(f":{column.name}" for column in table.c)
    typed = [bindparam(column.name, type_=column.type) for column in table.c]
    return text(f"INSERT INTO {table.name} ({columns}) VALUES ({values}) {otherwise}").bindparams(*typed)
