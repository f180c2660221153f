"""Reads an import file row by row, CSV or Excel, into texts by column; a row that cannot be read says why.

A CSV is read twice: once to find its encoding, its separator and every reference that stands in it twice, once to hand
out the rows. So nothing is written before the file as a whole was found readable, and memory holds its references only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path

from scripts.damage import damage_of, is_garbled, text_of
from scripts.kinds import is_workbook, refuse_other_kinds
from scripts.reading import open_file
from scripts.records import (
    FAILED,
    MOST_ABOVE,
    find_encoding,
    find_separator,
    header_name,
    read_csv,
)
from workflow.errors import UsageError

MOST_BYTES = 100_000_000
_MOST_NAMED = 20
"""So many columns are named that mean nothing here."""
_MOST_LINES = 3
"""So many lines are named of a reference that stands in a file more than once."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a file may be called, and which must be there."""

    known: frozenset[str]
    required: frozenset[str]
    identity: str
    """The column that tells rows apart; each value may stand in a file once."""
    ignored: tuple[str, ...] = ()
    """Columns (or their beginning, with a '*') that are skipped without a word."""
    textual: frozenset[str] = frozenset()
    """Columns in which a spreadsheet's numeric cell has lost its leading zeros already."""
    listed: str = ""
    """The command that says of each what it holds."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file: the line it begins on, its cells by column, or what is wrong with it."""

    number: int
    cells: dict[str, str] = field(default_factory=dict)
    fault: str | None = None


@dataclass(slots=True)
class Places:
    """The lines on which something stands, a reference for instance; of ten thousand nobody reads more than a few."""

    lines: list[int]
    """The first of them."""
    more: int = 0

    def add(self, number: int) -> None:
        """One more line it stands on."""
        if len(self.lines) < _MOST_LINES:
            self.lines.append(number)
        else:
            self.more += 1

    def said(self) -> str:
        """'2', '2 and 4', '2, 4 and 6', '2, 4, 6 and 17 more'."""
        named = [*map(str, self.lines), *([f"{self.more} more"] if self.more else [])]
        return " and ".join(filter(None, (", ".join(named[:-1]), named[-1])))


@dataclass(frozen=True)
class Sheet:
    """A file that was looked through: how to read it, and what stood out."""

    path: Path
    columns: Columns
    header: tuple[str, ...]
    unknown: tuple[str, ...]
    """Columns that mean nothing to us, as they are written."""
    count: int
    """How many rows there are below the header."""
    twice: dict[str, Places]
    """References that stand in the file more than once, and where."""
    garbled: Places
    """Lines with a text that an earlier program decoded wrongly."""
    encoding: str = ""
    separator: str = ""
    sheets: tuple[str, ...] = ()
    """Of a workbook: the sheet that is read, and those with rows that are not."""

    @cached_property
    def is_workbook(self) -> bool:
        """Whether it is an Excel file."""
        return is_workbook(self.path)

    def lines(self) -> Iterator[Line]:
        """The rows below the header, as they stand in the file; empty ones are left out."""
        for number, cells in self._records():
            yield self._line(number, cells)

    def _records(self) -> Iterator[tuple[int, Sequence[str]]]:
        if self.is_workbook:
            from scripts.workbook import read_workbook

            records = read_workbook(self.path)
            next(records)
            return _saying(records, self.header, self.columns)
        records = read_csv(self.path, self.encoding, self.separator)
        next(records)
        return records

    def _line(self, number: int, cells: Sequence[str]) -> Line:
        if (count := _miscounted(cells, len(self.header))) is not None:
            fault = f"Line {number} has {count} cells, but the header has {len(self.header)}."
            # in which column the others belong nobody can say
            first = {self.columns.identity: text_of(cells[0])} if self.header[0] == self.columns.identity else {}
            return Line(number, first, fault)
        raw = {name: cell for name, cell in zip(self.header, cells, strict=False) if name in self.columns.known}
        named = {name: text_of(cell) for name, cell in raw.items()}
        return Line(number, named, self._fault(number, raw, named[self.columns.identity]))

    def _fault(self, number: int, raw: dict[str, str], identity: str) -> str | None:
        if damage := damage_of(raw, self.columns.textual):
            return f"Line {number}: {damage}"
        if not identity:
            return f"Line {number} has no {self.columns.identity}."
        if repeated := self.twice.get(identity):
            return f"{self.columns.identity} '{identity}' stands on lines {repeated.said()}; keep one of them."
        return None


class _NoTable(UsageError):
    """What was read holds no table with the columns that are wanted; another sheet may."""


def said_of_sheets(sheets: Sequence[str]) -> str:
    """Which sheet of a workbook is read, and which are not."""
    unread = " and ".join(f"'{name}'" for name in sheets[1:])
    return f"Only the first sheet, '{sheets[0]}', is read" + (f"; there are rows on {unread} too." if unread else ".")


