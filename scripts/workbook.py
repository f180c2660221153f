"""Reads the first sheet of an Excel workbook as texts; a cell that was a number, or an error, is marked as such."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetMetadata,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from scripts.faulty_cells import faulty_cells
from scripts.records import NUMERIC
from workflow.errors import UsageError

MOST_UNPACKED = 1_000_000_000
Cell = int | float | str | bool | time | date | datetime | timedelta


def read_workbook(path: Path) -> Iterator[tuple[int, Sequence[str]]]:
    """The rows of the first sheet with their number, empty ones left out. Raises UsageError: not a workbook."""
    _refuse_bomb(path)
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        if not workbook.sheet_names:
            raise UsageError(f"{path} has no sheets.")
        sheet = workbook.get_sheet_by_index(0)
        for number, texts in _rows(sheet, faulty_cells(path, workbook.sheet_names[0])):
            if any(text.strip() for text in texts):
                yield number, texts
    except CalamineError as error:
        raise UsageError(f"{path} is not a workbook that can be read: {error}.") from None


def _rows(sheet: CalamineSheet, faulty: Mapping[int, Mapping[int, str]]) -> Iterator[tuple[int, list[str]]]:
    """Every row with its number, also those of which calamine shows nothing because all they hold is faulty."""
    start = sheet.start[1] if sheet.start else 0
    left = min([start, *(column for cells in faulty.values() for column in cells)])
    number = 0
    for number, cells in enumerate(sheet.iter_rows(), start=1):  # the empty rows above come along
        texts = [""] * (start - left) + [cell_text(cell) for cell in cells]
        yield number, _with_faulty(texts, left, faulty.get(number, {}))
    for beyond in sorted(row for row in faulty if row > number):
        yield beyond, _with_faulty([], left, faulty[beyond])


def _with_faulty(texts: list[str], left: int, faulty: Mapping[int, str]) -> list[str]:
    """A row that begins in column `left`, with what its faulty cells show."""
    for column, shown in faulty.items():
        texts += [""] * (column - left + 1 - len(texts))
        texts[column - left] = shown
    return texts


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


def _refuse_bomb(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile:
        raise UsageError(f"{path} is not a workbook: it does not begin as one.") from None
    if unpacked > MOST_UNPACKED:
        raise UsageError(f"{path} unpacks to {unpacked // 1_000_000} MB; split it.")
