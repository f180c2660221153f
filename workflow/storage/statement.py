"""SQL written with SQLAlchemy Core, compiled once a dialect, run by the driver itself.

Running a Core statement through SQLAlchemy's own execution costs as much as the rest of a move (docs/benchmarks.md);
this keeps its language and its types, and leaves the work at run time to the driver.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from operator import itemgetter
from types import NoneType
from typing import Any

from sqlalchemy import Boolean, Column, Executable, Integer, LargeBinary, String
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement

from workflow.errors import RowBroken
from workflow.history import FORGED
from workflow.storage.moment import Moment
from workflow.storage.tables import HISTORY

Convert = Callable[[Any], Any]
Row = Mapping[str, Any]
_BATCH = 1000


class Statement:
    """A Core statement ready for one dialect: text, how to bind values, how to read rows."""

    def __init__(self, core: Executable, dialect: Dialect) -> None:
        assert isinstance(core, ClauseElement)
        compiled: Any = core.compile(dialect=dialect)
        assert compiled.positional, "the dialect must place values, not name them"
        self.sql = str(compiled)
        self.numbered = numbered(self.sql, count(1)) if dialect.name == "postgresql" else self.sql
        """The same for a cursor that takes placeholders as the database itself has them."""
        self._names: tuple[str, ...] = tuple(compiled.positiontup or ())
        binders: dict[str, Convert] = {}
        self._constants: dict[str, Any] = {}
        for parameter, name in compiled.bind_names.items():
            convert = parameter.type.dialect_impl(dialect).bind_processor(dialect)
            if convert and not isinstance(parameter.type, Boolean):  # both drivers take True and False as they are
                binders[name] = convert
            if not parameter.required:
                self._constants[name] = parameter.effective_value
        self._binders = [(place, binders[name]) for place, name in enumerate(self._names) if name in binders]
        self._take = itemgetter(*self._names) if len(self._names) > 1 else None
        columns = getattr(core, "exported_columns", ())
        self.columns = tuple(str(column.key) for column in columns)
        readers = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._readers = [(name, read) for name, read in zip(self.columns, readers, strict=True) if read]
        self._kinds = [_kind_of(column) for column in columns] if dialect.name == "sqlite" else []
        """What SQLite hands over of each column, unless somebody put something else there; None: it may be anything."""
        self._tables = [column.table.name if isinstance(column, Column) else "" for column in columns]
        self._shapes: set[tuple[type, ...]] = set()
        """Types of rows that were found to be as they should be."""

    def bind(self, values: Row) -> list[Any]:
        """The driver's parameters in their places; more values than it needs do not hurt. Raises KeyError."""
        if self._constants:
            values = {**self._constants, **values}
        bound = list(self._take(values)) if self._take else [values[name] for name in self._names]
        for place, convert in self._binders:
            bound[place] = convert(bound[place])
        return bound

    def run_many(self, cursor: Any, rows: Iterable[Row]) -> None:
        """Execute for every row at once."""
        bound = [self.bind(row) for row in rows]
        if len(bound) == 1:
            cursor.execute(self.sql, bound[0])
        elif bound:
            cursor.executemany(self.sql, bound)

    def rows(self, cursor: Any) -> Iterator[dict[str, Any]]:
        """The rows of a select that was run, read a batch at a time."""
        while fetched := cursor.fetchmany(_BATCH):
            yield from map(self.row, fetched)

    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """One row of a select, as the driver gave it. Raises RowBroken: somebody altered it.

        Only what history is proved by must be of its kind. Of other tables, and where a column is given a label, text
        is told as well as can be, so that what was altered there stops nothing else.
        """
        row = dict(zip(self.columns, values, strict=True))
        if self._kinds and (shape := tuple(map(type, values))) not in self._shapes:
            self._look_closely(row, shape)
        for name, read in self._readers:
            try:
                row[name] = read(row[name])
            except FORGED as error:
                raise self._broken(row, name) from error
        return row

    def _look_closely(self, row: dict[str, Any], shape: tuple[type, ...]) -> None:
        is_sound = True
        for name, kind, table, found in zip(self.columns, self._kinds, self._tables, shape, strict=True):
            if kind is None or found in (kind, NoneType):
                continue
            is_sound = False
            if table in HISTORY:
                raise self._broken(row, name)
            if kind is bytes:
                row[name] = str(row[name]).encode()
            elif kind is str and found is bytes:
                row[name] = row[name].decode(errors="backslashreplace")
        if is_sound:
            self._shapes.add(shape)

    def _broken(self, row: Row, name: str) -> RowBroken:
        table, number = self._tables[self.columns.index(name)], row.get("id")
        which = f"Row {number} of" if isinstance(number, int) else "A row of"
        said = f"{which} '{table}' cannot be read: somebody altered its '{name}'."
        return RowBroken(f"{said} To see what else was, run: schakel audit verify")

    def part(self, values: Sequence[Any], name: str) -> Any:
        """One column of such a row, for who must know which row it is before the rest can be read."""
        value, read = values[self.columns.index(name)], dict(self._readers).get(name)
        return read(value) if read else value


def _kind_of(column: Any) -> type | None:
    """What SQLite hands over of such a column; None: anything, which its reader sees to."""
    if isinstance(column.type, Moment | String):
        return str
    if isinstance(column.type, LargeBinary):
        return bytes
    return int if isinstance(column.type, Boolean | Integer) else None


def in_one(changes: Sequence[tuple[Statement, Sequence[Row]]]) -> tuple[str, list[Any]]:
    """Statements for PostgreSQL as one, the first done first; and its values. None sees what another changes."""
    values = [value for statement, rows in changes for row in rows for value in statement.bind(row)]
    return _joined(tuple((statement.sql, len(rows)) for statement, rows in changes)), values


@lru_cache(maxsize=256)
def _joined(parts: tuple[tuple[str, int], ...]) -> str:
    """Their texts as common table expressions, the placeholders numbered through as the server itself wants them."""
    numbers = count(1)
    texts = [numbered(text, numbers) for part in parts for text in _repeated(*part)]
    texts[0] += " RETURNING 1"  # what is asked for is done first, the rest in an order of the server's own
    return f"WITH {', '.join(f'w{place} AS ({text})' for place, text in enumerate(texts))} SELECT 1 FROM w0"


def numbered(sql: str, numbers: Iterator[int]) -> str:
    """The text with its placeholders numbered on, as PostgreSQL itself wants them."""
    return re.sub("%[s%]", lambda found: "%" if found[0] == "%%" else f"${next(numbers)}", sql)


def _repeated(sql: str, times: int) -> list[str]:
    """A statement for so many rows. The rows of one insert come in order; whole statements come in none."""
    head, values, row = sql.partition(" VALUES ")
    return [head + values + ", ".join([row] * times)] if values and "ON CONFLICT" not in row else [sql] * times


@lru_cache(maxsize=512)
def prepared(make: Callable[[], Executable], dialect: Dialect) -> Statement:
    """The statement that `make` builds, compiled the first time it is wanted."""
    return Statement(make(), dialect)