def look_through(source: str, columns: Columns) -> Sheet:
    """Look a whole file through before its first row is used.

    Raises UsageError: not there, a folder, too large, empty, no table, a required column missing, a column twice.
    """
    path = open_file(source)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{source} is larger than {MOST_BYTES // 1_000_000} MB; split it.")
        refuse_other_kinds(path)
        if is_workbook(path):
            from scripts.workbook import read_workbook, sheets_with_rows

            try:
                survey = _survey(path, columns, read_workbook(path), "", "")
            except _NoTable as error:
                raise UsageError(f"{error} {said_of_sheets(sheets_with_rows(path))}") from None
            return replace(survey, sheets=sheets_with_rows(path))
        encoding = find_encoding(path)
        separator = find_separator(path, encoding, columns.known)
        return _survey(path, columns, read_csv(path, encoding, separator), encoding, separator)
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}.") from None


def _survey(
    path: Path, columns: Columns, records: Iterator[tuple[int, Sequence[str]]], encoding: str, separator: str
) -> Sheet:
    first = next(records, None)
    if first is None:
        raise _NoTable(f"{path} is empty.")
    titles = list(first[1])
    while titles and not titles[-1].strip(" \x00"):
        titles.pop()
    header = tuple(header_name(text_of(title)) for title in titles)
    unknown = tuple(text_of(title) for title, name in zip(titles, header, strict=True) if _is_unknown(name, columns))
    _check_header(path, header, columns, unknown, records)
    place = header.index(columns.identity)
    seen: dict[str, int] = {}
    twice: dict[str, Places] = {}
    count = 0
    garbled = Places([])
    for number, cells in records if encoding else _saying(records, header, columns):
        count += 1
        if any(is_garbled(cell) for cell, name in zip(cells, header, strict=False) if name in columns.known):
            garbled.add(number)
        identity = text_of(cells[place]) if place < len(cells) else ""
        if identity and (first_on := seen.setdefault(identity, number)) != number:
            twice.setdefault(identity, Places([first_on])).add(number)
    if not count:
        raise _NoTable(f"{path} has a header but no rows.")
    return Sheet(path, columns, header, unknown, count, twice, garbled, encoding, separator)


def _saying(
    records: Iterable[tuple[int, Sequence[str]]], header: Sequence[str], columns: Columns
) -> Iterator[tuple[int, Sequence[str]]]:
    """Without rows that hold nothing but the formula of a column of which we know nothing, filled down too far."""
    for number, cells in records:
        named = zip(cells, chain(header, repeat("")), strict=False)
        if any(cell.strip() and not (cell.startswith(FAILED) and name not in columns.known) for cell, name in named):
            yield number, cells


def _check_header(
    path: Path,
    header: Sequence[str],
    columns: Columns,
    unknown: Sequence[str],
    below: Iterable[tuple[int, Sequence[str]]],
) -> None:
    missing = sorted(columns.required - set(header))
    if missing:
        if (place := _header_among(below, columns)) is not None:
            said = f"must begin with its header, which seems to stand on line {place}: take out what is above it."
            raise UsageError(f"{path} {said}")
        near = ((name, get_close_matches(name, missing, n=1)) for name in header if _is_unknown(name, columns))
        hint = next((f" Is '{name}' meant as '{close[0]}'?" for name, close in near if close), "")
        lacking = f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}."
        raise _NoTable(lacking + hint + _not_understood(header, columns, unknown) + _where_listed(columns))
    for name in header:
        if header.count(name) > 1 and name in columns.known:
            raise UsageError(f"{path} has the column '{name}' twice; keep one.")


def _not_understood(header: Sequence[str], columns: Columns, unknown: Sequence[str]) -> str:
    """Which titles mean nothing to us. Where none does, it may be no header, and then these are values of a person."""
    if not unknown or columns.known.isdisjoint(header):
        return ""
    named = [f"'{title}'" for title in unknown[:_MOST_NAMED]]
    more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
    return f" Not understood: {', '.join(named)}{more}."


def _where_listed(columns: Columns) -> str:
    return f" {columns.listed} lists them all." if columns.listed else ""


def _header_among(records: Iterable[tuple[int, Sequence[str]]], columns: Columns) -> int | None:
    """The line on which a header stands that titles were written above: it names most of what is required."""
    for number, cells in islice(records, MOST_ABOVE):
        names = {header_name(text_of(cell)) for cell in cells}
        if 2 * len(names & columns.required) > len(columns.required):
            return number
    return None


def _is_unknown(name: str, columns: Columns) -> bool:
    ignored = any(name == rule or (rule.endswith("*") and name.startswith(rule[:-1])) for rule in columns.ignored)
    return bool(name) and name not in columns.known and not ignored


def _miscounted(cells: Sequence[str], expected: int) -> int | None:
    """How many cells there are when that is not what the header says; empty ones at the end do not count."""
    filled = len(cells)
    while filled > expected and not cells[filled - 1].strip():
        filled -= 1
    return None if filled == expected else filled
