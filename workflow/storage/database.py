"""The one function that opens a database, and what it gives: `reading`, `writing` and, for one case, `deciding`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, QueuePool, create_engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError, IntegrityError, SQLAlchemyError

from workflow.errors import SchakelError, UsageError
from workflow.storage import belonging
from workflow.storage.agreed import agree
from workflow.storage.charset import watch_encoding
from workflow.storage.compacting import compact
from workflow.storage.faults import STALE, explain
from workflow.storage.line import Line
from workflow.storage.session import TAKES_TURN, bare_cursor
from workflow.storage.sqlite_file import connect, prepare, take_room
from workflow.storage.store import Store

_BEGIN = {
    ("sqlite", False): "BEGIN",
    ("sqlite", True): TAKES_TURN,
    ("postgresql", False): "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    ("postgresql", True): "BEGIN",
}
_NO_LIMIT = (
    "SELECT set_config('transaction_timeout', '0', true) WHERE current_setting('transaction_timeout', true) <> '0'"
)
"""For one that only reads, as an export or verifying everything does for hours; it keeps nobody from anything."""
_GIVEN: Mapping[str, int | str] = {
    "client_encoding": "utf8",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""For PostgreSQL: in what we speak, whatever PGCLIENTENCODING says; and in seconds (the last in milliseconds) when a
server or a network that went silent counts as gone."""
_SECRET = re.compile("pass|secret", re.IGNORECASE)
"""In the names of libpq's parameters that are not to be seen: password, sslpassword, passfile, oauth_client_secret."""
_UNHEARD = logging.NullHandler()
"""What drivers log while a connection breaks is ours to say; whoever sets up logging still gets it."""
_LONGEST_NAME = 255 - len("-journal")
"""Bytes of a SQLite file's name, so that those beside it have one that a disk takes."""
_MOST_KEPT = 5
"""Connections that are kept open while nobody uses them."""
Failpoint = Callable[[str], None]
"""Called before each statement of who may write, with its SQL: tests end the process there."""


