"""The four tables as SQLAlchemy maps them, and the engine that the peers on SQLAlchemy open."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    LargeBinary,
    UniqueConstraint,
    create_engine,
    event,
    insert,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.benchmarks.peers import story
from tests.benchmarks.peers.address import for_sqlalchemy, is_sqlite, set_pragmas


class Base(DeclarativeBase):
    """Knows the tables."""

    type_annotation_map = {datetime: DateTime(timezone=True), bytes: LargeBinary, dict[str, Any]: JSON}  # noqa: RUF012


class Case(Base):
    """A coupling; the mapper writes it only if its version is still the one that was read."""

    __tablename__ = "cases"
    id: Mapped[int] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    facts: Mapped[dict[str, Any]]
    state: Mapped[str]
    version: Mapped[int] = mapped_column()
    seq: Mapped[int]
    head: Mapped[str]
    at: Mapped[datetime]
    entered_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012

    def is_complete(self) -> bool:
        """What must hold before it can be registered."""
        return story.is_complete(self.facts)


class Event(Base):
    """An entry of a case's history."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("case_id", "seq"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    seq: Mapped[int]
    at: Mapped[datetime]
    actor: Mapped[str]
    kind: Mapped[str]
    trigger: Mapped[str | None]
    from_state: Mapped[str | None]
    to_state: Mapped[str]
    canonical: Mapped[bytes]
    prev_hash: Mapped[str]
    hash: Mapped[str]


class Timer(Base):
    """When a reminder falls due."""

    __tablename__ = "timers"
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    rung: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(index=True)


class Letter(Base):
    """A letter that waits for a worker."""

    __tablename__ = "outbox"
    __table_args__ = (Index("outbox_waiting", "state", "due_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    seq: Mapped[int]
    letter: Mapped[str]
    role: Mapped[str]
    recipient: Mapped[str | None]
    state: Mapped[str]
    context: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]


def open_engine(url: str) -> Engine:
    """An engine as SQLAlchemy's documentation has it: on SQLite with transactions of its own that begin as writers."""
    if not is_sqlite(url):
        return create_engine(for_sqlalchemy(url))
    engine = create_engine(url, connect_args={"isolation_level": None})
    event.listen(engine, "connect", set_pragmas)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def fill(engine: Engine, cases: int) -> None:
    """Make the tables, and open so many cases."""
    Base.metadata.create_all(engine)
    opened: dict[str, list[dict[str, Any]]] = {"cases": [], "events": [], "timers": []}
    for number in range(1, cases + 1):
        for table, row in opened_rows(number).items():
            opened[table].append(row)
    with engine.begin() as connection:
        for kind in (Case, Event, Timer):
            connection.execute(insert(kind), opened[kind.__tablename__])


def opened_rows(number: int) -> dict[str, dict[str, Any]]:
    """A row for each table, of one case that was just opened."""
    reference = story.reference_of(number)
    first = story.opening(reference)
    return {
        "cases": {
            "id": number,
            "reference": reference,
            "facts": story.FACTS,
            "state": story.RIGHTS_PENDING,
            "version": 1,
            "seq": 1,
            "head": first.hash,
            "at": story.OPENED,
            "entered_at": story.OPENED,
            "due_at": story.FIRST_DUE,
        },
        "events": {
            "case_id": number,
            "seq": 1,
            "at": story.OPENED,
            "actor": story.ACTOR,
            "kind": "opened",
            "to_state": story.RIGHTS_PENDING,
            "canonical": first.canonical,
            "prev_hash": first.prev_hash,
            "hash": first.hash,
        },
        "timers": {"case_id": number, "kind": "rung", "rung": 0, "due_at": story.FIRST_DUE},
    }
