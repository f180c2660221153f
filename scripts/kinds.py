"""Says what a file is that looks like a table to its owner and cannot be read as one, whatever its name."""

from __future__ import annotations

import zipfile
from pathlib import Path

from workflow.errors import UsageError

_OLE = bytes.fromhex("D0CF11E0A1B11AE1")
"""How what Excel wrote before 2007 begins, and what it writes now when a password is asked for."""
_ZIP = b"PK\x03\x04"


def is_workbook(path: Path) -> bool:
    """Whether a file is an Excel workbook, by its name."""
    return path.suffix.lower() in (".xlsx", ".xlsm")


def suffix_of(start: bytes) -> str:
    """What to call a file that has no name of its own, by how it begins."""
    return ".xlsx" if start.startswith(_ZIP) else ".csv"


def refuse_other_kinds(path: Path) -> None:
    """Raises UsageError, OSError: this is a workbook of another kind than we read, or one by another name."""
    with path.open("rb") as file:
        start = file.read(len(_OLE))
    kind = ""
    if start == _OLE:
        kind = "an old Excel workbook (.xls), or one with a password"
    elif start.startswith(_ZIP):
        kind = _kind_of_zip(path)
    if kind:
        raise UsageError(f"{path} is {kind}; save it as .xlsx (or CSV) in Excel.")
    if start.startswith(_ZIP) and not is_workbook(path):
        raise UsageError(f"{path} is a workbook; give it a name that ends in .xlsx.")


def _kind_of_zip(path: Path) -> str:
    """What a zip file is that is no workbook of ours; '' when it is one, or cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        return ""
    if "content.xml" in names:
        return "an OpenDocument spreadsheet (.ods)"
    if "xl/workbook.bin" in names:
        return "a binary Excel workbook (.xlsb)"
    return "" if "[Content_Types].xml" in names else "a zip file, and no Excel workbook"
