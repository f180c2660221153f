"""DBOS: a workflow for each command, whose one transactional step writes with SQLAlchemy Core."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

from dbos import DBOS, SQLAlchemyDatasource
from sqlalchemy import create_engine, delete, event, insert, select, update
from sqlalchemy.orm import Session

from tests.benchmarks.peers import story
from tests.benchmarks.peers.address import for_sqlalchemy, is_sqlite, set_pragmas, sqlite_path
from tests.benchmarks.peers.mapping import Base, fill, open_engine

CASES, EVENTS, TIMERS, OUTBOX = (Base.metadata.tables[name] for name in ("cases", "events", "timers", "outbox"))
MOVABLE = {trigger: sources for trigger, sources, _ in story.MOVES}


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    engine = open_engine(url)
    fill(engine, cases)
    engine.dispose()
    source = _launch(url)

    @source.transaction(isolation_level="SERIALIZABLE" if is_sqlite(url) else "READ COMMITTED")
    def write(reference: str) -> int:
        return _write(source.sql_session(), reference)

    @DBOS.workflow()
    def register(reference: str) -> int:
        return write(reference)

    DBOS.launch()

    def move(reference: str) -> None:
        register(reference)

    return move


def _launch(url: str) -> SQLAlchemyDatasource:
    """Its own tables beside ours on PostgreSQL; on SQLite in a file of their own, in WAL mode: not its default."""
    system = for_sqlalchemy(url)
    if is_sqlite(url):
        system = url.replace(".db", ".system.db")
        for path in (sqlite_path(url), sqlite_path(system)):
            with closing(sqlite3.connect(path)) as connection:
                set_pragmas(connection)
    config = {"name": "peers", "log_level": "ERROR"}
    engine = create_engine(system)
    if is_sqlite(url):
        event.listen(engine, "connect", _as_dbos_connects)
    DBOS(config={**config, "system_database_url": system, "system_database_engine": engine})
    source = SQLAlchemyDatasource.create(for_sqlalchemy(url))
    if is_sqlite(url):
        event.listen(source.engine, "connect", set_pragmas)
        source.engine.dispose()
    return source


def _as_dbos_connects(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = "IMMEDIATE"
    connection.execute("PRAGMA foreign_keys=ON")
    set_pragmas(connection)


def _write(session: Session, reference: str) -> int:
    row = session.execute(select(CASES).where(CASES.c.reference == reference)).one()
    if row.state not in MOVABLE["register"] or not story.is_complete(row.facts):
        raise AssertionError(reference)
    entry, seq = story.registering(reference, row.seq + 1, row.head), row.seq + 1
    written = session.execute(
        update(CASES)
        .where(CASES.c.id == row.id, CASES.c.version == row.version)
        .values(
            state=story.REGISTERED,
            version=row.version + 1,
            seq=seq,
            head=entry.hash,
            at=story.MOVED,
            entered_at=story.MOVED,
            due_at=story.NEXT_DUE,
        )
    )
    if written.rowcount != 1:
        raise AssertionError(reference)
    session.execute(
        insert(EVENTS).values(
            case_id=row.id,
            seq=seq,
            at=story.MOVED,
            actor=story.ACTOR,
            kind="moved",
            trigger="register",
            from_state=row.state,
            to_state=story.REGISTERED,
            canonical=entry.canonical,
            prev_hash=entry.prev_hash,
            hash=entry.hash,
        )
    )
    session.execute(delete(TIMERS).where(TIMERS.c.case_id == row.id))
    session.execute(insert(TIMERS).values(case_id=row.id, kind="rung", rung=0, due_at=story.NEXT_DUE))
    session.execute(
        insert(OUTBOX),
        [
            {
                "case_id": row.id,
                "seq": seq,
                "letter": letter.letter,
                "role": letter.role,
                "recipient": letter.recipient,
                "state": "pending",
                "context": letter.context,
                "created_at": story.MOVED,
                "due_at": story.MOVED,
            }
            for letter in story.letters(reference)
        ],
    )
    return seq
