"""CSV and XLSX that nobody's spreadsheet takes for formulas; both are written row by row.

CSV is UTF-8 with a byte order mark and semicolons: what a Dutch Excel opens right with a double click. It still takes
'01234567' for a number; in the XLSX a text is a text.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import chain, count, islice
from typing import IO, Any, TypeAlias
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._writer import WorksheetWriter
from openpyxl.writer.excel import ExcelWriter

Value: TypeAlias = str | int | datetime | None
"""A cell; a moment is naive, as the reader's clock says it."""
SHEET_ROWS = 1_048_576
"""What a sheet holds, its header included; the rest goes on to another."""
CELL_CHARACTERS = 32_767
_STARTS_A_FORMULA = frozenset("=+-@＝＋－＠")
"""The wide ones too: a spreadsheet set to Japanese takes them for the same."""
_CONTROLS = frozenset("\t\r\n")
_CSV_MOMENT = "%Y-%m-%d %H:%M:%S"


def harmless(text: str) -> str:
    """A text on one line that no spreadsheet runs: what would begin a formula gets an apostrophe in front."""
    shown = text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
    dangerous = text[:1] in _CONTROLS or shown.lstrip()[:1] in _STARTS_A_FORMULA
    return f"'{shown}"[:CELL_CHARACTERS] if dangerous else shown[:CELL_CHARACTERS]


def write_csv(file: IO[str], titles: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Write a header and rows to a file of UTF-8 text."""
    file.write("\ufeff")
    writer = csv.writer(file, delimiter=";", lineterminator="\n")
    writer.writerow(titles)
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])


def write_xlsx(
    file: IO[bytes], title: str, titles: Sequence[str], rows: Iterable[Sequence[Value]], sheet_rows: int = SHEET_ROWS
) -> None:
    """Write a workbook with a header on each sheet; until it is whole its sheets lie in files without a name."""
    book = Workbook(write_only=True)
    left = iter(rows)
    with ExitStack() as files:
        for number in count(1):
            part = islice(left, sheet_rows - 1)
            first = next(part, None)
            if first is None and number > 1:
                break
            sheet = book.create_sheet(title if number == 1 else f"{title} {number}")
            sheet.freeze_panes = "B2"
            for place, name in enumerate(titles, 1):
                sheet.column_dimensions[get_column_letter(place)].width = max(12, len(name) + 2)
            _write_into(sheet, files.enter_context(tempfile.TemporaryFile()))
            files.callback(_leave, sheet)
            sheet.append([_bold(sheet, name) for name in titles])
            written = _append(sheet, chain([first] if first is not None else [], part))
            sheet.auto_filter.ref = f"A1:{get_column_letter(len(titles))}{written + 1}"
            sheet.close()
        with _Book(file, "w", ZIP_DEFLATED, allowZip64=True) as zipped:
            ExcelWriter(book, zipped).write_data()


class _Book(ZipFile):
    """A zip that takes open files; openpyxl gives it what a sheet was written into."""

    def write(self, filename: Any, arcname: Any = None, *_: Any) -> None:
        """Add the content of an open file."""
        filename.seek(0)
        with self.open(arcname, "w", force_zip64=True) as entry:
            shutil.copyfileobj(filename, entry)


class _Unnamed(WorksheetWriter):
    def cleanup(self) -> None:
        """There is no file to remove: openpyxl's own has a name, under which a process that is killed leaves it."""


def _write_into(sheet: Any, file: IO[bytes]) -> None:
    """Let openpyxl write a sheet into this file, as `sheet.append` would let it into one of its own."""
    sheet._writer = _Unnamed(sheet, file)
    sheet._writer.write_top()


def _leave(sheet: Any) -> None:
    """Have openpyxl write no more, also when it was broken off half-way, so that the file may be closed."""
    if sheet._rows is not None:
        sheet._rows.close()
    sheet._writer.close()


def _append(sheet: Any, rows: Iterator[Sequence[Value]]) -> int:
    written = 0
    for written, row in enumerate(rows, 1):  # noqa: B007  (the last number is the answer)
        sheet.append([_cell(sheet, value) for value in row])
    return written


def _csv_cell(value: Value) -> str | int:
    if isinstance(value, str):
        return harmless(value)
    if isinstance(value, datetime):
        return value.strftime(_CSV_MOMENT)
    return "" if value is None else value


def _cell(sheet: Any, value: Value) -> Any:
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, harmless(value))
    cell.data_type = "s"  # else '#N/A' would be an error and '=' a formula
    return cell


def _bold(sheet: Any, text: str) -> Any:
    cell = WriteOnlyCell(sheet, text)
    cell.font = Font(bold=True)
    return cell
