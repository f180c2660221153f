"""Says what a spreadsheet, or an earlier program, made of a cell, so that it no longer holds what somebody typed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from scripts.records import ERRORS, FAILED, NUMERIC, UNCOMPUTED

_SHORTENED = re.compile(r"[0-9]([.,][0-9]+)?E\+[0-9]+", re.IGNORECASE)
"""How Excel writes a long number into a CSV: of 9999011096 is left 9.999E+09."""


def text_of(cell: str) -> str:
    """What a cell says, without the mark of what it was in a workbook."""
    return cell.removeprefix(FAILED).removeprefix(NUMERIC).strip()


def damage_of(raw: Mapping[str, str], textual: Collection[str]) -> str | None:
    """What is wrong with the cells of a row, by column, however right they look; None: nothing.

    What a cell of an error says is told, as the spreadsheet wrote it; a value of a person is not.
    """
    if unsaved := [name for name, cell in raw.items() if cell == UNCOMPUTED]:
        one = len(unsaved) == 1
        held = "holds a formula whose result is" if one else "hold formulas whose results are"
        return (
            f"{' and '.join(unsaved)} {held} not in this file. "
            f"Open it in Excel and save it there, or type the value{'s' * (not one)}."
        )
    if failed := [f"{name} holds {text_of(cell)}" for name, cell in raw.items() if _is_error(cell)]:
        return f"{' and '.join(failed)}, an error of the spreadsheet. Correct its formula, or type the value."
    if shortened := [name for name, cell in raw.items() if "+" in cell and _SHORTENED.fullmatch(text_of(cell))]:
        return (
            f"{' and '.join(shortened)}: Excel made a number of this and left digits out (as in 1.2E+10). "
            "Format the column as text there and type the value again."
        )
    for name, cell in raw.items():
        if name in textual and cell.startswith(NUMERIC):
            return (
                f"{name} is a number in this spreadsheet, so zeros in front of it are lost. "
                "Format the column as text and type the value again."
            )
    return None


def is_garbled(text: str) -> bool:
    """Whether a text was UTF-8 that some program took for Windows-1252: 'BÃ¤ckerei'. No name is like that by chance."""
    if text.isascii():
        return False
    try:
        return text.encode("cp1252").decode() != text
    except UnicodeError:
        return False


def _is_error(cell: str) -> bool:
    return cell.startswith(FAILED) or cell.strip() in ERRORS