class Database:
    """An open database; made by `open_database`."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self._engine = _engine(url)
        self._kept: list[Line] = []
        self.failpoint: Failpoint | None = None
        self.has_written = False
        """Whether a transaction that writes ended well."""

    @property
    def dialect(self) -> Dialect:
        """The dialect statements are compiled for; its `name` is 'sqlite' or 'postgresql'."""
        dialect: Dialect = self._engine.dialect
        return dialect

    def reading(self) -> AbstractContextManager[Store]:
        """A read-only transaction that sees one moment. Raises StoreError."""
        return self._transaction(writing=False)

    def writing(self) -> AbstractContextManager[Store]:
        """A transaction that commits when the block ends well and leaves nothing when it does not.

        Raises StoreError when the database cannot be used, Conflict when another writer was first.
        """
        return self._transaction(writing=True)

    def deciding(self) -> AbstractContextManager[Store]:
        """For a command that reads one case and then writes it: PostgreSQL keeps nobody off until it is written.

        One `write` is one transaction. Raises StoreError; Overtaken when the case is no longer as it was read: then
        read it again in `writing`. SQLite has one writer at a time, so that there this is `writing`.
        """
        return self.writing() if self.dialect.name == "sqlite" else self._session(writing=True)

    def try_writing(self) -> None:
        """Do all that writing needs, and write nothing. Raises StoreError: this account may only read, or no room."""
        with self.writing() as store:
            store.execute("UPDATE cases SET reference = reference WHERE id = 0")
            if store.is_sqlite:
                take_room(Path(str(self.url.database)))

    def compact(self) -> bool:
        """SQLite: leave no trace of what was deleted; False: another connection holds the log. Raises StoreError."""
        if self.dialect.name != "sqlite":
            return True
        with _explained(self.url, self.dialect), self._line() as line:
            line.serve(writing=True)
            return compact(line.connection, self.failpoint or (lambda _: None))

    def dispose(self) -> None:
        """Close the connections; one that is in use, when it is used no more."""
        self._let_go()
        self._engine.dispose()

    def _let_go(self) -> None:
        kept, self._kept = self._kept, []
        for line in kept:
            line.end()

    @contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Store]:
        with self._session(writing=writing) as store, store.transaction(_BEGIN[self.dialect.name, writing]):
            if not (writing or store.is_sqlite):
                store.execute(_NO_LIMIT)
            yield store

    @contextmanager
    def _session(self, *, writing: bool) -> Iterator[Store]:
        with _explained(self.url, self.dialect), self._line() as line:
            store = Store(line, self.dialect, self.failpoint if writing else None)
            if store.is_sqlite:
                line.serve(writing=writing)
            yield store
            self.has_written |= writing
            for remember in store.after_commit:
                remember()

    def _kept_line(self) -> Line | None:
        """One that still stands, so that nothing is sent that would have to be sent again."""
        while True:
            try:  # as another thread may take the last one
                line = self._kept.pop()
            except IndexError:
                return None
            if not line.was_ended():
                return line
            line.end()

    def _new_line(self) -> Line:
        proxy = self._engine.raw_connection()
        return Line(proxy, proxy.dbapi_connection, bare_cursor(proxy.dbapi_connection, self.dialect))

    @contextmanager
    def _line(self) -> Iterator[Line]:
        """A connection of one's own; SQLAlchemy's pool makes and ends them, but handing one over costs 40 µs there."""
        kept = self._kept
        line = self._kept_line() or self._new_line()
        is_of_use = True
        try:
            yield line
        except BaseException as error:
            # outside the pipeline: what went wrong in it may only show when it ends
            is_of_use = line.roll_back() and getattr(error, "sqlstate", None) not in STALE
            for words in line.last_words:
                error.add_note(words)
            if not is_of_use:  # what ended this one, a server that restarted, has ended the others too
                self._let_go()
            raise
        finally:
            if is_of_use and kept is self._kept and len(kept) < _MOST_KEPT:
                kept.append(line)
            else:
                line.end()


def open_database(url: str, *, without_tables: bool = False) -> Database:
    """Open a database that `upgrade` made; checks its pragmas and that its tables are those of this program.

    Raises StoreError: not there, not initialised (unless `without_tables`), made by a newer program, or not answering.
    UsageError: the URL is none, or the tables there are another program's.
    """
    database = Database(parse_url(url))
    shown = shown_url(database.url)
    try:
        with database.reading() as store:
            found = belonging.found_migration(store.execute, database.dialect.name, shown)
            if found is None and not store.is_sqlite:
                belonging.refuse_elsewhere(store.execute, shown)
        if found is not None or not without_tables:
            belonging.refuse_others(found, shown)
    except SchakelError:
        database.dispose()
        raise
    return database


def parse_url(url: str) -> URL:
    """Read a database URL. Raises UsageError when it is none, or of a database Schakel does not run on."""
    unreadable = "The database URL cannot be read. Write sqlite:////full/path/schakel.db or postgresql://user@host/name"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number, a bracket that does not close
        raise UsageError(unreadable) from None
    if parsed.port is not None and not 0 < parsed.port < 65_536:
        raise UsageError(unreadable)
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        _check_file(url, parsed.database)
        return parsed
    raise UsageError(f"Schakel runs on SQLite and PostgreSQL, not on '{backend}'.")


def _check_file(url: str, path: str | None) -> None:
    if not path or path == ":memory:":
        raise UsageError("A SQLite database needs a file: sqlite:////full/path/schakel.db")
    if "?" in url:
        raise UsageError(
            "What stands after '?' in the URL of a SQLite database has no effect: leave it out. (%3F: a '?')"
        )
    if len(os.fsencode(Path(path).name)) > _LONGEST_NAME:
        raise UsageError(
            f"The name of the file {path} is too long: at most {_LONGEST_NAME} bytes, as SQLite makes others beside it."
        )


def connecting(url: URL) -> dict[str, Any]:
    """What psycopg is given beside the URL, such as when to notice a silent network; what the URL says goes before."""
    return {name: value for name, value in _GIVEN.items() if name not in url.query}


def _engine(url: URL) -> Any:
    for driver in ("psycopg", "sqlalchemy"):
        logging.getLogger(driver).addHandler(_UNHEARD)
    if url.get_backend_name() == "postgresql":
        options = {**connecting(url), "autocommit": True, "application_name": "schakel"}
        if own := url.normalized_query.get("options"):
            options["options"] = " ".join(own)
        engine = create_engine(
            url, connect_args=options, paramstyle="format", pool_reset_on_return=None, max_overflow=16
        )
        watch_encoding(engine, shown_url(url))
        event.listen(engine, "connect", agree)
        return engine
    creator = partial(connect, Path(str(url.database)))
    engine = create_engine(
        "sqlite://", creator=creator, poolclass=QueuePool, paramstyle="qmark", pool_reset_on_return=None
    )
    event.listen(engine, "connect", partial(prepare, shown=shown_url(url)))
    return engine


@contextmanager
def _explained(url: URL, dialect: Dialect) -> Iterator[None]:
    """Turn what a driver raises into Schakel's own errors, which say what to do."""
    try:
        yield
    except SchakelError:
        raise
    except (SQLAlchemyError, dialect.loaded_dbapi.Error, OSError, OverflowError) as error:
        cause = error.orig if isinstance(error, IntegrityError) else error
        raise explain(cause or error, shown_url(url)) from error


def shown_url(url: URL) -> str:
    """A database as messages may name it: no password, nor where one stands."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    secret = {name: "hidden" for name in url.query if _SECRET.search(name)}
    return url.update_query_dict(secret).render_as_string(hide_password=True)
