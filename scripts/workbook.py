"""Reads the first sheet of an Excel workbook as texts; a cell that was a number, or an error, is marked as such."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook, SheetMetadata, SheetTypeEnum, SheetVisibleEnum

from scripts.records import FAILED, NUMERIC
from workflow.errors import UsageError

MOST_UNPACKED = 1_000_000_000
_ERROR_TYPES = (b'"e"', b"'e'")
"""How the type of an error cell is written."""
_CHUNK = 1 << 20
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, SyntaxError, RuntimeError),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),
)
"""What openpyxl makes of a workbook that is not as it should be."""
Cell = int | float | str | bool | time | date | datetime | timedelta


def read_workbook(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows of the first sheet with their number, empty ones left out. Raises UsageError: not a workbook."""
    _refuse_bomb(path)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        if not workbook.sheet_names:
            raise UsageError(f"{path} has no sheets.")
        sheet = workbook.get_sheet_by_index(0)
        left = sheet.start[1] if sheet.start else 0
        errors = _error_cells(path, workbook.sheet_names[0])
        for number, cells in enumerate(sheet.iter_rows(), start=1):  # the empty rows above come along
            texts = [cell_text(cell) for cell in cells]
            for column, error in errors.get(number, {}).items():
                texts[column - left] = FAILED + error
            if any(text.strip() for text in texts):
                yield number, texts
    except CalamineError as error:
        raise UsageError(f"{path} is not a workbook that can be read: {error}.") from None


def sheets_with_rows(path: Path) -> tuple[str, ...]:
    """The sheets that a person can see and that have more than a header; the first sheet, which is read, in front.

    Of a workbook that `read_workbook` could read.
    """
    workbook = CalamineWorkbook.from_path(str(path))
    first, *others = workbook.sheets_metadata
    return first.name, *(sheet.name for sheet in others if _is_shown(sheet) and _has_rows(workbook, sheet.name))


def _is_shown(sheet: SheetMetadata) -> bool:
    return sheet.typ == SheetTypeEnum.WorkSheet and sheet.visible == SheetVisibleEnum.Visible


def _has_rows(workbook: CalamineWorkbook, name: str) -> bool:
    try:
        return workbook.get_sheet_by_name(name).height > 1
    except CalamineError:
        return False  # what is not asked for need not be readable


def cell_text(cell: Cell) -> str:
    """What a cell says; a number keeps no '.0', and is marked by `NUMERIC`."""
    if isinstance(cell, bool):
        return "ja" if cell else "nee"
    if isinstance(cell, int):
        return NUMERIC + str(cell)
    if isinstance(cell, float):
        return NUMERIC + (str(int(cell)) if cell.is_integer() else repr(cell))
    if isinstance(cell, (datetime, date, time)):
        return cell.isoformat()
    return str(cell)


def _error_cells(path: Path, sheet: str) -> Mapping[int, Mapping[int, str]]:
    """The cells that hold an error such as #N/A, by row (from 1) and column (from 0): calamine shows them as empty."""
    try:
        if not _may_hold_errors(path):
            return {}
        from openpyxl import load_workbook

        found: dict[int, dict[int, str]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of extensions that it passes by
            book = load_workbook(path, read_only=True, data_only=True)
            try:
                cells = book[sheet]
                cells.reset_dimensions()
                for number, row in enumerate(cells.iter_rows(), start=1):
                    if failed := {place: str(cell.value) for place, cell in enumerate(row) if cell.data_type == "e"}:
                        found[number] = failed
            finally:
                book.close()
    except _UNREADABLE:
        raise UsageError(
            f"{path} holds cells with an error such as #N/A that cannot be located. Correct them, or save it as a CSV."
        ) from None
    return found


def _may_hold_errors(path: Path) -> bool:
    """Whether a cell may be an error; most files hold none, and need no second reading."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.lower().endswith(".xml"):
                with archive.open(entry) as file:
                    before = b""  # it may stand across two chunks
                    while chunk := file.read(_CHUNK):
                        before += chunk
                        if any(written in before for written in _ERROR_TYPES):
                            return True
                        before = before[-2:]
    return False


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        raise UsageError(f"{path} is not a workbook: it does not begin as one.") from None
    if unpacked > MOST_UNPACKED:
        raise UsageError(f"{path} unpacks to {unpacked // 1_000_000} MB; split it.")
