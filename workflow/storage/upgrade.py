"""Bring a database to the tables this program needs; the only module that loads Alembic."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from functools import partial
from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, pool, text
from sqlalchemy.exc import SQLAlchemyError

from workflow.clock import Clock, SystemClock
from workflow.errors import NotAllowed, StoreError
from workflow.storage import belonging, shift, tables
from workflow.storage.charset import watch_encoding
from workflow.storage.database import connecting, parse_url, shown_url
from workflow.storage.faults import explain
from workflow.storage.line import PATIENCE_MS, when_free

_ONE_AT_A_TIME = 5_230_417
"""Number of the advisory lock that keeps two upgrades of one PostgreSQL database apart."""
_ONLY_HERE = "SELECT set_config('search_path', quote_ident(current_schema()), true) WHERE current_schema() IS NOT NULL"
"""For this transaction: else Alembic takes the first alembic_version that search_path leads to, maybe another's."""
_OWNER = "run schakel init as the role that owns the tables (schakel_owner in docs/security.md), then its grants"


def upgrade(url: str, clock: Clock | None = None) -> str | None:
    """Create the database or migrate it forward; the migration it was at before (None: new).

    All in one transaction, also in SQLite. Raises StoreError: made by a newer program, read-only, not answering.
    UsageError: the URL is none, or the tables there are another program's. StillAtWork: a worker of an older program
    runs, which looked at its tables when it started, and would go on in those of another.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        _make_file(Path(str(parsed.database)))
    engine = migrating(parsed)
    try:
        with engine.begin() as connection:
            return _migrate(connection, parsed, (clock or SystemClock()).now())
    except (SQLAlchemyError, OSError) as error:
        fault = explain(getattr(error, "orig", None) or error, shown_url(parsed))
        raise NotAllowed(fault.what, _OWNER) if isinstance(fault, NotAllowed) else fault from error
    finally:
        engine.dispose()


def migrating(url: URL) -> Engine:
    """What the migrations run on; on SQLite it waits for other writers as long as everything else does."""
    if url.get_backend_name() != "sqlite":
        engine = create_engine(url, poolclass=pool.NullPool, connect_args=connecting(url))
        watch_encoding(engine, shown_url(url))
        return engine
    engine = create_engine(url, poolclass=pool.NullPool, connect_args={"timeout": PATIENCE_MS / 1000})
    _take_over_transactions(engine)
    return engine


def _migrate(connection: Connection, url: URL, now: datetime) -> str | None:
    kind, execute, shown = connection.dialect.name, connection.exec_driver_sql, shown_url(url)
    if kind == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ONE_AT_A_TIME})
    found = belonging.found_migration(execute, kind, shown)
    belonging.refuse_newer(found, shown)
    if kind == "postgresql":
        if found is None:
            belonging.refuse_elsewhere(execute, shown, is_init=True)
        execute(_ONLY_HERE)
    if found not in (None, tables.HEAD) and inspect(connection).has_table(tables.workers.name):
        beats = (shift.Heartbeat(**row) for row in connection.execute(shift.ALL).mappings())
        shift.refuse_at_work(beats, now, "if it was killed")
    config = Config()
    with resources.as_file(resources.files("workflow.storage") / "migrations") as scripts:
        config.set_main_option("script_location", str(scripts).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, tables.HEAD)
    return found


def _make_file(path: Path) -> None:
    """A file only its owner can read, in a folder only its owner can enter; -wal and -shm inherit its mode."""
    if path.is_symlink() and not (target := Path(os.path.realpath(path))).parent.is_dir():
        # to make that folder would fill the place of a disk that is away
        raise StoreError(f"The database {path} is a link to {target}, whose folder is not there: mount or make it.")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(sqlite3.connect(path, timeout=PATIENCE_MS / 1000)) as connection:
            # before its journal_mode is changed, which stays
            when_free(partial(belonging.found_migration, connection.execute, "sqlite", str(path)))
            # of several at once that want a new file for themselves, SQLite refuses some without waiting
            when_free(partial(connection.execute, "PRAGMA journal_mode=WAL"))
    except (OSError, sqlite3.Error) as error:
        raise explain(error, str(path)) from error


def _take_over_transactions(engine: Engine) -> None:
    """Python's own SQLite transactions do not roll DDL back; ours do."""

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
