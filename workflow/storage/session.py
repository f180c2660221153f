"""The statements that run on one connection: prepared ones, others and bare SQL; and the transaction around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Executable, select
from sqlalchemy.engine import Dialect

from workflow.storage.line import Line, when_free
from workflow.storage.statement import Statement, in_one, prepared
from workflow.storage.tables import events

Query = Callable[[], Executable]
Change = tuple[Query, Sequence[dict[str, Any]]]
"""A statement that writes, and the rows it writes."""
TAKES_TURN = "BEGIN IMMEDIATE"
"""How a writer begins on SQLite, once no other one writes."""
_FEW = 24
"""Rows that PostgreSQL is given as one statement; it must read its text whenever their number is another."""


def bare_cursor(connection: Any, dialect: Dialect) -> Any:
    """A cursor that takes placeholders as the database itself has them."""
    return connection.cursor() if dialect.name == "sqlite" else dialect.loaded_dbapi.RawCursor(connection)


class Session:
    """A connection as statements see it: in a transaction, or outside any until `transaction` begins one."""

    def __init__(self, line: Line, dialect: Dialect, failpoint: Callable[[str], None] | None = None) -> None:
        self._connection = line.connection
        self._cursor = line.cursor
        self._dialect = dialect
        self._failpoint = failpoint
        self._is_begun = self._is_piped = False
        self.after_commit: list[Callable[[], None]] = []
        """What may be remembered once the transaction has committed."""

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite, where one writer holds the whole database."""
        return self._dialect.name == "sqlite"

    @property
    def dialect(self) -> Dialect:
        """The dialect that statements are compiled for."""
        return self._dialect

    @contextmanager
    def transaction(self, begin: str = "BEGIN") -> Iterator[None]:
        """All that is written inside or nothing of it; part of the transaction that runs already, if one does."""
        if self._is_begun:
            yield
            return
        self._is_piped = not self.is_sqlite and self._failpoint is None
        # PostgreSQL: statements leave without waiting for the answer to the one before
        with self._connection.pipeline() if self._is_piped else nullcontext():
            when_free(partial(self.execute, begin)) if begin == TAKES_TURN else self.execute(begin)
            self._is_begun = True
            yield
            self.execute("COMMIT")
        self._is_begun = self._is_piped = False

    def select(self, query: Query, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a query."""
        return self._prepared(query).rows(self.run(query, values))

    def first(self, query: Query, values: dict[str, Any]) -> dict[str, Any] | None:
        """The first row of a query that has few; None when it has none."""
        statement = self._prepared(query)
        fetched = self._execute_numbered(statement.numbered, statement.bind(values)).fetchall()
        return statement.row(fetched[0]) if fetched else None

    def run(self, query: Query, values: dict[str, Any]) -> Any:
        """Run a statement; its cursor."""
        statement = self._prepared(query)
        return self.execute(statement.sql, statement.bind(values))

    def run_many(self, query: Query, values: Sequence[dict[str, Any]]) -> int:
        """Run a statement for many rows at once; how many rows it touched (SQLite; PostgreSQL answers later)."""
        if not values:
            return 0
        statement = self._prepared(query)
        if self._failpoint:
            self._failpoint(statement.sql)
        cursor = self._connection.cursor()
        statement.run_many(cursor, values)
        return int(cursor.rowcount)

    def read(self, core: Executable) -> Iterator[dict[str, Any]]:
        """The rows of a query that is built anew each time, its values inside."""
        statement = self.statement(core)
        return statement.rows(self.execute(statement.sql, statement.bind({})))

    def statement(self, core: Executable) -> Statement:
        """A query that is built anew each time, ready for this database."""
        return Statement(core, self._dialect)

    def change(self, core: Executable, returning: Any = None) -> bool:
        """Run an insert or update that is built anew each time; with `returning`, whether it touched a row."""
        if returning is None:
            statement = self.statement(core)
            self.execute(statement.sql, statement.bind({}))
            return True
        return any(True for _ in self.read(core.returning(returning)))  # type: ignore[attr-defined]

    def execute(self, sql: str, values: dict[str, Any] | Sequence[Any] | None = None) -> Any:
        """Run SQL as the driver takes it; its cursor."""
        if self._failpoint:
            self._failpoint(sql)
        cursor = self._connection.cursor()
        cursor.execute(sql, values) if values else cursor.execute(sql)
        return cursor

    def last_event_at(self) -> datetime | None:
        """When the newest event happened; None in an empty database."""
        row = next(self.read(select(events.c.at).order_by(events.c.id.desc()).limit(1)), None)
        return row["at"] if row else None

    def change_at_once(self, changes: Sequence[Change]) -> bool:
        """PostgreSQL: run these as one statement, which costs it and the driver half of what several do.

        None of them may touch a row that another writes; the first is done first. False: nothing was done, as they go
        one by one here, or are too many.
        """
        wanted = [(self._prepared(query), rows) for query, rows in changes if rows]
        if self.is_sqlite or sum(len(rows) for _, rows in wanted) > _FEW:
            return False
        if wanted:
            sql, values = in_one(wanted)
            self._execute_numbered(sql, values)
        return True

    def _execute_numbered(self, sql: str, values: Sequence[Any]) -> Any:
        """Run SQL whose placeholders are the database's own, over the cursor that stays unless a pipeline runs.

        There the answer to a statement before it might still come to that cursor.
        """
        if self._failpoint:
            self._failpoint(sql)
        cursor = bare_cursor(self._connection, self._dialect) if self._is_piped else self._cursor
        cursor.execute(sql, values)
        return cursor

    def _prepared(self, query: Query) -> Statement:
        return prepared(query, self._dialect)
