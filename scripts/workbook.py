"""Reads the first sheet of an Excel workbook as texts; a cell that was a number is marked as such."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineWorkbook

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
        for number, cells in enumerate(sheet.iter_rows(), start=1):  # the empty rows above come along
            texts = [cell_text(cell) for cell in cells]
            if any(text.strip() for text in texts):
                yield number, texts
    except CalamineError as error:
        raise UsageError(f"{path} is not a workbook that can be read: {error}.") from None


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
